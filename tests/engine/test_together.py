"""Programs that share one root although they differ: in their settings, their model, their version, their luck."""

import contextlib
import errno
import gc
import os
import subprocess
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from support import BagEncoder, drain, write_workspace
from test_fresh import CODE, names, refreshed

from lsp_server.engine import cache, database, vector_cache
from lsp_server.engine.cache import index_folder
from lsp_server.engine.errors import Busy, EngineError, Interrupted
from lsp_server.engine.home import Home
from lsp_server.engine.index import Index, Options
from lsp_server.engine.store import Store
from lsp_server.engine.vector_cache import VectorCache

CHECKOUT = Path(__file__).parents[2]
SECONDS = 60
WRITER = """
import os, sys, time
sys.path.insert(0, sys.argv[3])
from support import *
from lsp_server.engine.errors import Busy
from lsp_server.engine.index import Options
index = Index(Path(sys.argv[1]), Options(cache_dir=sys.argv[2], threads=1), BagEncoder())
index.writing.pace = lambda seconds: time.sleep(0.01)
try:
    for step in index.update():
        print(step.phase, flush=True)
    print("ended", flush=True)
except Busy as error:
    print("busy", error, flush=True)
index.close()
"""


@contextlib.contextmanager
def opened(root, options, encoder=None):
    with contextlib.closing(Index(root, options, encoder or BagEncoder())) as index:
        yield index


def test_two_processes_that_both_hold_the_lock_are_told_apart_by_the_store(tmp_path):
    """Somebody deletes the file of a lock that is held: the next one gets a new one. The first must see that."""
    many = "".join(f"def number_{i}(value):\n    return value + {i}\n\n\n" for i in range(400))
    root = write_workspace(tmp_path / "root", f"//- many.py\n{many}")
    words = [sys.executable, "-c", WRITER, str(root), str(tmp_path / "cache"), str(CHECKOUT / "tests")]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as first:
        try:
            assert first.stdout is not None
            while first.stdout.readline().strip() != "embed":
                assert first.poll() is None
            (index_folder(root.resolve(), str(tmp_path / "cache")) / "lock").unlink()
            second = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=SECONDS, check=True)
            said, _ = first.communicate(timeout=SECONDS)
        finally:
            first.kill()
    assert second.stdout.split("\n")[-2] == "ended"
    assert "busy Another process has begun to write" in said
    with opened(root, Options(cache_dir=str(tmp_path / "cache"))) as index:
        index.catch_up()
        assert index.status().embedded == index.status().symbols > 400


def test_who_leaves_out_other_files_has_an_index_of_his_own_that_begins_as_a_copy(make_index, tmp_path):
    index, encoder = make_index(CODE), BagEncoder()
    narrow = Options(cache_dir=index.options.cache_dir, exclude=("mail.py",))
    with opened(index.root, narrow, encoder) as other:
        other.catch_up()
        assert names(other, "deliver message customer")[0] == "send_mail"  # until it was looked at
        refreshed(other)
        assert "send_mail" not in names(other, "deliver message customer")
        assert names(other, "put item into cart")[0] == "add_to_cart"
        for _ in range(2):  # neither undoes the work of the other
            refreshed(index)
            refreshed(other)
            assert names(index, "deliver message customer")[0] == "send_mail"
            assert other.status().files_total == 1
    assert encoder.texts == []


def test_a_copy_of_a_damaged_index_is_made_anew(make_index):
    index = make_index(CODE)
    index.close()
    for file in index.folder.glob("index.db*"):
        file.write_bytes(b"this is no database" * 1000)
    with opened(index.root, Options(cache_dir=index.options.cache_dir, max_file_bytes=10_000)) as other:
        refreshed(other)
        assert names(other, "put item into cart")[0] == "add_to_cart"


def test_a_pause_holds_whatever_is_left_out(make_index):
    index = make_index(CODE)
    index.home.pause()
    assert Home(index.root, index.options.cache_dir, "0123abcd").is_paused
    Home(index.root, index.options.cache_dir, "0123abcd").resume()
    assert not index.home.is_paused


def test_a_program_with_another_schema_keeps_its_index_beside_ours_and_shares_the_vectors(make_index, monkeypatch):
    index, encoder = make_index(CODE), BagEncoder()
    for module in (cache, database):
        monkeypatch.setattr(module, "SCHEMA", cache.SCHEMA + 1)
    with opened(index.root, index.options, encoder) as newer:
        assert newer.folder != index.folder
        refreshed(newer)
        assert names(newer, "deliver message customer")[0] == "send_mail"
    assert encoder.texts == []
    monkeypatch.undo()
    index.catch_up()
    assert index.status().embedded == index.status().symbols
    assert names(index, "deliver message customer")[0] == "send_mail"


@pytest.mark.parametrize(("days", "kept"), [(29, True), (31, False)])
def test_an_index_of_another_schema_goes_when_nobody_used_it_for_a_month(make_index, tmp_path, days, kept):
    index = make_index(CODE)
    old = index.folder.parent.with_name("index-1") / index.folder.name
    stranger = old.parent / "stranger"
    for folder in (old, stranger, index.folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.db-old").write_bytes(b"x")
        if folder == old:
            (folder / "root").write_bytes(os.fsencode(index.root))
        for file in folder.iterdir():
            os.utime(file, (time.time() - days * 86_400,) * 2)
    index.home.sweep()
    assert old.exists() == kept
    assert stranger.exists()
    assert index.store_path.exists()


class Mirrored(BagEncoder):
    """Another model."""

    fingerprint = "bag-of-words-2"

    def _embed(self, text):
        return -super()._embed(text)


def test_the_last_that_moved_an_index_to_its_model_decides(make_index, encoder):
    """Two programs with different models would else move it to and fro with every look."""
    index, mirrored = make_index(CODE), Mirrored()
    encoder.texts.clear()
    with opened(index.root, index.options, mirrored) as other:
        refreshed(other)
        made = len(mirrored.texts)
        assert made > 0
        for _ in range(2):
            refreshed(index)
            refreshed(other)
            assert index.fingerprint == other.fingerprint == Mirrored.fingerprint
    assert (encoder.texts, len(mirrored.texts)) == ([], made)
    with contextlib.closing(Store(index.store_path)) as store:
        assert Mirrored.fingerprint in store.meta("model")


def test_a_look_for_files_can_be_broken_off(make_index):
    index = make_index(CODE)
    write_workspace(index.root, "//- shop/new.py\ndef brew_coffee():\n    pass\n")

    def stop():
        raise Interrupted("Something else comes first.")

    index.writing.glance = stop
    with pytest.raises(Interrupted):
        drain(index.update())
    drain(index.update_paths(["shop/new.py"]))  # what was saved needs no look at everything
    index.catch_up()
    assert names(index, "brew_coffee")[0] == "brew_coffee"


def test_the_shared_vectors_are_bounded_although_no_pass_comes_to_its_end(make_index, monkeypatch):
    index = make_index(CODE)
    path = index.home.cache / vector_cache.NAME
    with contextlib.closing(VectorCache(path)) as kept:
        kept.put("of old", [(number.to_bytes(16, "big"), bytes(384)) for number in range(2_000)])
    monkeypatch.setattr(VectorCache.__init__, "__defaults__", (200_000,))
    write_workspace(index.root, "//- shop/new.py\ndef brew_coffee():\n    pass\n")
    passing = index.update()
    while next(passing).phase == "scan":
        pass
    passing.close()
    with contextlib.closing(VectorCache(path)) as kept:
        left = len(kept.get("of old", [number.to_bytes(16, "big") for number in range(2_000)]))
    assert left < 1_000


class Sick(BagEncoder):
    """A model that gives no numbers from some text on."""

    def _embed(self, text):
        return super()._embed(text) * (np.nan if "sick" in text else 1)


def test_a_model_that_gives_no_numbers_is_told_and_words_stay(make_index, tmp_path):
    root = write_workspace(tmp_path / "sick", f"{CODE}//- sick.py\ndef sick():\n    pass\n")
    with opened(root, Options(cache_dir=str(tmp_path / "c"), threads=1), Sick()) as index:
        with pytest.raises(EngineError, match="no numbers"):
            drain(index.update())
        index.catch_up()
        assert index.find_names("sick", 5)[0].name == "sick"
        index.lay_over("shop/mail.py", "def sick_too():\n    pass\n")
        with pytest.raises(EngineError, match="no numbers"):
            while index.embed_laid(1.0):
                pass
        assert index.find_names("sick_too", 5)[0].name == "sick_too"


def test_who_cannot_write_begins_no_copy(make_index, monkeypatch):
    """Another process is at it: then it makes what there is."""
    index = make_index(CODE)
    options = Options(cache_dir=index.options.cache_dir, exclude=("mail.py",))
    home = Home(index.root, options.cache_dir, options.rules.key())
    with home.writing():
        Home(index.root, options.cache_dir, options.rules.key()).begin()
        assert not home.store.exists()
        with pytest.raises(Busy), Home(index.root, options.cache_dir, options.rules.key()).writing():
            pass


def test_what_a_failing_disk_does_not_tell_is_not_forgotten(make_index, monkeypatch):
    """A folder that cannot be listed this once is not gone; one that is shut is."""
    index = make_index(CODE + "//- docs/guide.md\n# How to brew coffee\n")
    scandir, trouble = os.scandir, [errno.EIO]

    def failing(path):
        if str(path).endswith("docs") and trouble:
            raise OSError(trouble[0], "the disk fails")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    refreshed(index)
    assert "How to brew coffee" in names(index, "brew coffee")
    assert any(path == "docs/" for path, _ in index.status().skipped)
    trouble[0] = errno.EACCES
    refreshed(index)
    assert "How to brew coffee" not in names(index, "brew coffee")
    trouble.clear()
    refreshed(index)
    assert "How to brew coffee" in names(index, "brew coffee")


def test_indexes_of_one_process_share_the_model_and_let_go_of_it(tmp_path):
    roots = [write_workspace(tmp_path / name, CODE) for name in ("one", "two")]
    one, two = (Index(root, Options(cache_dir=str(tmp_path / "cache"))) for root in roots)
    assert one.encoder() is two.encoder()
    kept = weakref.ref(one.encoder())
    one.close()
    assert kept() is not None
    two.close()
    gc.collect()
    assert kept() is None


def test_who_follows_sees_how_much_is_to_be_done(make_index):
    index = make_index(CODE)
    write_workspace(index.root, "".join(f"//- new{i}.py\ndef brew_{i}():\n    pass\n" for i in range(20)))
    passing = index.update()
    while next(passing).phase == "scan":
        pass
    index.catch_up()
    assert index.status().files_done < index.status().files_total == 22
    drain(passing)
    index.catch_up()
    assert index.status().files_done == index.status().files_total == 22
