"""Crowd: a project of a million symbols, made of real ones.

Takes a view of real projects and their vectors, gives one with many more rows: some projects again and again, with a
vector beside each copied one that differs by noise of the data's own shape. Copies keep what stands together in a file,
and have no words and names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.bench import Repository
from benchmarks.speed.vectors import NOISE
from lsp_server.engine.query import Question
from lsp_server.engine.store import Store
from lsp_server.engine.vectors import SCAN_ROWS, VectorTable
from lsp_server.engine.view import Place, View

Floats = NDArray[np.float32]
Bytes = NDArray[np.int8]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the benchmark, as the engine takes it."""

    repo: Repository
    number: int  # in the repository's list
    question: Question
    vector: Floats


@dataclass(frozen=True, slots=True)
class Crowd:
    """A view of a project, perhaps enlarged, the vectors to fill it with, and the questions to ask of it."""

    view: View
    vectors: Bytes  # int8 [n, dim], by vector row
    store: Store
    asked: tuple[Asked, ...]


def whole_bytes(vectors: VectorTable) -> Bytes:
    """Return all vectors of a table as they are stored, int8 [n, dim]."""
    parts = [
        vectors.floats(np.arange(at, min(at + SCAN_ROWS, len(vectors)))) for at in range(0, len(vectors), SCAN_ROWS)
    ]
    return np.concatenate([eight_bits(part) for part in parts])


def eight_bits(vectors: Floats) -> Bytes:
    """Return what `quantise` makes of each vector, int8 [n, dim]."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    packed: Bytes = np.rint(vectors * (127 / np.maximum(largest, 1e-9))).astype(np.int8)
    return packed


def enlarged(view: View, real: Bytes, copied: set[str], size: int) -> tuple[View, Bytes]:
    """Return a view of `size` rows and its vectors: the projects `copied` again and again behind what is there."""
    random = np.random.default_rng(1)
    of_place = np.array([place.path.partition("/")[0] in copied for place in view.places])
    source = np.flatnonzero(of_place[view.files] & (view.vector_rows >= 0) & view.alive)
    missing = size - len(view)
    rounds = -(-missing // len(source))
    rows = np.tile(source, rounds)[:missing]
    turn = np.repeat(np.arange(rounds), len(source))[:missing]
    # Within a round, what shares a file or a vector goes on sharing it.
    files, places = _numbered(turn, view.files[rows], len(view.places))
    unit_rows = np.where(view.units[view.files[rows]] >= 0, view.units[view.files[rows]], view.vector_rows[rows])
    vectors, kept = _numbered(np.tile(turn, 2), np.concatenate((view.vector_rows[rows], unit_rows)), len(real))
    units = np.full(len(places), -1, np.int64)
    has_unit = view.units[view.files[rows]] >= 0
    units[files[has_unit]] = len(real) + vectors[len(rows) :][has_unit]
    old = [view.places[at % len(view.places)] for at in places.tolist()]
    everything = replace(
        view,
        ids=np.concatenate((view.ids, -1 - np.arange(missing))),
        parents=np.concatenate((view.parents, np.full(missing, -1))),
        kinds=np.concatenate((view.kinds, view.kinds[rows])),
        files=np.concatenate((view.files, len(view.places) + files)),
        vector_rows=np.concatenate((view.vector_rows, len(real) + vectors[: len(rows)])),
        alive=np.concatenate((view.alive, np.ones(missing, np.bool_))),
        names=[*view.names, *[""] * missing],
        places=[*view.places, *(Place("copy", one.language, 0, one.is_test, one.is_aside) for one in old)],
        tests=np.concatenate((view.tests, view.tests[places % len(view.places)])),
        aside=np.concatenate((view.aside, view.aside[places % len(view.places)])),
        units=np.concatenate((view.units, units)),
    )
    return everything, np.concatenate((real, *_noisy(real, kept % len(real), random)))


def _numbered(turn: Integers, values: Integers, many: int) -> tuple[Integers, Integers]:
    """Return a number from 0 on for each pair of turn and value, and turn * many + value for each number."""
    distinct, numbers = np.unique(turn * many + values, return_inverse=True)
    return numbers.astype(np.int64), distinct


def _noisy(real: Bytes, rows: Integers, random: np.random.Generator) -> Iterator[Bytes]:
    """Give vectors beside those of `rows`, int8 [some, dim] at a time."""
    whole = real.astype(np.float32)
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    shape = np.linalg.cholesky(np.cov(whole.T) + 1e-6 * np.eye(whole.shape[1])).astype(np.float32)
    for start in range(0, len(rows), SCAN_ROWS):
        part = whole[rows[start : start + SCAN_ROWS]]
        noise: Floats = random.standard_normal(part.shape, dtype=np.float32) @ shape.T
        yield eight_bits(part + np.float32(NOISE) * noise)
