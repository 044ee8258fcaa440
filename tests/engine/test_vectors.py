"""Vectors: what is stored is what was meant, the graph finds what the exact scan finds, and no damage to it matters."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lsp_server.engine import hnsw
from lsp_server.engine.hnsw import Graph, build_graph, graph_ids, graph_is_stale, load_graph
from lsp_server.engine.vectors import VectorTable, quantise

DIM = 64
MODEL = "model-1"
Floats = NDArray[np.float32]


def clustered(count: int, dim: int = DIM, seed: int = 1) -> Floats:
    """Unit vectors that lie as embeddings of code do: around many centres, most of their variance in few directions."""
    random = np.random.default_rng(seed)
    scale = 1 / np.sqrt(np.arange(1, dim + 1))
    centres = random.standard_normal((max(count // 20, 1), dim)) * scale
    points = centres[random.integers(0, len(centres), count)] + 0.5 * random.standard_normal((count, dim)) * scale
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def table_of(points: Floats, first_id: int = 1) -> VectorTable:
    table = VectorTable(points.shape[1])
    table.extend((number, quantise(point)) for number, point in enumerate(points, first_id))
    return table


def build(path: Path, table: VectorTable, threads: int = 2) -> int:
    """Build to the end; return the number of nodes."""
    return max(build_graph(path, table, MODEL, threads), default=0)


@pytest.fixture(scope="module")
def points() -> Floats:
    return clustered(2_000)


@pytest.fixture
def built(tmp_path: Path, points: Floats) -> Path:
    path = tmp_path / "graph.hnsw"
    assert build(path, table_of(points)) == len(points)
    return path


def test_eight_bits_keep_the_cosine(points: Floats) -> None:
    table = table_of(points)
    exact = points @ points[7]
    assert np.abs(table.scan(points[7]) - exact).max() < 0.01
    rows = np.array([3, 1, 7])
    assert np.allclose(table.cosines(points[7], rows), table.scan(points[7])[rows], atol=1e-6)
    assert np.allclose(np.linalg.norm(table.floats(rows), axis=1), 1, atol=1e-5)


def test_a_zero_vector_is_survived() -> None:
    table = table_of(np.zeros((1, DIM), np.float32))
    assert np.isfinite(table.scan(np.ones(DIM, np.float32))).all()


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="63 dimensions"):
        VectorTable(DIM).extend([(1, b"\1" * (DIM - 1))])


def test_a_table_grows_while_it_is_searched(points: Floats) -> None:
    table = VectorTable(DIM)
    packed = [quantise(point) for point in points]
    wrong: list[str] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            found = table.scan(points[0])
            if len(found) and abs(float(found[0]) - 1) > 0.01:
                wrong.append(f"{found[0]}")

    thread = threading.Thread(target=search)
    thread.start()
    for start in range(0, len(points), 7):
        part = packed[start : start + 7]
        table.extend(enumerate(part, start))
    done.set()
    thread.join()
    assert not wrong
    assert len(table) == len(points)


def recall(graph: Graph, table: VectorTable, questions: Floats, count: int = 50) -> float:
    """Share of the exact `count` nearest that the graph's candidates hold."""
    shares = []
    for question in questions:
        exact = set(table.ids()[np.argsort(-table.scan(question))[:count]].tolist())
        shares.append(len(exact & set(graph.nearest(question, 200).tolist())) / count)
    return float(np.mean(shares))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [20_000, 100_000])
def test_the_graph_finds_what_the_exact_scan_finds(tmp_path: Path, count: int) -> None:
    points = clustered(count)
    table = table_of(points)
    assert build(tmp_path / "graph.hnsw", table) == len(table)
    graph = load_graph(tmp_path / "graph.hnsw", MODEL, DIM, 200)
    assert graph is not None
    questions = clustered(100, seed=2)
    near = points[:100] + 0.3 * questions
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    assert recall(graph, table, near.astype(np.float32)) >= 0.98


def test_a_graph_comes_back_as_it_was_saved(built: Path, points: Floats) -> None:
    graph = load_graph(built, MODEL, DIM, 200)
    assert graph is not None
    assert graph.nearest(points[41], 1).tolist() == [42]
    assert len(graph.nearest(points[0], 10_000)) == len(points)  # never more than there are
    assert graph_ids(built, MODEL).tolist() == list(range(1, 2_001))


def data_file(built: Path) -> Path:
    return built.with_name(json.loads(built.with_suffix(".json").read_text())["file"])


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "missing", "longer", "foreign"])
def test_a_damaged_graph_is_not_used(built: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    file = data_file(built)
    content = bytearray(file.read_bytes())
    match damage:
        case "truncated":
            file.write_bytes(content[:-1])
        case "flipped":
            content[len(content) // 2] ^= 1
            file.write_bytes(content)
        case "empty":
            file.write_bytes(b"")
        case "missing":
            file.unlink()
        case "longer":
            file.write_bytes(content + b"\0")
        case "foreign":
            file.write_bytes(b"SQLite format 3\0")
    assert load_graph(built, MODEL, DIM, 200) is None
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "header", ["", "{", "[]", "null", '{"format": 1}', '{"format": 1, "model": "model-1", "dim": 64, "file": 3}']
)
def test_a_damaged_header_is_not_used(built: Path, header: str) -> None:
    built.with_suffix(".json").write_text(header)
    assert load_graph(built, MODEL, DIM, 200) is None
    assert len(graph_ids(built, MODEL)) == 0


def test_a_header_cannot_lead_out_of_its_folder(built: Path, tmp_path: Path) -> None:
    header = json.loads(built.with_suffix(".json").read_text())
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    shutil.copy(data_file(built), outside / "graph")
    built.with_suffix(".json").write_text(json.dumps(header | {"file": "elsewhere/graph"}))
    assert load_graph(built, MODEL, DIM, 200) is None


def test_a_graph_of_another_model_or_dimension_is_not_used(built: Path) -> None:
    assert load_graph(built, "model-2", DIM, 200) is None
    assert load_graph(built, MODEL, DIM * 2, 400) is None


def test_identical_vectors_do_not_hide_the_others(tmp_path: Path, points: Floats) -> None:
    # Equal texts have one vector in the store; these are texts that differ and come out equal all the same.
    table = table_of(np.concatenate((points, np.repeat(points[:1], 500, axis=0))))
    assert len(table) == len(points)
    assert table.rows_of(np.array([1, 2_500])).tolist() == [0, 0]
    assert build(tmp_path / "graph.hnsw", table) == len(table)
    graph = load_graph(tmp_path / "graph.hnsw", MODEL, DIM, 200)
    assert graph is not None
    found = sum(graph.nearest(points[row], 200)[0] == row + 1 for row in range(500))
    assert found >= 495


def test_saving_to_a_full_disk_keeps_the_old_graph(
    built: Path, points: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    # hnswlib writes to a link to /dev/full as it writes to a full disk: without a word.
    monkeypatch.setattr(os, "urandom", lambda count: b"\0" * count)
    built.with_name(f"graph-{'00' * 6}.hnsw").symlink_to("/dev/full")
    with pytest.raises(OSError, match="could not be written whole"):
        build(built, table_of(points[:100]))
    assert load_graph(built, MODEL, DIM, 200) is not None


def test_saving_into_a_missing_folder_is_an_error(tmp_path: Path, points: Floats) -> None:
    with pytest.raises(OSError):
        build(tmp_path / "gone" / "graph.hnsw", table_of(points[:10]))


def test_a_new_graph_leaves_no_old_file_behind(built: Path, points: Floats) -> None:
    build(built, table_of(points[:500]))
    assert len(list(built.parent.glob("graph-*.hnsw"))) == 1


def test_a_graph_grows_until_too_much_of_it_is_dead(built: Path, points: Floats) -> None:
    more = clustered(600, seed=3)
    table = table_of(np.concatenate((points, more)))
    steps = list(build_graph(built, table, MODEL, threads=1))
    assert steps == [2_600], "only what is new was added"
    graph = load_graph(built, MODEL, DIM, 200)
    assert graph is not None
    found = [graph.nearest(more[row], 1).tolist() == [2_001 + row] for row in range(len(more))]
    assert sum(found) >= 594
    survivors = table_of(points[1_500:], first_id=1_501)
    assert build(built, survivors) == 500, "made anew"
    assert graph_ids(built, MODEL).tolist() == list(range(1_501, 2_001))


def test_a_build_that_is_stopped_leaves_the_old_graph(built: Path) -> None:
    steps = build_graph(built, table_of(clustered(5_000, seed=4)), MODEL, threads=1)
    next(steps)
    steps.close()
    assert len(graph_ids(built, MODEL)) == 2_000
    assert len(list(built.parent.iterdir())) == 2
    assert all(path.stat().st_mode & 0o077 == 0 for path in built.parent.iterdir()), "its owner's alone"


def test_when_a_graph_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hnsw, "GRAPH_MINIMUM", 100)
    monkeypatch.setattr(hnsw, "GRAPH_TAIL", 50)
    ids = np.arange(1_000)
    assert not graph_is_stale(ids, ids)
    assert not graph_is_stale(ids[:0], ids[:99]), "too few for a graph"
    assert graph_is_stale(ids[:0], ids)
    assert not graph_is_stale(ids[:960], ids), "a short tail is scanned"
    assert graph_is_stale(ids[:940], ids)
    assert graph_is_stale(ids, ids[:600]), "too many are dead"


def test_without_hnswlib_there_is_no_graph(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['hnswlib'] = None\n"
        "from pathlib import Path; import numpy as np\n"
        "from lsp_server.engine.hnsw import build_graph, load_graph\n"
        "from lsp_server.engine.vectors import VectorTable\n"
        f"path = Path({str(tmp_path)!r}) / 'graph.hnsw'\n"
        "print(list(build_graph(path, VectorTable(8), 'm', 1)), load_graph(path, 'm', 8, 10))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["[]", "None"]
