"""The model that ships: its files, its nearness to float32, and whether it knows what belongs together."""

import hashlib
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from lsp_server.engine.encoder import OnnxEncoder, bundled_model, read_card
from lsp_server.models.selftest import PAIRS

REFERENCE = Path(__file__).with_name("minilm_fp32.jsonl")  # written by models/build.py --golden


@pytest.fixture(scope="module")
def encoder() -> OnnxEncoder:
    return OnnxEncoder(bundled_model())


def test_files_are_those_of_the_card_and_small_enough() -> None:
    folder = bundled_model()
    card = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
    assert set(card["files"]) == {"model.onnx", "tokenizer.json"}
    for name, digest in card["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert (folder / "model.onnx").stat().st_size < 30_000_000
    assert card["source"] == "sentence-transformers/all-MiniLM-L6-v2" and card["licence"] == "Apache-2.0"
    assert "Apache License" in (folder / "LICENSE").read_text(encoding="utf-8")
    report = (folder / "REPORT.md").read_text(encoding="utf-8")
    assert all(digest in report for digest in card["files"].values())


def test_card_can_tell_wrong_arithmetic() -> None:
    assert len(read_card(bundled_model()).probe) >= 16


def test_graph_holds_no_path() -> None:
    graph = (bundled_model() / "model.onnx").read_bytes()
    assert [trace for trace in (b"/home/", b"/tmp/", b"/usr/", b"\\Users", b"site-packages") if trace in graph] == []


def test_vectors_are_near_those_of_float32(encoder: OnnxEncoder) -> None:
    rows = [json.loads(line) for line in REFERENCE.read_text(encoding="utf-8").splitlines()]
    exact = np.array([row["vector"] for row in rows], dtype=np.float32)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    cosines = (np.stack([encoder.encode(row["text"]) for row in rows]) * exact).sum(axis=1)
    # Where it was built: .978 for a text of one letter, .986 to .996 for the others.
    assert cosines.min() > 0.965 and cosines.mean() > 0.985, cosines


def test_begins_as_the_published_model(encoder: OnnxEncoder) -> None:
    vector = encoder.encode("This is an example sentence")
    assert vector[:3] == pytest.approx([0.0676, 0.0635, 0.0487], abs=0.02)


def test_meaning(encoder: OnnxEncoder) -> None:
    questions = np.stack([encoder.encode_query(question) for question, _ in PAIRS])
    documents = np.stack([encoder.encode(document) for _, document in PAIRS])
    cosines = questions @ documents.T
    right = cosines.argmax(axis=1) == np.arange(len(PAIRS))
    assert right.sum() >= 7, [PAIRS[number][0] for number in np.flatnonzero(~right)]
    others = (cosines.sum() - cosines.trace()) / (len(PAIRS) * (len(PAIRS) - 1))
    assert cosines.trace() / len(PAIRS) - others > 0.1


def test_upload_retry_means_sending_again(encoder: OnnxEncoder) -> None:
    question = encoder.encode_query("upload retry")
    assert question @ encoder.encode("try sending the file again") > question @ encoder.encode("parse a date") + 0.3
