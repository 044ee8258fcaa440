"""Every kind of file that we write, damaged in every way: noticed, told in a line of the log, made whole by itself."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import groupby
from pathlib import Path

import pytest
from lsp.editor import editor
from support import BagEncoder, drain, without_privileges, write_workspace

from lsp_server.engine import corpus, hnsw
from lsp_server.engine.agreement import open_encoder
from lsp_server.engine.cache import pause_mark
from lsp_server.engine.card import CARD
from lsp_server.engine.encoder import bundled_model
from lsp_server.engine.errors import StoreError
from lsp_server.engine.home import Home
from lsp_server.engine.index import Index, Options
from lsp_server.engine.installed import find_model, models_home
from lsp_server.engine.query import Query
from lsp_server.engine.remembered import measured_here

CHECKOUT = Path(__file__).parents[2]
CODE = """\
//- shop/price.py
def total_price(cart):
    \"\"\"Add up what everything in the cart costs, with tax.\"\"\"
    return sum(item.price * 1.19 for item in cart)


def parse_config(path):
    return path.read_text()
//- shop/mail.py
def send_mail(address):
    \"\"\"Deliver a message to a customer.\"\"\"
    connect().send(address)


def newsletter(customers):
    for customer in customers:
        send_mail(customer)
//- README.md
# The shop

Prices have tax.
"""
OF_INDEX = (
    "index.db",
    "index.db-wal",
    "index.db-shm",
    "graph.json",
    "graph data",
    "writer.json",
    "damaged",
    "root",
    "lock",
)
OF_CACHE = ("vectors-1.db", "vectors-1.db-wal", "vectors-1.db-shm", "turn", "measured.json")
FILES = OF_INDEX + OF_CACHE
DAMAGES = ("missing", "empty", "truncated", "flipped", "foreign", "other version", "a folder", "no permission")


@pytest.fixture(autouse=True)
def small_graphs(monkeypatch):
    for module in (corpus, hnsw):
        monkeypatch.setattr(module, "GRAPH_MINIMUM", 5)
    monkeypatch.setattr(hnsw, "GRAPH_TAIL", 2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A project, and a cache with every file that there can be, as a killed writer leaves it."""
    place = tmp_path_factory.mktemp("whole")
    root = write_workspace(place / "root", CODE)
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[3]); from support import *; import signal\n"
        "from lsp_server.engine import corpus, hnsw; from lsp_server.engine.index import Options\n"
        "for module in (corpus, hnsw): module.GRAPH_MINIMUM = 5\n"
        "hnsw.GRAPH_TAIL = 2\n"
        "index = Index(Path(sys.argv[1]), Options(cache_dir=sys.argv[2], threads=1), BagEncoder())\n"
        "for step in index.update():\n"
        "    if step.phase == 'done': (index.home.cache / 'turn').touch(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", code, str(root), str(place / "cache"), str(CHECKOUT / "tests")]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(CHECKOUT)}, timeout=100)
    assert done.returncode == -9
    measured_here(str(place / "cache")).keep("something", {"rate": 1.0})
    return root, place / "cache"


@pytest.fixture
def cache(whole, tmp_path):
    """A copy of the cache to damage."""
    return Path(shutil.copytree(whole[1], tmp_path / "cache"))


def path_of(root, cache, name):
    home = Home(root, str(cache))
    if name == "graph data":
        return next(home.folder.glob("graph-*.hnsw"))
    return (cache if name in OF_CACHE else home.folder) / name


def damage(path, how):  # noqa: C901 - a list of cases
    whole = path.read_bytes() if path.exists() else b""
    match how:
        case "missing":
            path.unlink(missing_ok=True)
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(whole[: len(whole) * 2 // 3])
        case "flipped":
            middle = min(len(whole) // 2, 5_000)
            path.write_bytes(whole[:10] + bytes(byte ^ 0x41 for byte in whole[10:middle]) + whole[middle:])
        case "foreign":
            path.unlink(missing_ok=True)
            with closing(sqlite3.connect(path)) as db:
                db.execute("CREATE TABLE vectors (x)")
                db.commit()
        case "other version":
            if path.suffix == ".db":
                with closing(sqlite3.connect(path)) as db:
                    db.execute("PRAGMA user_version = 999")
            else:
                path.write_bytes(whole.replace(b'"format": 1', b'"format": 999') or b'{"format": 999}')
        case "a folder":
            path.unlink(missing_ok=True)
            path.mkdir()
            (path / "something").write_text("of somebody's")
        case "no permission":
            if not path.exists():
                path.touch()
            path.chmod(0)


def is_right(root, cache):
    """Bring an index up to date as a program would, and look whether it says what it should."""
    with closing(Index(root, Options(cache_dir=str(cache), threads=1), BagEncoder())) as index:
        for _ in range(3):  # a graph is read after the first answers, and made anew by the pass after that
            drain(index.refresh())
        index.catch_up()
        status = index.status()
        assert (status.state, status.files_total) == ("ready", 3)
        assert status.embedded == status.symbols > 6
        assert index.search(Query("what everything costs with tax")).hits[0].name == "total_price"
        assert index.search(Query('"1.19 for"')).hits[0].name == "total_price"
        assert not index.home.is_damaged
        graph = json.loads(index.home.graph.with_suffix(".json").read_text())
        assert (index.folder / graph["file"]).is_file()
        assert not index.home.writer()[1]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", DAMAGES[:-1])
def test_damage(whole, cache, name, how, caplog):
    root, _ = whole
    damage(path_of(root, cache, name), how)
    with caplog.at_level("WARNING"):
        is_right(root, cache)
    told = [record.getMessage() for record in caplog.records if record.name.startswith("lsp_server")]
    assert len(told) <= 1, told
    assert not any(record.exc_info for record in caplog.records)
    caplog.clear()
    with caplog.at_level("WARNING"):
        is_right(root, cache)
    assert [record.getMessage() for record in caplog.records] == [], "once was enough"


def test_no_permission(whole, tmp_path):
    """In one process for all files, for permissions count only in one that has no privileges."""
    if sys.platform != "linux":
        pytest.skip("NO PERMISSION WAS NOT TRIED: it needs Linux's capabilities")
    root, cache = whole
    for name in FILES:
        shutil.copytree(cache, tmp_path / name)
        damage(path_of(root, tmp_path / name, name), "no permission")
    code = (
        "import sys; sys.path[:0] = sys.argv[3:]; import logging; logging.basicConfig(format='TOLD %(message)s')\n"
        "from pathlib import Path; from chaos import test_damage as it\n"
        "for module in (it.corpus, it.hnsw): module.GRAPH_MINIMUM = 5\n"
        "it.hnsw.GRAPH_TAIL = 2\n"
        "for name in it.FILES:\n"
        "    for _ in range(2):\n"
        "        it.is_right(Path(sys.argv[1]), Path(sys.argv[2], name)); print('END', file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(root), str(tmp_path), str(CHECKOUT), str(CHECKOUT / "tests")],
        preexec_fn=without_privileges,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    told = [part.count("TOLD") for part in done.stderr.split("END\n")[:-1]]
    assert max(told[::2]) == 1, done.stderr
    assert sum(told[::2]) >= len(FILES) - 4, "files are looked at when they are needed"
    assert sum(told[1::2]) == 0, "once was enough"


# Where a bit may flip that SQLite does not see: a cell, by the question that gives it; which byte of it, which bit.
CELLS = {
    "kind": ("SELECT kind FROM symbols WHERE kind = 'function'", -2, 0x01),
    "name": ("SELECT name FROM symbols WHERE name = 'total_price'", -2, 0x01),
    "no text any more": ("SELECT name FROM symbols WHERE name = 'total_price'", -2, 0x80),
    "spans": ("SELECT spans FROM symbols WHERE name = 'total_price'", -2, 0x01),
    "no spans any more": ("SELECT spans FROM symbols WHERE name = 'total_price'", 0, 0x01),
    "preview": ("SELECT preview FROM symbols WHERE name = 'total_price'", -2, 0x01),
    "detail": ("SELECT detail FROM symbols WHERE name = 'total_price'", -2, 0x01),
    "term": ("SELECT bag FROM symbols WHERE name = 'total_price'", -3, 0x01),
    "field that there is not": ("SELECT bag FROM symbols WHERE name = 'total_price'", -7, 0x80),
    "documentation": ("SELECT c1 FROM words_content WHERE c0 = 'total_price'", -2, 0x01),
    "code": ("SELECT c2 FROM words_content WHERE c0 = 'total_price'", -2, 0x01),
    "vector": ("SELECT data FROM vectors ORDER BY id LIMIT 1", -2, 0x01),
    "language": ("SELECT language FROM files WHERE language = 'markdown'", -2, 0x01),
    "recipe of the whole": ("SELECT key || value FROM meta WHERE key = 'complete'", -2, 0x01),
    "generation": ("SELECT key || value FROM meta WHERE key = 'generation'", -1, 0x01),
    "key": ("SELECT key || value FROM meta WHERE key = 'generation'", 2, 0x01),
    "next id": ("SELECT key || value FROM meta WHERE key = 'next_symbol'", -2, 0x01),
    "index of words": ("SELECT block FROM words_data WHERE length(block) > 100", -20, 0x01),
}


def closed_store(root, cache):
    """Return the store as one file, as it lies on a disk."""
    path = path_of(root, cache, "index.db")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def content(path):
    """Return all that a store says of its files, without the ids and times that differ from one to the next."""
    with closing(sqlite3.connect(path)) as db:
        return [
            db.execute(f"SELECT {columns} FROM {tables} ORDER BY {columns}").fetchall()
            for columns, tables in (
                ("path, size, content_hash, language, note, left_out, recipe", "files"),
                (
                    "path, kind, s.name, container, spans, ascii, preview, detail, text_hash, bag, doc, code",
                    "symbols s JOIN files f ON f.id = s.file_id JOIN words w ON w.rowid = s.id",
                ),
                ("model, text_hash, data", "vectors"),
            )
        ]


def mend(root, cache):
    """Do as a program does that brings an index up to date and looks closely; gives the texts that it embedded."""
    encoder = BagEncoder()
    with closing(Index(root, Options(cache_dir=str(cache), threads=1), encoder)) as index:
        drain(index.refresh())
        if index.writing.verify():
            drain(index.refresh())
        assert index.writing.verify() is False, "once was enough"
        assert index.status().state == "ready"
        for word in ("total_price", "cart", "customer", "newsletter", "Prices"):
            assert index.search(Query(f'"{word}"')).hits, word
        index.search(Query("what everything costs with tax", limit=100))
        index.find_names("mail", 10)
    return encoder.texts


def flip(path, question, at, bit):
    """Flip a bit of a cell where it lies in the file."""

    def ask():
        with closing(sqlite3.connect(path)) as db:
            db.text_factory = bytes
            return [said for (said,) in db.execute(question)]

    before = ask()
    said = before[0]
    file = path.read_bytes()
    place = -1
    while ask() == before:  # the same bytes may lie elsewhere, too
        place = file.index(said, place + 1)
        spoilt = bytearray(file)
        spoilt[place + at % len(said)] ^= bit
        path.write_bytes(spoilt)


@pytest.mark.parametrize("cell", CELLS)
def test_a_bit_that_nothing_but_a_check_sum_has_seen(whole, cache, cell, caplog):
    root, _ = whole
    path = closed_store(root, cache)
    right = content(path)
    flip(path, *CELLS[cell])
    with caplog.at_level("WARNING"):
        assert mend(root, cache) == [], "the cache of vectors has them all"
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1 and "damaged" in told[0], told
    assert content(path) == right


def test_what_makes_no_sense_while_somebody_writes(whole, cache):
    root, _ = whole
    flip(closed_store(root, cache), *CELLS["field that there is not"])
    with closing(Index(root, Options(cache_dir=str(cache), threads=1), BagEncoder())) as index:
        with Home(root, str(cache)).writing(), pytest.raises(StoreError, match="damaged"):
            index.catch_up()
        assert index.catch_up()
        drain(index.refresh())
        assert index.search(Query("what everything costs with tax")).hits[0].name == "total_price"


@pytest.mark.parametrize("seed", range(40))
def test_a_bit_anywhere_in_the_store(whole, cache, seed):
    """Whatever it was: what is asked of the index afterwards is what it held, and nobody has to do anything."""
    root, _ = whole
    path = closed_store(root, cache)
    right = content(path)
    chance = random.Random(seed)
    whole_file = bytearray(path.read_bytes())
    for _ in range(1 if seed % 2 else 60):
        whole_file[chance.randrange(len(whole_file))] ^= 1 << chance.randrange(8)
    path.write_bytes(whole_file)
    mend(root, cache)
    assert content(path) == right


async def test_a_server_finds_by_itself_what_is_not_as_it_was_written(tmp_path):
    root, cache = write_workspace(tmp_path / "root", CODE), tmp_path / "cache"
    async with editor(cache) as client:
        await client.initialize(root)
        await client.ready()
        await client.shut_down()
    path = closed_store(root, cache)
    right = content(path)
    whole_file = path.read_bytes()
    preview = b"def newsletter(customers)"
    assert preview in whole_file
    path.write_bytes(whole_file.replace(preview, b"def newsletteR(customers)"))
    async with editor(cache) as client:
        await client.initialize(root)

        def is_ready_again():
            states = (every[0] for every in client.states() if every)
            return [state for state, _ in groupby(states)].count("ready") == 2

        await client.until(is_ready_again)
        (row,) = [row for row in (await client.search("newsletter"))["symbols"] if row["name"] == "newsletter"]
        assert row["preview"] == preview.decode()
        await client.shut_down()
    assert content(path) == right
    log = "".join(file.read_text() for file in (cache / "log").iterdir())
    assert log.count("is damaged") == 1


@pytest.mark.parametrize("how", DAMAGES[:-1])
def test_a_pause_can_be_ended_whatever_holds_it(whole, cache, how):
    home = Home(whole[0], str(cache))
    home.pause()
    damage(pause_mark(whole[0], str(cache)), how)
    home.resume()
    assert not home.is_paused
    home.pause()
    assert home.is_paused
    home.resume()


@pytest.mark.parametrize("how", DAMAGES[:-1])
@pytest.mark.parametrize("part", [CARD, "model.onnx", "tokenizer.json", "chosen"])
def test_a_downloaded_model(whole, cache, how, part):
    """A broken one is named in a sentence that says what to do, or not seen at all; the bundled one always works."""
    root, _ = whole
    folder = models_home(str(cache)) / "mine" / "int8"
    shutil.copytree(bundled_model(), folder)
    (models_home(str(cache)) / "chosen").write_text("mine:int8\n")
    damage(models_home(str(cache)) / "chosen" if part == "chosen" else folder / part, how)
    from lsp_server.engine.errors import EngineError

    try:
        with closing(Index(root, Options(model="mine", cache_dir=str(cache), threads=1))) as index:
            index.encoder()
    except EngineError as error:
        assert "mine" in str(error)
    with closing(Index(root, Options(model="minilm-l6", cache_dir=str(cache), threads=1))) as index:
        assert index.encoder().encode("x").any()
    find_model("auto", str(cache))


@pytest.mark.parametrize("how", DAMAGES[:-1])
def test_what_was_measured(cache, how):
    damage(cache / "measured.json", how)
    encoder = open_encoder(bundled_model(), "auto", measured_here(str(cache)))
    assert encoder.encode("x").any()
    memory = measured_here(str(cache))
    memory.keep("new", {"rate": 2.0})
    assert memory.get("new") == {"rate": 2.0}
