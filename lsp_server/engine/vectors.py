"""Vectors: embeddings of 8 bits a dimension, exact search over them.

Takes unit vectors, gives cosines: those of all rows are the truth. Up to LARGE_ROWS vectors lie in memory; more lie on
disk, with codes in memory that tell which of them are worth reading. Knows neither symbols nor SQL.
"""

import logging
import math
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lsp_server.engine.codes import Codes
from lsp_server.engine.errors import EngineError
from lsp_server.engine.keys import Keys
from lsp_server.engine.reduction import FIT_ROWS
from lsp_server.engine.rows import FileRows, MemoryRows, Rows

LARGE_ROWS = 200_000  # more lie on disk
SCAN_ROWS = 4_096  # rows made float at a time: 6 MB at 384 dimensions stay in the cache of a small CPU
TAKEN_ROWS = 65_536  # taken from the store at a time: 25 MB
ROW_BYTES = 44  # of memory for a vector beside the vector itself: id, scale, where to find it

_log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


def quantise(vector: Floats) -> bytes:
    """Return a unit vector, float32 [dim], as `dim` signed bytes: its direction in 8 bits (recall@10 .99).

    Raises EngineError for a vector that is none.
    """
    largest = float(np.abs(vector).max()) or 1.0
    if not math.isfinite(largest):
        raise EngineError("The model gives vectors that are no numbers. Choose another one: meaning-ls models")
    eight_bits: NDArray[np.int8] = np.rint(vector * (127 / largest)).astype(np.int8)
    return eight_bits.tobytes()


class VectorTable:
    """Quantised unit vectors in rows that are only ever added. Readers may hold a row count while others append.

    Equal vectors share a row: a graph of many equal ones loses sight of the others. Where there is a `disk`, a folder,
    more than `most` vectors lie in a file there, and from FIT_ROWS on a code of each in memory. `cuts` are the lengths
    to which the model allows to cut a vector.
    """

    def __init__(self, dim: int, cuts: Sequence[int] = (), disk: Path | None = None, most: int = LARGE_ROWS) -> None:
        self.dim = dim
        self.cuts = cuts
        self.codes: Codes | None = None
        self._row_of_id = Keys()
        self._row_of_data = Keys()  # by the hash of the bytes
        self._count = 0
        self._ids = np.zeros(1024, np.int64)
        self._scales = np.zeros(1024, np.float32)
        self._disk = disk
        self._most = most
        self._data: Rows = FileRows(dim, disk) if disk is not None and not most else MemoryRows(dim)

    def __len__(self) -> int:
        return self._count

    @property
    def is_on_disk(self) -> bool:
        """Whether whole vectors are read from a file."""
        return isinstance(self._data, FileRows)

    @property
    def memory(self) -> int:
        """How many bytes of memory all takes that is held here of vectors."""
        arrays = self._ids.nbytes + self._scales.nbytes + self._row_of_id.memory + self._row_of_data.memory
        return arrays + self._data.memory + (self.codes.memory if self.codes is not None else 0)

    def extend(self, vectors: Iterable[tuple[int, bytes]]) -> None:
        """Take vectors: their ids, and `dim` bytes each. Raises ValueError on another length, OSError on a bad disk."""
        remaining = iter(vectors)
        while part := list(islice(remaining, TAKEN_ROWS)):
            self._extend(part)

    def _extend(self, part: Sequence[tuple[int, bytes]]) -> None:
        for _, data in part:
            if len(data) != self.dim:
                raise ValueError(f"a vector of {len(data)} dimensions among those of {self.dim}")
        ids = np.fromiter((vector_id for vector_id, _ in part), np.int64, len(part))
        hashes = np.fromiter((hash(data) for _, data in part), np.int64, len(part))
        distinct, first, place = np.unique(hashes, return_index=True, return_inverse=True)
        rows = self._row_of_data.find(distinct)
        unknown = rows < 0
        new = np.sort(first[unknown])
        rows[unknown] = self._count + np.searchsorted(new, first[unknown])
        self._put(ids[new], np.frombuffer(b"".join(part[at][1] for at in new.tolist()), np.int8).reshape(-1, self.dim))
        self._row_of_data.add(distinct[unknown], rows[unknown])
        ids, once = np.unique(ids, return_index=True)
        unseen = self._row_of_id.find(ids) < 0
        self._row_of_id.add(ids[unseen], rows[place][once][unseen])

    def _put(self, ids: Integers, rows: NDArray[np.int8]) -> None:
        """Append rows, with their first ids."""
        start, end = self._count, self._count + len(rows)
        if end > len(self._ids):
            # New arrays, not a resize in place: a search that is under way keeps the old ones.
            capacity = max(end, len(self._ids) * 5 // 4)
            self._ids = _grown(self._ids, capacity)
            self._scales = _grown(self._scales, capacity)
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.int32))
        self._ids[start:end] = ids
        self._scales[start:end] = 1 / np.maximum(lengths, 1)
        if end > self._most and self._disk is not None and not self.is_on_disk:
            self._move_to(self._disk)
        self._data.put(start, rows)
        self._count = end
        if self.codes is not None:
            _extend_codes(self.codes, self, start)
        elif self.is_on_disk and end >= FIT_ROWS:
            codes = Codes(self.sample(), self.cuts)
            _extend_codes(codes, self, 0)
            self.codes = codes

    def _move_to(self, folder: Path) -> None:
        """Put what is in memory into a file; where there is no room for it, it stays where it is."""
        try:
            file = FileRows(self.dim, folder)
            for start in range(0, self._count, SCAN_ROWS):
                file.put(start, self._data.part(start, min(start + SCAN_ROWS, self._count)))
            self._data = file
        except OSError as error:
            _log.warning("%d vectors stay in memory, for they cannot be kept on disk (%s)", self._count, error)
            self._disk = None

    def ids(self) -> Integers:
        """Return the id of each row, int64 [n]: the first of those that share it."""
        return self._ids[: self._count]

    def rows_of(self, ids: Integers) -> Integers:
        """Return the row of each of these vectors, int64 [len(ids)], -1 for those that are not here."""
        return self._row_of_id.find(ids)

    @property
    def known(self) -> int:
        """How many ids have a row."""
        return len(self._row_of_id)

    def sample(self) -> Floats:
        """Return at most FIT_ROWS unit vectors from all over the table, float32 [n, dim]."""
        rows = np.linspace(0, self._count - 1, min(self._count, FIT_ROWS)).astype(np.int64)
        return self.floats(rows)

    def cosines(self, query: Floats, rows: Integers) -> Floats:
        """Return the cosine of `query` (unit, float32 [dim]) with each of `rows`, float32 [len(rows)]."""
        out = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), SCAN_ROWS):
            part = rows[start : start + SCAN_ROWS]
            out[start : start + len(part)] = (self._data.take(part).astype(np.float32) @ query) * self._scales[part]
        return out

    def scan(self, query: Floats, first: int = 0) -> Floats:
        """Return the cosine of `query` with every row from `first` on, float32 [n - first]."""
        end = self._count
        out = np.empty(max(end - first, 0), np.float32)
        for start in range(first, end, SCAN_ROWS):
            stop = min(start + SCAN_ROWS, end)
            out[start - first : stop - first] = self._data.part(start, stop).astype(np.float32) @ query
        return out * self._scales[first:end]

    def floats(self, rows: Integers) -> Floats:
        """Return the unit vectors of `rows`, float32 [len(rows), dim]."""
        return self._data.take(rows).astype(np.float32) * self._scales[rows, None]


def _extend_codes(codes: Codes, table: VectorTable, first: int) -> None:
    """Append the codes of the rows from `first` on."""
    for start in range(first, len(table), SCAN_ROWS):
        codes.extend(table.floats(np.arange(start, min(start + SCAN_ROWS, len(table)))))


def _grown(array: NDArray, capacity: int) -> NDArray:  # type: ignore[type-arg]
    grown = np.zeros((capacity, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown
