"""Update: brings a store up to date with the files of its root.

Takes the root and what the store knows, reads what changed in a child process, embeds in threads what was never
embedded, and commits several times a second: words first, vectors as they come. A pass is a generator: each item is
progress, and closing it stops the pass with nothing lost but the work in flight.
"""

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lsp_server.engine.commits import FileRecord, Looked, StoreWriter
from lsp_server.engine.encoder import Encoder, EndpointEncoder
from lsp_server.engine.errors import EngineError
from lsp_server.engine.files import FileEntry, Rules, Walk, walk, walk_paths
from lsp_server.engine.hnsw import (
    FORMAT,
    GRAPH_TAIL,
    build_graph,
    graph_ids,
    graph_is_lost,
    graph_is_stale,
    remove_graph,
)
from lsp_server.engine.memory import Budget, Saving, give_back
from lsp_server.engine.reading import Left, ReadingProcess, Wanted
from lsp_server.engine.serving import Model
from lsp_server.engine.store import KnownFile, Store, in_scope
from lsp_server.engine.vector_cache import VectorCache
from lsp_server.engine.vectors import LARGE_ROWS, TAKEN_ROWS, VectorTable, quantise

AHEAD = 128  # texts that the encoders have before them: half a second of work
MANY = 1_000  # vectors or events that are dealt with at once
SAVE_SECONDS = 2.0  # for the last step to show in the memory used, before the next is taken
COMMIT_SECONDS = 0.25  # between commits: what is found appears at this pace
RECENT = 200  # files changed last that are read before the others
HELD_SYMBOLS = 4_000  # of files that wait for their vectors while an index moves to another model or recipe
IGNORE_FILES = (".gitignore", ".ignore", ".meaningignore")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pass is."""

    phase: str  # 'scan', 'read', 'embed', 'graph', 'done'
    files_done: int = 0
    files_total: int = 0
    texts_done: int = 0
    texts_total: int = 0
    generation: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass has to do."""

    wanted: tuple[Wanted, ...]
    deleted: tuple[str, ...]
    skipped: dict[str, str]  # path -> reason
    scope: frozenset[str]  # the files and folders that were looked at, empty for the whole root
    present: int  # files that were found
    since: float  # when the look began, in seconds since the epoch


def plan_all(
    root: Path,
    rules: Rules,
    store: Store,
    recipe: str,
    first: Sequence[str],
    glance: Callable[[], None] = lambda: None,
) -> Plan:
    """Compare the whole root with the store; `first` are read first, then what changed last, then by folder.

    `glance` is called for every folder and may raise to stop the look.
    """
    since, known = time.time(), store.known_files()
    found = walk(root, rules, glance)
    changed = [entry for entry in found.files if _is_changed(entry, known.get(entry.path), recipe)]
    recent = {entry.path for entry in sorted(changed, key=lambda entry: -entry.mtime_ns)[:RECENT]}
    places = {path: place for place, path in enumerate(first)}

    def order(entry: FileEntry) -> tuple[int, int, str]:
        if entry.path in places:
            return 0, places[entry.path], ""
        return (1, -entry.mtime_ns, entry.path) if entry.path in recent else (2, 0, entry.path)

    return replace(_plan(sorted(changed, key=order), found, known, recipe, frozenset()), since=since)


def plan_paths(root: Path, rules: Rules, store: Store, recipe: str, paths: Sequence[str]) -> Plan:
    """Compare some files or folders of the root with the store.

    A changed ignore file means the whole root.
    """
    scope = frozenset(path.strip("/") for path in paths)
    if "" in scope or "." in scope or any(path.rpartition("/")[2] in IGNORE_FILES for path in scope):
        return plan_all(root, rules, store, recipe, paths)
    known = {path: file for path, file in store.known_files().items() if in_scope(path, scope)}
    found = walk_paths(root, scope, rules)
    # A file that is named was reported as changed: its content decides, whatever its time stamp says.
    changed = [e for e in found.files if e.path in scope or _is_changed(e, known.get(e.path), recipe)]
    return _plan(changed, found, known, recipe, scope)


def _plan(
    changed: Sequence[FileEntry], found: Walk, known: dict[str, KnownFile], recipe: str, scope: frozenset[str]
) -> Plan:
    wanted = tuple(Wanted(entry.path, entry.stamp, _known_hash(known.get(entry.path), recipe)) for entry in changed)
    present = {entry.path for entry in found.files}
    deleted = (path for path in known if path not in present and not in_scope(path, found.unsure))
    return Plan(wanted, tuple(deleted), dict(found.skipped), scope, len(present), time.time())


def _is_changed(entry: FileEntry, known: KnownFile | None, recipe: str) -> bool:
    return known is None or known.stamp != entry.stamp or known.recipe != recipe


def _known_hash(known: KnownFile | None, recipe: str) -> bytes:
    return known.content_hash if known and known.recipe == recipe else b""


class Pass:
    """One pass over a plan: a reading process, encoding threads, and the commits of this thread.

    `pace` is called by the threads with the CPU seconds that each text took, and may make them rest.
    """

    def __init__(
        self,
        store: StoreWriter,
        reader: ReadingProcess,
        encoder: Callable[[], Encoder],
        cache: VectorCache,
        model: Model,
        recipe: str,
        threads: int,
        pace: Callable[[float], None],
        budget: Budget,
    ) -> None:
        self._store = store
        self._reader = reader
        self._make_encoder = encoder
        self._cache = cache
        self._model = model.fingerprint
        self._dims, self._cuts = model.dims, model.cuts
        self._recipe = recipe
        self._threads = threads
        self._pace = pace
        self._budget = budget
        self._saving = Saving.NOTHING
        self._saved = time.monotonic()
        self._events: queue.Queue[_Event] = queue.Queue(maxsize=64)
        self._texts: queue.SimpleQueue[tuple[bytes, str] | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        # While an index moves to another model or recipe, what is known of a file stays until the new is embedded.
        self._holds = store.meta("complete") not in ("", recipe)
        self._held: deque[FileRecord] = deque()
        self._held_symbols = 0
        self._records: list[FileRecord] = []
        self._vectors: list[tuple[bytes, bytes]] = []  # to be committed
        self._embedded: list[tuple[bytes, bytes]] = []  # those of them that the cache does not have
        self._left: dict[str, str] = {}
        self._behind = 0  # position in the texts that wait; those behind it are this pass's
        self._fed = 0  # position of the last pending text given to the encoders
        self._asked = 0
        self._reading = True
        self._running: list[threading.Thread] = []  # the reading thread first
        self._trouble: Exception | None = None
        self.files_done = self.files_total = self.texts_done = self.texts_total = 0

    def run(self, plan: Plan) -> Iterator[Progress]:
        """Do what `plan` says. Raises ModelError when there is no encoder; words are complete by then."""
        self.files_total = len(plan.wanted)
        self._cache.trim()  # an earlier pass was stopped before it did so itself
        if plan.wanted and not plan.scope:
            self._store.remember("files_wanted", str(plan.present))  # for those who follow
        if plan.deleted:
            self._store.delete_files(plan.deleted)
        if plan.scope:  # what was just saved does not wait for what a pass over everything has left
            self._behind = self._fed = self._store.last_pending()
        elif self._store.pending_count():  # an earlier pass was stopped
            self._store.drop_pending()
        self._count_texts()
        self._start(self._read, plan.wanted)
        try:
            yield self._progress("read", "")  # the look is over
            yield from self._work()
            self._finish(plan)
            if isinstance(self._trouble, EngineError):
                raise self._trouble
            if self._trouble is not None:
                raise EngineError(
                    f"Indexing stopped: {self._trouble}. What is indexed stays; try again."
                ) from self._trouble
            yield from self._build_graph(plan)
            yield self._progress("done", "")
        finally:
            self._shut_down()

    def _work(self) -> Iterator[Progress]:
        """Commit what the threads bring, until all is read and embedded or there is trouble with the model."""
        last = 0.0
        while self._reading or (self._trouble is None and self.texts_done < self.texts_total):
            was_reading = self._reading
            path = self._take()
            all_in = (was_reading and not self._reading) or self.texts_done + len(self._vectors) == self.texts_total
            if all_in or len(self._vectors) >= MANY or time.monotonic() - last >= COMMIT_SECONDS:
                self._commit()
                last = time.monotonic()
                self._keep_within(self._budget)
                yield self._progress("read" if self._reading else "embed", path)
            self._feed()
        self._commit()

    def _keep_within(self, budget: Budget) -> None:
        """Work in smaller steps while too much memory is used, then go without meaning."""
        if self._saving == Saving.MEANING or not budget.is_exceeded() or time.monotonic() - self._saved < SAVE_SECONDS:
            return
        self._saving, self._saved = Saving(self._saving + 1), time.monotonic()
        if self._saving == Saving.VECTORS:
            self._reader.be_small()
        else:
            self._trouble = self._trouble or EngineError(
                f"The setting memoryLimit ({budget.megabytes} MB) leaves no room for the model: what is new is found "
                "by words and names. Allow more, or none at all (0)."
            )
        give_back()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name=work.__name__, daemon=True)
        self._running.append(thread)
        thread.start()

    def _shut_down(self) -> None:
        """End the threads; what they brought is kept."""
        self._stop.set()
        if self._reading:
            self._reader.stop()
        for _ in self._running:
            self._texts.put(None)
        for thread in self._running:
            while thread.is_alive():
                for _ in _drain(self._events):  # it may be waiting for room
                    pass
                thread.join(0.01)
        self._commit()

    def _take(self) -> str:
        """Take one event, and all that have gathered behind it; return the path of the last file among them.

        So the loop turns a few times a second, not once a text.
        """
        path = ""
        patience = 0.0 if len(self._vectors) >= MANY else COMMIT_SECONDS
        with contextlib.suppress(queue.Empty):
            for event in [self._events.get(patience > 0, patience or None), *islice(_drain(self._events), MANY)]:
                match event:
                    case FileRecord():
                        self._records.append(event)
                        path = event.path
                    case Left():
                        self._left[event.path] = event.reason
                        self.files_done += 1
                    case (text_hash, data):
                        self._vectors.append((text_hash, data))
                        self._embedded.append((text_hash, data))
                    case Exception():
                        self._trouble = self._trouble or event
                    case None:
                        self._reading = False
        return path

    def _read(self, wanted: Sequence[Wanted]) -> None:
        """Turn paths into events, at the pace at which they are taken: the reading thread."""
        try:
            for record in self._reader.records(wanted):
                if not self._put(record):
                    return
                while self._held_symbols > HELD_SYMBOLS and not self._stop.wait(COMMIT_SECONDS):
                    pass
        except Exception as error:  # noqa: BLE001 - the end of a background task: the pass raises it
            self._put(error)
        self._put(None)

    def _encode(self) -> None:
        """Turn texts into events: an encoding thread."""
        try:
            encoder = self._make_encoder()
            first = threading.current_thread() is self._running[1]
            while (first or not self._saving) and (task := self._texts.get()) is not None and not self._stop.is_set():
                began = time.thread_time()
                for text_hash, vector in self._embed(encoder, task):
                    if not self._put((text_hash, quantise(vector))):
                        return
                self._pace(time.thread_time() - began)
        except Exception as error:  # noqa: BLE001 - the end of a background task: the pass raises it
            self._put(error)

    def _embed(self, encoder: Encoder, task: tuple[bytes, str]) -> Iterator[tuple[bytes, NDArray[np.float32]]]:
        """Embed a text; a server gets those that wait behind it in the same request."""
        tasks = [task]
        if isinstance(encoder, EndpointEncoder):
            with contextlib.suppress(queue.Empty):
                while len(tasks) < encoder.batch:
                    if (more := self._texts.get_nowait()) is None:
                        self._texts.put(None)  # the sign to end is for who takes the next one
                        break
                    tasks.append(more)
            vectors = encoder.encode_batch([text for _, text in tasks])
            return zip((text_hash for text_hash, _ in tasks), vectors, strict=True)
        return iter([(task[0], encoder.encode(task[1]))])

    def _put(self, event: "_Event") -> bool:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._events.put(event, timeout=0.2)
                return True
        return False

    def _commit(self) -> None:
        records, self._records = self._records, []
        vectors, self._vectors = self._vectors, []
        embedded, self._embedded = self._embedded, []
        read = len(records)
        self.files_done += read
        if self._holds:
            records = self._hold(records)
        if records:
            self._store.save_files(records, self._model, self._recipe, self._behind)
        if vectors:
            self._store.save_vectors(self._model, vectors)
            self.texts_done += len(vectors)
            self._cache.put(self._model, embedded)
        ready = []
        while self._held and not self._store.not_embedded(self._held[0], self._model):
            ready.append(self._held.popleft())
            self._held_symbols -= len(ready[-1].symbols or ())
        if ready:
            self._store.save_files(ready, self._model, self._recipe, self._behind)
        if read or ready:
            self._count_texts()

    def _count_texts(self) -> None:
        self.texts_total = self.texts_done + self._store.pending_count(self._behind)

    def _hold(self, records: Sequence[FileRecord]) -> list[FileRecord]:
        """Keep back files whose content is what the store knows; gives the others."""
        known = [bool(one.symbols) and self._store.has_content(one.path, one.content_hash) for one in records]
        kept = [record for record, is_known in zip(records, known, strict=True) if is_known]
        if kept:
            self._held.extend(kept)
            self._held_symbols += sum(len(record.symbols or ()) for record in kept)
            self._store.add_pending(kept, self._model, self._behind)
        return [record for record, is_known in zip(records, known, strict=True) if not is_known]

    def _feed(self) -> None:
        """Give the encoders the next texts before they run dry; what the cache has needs no encoder."""
        while self._asked - self.texts_done - len(self._vectors) <= AHEAD and len(self._vectors) < MANY:
            page = self._store.pending_after(self._fed)
            if not page:
                return
            known = self._cache.get(self._model, [text_hash for _, text_hash, _ in page])
            for position, text_hash, text in page:
                self._fed = position
                self._asked += 1
                if text_hash in known:
                    self._vectors.append((text_hash, known[text_hash]))
                    continue
                if len(self._running) == 1:
                    for _ in range(self._threads):
                        self._start(self._encode)
                self._texts.put((text_hash, text))

    def _finish(self, plan: Plan) -> None:
        known = self._store.known_files()
        gone = [path for path in self._left if path in known]
        if gone:
            self._store.delete_files(gone)
        # Files that are still held back keep what was known of them: there is no end of moving yet.
        recipe = self._store.meta("complete") if self._held else self._recipe
        self._store.finish(Looked(plan.scope, plan.skipped | self._left, plan.since), self._model, recipe)
        self._cache.trim()

    def _build_graph(self, plan: Plan) -> Iterator[Progress]:
        """Bring the graph up to date when too much has changed since; after a few files that is not looked at."""
        note = f"graph_checked_{FORMAT}"  # one of another format is no reason to wait for a change
        newest, checked = self._store.newest_vector(), int(self._store.meta(note) or 0)
        path = self._store.path.with_name("graph.hnsw")
        lost = bool(self._store.meta("graph_made")) and graph_is_lost(path)
        few = newest - checked < (GRAPH_TAIL // 2 if plan.scope else 1) and (plan.scope or not plan.deleted)
        if few and not lost:
            return
        table = self._read_vectors()
        try:
            if len(table) > LARGE_ROWS:
                remove_graph(path)  # readers go by codes
            elif graph_is_stale(graph_ids(path, self._model), table.ids()):
                for _ in build_graph(path, table, self._model, self._threads):
                    yield self._progress("graph", "")
        except (OSError, RuntimeError) as error:
            _log.warning("the graph could not be made (%s): searches are exact scans", error)
        if newest != checked:
            self._store.remember(note, str(newest))
        if bool(self._store.meta("graph_made")) == graph_is_lost(path):
            self._store.remember("graph_made", "" if graph_is_lost(path) else "yes")

    def _read_vectors(self) -> VectorTable:
        """Return the vectors in use, but no more than it takes to see that they are too many for a graph."""
        table = VectorTable(self._dims, self._cuts)
        stored = (vector for vector in self._store.vectors_in_use(self._model) if len(vector[1]) == self._dims)
        while len(table) <= LARGE_ROWS and (part := list(islice(stored, TAKEN_ROWS))):
            table.extend(part)
        return table

    def _progress(self, phase: str, path: str) -> Progress:
        return Progress(
            phase, self.files_done, self.files_total, self.texts_done, self.texts_total, self._store.generation(), path
        )


_Event = FileRecord | Left | tuple[bytes, bytes] | Exception | None


def _drain(events: "queue.Queue[_Event]") -> Iterator["_Event"]:
    with contextlib.suppress(queue.Empty):
        while True:
            yield events.get_nowait()
