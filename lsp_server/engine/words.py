"""Words: which symbols share words with a question, and how much that says (BM25F).

Takes bags of words by row, gives a score for every row. Held in memory, filled from the store: FTS5's bm25() took
3.7 ms for a question over 20,000 symbols and has one length for all fields; this takes a tenth and weighs each field.

BM25F as in Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009), section 3.6: the counts of a term
in the fields of a symbol are weighed, normalised by the field's length, summed, and saturated once.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lsp_server.engine.text import FIELDS

WEIGHTS = np.array([3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0], np.float32)  # by FIELDS; the optimum is flat
SATURATION = 1.5  # k1
LENGTH = 0.75  # b
SEGMENTS = 6  # more than these are merged: each costs a look-up a term

Floats = NDArray[np.float32]


class _Segment:
    """Postings sorted by term: `terms` uint32 with `starts` into `rows` uint32, `fields` uint8, `counts` uint8."""

    def __init__(self, terms: NDArray[np.uint32], rows: NDArray[np.uint32], tail: NDArray[np.uint16]) -> None:
        # By the lower half of a term, then by the upper one: numpy sorts 16 bits by counting, twice as fast as 32.
        order = np.argsort(terms.astype(np.uint16), kind="stable")
        order = order[np.argsort((terms[order] >> np.uint32(16)).astype(np.uint16), kind="stable")]
        ordered = terms[order]
        starts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1 if len(ordered) else np.zeros(0, np.int64)
        self.starts = np.concatenate(([0], starts, [len(ordered)])) if len(ordered) else np.zeros(1, np.int64)
        self.terms = ordered[self.starts[:-1]]
        self.rows = rows[order]
        self.tail = tail[order]

    def find(self, term: int) -> slice:
        at = int(np.searchsorted(self.terms, np.uint32(term)))
        if at == len(self.terms) or self.terms[at] != term:
            return slice(0, 0)
        return slice(int(self.starts[at]), int(self.starts[at + 1]))

    def spread(self) -> NDArray[np.uint32]:
        return np.repeat(self.terms, np.diff(self.starts))


class Words:
    """The words of all rows. `extend` by one thread; `score` by any, on the rows there were when it began."""

    def __init__(self) -> None:
        self._segments: tuple[_Segment, ...] = ()
        self._lengths = np.zeros((len(FIELDS), 0), np.float32)

    def __len__(self) -> int:
        return self._lengths.shape[1]

    def extend(self, bags: Sequence[bytes]) -> None:
        """Append one row for each bag (see `text.bag_of_words`)."""
        first = len(self)
        packed = np.frombuffer(b"".join(bags), np.uint64)
        sizes = np.fromiter((len(bag) // 8 for bag in bags), np.int64, len(bags))
        rows = np.repeat(np.arange(first, first + len(bags), dtype=np.uint32), sizes)
        terms = (packed >> np.uint64(16)).astype(np.uint32)
        tail = (packed & np.uint64(0xFFFF)).astype(np.uint16)
        places = (tail >> 8).astype(np.int64) * len(bags) + (rows - first)
        lengths = np.bincount(places, tail & 0xFF, len(FIELDS) * len(bags)).reshape(len(FIELDS), -1).astype(np.float32)
        self._lengths = np.concatenate((self._lengths, lengths), axis=1)
        segments = (*self._segments, _Segment(terms, rows, tail))
        self._segments = segments if len(segments) <= SEGMENTS else (_merged(segments),)

    def averages(self, alive: NDArray[np.bool_]) -> Floats:
        """Return the mean length of each field over the `alive` rows (bool [rows]), float32 [fields], above 0."""
        sums = self._lengths[:, : len(alive)] @ alive.astype(np.float32)
        return np.maximum(sums / max(int(alive.sum()), 1), 1e-6).astype(np.float32)

    def score(self, terms: Sequence[int], alive: NDArray[np.bool_], averages: Floats) -> tuple[Floats, Floats]:
        """Return the BM25F score of the first rows, and the share of the question's weight that each row has.

        `alive`, bool [rows], says which rows count, `averages` how long their fields are: dead rows score 0 and change
        nothing. Both results are float32 [rows]; the share is the idf of the terms found in a row over the idf of all
        terms, 0..1.
        """
        segments, lengths, rows = self._segments, self._lengths, len(alive)
        living = int(alive.sum())
        scores = np.zeros(rows, np.float32)
        share = np.zeros(rows, np.float32)
        weight = 0.0
        for term in terms:
            found = [(segment, segment.find(term)) for segment in segments]
            at = np.concatenate([segment.rows[part] for segment, part in found]) if found else np.zeros(0, np.uint32)
            tail = np.concatenate([segment.tail[part] for segment, part in found]) if found else np.zeros(0, np.uint16)
            if len(at) and int(at.max()) >= rows:
                known = at < rows
                at, tail = at[known], tail[known]
            if living < rows:
                lives = alive[at]
                at, tail = at[lives], tail[lives]
            field = tail >> 8
            gains = (tail & 0xFF) * WEIGHTS[field] / (1 - LENGTH + LENGTH * lengths[field, at] / averages[field])
            # A row's fields stand together: the postings of a segment are ordered by term, then by row.
            starts = np.flatnonzero(np.concatenate(([True], at[1:] != at[:-1]))) if len(at) else np.zeros(0, np.intp)
            one = at[starts]
            frequency = np.add.reduceat(gains, starts) if len(starts) else np.zeros(0, np.float32)
            idf = float(np.log1p((living - len(one) + 0.5) / (len(one) + 0.5)))
            weight += idf
            scores[one] += idf * frequency / (frequency + SATURATION)
            share[one] += idf
        return scores, share / max(weight, 1e-9)


def _merged(segments: Sequence[_Segment]) -> _Segment:
    return _Segment(
        np.concatenate([segment.spread() for segment in segments]),
        np.concatenate([segment.rows for segment in segments]),
        np.concatenate([segment.tail for segment in segments]),
    )
