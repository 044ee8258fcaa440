"""The self-test: the model that ships passes; each way of being wrong gets its own sentence."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from small_models import safetensors, small_graph, write_model

from lsp_server.engine.card import card_text, read_card
from lsp_server.engine.encoder import OnnxEncoder, bundled_model
from lsp_server.models.selftest import PAIRS, SelfTest, self_test


def complaint(result: SelfTest, check: str) -> str:
    """Return the sentence of the one check that failed: the last."""
    assert not result.passed
    assert [one.name for one in result.checks if not one.passed] == [result.checks[-1].name] == [check], result.checks
    assert result.complaint.endswith(".") and "\n" not in result.complaint
    return result.complaint


def copy_of_bundled(folder: Path) -> Path:
    for name in ("model.onnx", "tokenizer.json", "model.toml"):
        shutil.copyfile(bundled_model() / name, folder / name)
    return folder


def change_card(folder: Path, old: str, new: str) -> Path:
    card = (folder / "model.toml").read_text(encoding="utf-8")
    assert old in card
    (folder / "model.toml").write_text(card.replace(old, new, 1), encoding="utf-8")
    return folder


def test_the_bundled_model_passes() -> None:
    result = self_test(bundled_model())
    assert result.passed and result.complaint == "", result
    assert [check.name for check in result.checks] == [
        "files",
        "vectors",
        "repeatable",
        "padding",
        "meaning",
        "speed",
    ]
    assert result.milliseconds > 0 and result.seconds > 0
    assert not result.batch_safe  # 8-bit activations share a scale


def test_no_folder(tmp_path: Path) -> None:
    assert "There is no model folder" in complaint(self_test(tmp_path / "nowhere"), "files")


def test_damaged_file(tmp_path: Path) -> None:
    with (copy_of_bundled(tmp_path) / "model.onnx").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\xff")
    assert "is damaged" in complaint(self_test(tmp_path), "files")


def test_dimensions_that_lie(tmp_path: Path) -> None:
    folder = change_card(copy_of_bundled(tmp_path), "dims = 384", "dims = 256")
    assert "gives 384 numbers a text, model.toml says 256" in complaint(self_test(folder), "files")


def test_a_graph_with_other_inputs(tmp_path: Path) -> None:
    folder = write_model(tmp_path, small_graph(["pixel_values"]))
    assert "wants inputs ['input_ids', 'pixel_values']" in complaint(self_test(folder), "files")


def test_weights_of_which_some_are_no_numbers(tmp_path: Path) -> None:
    """Loading tries one text; the row that long texts alone reach is found here."""
    table = np.random.default_rng(1).standard_normal((64, 4))
    table[40] = np.nan
    folder = write_model(
        tmp_path, small_graph(["position_ids"], table=table), {"max_tokens": 50, "max_query_tokens": 50}
    )
    assert OnnxEncoder(folder).encode("red green").shape == (4,)
    assert "gives a vector that is not a number for the document 'def f()" in complaint(self_test(folder), "vectors")


def test_a_graph_that_fails_on_long_texts(tmp_path: Path) -> None:
    folder = write_model(tmp_path, small_graph(["position_ids"]), {"max_tokens": 64, "max_query_tokens": 64})
    assert "does not run here on a text of 64 tokens" in complaint(self_test(folder), "vectors")


def test_zeros_are_no_direction(tmp_path: Path) -> None:
    table = np.ones((64, 4))
    table[0] = 0  # of the word nobody knows
    folder = write_model(tmp_path, small_graph([], table=table))
    assert "gives no usable vectors" in complaint(self_test(folder), "files")


def test_a_graph_that_looks_at_its_neighbours(tmp_path: Path) -> None:
    """The mean of the whole batch is taken from every token, and long texts have a large one."""
    table = np.random.default_rng(5).standard_normal((64, 4))
    table[30:] = 100
    limits: dict[str, object] = {"max_tokens": 50, "max_query_tokens": 50}
    folder = write_model(tmp_path, small_graph(["position_ids"], table=table, less="ReduceMean"), limits)
    assert "beside a longer one another vector than alone" in complaint(self_test(folder), "padding")


@pytest.mark.parametrize("table", [np.ones((8, 4)), np.random.default_rng(3).standard_normal((8, 4))])
def test_vectors_without_meaning(tmp_path: Path, table: NDArray[np.float64]) -> None:
    folder = write_model(tmp_path, small_graph([], table=table))
    text = complaint(self_test(folder), "meaning")
    assert "does not tell what belongs together" in text and f"of {len(PAIRS)} questions find their function" in text


def test_a_table_of_random_numbers(tmp_path: Path) -> None:
    """Words that stand in both texts are not enough."""
    tokenizer = (bundled_model() / "tokenizer.json").read_bytes()
    rows = np.random.default_rng(4).standard_normal((30_522, 32)).astype(np.float32)
    files = {"model.safetensors": safetensors({"embeddings": rows}), "tokenizer.json": tokenizer}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    card = replace(
        read_card(bundled_model()),
        kind="static",
        dims=32,
        probe=(),
        digests={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    )
    (tmp_path / "model.toml").write_text(card_text(card, {}), encoding="utf-8")
    assert "does not tell what belongs together" in complaint(self_test(tmp_path), "meaning")


def test_the_wrong_tokenizer_shows_in_the_meaning(tmp_path: Path) -> None:
    """Ids that mean other words: everything fits, and nothing is right."""
    folder = copy_of_bundled(tmp_path)
    digest = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    words = [word for word in vocabulary if not word.startswith("[")]
    numbers = [vocabulary[word] for word in words]
    vocabulary.update(zip(words, numbers[7_000:] + numbers[:7_000], strict=True))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    change_card(folder, digest, hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest())
    change_card(folder, "probe = [", "old_probe = [")
    assert "does not tell what belongs together" in complaint(self_test(folder), "meaning")
