"""Codes: one bit for each dimension of a vector, to tell in memory which of very many are worth reading from disk.

Takes unit vectors, gives those of some rows that are likely nearest to a question. A bit says on which side of the
project's mean a vector lies (binary quantisation). All codes are compared with the question's by counting bits; the
best of them once more, by the cosine of the question with what their bits stand for. What remains is for the whole
vectors to decide.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lsp_server.engine.reduction import Reduction, reduce

MOST_BITS = 512  # of a code; longer vectors are shortened first, so that a vector takes at most 64 bytes of memory
BY_COUNT = 4_000  # rows that counting leaves; of 195,000 real vectors 1,000 lose .014 of recall@50, 8,000 gain .001
SCAN_ROWS = 65_536  # codes counted at a time: their counts stay in the cache of a small CPU
NARROW = 0.2  # of all rows; fewer are picked out before they are counted

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Bits = NDArray[np.uint64]


class Codes:
    """Codes in rows that are only ever added, one 64-bit word of all rows after the other.

    `sample`: unit vectors, float32 [n, dim], that decide what a bit says; `cuts`: see `reduction`.
    """

    def __init__(self, sample: Floats, cuts: Sequence[int]) -> None:
        self._reduction: Reduction | None = None
        if sample.shape[1] > MOST_BITS:
            self._reduction = reduce(sample, MOST_BITS, cuts)
        short = self._shorten(sample)
        self._mean = short.mean(axis=0)
        self._spread = np.abs(short - self._mean).mean(axis=0)  # how far from the mean a bit stands for
        self._words = np.zeros((-(-short.shape[1] // 64), 1024), np.uint64)
        self._count = 0

    @property
    def bits(self) -> int:
        """How many bits a code has."""
        return len(self._mean)

    @property
    def memory(self) -> int:
        """How many bytes of memory they take."""
        return self._words.nbytes

    def extend(self, vectors: Floats) -> None:
        """Append the codes of unit vectors, float32 [n, dim]."""
        end = self._count + len(vectors)
        if end > self._words.shape[1]:
            # A new array, not a resize in place: a search that is under way keeps the old one.
            grown = np.zeros((len(self._words), max(end, self._words.shape[1] * 5 // 4)), np.uint64)
            grown[:, : self._count] = self._words[:, : self._count]
            self._words = grown
        self._words[:, self._count : end] = _packed(self._shorten(vectors) > self._mean)
        self._count = end

    def likely(self, query: Floats, rows: Integers, count: int) -> Integers:
        """Return the places in `rows`, int64, of about the `count` nearest to `query`: no fewer than there are."""
        asked = self._shorten(query[None])[0]
        # The dot product is linear in the vector: where its mean lies changes nothing for the question's own signs.
        differing = self._differing(_packed(asked[None] > 0)[:, 0], rows)
        places = _smallest(differing, max(BY_COUNT, 2 * count))
        if len(places) <= count:
            return places
        words = self._words[:, rows[places]]
        bits = np.unpackbits(np.ascontiguousarray(words.T).view(np.uint8), axis=1, count=self.bits, bitorder="little")
        estimates = bits.astype(np.float32) @ (asked * self._spread)
        return places[np.argpartition(estimates, len(estimates) - count)[-count:]]

    def _differing(self, asked: Bits, rows: Integers) -> NDArray[np.uint16]:
        """Return in how many bits the codes of `rows` differ from `asked`, uint16 [len(rows)]."""
        count, words = self._count, self._words  # in this order: there are never fewer words than that
        if len(rows) < NARROW * count:
            return _counted(words[:, rows], asked)
        counts = np.empty(count, np.uint16)
        for start in range(0, count, SCAN_ROWS):
            part = slice(start, min(start + SCAN_ROWS, count))
            counts[part] = _counted(words[:, part], asked)
        return counts[rows]

    def _shorten(self, vectors: Floats) -> Floats:
        return vectors if self._reduction is None else self._reduction.apply(vectors)


def _packed(bits: NDArray[np.bool_]) -> Bits:
    """Return bool [n, bits] as 64-bit words, uint64 [words, n]."""
    rows, width = bits.shape
    padded = np.zeros((rows, -(-width // 64) * 8), np.uint8)
    packed = np.packbits(bits, axis=1, bitorder="little")
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64).T


def _counted(words: Bits, asked: Bits) -> NDArray[np.uint16]:
    counts = np.zeros(words.shape[1], np.uint16)
    for word, of_question in zip(words, asked, strict=True):
        counts += np.bitwise_count(word ^ of_question)
    return counts


def _smallest(counts: NDArray[np.uint16], wanted: int) -> Integers:
    """Return the places of the `wanted` smallest; of those that are equal to the last of them, the first."""
    if len(counts) <= wanted:
        return np.arange(len(counts))
    limit = np.searchsorted(np.cumsum(np.bincount(counts)), wanted)
    below = np.flatnonzero(counts < limit)
    return np.concatenate((below, np.flatnonzero(counts == limit)[: wanted - len(below)]))
