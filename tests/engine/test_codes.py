"""Smaller vectors: codes, short vectors in graphs, and whole ones on disk give what comparing all of them gives."""

import json
import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import BagEncoder, drain, write_workspace
from test_vectors import MODEL, build, clustered, recall, table_of

from lsp_server.engine import codes, corpus, hnsw, search, update, vectors
from lsp_server.engine.card import Card
from lsp_server.engine.codes import MOST_BITS, Codes
from lsp_server.engine.hnsw import bytes_needed, load_graph
from lsp_server.engine.index import Index
from lsp_server.engine.keys import Keys
from lsp_server.engine.query import Query
from lsp_server.engine.reduction import reduce, reduction_from
from lsp_server.engine.serving import Asked, Model, Models
from lsp_server.engine.vectors import VectorTable, quantise

LARGE = 120  # vectors, in a test's project


# ---- parts


@given(st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True)))
def test_keys_are_a_dictionary(parts):
    keys, known = Keys(), {}
    for part in parts:
        new = [key for key in part if key not in known]
        rows = list(range(len(known), len(known) + len(new)))
        keys.add(np.array(new, np.int64), np.array(rows, np.int64))
        known |= dict(zip(new, rows, strict=True))
    asked = [*known, 0, 1, -(2**63), 2**63 - 1]
    assert keys.find(np.array(asked, np.int64)).tolist() == [known.get(key, -1) for key in asked]
    assert keys.memory == 12 * len(known)


def test_a_cut_where_the_model_was_trained_for_it_else_pca():
    points = clustered(2_000)
    cut = reduce(points, 32, (48, 32, 16))
    assert (cut.kind, cut.kept) == ("Matryoshka", 32)
    assert reduce(points, 32, (48, 16)).kept == 16, "the longest that fits"
    wanted = points[:, :32] / np.linalg.norm(points[:, :32], axis=1, keepdims=True)
    assert np.allclose(cut.apply(points), wanted, atol=1e-6)

    turned = points @ np.linalg.qr(np.random.default_rng(5).standard_normal((64, 64)))[0].astype(np.float32)
    pca = reduce(turned, 32, (48,))
    assert (pca.kind, pca.kept) == ("PCA", 32)
    exact = turned[:50] @ turned.T
    by_pca = np.abs(pca.apply(turned[:50]) @ pca.apply(turned).T - exact).mean()
    by_cut = np.abs(reduce(turned, 32, (32,)).apply(turned[:50]) @ cut.apply(turned).T - exact).mean()
    assert by_pca < by_cut / 2, "the directions in which these vectors differ"


def test_a_reduction_comes_back_as_it_was_stored():
    points = clustered(500)
    for one in (reduce(points, 16, ()), reduce(points, 16, (16,))):
        stored = json.loads(json.dumps(one.as_json()))
        assert np.array_equal(reduction_from(stored).apply(points), one.apply(points))
        for key, value in (("kept", 64), ("kept", 0), ("dim", "many"), ("matrix", "AAAA"), ("matrix", "?")):
            with pytest.raises((ValueError, TypeError)):
                reduction_from(stored | {key: value})


def test_a_card_says_to_what_a_vector_may_be_cut():
    card = Card("m", 512, "mean", 128, 64, "", "", {}, full_dims=768, truncations=(768, 512, 256, 128))
    assert card.cuts == (256, 128)


def test_a_store_notes_to_what_its_model_allows_to_cut():
    models = Models(Asked("auto", "cpu", "", ""), BagEncoder())
    other = Model("m", "f", 512, "/models/m", (256, 128))
    assert models.serving(other.note()) == other
    assert models.serving(json.dumps(["m", "f", 512, "/models/m"])).cuts == ()


@pytest.mark.parametrize("dim", [64, 100, MOST_BITS + 64])
def test_codes_tell_what_is_worth_reading(monkeypatch, dim):
    monkeypatch.setattr(codes, "BY_COUNT", 400)
    turn = np.linalg.qr(np.random.default_rng(5).standard_normal((dim, dim)))[0].astype(np.float32)
    points = clustered(6_000, dim) @ turn  # no dimension of a real model says much more than another
    coded = Codes(points[:2_000], ())
    for start in range(0, len(points), 700):
        coded.extend(points[start : start + 700])
    everything, some = np.arange(len(points)), np.arange(3, len(points), 11)
    for rows in (everything, some):
        shares = []
        for query in points[:60] + 0.1 * clustered(60, dim, seed=9) @ turn:
            nearest = rows[np.argsort(-(points[rows] @ query))[:20]]
            likely = rows[coded.likely(query, rows, 100)]
            assert len(set(likely.tolist())) == 100
            shares.append(len(np.intersect1d(nearest, likely)) / 20)
        assert np.mean(shares) > 0.95
    assert coded.bits <= MOST_BITS
    assert coded.likely(points[0], everything[:7], 100).tolist() == list(range(7)), "never fewer than there are"


def test_equal_codes_are_no_more_than_were_asked_for():
    coded = Codes(clustered(100), ())
    coded.extend(np.repeat(clustered(1), 10_000, axis=0))
    assert len(coded.likely(clustered(1)[0], np.arange(10_000), 500)) == 500


# ---- the table


def in_file(points, folder, most=0, cuts=()):
    table = VectorTable(points.shape[1], cuts, folder, most)
    table.extend((number, quantise(point)) for number, point in enumerate(points, 1))
    return table


def test_a_table_that_grows_goes_to_disk_and_stays_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(vectors, "FIT_ROWS", 300)
    points = clustered(1_000)
    whole, table = table_of(points), VectorTable(points.shape[1], (), tmp_path, 400)
    for start in range(0, len(points), 90):
        part = enumerate(points[start : start + 90], start + 1)
        table.extend((number, quantise(point)) for number, point in part)
        assert table.is_on_disk == (table.codes is not None) == (len(table) > 400)
    for query in points[:20]:
        assert np.array_equal(table.scan(query), whole.scan(query))
    assert np.array_equal(table.ids(), whole.ids())
    asked = np.array([1, 1_000, 0, 77, 1_001])
    assert table.rows_of(asked).tolist() == whole.rows_of(asked).tolist() == [0, 999, -1, 76, -1]
    likely = table.codes.likely(points[8], np.arange(1_000), 100)
    assert 8 in likely
    assert not list(tmp_path.iterdir()), "nobody but this process can open the file"


@pytest.mark.parametrize("dim", [384, 768, 1024])
def test_a_vector_on_disk_takes_at_most_128_bytes_of_memory(tmp_path, monkeypatch, dim):
    monkeypatch.setattr(vectors, "FIT_ROWS", 2_000)
    random = np.random.default_rng(1).standard_normal((10_000, dim), dtype=np.float32)
    table = in_file(random / np.linalg.norm(random, axis=1, keepdims=True), tmp_path)
    row_of_symbol = 8
    assert table.memory / len(table) + row_of_symbol <= 128
    assert bytes_needed(1_000_000, dim) <= 128e6


def test_where_there_is_no_room_on_disk_vectors_stay_in_memory(tmp_path, caplog):
    points = clustered(200)
    table = in_file(points, tmp_path / "gone", most=100)
    assert not table.is_on_disk
    assert len(caplog.records) == 1
    assert np.array_equal(table.scan(points[0]), table_of(points).scan(points[0]))


# ---- the graph of short vectors


@pytest.fixture
def short_graph(tmp_path, monkeypatch):
    monkeypatch.setattr(hnsw, "GRAPH_DIMS", 32)
    monkeypatch.setattr(hnsw, "FIT_ROWS", 1_000)
    points = clustered(2_000)
    build(tmp_path / "graph.hnsw", table_of(points))
    return tmp_path / "graph.hnsw", points


def test_a_graph_of_short_vectors_finds_what_the_exact_scan_finds(tmp_path, monkeypatch):
    monkeypatch.setattr(hnsw, "GRAPH_DIMS", 48)
    points = clustered(20_000)
    table = table_of(points)
    build(tmp_path / "graph.hnsw", table)
    graph = load_graph(tmp_path / "graph.hnsw", MODEL, 64, 200)
    assert graph.reduction.kept == 48
    assert graph.memory < 20_000 * (4 * 64 + hnsw.NODE_BYTES)
    near = points[:100] + 0.3 * clustered(100, seed=2)
    assert recall(graph, table, near / np.linalg.norm(near, axis=1, keepdims=True)) >= 0.98


def test_a_graph_is_cut_where_the_model_allows_it(tmp_path, monkeypatch):
    monkeypatch.setattr(hnsw, "GRAPH_DIMS", 32)
    monkeypatch.setattr(hnsw, "FIT_ROWS", 1_000)
    table = VectorTable(64, (32,))
    table.extend((number, quantise(point)) for number, point in enumerate(clustered(2_000)))
    build(tmp_path / "graph.hnsw", table)
    reduction = load_graph(tmp_path / "graph.hnsw", MODEL, 64, 200).reduction
    assert (reduction.kind, reduction.kept) == ("Matryoshka", 32)


def test_a_short_graph_grows_and_becomes_whole_again(short_graph):
    path, points = short_graph
    before = load_graph(path, MODEL, 64, 200).reduction
    build(path, table_of(np.concatenate((points, clustered(300, seed=3)))))
    grown = load_graph(path, MODEL, 64, 200)
    assert len(grown) == 2_300
    assert np.array_equal(grown.reduction.matrix, before.matrix)
    build(path, table_of(points[:900]))
    assert load_graph(path, MODEL, 64, 200).reduction is None, "too few to be shortened"


@pytest.mark.parametrize("change", ["matrix", "kept", "ids"])
def test_a_header_that_is_damaged_is_noticed(short_graph, caplog, change):
    path, _ = short_graph
    header = path.with_suffix(".json")
    stored = json.loads(header.read_text())
    if change == "matrix":
        matrix = stored["reduction"]["matrix"]
        stored["reduction"]["matrix"] = matrix[:100] + ("A" if matrix[100] != "A" else "B") + matrix[101:]
    elif change == "kept":
        stored["reduction"] = {"dim": 64, "kept": 16, "matrix": ""}
    else:
        stored["ids"] = stored["ids"][:-16] + "00" * 8
    header.write_text(json.dumps(stored))
    assert load_graph(path, MODEL, 64, 200) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


# ---- the index

NOUNS = [
    "basket",
    "letter",
    "ticket",
    "planet",
    "engine",
    "garden",
    "window",
    "river",
    "market",
    "bridge",
    "carpet",
    "needle",
]
VERBS = ["send", "sort", "merge", "count", "open", "close", "paint", "weigh", "carry", "repair", "measure", "borrow"]
KINDS = frozenset({"function"})


def files_of(first, last):
    return "".join(
        f"//- {VERBS[at % 12]}/m{at}.py\n"
        + "".join(
            f"def {VERBS[at % 12]}_{noun}_{at}({noun}):\n    return {noun}.{VERBS[at % 12]}({at})\n" for noun in NOUNS
        )
        for at in range(first, last)
    )


QUESTIONS = (
    Query("send a letter", 10),
    Query("repair the bridge and the carpet", 30),
    Query("paint_window_7", 5),
    Query("merge baskets", 10, include=("merge/**",)),
    Query("count planets", 10, kinds=frozenset({"file"})),
    Query("kind:function weigh garden", 40),
    Query("measure the river -path:measure/**", 20),
)


def answers(index):
    """Everything that is answered."""
    return [[(hit.path, hit.name) for hit in index.search(one).hits] for one in QUESTIONS]


@pytest.fixture
def small(monkeypatch):
    """Have projects of a dozen files count as very large."""
    for module in (corpus, update):
        monkeypatch.setattr(module, "LARGE_ROWS", LARGE)
    for module in (corpus, hnsw):
        monkeypatch.setattr(module, "GRAPH_MINIMUM", 40)
    monkeypatch.setattr(hnsw, "GRAPH_TAIL", 20)
    for module in (vectors, hnsw):
        monkeypatch.setattr(module, "FIT_ROWS", 60)
    monkeypatch.setattr(hnsw, "GRAPH_DIMS", 32)
    monkeypatch.setattr(codes, "BY_COUNT", 250)
    monkeypatch.setattr(search, "FROM_DISK", 120)
    monkeypatch.setattr(search, "CANDIDATES", 40)


def exact(index, monkeypatch):
    """Return what an index answers that compares all vectors."""
    with monkeypatch.context() as patched:
        for module in (corpus, update):
            patched.setattr(module, "LARGE_ROWS", 1_000_000)
        patched.setattr(corpus, "GRAPH_MINIMUM", 1_000_000)
        other = Index(index.root, index.options, BagEncoder())
        other.catch_up()
        assert "compared one by one" in other.status().vectors
        found = answers(other)
        other.close()
    return found


def agreement(found, wanted):
    """Share of the wanted hits that are found; no answer is shorter than it has to be, and all begin the same way."""
    assert [len(one) for one in found] == [len(one) for one in wanted]
    assert [one[:1] for one in found] == [one[:1] for one in wanted]
    shares = [len({*one} & {*other}) / len(other) for one, other in zip(found, wanted, strict=True)]
    return sum(shares) / len(shares)


def test_a_project_grows_large_and_small_again(make_index, small, monkeypatch):
    index = make_index(files_of(0, 6))
    index.catch_up()
    assert "found by a graph" in index.status().vectors
    assert "by 32 of 64 dimensions (PCA)" in index.status().vectors
    assert agreement(answers(index), exact(index, monkeypatch)) > 0.95

    write_workspace(index.root, files_of(6, 30))
    drain(index.update())
    index.catch_up()
    assert "on disk, found by codes of 64 bits" in index.status().vectors
    assert not list(index.folder.glob("graph*")), "nobody needs it any more"
    found = answers(index)
    assert agreement(found, exact(index, monkeypatch)) > 0.95

    restarted = make_index()
    assert "codes of 64 bits" in restarted.status().vectors
    assert answers(restarted) == found or agreement(answers(restarted), found) > 0.95

    for at in range(6, 30):
        (index.root / VERBS[at % 12] / f"m{at}.py").unlink()
    drain(index.update())
    index.catch_up()
    again = make_index()
    again.catch_up()
    assert "found by a graph" in again.status().vectors
    for one in (index, again):
        assert agreement(answers(one), exact(index, monkeypatch)) > 0.95


def test_vectors_that_have_gone_take_nobody_s_place(make_index, small, monkeypatch):
    for module in (corpus, search):
        monkeypatch.setattr(module, "GRAPH_CANDIDATES", 40)
    index = make_index(files_of(0, 9))
    for at in (1, 4, 7):  # fewer than make the graph anew
        (index.root / VERBS[at] / f"m{at}.py").unlink()
    drain(index.update())
    index.catch_up()
    again = make_index()
    again.catch_up()
    for one in (index, again):
        view = one._corpus.view
        assert view.graph is not None
        assert len(view.graph) > 1.3 * view.embedded
        found = [len(search.nearest(view, vector, view.alive, 40)) for vector in directions(30)]
        assert sum(found) / len(found) > 36


def directions(count):
    drawn = np.random.default_rng(1).standard_normal((count, BagEncoder.dim)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_what_changes_in_a_large_project_is_found(make_index, small, monkeypatch):
    index = make_index(files_of(0, 20))
    assert "codes" in index.status().vectors
    write_workspace(index.root, "//- new.py\ndef polish_the_mirror(glass):\n    return glass.polish()\n")
    (index.root / "send" / "m0.py").unlink()
    drain(index.update())
    index.catch_up()
    assert index.search(Query("polishing a mirror")).hits[0].name == "polish_the_mirror"
    assert not [hit for hit in index.search(Query("send letter", 50)).hits if hit.path == "send/m0.py"]
    assert index.lay_over("new.py", "def grind_the_lens(glass):\n    return glass.grind()\n")
    while index.embed_laid(1.0):
        pass
    assert index.search(Query("grinding a lens")).hits[0].name == "grind_the_lens"
    found = index.similar("new.py", 0, 1, Query("", 10)).hits
    assert len(found) == 10


def test_a_filter_never_makes_an_answer_short(make_index, small, monkeypatch):
    index = make_index(files_of(0, 24))
    assert "codes" in index.status().vectors
    for text in ("letter", "nothing like that at all", "borrow"):
        for include in ("send/**", "send/m0.py", "m*.py"):
            fitting = {"send/**": 24, "send/m0.py": 12, "m*.py": 288}[include]
            for limit in (10, 30, 500):
                hits = index.search(Query(text, limit, kinds=KINDS, include=(include,))).hits
                assert len(hits) == min(limit, fitting)
    assert index.search(Query("letter", 10, include=("absent/**",))).hits == ()
    assert index.explain(Query("letter"), "send/m0.py", 0)["place"] > 0
