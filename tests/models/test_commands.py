"""`meaning-ls models`, run as a program: a real model from a hub on the loopback interface, used and removed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import filelock
import numpy as np
import pytest
from small_models import small_graph, token_vectors, write_model

from lsp_server.engine.card import read_card
from lsp_server.engine.encoder import bundled_model
from lsp_server.engine.installed import models_home
from lsp_server.engine.remembered import measured_here
from lsp_server.models.accelerators import Accelerator
from lsp_server.models.catalogue import load_catalogue
from lsp_server.models.choice import Known, choose
from lsp_server.models.download import Progress
from lsp_server.models.hardware import GB, look
from lsp_server.terminal import TransferMeter
from tests.models.hub_server import Fault, Hub
from tests.models.machines import desktop

PROGRAM = [sys.executable, "-m", "lsp_server"]
CHECKOUT = Path(__file__).parents[2]
SECONDS = 90
ID = "granite-small-en-r2"
GRAPH, DATA, TOKENIZER = "onnx/model_quantized.onnx", "onnx/model_quantized.onnx_data", "tokenizer.json"
posix = pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals and Ctrl-C to a child are POSIX")


CONFIGURED = {  # as exporters of late-interaction models write it
    "query_prefix": "",
    "document_prefix": "",
    "query_length": 32,
    "document_length": 180,
    "do_query_expansion": False,
    "skiplist_words": [".", ","],
    "do_lower_case": True,
}


class Machine:
    """A user with a cache of their own, a project, and a hub that serves the bundled model under another name."""

    def __init__(self, folder, hub):
        self.cache, self.project, self.hub = folder / "cache", folder / "project", hub
        self.project.mkdir()
        (self.project / "mail.py").write_text('def send_receipt(order):\n    """Mail a receipt to the buyer."""\n')
        (self.project / "disk.py").write_text("def drop(path):\n    path.unlink()\n")
        model = bundled_model()
        hub.repos[load_catalogue().find(ID).repo] = {
            GRAPH: (model / "model.onnx").read_bytes(),
            DATA: b"weights that this graph does not read",
            TOKENIZER: (model / "tokenizer.json").read_bytes(),
        }

    @property
    def folder(self):
        return models_home(str(self.cache)) / ID / "q8"

    def start(self, *words, **options):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "NO_COLOR"))}
        environment |= {"PYTHONPATH": str(CHECKOUT), "HF_ENDPOINT": self.hub.url, "TERM": "xterm", "HF_TOKEN": ""}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        words = [*words, "--cache-dir", str(self.cache)]
        return subprocess.Popen([*PROGRAM, *words], cwd=self.project, env=environment, **pipes)

    def run(self, *words):
        process = self.start(*words)
        out, err = process.communicate(timeout=SECONDS)
        return process.returncode, out.decode(), err.decode()

    def json(self, *words):
        code, out, err = self.run(*words, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def machine(tmp_path):
    with Hub() as hub:
        yield Machine(tmp_path, hub)


# ---- from nothing to an index and back


def test_a_reranker_is_fetched_and_reorders(machine):
    name = "lateon-code-edge"
    repo = machine.hub.repos[load_catalogue().find(name).repo] = {
        "model_int8.onnx": token_vectors(48),
        "tokenizer.json": (bundled_model() / "tokenizer.json").read_bytes(),
        "onnx_config.json": json.dumps(CONFIGURED).encode(),
        "config_sentence_transformers.json": b"{}",
    }
    code, out, err = machine.run("models", "pull", name)
    assert code == 0, err
    assert f"{name}:int8 is installed and passed its test" in out and "--rerank auto" in out
    card = read_card(models_home(str(machine.cache)) / name / "int8")
    assert (card.max_query_tokens, card.max_tokens, card.skipped_tokens, card.lower_case) == (32, 180, (".", ","), True)
    assert (card.query_prefix, card.expansion_token) == ("", "")
    assert f"Reorders answers (--rerank): {name}, Apache-2.0, installed" in machine.run("models")[1]
    status = machine.json("index", "--rerank", "auto")
    assert (status["model"], status["reranker"]) == ("minilm-l6", name)  # a reranker is no model that embeds
    code, out, err = machine.run("search", "write to somebody who bought", "--rerank", "auto", "--json")
    assert code == 0 and json.loads(out.splitlines()[0])["name"] == "send_receipt", err
    assert f"{name} reorders the best hits" in machine.run("doctor", "--rerank", "auto")[1]
    assert machine.run("models", "remove", name)[0] == 0
    code, out, err = machine.run("search", "write to somebody who bought", "--rerank", "auto")
    assert code == 0 and "send_receipt" in out
    assert "No reranker is installed" in machine.run("status", "--rerank", "auto")[1]

    repo["onnx_config.json"] = json.dumps(CONFIGURED | {"do_query_expansion": True, "attend_to_expansion_tokens": True})
    repo["onnx_config.json"] = repo["onnx_config.json"].encode()
    code, out, err = machine.run("models", "pull", name)
    assert code == 2 and "which our loader does not" in err
    repo["onnx_config.json"] = b"[]"
    code, out, err = machine.run("models", "pull", name)
    assert code == 2 and "cannot be understood" in err and machine.json("index")["reranker"] == ""


def test_fetched_used_and_removed(machine):
    assert machine.json("index")["model"] == "minilm-l6"

    code, out, err = machine.run("models", "pull", ID)
    assert code == 0, err
    assert "55 MB, licence Apache-2.0" in err
    assert f"{ID}:q8 is installed and passed its test" in out
    assert sorted(path.name for path in machine.folder.iterdir()) == [
        *("model.onnx", "model.toml", "model_quantized.onnx_data", "tokenizer.json")
    ]

    listed = {row["id"]: row for row in machine.json("models")["models"]}
    assert listed[ID]["installed"] == [str(machine.folder)]
    assert not listed["granite-97m-r2"]["installed"]

    assert machine.json("index")["model"] == "minilm-l6"  # what exists keeps its model
    assert machine.json("index", "--model", ID)["model"] == ID
    code, out, err = machine.run("search", "confirm a purchase by e-mail", "--json")
    assert json.loads(out.splitlines()[0])["path"] == "mail.py", err
    assert machine.json("status")["model"] == ID

    assert machine.json("models", "remove", ID)["removed"] == [f"{ID}:q8"]
    assert not machine.folder.parent.exists()
    assert machine.json("index")["model"] == "minilm-l6"
    assert machine.run("models", "remove", ID)[0] == 2


def test_what_is_being_fetched_is_not_listed_and_what_was_there_stays(machine):
    assert machine.run("models", "pull", ID)[0] == 0
    before = {path.name: path.read_bytes() for path in machine.folder.iterdir()}
    machine.hub.repos[load_catalogue().find(ID).repo][GRAPH] = b"this is no graph, and the hub says it is the file"
    code, _, err = machine.run("models", "pull", ID)
    assert code == 2
    assert f"{ID} (q8) does not work here and was not installed" in err
    assert "not a graph that ONNX Runtime loads" in err
    assert {path.name: path.read_bytes() for path in machine.folder.iterdir()} == before
    assert machine.run("models", "pull", f"{ID}:q8")[0] == 2
    machine.hub.repos[load_catalogue().find(ID).repo][GRAPH] = before["model.onnx"]
    assert machine.run("models", "pull", ID)[0] == 0


def test_what_is_there_is_not_fetched_again_and_what_is_damaged_is(machine):
    """Nor is there need for room for it twice."""
    assert machine.run("models", "pull", ID)[0] == 0
    before = {path.name: path.read_bytes() for path in machine.folder.iterdir()}
    machine.hub.requests.clear()
    (machine.folder / "model.toml").unlink()
    code, out, err = machine.run("models", "pull", ID)
    assert code == 0 and "is installed and passed its test" in out, err
    assert [path for host, path, _ in machine.hub.requests if host == "storage"] == []
    (machine.folder / "model.onnx").write_bytes(before["model.onnx"][:-1])
    assert machine.run("models", "pull", ID)[0] == 0
    assert len(machine.hub.asked(GRAPH)) == 1 and machine.hub.asked(DATA) == []
    assert {path.name: path.read_bytes() for path in machine.folder.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["grnite-small"], "Did you mean granite-small-en-r2"),
        ([f"{ID}:q7"], "has no variant 'q7'; there are q8"),
        (["minilm-l6"], "comes with the program: there is nothing to fetch"),
        (["qwen3-reranker-0.6b"], "our loader does not have it"),
        (["nomic-ai/nomic-embed-code"], "no ONNX file"),
        (["embeddinggemma-2:fp16"], "must not be used as fp16"),
        (["embeddinggemma-300m"], "shows no onnx-community/embeddinggemma-300m-ONNX"),
        ([], "ID"),
    ],
)
def test_what_cannot_be_fetched(machine, words, said):
    code, out, err = machine.run("models", "pull", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_terms_that_nobody_accepted(machine):
    machine.hub.gated.add(load_catalogue().find(ID).repo)
    code, _, err = machine.run("models", "pull", ID)
    assert code == 2
    assert "accepted its terms" in err


def test_somebody_else_is_fetching(machine):
    work = models_home(str(machine.cache)) / ".fetching"
    work.mkdir(parents=True)
    with filelock.FileLock(work / f"{ID}-q8.lock"):
        code, _, err = machine.run("models", "pull", ID)
    assert code == 2
    assert "Another process is fetching this model" in err


def test_a_cache_that_cannot_be_written(machine):
    machine.cache.mkdir()
    (machine.cache / "models").write_text("in the way")
    code, _, err = machine.run("models", "pull", ID)
    assert code == 2
    assert "cannot be written" in err
    assert "--cache-dir" in err


@posix
def test_ctrl_c_and_again(machine):
    import pty

    machine.hub.faults[GRAPH].append(Fault(slow=0.01))
    ours, theirs = pty.openpty()
    process = machine.start("models", "pull", ID, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while b"MB/s" not in shown:
        shown += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    assert process.wait(SECONDS) == 130
    assert "of 23.9 MB" in shown.decode()
    assert "stopped" in shown.decode()
    assert "Traceback" not in shown.decode()
    assert not machine.folder.exists()
    assert machine.run("models", "pull", ID)[0] == 0
    assert machine.hub.asked(GRAPH)[-1]["range"] > "bytes=0-"


# ---- the table and the choice


def test_the_table(machine):
    code, out, err = machine.run("models")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].startswith("This machine: ")
    rows = {line[2:].split()[0]: line for line in lines if "Apache-2.0" in line or "MIT " in line}
    assert {model.id for model in load_catalogue().model if model.licence in ("Apache-2.0", "MIT")} <= rows.keys()
    assert "installed" in rows["minilm-l6"]
    assert sum(line.startswith("*") for line in rows.values()) == 1
    assert "Left out: nomic-ai/nomic-embed-code" in out
    assert "\x1b" not in out
    assert machine.hub.requests == []


def test_the_table_as_json(machine):
    table = machine.json("models")
    assert {row["id"] for row in table["models"]} == {model.id for model in load_catalogue().model}
    assert table["picked"] in {row["id"] for row in table["models"] if row["picked"]}
    assert table["devices"][-1] == "cpu"
    assert table["excluded"][0].keys() == {"sources", "licence", "why"}
    bundled = next(row for row in table["models"] if row["id"] == "minilm-l6")
    assert bundled["measured"]
    assert bundled["textsPerSecond"] > 0


def test_a_model_of_ones_own_is_listed(machine):
    shutil.copytree(bundled_model(), models_home(str(machine.cache)) / "mine" / "int8")
    assert "mine" in {row["id"] for row in machine.json("models")["models"]}


def test_a_folder_without_meaning_is_told_and_used_for_it_was_named(machine, tmp_path):
    folder = write_model(tmp_path / "mine", small_graph([], table=np.random.default_rng(3).standard_normal((8, 4))))
    for _ in range(2):
        code, out, err = machine.run("index", "--model", str(folder))
        assert code == 0 and "model     small" in out
        assert "does not tell what belongs together" in err and "used all the same" in err and err.count("\n") == 1
    shutil.copytree(bundled_model(), tmp_path / "good")
    assert machine.run("index", "--model", str(tmp_path / "good"))[::2] == (0, "")
    (tmp_path / "good" / "tokenizer.json").unlink()
    code, _, err = machine.run("index", "--model", str(tmp_path / "good"))
    assert "used all the same" not in err


def test_one_that_is_damaged_hides_no_other(machine):
    shutil.copytree(bundled_model(), models_home(str(machine.cache)) / "mine" / "int8")
    (models_home(str(machine.cache)) / "mine" / "int8" / "model.toml").write_text("schema = ")
    code, out, err = machine.run("models")
    assert code == 0 and err == "" and "gte-modernbert" in out
    (line,) = (line for line in out.splitlines() if line.startswith("  mine "))
    assert "model.toml cannot be read" in line and "fetch the model again" in line
    assert machine.run("models", "remove", "mine")[0] == 0


def test_the_table_of_a_machine_with_a_card(tmp_path):
    """What is picked stands there in the form for the card, and nothing is said of what the processor would need."""
    from lsp_server.models.commands import _rows

    machine = replace(desktop(tmp_path, 4, 15.5), nvidia=lambda: [Accelerator("nvidia", "a card", 8 * GB)])
    installed = frozenset({("minilm-l6", "bundled")})
    choice = choose(look(machine), Known(load_catalogue(), installed, ("cuda", "cpu"), base=50.0))
    rows = {row.id: row for row in _rows(load_catalogue(), choice, str(tmp_path / "cache"))}
    assert [row.id for row in rows.values() if row.picked] == ["embeddinggemma-2"]
    picked = rows["embeddinggemma-2"]
    assert (picked.variant, picked.megabytes, picked.texts_per_second, picked.why) == ("fp32", 1085, 0, "")
    assert picked.fits and not rows["qwen3-embedding-4b"].fits


def test_choosing(machine):
    code, out, err = machine.run("models", "choose", "--explain", ".")
    assert code == 0, err
    assert "Considered, from the best down:" in out
    assert out.count(" -> ") == 1
    chosen = machine.json("models", "choose")
    assert [each["tier"] for each in chosen["considered"]] == sorted(
        (each["tier"] for each in chosen["considered"]), reverse=True
    )
    if chosen["installed"]:
        assert machine.json("models")["chosen"].startswith(chosen["picked"].partition(":")[0])
    assert machine.hub.requests == []


def test_an_offer_is_made_where_one_is_known(tmp_path, monkeypatch):
    """By what was measured before, on another machine than this one."""
    from lsp_server.models import advice

    monkeypatch.setattr(advice, "look", lambda: look(desktop(tmp_path / "laptop", 4, 7.6)))
    cache = str(tmp_path / "cache")
    assert advice.known_offer("minilm-l6", cache) == ""
    measured_here(cache).keep(advice._speed_key(bundled_model(), "cpu"), {"texts per second": 400.0})
    offer = advice.known_offer("minilm-l6", cache)
    assert offer == (
        "A better model fits this machine: granite-97m-r2 (98 MB, Apache-2.0, about 2 minutes to index); "
        "meaning-ls models pull granite-97m-r2"
    )
    for used in ("granite-97m-r2", "gte-modernbert", "mine"):  # as good, better, and one that nobody knows
        assert advice.known_offer(used, cache) == ""


def test_an_editor_offers_what_a_card_computes(tmp_path, monkeypatch):
    """How quick a card is nobody knows before the model is there; what it takes of the disk is known."""
    from lsp_server.models import advice
    from lsp_server.offering import find_offer

    machine = replace(desktop(tmp_path / "pc", 4, 15.5), nvidia=lambda: [Accelerator("nvidia", "a card", 8 * GB)])
    monkeypatch.setattr(advice, "look", lambda: look(machine))
    monkeypatch.setattr(advice, "openable", lambda: ("cuda", "cpu"))
    offer = find_offer("minilm-l6", 2_000, str(tmp_path / "cache"))
    assert offer.name == "embeddinggemma-2:fp32" and offer.accept == "Download 1,085 MB"
    assert "EmbeddingGemma 2, 1,085 MB, Apache-2.0, re-indexed on cuda. The one in use answers" in offer.sentence
    assert find_offer("embeddinggemma-2", 2_000, str(tmp_path / "cache")) is None


# ---- what waiting looks like


def test_the_line_of_a_download():
    now = iter([0.0, 1.0, 2.0, 3.0])
    meter = TransferMeter(lambda: next(now))
    assert meter.line(Progress(0, 0, "asking the hub")) == "Asking the hub"
    assert meter.line(Progress(0, 98_000_000), "#-").startswith(f"{'-' * 24}    0%  0.0 of 98.0 MB")
    line = meter.line(Progress(49_000_000, 98_000_000), "#-")
    assert line == f"{'#' * 12}{'-' * 12}   50%  49.0 of 98.0 MB  24.5 MB/s  0:02 left"
    assert meter.line(Progress(49_000_000, 98_000_000, "the hub answers 503")) == "The hub answers 503"
