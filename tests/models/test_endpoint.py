"""Endpoints: a real server on the loopback interface embeds with the real model, and does all that servers do wrong."""

import json
import os
import pty
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from lsp_server.engine import endpoint
from lsp_server.engine.card import CARD, ModelError
from lsp_server.engine.encoder import bundled_model, load_encoder
from lsp_server.engine.endpoint import EndpointEncoder, is_loopback, split_address, whole_address
from lsp_server.engine.index import Index, Options
from lsp_server.engine.installed import find_model, installed, is_elsewhere
from lsp_server.engine.query import Query
from lsp_server.models.catalogue import load_catalogue
from lsp_server.models.connect import Wish, connect
from tests.models.embedding_server import MODEL, EmbeddingServer, Fault

CHECKOUT = Path(__file__).parents[2]
KEY = "sk-not-to-be-seen"
FAR = "embed.example.org"


@pytest.fixture(scope="module")
def real():
    return load_encoder(bundled_model())


@pytest.fixture
def server(real):
    with EmbeddingServer(real) as made:
        yield made


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch):
    """A user's configuration of their own."""
    folder = tmp_path / "config"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.setenv("no_proxy", "*")
    if sys.platform != "linux":
        monkeypatch.setattr(endpoint, "config_home", lambda: folder / "meaning-ls")
    return folder / "meaning-ls"


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(endpoint, "WAITS", (0.01, 0.01, 0.01))


def never(place):
    raise AssertionError(f"asked about {place}")


def connected(server, **more):
    return connect(Wish(url=server.url, model=MODEL, **more), load_catalogue(), never)


def encoder_of(server, **more):
    found = load_encoder(connected(server, **more).folder)
    assert isinstance(found, EndpointEncoder)
    return found


# ---- it embeds


def test_vectors_are_those_of_the_model_behind_it(server, real):
    encoder = encoder_of(server)
    texts = ["def parse(line): return line.split()", "", "naïve café 🦊", "x" * 100_000]
    vectors = encoder.encode_batch(texts)
    for text, vector in zip(texts, vectors, strict=True):
        assert vector @ real.encode(text[:5_120] or " ") > 0.99999
    assert encoder.encode_query("parse a line") @ real.encode("parse a line") > 0.99999
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert encoder.dim == 384


def test_prefixes_tell_questions_from_documents(server):
    encoder = encoder_of(server, query_prefix="query: ", document_prefix="passage: ")
    encoder.encode("one")
    encoder.encode_query("two")
    assert server.texts[-2:] == ["passage: one", "query: two"]


def test_the_fingerprint_goes_with_what_decides_a_vector(server):
    first = connected(server)
    before = load_encoder(first.folder).fingerprint
    assert load_encoder(connected(server).folder).fingerprint == before
    assert load_encoder(connected(server, query_prefix="q: ").folder).fingerprint != before


# ---- an index


def make_index(tmp_path, model, **more):
    root = tmp_path / "project"
    root.mkdir(exist_ok=True)
    for number in range(30):
        (root / f"part{number}.py").write_text(f"def step_{number}(value):\n    return value * {number}\n")
    (root / "mail.py").write_text('def send_receipt(order):\n    """Mail a receipt to the buyer."""\n')
    return Index(root, Options(model=model, cache_dir=str(tmp_path / "cache"), threads=2, **more))


def update(index):
    for _ in index.update():
        pass
    index.catch_up()


def names(index, text):
    return [hit.name for hit in index.search(Query(text)).hits]


def test_an_index_by_a_server(server, tmp_path):
    connected(server, batch=8)
    index = make_index(tmp_path, MODEL)
    server.requests.clear()
    update(index)
    assert index.status().embedded == index.status().symbols > 60
    assert names(index, "tell a customer what they paid")[0] == "send_receipt"
    sizes = [len(request["input"]) for request in server.requests]
    assert max(sizes) == 8 and sum(sizes) <= len(set(server.texts)) + 3  # each text once; the probe, the question
    index.close()
    again = make_index(tmp_path, "auto")  # an index keeps its model, a server too
    again.catch_up()
    assert again.model == MODEL and names(again, "tell a customer what they paid")[0] == "send_receipt"
    again.close()


def test_what_is_there_stays_when_the_server_goes(server, tmp_path, impatient):
    before = make_index(tmp_path, "auto")
    update(before)
    answer = names(before, "mail a receipt")
    generation = before._store.generation()
    before.close()

    connected(server)
    server.always = Fault(status=500)
    moving = make_index(tmp_path, MODEL)
    with pytest.raises(ModelError, match="is in trouble"):
        for _ in moving.update():
            pass
    moving.catch_up()
    assert moving.status().model == "minilm-l6" and moving.status().embedded == moving.status().symbols
    assert names(moving, "mail a receipt") == answer
    moving.close()

    after = make_index(tmp_path, "auto")
    after.catch_up()
    assert (after.model, names(after, "mail a receipt")) == ("minilm-l6", answer)
    assert after._store.generation() >= generation
    after.close()


def test_a_question_is_answered_by_words_when_the_server_is_gone(server, tmp_path, monkeypatch):
    connected(server)
    index = make_index(tmp_path, MODEL)
    update(index)
    monkeypatch.setattr(endpoint, "QUESTION_SECONDS", 0.3)
    server.always = Fault(slow=1.0)
    with pytest.raises(ModelError, match="gave no answer within 0 seconds"):
        index.search(Query("mail a receipt"))
    asked = len(server.requests)
    with pytest.raises(ModelError, match="gave no answer"):  # it is left alone for a while
        index.search(Query("another question"))
    assert len(server.requests) == asked
    assert index.search_words(Query("mail a receipt")).hits[0].name == "send_receipt"
    index.close()


# ---- what servers do wrong: one sentence each


def said_by(encoder):
    with pytest.raises(ModelError) as caught:
        encoder.encode_batch(["one", "two"])
    text = str(caught.value)
    assert "\n" not in text and KEY not in text and f"127.0.0.1:{urlport(encoder)}" in text
    return text


def urlport(encoder):
    return split_address(encoder.card.endpoint.url).port


BROKEN = [
    (Fault(status=404), "or no model 'all-minilm' (404)"),
    (Fault(status=400, body=b'{"error": "input is\\n too long"}'), 'answers 400: {"error": "input is'),
    (Fault(status=413), "answers 413"),
    (Fault(status=403), "refuses us (403). Connect it again with --key-variable NAME."),
    (Fault(status=302, headers={"Location": "http://evil.example/"}), "sends us elsewhere (302), where no text goes"),
    (Fault(status=307, headers={"Location": "http://evil.example/"}), "sends us elsewhere (307), where no text goes"),
    (Fault(status=429, headers={"Retry-After": "3600"}), "is asked too often (429, and asks to wait 3,600 seconds)"),
    (Fault(body=b"<html>hello</html>"), "cannot be understood"),
    (Fault(body=b""), "cannot be understood"),
    (Fault(body=b"[" * 100_000), "cannot be understood"),
    (Fault(body=b'{"data": 3}'), "cannot be understood"),
    (Fault(body=b'{"data": [{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": "AAAA"}]}'), "understood"),
    (Fault(body=b'{"data": [{"index": 0, "embedding": [1, 2]}]}'), "gives 1 vectors for 2 texts"),
    (Fault(body=b'{"data": [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}]}'), "gives 0 numbers a text"),
]


@pytest.mark.parametrize(("fault", "expected"), BROKEN, ids=lambda value: value if isinstance(value, str) else "")
def test_trouble_that_stays(server, impatient, fault, expected):
    encoder = encoder_of(server)
    server.always = fault
    if fault.body == b"":
        server.always = Fault(body=b" ")
    asked = len(server.requests)
    assert expected in said_by(encoder)
    assert len(server.requests) == asked + 1  # what stays is not tried again
    server.always = None
    assert encoder.encode_batch(["one", "two"]).shape == (2, 384)


@pytest.mark.parametrize(
    "fault",
    [Fault(status=429), Fault(status=429, headers={"Retry-After": "0"}), Fault(status=500), Fault(status=503),
     Fault(hang_up=True), Fault(slow=0.8)],
    ids=["429", "429 at once", "500", "503", "hangs up", "slow"],
)  # fmt: skip
def test_trouble_that_passes(server, impatient, monkeypatch, fault):
    encoder = encoder_of(server)
    if fault.slow:
        monkeypatch.setattr(endpoint, "SECONDS", 0.5)
    server.faults.extend([fault, fault])
    assert encoder.encode_batch(["one"]).shape == (1, 384)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(status=503), "is in trouble (503)"),
        (Fault(hang_up=True), "cannot be reached"),
        (Fault(slow=0.8), "gave no answer within"),
    ],
    ids=["503", "hangs up", "slow"],
)
def test_trouble_that_does_not_pass(server, impatient, monkeypatch, fault, expected):
    encoder = encoder_of(server)
    if fault.slow:
        monkeypatch.setattr(endpoint, "SECONDS", 0.5)
    server.always = fault
    asked = len(server.requests)
    assert expected in said_by(encoder)
    assert len(server.requests) == asked + endpoint.TRIES
    server.always = None


def test_a_server_that_asks_to_wait_is_waited_for(server, monkeypatch):
    encoder = encoder_of(server)
    waited = []
    monkeypatch.setattr(endpoint.time, "sleep", waited.append)
    server.faults.append(Fault(status=429, headers={"Retry-After": "7"}))
    encoder.encode("one")
    assert 7.0 in waited


def test_nobody_is_there(server, impatient):
    encoder = encoder_of(server)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    card = (installed("")[-1].folder / CARD).read_text(encoding="utf-8")
    (installed("")[-1].folder / CARD).write_text(card.replace(str(server.port), str(port)), encoding="utf-8")
    with pytest.raises(ModelError, match=rf"127\.0\.0\.1:{port} cannot be reached .*Is it running\?"):
        load_encoder(installed("")[-1].folder)
    assert encoder.encode("one").shape == (384,)


@pytest.mark.parametrize(("value", "json_says"), [(float("nan"), "NaN"), (float("inf"), "Infinity"), (1e300, "1e+300")])
def test_numbers_that_are_none(server, impatient, value, json_says):
    encoder = encoder_of(server)
    server.poison = value
    assert json_says in json.dumps(value)
    assert "gives a vector that is not a number" in said_by(encoder)


def test_other_dimensions_than_when_it_was_connected(server):
    encoder = encoder_of(server)
    server.dims = 256
    assert "gives 256 numbers a text, where 384 were expected" in said_by(encoder)
    assert "meaning-ls models connect http://127.0.0.1" in said_by(encoder)


def test_another_model_under_the_same_name(server):
    folder = connected(server).folder
    server.turned = True
    with pytest.raises(ModelError, match="gives other vectors than when it was connected"):
        load_encoder(folder)


def test_vectors_without_meaning_are_not_connected(server, config):
    server.encoder = type("Random", (), {"encode": lambda self, text: np.random.default_rng(1).standard_normal(64)})()
    with pytest.raises(ModelError, match=r"was not connected.*does not tell what belongs together"):
        connected(server)
    assert not (config / "endpoints" / MODEL).exists()


# ---- keys


def test_a_key_is_sent_and_seen_nowhere(real, monkeypatch, tmp_path, caplog, config):
    monkeypatch.setenv("EMBED_KEY", KEY)
    with EmbeddingServer(real, KEY) as server:
        connected(server, key_variable="EMBED_KEY")
        index = make_index(tmp_path, MODEL)
        update(index)
        assert set(server.authorizations) == {f"Bearer {KEY}"}
        server.always = Fault(status=400, body=f"you said {KEY}".encode())
        with pytest.raises(ModelError, match=r"you said \.\.\.") as caught:
            index.search(Query("mail a receipt"))
        index.close()
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert kept and all(KEY.encode() not in data for data in kept)
    assert KEY not in caplog.text and KEY not in str(caught.value)


def test_a_wrong_key_and_none(real, monkeypatch):
    with EmbeddingServer(real, KEY) as server:
        with pytest.raises(ModelError, match=r"refuses us \(401\). Connect it again with --key-variable NAME"):
            connected(server)
        with pytest.raises(ModelError, match="variable EMBED_KEY that should hold it is empty"):
            connected(server, key_variable="EMBED_KEY")
        asked = len(server.requests)
        monkeypatch.setenv("EMBED_KEY", "sk-another")
        with pytest.raises(ModelError, match=r"refuses us \(401\). Check the key in EMBED_KEY"):
            connected(server, key_variable="EMBED_KEY")
        assert asked == 1


# ---- who may be sent text


def test_a_far_host_is_asked_about_once_and_before_anything_is_sent(monkeypatch, config):
    asked, opened = [], []
    monkeypatch.setattr(endpoint.EndpointEncoder, "_ask", lambda *a, **k: opened.append(a) or (_ for _ in ()).throw(
        ModelError("far away")))  # fmt: skip
    wish = Wish(url=f"https://{FAR}", model="m")
    with pytest.raises(ModelError, match=f"{FAR} was not allowed, and nothing was sent"):
        connect(wish, load_catalogue(), lambda place: asked.append(place.hostname))
    assert (asked, opened, (config / "hosts.json").exists()) == ([FAR], [], False)
    with pytest.raises(ModelError, match="far away"):
        connect(wish, load_catalogue(), lambda place: asked.append(place.hostname) or True)
    assert json.loads((config / "hosts.json").read_text()) == {"allowed": [FAR]}
    with pytest.raises(ModelError, match="far away"):
        connect(wish, load_catalogue(), never)
    assert len(opened) == 2
    if os.name == "posix":
        assert (config / "hosts.json").stat().st_mode & 0o077 == 0


def test_a_card_whose_host_was_changed_by_hand_is_asked_about_again(server):
    folder = connected(server).folder
    card = (folder / CARD).read_text(encoding="utf-8")
    (folder / CARD).write_text(card.replace(f"127.0.0.1:{server.port}", FAR), encoding="utf-8")
    with pytest.raises(ModelError, match=f"Texts would be sent to {FAR}, which you have not allowed"):
        load_encoder(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"allowed": 3}', "\0"])
def test_damage_allows_nobody(config, text):
    config.mkdir(parents=True)
    (config / "hosts.json").write_text(text)
    assert endpoint.allowed_hosts() == ()


def test_a_card_of_a_project_is_not_believed(server, tmp_path):
    """Neither named as a folder, nor in a cache folder that a project has brought along."""
    folder = connected(server).folder
    server.requests.clear()
    cache = tmp_path / "evil"
    for place in (tmp_path / "project" / "model", cache / "models" / "evil" / "q8"):
        place.mkdir(parents=True)
        (place / CARD).write_text((folder / CARD).read_text(encoding="utf-8"), encoding="utf-8")
        with pytest.raises(ModelError, match="only to servers that you have connected yourself"):
            load_encoder(place)
        assert is_elsewhere(str(place), "")
    assert is_elsewhere("evil", str(cache)) and is_elsewhere(MODEL, "") and not is_elsewhere("minilm-l6", "")
    for chosen in ("evil:q8", f"{MODEL}:endpoint"):
        (cache / "models" / "chosen").write_text(chosen)
        folder = find_model("auto", str(cache))
        assert chosen == "evil:q8" or folder == bundled_model()
    assert server.requests == []


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://localhost:11434", "http://localhost:11434/v1/embeddings"),
        ("http://localhost:11434/", "http://localhost:11434/v1/embeddings"),
        ("http://localhost:11434/v1", "http://localhost:11434/v1/embeddings"),
        ("http://localhost:8080/v1/embeddings/", "http://localhost:8080/v1/embeddings"),
        ("https://example.org/some/where", "https://example.org/some/where/embeddings"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1/embeddings"),
    ],
)
def test_addresses_as_servers_tell_them(url, whole):
    assert whole_address(url) == whole


@pytest.mark.parametrize(
    "url", ["localhost:11434", "ftp://localhost", "http://", "http://a:b@localhost", "http://localhost/?key=1",
            "http://localhost/#x", "http://localhost:99999", "http://[::1", "file:///etc/passwd", ""],
)  # fmt: skip
def test_addresses_that_are_none(url):
    with pytest.raises(ModelError):
        whole_address(url)


@pytest.mark.parametrize(
    ("host", "near"),
    [("localhost", True), ("127.0.0.1", True), ("127.8.8.8", True), ("[::1]", True), ("0.0.0.0", False),
     ("localhost.example.org", False), ("127.0.0.1.nip.io", False), ("192.168.1.5", False), ("example.org", False)],
)  # fmt: skip
def test_this_machine_and_others(host, near):
    assert is_loopback(split_address(f"http://{host}:80/v1")) == near


# ---- the command line


def run(*words, cache, **more):
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", "lsp_server", *words, "--cache-dir", str(cache)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=90, env=environment, stdin=subprocess.DEVNULL, **more
    )


def test_connected_used_listed_and_removed(server, tmp_path):
    cache, project = tmp_path / "cache", tmp_path / "project"
    make_index(tmp_path, "auto").close()
    done = run("models", "connect", server.url, MODEL, cache=cache)
    assert done.returncode == 0, done.stderr
    assert f"{MODEL} is connected and passed its test (384 dimensions)." in done.stdout and done.stderr == ""
    done = run("index", str(project), "--model", MODEL, "--json", cache=cache)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == MODEL
    done = run("search", "tell a customer what they paid", str(project), cache=cache)
    assert "send_receipt" in done.stdout.splitlines()[0]
    server.always = Fault(status=503)
    done = run("search", "mail a receipt", str(project), cache=cache)
    assert done.returncode == 0 and "send_receipt" in done.stdout and "Answering by words and names" in done.stderr
    server.always = None
    assert MODEL in run("models", cache=cache).stdout
    assert MODEL in run("doctor", str(project), cache=cache).stdout
    done = run("models", "remove", MODEL, cache=cache)
    assert done.returncode == 0 and f"{MODEL}:endpoint: removed" in done.stdout
    assert run("index", str(project), "--model", MODEL, cache=cache).returncode == 2


def test_a_far_host_without_a_terminal(tmp_path, config):
    done = run("models", "connect", f"http://{FAR}/v1", "m", cache=tmp_path)
    assert done.returncode == 2 and "Nothing was sent to embed.example.org" in done.stderr
    assert f"would be sent to {FAR}" in done.stderr and "not encrypted" in done.stderr
    assert not config.exists()


@pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal is POSIX")
def test_a_far_host_on_a_terminal(tmp_path, config):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "lsp_server", "models", "connect", f"https://{FAR}/v1", "m"]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=environment)
    os.close(theirs)
    said = b""
    while b"[y/N]" not in said:
        piece = os.read(process.stderr.fileno(), 1000)
        assert piece
        said += piece
    os.write(ours, b"n\n")
    assert f"would be sent to {FAR}: names, comments".encode() in said and b"encrypted" not in said
    rest = process.communicate(timeout=60)[1]
    os.close(ours)
    assert process.returncode == 2 and b"nothing was sent" in rest and not config.exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["http://localhost:1/v1", "m", "--id", "minilm-l6"], "is a model of the list"),
        (["http://localhost:1/v1", "auto"], "No model can be called 'auto'. Give this one another name with --id"),
        (["http://localhost:1/v1", "m", "--id", "off"], "must not be 'off'"),
        (["http://localhost:1/v1", "m", "--id", "../m"], "must be made of a-z"),
        (["localhost:1", "m"], "is no address of a server"),
        (["http://127.0.0.1:1/v1", "m"], "cannot be reached"),
    ],
)
def test_what_cannot_be_connected(tmp_path, config, words, expected, impatient):
    done = run("models", "connect", *words, cache=tmp_path)
    assert done.returncode == 2 and expected in done.stderr and done.stderr.count("\n") == 1
    assert not (config / "endpoints").exists()


def test_several_threads(server):
    encoder = encoder_of(server)
    found = []
    threads = [threading.Thread(target=lambda: found.append(encoder.encode("the same"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and all(np.array_equal(one, found[0]) for one in found)
