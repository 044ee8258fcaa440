"""Keys: which row a 64-bit number stands for, in twelve bytes an entry; a dictionary takes a hundred.

Takes numbers with their rows, finds the rows of many numbers at once. Added to by one thread; any thread may ask.
"""

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class Keys:
    """Numbers in ascending order, each with a row."""

    def __init__(self) -> None:
        # One tuple, replaced as a whole: who asks meanwhile sees the old state or the new one.
        self._entries = np.zeros(0, np.int64), np.zeros(0, np.int32)

    def __len__(self) -> int:
        return len(self._entries[0])

    @property
    def memory(self) -> int:
        """How many bytes of memory it takes."""
        return sum(array.nbytes for array in self._entries)

    def find(self, wanted: Integers) -> Integers:
        """Return the rows of these numbers, int64 [len(wanted)], -1 for those that are not here."""
        keys, rows = self._entries
        if not len(keys):
            return np.full(len(wanted), -1, np.int64)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[at] == wanted, rows[at], -1).astype(np.int64)

    def add(self, new: Integers, new_rows: Integers) -> None:
        """Take numbers that are not here yet, in any order, none of them twice."""
        keys, rows = self._entries
        order = np.argsort(new)
        at = np.searchsorted(keys, new[order])
        self._entries = np.insert(keys, at, new[order]), np.insert(rows, at, new_rows[order].astype(np.int32))
