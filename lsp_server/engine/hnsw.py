"""HNSW: the hnswlib graph that proposes near vectors, and its file.

The graph only proposes candidates, which are scored by the stored vectors again; from FIT_ROWS nodes on it holds
shorter ones (see `reduction`). It is a file that can be lost at any time: it is checked before it is used, never
changed while it is searched, and made anew by whoever writes the index.
"""

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lsp_server.engine.cache import make_way
from lsp_server.engine.codes import MOST_BITS
from lsp_server.engine.reduction import FIT_ROWS, Reduction, reduce, reduction_from
from lsp_server.engine.vectors import LARGE_ROWS, ROW_BYTES, VectorTable

if TYPE_CHECKING:
    import hnswlib

GRAPH_MINIMUM = 10_000  # below it the exact scan (0.5 ms) is as quick and always right
GRAPH_LINKS = 16  # hnswlib's M; 32 gains .015 recall for 8 % more memory, 8 loses .06
GRAPH_CONSTRUCTION = 200  # hnswlib's ef_construction; 100 loses .02 to .03 recall
GRAPH_TAIL = 5_000  # vectors not in the graph are scanned: 0.25 ms for these
GRAPH_DELETED = 1 / 3  # dead nodes lengthen every search: from this share on the graph is made anew
# Of the vectors in a graph of FIT_ROWS nodes and more. Of 76,000 real symbols 256 find what 384 do (recall@50 .998) in
# four fifths of the memory; 128 save as much again, and lose .01 of recall (`benchmarks/vectors`).
GRAPH_DIMS = 256
NODE_BYTES = 270  # what hnswlib takes for a node beside the vector itself, with 16 links
BUILD_ROWS = 1_024  # added to a graph between two chances to stop: 0.3 s
FORMAT = 2

_log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


class Graph:
    """An hnswlib graph loaded from its file; its labels are vector ids. Never changed, so searches need no lock."""

    def __init__(self, index: "hnswlib.Index", ids: Integers, reduction: Reduction | None) -> None:
        self.index = index
        self.ids = ids  # int64, ascending
        self.reduction = reduction  # of the vectors in it; None: they are whole

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def memory(self) -> int:
        """About how many bytes of memory it takes, the copies of all vectors in it included."""
        return self.ids.nbytes + len(self.ids) * (4 * int(self.index.dim) + NODE_BYTES)

    def nearest(self, query: Floats, count: int) -> Integers:
        """Return the ids of about the `count` nearest vectors, nearest first; none when the graph cannot tell.

        Many equal vectors link only to each other, and a search among them comes back with too few: hnswlib raises.
        """
        if self.reduction is not None:
            query = self.reduction.apply(query[None])[0]
        try:
            labels, _ = self.index.knn_query(query, k=min(count, len(self.ids)), num_threads=1)
        except RuntimeError:
            return np.zeros(0, np.int64)
        return np.asarray(labels[0], np.int64)


def search_width(size: int, count: int) -> int:
    """Return hnswlib's ef for a graph of `size` nodes: wide enough for a recall@50 above .98 (`benchmarks/speed`)."""
    return max(count, 300 if size < 50_000 else 800)


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
    loaded.index.set_ef(search_width(len(loaded), candidates))  # a loaded index has hnswlib's default of 10
    return loaded


def _load(path: Path, model: str, dim: int, room: int) -> Graph | None:
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
    data, ids, reduction = checked
    hnswlib = load_hnswlib()
    if hnswlib is None:
        return None
    # Always a fresh object: loading into a used one that fails leaves it broken.
    index = hnswlib.Index(space="ip", dim=reduction.kept if reduction is not None else dim)
    try:
        index.load_index(str(data), max_elements=len(ids) + room)
    except RuntimeError as error:
        _log.warning("the graph %s cannot be read (%s) and is made anew", path, error)
        _give_up(path)
        return None
    return Graph(index, ids, reduction)


def _give_up(path: Path) -> None:
    """Have a damaged graph made anew by whoever writes next: see `graph_is_lost`."""
    with contextlib.suppress(OSError):
        path.with_suffix(".json").unlink(missing_ok=True)


def graph_is_lost(path: Path) -> bool:
    """Return whether there is no graph at `path`, or none that could be read."""
    return not path.with_suffix(".json").is_file()


def _check(path: Path, model: str, dim: int) -> tuple[Path, Integers, Reduction | None] | None:
    """Return the file of a graph, its ids and how its vectors are shortened, None when there is none for `model`.

    Raises what damage raises.

    hnswlib loads damaged files and wrong dimensions without complaint and crashes later, so its file is only opened
    when size and digest are those written down beside it.
    """
    try:
        header = json.loads(path.with_suffix(".json").read_text("utf-8"))
        wanted = {"format": FORMAT, "model": model, "dim": dim}
        if not isinstance(header, dict) or {key: header.get(key) for key in wanted} != wanted:
            return None
        ids = np.frombuffer(bytes.fromhex(header["ids"]), np.int64)
        stored = header["reduction"]
        reduction = reduction_from(stored) if stored is not None else None
        data = path.with_name(str(header["file"]))
    except FileNotFoundError:
        return None
    if data.parent != path.parent or _digest(data) != header["digest"] or _sum(header) != header["sum"]:
        raise ValueError("its digest is not the one written down")
    if reduction is not None and reduction.dim != dim:
        raise ValueError(f"it shortens vectors of {reduction.dim} dimensions")
    return data, ids, reduction


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
    shortens = len(table) >= FIT_ROWS and table.dim > GRAPH_DIMS
    if (
        old is not None
        and shortens == (old.reduction is not None)
        and _dead(old.ids, live) <= GRAPH_DELETED * len(old.ids)
    ):
        index, held, reduction = old.index, old.ids, old.reduction
    else:
        reduction = reduce(table.sample(), GRAPH_DIMS, table.cuts) if shortens else None
        held = np.zeros(0, np.int64)
        index = hnswlib.Index(space="ip", dim=reduction.kept if reduction is not None else table.dim)
        index.init_index(max_elements=len(live), M=GRAPH_LINKS, ef_construction=GRAPH_CONSTRUCTION, random_seed=1)
    index.set_ef(GRAPH_CONSTRUCTION)
    order = np.argsort(live, kind="stable")
    new = order[~np.isin(live[order], held)]
    for start in range(0, len(new), BUILD_ROWS):
        rows = new[start : start + BUILD_ROWS]
        whole = table.floats(rows)
        index.add_items(whole if reduction is None else reduction.apply(whole), live[rows], num_threads=threads)
        yield len(held) + start + len(rows)
    _save(path, Graph(index, np.union1d(held, live[new]), reduction), model, table.dim)


def remove_graph(path: Path) -> None:
    """Delete the graph at `path`, if there is one. Raises OSError."""
    path.with_suffix(".json").unlink(missing_ok=True)
    for old in path.parent.glob(f"{path.stem}-*"):
        old.unlink(missing_ok=True)


def _save(path: Path, graph: Graph, model: str, dim: int) -> None:
    """Put a graph beside the old one, and then in its place."""
    index = graph.index
    name = f"{path.stem}-{os.urandom(6).hex()}{path.suffix}"
    data = path.with_name(name)
    try:
        index.save_index(str(data))
        if not data.exists() or data.stat().st_size != index.index_file_size():
            raise OSError(f"{data} could not be written whole: is the disk full?")
        data.chmod(0o600)
        header = {
            "format": FORMAT,
            "model": model,
            "dim": dim,
            "file": name,
            "digest": _digest(data),
            "ids": graph.ids.tobytes().hex(),
            "reduction": graph.reduction.as_json() if graph.reduction is not None else None,
        }
        _replace(path.with_suffix(".json"), json.dumps(header | {"sum": _sum(header)}))
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


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest = blake2b(digest_size=16)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sum(header: dict[str, object]) -> str:
    """Return a digest of everything in a header but itself."""
    told = json.dumps({key: value for key, value in sorted(header.items()) if key != "sum"})
    return blake2b(told.encode(), digest_size=16).hexdigest()


def _replace(path: Path, text: str) -> None:
    make_way(path)
    temporary = path.with_name(f"{path.stem}-{os.urandom(6).hex()}.tmp")  # swept with old graphs, should we die here
    temporary.touch(mode=0o600)
    temporary.write_text(text, "utf-8")
    temporary.replace(path)


def bytes_needed(count: int, dim: int) -> int:
    """Return about how many bytes of memory `count` vectors will take, a graph included."""
    if count > LARGE_ROWS:
        return count * (min(dim, MOST_BITS) // 8 + ROW_BYTES)
    return count * (dim + ROW_BYTES + 4 * min(dim, GRAPH_DIMS) + NODE_BYTES)
