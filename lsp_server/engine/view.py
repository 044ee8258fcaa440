"""View: one state of the corpus, which searches share.

Arrays over the rows of all symbols, made by `corpus`; nothing in it changes any more, so that no search needs a lock.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsp_server.engine.hnsw import Graph
from lsp_server.engine.symbols import KINDS
from lsp_server.engine.vectors import VectorTable
from lsp_server.engine.words import Words

KIND_NAMES = tuple(sorted(KINDS))
GRAPH_CANDIDATES = 200  # how many living vectors the graph is asked for: as many as ranking takes

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Place:
    """A file as ranking sees it."""

    path: str
    language: str
    mtime_ns: int
    is_test: bool
    is_aside: bool


@dataclass(frozen=True, slots=True)
class View:
    """Arrays are [n] over rows, dead rows included."""

    generation: int
    model: str  # fingerprint of the model that the vectors are of
    ids: Rows
    parents: Rows  # row of the enclosing symbol, -1 for none
    kinds: NDArray[np.uint8]  # position in KIND_NAMES
    files: Rows  # position in `places`
    vector_rows: Rows  # row in `vectors`, -1 while the text is not embedded
    alive: NDArray[np.bool_]
    names: Sequence[str]
    rows_by_name: dict[str, list[int]]  # lower-case name -> rows, rows past n to be left out
    places: Sequence[Place]
    words: Words
    word_averages: NDArray[np.float32]  # [fields], see `Words.averages`
    vectors: VectorTable
    graph: Graph | None
    graph_tail: Rows  # vector rows that the graph does not hold; empty without one
    graph_wanted: int  # how many nodes to ask the graph for, so that GRAPH_CANDIDATES of them are alive; 0 without one
    by_vector: Rows  # rows that have a vector, ordered by it; empty without a graph
    tests: NDArray[np.bool_]  # [places]
    aside: NDArray[np.bool_]  # [places]
    units: Rows  # [places], row in `vectors` of the file's own text; -1 while there is none, or one symbol in the file
    stored: int  # living rows of stored symbols; unsaved ones are not counted
    stored_files: int  # that they stand in
    embedded: int  # those of them that have a vector

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def vector_memory(self) -> int:
        """How many bytes of memory meaning takes: vectors, their copies in the graph, whose they are."""
        ours = self.vector_rows.nbytes + self.graph_tail.nbytes + self.by_vector.nbytes
        return ours + self.vectors.memory + (self.graph.memory if self.graph is not None else 0)

    @property
    def vector_form(self) -> str:
        """How vectors are held and searched, for people; "" while there are none."""
        count, codes, graph = len(self.vectors), self.vectors.codes, self.graph
        if not count:
            return ""
        if codes is not None:
            how = f"on disk, found by codes of {codes.bits} bits in memory"
        elif self.vectors.is_on_disk:
            how = "on disk, compared one by one"
        elif graph is None:
            how = "compared one by one"
        else:
            short = graph.reduction
            of = f" by {short.kept} of {short.dim} dimensions ({short.kind})" if short is not None else ""
            how = f"found by a graph of {len(graph):,}{of}"
        return f"{count:,}, {how}; {self.vector_memory / count:,.0f} bytes of memory each"

    def vector_rows_of(self, vector_ids: Rows) -> Rows:
        """Return the vector rows of those of `vector_ids` that are held."""
        rows = self.vectors.rows_of(vector_ids)
        return rows[rows >= 0]

    def rows_with_vectors(self, vector_rows: Rows) -> Rows:
        """Return the living rows whose vector is one of `vector_rows`."""
        ordered = self.vector_rows[self.by_vector]
        starts = np.searchsorted(ordered, vector_rows, "left")
        ends = np.searchsorted(ordered, vector_rows, "right")
        counts = ends - starts  # more than one where texts are the same
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        rows: Rows = self.by_vector[np.repeat(starts, counts) + within]
        return rows[self.alive[rows]]

    def around(self, row: int) -> Iterator[int]:
        """Give the rows of the symbols that hold a row's, the smallest first."""
        parent = int(self.parents[row])
        while parent >= 0:
            yield parent
            parent = int(self.parents[parent])

    def inside(self, row: int) -> list[int]:
        """Return the living rows of what a symbol holds, at any depth."""
        found, level = [], [row]
        while level:
            level = np.flatnonzero(np.isin(self.parents, level) & self.alive).tolist()
            found += level
        return found
