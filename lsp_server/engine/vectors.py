"""Vectors: embeddings of 8 bits a dimension, exact search over them, and the hnswlib graph beside.

Takes unit vectors, gives cosines. The exact scan is the truth; the graph only proposes candidates, which are scored by
the stored vectors again. The graph is a file that can be lost at any time: it is checked before it is used, never
changed while it is searched, and made anew by whoever writes the index. Knows neither symbols nor SQL.
"""

import contextlib
import json
import logging
import math
import os
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lsp_server.engine.cache import make_way
from lsp_server.engine.errors import EngineError
from lsp_server.engine.rows import MemoryRows, Rows

if TYPE_CHECKING:
    import hnswlib

SCAN_ROWS = 4_096  # rows made float at a time: 6 MB at 384 dimensions stay in the cache of a small CPU
GRAPH_MINIMUM = 10_000  # below it the exact scan (0.5 ms) is as quick and always right
GRAPH_LINKS = 16  # hnswlib's M; 32 gains .015 recall for 8 % more memory, 8 loses .06
GRAPH_CONSTRUCTION = 200  # hnswlib's ef_construction; 100 loses .02 to .03 recall
GRAPH_TAIL = 5_000  # vectors not in the graph are scanned: 0.25 ms for these
GRAPH_DELETED = 1 / 3  # dead nodes lengthen every search: from this share on the graph is made anew
BUILD_ROWS = 1_024  # added to a graph between two chances to stop: 0.3 s
FORMAT = 1

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

    Equal vectors share a row: a graph of many equal ones loses sight of the others.
    """

    def __init__(self, dim: int, rows: Rows | None = None) -> None:
        self.dim = dim
        self.row_of: dict[int, int] = {}  # id -> row
        self._row_of_data: dict[int, int] = {}  # hash of the bytes -> row
        self._count = 0
        self._ids = np.zeros(1024, np.int64)
        self._scales = np.zeros(1024, np.float32)
        self._data = rows or MemoryRows(dim)

    def __len__(self) -> int:
        return self._count

    def extend(self, vectors: Iterable[tuple[int, bytes]]) -> None:
        """Take vectors: their ids, and `dim` bytes each. Raises ValueError on another length."""
        ids: list[int] = []
        new: list[bytes] = []
        for vector_id, data in vectors:
            if len(data) != self.dim:
                raise ValueError(f"a vector of {len(data)} dimensions among those of {self.dim}")
            row = self._row_of_data.setdefault(hash(data), self._count + len(new))
            if row == self._count + len(new):
                ids.append(vector_id)
                new.append(data)
            self.row_of[vector_id] = row
        end = self._count + len(new)
        if end > len(self._ids):
            # New arrays, not a resize in place: a search that is under way keeps the old ones.
            capacity = max(end, len(self._ids) * 3 // 2)
            self._ids = _grown(self._ids, capacity)
            self._scales = _grown(self._scales, capacity)
        rows = np.frombuffer(b"".join(new), np.int8).reshape(-1, self.dim)
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.int32))
        self._ids[self._count : end] = ids
        self._scales[self._count : end] = 1 / np.maximum(lengths, 1)
        self._data.put(self._count, rows)
        self._count = end

    def ids(self) -> Integers:
        """Return the id of each row, int64 [n]: the first of those that share it."""
        return self._ids[: self._count]

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


class Graph:
    """An hnswlib graph loaded from its file; its labels are vector ids. Never changed, so searches need no lock."""

    def __init__(self, index: "hnswlib.Index", ids: Integers) -> None:
        self._index = index
        self.ids = ids  # int64, ascending

    def __len__(self) -> int:
        return len(self.ids)

    def nearest(self, query: Floats, count: int) -> Integers:
        """Return the ids of about the `count` nearest vectors, nearest first; none when the graph cannot tell.

        Many equal vectors link only to each other, and a search among them comes back with too few: hnswlib raises.
        """
        try:
            labels, _ = self._index.knn_query(query, k=min(count, len(self.ids)), num_threads=1)
        except RuntimeError:
            return np.zeros(0, np.int64)
        return np.asarray(labels[0], np.int64)


def search_width(size: int, count: int) -> int:
    """Return hnswlib's ef for a graph of `size` nodes: wide enough for a recall@50 above .98 (`benchmarks/speed`)."""
    return max(count, 400 if size < 50_000 else 800)


def load_hnswlib() -> ModuleType | None:
    """Return the hnswlib module, None where it is not installed or does not fit this CPU's Python."""
    try:
        import hnswlib
    except ImportError as error:
        _log.info("hnswlib cannot be used (%s): every search is an exact scan", error)
        return None
    return hnswlib  # type: ignore[no-any-return]


def load_graph(path: Path, model: str, dim: int, candidates: int) -> Graph | None:
    """Read the graph at `path` that was made for `model`; None when there is none or it is not what was saved."""
    loaded = _load(path, model, dim, room=0)
    if loaded is None:
        return None
    index, ids = loaded
    index.set_ef(search_width(len(ids), candidates))  # a loaded index has hnswlib's default of 10
    return Graph(index, ids)


def _load(path: Path, model: str, dim: int, room: int) -> "tuple[hnswlib.Index, Integers] | None":
    """Read a graph with room for so many more nodes."""
    make_way(path.with_suffix(".json"))
    try:
        try:
            checked = _check(path, model, dim)
        except FileNotFoundError:  # another process has just put a newer one in its place
            checked = _check(path, model, dim)
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("the graph %s is damaged (%s) and is made anew", path, error)
        _give_up(path)
        return None
    if checked is None:
        return None
    data, ids = checked
    hnswlib = load_hnswlib()
    if hnswlib is None:
        return None
    # Always a fresh object: loading into a used one that fails leaves it broken.
    index = hnswlib.Index(space="ip", dim=dim)
    try:
        index.load_index(str(data), max_elements=len(ids) + room)
    except RuntimeError as error:
        _log.warning("the graph %s cannot be read (%s) and is made anew", path, error)
        _give_up(path)
        return None
    return index, ids


def _give_up(path: Path) -> None:
    """Have a damaged graph made anew by whoever writes next: see `graph_is_lost`."""
    with contextlib.suppress(OSError):
        path.with_suffix(".json").unlink(missing_ok=True)


def graph_is_lost(path: Path) -> bool:
    """Return whether there is no graph at `path`, or none that could be read."""
    return not path.with_suffix(".json").is_file()


def _check(path: Path, model: str, dim: int) -> tuple[Path, Integers] | None:
    """Return the file of a graph and its ids, None when there is none for `model`. Raises what damage raises.

    hnswlib loads damaged files and wrong dimensions without complaint and crashes later, so its file is only opened
    when size and digest are those written down beside it.
    """
    try:
        header = json.loads(path.with_suffix(".json").read_text("utf-8"))
        wanted = {"format": FORMAT, "model": model, "dim": dim}
        if not isinstance(header, dict) or {key: header.get(key) for key in wanted} != wanted:
            return None
        ids = np.frombuffer(bytes.fromhex(header["ids"]), np.int64)
        data = path.with_name(str(header["file"]))
    except FileNotFoundError:
        return None
    if data.parent != path.parent or _digest(data) != header["digest"]:
        raise ValueError("its digest is not the one written down")
    return data, ids


def examine_graph(path: Path, model: str, dim: int) -> tuple[int, str]:
    """Return how many nodes the graph at `path` has (0: there is none for `model`), and what is wrong with it or ""."""
    try:
        checked = _check(path, model, dim)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return 0, str(error) or type(error).__name__
    return (len(checked[1]), "") if checked is not None else (0, "")


def graph_is_stale(graph_ids: Integers, live_ids: Integers) -> bool:
    """Return whether a graph of `graph_ids` should be made anew for the vectors `live_ids` (both int64, distinct)."""
    if len(live_ids) < GRAPH_MINIMUM:
        return False
    dead = _dead(graph_ids, live_ids)
    missing = len(live_ids) - (len(graph_ids) - dead)
    return missing > GRAPH_TAIL or dead > GRAPH_DELETED * len(graph_ids)


def _dead(graph_ids: Integers, live_ids: Integers) -> int:
    return len(graph_ids) - len(np.intersect1d(graph_ids, live_ids, assume_unique=True))


def build_graph(path: Path, table: VectorTable, model: str, threads: int) -> Iterator[int]:
    """Bring the graph at `path` up to the rows of `table`: the one there grows, unless too much of it is dead.

    Yields the number of nodes after each step, so that it can be stopped: the old graph then stands. Yields nothing
    where hnswlib is missing. Raises OSError when it could not be written (hnswlib itself is silent on a full disk).
    """
    hnswlib = load_hnswlib()
    if hnswlib is None:
        return
    live = table.ids()
    old = _load(path, model, table.dim, room=len(live))
    if old is not None and _dead(old[1], live) <= GRAPH_DELETED * len(old[1]):
        index, held = old
    else:
        index, held = hnswlib.Index(space="ip", dim=table.dim), np.zeros(0, np.int64)
        index.init_index(max_elements=len(live), M=GRAPH_LINKS, ef_construction=GRAPH_CONSTRUCTION, random_seed=1)
    index.set_ef(GRAPH_CONSTRUCTION)
    order = np.argsort(live, kind="stable")
    new = order[~np.isin(live[order], held)]
    for start in range(0, len(new), BUILD_ROWS):
        rows = new[start : start + BUILD_ROWS]
        index.add_items(table.floats(rows), live[rows], num_threads=threads)
        yield len(held) + start + len(rows)
    _save(path, index, np.union1d(held, live[new]), model, table.dim)


def _save(path: Path, index: "hnswlib.Index", ids: Integers, model: str, dim: int) -> None:
    """Put a graph beside the old one, and then in its place."""
    name = f"{path.stem}-{os.urandom(6).hex()}{path.suffix}"
    data = path.with_name(name)
    try:
        index.save_index(str(data))
        if not data.exists() or data.stat().st_size != index.index_file_size():
            raise OSError(f"{data} could not be written whole: is the disk full?")
        header = {"format": FORMAT, "model": model, "dim": dim, "file": name, "digest": _digest(data)}
        _replace(path.with_suffix(".json"), json.dumps(header | {"ids": ids.tobytes().hex()}))
    except BaseException:
        data.unlink(missing_ok=True)
        raise
    for old in path.parent.glob(f"{path.stem}-*"):
        if old.name != name:
            with contextlib.suppress(OSError):  # Windows: a reader is loading it; the next build tries again
                old.unlink(missing_ok=True)


def graph_ids(path: Path, model: str) -> Integers:
    """Return the ids in the graph at `path` without loading it, none when it is not there or not for `model`."""
    try:
        header = json.loads(path.with_suffix(".json").read_text("utf-8"))
        if header["format"] == FORMAT and header["model"] == model and path.with_name(str(header["file"])).exists():
            return np.frombuffer(bytes.fromhex(header["ids"]), np.int64)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return np.zeros(0, np.int64)


def _grown(array: NDArray, capacity: int) -> NDArray:  # type: ignore[type-arg]
    grown = np.zeros((capacity, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest = blake2b(digest_size=16)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _replace(path: Path, text: str) -> None:
    make_way(path)
    temporary = path.with_name(f"{path.stem}-{os.urandom(6).hex()}.tmp")  # swept with old graphs, should we die here
    temporary.write_text(text, "utf-8")
    temporary.replace(path)
