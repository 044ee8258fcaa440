"""A limit of memory is kept: vectors go to disk, then meaning is given up, and the status says so."""

import contextlib
import json
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import BagEncoder, drain, write_workspace
from test_fresh import CODE

from lsp_server.engine import update
from lsp_server.engine.errors import EngineError
from lsp_server.engine.index import Index, Options
from lsp_server.engine.memory import Budget, resident
from lsp_server.engine.query import Query
from lsp_server.engine.rows import FileRows, MemoryRows


def test_this_process_uses_memory():
    assert 10_000_000 < resident() < 10_000_000_000
    assert Budget(1, resident).is_exceeded()
    assert not Budget(0, resident).is_exceeded()


@pytest.fixture
def server():
    """A process that holds 300 MB, and has started one that holds 100 more."""
    hold = "import subprocess, sys; held = bytearray(b'x') * {}; {}; print(flush=True); sys.stdin.read()"
    child = hold.format(100_000_000, "pass")
    parent = hold.format(300_000_000, f"subprocess.Popen([sys.executable, '-c', {child!r}])")
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.readline()
        yield process.pid
        process.stdin.close()


def test_what_a_server_and_its_children_use_is_counted(server):
    alone = resident()
    assert resident(server) - alone > 400_000_000
    assert resident(server, [server]) - resident(server) < 10_000_000, "nothing is counted twice"
    budget = Budget(alone // 1_000_000 + 350, resident)
    assert not budget.is_exceeded()
    budget.share_with(server)
    assert budget.is_exceeded()


@pytest.mark.parametrize(("megabytes", "said"), [(450, "memoryLimit"), (900, "")])
def test_an_indexing_process_makes_do_with_what_its_server_leaves(server, tmp_path, megabytes, said):
    root = write_workspace(
        tmp_path / "root", CODE + "".join(f"def number_{i}():\n    return {i}\n" for i in range(200))
    )
    options = asdict(Options(cache_dir=str(tmp_path / "cache"), memory_limit=megabytes))
    opening = {"root": str(root), "options": options, "level": 30, "server": server, "again": False}
    code = (
        "from lsp_server.engine import update; update.SAVE_SECONDS = 0.0; from lsp_server.indexer import main; main()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for line in (opening, {"job": 1, "update": []}):
            process.stdin.write(json.dumps(line).encode() + b"\n")
        process.stdin.flush()
        end = next(report for report in map(json.loads, process.stdout) if "end" in report)
        process.stdin.close()
    assert end["end"] == ("failed" if said else "done")
    assert said in end["message"]


@given(st.lists(st.integers(0, 39), max_size=60))
def test_rows_on_disk_are_those_in_memory(tmp_path_factory, wanted):
    data = np.random.default_rng(1).integers(-127, 127, (40, 16)).astype(np.int8)
    memory, disk = MemoryRows(16), FileRows(16, tmp_path_factory.getbasetemp())
    for rows in (memory, disk):
        rows.put(0, data[:30])
        rows.put(30, data[30:])
    assert (disk.part(5, 35) == data[5:35]).all()
    assert (memory.take(np.array(wanted, np.int64)) == disk.take(np.array(wanted, np.int64))).all()


@pytest.fixture
def limited(make_index, tmp_path):
    """A function that opens the project with a process that seems to use so much, against a limit of 100 MB."""
    first = make_index(CODE)
    opened = []

    def make(megabytes):
        index = Index(first.root, Options(cache_dir=str(tmp_path / "cache")), BagEncoder())
        opened.append(index)
        index.budget = index.writing.budget = Budget(100, lambda server: int(megabytes() * 1e6))
        index._replace_corpus()
        index.catch_up()
        return index

    yield make
    for index in opened:
        index.close()


def touch(index):
    write_workspace(index.root, "//- shop/new.py\ndef something_new():\n    pass\n")
    drain(index.update())
    index.catch_up()


def test_enough_memory(limited):
    index = limited(lambda: 50)
    touch(index)
    assert (index.status().mode, index.status().message) == ("hybrid", "")


def test_vectors_go_to_disk_and_answers_stay_the_same(limited):
    index = limited(lambda: 50)
    questions = [Query("put item into cart"), Query("deliver message to customer"), Query("send_mail")]
    before = [[(hit.name, hit.score) for hit in index.search(question).hits] for question in questions]
    used = iter([200, 200] + [50] * 100)
    index.budget = Budget(100, lambda server: int(next(used) * 1e6))
    drain(index.update())
    index.catch_up()
    assert index.status().mode == "hybrid"
    assert "memoryLimit (100 MB)" in index.status().message
    assert "disk" in index.status().message
    assert [[(hit.name, hit.score) for hit in index.search(question).hits] for question in questions] == before
    touch(index)
    assert index.search(Query("something new")).hits[0].name == "something_new"


def test_words_are_what_is_left(limited, monkeypatch):
    monkeypatch.setattr(update, "SAVE_SECONDS", 0.0)
    index = limited(lambda: 200)
    for name in ("one", "two"):
        write_workspace(index.root, f"//- shop/{name}.py\ndef number_{name}():\n    pass\n")
        with contextlib.suppress(EngineError):
            drain(index.update())
        index.catch_up()
    assert index.status().mode == "words"
    assert "words" in index.status().message
    assert index.search(Query("number_two")).hits[0].name == "number_two"
    assert index.search(Query("deliver message")).hits[0].name == "send_mail"


def test_a_pass_without_room_for_the_model_says_so_and_words_are_complete(limited, monkeypatch):
    monkeypatch.setattr(update, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(update, "COMMIT_SECONDS", 0.0)
    index = limited(lambda: 200)
    many = "".join(f"def number_{i}():\n    return {i}\n" for i in range(500))
    write_workspace(index.root, f"//- shop/many.py\n{many}")
    with pytest.raises(EngineError, match="memoryLimit"):
        drain(index.update())
    index.catch_up()
    assert index.find_names("number_499", 1)[0].name == "number_499"
