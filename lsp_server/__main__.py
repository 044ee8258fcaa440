"""The command line: `meaning-ls` alone is the language server, `meaning-ls COMMAND` a thin face over the engine.

Takes the words of a command line, gives text or JSON lines on standard output, notes and progress on standard error,
and an exit code: 0 found, 1 nothing found, 2 bad usage or failure, 130 stopped with Ctrl-C. arguments.py holds the
grammar, listing.py and terminal.py what answers and progress look like. The engine is imported by the commands that
need it, not here: a child process that is spawned imports this module again.
"""

import argparse
import gc
import logging
import os
import shlex
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lsp_server.arguments import UsageError, foreground_options, query, read_arguments, server_options
from lsp_server.engine.errors import EngineError
from lsp_server.terminal import close_stdout, prepare_streams, refusal

if TYPE_CHECKING:
    from lsp_server.engine.hits import Answer
    from lsp_server.engine.index import Index
    from lsp_server.engine.query import Query

FOUND, NOTHING, FAILED, STOPPED = 0, 1, 2, 130

_log = logging.getLogger(__name__)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    prepare_streams()
    try:
        try:
            arguments = read_arguments(sys.argv[1:] if words is None else words)
        finally:
            sys.stdout.flush()  # what --help says
        _keep_log(arguments)
        code = COMMANDS[arguments.command](arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _note("stopped; what is there so far stays and can be used, and the next run goes on from there")
        return STOPPED
    except BrokenPipeError:  # whoever read us has seen enough: `| head`
        close_stdout()
        return FOUND
    except (EngineError, UsageError) as error:
        _note(str(error))
        return FAILED
    except OSError as error:  # a closed folder, a full disk: what the system refuses is no mistake of ours
        _log.debug("", exc_info=True)
        if error.filename is None:
            close_stdout()
        _note(refusal(error))
        return FAILED
    except Exception as error:  # noqa: BLE001 - the end of the program: one sentence, and the whole story if asked for
        _log.debug("", exc_info=True)
        _note(f"{type(error).__name__}: {error} (a mistake of meaning-ls; --verbose shows where)")
        return FAILED
    return code


# ---- the commands


def serve(arguments: argparse.Namespace) -> int:
    """Be the language server until the client ends it."""
    # Nothing that is imported is garbage: looking for some while a thousand message types are made takes 70 of 500 ms.
    gc.disable()
    from lsp_server import server

    gc.freeze()
    gc.enable()
    if arguments.tcp:
        host, port = arguments.tcp
        server.serve_tcp(host, port, server_options(arguments))
    else:
        server.serve_stdio(server_options(arguments))
    return FOUND


def index_folder(arguments: argparse.Namespace) -> int:
    """Bring an index up to date and say what is in it."""
    from lsp_server.courtesy import make_idle
    from lsp_server.foreground import refresh
    from lsp_server.models.advice import doubts
    from lsp_server.terminal import watch

    with _opened(arguments, arguments.dir or _project_around(_here())) as index:
        if index.home.is_paused:
            raise UsageError(f"indexing of {index.root} is paused. Go on with: meaning-ls resume {index.root}")
        make_idle()
        if doubt := doubts(arguments.model, arguments.cache_dir):
            _note(f"{doubt} It is used all the same, for you have named it")
        is_new = not index.status().last_update
        if is_new:  # there is much to embed
            _warm(index)
        watch(refresh(index), sys.stderr)
        if not is_new and index.writing.verify():  # what has just been written was not damaged meanwhile
            watch(refresh(index), sys.stderr)
        _print_status(arguments, index)
        return FOUND if index.status().symbols else NOTHING


def search(arguments: argparse.Namespace) -> int:
    """Answer one question, or each of a file."""
    if arguments.queries is not None:
        if arguments.dir is not None:
            raise UsageError("with --queries there is no QUERY: meaning-ls search --queries FILE.jsonl [DIR]")
        if arguments.layout:
            raise UsageError(f"questions of a file are answered in JSON, not with --{arguments.layout}")
        folder = Path(arguments.query) if arguments.query is not None else None
        return _answer_all(arguments, folder or _project_around(_here()))
    if arguments.query is None:
        raise UsageError("there is no QUERY. Try: meaning-ls search --help")
    asked = query(arguments, arguments.query)
    with _opened(arguments, arguments.dir or _project_around(_here())) as index:
        _warm(index)
        _make_current(arguments, index)
        return _print_answer(arguments, index, _by_meaning(index, asked))


def similar(arguments: argparse.Namespace) -> int:
    """Find code like that at a place."""
    file, first, last = arguments.place
    asked = query(arguments, "")
    with _opened(arguments, arguments.root or _project_around(file.absolute().parent)) as index:
        path = _inside(index.root, file)
        _make_current(arguments, index)
        return _print_answer(arguments, index, index.similar(path, first, last, asked))


def status(arguments: argparse.Namespace) -> int:
    """Say what an index holds."""
    from lsp_server.listing import skipped_lines
    from lsp_server.models.advice import known_offer

    with _opened(arguments, arguments.dir or _project_around(_here())) as index:
        index.catch_up()
        _print_status(arguments, index)
        if not arguments.json:
            _print(*(f"offer     {offer}" for offer in [known_offer(index.model, arguments.cache_dir)] if offer))
            _print(*skipped_lines(index.status()))
        return FOUND if index.status().symbols else NOTHING


def hold(arguments: argparse.Namespace) -> int:
    """Stop what indexes a folder, for now or until `resume`, in all editors; or let it go on."""
    from lsp_server.engine.files import check_root
    from lsp_server.engine.home import Home

    home = Home(check_root(arguments.dir or _project_around(_here())), arguments.cache_dir)
    if arguments.command == "pause":
        home.pause()
        _print(f"{home.root} is not indexed, by any editor, until: meaning-ls resume")
    elif arguments.command == "cancel":
        home.cancel()
        _print(f"what indexes {home.root} stops; it goes on with the next change there, or by: meaning-ls index")
    else:
        home.resume()
        _print(f"{home.root} is indexed again by the editors that have it open")
    return FOUND


def doctor(arguments: argparse.Namespace) -> int:
    """Look at everything, and say what to do about what is wrong."""
    from lsp_server.doctor import examine
    from lsp_server.terminal import PAINTS, clean, style_for

    root = arguments.dir or _project_around(_here())
    if not os.path.isdir(root):  # noqa: PTH112 - a Path's own raises where a folder above is closed
        raise UsageError(f"there is no folder {root}")
    report = examine([root.absolute()], foreground_options(arguments))
    if arguments.json:
        _print_json(report.json())
    else:
        style = style_for(sys.stdout, arguments.color)
        for verdict, line in report.lines():
            _print(f"{style.paint(PAINTS[verdict], f'{verdict:<5}')} {clean(line)}" if verdict else clean(line))
    return FOUND if report.verdict == "ok" else NOTHING


def why(arguments: argparse.Namespace) -> int:
    """Say whether a file is indexed, or which rule leaves it out."""
    from lsp_server.engine.cache import index_folder
    from lsp_server.engine.files import check_root
    from lsp_server.engine.files import why as reason_left_out

    root, options = check_root(arguments.root or _project_of(arguments)), foreground_options(arguments)
    path = _inside(root, arguments.file)
    if (index_folder(root, options.cache_dir, options.rules.key()) / "index.db").exists():
        with _opened(arguments, root) as index:
            sentence = index.why(path)
    else:  # a question makes no index
        reason = reason_left_out(root, path, options.rules)
        sentence = f"{path} is left out: {reason}." if reason else f"{path} is not indexed yet. Run: {_index(root)}"
    indexed = sentence.startswith(f"{path} is indexed with")
    if arguments.json:
        _print_json({"path": path, "indexed": indexed, "reason": sentence})
    else:
        _print(sentence)
    return FOUND if indexed else NOTHING


def explain(arguments: argparse.Namespace) -> int:
    """Say why a symbol stands where it stands in an answer."""
    file, first, _ = arguments.place
    asked = query(arguments, arguments.query)
    with _opened(arguments, arguments.root or _project_around(file.absolute().parent)) as index:
        path = _inside(index.root, file)
        _warm(index)
        _make_current(arguments, index)
        reasons = index.explain(asked, path, first)
    if arguments.json:
        _print_json(reasons)
    else:
        _print(*(f"{name:<11} {value}" for name, value in reasons.items()))
    return FOUND if isinstance(reasons.get("place"), int) else NOTHING


def config(arguments: argparse.Namespace) -> int:
    """Print what an editor has to be told."""
    from lsp_server.config import EDITORS, configuration, installed_command

    command = arguments.program or installed_command()
    if command is None:
        raise UsageError("meaning-ls is not installed as a program here; install it, or name it with --command")
    sys.stdout.write(configuration(arguments.editor, command))
    _note(f"this belongs into {EDITORS[arguments.editor].where}")
    return FOUND


def mcp(arguments: argparse.Namespace) -> int:
    """Serve a coding agent until it leaves."""
    try:
        from lsp_server import mcp as agents
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("lsp_server"):
            raise
        package = (error.name or "").partition(".")[0]
        raise UsageError(
            f'{package} is missing; it comes with the extra mcp: pip install "meaning-ls[mcp]", in a checkout ".[mcp]"'
        ) from error
    from lsp_server.settings import from_options

    if sys.stdin.isatty():
        _note("waiting for the client of a coding agent on standard input; Ctrl-C ends it")
    agents.serve(from_options(server_options(arguments)), arguments.dirs, _project_around(_here()))
    return FOUND


def models(arguments: argparse.Namespace) -> int:
    """List, choose, fetch or remove models."""
    from lsp_server.models.commands import run

    return run(arguments)


def completion(arguments: argparse.Namespace) -> int:
    """Print what a shell needs to complete these commands."""
    from lsp_server.completion import completion as script

    _print(script(arguments.shell))
    return FOUND


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "serve": serve,
    "index": index_folder,
    "search": search,
    "similar": similar,
    "status": status,
    "doctor": doctor,
    "cancel": hold,
    "pause": hold,
    "resume": hold,
    "why": why,
    "explain": explain,
    "models": models,
    "config": config,
    "mcp": mcp,
    "completion": completion,
}


# ---- many questions


def _answer_all(arguments: argparse.Namespace, folder: Path) -> int:
    """Answer a file of questions, one line each, with the index opened once."""
    from lsp_server.listing import hit_object
    from lsp_server.questions import open_questions, read_questions

    code = NOTHING
    with open_questions(arguments.queries) as lines, _opened(arguments, folder) as index:
        _warm(index)
        _make_current(arguments, index)
        for name, asked in read_questions(lines, query(arguments, "")):
            answer = _by_meaning(index, asked)
            _print_json({"id": name, "results": [hit_object(hit) for hit in answer.hits]})
            sys.stdout.flush()  # who sends questions through a pipe waits for each answer
            code = FOUND if answer.hits else code
    return code


# ---- opening, updating, asking


@contextmanager
def _opened(arguments: argparse.Namespace, root: Path) -> Iterator["Index"]:
    from lsp_server.engine.index import Index

    index = Index(root, foreground_options(arguments))
    try:
        yield index
    finally:
        index.close()


def _here() -> Path:
    """Return the current directory. Raises UsageError when somebody has removed it."""
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("the current directory is gone; go to another one, or name the folder") from error


def _project_around(folder: Path) -> Path:
    """Return the nearest folder upwards with .git; `folder` itself where there is none below the home directory."""
    folder = Path(os.path.normpath(folder))  # the folders above ../x are not those above here
    for candidate in (folder, *folder.parents):
        if candidate == Path.home() or candidate == candidate.parent:
            break  # nobody means all of their home directory, even where it is under version control
        if os.path.exists(candidate / ".git"):  # noqa: PTH110 - a Path's own raises where a folder is closed
            return candidate
    return folder


def _project_of(arguments: argparse.Namespace) -> Path:
    """Return the project or the indexed folder that a file lies in. Raises UsageError where there is none."""
    from lsp_server.engine.cache import siblings

    whole = Path(os.path.normpath(arguments.file.absolute()))
    folder = whole if os.path.isdir(whole) else whole.parent  # noqa: PTH112 - it says no where a folder is closed
    project = _project_around(folder)
    if project != folder or os.path.exists(project / ".git"):  # noqa: PTH110 - likewise
        return project
    for candidate in (folder, *folder.parents):
        if siblings(Path(os.path.realpath(candidate)), arguments.cache_dir):
            return candidate
    there = next(each for each in (folder, *folder.parents) if os.path.isdir(each))  # noqa: PTH112 - likewise
    if not os.access(there, os.R_OK | os.X_OK):
        return there  # to be told that it cannot be read
    raise UsageError(
        f"{arguments.file} lies in no project: no folder above it holds .git or is indexed. "
        f"Name its folder with --root, or have it indexed: {_index(folder)}"
    )


def _index(folder: Path) -> str:
    """Return the command that indexes a folder."""
    return f"meaning-ls index {shlex.quote(str(folder))}"


def _inside(root: Path, file: Path) -> str:
    """Return the path of `file` as an index knows it: relative to the root, with '/'."""
    whole = file.absolute()
    for candidate in (Path(os.path.normpath(whole)), whole.resolve()):
        if candidate.is_relative_to(root):
            return candidate.relative_to(root).as_posix()
    raise UsageError(f"{file} is not below {root}; name the indexed folder with --root")


def _warm(index: "Index") -> None:
    """Load the model while the files are looked at; whatever is wrong with it is told by who needs it."""

    def load() -> None:
        with suppress(Exception):
            index.encoder()

    # No daemon: a process that ends while ONNX Runtime is being loaded is aborted by it.
    threading.Thread(target=load, name="model").start()


def _make_current(arguments: argparse.Namespace, index: "Index") -> None:
    """Bring the index up to date unless that is not wished, or another process is at it."""
    from lsp_server.engine.encoder import ModelError
    from lsp_server.engine.errors import Busy, StoreError
    from lsp_server.foreground import refresh
    from lsp_server.terminal import watch

    if index.home.is_paused and not arguments.no_update:
        _note("indexing is paused here, so the answer may be old; go on with: meaning-ls resume")
    elif not arguments.no_update:
        try:
            passing = refresh(index)
            if sys.stderr.isatty():
                watch(passing, sys.stderr)
            else:
                deque(passing, maxlen=0)
        except (Busy, StoreError) as error:
            _note(f"{error} Answering from what is there")
        except ModelError as error:
            _note(f"{error} Answering by words and names")
    index.catch_up()
    if not index.status().symbols:
        message = index.status().message or "Run: meaning-ls index"
        raise UsageError(f"nothing is indexed in {index.root}. {message}")


def _by_meaning(index: "Index", asked: "Query") -> "Answer":
    from lsp_server.engine.encoder import ModelError

    try:
        return index.search(asked)
    except ModelError as error:
        _note(f"{error} Answering by words and names")
        return index.search_words(asked)


# ---- writing


def _print_answer(arguments: argparse.Namespace, index: "Index", answer: "Answer") -> int:
    from lsp_server.listing import answer_lines
    from lsp_server.terminal import style_for

    if not answer.hits:
        _note("nothing found")
        return NOTHING
    if not answer.confident:
        _note("nothing fits well; nearest:")
    for_people = sys.stdout.isatty() or arguments.color == "always"
    layout = "json" if arguments.json else arguments.layout or ("blocks" if for_people else "lines")
    style = style_for(sys.stdout, arguments.color, arguments.hyperlink)
    _print(*answer_lines(layout, answer.hits, index, style))
    return FOUND


def _print_status(arguments: argparse.Namespace, index: "Index") -> None:
    index.catch_up()  # once more: the first time leaves the graph aside
    from lsp_server.engine.hnsw import load_hnswlib
    from lsp_server.listing import status_lines, status_object

    if arguments.json:
        _print_json(status_object(index, index.status()))
        return
    approximate = "" if load_hnswlib() else "; hnswlib is not installed, so that there are no graphs"
    _print(*status_lines(index, index.status(), approximate))


def _print(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _print_json(value: object) -> None:
    from lsp_server.listing import as_json

    _print(as_json(value))


def _note(sentence: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"meaning-ls: {sentence.rstrip('.')}{'' if sentence.endswith((':', '?')) else '.'}\n")


def _keep_log(arguments: argparse.Namespace) -> None:
    from lsp_server.engine.log import log_to_file, log_to_stderr

    if arguments.command == "serve":
        log_to_stderr(logging.DEBUG if arguments.verbose else logging.INFO)  # the server keeps its file itself
    else:
        log_to_stderr(logging.DEBUG if arguments.verbose else logging.WARNING)
        log_to_file(arguments.cache_dir, arguments.command)


if __name__ == "__main__":
    sys.exit(main())
