"""Index: questions over a small workspace, changes to it, and whatever may go wrong with it."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from support import BagEncoder, MakeIndex, drain, write_workspace

from lsp_server.engine import corpus, hnsw
from lsp_server.engine.database import check_sum
from lsp_server.engine.errors import Busy, EngineError, StoreError
from lsp_server.engine.index import Index, Options
from lsp_server.engine.query import Query
from lsp_server.engine.search import _match
from lsp_server.engine.store import Store

SHOP = """
//- shop/upload.py
import os

MAX_ATTEMPTS = 5


class Uploader:
    \"\"\"Sends files to the server.\"\"\"

    def retry_failed(self, queue):
        \"\"\"Try again every upload that failed.\"\"\"
        for item in queue:
            self.send(item)

    def send(self, item):
        return os.fspath(item)
//- shop/price.py
def total_price(cart):
    \"\"\"Add up what everything in the cart costs, with tax.\"\"\"
    return sum(item.price * 1.19 for item in cart)


def parse_config(path):
    return path.read_text()


def ParseConfig(path):
    return path
//- tests/test_price.py
def test_total_price():
    assert total_price([]) == 0
//- README.md
# The shop

Prices have tax.
//- empty.py
//- notes.xyz
one line of notes about whales
"""


def names(index: Index, text: str, **filters: object) -> list[str]:
    return [hit.name for hit in index.search(Query(text, **filters)).hits]  # type: ignore[arg-type]


def test_a_question_finds_its_symbol(make_index: MakeIndex) -> None:
    hit = make_index(SHOP).search(Query("try failed uploads again")).hits[0]
    assert (hit.path, hit.kind, hit.name, hit.container) == ("shop/upload.py", "method", "retry_failed", "Uploader")
    assert (hit.span.start_line, hit.span.end_line) == (8, 11)
    assert hit.name_span.start_line == 8
    assert hit.preview == "def retry_failed(self, queue)"
    assert hit.detail == "Try again every upload that failed."
    assert hit.language == "python"


def test_scores_never_rise_and_stay_in_bounds(make_index: MakeIndex) -> None:
    scores = [hit.score for hit in make_index(SHOP).search(Query("price of the cart", limit=50)).hits]
    assert len(scores) > 3
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_an_identifier_finds_its_definition_exact_case_first(make_index: MakeIndex) -> None:
    index = make_index(SHOP)
    for name in ("parse_config", "ParseConfig"):
        hit = index.search(Query(name)).hits[0]
        assert (hit.name, hit.match) == (name, "name")


def test_a_test_comes_after_what_it_tests_unless_asked_for(make_index: MakeIndex) -> None:
    index = make_index(SHOP)
    assert names(index, "total price")[0] == "total_price"
    assert names(index, "tests for total price")[0] == "test_total_price"


def test_an_outer_symbol_goes_when_an_inner_one_is_listed(make_index: MakeIndex) -> None:
    found = names(make_index(SHOP), "retry failed")
    assert found[0] == "retry_failed"
    assert "Uploader" not in found


def test_a_file_in_no_known_language_is_found(make_index: MakeIndex) -> None:
    assert make_index(SHOP).search_words(Query("whales")).hits[0].path == "notes.xyz"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"kinds": frozenset({"class"})}, ["Uploader"]),
        ({"languages": frozenset({"markdown"})}, ["The shop"]),
        ({"include": ("tests/**",)}, ["test_total_price"]),
    ],
)
def test_filters_leave_what_fits_in_any_rank(
    make_index: MakeIndex, filters: dict[str, object], expected: list[str]
) -> None:
    assert names(make_index(SHOP), "price retry", **filters)[:1] == expected


def test_filters_that_exclude(make_index: MakeIndex) -> None:
    index = make_index(SHOP)
    assert "test_total_price" not in names(index, "total price -path:tests/**", limit=50)
    assert set(names(index, "name:parse* anything")) == {"parse_config", "ParseConfig"}
    assert names(index, "kind:enum price") == []


def test_quoted_words_must_appear_literally(make_index: MakeIndex) -> None:
    index = make_index(SHOP)
    assert set(names(index, '"every upload that"', limit=50)) == {"retry_failed"}
    assert set(names(index, '"1.19 for"', limit=50)) == {"total_price"}
    assert names(index, '"upload every"') == []
    assert set(names(index, '"* 1."', limit=50)) == {"total_price"}, "no word in it, and still found"


def test_a_filter_alone_lists_the_newest_first(make_index: MakeIndex, tmp_path: Path) -> None:
    make_index(SHOP)
    os.utime(tmp_path / "workspace/shop/price.py", (2e9, 2e9))
    index = make_index()
    assert names(index, "kind:function")[:2] == ["parse_config", "ParseConfig"]
    assert names(index, "", limit=2) == ["parse_config", "ParseConfig"]


def test_open_and_near_files(make_index: MakeIndex) -> None:
    index = make_index(SHOP)
    found = index.search(Query("open: price", open_paths=frozenset({"README.md"}))).hits
    assert {hit.path for hit in found} == {"README.md"}
    assert index.search(Query("cart", near="shop/price.py")).hits[0].path == "shop/price.py"


def test_changed_files_are_those_that_differ_from_head(make_index: MakeIndex, tmp_path: Path) -> None:
    index = make_index(SHOP)
    assert names(index, "changed: price") == [], "no repository, nothing known to have changed"
    git = ["git", "-C", str(tmp_path / "workspace"), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True, timeout=30)
    write_workspace(
        index.root, "//- shop/price.py\ndef discount(price):\n    return price / 2\n//- new.py\nprice = 1\n"
    )
    index = make_index()
    found = index.search(Query("changed: price", limit=50)).hits
    assert {hit.path for hit in found} == {"shop/price.py", "new.py"}


def test_names_come_exact_then_prefix_then_humps_then_fuzzy(make_index: MakeIndex) -> None:
    index = make_index("//- a.py\n" + "".join(f"def {name}():\n    pass\n\n\n" for name in (
        "read", "Read", "read_file", "thread", "rest_each_day", "raed", "a_repeated_unrelated")))  # fmt: skip
    assert [hit.name for hit in index.find_names("read", 10)][:3] == ["read", "Read", "read_file"]
    assert "a_repeated_unrelated" not in [hit.name for hit in index.find_names("read", 10)]
    assert [hit.name for hit in index.find_names("rED", 1)] == ["rest_each_day"]
    assert index.find_names("zzzz", 10) == ()
    assert len(index.find_names("", 3)) == 3
    assert [hit.name for hit in index.find_names("module.read.", 1)] == ["read"]
    assert [index.find_names(signs, 3) for signs in ("#", "::", "%$#", "()")] == [()] * 4


def test_similar_code_is_found_without_itself(make_index: MakeIndex) -> None:
    index = make_index(SHOP)
    answer = index.similar("shop/price.py", 5, 6, Query("", limit=3))
    assert "ParseConfig" in [hit.name for hit in answer.hits]
    assert "parse_config" not in [hit.name for hit in answer.hits]
    with pytest.raises(EngineError, match=r"gone\.py"):
        index.similar("gone.py", 0, 0, Query(""))


def test_a_place_is_explained(make_index: MakeIndex) -> None:
    index = make_index(SHOP)
    found = index.explain(Query("total price"), "shop/price.py", 2)
    assert (found["name"], found["place"], found["factor"]) == ("total_price", 1, 1.0)
    assert index.explain(Query("kind:class price"), "shop/price.py", 2)["place"] == "left out by a filter"
    assert index.explain(Query("total price"), "tests/test_price.py", 0)["factor"] == 0.5


def test_why(make_index: MakeIndex) -> None:
    index = make_index(SHOP + "//- .gitignore\n*.log\n//- a.log\nx\n")
    assert index.why("shop/price.py") == "shop/price.py is indexed with 4 symbols."
    assert ".gitignore" in index.why("a.log")


def test_nothing_is_embedded_twice(make_index: MakeIndex, encoder: BagEncoder) -> None:
    make_index(SHOP)
    assert len(encoder.texts) == len(set(encoder.texts)) > 5
    encoder.texts.clear()
    make_index()
    assert encoder.texts == []
    make_index("//- shop/price.py\ndef total_price(cart):\n    return 0\n")
    assert len(encoder.texts) == 2, "the function and its file"
    encoder.texts.clear()
    make_index(SHOP)
    assert encoder.texts == [], "what comes back was kept"


def test_another_model_embeds_anew_by_itself(make_index: MakeIndex, encoder: BagEncoder) -> None:
    make_index(SHOP)
    encoder.texts.clear()
    encoder.fingerprint = "bag-of-words-2"  # type: ignore[misc]
    index = make_index()
    assert encoder.texts
    assert index.status().embedded == index.status().symbols


def test_changes_to_single_files(make_index: MakeIndex) -> None:
    index = make_index(SHOP)
    write_workspace(index.root, "//- shop/whale.py\ndef feed_whale():\n    pass\n")
    (index.root / "shop/price.py").unlink()
    drain(index.update_paths(["shop/whale.py", "shop/price.py", "never/was.py"]))
    assert index.catch_up()
    assert names(index, "feed whale")[0] == "feed_whale"
    assert "total_price" not in names(index, "total price cart", limit=100)
    assert not index.catch_up(), "nothing more to read"
    shutil.rmtree(index.root / "shop")
    drain(index.update_paths(["shop"]))
    index.catch_up()
    found = {hit.path for hit in index.search(Query("price", limit=100)).hits}
    assert "tests/test_price.py" in found
    assert not any(path.startswith("shop/") for path in found)


def test_a_changed_ignore_file_counts_for_all(make_index: MakeIndex) -> None:
    index = make_index(SHOP)
    write_workspace(index.root, "//- .gitignore\nshop/\n")
    drain(index.update_paths([".gitignore"]))
    index.catch_up()
    assert all(not hit.path.startswith("shop/") for hit in index.search(Query("price", limit=100)).hits)
    assert any(path == "shop/" for path, _ in index.status().skipped)


def test_a_stopped_pass_goes_on_where_it_was(make_index: MakeIndex, encoder: BagEncoder, tmp_path: Path) -> None:
    root = write_workspace(tmp_path / "workspace", SHOP)
    index = Index(root, Options(cache_dir=str(tmp_path / "cache"), threads=1), encoder)
    run = index.update()
    while next(run).phase == "scan":
        pass
    run.close()
    index.catch_up()
    index.search(Query("price"))
    index.close()
    index = make_index()
    assert index.status().embedded == index.status().symbols > 5
    assert len(encoder.texts) == len(set(encoder.texts))


def test_only_one_process_writes(make_index: MakeIndex) -> None:
    index = make_index(SHOP)
    other = Index(index.root, index.options, BagEncoder())
    run = index.update()
    next(run)
    with pytest.raises(Busy, match="Another process"):
        drain(other.update())
    other.catch_up()
    assert names(other, "total price")[0] == "total_price"
    run.close()
    drain(other.update())
    other.close()


@pytest.mark.parametrize("damage", ["garbage", "empty", "truncated", "foreign", "version", "missing", "page"])
def test_a_damaged_store_is_made_anew(make_index: MakeIndex, damage: str) -> None:
    index = make_index(SHOP)
    store = index.store_path
    index.close()
    match damage:
        case "garbage":
            store.write_bytes(b"\xff" * 10_000)
        case "empty":
            store.write_bytes(b"")
        case "truncated":
            store.write_bytes(store.read_bytes()[:5_000])
        case "foreign":
            store.unlink()
            with contextlib.closing(sqlite3.connect(store)) as db:
                db.execute("CREATE TABLE x (y)")
                db.commit()
        case "version":
            with contextlib.closing(sqlite3.connect(store)) as db:
                db.execute("PRAGMA user_version = 999")
                db.commit()
        case "missing":
            store.unlink()
        case "page":
            content = bytearray(store.read_bytes())
            content[4096 : len(content) // 2] = b"\x55" * (len(content) // 2 - 4096)
            store.write_bytes(content)
    index = make_index()
    assert names(index, "total price")[0] == "total_price"
    assert index.status().embedded == index.status().symbols


def test_a_reader_notices_that_the_store_was_replaced(make_index: MakeIndex) -> None:
    index = make_index(SHOP)
    for file in index.folder.glob("index.db*"):
        file.unlink()
    other = Index(index.root, index.options, BagEncoder())
    drain(other.update())
    other.close()
    assert index.catch_up()
    assert names(index, "total price")[0] == "total_price"


def test_a_damaged_graph_is_no_trouble(make_index: MakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (corpus, hnsw):
        monkeypatch.setattr(module, "GRAPH_MINIMUM", 5)
    monkeypatch.setattr(hnsw, "GRAPH_TAIL", 2)
    index = make_index(SHOP)
    graphs = list(index.folder.glob("graph-*.hnsw"))
    assert len(graphs) == 1
    graphs[0].write_bytes(b"\0" * 100)
    index = make_index()
    assert names(index, "total price")[0] == "total_price"


def test_roots_that_are_never_indexed(tmp_path: Path) -> None:
    for root in (Path("/"), Path.home(), tmp_path / "missing"):
        with pytest.raises(EngineError):
            Index(root, Options(cache_dir=str(tmp_path / "cache")), BagEncoder())


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "root").mkdir()
    with pytest.raises(StoreError, match="--cache-dir"):
        Index(tmp_path / "root", Options(cache_dir=str(tmp_path / "file")), BagEncoder())


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no model 'wonder'"):
        Index(tmp_path, Options(model="wonder", cache_dir=str(tmp_path / "cache")))


def test_an_empty_workspace_says_so(make_index: MakeIndex) -> None:
    index = make_index()
    answer = index.search(Query("anything"))
    assert (answer.hits, answer.confident) == ((), False)
    assert "No file is indexed" in index.status().message


def test_a_cache_in_the_folder_is_no_part_of_it(tmp_path: Path, encoder: BagEncoder) -> None:
    cache = tmp_path / "kept"
    write_workspace(tmp_path, "//- a.py\ndef one():\n    pass\n//- kept/log/old.log\nwords\n")
    with contextlib.closing(Index(tmp_path, Options(cache_dir=str(cache), threads=1), encoder)) as index:
        drain(index.refresh())
        assert {hit.path for hit in index.search(Query("", limit=50)).hits} == {"a.py"}
        assert index.status().skipped == (("kept/", "cache folder (CACHEDIR.TAG)"),)
        assert index.why("kept/log/old.log") == ("kept/log/old.log is left out: in kept/: cache folder (CACHEDIR.TAG).")
    assert (cache / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55")


def test_a_cache_among_other_things_marks_its_own_parts_alone(tmp_path: Path, encoder: BagEncoder) -> None:
    write_workspace(tmp_path, "//- a.py\ndef one():\n    pass\n//- log/old.log\nwords\n")
    with contextlib.closing(Index(tmp_path, Options(cache_dir=str(tmp_path), threads=1), encoder)) as index:
        drain(index.refresh())
        assert "a.py" in {hit.path for hit in index.search(Query("", limit=50)).hits}
        assert {path for path, reason in index.status().skipped if "cache folder" in reason} == {"index-4/", "log/"}
    assert not (tmp_path / "CACHEDIR.TAG").exists()


def test_a_row_of_neither_words_nor_meaning_is_there_for_its_vector(make_index: MakeIndex) -> None:
    index = make_index("//- a.py\ndef alpha():\n    pass\n\n\ndef omega():\n    pass\n")
    hits = index.search(Query("alpha")).hits
    assert [hit.match for hit in hits if hit.score == 0.0] == ["meaning"] * sum(hit.score == 0.0 for hit in hits)
    assert {_match(1.0, 0.0, 0.0), _match(1.0, 0.9, 0.0)} == {"meaning"}
    assert (_match(1.0, 0.9, 0.8), _match(1.0, 0.0, 0.8), _match(1.0, float("nan"), 0.0)) == ("mixed", "words", "words")


def test_the_cache_is_the_owners_alone(make_index: MakeIndex) -> None:
    index = make_index(SHOP)
    assert index.folder.stat().st_mode & 0o077 == 0
    assert not [path for path in index.root.rglob("*") if "index" in path.name]


@pytest.mark.parametrize("table", ["symbols", "symbols_text", "meta", "skipped", "files", "vectors", "words_data"])
def test_a_table_that_is_damaged_is_noticed_and_all_is_made_anew(make_index: MakeIndex, table: str) -> None:
    index = make_index(SHOP)
    store = index.store_path
    index.close()
    with contextlib.closing(sqlite3.connect(store)) as db:
        page, size = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0], 4096
        assert db.execute("PRAGMA page_size").fetchone()[0] == size
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with store.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xaa" * size)
    index = Index(index.root, index.options, BagEncoder())
    drain(index.refresh())
    with contextlib.suppress(StoreError):  # the words are looked at only when something is quoted
        names(index, '"every upload that"')
    drain(index.refresh())
    assert names(index, '"every upload that"') == ["retry_failed"]
    assert index.status().embedded == index.status().symbols
    index.close()


def test_trouble_that_passes_costs_nothing(make_index: MakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    index = make_index(SHOP)
    inode = index.store_path.stat().st_ino

    def fails(store: Store) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "known_files", fails)
        with pytest.raises(StoreError, match="disk I/O error"):
            drain(index.update())
    assert index.store_path.stat().st_ino == inode
    encoder = BagEncoder()
    again = Index(index.root, index.options, encoder)
    drain(again.refresh())
    again.close()
    assert encoder.texts == []


def test_vectors_of_another_model_stay_for_a_while(make_index: MakeIndex, encoder: BagEncoder) -> None:
    make_index(SHOP)
    encoder.fingerprint = "bag-of-words-2"  # type: ignore[misc]
    index = make_index()
    encoder.texts.clear()
    encoder.fingerprint = "bag-of-words-1"  # type: ignore[misc]
    make_index()
    assert encoder.texts == [], "back to the first model: nothing to embed"
    with contextlib.closing(sqlite3.connect(index.store_path)) as db:
        key = "used bag-of-words-2"
        db.execute("UPDATE meta SET value = '0', check_sum = ? WHERE key = ?", (check_sum([(key, "0")]), key))
        db.commit()
        make_index()
        assert db.execute("SELECT DISTINCT model FROM vectors").fetchall() == [("bag-of-words-1",)]


def test_a_long_list_is_as_long_as_what_fits(make_index: MakeIndex) -> None:
    text = "".join(f"def multiply_{number}(number):\n    return number * {number}\n\n\n" for number in range(450))
    index = make_index(f"//- a.py\n{text}")
    assert len(names(index, "multiply number", limit=1_000)) >= 450
    assert len(names(index, "kind:function multiply number", limit=1_000)) == 450


def test_names_made_to_be_slow_are_not(make_index: MakeIndex) -> None:
    index = make_index(f"//- a.py\ndef q_{'e' * 80}():\n    pass\n\n\ndef {'eA' * 50}():\n    pass\n")
    assert index.find_names("eeeeeeeeeeeeeeeeeeeeeeeeq", 5) == ()
    assert index.find_names("eAeAeAeAeAeAeAeAeAeAeAx", 5) == ()


def test_asking_git_runs_nothing_that_a_repository_names(make_index: MakeIndex, tmp_path: Path) -> None:
    index = make_index(SHOP)
    made = tmp_path / "made"
    git = ["git", "-C", str(index.root), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True, timeout=30)
    tree = subprocess.run([*git, "rev-parse", "HEAD^{tree}"], capture_output=True, text=True, check=True).stdout.strip()
    (index.root / ".git/objects" / tree[:2] / tree[2:]).unlink()
    for key, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": str(tmp_path),
        "remote.origin.uploadpack": f"touch {made}; false",
        "core.fsmonitor": f"touch {made}; false",
    }.items():
        subprocess.run([*git, "config", key, value], check=True, timeout=30)
    names(index, "changed: price")
    assert not made.exists()


def test_an_index_works_on_after_a_rest(make_index: MakeIndex) -> None:
    index = make_index(SHOP)
    index.rest()
    write_workspace(index.root, "//- shop/whale.py\ndef feed_whale():\n    pass\n")
    drain(index.update_paths(["shop/whale.py"]))
    index.catch_up()
    assert names(index, "feed whale")[0] == "feed_whale"


def test_an_index_is_not_complete_before_all_was_looked_at(make_index: MakeIndex) -> None:
    index = make_index(SHOP)
    shutil.rmtree(index.folder)
    index.folder.mkdir()
    index.catch_up()
    drain(index.update_paths(["shop/price.py"]))
    index.catch_up()
    status = index.status()
    assert (status.state, status.last_update, status.files_total) == ("starting", 0, 1)
    drain(index.refresh())
    status = index.status()
    assert (status.state, status.last_update > 0, status.files_total) == ("ready", True, 6)


def test_copies_and_declarations_stand_aside(make_index: MakeIndex) -> None:
    code = "def add_to_cart(item):\n    return item\n"
    index = make_index(f"//- vendor/cart.py\n{code}//- shop/cart.py\n{code}")
    assert [hit.path for hit in index.search(Query("add to cart")).hits][:2] == ["shop/cart.py", "vendor/cart.py"]
