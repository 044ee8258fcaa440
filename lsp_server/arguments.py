"""Arguments: the command line's grammar, and the frozen or plain values that its words become.

Takes words, gives an argparse Namespace whose `command` names what to do; `options` and `query` turn it into the
engine's own values. Nothing is done here. The engine is imported only by the functions that need it, so that `--help`
and the start of the server cost nothing.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lsp_server import __version__
from lsp_server.config import EDITORS, is_quotable
from lsp_server.manual import COMPLETION, CONFIG, CONNECT, DOCTOR, EPILOG, EXPORT, MCP, MODELS, ROOTS, SEARCH, SHELLS

if TYPE_CHECKING:
    from lsp_server.engine.index import Options
    from lsp_server.engine.query import Query

DEFAULT_LIMIT = 20
DEFAULT_MAX_FILE_BYTES = 1_000_000

_PLACE = re.compile(r"(.+):(\d+)(?:-(\d+))?")


class UsageError(Exception):
    """The words make no sense; the text is a sentence for the user."""


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one sentence, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments") and self.prog.split()[-1:] == ["meaning-ls"]:
            message += " (put a question of several words in quotes)"
        raise UsageError(f"{message}. Try: {self.prog} --help")


def read_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Understand a command line without the program's name. Raises UsageError, and SystemExit after --help."""
    parser = make_parser()
    first = words[0] if words else ""
    # An editor starts the server with options alone: meaning-ls --stdio
    if not first or (first.startswith("-") and first not in ("-h", "--help", "--version")):
        words = ["serve", *words]
    found, more = parser.parse_known_args(words)
    if len(more) == 1 and not more[0].startswith("-") and getattr(found, "dir", "") is None:
        found.dir = Path(more[0])  # search QUERY --limit 3 DIR: argparse wants the two side by side
    elif more:
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    return found


def make_parser() -> argparse.ArgumentParser:
    """Make the parser with all its commands."""
    parser = _Parser(
        prog="meaning-ls",
        description="Find code by meaning: a language server and a command line that run on this machine alone.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"meaning-ls {__version__}")
    parser.set_defaults(unindexed=(), verbose=False, cache_dir="")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=_Parser)
    how, shown, filters = _engine_options(), _output_options(), _filter_options()

    serve = _command(commands, "serve", "be the language server (what happens without a command)", [how])
    serve.add_argument("--stdio", action="store_true", help="talk on standard input and output, as is the default")
    serve.add_argument("--tcp", metavar="HOST:PORT", type=_address, help="listen here instead, for debugging")
    serve.add_argument("--clientProcessId", type=int, default=0, help=argparse.SUPPRESS)  # some clients append it
    _add_index_exclude(serve)

    index = _command(commands, "index", "bring the index of a folder up to date", [how, shown], ROOTS)
    index.add_argument("dir", metavar="DIR", nargs="?", type=Path, help="the folder (default: the project around here)")
    _add_index_exclude(index)

    search = _command(commands, "search", "find code by what it does", [how, filters], SEARCH)
    _add_layouts(search)
    search.add_argument("query", metavar="QUERY", nargs="?", help="the question, in quotes; may hold filters")
    search.add_argument(
        "dir", metavar="DIR", nargs="?", type=Path, help="the folder (default: the project around here)"
    )
    search.add_argument(
        "--queries",
        metavar="FILE.jsonl",
        help='answer {"id", "query", ...} per line (- for standard input) with {"id", "results"} per line',
    )

    similar = _command(commands, "similar", "find code like that at a place", [how, filters, _root_option()])
    _add_layouts(similar)
    similar.add_argument("place", metavar="FILE:LINE", type=_place, help="a line or lines (FILE:10-20), counted from 1")

    status = _command(commands, "status", "tell what is indexed, and what is left out", [how, shown], ROOTS)
    status.add_argument(
        "dir", metavar="DIR", nargs="?", type=Path, help="the folder (default: the project around here)"
    )

    for name, summary in (
        ("cancel", "stop the indexing of a folder that is under way, until something changes there"),
        ("pause", "have no editor index a folder, until `resume`"),
        ("resume", "let editors index a folder again"),
    ):
        held = _command(commands, name, summary, [how], ROOTS)
        held.add_argument(
            "dir", metavar="DIR", nargs="?", type=Path, help="the folder (default: the project around here)"
        )

    doctor = _command(
        commands, "doctor", "look at everything, and tell what to do about what is wrong", [how, shown], DOCTOR
    )
    doctor.add_argument(
        "dir", metavar="DIR", nargs="?", type=Path, help="the folder (default: the project around here)"
    )
    _add_index_exclude(doctor)

    why = _command(
        commands, "why", "tell whether a file is indexed, or which rule leaves it out", [how, shown, _root_option()]
    )
    why.add_argument("file", metavar="FILE", type=Path, help="a file or a folder")
    _add_index_exclude(why)

    explain = _command(
        commands,
        "explain",
        "tell why a symbol stands where it stands in an answer",
        [how, shown, filters, _root_option()],
    )
    explain.add_argument("query", metavar="QUERY", help="the question")
    explain.add_argument("place", metavar="FILE:LINE", type=_place, help="a line of the symbol, counted from 1")

    mcp = _command(commands, "mcp", "serve coding agents by the Model Context Protocol", [how], MCP)
    mcp.add_argument("dirs", metavar="DIR", nargs="*", type=Path, help="the folders that may be asked about")
    _add_index_exclude(mcp)

    _add_models(commands)

    config = _command(commands, "config", "print what an editor has to be told, with the installed path", [], CONFIG)
    config.add_argument("editor", metavar="EDITOR", choices=tuple(EDITORS), help="an editor")
    config.add_argument(
        "--command", dest="program", metavar="PATH", type=_program, help="start this instead (default: this program)"
    )

    completion = _command(commands, "completion", "print what a shell needs to complete these commands", [], COMPLETION)
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")
    return parser


def _add_models(commands: "argparse._SubParsersAction[_Parser]") -> None:
    """`models` alone is a table; what stands after it does something with models."""
    options = _Parser(add_help=False)
    options.add_argument("--cache-dir", metavar="DIR", default=argparse.SUPPRESS, help="where models are kept")
    options.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="JSON, one object")
    options.add_argument("-v", "--verbose", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    models = _command(commands, "models", "list the models, and which of them suit this machine", [options], MODELS)
    models.set_defaults(json=False, cache_dir="", color="auto")
    actions = models.add_subparsers(dest="action", metavar="ACTION", title="actions", parser_class=_Parser)
    choose = _command(actions, "choose", "measure, and pick the best model for this machine", [options])
    choose.add_argument("dir", metavar="DIR", nargs="?", type=Path, help="a project to measure with")
    choose.add_argument("--explain", action="store_true", help="say what was found, considered and picked")
    pull = _command(actions, "pull", "download a model of the list", [options])
    pull.add_argument("id", metavar="ID", help="a model's id, or ID:VARIANT")
    _add_connect(actions, options)
    remove = _command(actions, "remove", "delete a downloaded model", [options])
    remove.add_argument("id", metavar="ID", help="a model's id, or ID:VARIANT")
    _add_export(actions, options)


def _add_connect(actions: "argparse._SubParsersAction[_Parser]", options: _Parser) -> None:
    """Add what connects a server that embeds."""
    summary = "use a server that embeds: Ollama, TEI, vLLM, llama.cpp, or another with /v1/embeddings"
    connect = _command(actions, "connect", summary, [options], CONNECT)
    connect.add_argument("url", metavar="URL", help="where it is: http://localhost:11434/v1")
    connect.add_argument("served", metavar="MODEL", help="the model, as the server calls it")
    connect.add_argument("--id", metavar="ID", type=_model_id, help="how to call it (default: its name)")
    connect.add_argument(
        "--key-variable", metavar="NAME", default="", help="the environment variable that holds the server's key"
    )
    connect.add_argument("--query-prefix", metavar="TEXT", default="", help="what comes before a question")
    connect.add_argument("--document-prefix", metavar="TEXT", default="", help="what comes before a document")
    connect.add_argument("--batch", metavar="N", type=_number(1), default=32, help="texts in one request (default: 32)")
    connect.add_argument("--yes", action="store_true", help="allow the host without being asked")


def _add_export(actions: "argparse._SubParsersAction[_Parser]", options: _Parser) -> None:
    """Add what says otherwise than a model's own files."""
    summary = "make a model of transformers or sentence-transformers into one of ours"
    export = _command(actions, "export", summary, [options], EXPORT)
    export.add_argument("source", metavar="HF_ID_OR_FOLDER", help="a repository of the hub, or a folder")
    export.add_argument("--out", metavar="DIR", type=Path, help="a new folder (default: with the downloaded models)")
    export.add_argument("--id", metavar="ID", type=_model_id, help="how to call it (default: its name)")
    export.add_argument("--precision", choices=("auto", "int8", "q8", "fp32"), default="auto", help="of the weights")
    export.add_argument("--pooling", choices=("mean", "cls", "last"), default="", help="default: as its files say")
    export.add_argument("--query-prefix", metavar="TEXT", help="what comes before a question")
    export.add_argument("--document-prefix", metavar="TEXT", help="what comes before a document")
    export.add_argument("--eos-token", metavar="TOKEN", default="", help="what has to end a text")
    export.add_argument("--max-tokens", metavar="N", type=_number(4), default=0, help="tokens to read of a text")
    export.add_argument("--dims", metavar="N", type=_number(4), default=0, help="cut vectors to N (Matryoshka)")
    export.add_argument("--revision", metavar="COMMIT", default="", help="of the repository")
    export.add_argument("--trust-remote-code", action="store_true", help="run the Python code that the model brings")


def _command(
    commands: "argparse._SubParsersAction[_Parser]",
    name: str,
    summary: str,
    parents: list[_Parser],
    more: str = "",
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}." + (f"\n\n{more}" if more else ""),
        parents=parents,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _engine_options() -> _Parser:
    """Options that carry the names of the editors' settings."""
    options = _Parser(add_help=False)
    group = options.add_argument_group("index")
    group.add_argument("--model", default="auto", help="'auto', the id of a model (see: models), or a model's folder")
    group.add_argument("--device", default="auto", help="'auto', 'cpu', or another that computes (see: models)")
    group.add_argument(
        "--threads",
        metavar="N",
        type=_number(0),
        default=0,
        help="threads that embed (default: every core; the server: half of them)",
    )
    group.add_argument(
        "--max-file-bytes",
        metavar="N",
        type=_number(1_000),
        default=DEFAULT_MAX_FILE_BYTES,
        help="leave out larger files (default: %(default)s)",
    )
    group.add_argument(
        "--cache-dir", metavar="DIR", default="", help="where indexes are kept (default: the user's cache)"
    )
    group.add_argument(
        "--memory-limit",
        metavar="MB",
        type=_number(0),
        default=0,
        help="megabytes that it may use with all that it starts, 0 for any number: vectors are read from disk rather "
        "than exceed it, then meaning is given up",
    )
    group.add_argument(
        "--docs-model",
        metavar="NAME",
        default="auto",
        help="a model of its own for sections of documentation; 'off', or 'auto': as the index has it, none at first",
    )
    group.add_argument(
        "--rerank",
        metavar="NAME",
        default="off",
        help="what reorders the best hits: 'off', 'auto' (a reranker that is installed), an id, or a folder",
    )
    group.add_argument("-v", "--verbose", action="store_true", help="say on standard error what is being done")
    return options


def _output_options() -> _Parser:
    options = _Parser(add_help=False)
    group = options.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="JSON, one object a line")
    _add_when(group, "--color", "paint (default: auto, which heeds NO_COLOR)")
    return options


def _add_layouts(parser: argparse.ArgumentParser) -> None:
    """How answers are laid out; the names are ripgrep's where it has one."""
    group = parser.add_argument_group("output")
    layout = group.add_mutually_exclusive_group()
    layout.add_argument("--json", action="store_true", help="JSON, one object a line")
    layout.add_argument(
        "--vimgrep",
        dest="layout",
        action="store_const",
        const="vimgrep",
        help="FILE:LINE:COLUMN:TEXT, for editors' lists of places",
    )
    layout.add_argument(
        "--heading", dest="layout", action="store_const", const="heading", help="hits of a file below its name"
    )
    layout.add_argument(
        *("-l", "--files-with-matches"),
        dest="layout",
        action="store_const",
        const="files",
        help="names of files alone, the best first",
    )
    _add_when(group, "--color", "paint (default: auto, which heeds NO_COLOR)")
    _add_when(group, "--hyperlink", "make paths links (default: auto, for terminals that are known to show links)")


def _add_when(group: "argparse._ArgumentGroup", name: str, summary: str) -> None:
    group.add_argument(name, choices=("auto", "always", "never"), default="auto", help=summary)


def _filter_options() -> _Parser:
    options = _Parser(add_help=False)
    group = options.add_argument_group("answers")
    group.add_argument(
        "-n",
        "--limit",
        metavar="N",
        type=_number(1),
        default=DEFAULT_LIMIT,
        help="so many at most (default: %(default)s)",
    )
    group.add_argument("--kind", metavar="KIND", action="append", default=[], help="function, class, ...; repeatable")
    group.add_argument("--lang", metavar="LANG", action="append", default=[], help="python, ts, ...; repeatable")
    group.add_argument("--include", metavar="GLOB", action="append", default=[], help="only these files; repeatable")
    group.add_argument("--exclude", metavar="GLOB", action="append", default=[], help="not these files; repeatable")
    group.add_argument("--no-update", action="store_true", help="answer from the index as it is")
    return options


def _root_option() -> _Parser:
    options = _Parser(add_help=False)
    options.add_argument(
        "--root", metavar="DIR", type=Path, help="the folder that is indexed (default: the project around the file)"
    )
    return options


def _add_index_exclude(parser: argparse.ArgumentParser) -> None:
    """Where answers are filtered, --exclude is a filter; elsewhere it is the setting that leaves files out."""
    parser.add_argument(
        "--exclude",
        metavar="GLOB",
        action="append",
        default=[],
        dest="unindexed",
        help="leave these files out of the index; repeatable. What is to be left out by every command and editor"
        " belongs into the project's .meaningignore",
    )


def _number(least: int) -> "type[int]":
    """Return a reader of whole numbers from `least` on."""

    def read(text: str) -> int:
        value = int(text) if text.isascii() and text.isdigit() else -1
        if value < least:
            raise argparse.ArgumentTypeError(f"must be a whole number, at least {least}, not {text!r}")
        return value

    return read  # type: ignore[return-value]  # argparse wants any callable


def _address(text: str) -> tuple[str, int]:
    """Read HOST:PORT, [IPV6]:PORT or PORT, which is on this machine alone."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise argparse.ArgumentTypeError(f"must be HOST:PORT, not {text!r}")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def _place(text: str) -> tuple[Path, int, int]:
    """Read FILE:LINE or FILE:FIRST-LAST: the file and its lines, 0-based and inclusive."""
    match = _PLACE.fullmatch(text)
    if not match:
        raise argparse.ArgumentTypeError(f"must be FILE:LINE, not {text!r}")
    first, last = int(match.group(2)), int(match.group(3) or match.group(2))
    if not 1 <= first <= last:
        raise argparse.ArgumentTypeError(f"lines are counted from 1 and upwards, not {text!r}")
    return Path(match.group(1)), first - 1, last - 1


def _model_id(text: str) -> str:
    from lsp_server.engine.installed import RESERVED

    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", text):
        raise argparse.ArgumentTypeError(f"must be made of a-z, 0-9, '.', '_' and '-', not {text!r}")
    if text in RESERVED:
        raise argparse.ArgumentTypeError(f"must not be {text!r}, which settings understand otherwise")
    return text


def _program(text: str) -> str:
    if not text or not is_quotable(text):
        raise argparse.ArgumentTypeError(f"must be the name or the path of a program, not {text!r}")
    return text


# ---- into the engine's words


def foreground_options(arguments: argparse.Namespace) -> "Options":
    """Return how an index is made for someone who waits for it: by every core."""
    from lsp_server.engine.threads import all_threads

    return _options(arguments, arguments.threads or all_threads())


def server_options(arguments: argparse.Namespace) -> "Options":
    """Return how an index is made beside an editor."""
    return _options(arguments, arguments.threads)


def _options(arguments: argparse.Namespace, threads: int) -> "Options":
    from lsp_server.engine.index import Options

    unindexed = tuple(arguments.unindexed)
    return Options(
        model=arguments.model,
        device=arguments.device,
        threads=threads,
        exclude=unindexed,
        max_file_bytes=arguments.max_file_bytes,
        cache_dir=arguments.cache_dir,
        memory_limit=arguments.memory_limit,
        docs_model=arguments.docs_model,
        rerank=arguments.rerank,
    )


def query(arguments: argparse.Namespace, text: str) -> "Query":
    """Return a question with the filters of the command line. Raises UsageError for an unknown kind or language."""
    from lsp_server.engine.query import Query, filter_trouble, glob_trouble

    if trouble := glob_trouble((*arguments.include, *arguments.exclude)):
        raise UsageError(f"--include and --exclude {trouble}")
    if trouble := filter_trouble(text):
        raise UsageError(f"the filters of the question {trouble}")
    return with_filters(
        Query(text, arguments.limit, include=tuple(arguments.include), exclude=tuple(arguments.exclude)),
        arguments.kind,
        arguments.lang,
    )


def with_filters(base: "Query", kinds: Sequence[str], languages: Sequence[str]) -> "Query":
    """Add kinds and languages to a question, under any name that its filter tokens know. Raises UsageError."""
    from dataclasses import replace

    from lsp_server.engine.query import Query, parse

    for token, values in (("kind", kinds), ("lang", languages)):
        for value in ",".join(values).split(",") if values else ():
            understood = parse(Query(f"{token}:{value}"))
            if understood.words:
                raise UsageError(f"there is no {_LONG[token]} {value!r}; known are {_known(token)}")
            base = replace(
                base,
                kinds=base.kinds | understood.query.kinds,
                languages=base.languages | understood.query.languages,
            )
    return base


_LONG = {"kind": "kind of symbol", "lang": "language"}


def _known(token: str) -> str:
    from lsp_server.engine.languages import LANGUAGES
    from lsp_server.engine.symbols import KINDS

    return ", ".join(sorted(KINDS if token == "kind" else LANGUAGES))
