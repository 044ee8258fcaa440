"""Index: whether the index of one folder is sound, who writes it, what it leaves out, and whether it finds its own.

Takes a root, options and the model's facts, gives checks. Nothing is made, changed or repaired.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median

import psutil

from lsp_server.doctor.model import Model
from lsp_server.doctor.report import Check, counted, listed, megabytes
from lsp_server.engine.cache import index_folder, pause_mark, size_of
from lsp_server.engine.encoder import Encoder
from lsp_server.engine.errors import EngineError
from lsp_server.engine.examine import Findings, examine_store, is_held, reasons
from lsp_server.engine.files import check_root
from lsp_server.engine.hnsw import GRAPH_MINIMUM, examine_graph, load_hnswlib
from lsp_server.engine.home import signed
from lsp_server.engine.index import Index, Options
from lsp_server.engine.query import Query
from lsp_server.engine.store import Store, model_of
from lsp_server.engine.text import words_of
from lsp_server.engine.vectors import LARGE_ROWS

FIRST_FILES = 3  # of each reason why files are left out
SEARCH_LIMIT = 5  # by its own words a symbol must be among the first

_UPDATE = "Run: meaning-ls index"
_MEND = "They are made anew by themselves when an editor is started here, or by: meaning-ls index"
_REPAIR = "It is made anew by itself with the next change in an editor, or by: meaning-ls index"


def made_with(root: Path, options: Options) -> str:
    """Return the fingerprint of the model that a folder's index was made with, "" where there is none."""
    with suppress(EngineError, OSError, ValueError):
        store = index_folder(root.resolve(), options.cache_dir, options.rules.key()) / "index.db"
        return model_of(store) if store.stat().st_size else ""  # opening an empty file would make it a store
    return ""


def check_index(root: Path, options: Options, model: Model) -> Iterator[Check]:
    """Look at one folder's index."""
    name = str(root)
    try:
        resolved = check_root(root)
    except EngineError as error:
        yield Check("folder", "fail", str(error), folder=name)
        return
    folder = index_folder(resolved, options.cache_dir, options.rules.key())
    store = folder / "index.db"
    writing = _lock(folder, name, is_paused=pause_mark(resolved, options.cache_dir).exists())
    if not store.exists():
        yield Check("index", "warn", "nothing is indexed yet", (), (_UPDATE,), {"path": str(store)}, name)
        yield writing
        return
    try:
        found = examine_store(store, model.fingerprint, model.dim)
    except EngineError as error:
        yield Check("index", "fail", f"{store} cannot be read", (), (str(error),), {"path": str(store)}, name)
        yield writing
        return
    yield _store(store, found, model, name, is_written=bool(writing.details["held"]))
    yield writing
    if found.damage or found.spoilt:  # opening it would mend it
        return
    yield _graph(folder / "graph.hnsw", found, model, name)
    yield _skipped(store, name)
    if model.encoder is not None and found.samples:
        yield _search(resolved, options, model.encoder, found, name)


def _store(store: Path, found: Findings, model: Model, name: str, *, is_written: bool) -> Check:
    if found.damage:
        summary = f"{store} is damaged: {found.damage[0]}"
        return Check("index", "fail", summary, (), (_REPAIR,), {"path": str(store), "damage": list(found.damage)}, name)
    details = {
        "path": str(store),
        "bytes": size_of(store.parent),
        "damage": [],
        "files": found.files,
        "symbols": found.symbols,
        "embedded": found.embedded,
        "pending": found.pending,
        "lost": found.lost if model.fingerprint else 0,
        "withoutWords": found.wordless,
        "wrongVectors": found.misfits,
        "spoilt": found.spoilt,
    }
    held = f"{counted(found.files, 'file', 'files')}, {counted(found.symbols, 'symbol', 'symbols')}"
    summary = f"{held}, {found.embedded:,} of them embedded, {megabytes(size_of(store.parent))}"
    where = (str(store.parent),)
    if model.fingerprint and found.lost and not found.embedded:
        summary = f"{held}, none of them embedded by the model in use"
        return Check("index", "warn", summary, where, (_UPDATE,), details, name)
    broken = [
        f"{count:,} {what}"
        for count, what in (
            (found.lost if model.fingerprint else 0, "symbols that are neither embedded nor waiting for it"),
            (found.wordless, "symbols that no word finds"),
            (found.misfits, "vectors of a wrong length"),
            (found.spoilt, "files and vectors that are not as they were written"),
        )
        if count
    ]
    if broken:
        remedy = _MEND if found.spoilt else f"Delete {store.parent} and run: meaning-ls index"
        return Check("index", "fail", f"{summary}; {', '.join(broken)}", where, (remedy,), details, name)
    if not found.completed and not is_written:
        return Check("index", "warn", f"{summary}; it was never finished", where, (_UPDATE,), details, name)
    if found.pending and not is_written and model.fingerprint:
        summary = f"{summary}; {found.pending:,} wait, and nobody is at it"
        return Check("index", "warn", summary, where, (_UPDATE,), details, name)
    waiting = f"; {found.pending:,} are being embedded" if found.pending else ""
    return Check("index", "ok", summary + waiting, where, (), details, name)


def _lock(folder: Path, name: str, *, is_paused: bool) -> Check:
    said = signed(folder)
    try:
        held = is_held(folder)
    except OSError as error:
        details: dict[str, object] = {"held": False, "error": str(error)}
        remedy = f"Give yourself the right to write {folder}, or choose another place with --cache-dir."
        summary = f"the lock cannot be tried ({error.strerror}): this index can be read, not written"
        return Check("lock", "warn", summary, (), (remedy,), details, name)
    details = {"path": str(folder / "lock"), "held": held, "pid": None, "program": None, "since": None}
    details["paused"] = is_paused
    if is_paused:
        remedy = "Go on with: meaning-ls resume"
        return Check("lock", "warn", "indexing is paused, in every editor", (), (remedy,), details, name)
    if not held:
        return Check("lock", "ok", "nobody writes", (), (), details, name)
    if said is None:
        return Check("lock", "ok", "a process writes that does not say which it is", (), (), details, name)
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(min(max(said.since, 0), time.time())))
    details |= {"pid": said.pid, "program": said.program, "since": said.since}
    if said.pid <= 0 or not psutil.pid_exists(said.pid):
        summary = f"held, but process {said.pid} ({said.program}), which took it {since}, is not on this machine"
        remedy = (
            "If the cache is shared with another machine or a container, choose another --cache-dir for one of them."
        )
        return Check("lock", "warn", summary, (), (remedy,), details, name)
    summary = f"{said.program} (process {said.pid}) writes, since {since}"
    more = ("Should it hang, it can be ended at any time; nothing is lost.",)
    return Check("lock", "ok", summary, more, (), details, name)


def _graph(graph: Path, found: Findings, model: Model, name: str) -> Check:
    nodes, trouble = examine_graph(graph, model.fingerprint, model.dim)
    details = {"nodes": nodes, "trouble": trouble}
    if trouble:
        return Check("graph", "fail", f"it is damaged ({trouble}); searches are exact", (), (_REPAIR,), details, name)
    if nodes:
        return Check("graph", "ok", f"{nodes:,} vectors for approximate search", (), (), details, name)
    if found.embedded > LARGE_ROWS:
        return Check("graph", "ok", "none: so many vectors are found by codes", (), (), details, name)
    if found.embedded < GRAPH_MINIMUM or load_hnswlib() is None or found.pending:
        return Check("graph", "ok", "none yet; searches are exact", (), (), details, name)
    return Check("graph", "ok", "none; searches are exact, and as right", (), (), details, name)


def _skipped(store: Path, name: str) -> Check:
    opened = Store(store)
    try:
        total, rows = opened.skipped(1_000_000)
    finally:
        opened.close()
    groups = reasons(rows)
    more = [
        f"{len(paths):,} {reason}: {', '.join(paths[:FIRST_FILES])}{', ...' if len(paths) > FIRST_FILES else ''}"
        for reason, paths in groups.items()
    ]
    details = {
        "total": total,
        "reasons": [
            {"reason": reason, "count": len(paths), "first": paths[:FIRST_FILES]} for reason, paths in groups.items()
        ],
    }
    summary = f"{counted(total, 'file or folder is', 'files and folders are')} left out"
    return Check("skipped", "ok", summary, listed(more, 12), (), details, name)


def _search(root: Path, options: Options, encoder: Encoder, found: Findings, name: str) -> Check:
    """Ask for symbols by their own words; a copy of one elsewhere is as good."""
    seconds, missed = [], []
    try:
        index = Index(root, options, encoder)
        try:
            index.catch_up()
            index.catch_up()  # the first time leaves the graph aside
            form = index.status().vectors
            for sample in found.samples:
                begun = time.perf_counter()
                answer = index.search(Query(" ".join(words_of(sample.text)), SEARCH_LIMIT))
                seconds.append(time.perf_counter() - begun)
                if not any(sample.name == hit.name for hit in answer.hits):
                    missed.append(f"{sample.path}: {sample.name}")
        finally:
            index.close()
    except Exception as error:  # noqa: BLE001 - damage that nothing else noticed may fail in any way
        folder = index_folder(root, options.cache_dir, options.rules.key())
        remedy = f"Delete {folder} and run: meaning-ls index"
        return Check("search", "fail", f"a search fails ({type(error).__name__}: {error})", (), (remedy,), folder=name)
    milliseconds = 1000 * median(seconds)
    details = {"asked": len(found.samples), "missed": missed, "milliseconds": round(milliseconds, 2), "vectors": form}
    summary = (
        f"{len(seconds) - len(missed)} of {len(seconds)} symbols are found by their own words, {milliseconds:.0f} ms"
    )
    if 2 * len(missed) > len(seconds):
        remedy = f"Delete {index.folder} and run: meaning-ls index"
        return Check("search", "fail", summary, listed(missed, 5), (remedy,), details, name)
    return Check("search", "ok", summary, (f"vectors: {form}",), (), details, name)
