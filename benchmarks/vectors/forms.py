"""Forms: the ways to hold vectors that are compared.

Takes a crowd, gives the view that the engine ranks by; those of the engine are made by the engine itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.common import BenchError
from benchmarks.vectors.crowd import Crowd, Floats, Integers, eight_bits
from lsp_server.engine import hnsw
from lsp_server.engine.hnsw import build_graph, load_graph
from lsp_server.engine.reduction import reduce
from lsp_server.engine.search import FROM_DISK
from lsp_server.engine.threads import all_threads
from lsp_server.engine.vectors import ROW_BYTES, SCAN_ROWS, VectorTable
from lsp_server.engine.view import GRAPH_CANDIDATES, View


@dataclass(frozen=True, slots=True)
class Form:
    """One way to hold vectors; `make` takes a crowd, the views made of it before, by form, and a folder for files."""

    name: str
    make: Callable[[Crowd, dict[str, View], Path], View]


class ShortScan:
    """Stands where a graph does: all shortened vectors are compared, the best of them by whole ones read from disk."""

    def __init__(self, whole: VectorTable, kept: int) -> None:
        self.whole = whole
        self.reduction = reduce(whole.sample(), kept, ())
        self.short = VectorTable(kept)
        for start in range(0, len(whole), SCAN_ROWS):
            rows = np.arange(start, min(start + SCAN_ROWS, len(whole)))
            short = eight_bits(self.reduction.apply(whole.floats(rows)))
            self.short.extend(zip(rows.tolist(), map(bytes, short), strict=True))
        self.ids = np.sort(whole.ids())

    def nearest(self, query: Floats, count: int) -> Integers:
        """Return the ids of the `count` nearest."""
        cosines = self.short.scan(self.reduction.apply(query[None])[0])
        rows = self.short.ids()[np.argpartition(cosines, len(cosines) - FROM_DISK)[-FROM_DISK:]]
        exact = self.whole.cosines(query, rows)
        return self.whole.ids()[rows[np.argpartition(exact, len(exact) - count)[-count:]]]


def filled(crowd: Crowd, into: VectorTable) -> VectorTable:
    """Put the vectors of a crowd into a table, the row of each as its id."""
    into.extend((row, bytes(data)) for row, data in enumerate(crowd.vectors))
    return into


def _seen(crowd: Crowd, vectors: VectorTable) -> View:
    """Return the crowd's view with its vectors in a table, in which equal ones share a row."""
    rows = vectors.rows_of(np.arange(len(crowd.vectors)))
    places, units = crowd.view.vector_rows, crowd.view.units
    return replace(
        crowd.view,
        vectors=vectors,
        vector_rows=np.where(places >= 0, rows[places], -1),
        units=np.where(units >= 0, rows[units], -1),
    )


def whole(crowd: Crowd, made: dict[str, View], folder: Path) -> View:
    """Keep all vectors in memory, and compare them all."""
    return _seen(crowd, filled(crowd, VectorTable(crowd.vectors.shape[1])))


def codes(crowd: Crowd, made: dict[str, View], folder: Path) -> View:
    """Keep a code of each in memory, whole vectors on disk."""
    return _seen(crowd, filled(crowd, VectorTable(crowd.vectors.shape[1], (), folder, 0)))


def short(kept: int) -> Callable[[Crowd, dict[str, View], Path], View]:
    """Keep shortened ones in memory, whole vectors on disk."""

    def make(crowd: Crowd, made: dict[str, View], folder: Path) -> View:
        view = made[CODES]
        return _with_graph(view, ShortScan(view.vectors, kept))

    return make


def graph(kept: int) -> Callable[[Crowd, dict[str, View], Path], View]:
    """Keep all vectors in memory, and a graph of shortened ones."""

    def make(crowd: Crowd, made: dict[str, View], folder: Path) -> View:
        view = made[WHOLE]
        path, usual = folder / f"graph{kept}.hnsw", hnsw.GRAPH_DIMS
        hnsw.GRAPH_DIMS = kept
        try:
            for _ in build_graph(path, view.vectors, "benchmark", all_threads()):
                pass
        finally:
            hnsw.GRAPH_DIMS = usual
        loaded = load_graph(path, "benchmark", view.vectors.dim, GRAPH_CANDIDATES)
        if loaded is None:
            raise BenchError("hnswlib is not installed: there are no graphs to compare")
        return _with_graph(view, loaded)

    return make


def _with_graph(view: View, proposer: ShortScan | hnsw.Graph) -> View:
    embedded = np.flatnonzero(view.vector_rows >= 0)
    order = embedded[np.argsort(view.vector_rows[embedded], kind="stable")]
    return replace(view, graph=proposer, graph_wanted=GRAPH_CANDIDATES, by_vector=order)  # type: ignore[arg-type]


WHOLE, CODES = "whole vectors, all compared", "codes, whole vectors on disk"
SMALL = (
    Form(WHOLE, whole),
    Form("graph of whole vectors", graph(384)),
    Form("graph of 256 dimensions (PCA)", graph(256)),
    Form("graph of 128 dimensions (PCA)", graph(128)),
    Form(CODES, codes),
)
LARGE = (
    Form(WHOLE, whole),
    Form(CODES, codes),
    Form("256 dimensions (PCA), whole on disk", short(256)),
    Form("128 dimensions (PCA), whole on disk", short(128)),
    Form("64 dimensions (PCA), whole on disk", short(64)),
)


def memory_of(view: View) -> float:
    """Return the bytes of memory that a symbol takes to be found by meaning, from the arrays that are held."""
    if isinstance(view.graph, ShortScan):
        return view.graph.short.dim + ROW_BYTES + view.vector_rows.itemsize
    return view.vector_memory / len(view)
