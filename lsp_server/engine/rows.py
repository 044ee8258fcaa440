"""Rows: where the 8-bit vectors of a table lie, in memory or in a file.

Both forms are only ever added to, by one thread; any thread may read the rows that it knows of. The file form holds
next to nothing in memory, and a scan of 100,000 rows of 384 dimensions takes 40 ms instead of 15 while the system keeps
the file cached. The file has no name where the system allows that, and goes with its object everywhere.
"""

import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.int8]


class Rows(Protocol):
    """Vectors of 8 bits a dimension, by row."""

    @property
    def memory(self) -> int:
        """How many bytes of memory they take."""

    def put(self, start: int, rows: Bytes) -> None:
        """Append rows, int8 [n, dim], behind the first `start`."""

    def part(self, start: int, stop: int) -> Bytes:
        """Return rows from `start` to before `stop`, int8 [stop - start, dim]."""

    def take(self, rows: NDArray[np.int64]) -> Bytes:
        """Return these rows, int8 [len(rows), dim]."""


class MemoryRows:
    """Rows in one array."""

    def __init__(self, dim: int) -> None:
        self._data = np.zeros((1024, dim), np.int8)

    @property
    def memory(self) -> int:
        """How many bytes of memory they take."""
        return self._data.nbytes

    def put(self, start: int, rows: Bytes) -> None:
        """Append rows."""
        end = start + len(rows)
        if end > len(self._data):
            # A new array, not a resize in place: a search that is under way keeps the old one.
            grown = np.zeros((max(end, len(self._data) * 3 // 2), self._data.shape[1]), np.int8)
            grown[:start] = self._data[:start]
            self._data = grown
        self._data[start:end] = rows

    def part(self, start: int, stop: int) -> Bytes:
        """Return neighbouring rows."""
        return self._data[start:stop]

    def take(self, rows: NDArray[np.int64]) -> Bytes:
        """Return any rows."""
        return self._data[rows]


class FileRows:
    """Rows in a file of `folder`. Raises OSError where it cannot be written or read."""

    def __init__(self, dim: int, folder: Path) -> None:
        self._dim = dim
        self._file = tempfile.TemporaryFile(prefix="vectors-", dir=folder, buffering=0)  # noqa: SIM115 - lives as long
        self._lock = threading.Lock()  # place and reading are one step; os.pread is not on every system

    def __del__(self) -> None:
        with suppress(AttributeError):  # it could not be opened
            self._file.close()

    @property
    def memory(self) -> int:
        """None (0): what the system keeps of the file, it gives up when memory is wanted."""
        return 0

    def put(self, start: int, rows: Bytes) -> None:
        """Append rows."""
        with self._lock:
            self._file.seek(start * self._dim)
            data = memoryview(np.ascontiguousarray(rows).tobytes())
            while data:  # a disk that gets full takes a part, and refuses the next
                data = data[self._file.write(data) :]

    def part(self, start: int, stop: int) -> Bytes:
        """Return neighbouring rows."""
        with self._lock:
            self._file.seek(start * self._dim)
            data = self._file.read((stop - start) * self._dim)
        return np.frombuffer(data, np.int8).reshape(-1, self._dim)

    def take(self, rows: NDArray[np.int64]) -> Bytes:
        """Return any rows, read in runs of neighbours."""
        out = np.empty((len(rows), self._dim), np.int8)
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        starts = np.flatnonzero(np.concatenate(([True], np.diff(ordered) > 1))) if len(rows) else np.zeros(0, np.int64)
        for start, stop in zip(starts, [*starts[1:], len(rows)][: len(starts)], strict=True):
            first, last = int(ordered[start]), int(ordered[stop - 1])
            out[order[start:stop]] = self.part(first, last + 1)[ordered[start:stop] - first]
        return out
