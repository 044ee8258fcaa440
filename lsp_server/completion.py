"""Completion: what a shell offers after `meaning-ls` and Tab.

Takes a shell's name, gives a script for it, written by shtab from the parser of the command line: commands, options,
their choices, files and folders. What the parser leaves open because people may say it in several ways, languages and
kinds, is offered here by the name that we use ourselves.
"""

import argparse
from collections.abc import Iterator

import shtab

from lsp_server.arguments import make_parser
from lsp_server.engine.languages import LANGUAGES
from lsp_server.engine.symbols import KINDS
from lsp_server.models.catalogue import load_catalogue

_OFFERED = {
    "LANG": sorted(LANGUAGES),
    "KIND": sorted(KINDS),
    "ID": sorted(model.id for model in load_catalogue().model),
}
_PATHS = {"DIR": shtab.DIRECTORY, "FILE": shtab.FILE, "FILE:LINE": shtab.FILE, "FILE.jsonl": shtab.FILE}


def completion(shell: str) -> str:
    """Return the script for "bash", "zsh" or "fish"."""
    parser = make_parser()
    for action in _actions(parser):
        if action.metavar in _OFFERED:
            action.choices = _OFFERED[action.metavar]
        elif action.metavar in _PATHS:
            action.complete = _PATHS[action.metavar]  # type: ignore[attr-defined]  # shtab's own attribute
    return str(shtab.complete(parser, shell))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in set(action.choices.values()):
                yield from _actions(command)
