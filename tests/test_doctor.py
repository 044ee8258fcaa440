"""The doctor: what it says of a sound index and of each thing that can be wrong, and whether its advice helps."""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from lsp.conftest import PROJECT
from lsp.editor import write_files

from lsp_server.doctor.cache import check_cache
from lsp_server.doctor.index import check_index
from lsp_server.doctor.model import Model
from lsp_server.doctor.report import Check, Report
from lsp_server.engine import hnsw
from lsp_server.engine.cache import index_folder
from lsp_server.engine.database import FILE_SUM, SYMBOL_SUM, WORDS_SUM, check_sum
from lsp_server.engine.encoder import OnnxEncoder, bundled_model
from lsp_server.engine.examine import reasons
from lsp_server.engine.hnsw import build_graph
from lsp_server.engine.index import Index, Options
from lsp_server.engine.vectors import VectorTable, quantise

CHECKOUT = Path(__file__).parent.parent
IDS = [
    *("program", "machine", "libraries", "disk", "log", "model", "self-test", "speed", "cache", "permissions"),
    *("index", "lock", "graph", "skipped", "search"),
]
HOLD = """
import filelock, json, os, sys, time
with filelock.FileLock(sys.argv[1] + "/lock"):
    with open(sys.argv[1] + "/writer.json", "w") as file:
        json.dump({"pid": os.getpid(), "since": time.time(), "program": "some-editor"}, file)
    print("held", flush=True)
    sys.stdin.read()
"""
posix = pytest.mark.skipif(os.name == "nt", reason="Windows keeps permissions otherwise")


class Patient:
    """A project with its own cache."""

    def __init__(self, root: Path, cache: Path, encoder: OnnxEncoder) -> None:
        self.root, self.cache, self.encoder = root, cache, encoder
        self.folder = index_folder(root.resolve(), str(cache))

    def run(self, *words):
        """Run the program; give its exit code, what it wrote and what it complained of."""
        command = [sys.executable, "-m", "lsp_server", *map(str, words), "--cache-dir", str(self.cache)]
        environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout, done.stderr

    def doctor(self, *words):
        """Give the exit code and the checks by id."""
        code, out, err = self.run("doctor", self.root, "--json", *words)
        assert err == ""
        return code, {check["id"]: check for check in json.loads(out)["checks"]}

    def index_checks(self):
        """Look at the index alone, by a model that is loaded already."""
        options = Options(cache_dir=str(self.cache))
        model = Model(self.encoder, self.encoder.fingerprint, self.encoder.dim)
        return {check.id: check for check in check_index(self.root, options, model)}

    def cache_checks(self):
        return {check.id: check for check in check_cache(str(self.cache))}

    def sql(self, *statements):
        db = sqlite3.connect(self.folder / "index.db")
        for statement in statements:
            db.execute(statement)
        db.commit()
        db.close()

    def update(self):
        index = Index(self.root, Options(cache_dir=str(self.cache)), self.encoder)
        for _ in index.update():
            pass
        index.close()


@pytest.fixture(scope="module")
def encoder():
    return OnnxEncoder(bundled_model())


@pytest.fixture(scope="module")
def indexed(tmp_path_factory, encoder):
    """A project and its index, to be copied and not to be changed."""
    home = tmp_path_factory.mktemp("doctor")
    root = home / "my shöp"
    write_files(root, PROJECT)
    (root / "picture.py").write_bytes(b"\0" * 100)
    (root / "photo.js").write_bytes(b"\0" * 100)
    (root / ".git").mkdir()
    patient = Patient(root, home / "cache", encoder)
    code, _, err = patient.run("index", root)
    assert code == 0, err
    return patient


@pytest.fixture
def patient(indexed, tmp_path):
    """The indexed project with a cache of its own, to be hurt."""
    shutil.copytree(indexed.cache, tmp_path / "cache")
    return Patient(indexed.root, tmp_path / "cache", indexed.encoder)


@pytest.fixture
def held(patient):
    """A second process that holds the lock and says so; gives its id."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(patient.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline().strip() == b"held"
    yield process
    process.kill()
    process.communicate()


# ---- all is well


def test_a_healthy_project(indexed):
    code, checks = indexed.doctor()
    assert list(checks) == IDS
    assert {id: check["verdict"] for id, check in checks.items()} == dict.fromkeys(IDS, "ok")
    assert code == 0
    assert checks["machine"]["details"]["cores"] >= 1
    assert checks["libraries"]["details"]["versions"]["sqlite"] == sqlite3.sqlite_version
    assert checks["model"]["details"]["why"] == "the index was made with it"
    assert {"padding", "meaning", "vectors"} <= set(checks["self-test"]["details"]["findings"])
    assert checks["speed"]["details"]["textsPerSecond"] > 0
    assert checks["log"]["details"]["folder"] == str(indexed.cache / "log")
    (kept,) = checks["cache"]["details"]["indexes"]
    assert (kept["root"], kept["orphaned"]) == (str(indexed.root), False)
    details = checks["index"]["details"]
    assert details["symbols"] == details["embedded"] > 5
    assert checks["search"]["details"]["missed"] == []
    assert checks["search"]["details"]["asked"] > 2
    assert "compared one by one" in checks["search"]["details"]["vectors"]
    assert checks["skipped"]["details"]["reasons"][0] == {
        "reason": "binary",
        "count": 2,
        "first": ["photo.js", "picture.py"],
    }


def test_people_get_a_line_a_check(indexed):
    code, out, err = indexed.run("doctor", indexed.root)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("ok ")] == IDS
    assert lines[-1] == "All is well."
    assert sum("minilm-l6: yes, " in line for line in lines) == 1  # what was considered, and why
    assert "2 binary: photo.js, picture.py" in out


def test_nothing_is_indexed_yet(indexed, tmp_path):
    """Nor does asking make anything."""
    code, checks = Patient(indexed.root, tmp_path / "none", indexed.encoder).doctor()
    assert (code, checks["index"]["verdict"]) == (1, "warn")
    assert checks["index"]["remedies"] == ["Run: meaning-ls index"]
    assert not (tmp_path / "none").exists()


def test_a_folder_that_is_not_there(indexed):
    code, out, err = indexed.run("doctor", indexed.root / "nowhere")
    assert (code, out) == (2, "")
    assert "nowhere" in err


def test_a_folder_that_cannot_be_a_project(indexed):
    checks = {check.id: check for check in check_index(Path.home(), Options(), Model())}
    assert checks["folder"].verdict == "fail"
    assert "home folder" in checks["folder"].summary


# ---- what is damaged


def test_a_damaged_store_is_told_and_the_advice_helps(patient):
    store = patient.folder / "index.db"
    data = bytearray(store.read_bytes())
    for start in range(4096, len(data), 8192):
        data[start : start + 2000] = os.urandom(2000)
    store.write_bytes(data)
    code, checks = patient.doctor()
    assert (code, checks["index"]["verdict"]) == (1, "fail")
    assert "meaning-ls index" in checks["index"]["remedies"][0]
    assert store.read_bytes() == data, "looking changes nothing"
    assert patient.run("index", patient.root)[0] == 0
    assert patient.doctor()[0] == 0


def test_damage_in_a_part_that_nothing_reads(patient):
    """It would be met one day, by whoever needs that part: the whole file is looked through."""
    db = sqlite3.connect(patient.folder / "index.db")
    (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'deleted_generation'").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    with (patient.folder / "index.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    check = patient.index_checks()["index"]
    assert check.verdict == "fail"
    assert "is damaged" in check.summary


@pytest.mark.parametrize("data", [b"", b"this is no database", b"\0" * 5000], ids=len)
def test_a_store_that_is_none(patient, data):
    (patient.folder / "index.db").write_bytes(data)
    check = patient.index_checks()["index"]
    assert check.verdict == "fail"
    assert check.remedies


def test_a_store_of_another_version(patient):
    patient.sql("PRAGMA user_version = 1")
    assert "version 1" in patient.index_checks()["index"].summary


@pytest.mark.parametrize(
    ("statement", "field"),
    [
        ("DELETE FROM vectors WHERE id IN (SELECT id FROM vectors LIMIT 2)", "lost"),
        ("UPDATE vectors SET data = x'0102' WHERE id = (SELECT min(id) FROM vectors)", "wrongVectors"),
        ("DELETE FROM words WHERE rowid = (SELECT max(id) FROM symbols)", "withoutWords"),
        ("UPDATE symbols SET preview = 'x' WHERE id = (SELECT max(id) FROM symbols)", "spoilt"),
    ],
)
def test_what_is_missing_in_a_store_is_counted(patient, statement, field):
    patient.sql(statement)
    check = patient.index_checks()["index"]
    assert check.verdict == "fail"
    assert check.details[field] > 0
    assert (str(patient.folder) if field == "lost" else "by themselves") in check.remedies[0]


def test_a_store_made_by_another_model(patient):
    patient.sql("UPDATE vectors SET model = 'another'")
    check = patient.index_checks()["index"]
    assert (check.verdict, check.remedies) == ("warn", ("Run: meaning-ls index",))


def test_a_damaged_graph(patient):
    """A real graph in its place, for a project of this size has none."""
    table = VectorTable(patient.encoder.dim)
    random = np.random.default_rng(1).standard_normal((300, table.dim)).astype(np.float32)
    rows = random / np.linalg.norm(random, axis=1, keepdims=True)
    table.extend((number, quantise(row)) for number, row in enumerate(rows, 1))
    for _ in build_graph(patient.folder / "graph.hnsw", table, patient.encoder.fingerprint, 1):
        pass
    if hnsw.load_hnswlib() is None:
        pytest.skip("hnswlib is not installed here")
    assert patient.index_checks()["graph"].details == {"nodes": 300, "trouble": ""}
    (data,) = patient.folder.glob("graph-*.hnsw")
    flipped = bytearray(data.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    data.write_bytes(flipped)
    check = patient.index_checks()["graph"]
    assert check.verdict == "fail"
    assert "digest" in check.summary
    assert check.remedies


def seal(path):
    """Give every file in a store the check sum of what is there."""
    columns = ", ".join([*(f"s.{name}" for name in SYMBOL_SUM), *(f"w.{name}" for name in WORDS_SUM)])
    symbols = f"SELECT {columns} FROM symbols s JOIN words w ON w.rowid = s.id WHERE file_id = ?"
    with closing(sqlite3.connect(path)) as db:
        for file_id, *row in db.execute(f"SELECT id, {', '.join(FILE_SUM)} FROM files").fetchall():
            known = check_sum([row, *db.execute(symbols, (file_id,)).fetchall()])
            db.execute("UPDATE files SET check_sum = ? WHERE id = ?", (known, file_id))
        db.commit()


def test_a_search_that_fails_is_told(patient):
    """Words that were packed wrongly: everything is as it was written, and reading it is not possible."""
    patient.sql("UPDATE symbols SET bag = x'00'")
    seal(patient.folder / "index.db")
    checks = patient.index_checks()
    assert checks["index"].verdict == "ok"
    assert checks["search"].verdict == "fail"
    assert str(patient.folder) in checks["search"].remedies[0]


def test_a_search_that_finds_something_else_is_told(patient, tmp_path):
    """The words of each symbol are kept at another one: every table is sound, and the answers are wrong."""
    root = tmp_path / "things"
    things = (
        "boat cheese planet violin hammer forest bank engine whale carpet letter river bottle candle mirror "
        "garden hospital pencil ladder tiger ticket kettle bridge desert helmet island jacket lemon magnet needle "
        "parrot rabbit saddle tunnel umbrella volcano wallet"
    )
    for thing in things.split():
        write_files(root, f'//- {thing}.py\ndef use_{thing}(it):\n    """Take the {thing}."""\n    return it.{thing}\n')
    patient = Patient(root, patient.cache, patient.encoder)
    patient.update()
    assert patient.index_checks()["search"].details["missed"] == []
    db = sqlite3.connect(patient.folder / "index.db")
    rows = db.execute(
        "SELECT s.id, w.doc FROM symbols s JOIN words w ON w.rowid = s.id WHERE s.kind = 'function' ORDER BY s.id"
    ).fetchall()
    for at, (each, _) in enumerate(rows):
        db.execute("UPDATE symbols SET name = ? WHERE id = ?", ("¤" * (at + 3), each))
        db.execute("UPDATE words SET doc = ?, code = '' WHERE rowid = ?", (rows[at - 20][1], each))
    db.commit()
    db.close()
    seal(patient.folder / "index.db")
    check = patient.index_checks()["search"]
    assert check.verdict == "fail", check
    assert len(check.details["missed"]) > 2


# ---- who writes


def test_the_process_that_holds_the_lock_is_named(patient, held):
    check = patient.index_checks()["lock"]
    assert check.verdict == "ok"
    assert check.details["held"] is True
    assert (check.details["pid"], check.details["program"]) == (held.pid, "some-editor")
    assert f"process {held.pid}" in check.summary
    held.kill()
    held.wait()
    check = patient.index_checks()["lock"]
    assert (check.summary, check.details["held"]) == ("nobody writes", False)
    assert (patient.folder / "writer.json").exists(), "it could not say goodbye, and that is no trouble"


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b'{"pid": "x"}', b'{"pid": 1e999}', b"\xff\xfe", None])
def test_a_holder_that_does_not_say_who_it_is(patient, held, said):
    (patient.folder / "writer.json").unlink() if said is None else (patient.folder / "writer.json").write_bytes(said)
    check = patient.index_checks()["lock"]
    assert (check.verdict, check.details["held"], check.details["pid"]) == ("ok", True, None)


def test_a_holder_that_is_not_on_this_machine(patient, held):
    (patient.folder / "writer.json").write_text(json.dumps({"pid": 2**22 + 1, "since": -1e300, "program": "x"}))
    check = patient.index_checks()["lock"]
    assert check.verdict == "warn"
    assert "another machine" in check.remedies[0]


def test_work_that_nobody_does(patient):
    lose = (
        "INSERT INTO pending (text_hash, text) SELECT text_hash, 'x' FROM vectors LIMIT 3",
        "DELETE FROM vectors WHERE text_hash IN (SELECT text_hash FROM pending)",
    )
    patient.sql(*lose)
    check = patient.index_checks()["index"]
    assert (check.verdict, check.details["lost"]) == ("warn", 0)
    assert check.details["pending"] >= 3
    assert check.remedies == ("Run: meaning-ls index",)
    patient.update()
    assert patient.index_checks()["index"].verdict == "ok"


def test_work_that_somebody_does(patient, held):
    patient.sql("INSERT INTO pending (text_hash, text) SELECT text_hash, 'x' FROM vectors LIMIT 3",
                "DELETE FROM vectors WHERE text_hash IN (SELECT text_hash FROM pending)")  # fmt: skip
    assert patient.index_checks()["index"].verdict == "ok"


# ---- what is kept, and who may read it


@posix
def test_what_others_may_read_is_told_and_the_advice_helps(patient):
    for folder in (patient.folder.parent, patient.folder):
        folder.chmod(0o755)
    check = patient.cache_checks()["permissions"]
    assert (check.verdict, check.details["exposed"]) == ("fail", [str(patient.folder)])
    (remedy,) = check.remedies
    subprocess.run(remedy.partition("   ")[0], shell=True, check=True)
    assert stat.S_IMODE(patient.folder.stat().st_mode) == 0o700
    assert patient.cache_checks()["permissions"].verdict == "ok"


@posix
def test_what_lies_in_a_shut_cache_is_nobody_else_s(patient):
    patient.folder.chmod(0o755)
    patient.folder.parent.chmod(0o700)
    assert patient.cache_checks()["permissions"].verdict == "ok"


@posix
def test_vectors_that_all_indexes_share(patient):
    (patient.cache / "vectors-1.db").write_bytes(b"x" * 1234)
    (patient.cache / "vectors-1.db").chmod(0o644)
    checks = patient.cache_checks()
    assert checks["cache"].details["sharedVectorsBytes"] == 1234
    assert checks["permissions"].details["exposed"] == [str(patient.cache / "vectors-1.db")]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_another_user(patient):
    os.chown(patient.folder, 65_534, 65_534)
    check = patient.cache_checks()["permissions"]
    assert check.details["foreign"] == [str(patient.folder)]
    assert "chown" in check.remedies[0]


def test_indexes_whose_folder_is_gone_are_told(patient, tmp_path):
    gone = tmp_path / "gone"
    write_files(gone, "//- a.py\ndef a():\n    return 1\n")
    Index(gone, Options(cache_dir=str(patient.cache)), patient.encoder).close()
    assert not any(each["orphaned"] for each in patient.cache_checks()["cache"].details["indexes"])
    shutil.rmtree(gone)
    (patient.folder.parent / "of-unknown-origin").mkdir()
    check = patient.cache_checks()["cache"]
    orphaned = {each["root"]: each["orphaned"] for each in check.details["indexes"]}
    assert orphaned == {str(gone): True, str(patient.root): False, None: False}
    (remedy,) = check.remedies
    assert str(index_folder(gone, str(patient.cache))) in remedy


# ---- the model


def test_a_model_that_is_broken(patient, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(bundled_model(), folder)
    with (folder / "model.onnx").open("r+b") as file:
        file.seek(1000)
        file.write(b"\0" * 100)
    code, checks = patient.doctor("--model", folder)
    assert (code, checks["model"]["verdict"]) == (1, "fail")
    assert any("SHA-256" in remedy for remedy in checks["model"]["remedies"])
    assert any("'auto'" in remedy for remedy in checks["model"]["remedies"])
    assert checks["index"]["verdict"] == "ok", "the rest is looked at all the same"


def test_the_doctor_advises_what_choosing_picks(patient, tmp_path):
    """And tells nobody who has a model of his own that another one is better."""
    _, chosen, _ = patient.run("models", "choose", "--explain")
    _, checks = patient.doctor()
    told = checks["model"]["details"]["considered"]
    assert told[1:] == chosen.splitlines()[1 : len(told)]
    folder = tmp_path / "model"
    shutil.copytree(bundled_model(), folder)
    card = (folder / "model.toml").read_text(encoding="utf-8")
    (folder / "model.toml").write_text(card.replace('id = "minilm-l6"', 'id = "mine"'), encoding="utf-8")
    assert "better" not in patient.run("doctor", patient.root, "--model", folder)[1]


def test_a_model_that_is_not_there(patient):
    code, checks = patient.doctor("--model", "no-such-model")
    assert (code, checks["model"]["verdict"]) == (1, "fail")
    assert "self-test" not in checks


# ---- words


def test_reasons_are_grouped():
    rows = [("a", "too large (3 MB)"), ("b", "binary"), ("c", "too large (2 MB)")]
    assert list(reasons(rows).items()) == [("too large", ["a", "c"]), ("binary", ["b"])]


def test_markdown_shows_names_as_they_are():
    check = Check("index", "warn", "`a`*b*\n# c", ("[d](http://e)",), ("<img>",), folder="/x_y_")
    text = Report((check,)).markdown()
    assert r"\`a\`\*b\*�\# c" in text
    assert r"\[d\](http://e)" in text
    assert r"\<img\>" in text
    assert r"## /x\_y\_" in text


def test_the_worst_verdict_is_that_of_the_report():
    def report(*verdicts):
        return Report(tuple(Check("x", verdict, "") for verdict in verdicts))

    assert report().verdict == "ok"
    assert report("ok", "warn", "ok").verdict == "warn"
    assert report("warn", "fail").verdict == "fail"
    assert report("warn", "fail").conclusion() == "2 problems found."
