"""Corpus: what ranking needs of every symbol, in arrays, caught up with the store.

Takes what changed in the store since the generation it holds, gives a View that searches share. Rows are only added;
a deleted symbol's row is dead until a third are, then all is read afresh. `catch_up` runs in one thread at a time,
searches in any: each works on the View that was there when it began.
"""

import logging
import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lsp_server.engine.hnsw import GRAPH_MINIMUM, Graph, load_graph
from lsp_server.engine.memory import Saving, no_garbage
from lsp_server.engine.places import is_aside, is_test
from lsp_server.engine.serving import Model
from lsp_server.engine.store import Store, SymbolRow
from lsp_server.engine.vectors import LARGE_ROWS, VectorTable
from lsp_server.engine.view import GRAPH_CANDIDATES, KIND_NAMES, Place, Rows, View
from lsp_server.engine.words import Words

DEAD_SHARE = 1 / 3  # of rows; from then on reading afresh costs less than carrying them along
LAID_VECTORS = 4_000  # of unsaved texts that are remembered: 1.6 MB
MOST_DEAD = 2.0  # nodes for each living one, at most: a graph that is worse is made anew, and until then less is found

_log = logging.getLogger(__name__)
_KIND_NUMBERS = {kind: number for number, kind in enumerate(KIND_NAMES)}
_FILE = _KIND_NUMBERS["file"]


class Corpus:
    """The arrays of one store for one model."""

    def __init__(self, store: Store, graph_path: Path, model: Model, saving: Saving = Saving.NOTHING) -> None:
        self._store = store
        self.saving = saving
        self._graph_path = graph_path
        self._graph_stamp: tuple[int, int] = (0, 0)
        self._model, self._dim, self._cuts = model.fingerprint, model.dims, model.cuts
        self._laid: dict[str, tuple[str, list[SymbolRow]]] = {}  # unsaved files: language and symbols
        self._laid_vectors: dict[bytes, bytes] = {}
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._generation = 0
        self._ids = np.zeros(0, np.int64)
        self._parents = np.zeros(0, np.int64)
        self._kinds = np.zeros(0, np.uint8)
        self._files = np.zeros(0, np.int64)
        self._vector_rows = np.zeros(0, np.int64)
        self._alive = np.zeros(0, np.bool_)
        self._names: list[str] = []
        self._rows_by_name: dict[str, list[int]] = {}
        self._row_of_id: dict[int, int] = {}
        self._places: list[Place] = []
        self._place_of_file: dict[int, int] = {}
        self._words = Words()
        self._file_of_path: dict[str, int] = {}
        most = 0 if self.saving == Saving.VECTORS else LARGE_ROWS
        self._vectors = VectorTable(self._dim, self._cuts, self._graph_path.parent, most)
        self._waiting: dict[bytes, list[int]] = {}  # text hash -> rows without a vector
        self._graph: Graph | None = None
        self._graph_stamp = (0, 0)
        self.view = self._make_view()

    def catch_up(self) -> bool:
        """Read what changed in the store; True if anything did. Raises sqlite3.DatabaseError on a damaged store.

        Whatever fails amid it, the last view stands, and the next call reads everything.
        """
        try:
            with no_garbage():
                return self._catch_up()
        except BaseException:
            self._forget_rows()
            raise

    def _forget_rows(self) -> None:
        """Start afresh, and answer from the old state until the new one is whole."""
        old = self.view
        self._start_afresh()
        self.view = old

    def _catch_up(self) -> bool:
        if self._store.generation() == self._generation:
            return self._catch_up_graph()
        with self._store.snapshot():
            generation = self._store.generation()
            if generation < self._generation or self._store.forgotten() > self._generation:
                self._forget_rows()
            since = self._generation
            for file_id, path, language, mtime_ns in self._store.files_since(since):
                self._add_place(file_id, Place(path, language, mtime_ns, is_test(path), is_aside(path, language)))
            symbols = self._store.symbols_since(since, self._model)
            deleted = self._store.deleted_since(since) if since else []
            fresh = since == 0
            if fresh:
                self._add_vectors(self._store.vectors_in_use(self._model))
            else:
                named = np.unique(np.fromiter((row.vector_id for row in symbols if row.vector_id), np.int64))
                unknown = named[self._vectors.rows_of(named) < 0]
                self._add_vectors(self._store.vectors_by_id(unknown.tolist()))
            self._add_symbols(symbols)
            self._bury(deleted)
            if not fresh:
                self._settle(self._store.vectors_since(since, self._model))
        self._generation = generation
        if fresh:
            for path in self._laid:
                self._lay(path)
        if self._is_mostly_dead():
            self._start_afresh_and_read()
        if not fresh:  # the first answers do not wait for the graph; the next call reads it
            self._catch_up_graph()
        self.view = self._make_view()
        return True

    def _is_mostly_dead(self) -> bool:
        return len(self._ids) - int(self._alive.sum()) > max(DEAD_SHARE * len(self._ids), 2_000)

    def _start_afresh_and_read(self) -> None:
        self._forget_rows()
        self._catch_up()

    def _add_place(self, file_id: int, place: Place) -> None:
        if (position := self._place_of_file.get(file_id)) is not None:
            self._places[position] = place  # the same path; views see its new time stamp
            return
        self._file_of_path[place.path] = file_id
        self._place_of_file[file_id] = len(self._places)
        self._places.append(place)

    def _add_symbols(self, symbols: Sequence[SymbolRow]) -> None:
        first = len(self._ids)
        for row, symbol in enumerate(symbols, first):
            self._row_of_id[symbol.id] = row
            self._names.append(symbol.name)
            self._rows_by_name.setdefault(symbol.name.lower(), []).append(row)
            if not symbol.vector_id:
                self._waiting.setdefault(symbol.text_hash, []).append(row)
        if not symbols:
            return
        count = len(symbols)
        row_of_id = self._row_of_id
        self._ids = _joined(self._ids, (s.id for s in symbols), count)
        self._parents = _joined(self._parents, (row_of_id.get(s.parent_id, -1) for s in symbols), count)
        self._kinds = _joined(self._kinds, (_KIND_NUMBERS.get(s.kind, 0) for s in symbols), count)
        self._files = _joined(self._files, (self._place_of_file[s.file_id] for s in symbols), count)
        vector_rows = self._vectors.rows_of(np.fromiter((s.vector_id for s in symbols), np.int64, count))
        self._vector_rows = np.concatenate((self._vector_rows, vector_rows))
        self._alive = np.concatenate((self._alive, np.ones(count, np.bool_)))
        self._words.extend([s.bag for s in symbols])

    def _add_vectors(self, vectors: Iterable[tuple[int, bytes]]) -> None:
        """Take vectors; one of another length than the model's is damage and left out."""
        if self.saving < Saving.MEANING:
            self._vectors.extend(vector for vector in vectors if len(vector[1]) == self._dim)

    def _settle(self, vectors: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Give rows that wait for a vector theirs."""
        arrived = [vector for vector in vectors if vector[1] in self._waiting]
        self._add_vectors((vector_id, data) for vector_id, _, data in arrived)
        if arrived:
            self._vector_rows = self._vector_rows.copy()
        vector_rows = self._vectors.rows_of(np.array([vector_id for vector_id, _, _ in arrived], np.int64))
        for (_, text_hash, _), vector_row in zip(arrived, vector_rows.tolist(), strict=True):
            rows = self._waiting.pop(text_hash, [])  # none: the same text twice
            self._vector_rows[rows] = vector_row

    def _bury(self, symbol_ids: Iterable[int]) -> None:
        rows = [row for row in (self._row_of_id.pop(symbol_id, -1) for symbol_id in symbol_ids) if row >= 0]
        if rows:
            self._alive = self._alive.copy()
            self._alive[rows] = False

    # ---- unsaved files

    def lay(self, path: str, language: str, symbols: list[SymbolRow]) -> None:
        """Have these symbols answer instead of a file's stored ones. Symbols whose ids are known keep their rows."""
        known = {symbol.id for symbol in symbols}
        self._bury(symbol.id for symbol in self._laid.get(path, ("", []))[1] if symbol.id not in known)
        self._laid[path] = (language, symbols)
        self._lay(path)
        if self._is_mostly_dead():  # somebody types, and nothing is committed
            self._start_afresh_and_read()
        self.view = self._make_view()

    def lift(self, path: str) -> None:
        """Have a file's stored symbols answer again."""
        if path in self._laid:
            self._bury(symbol.id for symbol in self._laid.pop(path)[1])
            self.view = self._make_view()

    def _lay(self, path: str) -> None:
        language, symbols = self._laid[path]
        if path not in self._file_of_path:
            file_id = -1 - len(self._places)
            self._add_place(file_id, Place(path, language, time.time_ns(), is_test(path), is_aside(path, language)))
        file_id = self._file_of_path[path]
        self._add_symbols([s._replace(file_id=file_id) for s in symbols if s.id not in self._row_of_id])
        self._parents = self._parents.copy()
        for symbol in symbols:  # the parent of a symbol that kept its row may be a new one
            self._parents[self._row_of_id[symbol.id]] = self._row_of_id.get(symbol.parent_id, -1)
        self._settle_laid()

    def waiting(self, text_hashes: Iterable[bytes]) -> list[bytes]:
        """Return those of these texts for whose vectors a row waits."""
        return [text_hash for text_hash in text_hashes if text_hash in self._waiting]

    def settle(self, vectors: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Take stored vectors, (id, text hash, 8-bit vector), that unsaved symbols wait for."""
        self._settle(vectors)
        self.view = self._make_view()

    def settle_laid(self, vectors: Iterable[tuple[bytes, bytes]]) -> None:
        """Take vectors of unsaved texts; what is typed, taken back and typed again is embedded once."""
        self._laid_vectors.update(vectors)
        while len(self._laid_vectors) > LAID_VECTORS:
            del self._laid_vectors[next(iter(self._laid_vectors))]
        self._settle_laid()
        self.view = self._make_view()

    def _settle_laid(self) -> None:
        known = self.waiting(self._laid_vectors)
        first = -1 - self._vectors.known  # no other vector has an id below zero that is as low
        self._settle((first - at, text_hash, self._laid_vectors[text_hash]) for at, text_hash in enumerate(known))

    # ---- the graph

    def _catch_up_graph(self) -> bool:
        """Load the graph file if it is another one than the one held; True if it was."""
        if len(self._vectors) < GRAPH_MINIMUM or self._vectors.is_on_disk:
            return False
        try:
            stat = self._graph_path.with_suffix(".json").stat()
        except OSError:
            return False
        stamp = (stat.st_mtime_ns, stat.st_size)
        if stamp == self._graph_stamp:
            return False
        self._graph_stamp = stamp
        self._graph = load_graph(self._graph_path, self._model, self._dim, GRAPH_CANDIDATES)
        self.view = self._make_view()
        return True

    def _make_view(self) -> View:
        tail = by_vector = np.zeros(0, np.int64)
        wanted = 0
        if self._vectors.is_on_disk:  # it has grown so
            self._graph = None
        if self._graph is not None:
            tail = np.flatnonzero(~np.isin(self._vectors.ids(), self._graph.ids))
            with_vector = np.flatnonzero(self._vector_rows >= 0)
            by_vector = with_vector[np.argsort(self._vector_rows[with_vector], kind="stable")]
            wanted = self._wanted_of(self._graph, tail)
        stored = self._alive & (self._ids > 0)
        alive = self._alive
        if self._laid:
            hidden = [at for at, place in enumerate(self._places) if place.path in self._laid]
            alive = alive & ~(np.isin(self._files, hidden) & (self._ids > 0))
        return View(
            generation=self._generation,
            model=self._model,
            ids=self._ids,
            parents=self._parents,
            kinds=self._kinds,
            files=self._files,
            vector_rows=self._vector_rows,
            alive=alive,
            names=self._names,
            rows_by_name=self._rows_by_name,
            places=self._places,
            words=self._words,
            word_averages=self._words.averages(alive),
            vectors=self._vectors,
            graph=self._graph,
            graph_tail=tail,
            graph_wanted=wanted,
            by_vector=by_vector,
            tests=np.fromiter((place.is_test for place in self._places), np.bool_, len(self._places)),
            aside=np.fromiter((place.is_aside for place in self._places), np.bool_, len(self._places)),
            units=self._make_units(alive),
            stored=int(stored.sum()),
            stored_files=len(np.unique(self._files[stored])),
            embedded=int((stored & (self._vector_rows >= 0)).sum()),
        )

    def _wanted_of(self, graph: Graph, tail: Rows) -> int:
        """Return how many nodes hold about GRAPH_CANDIDATES living ones: the dead ones are as near as they were."""
        used = np.zeros(len(self._vectors), np.bool_)
        used[self._vector_rows[self._alive & (self._vector_rows >= 0)]] = True
        used[tail] = False
        return math.ceil(GRAPH_CANDIDATES * min(len(graph) / max(int(used.sum()), 1), MOST_DEAD))

    def _make_units(self, alive: NDArray[np.bool_]) -> Rows:
        units = np.full(len(self._places), -1, np.int64)
        whole = np.flatnonzero((self._kinds == _FILE) & alive)
        units[self._files[whole]] = self._vector_rows[whole]
        units[np.bincount(self._files[alive], minlength=len(units)) <= 2] = -1  # the file and one symbol
        return units


def _joined(array: NDArray, values: Iterable[int], count: int) -> NDArray:  # type: ignore[type-arg]
    return np.concatenate((array, np.fromiter(values, array.dtype, count)))
