"""Vectors: does the hnswlib graph find what the exact scan finds, and how fast are both.

Real vectors as far as there are any, then noisy copies of them whose noise has the shape of the data (its covariance),
so that neighbourhoods stay as crowded as real ones. Queries are real questions. As in the engine, the graph proposes
candidates and the stored vectors decide.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import percentile
from benchmarks.speed.rows import Row, at_least, told
from lsp_server.engine.encoder import Encoder
from lsp_server.engine.hnsw import build_graph, load_graph
from lsp_server.engine.index import Index, Options
from lsp_server.engine.store import Store
from lsp_server.engine.vectors import VectorTable, quantise
from lsp_server.engine.view import GRAPH_CANDIDATES

K = 50
RECALL = 0.98  # the figure that the width of the graph's search was chosen for

# Of the noise in a copy, relative to the spread of the data: copies of one vector stay apart like siblings in a file.
NOISE = 0.5

Floats = NDArray[np.float32]


def measure(real: Floats, queries: Floats, sizes: Sequence[int]) -> list[Row]:
    """Rows about tables of `sizes` vectors; `real` and `queries` are float32 [n, dim], unit rows."""
    rows: list[Row] = []
    for size in sizes:
        rows += _measure(enlarged(real, size), min(size, len(real)), queries)
    return rows


def _measure(vectors: Floats, genuine: int, queries: Floats) -> list[Row]:
    table = VectorTable(vectors.shape[1])
    table.extend((number, quantise(vector)) for number, vector in enumerate(vectors))
    with tempfile.TemporaryDirectory(prefix="bench-graph-") as folder:
        path = Path(folder) / "graph.hnsw"
        started = time.perf_counter()
        if not list(build_graph(path, table, "benchmark", max(1, (os.cpu_count() or 1) // 2))):
            return [
                told(f"graph of {len(vectors):,} vectors", 0, "", "hnswlib is not installed: every search is exact")
            ]
        built = time.perf_counter() - started
        started = time.perf_counter()
        graph = load_graph(path, "benchmark", table.dim, GRAPH_CANDIDATES)
        loaded = time.perf_counter() - started
        if graph is None:
            return [told(f"graph of {len(vectors):,} vectors", 0, "", "it was built but could not be loaded")]
    recalls, exact_ms, graph_ms = [], [], []
    for query in queries:
        started = time.perf_counter()
        exact = np.argpartition(-table.scan(query), K)[:K]
        between = time.perf_counter()
        labels = graph.nearest(query, GRAPH_CANDIDATES)
        found = table.rows_of(labels)
        best = found[np.argsort(-table.cosines(query, found))[:K]]
        ended = time.perf_counter()
        exact_ms.append((between - started) * 1000)
        graph_ms.append((ended - between) * 1000)
        recalls.append(len(np.intersect1d(exact, best)) / K)
    what = f"{len(vectors):,} vectors"
    detail = f"{genuine:,} real; {GRAPH_CANDIDATES} candidates; worst question {min(recalls):.2f}"
    return [
        at_least(f"graph, recall@{K}, {what}", fmean(recalls), (RECALL, ""), detail),
        told(
            f"graph and rescoring, p50, {what}",
            percentile(graph_ms, 0.5),
            "ms",
            f"p95 {percentile(graph_ms, 0.95):.2f} ms",
        ),
        told(f"graph, built in, {what}", built, "s", f"loaded in {loaded:.2f} s"),
        told(f"exact scan, p50, {what}", percentile(exact_ms, 0.5), "ms", f"p95 {percentile(exact_ms, 0.95):.2f} ms"),
    ]


def stored(root: Path, cache: Path) -> Floats:
    """Return the vectors in the index of `root`, float32 [n, dim]: as stored, rounding and all."""
    index = Index(root, Options(cache_dir=str(cache)))
    store = Store(index.store_path)
    try:
        rows = list(store.vectors_in_use(index.fingerprint))
        vectors: Floats = np.stack([np.frombuffer(data, np.int8).astype(np.float32) for _, data in rows])
    finally:
        store.close()
        index.close()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def enlarged(real: Floats, size: int) -> Floats:
    """`size` unit vectors, float32 [size, dim]: the real ones, or a sample of them, then noisy copies."""
    random = np.random.default_rng(1)
    if size <= len(real):
        return real[np.sort(random.choice(len(real), size, replace=False))]
    missing = size - len(real)
    shape = np.linalg.cholesky(np.cov(real.T) + 1e-6 * np.eye(real.shape[1])).astype(np.float32)
    noise = random.standard_normal((missing, real.shape[1]), dtype=np.float32) @ shape.T
    copies = real[random.integers(len(real), size=missing)] + NOISE * noise
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    return np.concatenate((real, copies.astype(np.float32)))


def encoded(encoder: Encoder, questions: Sequence[str]) -> Floats:
    """Embed the questions: float32 [n, dim]."""
    return np.stack([encoder.encode_query(question) for question in questions])
