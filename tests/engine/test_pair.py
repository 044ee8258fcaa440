"""A model of its own for documentation: real models, real vectors, one index."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_models import safetensors
from support import drain, write_workspace

from lsp_server.engine.card import card_text, read_card
from lsp_server.engine.encoder import bundled_model, load_encoder
from lsp_server.engine.errors import EngineError
from lsp_server.engine.index import Index, Options
from lsp_server.engine.installed import models_home
from lsp_server.engine.pair import PROSE, SHIFT, PairEncoder, compare
from lsp_server.engine.query import Query
from lsp_server.engine.remembered import Remembered
from lsp_server.engine.vectors import quantise

WORKSPACE = """\
//- guide.md
# Guide

## Signing in again

Choose Forgot password, and a link to a new one arrives by mail.

## Prices

The program is free for private use; companies buy a licence for each seat.
//- mail.py
def send_receipt(order):
    \"\"\"Tell a customer what they paid.\"\"\"
    deliver(order.customer, order.total)


def drop_cache(path):
    \"\"\"Remove a file from disk.\"\"\"
    path.unlink()
"""
GUIDE = "my password is lost, how do I get into my account"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with two more models: the bundled one with other prefixes, and a table of word vectors."""
    home = tmp_path_factory.mktemp("cache")
    docs = Path(shutil.copytree(bundled_model(), models_home(str(home)) / "prose" / "int8"))
    card = replace(read_card(docs), id="prose", document_prefix="passage: ", query_prefix="query: ", probe=())
    (docs / "model.toml").write_text(card_text(card, {}), encoding="utf-8")
    table = models_home(str(home)) / "table" / "fp32"
    table.mkdir(parents=True)
    rows = np.random.default_rng(2).standard_normal((30_522, 48)).astype(np.float32)
    files = {
        "model.safetensors": safetensors({"embeddings": rows}),
        "tokenizer.json": (bundled_model() / "tokenizer.json").read_bytes(),
    }
    for name, data in files.items():
        (table / name).write_bytes(data)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    card = replace(read_card(bundled_model()), id="table", kind="static", dims=48, probe=(), digests=digests)
    (table / "model.toml").write_text(card_text(card, {}), encoding="utf-8")
    return home


@pytest.fixture(params=["prose", "table"])
def pair(request: pytest.FixtureRequest, cache: Path, tmp_path: Path) -> PairEncoder:
    (folder,) = models_home(str(cache)).glob(f"{request.param}/*")
    return PairEncoder(load_encoder(bundled_model()), load_encoder(folder), Remembered(tmp_path / "measured.json"))


def test_products_are_those_of_each_model(pair: PairEncoder) -> None:
    question, code, prose = (
        "read all lines",
        "function read_lines. open a file",
        "section Reading. All lines of a file.",
    )
    asked = pair.encode_query(question)
    wanted = pair.code.encode_query(question) @ pair.code.encode(code)
    assert asked @ pair.encode(code) == pytest.approx(wanted, abs=1e-5)
    cosine = pair.docs.encode_query(question) @ pair.docs.encode(prose)
    assert asked @ pair.encode(prose) == pytest.approx(pair._stretch * cosine + pair._offset, abs=1e-5)
    for text in (code, prose):
        vector = pair.encode(text)
        assert vector.shape == (pair.dim,) and np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        stored = np.frombuffer(quantise(vector), np.int8).astype(np.float32)
        assert asked @ (stored / np.linalg.norm(stored)) == pytest.approx(float(asked @ vector), abs=0.01)
    assert pair.encode(code) @ pair.encode(prose) == 0  # no cosine of two models says anything
    assert pair.encode(prose)[-1] == pytest.approx(SHIFT)


def test_answers_and_strangers_score_as_with_the_first_model(pair: PairEncoder) -> None:
    asked = np.stack([pair.encode_query(question) for question, _ in PROSE])
    told = np.stack([pair.encode(f"section {answer}") for _, answer in PROSE])
    theirs = np.stack([pair.code.encode_query(question) for question, _ in PROSE])
    first = np.stack([pair.code.encode(f"section {answer}") for _, answer in PROSE])
    ours, wanted = asked @ told.T, theirs @ first.T
    others = ~np.eye(len(PROSE), dtype=bool)
    assert ours[others].mean() == pytest.approx(wanted[others].mean(), abs=0.01)
    if pair.docs.dim == pair.code.dim:  # a table of random numbers knows no answers
        assert ours.trace() == pytest.approx(wanted.trace(), abs=0.1)


def test_what_is_measured_is_remembered(pair: PairEncoder, tmp_path: Path) -> None:
    kept = json.loads((tmp_path / "measured.json").read_text())["facts"][f"pair | {pair.fingerprint}"]
    assert kept == pytest.approx(compare(pair.code, pair.docs))


# ---- an index


def opened(tmp_path: Path, cache: Path, **options: str) -> Index:
    root = write_workspace(tmp_path / "workspace", WORKSPACE)
    index = Index(root, Options(cache_dir=str(cache), threads=1, **options))
    drain(index.update())
    index.catch_up()
    return index


def vectors(index: Index) -> dict[str, np.ndarray]:
    """Return the vector of each symbol by its name."""
    view = index._corpus.view
    return {view.names[row]: view.vectors.floats(view.vector_rows[[row]])[0] for row in range(len(view))}


@pytest.mark.parametrize("docs", ["prose", "table"])
def test_sections_are_embedded_by_their_own_model(tmp_path: Path, cache: Path, docs: str) -> None:
    index = opened(tmp_path, cache, docs_model=docs)
    status = index.status()
    assert (status.model, status.embedded) == (f"minilm-l6+{docs}", status.symbols)
    code = load_encoder(bundled_model())
    found = vectors(index)
    for name in ("send_receipt", "drop_cache", "mail.py", "guide.md"):
        vector = found[name]
        assert not vector[code.dim :].any() and vector[: code.dim].any()
    for name in ("Guide", "Prices", "Signing in again"):
        vector = found[name]
        assert not vector[: code.dim].any() and vector[-1] == pytest.approx(SHIFT, abs=0.01)
    assert index.search(Query("tell the buyer the total")).hits[0].name == "send_receipt"
    if docs == "prose":
        assert index.search(Query(GUIDE)).hits[0].name == "Signing in again"
    assert index.similar("guide.md", 3, 3, Query("")).hits[0].name in ("Prices", "Guide")
    index.close()


def test_an_index_keeps_it_until_it_is_switched_off(tmp_path: Path, cache: Path) -> None:
    for options, model in (
        ({}, "minilm-l6"),  # off by default
        ({"docs_model": "prose"}, "minilm-l6+prose"),
        ({}, "minilm-l6+prose"),
        ({"model": "minilm-l6"}, "minilm-l6+prose"),
        ({"docs_model": "off"}, "minilm-l6"),
        ({}, "minilm-l6"),
        ({"docs_model": "minilm-l6"}, "minilm-l6"),  # one model for both is one model
    ):
        index = opened(tmp_path, cache, **options)
        assert index.status().model == model
        assert index.search(Query("tell the buyer the total")).hits[0].name == "send_receipt"
        index.close()


def test_the_former_vectors_answer_until_the_new_ones_are_there(tmp_path: Path, cache: Path) -> None:
    opened(tmp_path, cache, docs_model="off").close()
    index = Index(tmp_path / "workspace", Options(cache_dir=str(cache), threads=1, docs_model="prose"))
    index.catch_up()
    assert index.status().model == "minilm-l6" and "Moving to the model minilm-l6+prose" in index.status().message
    assert index.search(Query(GUIDE)).hits
    drain(index.update())
    index.catch_up()
    assert index.status().model == "minilm-l6+prose"
    index.close()


def test_unsaved_sections_too(tmp_path: Path, cache: Path) -> None:
    index = opened(tmp_path, cache, docs_model="prose")
    assert index.lay_over("guide.md", "# Guide\n\n## Leaving\n\nClose the window to end your session.\n")
    while index.embed_laid(1.0):
        pass
    assert index.search(Query("how do I log out")).hits[0].name == "Leaving"
    index.close()


def test_a_docs_model_that_is_not_here(tmp_path: Path, cache: Path) -> None:
    write_workspace(tmp_path / "workspace", WORKSPACE)
    with pytest.raises(EngineError, match=r"There is no model 'prosa' on this machine.*Did you mean prose"):
        Index(tmp_path / "workspace", Options(cache_dir=str(cache), docs_model="prosa"))
