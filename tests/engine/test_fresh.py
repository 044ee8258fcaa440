"""An index is always right and embeds nothing twice, whoever changed the files and however."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from support import BagEncoder, drain, write_workspace

from lsp_server.engine import reading, update
from lsp_server.engine.index import Index, Options
from lsp_server.engine.query import Query
from lsp_server.engine.vector_cache import VectorCache
from lsp_server.engine.writing import Writing

CODE = '''\
//- shop/cart.py
"""The cart."""


def add_to_cart(cart, item):
    """Put one more item into the shopping cart."""
    cart.append(item)


def empty_cart(cart):
    """Take everything out again."""
    cart.clear()
//- shop/mail.py
def send_mail(address):
    """Deliver a message to a customer."""
    connect().send(address)
'''


def names(index: Index, question: str) -> list[str]:
    return [hit.name for hit in index.search(Query(question)).hits]


def refreshed(index: Index) -> None:
    drain(index.update())
    index.catch_up()


def git(root: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", str(root), *who, *words], check=True, capture_output=True, timeout=30)


# ---- nothing is embedded twice


def test_another_branch_embeds_what_differs_and_the_way_back_nothing(make_index, encoder) -> None:
    index = make_index(CODE)
    git(index.root, "init", "-b", "main")
    git(index.root, "add", ".")
    git(index.root, "commit", "-m", "one")
    git(index.root, "checkout", "-b", "other")
    write_workspace(index.root, '//- shop/tax.py\ndef add_tax(net):\n    """Add the tax."""\n    return net * 1.2\n')
    (index.root / "shop/mail.py").unlink()
    git(index.root, "add", "-A")
    git(index.root, "commit", "-m", "two")
    git(index.root, "checkout", "main")
    refreshed(index)
    encoder.texts.clear()

    git(index.root, "checkout", "other")
    refreshed(index)
    assert names(index, "add tax")[0] == "add_tax"
    assert "send_mail" not in names(index, "deliver message customer")
    assert len(encoder.texts) == 2  # the function and its file
    encoder.texts.clear()

    git(index.root, "checkout", "main")
    refreshed(index)
    assert names(index, "deliver message customer")[0] == "send_mail"
    assert encoder.texts == []


def test_a_second_workspace_with_the_same_code_embeds_nothing(make_index, encoder, tmp_path) -> None:
    index = make_index(CODE)
    assert encoder.texts
    other_encoder = BagEncoder()
    other_root = tmp_path / "worktree"
    shutil.copytree(index.root, other_root)
    with contextlib.closing(Index(other_root, index.options, other_encoder)) as other:
        refreshed(other)
        assert other.status().embedded == other.status().symbols == index.status().symbols
        assert names(other, "put item into cart")[0] == "add_to_cart"
    assert other_encoder.texts == []


def test_a_renamed_folder_embeds_one_text_a_file(make_index, encoder) -> None:
    index = make_index(CODE)
    encoder.texts.clear()
    (index.root / "shop").rename(index.root / "store")
    refreshed(index)
    assert index.search(Query("put item into cart")).hits[0].path == "store/cart.py"
    assert sorted(text.split(".")[0] for text in encoder.texts) == [
        "file cart py, file store cart",
        "file mail py, file store mail",
    ]


@pytest.mark.parametrize("damage", ["garbage", "truncated", "flipped", "foreign", "missing", "half missing", "folder"])
def test_the_shared_vectors_may_be_damaged_or_deleted_at_any_time(make_index, tmp_path, damage) -> None:
    index = make_index(CODE)
    shared = tmp_path / "cache/vectors-1.db"
    with contextlib.closing(sqlite3.connect(shared)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = shared.read_bytes()
    match damage:
        case "garbage":
            shared.write_bytes(b"\xff" * 10_000)
        case "truncated":
            shared.write_bytes(content[:5_000])
        case "flipped":
            with contextlib.closing(sqlite3.connect(shared)) as db:
                db.execute("UPDATE vectors SET data = zeroblob(64)")  # as a bit flip on disk would: the check sum stays
                db.commit()
        case "foreign":
            shared.unlink()
            with contextlib.closing(sqlite3.connect(shared)) as db:
                db.execute("CREATE TABLE x (y)")
                db.execute("PRAGMA user_version = 7")
                db.commit()
        case "missing":
            shared.unlink()
        case "half missing":
            shared.with_name("vectors-1.db-wal").write_bytes(os.urandom(5_000))
            shared.unlink()
        case "folder":
            shared.unlink()
            shared.mkdir()
    other_root = tmp_path / "worktree"
    shutil.copytree(index.root, other_root)
    with contextlib.closing(Index(other_root, index.options, BagEncoder())) as other:
        refreshed(other)
        assert names(other, "put item into cart")[0] == "add_to_cart"
        assert other.status().embedded == other.status().symbols
        vectors = other._corpus.view.vectors
        assert np.all(np.linalg.norm(vectors.floats(np.arange(len(vectors))), axis=1) > 0.9)


def test_the_shared_vectors_are_bounded_and_the_oldest_go(tmp_path) -> None:
    path = tmp_path / "vectors-1.db"
    with contextlib.closing(VectorCache(path, most_bytes=200_000)) as cache:
        old = [(b"old%013d" % i, b"x" * 400) for i in range(400)]
        new = [(b"new%013d" % i, b"y" * 400) for i in range(200)]
        cache.put("m", old)
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE vectors SET used = used - 1000000")
            db.commit()
        used_again = [key for key, _ in old[:20]]
        assert len(cache.get("m", used_again)) == 20  # asked for: young again
        cache.put("m", new)
        cache.trim()
        assert len(cache.get("m", [key for key, _ in new])) == 200
        assert len(cache.get("m", used_again)) == 20
        assert len(cache.get("m", [key for key, _ in old])) < 250
        assert cache.get("another", used_again) == {}
    assert path.stat().st_size <= 200_000
    assert path.stat().st_mode & 0o077 == 0


# ---- every change is noticed


def test_a_change_behind_restored_size_and_time_is_noticed(make_index) -> None:
    index = make_index(CODE)
    settle(index)
    path = index.root / "shop/mail.py"
    status = path.stat()
    path.write_text(path.read_text().replace("send_mail", "lose_mail"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    refreshed(index)
    assert names(index, "lose_mail")[0] == "lose_mail"


def test_a_file_that_was_young_when_it_was_read_is_read_once_more(make_index) -> None:
    """As on a disk whose time stamps are coarse: nothing but the content tells the two apart."""
    index = make_index(CODE)
    counted = [progress.files_total for progress in index.update()]
    assert max(counted) == 2  # the files were written a moment ago
    settle(index)
    assert max(progress.files_total for progress in index.update()) == 0


def settle(index: Index) -> None:
    """Make the index sure of its files: as if they had been there for a while."""
    time.sleep(reading.RACY_NS / 1e9)
    refreshed(index)


def test_a_restored_backup_with_old_times(make_index, tmp_path) -> None:
    index = make_index(CODE)
    backup = tmp_path / "mail.py"
    backup.write_text('def post_letter(address):\n    """Carry a letter."""\n')
    os.utime(backup, (1_000_000_000, 1_000_000_000))
    shutil.copy2(backup, index.root / "shop/mail.py")
    backup.replace(index.root / "shop/old.py")
    refreshed(index)
    assert {hit.path for hit in index.search(Query("carry letter")).hits[:2]} == {"shop/mail.py", "shop/old.py"}


def test_times_in_the_future_are_times_like_others(make_index) -> None:
    index = make_index(CODE)
    path = index.root / "shop/mail.py"
    for name, shift in (("mail_tomorrow", 86_400), ("mail_yesterday", -86_400)):
        path.write_text(f"def {name}():\n    pass\n")
        os.utime(path, (time.time() + shift, time.time() + shift))
        refreshed(index)
        assert names(index, name)[0] == name


def test_a_file_that_cannot_be_parsed_is_tried_again_only_when_it_changes(make_index) -> None:
    index = make_index(CODE)
    binary = index.root / "shop/data.py"
    binary.write_bytes(b"\0\1\2" * 100)
    settle(index)
    assert ("shop/data.py", "binary (a zero byte near its beginning)") in index.status().skipped
    assert "binary" in index.why("shop/data.py")
    assert max(progress.files_total for progress in index.update()) == 0
    binary.write_text("def now_it_is_code():\n    pass\n")
    refreshed(index)
    assert names(index, "now_it_is_code")[0] == "now_it_is_code"
    assert index.status().skipped_total == 0


# ---- moving to another model or recipe


class OtherEncoder(BagEncoder):
    fingerprint = "bag-of-words-2"
    dim = 32


def test_an_index_that_moves_to_another_model_answers_by_the_former_one(make_index, tmp_path, monkeypatch) -> None:
    first = make_index(CODE, model="auto")
    real = Index(first.root, Options(cache_dir=str(tmp_path / "real"), threads=1))  # the bundled model
    refreshed(real)
    assert real.status().mode == "hybrid"
    monkeypatch.setattr(update, "HELD_SYMBOLS", 1)
    with contextlib.closing(Index(first.root, real.options, OtherEncoder())) as moving:
        moving.catch_up()
        steps = moving.update()
        seen = set()
        for _ in steps:
            moving.catch_up()
            real.catch_up()
            answer = moving.search(Query("put one more item into the shopping cart"))
            assert answer.hits[0].name == "add_to_cart"
            assert answer.status.mode == "hybrid"
            seen.add(answer.status.model)
        moving.catch_up()
        assert moving.status().model == "custom"
        assert moving.status().embedded == moving.status().symbols
        assert "minilm-l6" in seen
    real.close()


def test_another_version_of_a_grammar_is_another_recipe(tmp_path, monkeypatch) -> None:
    before = reading.recipe.__wrapped__()
    assert reading.recipe.__wrapped__() == before
    newer = tmp_path / "tree_sitter_python-99.0.dist-info"
    newer.mkdir()
    (newer / "METADATA").write_text("Metadata-Version: 2.1\nName: tree-sitter-python\nVersion: 99.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert reading.recipe.__wrapped__() != before


def test_another_recipe_keeps_the_old_symbols_until_the_new_are_embedded(make_index, encoder, monkeypatch) -> None:
    index = make_index(CODE)
    monkeypatch.setattr(Writing, "recipe", lambda self: "another")
    monkeypatch.setattr(reading, "RECIPE", -1)
    encoder.texts.clear()
    for _ in index.update():
        index.catch_up()
        assert names(index, "put item into cart")[0] == "add_to_cart"
        assert index.status().embedded == index.status().symbols
    assert encoder.texts == []  # the texts are the same
    assert max(progress.files_total for progress in index.update()) == 2  # all young; but not all anew: no recipe


def test_it_is_current_since_the_last_look_at_everything_began(make_index, monkeypatch):
    before = time.time()
    index = make_index(CODE)
    first = index.status().last_update
    assert before <= first <= time.time()

    write_workspace(index.root, "//- shop/new.py\ndef brand_new():\n    pass\n")
    drain(index.update_paths(["shop/new.py"]))
    index.catch_up()
    assert index.search(Query("brand_new")).hits[0].name == "brand_new"
    assert index.status().last_update == first, "nobody looked at the other files"

    steps = index.update()
    next(steps)
    began = time.time()  # what changes from now on may have been looked at before
    drain(steps)
    index.catch_up()
    assert first < index.status().last_update
    write_workspace(index.root, "//- shop/newer.py\ndef newer():\n    pass\n")
    steps = index.update()
    assert [step.phase for step in [next(steps), next(steps)]] == ["scan", "read"]
    looked = time.time()
    drain(steps)
    index.catch_up()
    assert began < index.status().last_update < looked
