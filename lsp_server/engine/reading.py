"""Reading: a file becomes a record for the store, in a process of its own.

Takes paths, gives FileRecords or the reason why a file is left out. Parsing holds Python's lock and a grammar may crash
or hang, so it happens in a child process: the encoder never waits for it, and trouble costs one file. The child ends
when its parent does, whatever the cause: its pipe closes. It is a plain program rather than `multiprocessing`, which
would run the parent's main module again.
"""

import contextlib
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from lsp_server.engine.commits import FileRecord, SymbolRecord
from lsp_server.engine.files import Rules, Stamp, Unreachable, Unreadable, from_text, read
from lsp_server.engine.languages import LANGUAGES
from lsp_server.engine.log import child_log
from lsp_server.engine.notebooks import extract_notebook
from lsp_server.engine.symbols import Symbol, extract
from lsp_server.engine.text import RECIPE, bag_of_words, describe, squeeze, text_hash

CHUNK_FILES = 16  # files sent to the child at a time, at most: enough to cost nothing. The first ones go one by one.
FILE_SECONDS = 20.0  # of computing, for an answer: extraction stops itself long before, a grammar may hang
STUCK_SECONDS = 300.0  # by the clock, for a disk that hangs; a busy machine may let an idle process wait for long
TRIES = 3  # for a file whose reader was killed from outside: that may be chance, or a system short of memory
RACY_NS = 2_500_000_000  # FAT keeps time stamps of two seconds, others of less
NO_TIME = -1  # a ctime that no file has: the next look at the time stamps reads the file
PREVIEW_CHARS = 200
DETAIL_CHARS = 200

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to read, as the walk found it; `content_hash` is the one in the store, b"" to read it in any case."""

    path: str
    stamp: Stamp
    content_hash: bytes
    text: str | None = None  # what the file is to hold, instead of what is on disk


@dataclass(frozen=True, slots=True)
class Left:
    """A file that could not be read this time, and why."""

    path: str
    reason: str


@cache
def recipe() -> str:
    """Return what decides how a file is taken apart and described: files read by another recipe are read again."""
    digest = blake2b(digest_size=6)
    for query in sorted((Path(__file__).parent / "queries").glob("*.scm")):
        digest.update(query.read_bytes())
    for grammar in sorted({row.grammar.partition(":")[0] for row in LANGUAGES.values() if row.grammar}):
        digest.update(f"{grammar} {_installed(grammar)}\n".encode())
    return f"{RECIPE}-{digest.hexdigest()}"


def _installed(package: str) -> str:
    """Return the version of a package, "" where none is installed: its files are then read as blocks."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def read_record(root: Path, rules: Rules, wanted: Wanted) -> FileRecord | Left:
    """Read and take apart one file. Never raises on what the file holds."""
    now = time.time_ns()
    try:
        if wanted.text is None:
            source = read(root, wanted.path, rules)
        else:
            source = from_text(root, wanted.path, wanted.text, rules)
    except Unreachable as error:
        return Left(wanted.path, str(error))
    except Unreadable as error:
        return left_out(wanted, str(error))
    # A file this young may change again within its time stamps; git calls such an entry racy, and checks it once more.
    racy = abs(now - max(source.mtime_ns, source.ctime_ns)) < RACY_NS
    stamp = (source.size, source.mtime_ns, NO_TIME if racy else source.ctime_ns)
    record = FileRecord(source.path, stamp, source.content_hash, source.language, note="", symbols=None)
    if source.content_hash == wanted.content_hash:
        return record
    extraction = extract_notebook(source) if source.language == "jupyter" else extract(source)
    records = tuple(_symbol_record(symbol, source.path) for symbol in extraction.symbols)
    return replace(record, note=extraction.note, symbols=records)


def left_out(wanted: Wanted, reason: str) -> FileRecord:
    """Return the record of a file of which nothing is indexed until it changes."""
    return FileRecord(wanted.path, wanted.stamp, b"", "", note="", symbols=(), left_out=reason)


def _symbol_record(symbol: Symbol, path: str) -> SymbolRecord:
    text = _storable(describe(symbol, path))
    span, name = symbol.span, symbol.name_span
    return SymbolRecord(
        parent=symbol.parent,
        kind=symbol.kind,
        name=_storable(symbol.name),
        container=_storable(symbol.container),
        spans=(
            *(span.start_line, span.start_column, span.end_line, span.end_column),
            *(name.start_line, name.start_column, name.end_line, name.end_column),
        ),
        ascii=symbol.ascii,
        preview=_storable(_preview(symbol)),
        detail=_storable(_first_sentence(symbol.doc)),
        text=text,
        text_hash=text_hash(text),
        bag=bag_of_words(symbol, path),
        doc=_storable(symbol.doc),
        code=_storable(symbol.body),
    )


def _preview(symbol: Symbol) -> str:
    """Return the signature, or the first line that says something."""
    lines = (symbol.signature, *symbol.body.splitlines(), symbol.name)
    return next((squeeze(line)[:PREVIEW_CHARS] for line in lines if any(c.isalnum() for c in line)), symbol.name)


def _first_sentence(doc: str) -> str:
    text = squeeze(doc.split("\n\n")[0])
    end = text.find(". ")
    return (text[: end + 1] if end > 0 else text)[:DETAIL_CHARS]


def _storable(text: str) -> str:
    """Return `text` without halves of surrogate pairs, which SQLite and JSON cannot hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


class ReadingProcess:
    """A child process that reads files of one root. For one thread at a time; `stop` from any."""

    def __init__(self, root: Path, rules: Rules) -> None:
        self._root = root
        self._rules = rules
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._was_killed = False  # from outside, the child that failed last
        self._most = CHUNK_FILES

    def records(self, wanted: Sequence[Wanted]) -> Iterator[FileRecord | Left]:
        """Read these files in order. A file that crashes or hangs the child is left out and named."""
        self._stopping = False
        start, size = 0, 1
        self._most = CHUNK_FILES
        while start < len(wanted):
            chunk = wanted[start : start + size]
            start, size = start + size, min(2 * size, self._most)
            answer = self._ask(chunk)
            if answer is not None:
                yield from answer
                continue
            for one in chunk:  # something in here broke the child: find out what
                for _ in range(TRIES):
                    alone = self._ask([one])
                    if alone is not None or not self._was_killed:
                        break
                if self._stopping:
                    return
                if alone is None:
                    _log.warning("left out %r: its parser crashed or hung", one.path)
                yield from alone if alone is not None else [left_out(one, "its parser crashed or hung")]

    def be_small(self) -> None:
        """Read the other files one by one, in a fresh process; from any thread."""
        self._most = 1
        if (process := self._process) is not None:
            process.kill()  # the files that it has are asked for again

    @property
    def pid(self) -> int:
        """The child's, 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    def stop(self) -> None:
        """Make a `records` that runs in another thread end at once."""
        self._stopping = True
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is None:
            return
        # `with` waits for it and closes the pipes, those of a child that does not end in time too.
        with contextlib.suppress(OSError), process:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                process.communicate(timeout=1.0)  # closes its input, which ends it
            process.kill()

    def _ask(self, wanted: Sequence[Wanted]) -> list[FileRecord | Left] | None:
        """Return the child's answer, None if it died or was too slow and had to be ended."""
        if self._stopping:
            return None
        process = self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        answered, ended = threading.Event(), threading.Event()
        watch = (process, FILE_SECONDS, answered, ended)
        threading.Thread(target=_watch, args=watch, name="watchdog", daemon=True).start()
        try:
            pickle.dump((self._root, self._rules, list(wanted)), process.stdin)
            process.stdin.flush()
            return list(pickle.load(process.stdout))  # our own child wrote it
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)  # a dead one says so a moment later
            self._was_killed = process.returncode == -9 and not ended.is_set()
            process.kill()
            self.close()
            return None
        finally:
            answered.set()

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the child unless it runs; what it is asked waits until it is ready."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            # -P: the folder that the user works in must never provide a module. Ours is looked for last.
            package = str(Path(__file__).parents[2])
            code = f"import sys; sys.path.append({package!r}); {child_log('reader')}"
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"{code}; from lsp_server.engine import reading; reading.serve()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        return self._process


def _watch(process: "subprocess.Popen[bytes]", most: float, answered: threading.Event, ended: threading.Event) -> None:
    """End a child that computes for `most` seconds without an answer, or waits for the disk without end."""
    began, before = time.monotonic(), _computed(process.pid)
    while not answered.wait(min(most, 1.0)):
        if _computed(process.pid) - before > most or time.monotonic() - began > STUCK_SECONDS:
            ended.set()
            process.kill()
            return


def _computed(pid: int) -> float:
    """Return the CPU seconds that a process took, 0 when it has ended."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def serve() -> None:
    """Answer requests until the parent closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches us too; the parent decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not stand between the answers
    with contextlib.suppress(EOFError, OSError):
        while True:
            root, rules, wanted = pickle.load(sys.stdin.buffer)
            pickle.dump([_read_safely(root, rules, one) for one in wanted], answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()


def _read_safely(root: Path, rules: Rules, wanted: Wanted) -> FileRecord | Left:
    try:
        return read_record(root, rules, wanted)
    except Exception as error:  # noqa: BLE001 - the per-file step: whatever a file does, the others go on
        _log.exception("reading %r failed", wanted.path)
        return left_out(wanted, f"reading it failed ({type(error).__name__})")
