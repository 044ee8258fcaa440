"""Man page: docs/meaning-ls.1, written from the parser of the command line, so that it says what --help says.

    python docs/manpage.py

Takes nothing, writes the page in mdoc, the language of mandoc and groff. Options that several commands share stand in
one place; a test says when the page is out of date.
"""

import argparse
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lsp_server import arguments, manual

PAGE = Path(__file__).with_name("meaning-ls.1")
DATE = "November 20, 2026"  # of the last change that readers notice

LINE = 72  # characters, less than what mandoc wishes for, which escapes make longer

Key = tuple[tuple[str, ...], str]


def page() -> str:
    """Return the man page."""
    parser = arguments.make_parser()
    return "\n".join([*_head(parser), *_commands(parser), *_shared(parser), *_tail()]) + "\n"


def _head(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from (f".Dd {DATE}", ".Dt MEANING-LS 1", ".Os", ".Sh NAME", ".Nm meaning-ls", ".Nd find code by meaning")
    yield from (".Sh SYNOPSIS", ".Nm", ".Op Ar options")
    for name, command in _parsers(parser).items():
        yield from (".Nm", f".Cm {name}", ".Op Ar options", *(f".{word}" for word in _positionals(command)))
    yield ".Sh DESCRIPTION"
    yield from _text(parser.description or "")
    yield from _text(manual.EPILOG.split("\n")[0])


def _commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    shared = _shared_keys(parser)
    yield from (".Sh COMMANDS", ".Bl -tag -width Ds")
    for name, command in _parsers(parser).items():
        yield f".It Cm {name} {' '.join(_positionals(command))}".rstrip()
        yield from _text(command.description or "")
        own = [action for action in _options(command) if _key(action) not in shared]
        if own:
            yield from (".Bl -tag -width Ds", *_items(own), ".El")
    yield ".El"


def _shared(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Give the options that more than one command has, each with the commands that have it."""
    shared = _shared_keys(parser)
    yield from (".Sh OPTIONS", ".Bl -tag -width Ds")
    seen: set[Key] = set()
    for command in _parsers(parser).values():
        for action in _options(command):
            if _key(action) in shared and _key(action) not in seen:
                seen.add(_key(action))
                yield from _items([action])
                holders = [
                    name for name, other in _parsers(parser).items() if _key(action) in map(_key, _options(other))
                ]
                yield from _text(f"({', '.join(holders)})")
    yield ".El"


def _tail() -> Iterator[str]:
    epilog = manual.EPILOG.split("\n")
    yield ".Sh EXIT STATUS"
    yield from _text(epilog[-1].removeprefix("Exit codes: "))
    yield ".Sh EXAMPLES"
    yield from (".Bd -literal", *(_escaped(line.strip()) for line in epilog if line.startswith("  ")), ".Ed")
    yield from (".Sh SEE ALSO", ".Lk https://microsoft.github.io/language-server-protocol/ Language Server Protocol")


def _parsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return all commands by name, those of a command after it: "models", "models pull"."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                found[name] = command
                found |= {f"{name} {inner}": each for inner, each in _parsers(command).items()}
    return found


def _options(command: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the options of a command that are for people, --help aside."""
    hidden = ("-h", argparse.SUPPRESS)
    return [
        action
        for action in command._actions
        if action.option_strings and action.option_strings[0] not in hidden and action.help not in hidden
    ]


def _key(action: argparse.Action) -> Key:
    return tuple(action.option_strings), action.help or ""


def _shared_keys(parser: argparse.ArgumentParser) -> set[Key]:
    counts = Counter(_key(action) for command in _parsers(parser).values() for action in _options(command))
    return {key for key, count in counts.items() if count > 1}


def _positionals(command: argparse.ArgumentParser) -> list[str]:
    """Return a command's arguments as macros."""
    forms = {None: "Ar {}", "?": "Op Ar {}", "*": "Op Ar {} ..."}
    return [
        forms[action.nargs].format(action.metavar)  # type: ignore[index]  # our parsers use no number
        for action in command._actions
        if not action.option_strings and not isinstance(action, argparse._SubParsersAction)
    ]


def _items(actions: list[argparse.Action]) -> Iterator[str]:
    for action in actions:
        names = " , ".join(
            f"Fl Fl {name[2:]}" if name.startswith("--") else f"Fl {name[1:]}" for name in action.option_strings
        )
        value = action.metavar or ("|".join(action.choices) if action.choices else action.dest.upper())
        takes = f" Ar {value}" if action.nargs != 0 else ""
        yield f".It {names}{takes}"
        yield from _text((action.help or "") % {"default": action.default})


def _text(text: str) -> Iterator[str]:
    """Give running text as lines, paragraphs apart, and what is indented as it stands."""
    for number, paragraph in enumerate(text.strip("\n").split("\n\n")):
        lines = paragraph.split("\n")
        if lines[0].startswith("  "):
            yield from (".Bd -literal", *(_escaped(line.strip()) for line in lines), ".Ed")
            continue
        if number:
            yield ".Pp"
        for sentence in re.split(r"(?<=\.) (?=[A-Z])", " ".join(lines)):  # each begins a line: mdoc sets the space
            yield from map(_escaped, textwrap.wrap(sentence, LINE, break_on_hyphens=False, break_long_words=False))


def _escaped(line: str) -> str:
    line = line.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{line}" if line.startswith((".", "'")) else line


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
