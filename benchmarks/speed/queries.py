"""Queries inside the engine: how long a warm question takes, and how much of it is not the model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import percentile
from benchmarks.speed.rows import Row, at_most, spread, told
from lsp_server.engine.encoder import Encoder, OnnxEncoder, bundled_model
from lsp_server.engine.index import Index, Options
from lsp_server.engine.query import Query

P50 = 6.0  # ms
P95 = 15.0
REST_P50 = 4.0  # everything but the embedding

# Questions asked before the clock counts: caches, lazily made tables, the processor's clock.
WARM_UP = 30


class TimedEncoder:
    """The real encoder, noting how long each question took it and how many texts were embedded."""

    def __init__(self, inner: Encoder) -> None:
        self._inner = inner
        self.fingerprint = inner.fingerprint
        self.dim = inner.dim
        self.max_tokens = inner.max_tokens
        self.query_seconds: list[float] = []
        self.texts = 0

    def encode(self, text: str) -> NDArray[np.float32]:
        """As the real one."""
        self.texts += 1
        return self._inner.encode(text)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """As the real one, timed."""
        started = time.perf_counter()
        vector = self._inner.encode_query(text)
        self.query_seconds.append(time.perf_counter() - started)
        return vector


def measure(root: Path, cache: Path, questions: Sequence[str]) -> list[Row]:
    """Rows about questions to the index of `root` that lies in `cache` already; it must not change meanwhile."""
    encoder = TimedEncoder(OnnxEncoder(bundled_model()))
    index = Index(root, Options(cache_dir=str(cache)), encoder)
    try:
        index.catch_up()
        index.catch_up()  # the graph is read after the first answers
        symbols = index.status().symbols
        started = time.perf_counter()
        for _ in index.update():
            pass
        unchanged = time.perf_counter() - started
        embedded = encoder.texts
        total, rest = _ask(index, encoder, questions)
        names, words = _ask_without_model(index, questions)
    finally:
        index.close()
    size = f"{symbols:,} symbols; "
    return [
        at_most("unchanged project: texts embedded", embedded, (0, ""), f"a pass over it takes {unchanged:.2f} s"),
        at_most("question, engine, p50", percentile(total, 0.5), (P50, "ms"), size + spread(total)),
        at_most("question, engine, p95", percentile(total, 0.95), (P95, "ms")),
        at_most("question, engine, all but the embedding, p50", percentile(rest, 0.5), (REST_P50, "ms"), spread(rest)),
        told("question, engine, words only, p50", percentile(words, 0.5), "ms", spread(words)),
        told("name look-up, engine, p50", percentile(names, 0.5), "ms", spread(names)),
    ]


def _ask(index: Index, encoder: TimedEncoder, questions: Sequence[str]) -> tuple[list[float], list[float]]:
    """Milliseconds of each question: all of it, and without the embedding. Each question is asked once."""
    total: list[float] = []
    rest: list[float] = []
    for number, question in enumerate(questions):
        encoder.query_seconds.clear()
        started = time.perf_counter()
        index.search(Query(text=question))
        took = time.perf_counter() - started
        if number >= WARM_UP:
            total.append(took * 1000)
            rest.append((took - sum(encoder.query_seconds)) * 1000)
    return total, rest


def _ask_without_model(index: Index, questions: Sequence[str]) -> tuple[list[float], list[float]]:
    """Milliseconds of name look-ups (the longest word of each question) and of answers by words and names."""
    names: list[float] = []
    words: list[float] = []
    for question in questions[WARM_UP:]:
        started = time.perf_counter()
        index.search_words(Query(text=question))
        between = time.perf_counter()
        index.find_names(max(question.split(), key=len), 20)
        ended = time.perf_counter()
        words.append((between - started) * 1000)
        names.append((ended - between) * 1000)
    return names, words
