"""Tables of word vectors as models: what they give, and what is said of files that hold none."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_models import safetensors
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from lsp_server.engine.encoder import ModelError, StaticEncoder, load_encoder

WORDS = {"[UNK]": 0, "red": 1, "green": 2, "blue": 3}
ROWS = np.array([[9, 9, 9, 9], [1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1]], np.float16)


def write_table(folder: Path, table: bytes, changes: dict[str, object] | None = None) -> Path:
    tokenizer = Tokenizer(WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    files = {"model.safetensors": table, "tokenizer.json": tokenizer.to_str().encode()}
    facts: dict[str, object] = {
        "schema": 1,
        "id": "table",
        "kind": "static",
        "dims": 4,
        "pooling": "mean",
        "max_tokens": 8,
        "max_query_tokens": 8,
        "document_prefix": "",
        "query_prefix": "",
    } | (changes or {})
    card = "".join(f"{key} = {value!r}\n" for key, value in facts.items()) + "[files]\n"
    for name, data in files.items():
        (folder / name).write_bytes(data)
        card += f'"{name}" = "{hashlib.sha256(data).hexdigest()}"\n'
    (folder / "model.toml").write_text(card, encoding="utf-8")
    return folder


def test_mean_of_the_rows_without_what_is_unknown(tmp_path: Path) -> None:
    encoder = load_encoder(write_table(tmp_path, safetensors({"embeddings": ROWS})))
    assert isinstance(encoder, StaticEncoder) and (encoder.dim, encoder.max_tokens) == (4, 8)
    assert encoder.encode("red pink green") == pytest.approx([1 / 5**0.5, 2 / 5**0.5, 0, 0])
    assert encoder.encode("blue " * 8 + "red " * 9) == pytest.approx([0, 0, 0, 1])
    assert np.linalg.norm(encoder.encode("")) == pytest.approx(1)
    assert encoder.encode_batch(["red", "blue"]).tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]


def test_prefixes_tell_questions_from_documents(tmp_path: Path) -> None:
    changes: dict[str, object] = {"query_prefix": "green ", "document_prefix": "red "}
    encoder = load_encoder(write_table(tmp_path, safetensors({"embeddings": ROWS}), changes))
    assert encoder.encode("red") == pytest.approx([1, 0, 0, 0])
    assert encoder.encode_query("green") == pytest.approx([0, 1, 0, 0])


def test_rows_shared_by_tokens_and_weighted(tmp_path: Path) -> None:
    tensors = {
        "embeddings": ROWS[1:3].astype(np.int8),
        "mapping": np.array([0, 0, 1, 1]),
        "weights": np.array([1, 1, 1, 2], np.float64),
    }
    encoder = load_encoder(write_table(tmp_path, safetensors(tensors)))
    assert encoder.encode("blue") == pytest.approx([0, 1, 0, 0])
    assert encoder.encode("red blue") == pytest.approx([1 / 17**0.5, 4 / 17**0.5, 0, 0])


@pytest.mark.parametrize(
    "tensors",
    [
        {"embeddings": ROWS[:2]},
        {"embeddings": ROWS, "mapping": np.array([0, 1])},
        {"embeddings": ROWS, "weights": np.array([1.0, 1.0])},
    ],
    ids=["rows", "mapping", "weights"],
)
def test_a_tokenizer_that_knows_more_than_the_table(tmp_path: Path, tensors: dict[str, NDArray[Any]]) -> None:
    encoder = load_encoder(write_table(tmp_path, safetensors(tensors)))
    assert np.isfinite(encoder.encode("red")).all()
    with pytest.raises(ModelError, match=r"has vectors for 2 tokens, and its tokenizer\.json gives more\. Reinstall"):
        encoder.encode("red blue")


@pytest.mark.parametrize(
    ("table", "changes", "expected"),
    [
        (b"", {}, "is not a table of vectors"),
        (b"no table at all", {}, "is not a table of vectors"),
        (safetensors({"embeddings": ROWS})[:-1], {}, "is not a table of vectors"),
        (safetensors({"words": ROWS}), {}, "holds words and no table 'embeddings'"),
        (safetensors({"embeddings": ROWS[0]}), {}, "no table 'embeddings'"),
        (safetensors({"embeddings": ROWS}), {"dims": 5}, "gives 4 numbers a text, model.toml says 5"),
        (safetensors({"embeddings": ROWS * np.float16("nan")}), {}, "not all its numbers are finite"),
        (safetensors({"embeddings": ROWS, "mapping": np.array([7])}), {}, "maps tokens to rows that it does not have"),
    ],
    ids=["empty", "garbage", "cut", "other", "one row", "dims", "nan", "mapping"],
)
def test_a_file_that_is_no_table(tmp_path: Path, table: bytes, changes: dict[str, object], expected: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_encoder(write_table(tmp_path, table, changes))
    assert expected in str(caught.value) and str(caught.value).endswith(".") and "\n" not in str(caught.value)
