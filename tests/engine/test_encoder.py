"""The encoder: what it promises of every model, and what it says of folders that hold none."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_models import replace_tokenizer, small_graph, write_model
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from lsp_server.engine.card import card_text
from lsp_server.engine.encoder import (
    CHARACTERS_PER_TOKEN,
    ModelError,
    OnnxEncoder,
    bundled_model,
    load_encoder,
    read_card,
)
from lsp_server.engine.pooling import cut, pool, unit

TEXTS = [
    "def read_lines(path): return open(path).read().splitlines()",
    "upload the report again when the connection was lost",
    "x",
    "",
    "class Calendar:\n\tdef parse(self, text):\n\t\treturn datetime.fromisoformat(text)\n" * 40,
    "naïve café 中文 🦊 ﷽ \x0c form feed",
]


@pytest.fixture(scope="module")
def encoder() -> OnnxEncoder:
    return OnnxEncoder(bundled_model())


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [("mean", [0, 2 / 5**0.5, 1 / 5**0.5, 0]), ("cls", [0, 1, 0, 0]), ("last", [0, 0, 1, 0])],
)
def test_pools_when_the_graph_does_not(tmp_path: Path, pooling: str, expected: list[float]) -> None:
    encoder = OnnxEncoder(write_model(tmp_path, small_graph([]), {"pooling": pooling}))
    assert encoder.encode("red red green") == pytest.approx(expected, abs=1e-6)


def test_padding_and_truncation_of_the_tokenizer_file_are_not_used(tmp_path: Path) -> None:
    folder = write_model(tmp_path, small_graph([]), {"pooling": "last"})
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding(length=8, pad_id=3)
    tokenizer.enable_truncation(2)
    replace_tokenizer(folder, tokenizer.to_str().encode())
    assert OnnxEncoder(folder).encode("red red green") == pytest.approx([0, 0, 1, 0])


def test_feeds_what_the_graph_asks_for(tmp_path: Path) -> None:
    encoder = OnnxEncoder(write_model(tmp_path, small_graph(["token_type_ids", "position_ids"]), {"pooling": "last"}))
    assert encoder.encode("red green red") == pytest.approx([0, 0, 0, 1])  # row 1 + 0 + position 2


def test_cuts_only_to_what_the_card_allows_and_scales_again(tmp_path: Path) -> None:
    wide = {"dims": 4, "full_dims": 8, "truncations": [4], "pooling": "cls"}
    encoder = OnnxEncoder(write_model(tmp_path, small_graph([], width=8), wide))
    assert encoder.dim == 4
    assert encoder.encode("red") == pytest.approx([0, 1, 0, 0])
    assert "cuts vectors to 5 numbers; this model allows 8, 4" in complaint(
        write_model(tmp_path, small_graph([], width=8), wide | {"dims": 5})
    )


def test_cutting_by_layer_norm_centres_first() -> None:
    vectors = np.array([[1, 2, 3, 6]], np.float32)
    assert cut(vectors, 2, "plain") == pytest.approx(np.array([[1, 2]]))
    assert cut(vectors, 2, "layer-norm") == pytest.approx(np.array([[-2, -1]]) / 3.5**0.5, abs=1e-4)
    assert unit(np.array([[3, 4], [0, 0]], np.float32)) == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))


@pytest.mark.parametrize("mask", [[0, 1, 1], [1, 1, 0]], ids=["left", "right"])
def test_pooling_leaves_padding_out_on_either_side(mask: list[int]) -> None:
    rows = {0: [9, 9], 1: [1, 2]}
    tokens = iter([[1, 2], [3, 6]])
    vectors = np.array([[next(tokens) if here else rows[0] for here in mask]], np.float32)
    pooled = {kind: pool(vectors, np.array([mask]), kind).tolist() for kind in ("mean", "cls", "last")}
    assert pooled == {"mean": [[2, 4]], "cls": [[1, 2]], "last": [[3, 6]]}


def test_what_must_end_a_text_is_appended_once_and_survives_the_cut(tmp_path: Path) -> None:
    folder = write_model(tmp_path, small_graph([]), {"pooling": "last", "eos_token": "blue"})
    for text in ("red", "red " * 50, ""):
        assert OnnxEncoder(folder).encode(text) == pytest.approx([0, 0, 0, 1])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = TemplateProcessing(single="$A blue", special_tokens=[("blue", 3)])
    replace_tokenizer(folder, tokenizer.to_str().encode())
    encoder = OnnxEncoder(folder)
    assert encoder._tokenizer.document("red").ids == [1, 3]
    assert encoder._tokenizer.document("red " * 50).ids == [1] * 7 + [3]


def test_an_end_that_the_tokenizer_does_not_know(tmp_path: Path) -> None:
    folder = write_model(tmp_path, small_graph([]), {"eos_token": "</s>"})
    assert "ends texts with '</s>', which its tokenizer.json does not know" in complaint(folder)


def test_texts_encoded_together_are_padded_on_the_side_of_the_card(tmp_path: Path) -> None:
    texts = ["red", "green red green", "", "blue blue"]
    for side in ("left", "right"):
        changes: dict[str, object] = {"padding_side": side, "pooling": "mean"}
        encoder = OnnxEncoder(write_model(tmp_path, small_graph(["position_ids"]), changes))
        together = encoder.encode_batch(texts)
        assert together == pytest.approx(np.stack([encoder.encode(text) for text in texts]), abs=1e-6)


def test_the_output_is_the_one_of_the_card(tmp_path: Path) -> None:
    graph = small_graph([], "token_embeddings")
    folder = write_model(tmp_path, graph, {"output": "token_embeddings", "pooling": "cls"})
    assert OnnxEncoder(folder).encode("green") == pytest.approx([0, 0, 1, 0])
    assert "has no output 'pooled', it gives token_embeddings" in complaint(
        write_model(tmp_path, graph, {"output": "pooled"})
    )
    assert "gives a vector for each token, though model.toml says that it pools" in complaint(
        write_model(tmp_path, graph, {"pooling": "in-graph"})
    )


def test_a_card_is_written_as_it_is_read(tmp_path: Path) -> None:
    folder = write_model(tmp_path, small_graph([]))
    card = replace(
        read_card(folder),
        query_prefix='Instruct: "find"\n\tQuery:\x7f \\ é 🦊',
        full_dims=8,
        truncations=(4,),
        cut="layer-norm",
        eos_token="blue",
        padding_side="left",
        output="last_hidden_state",
        probe=(0.25, -0.5),
    )
    (folder / "model.toml").write_text(card_text(card, {"licence": "MIT"}), encoding="utf-8")
    assert read_card(folder) == card


def test_attention_mask_is_ones(tmp_path: Path) -> None:
    encoder = OnnxEncoder(write_model(tmp_path, small_graph(["attention_mask"]), {"pooling": "cls"}))
    assert encoder.encode("green") == pytest.approx([0, 0, 0, 1])  # row 2 + 1


def test_prefixes_and_limits_are_those_of_the_card(tmp_path: Path) -> None:
    changes: dict[str, object] = {"document_prefix": "red ", "query_prefix": "green ", "pooling": "cls"}
    encoder = OnnxEncoder(write_model(tmp_path, small_graph([]), changes))
    assert encoder.encode("blue") == pytest.approx([0, 1, 0, 0])
    assert encoder.encode_query("blue") == pytest.approx([0, 0, 1, 0])
    long = OnnxEncoder(write_model(tmp_path, small_graph([]), {"pooling": "last"}))
    text = "red " * 7 + "green " + "blue " * 20
    assert long.encode(text) == pytest.approx([0, 0, 1, 0])
    assert long.encode_query(text) == pytest.approx([0, 0, 0, 1])


def test_a_text_without_tokens_has_a_vector(tmp_path: Path) -> None:
    encoder = OnnxEncoder(write_model(tmp_path, small_graph([])))
    assert np.linalg.norm(encoder.encode("")) == pytest.approx(1)


@pytest.mark.parametrize(
    "change",
    [
        {"pooling": "cls"},
        {"document_prefix": "d "},
        {"query_prefix": "q "},
        {"max_tokens": 9},
        {"eos_token": "blue"},
    ],
)
def test_fingerprint_changes_with_whatever_changes_vectors(tmp_path: Path, change: dict[str, object]) -> None:
    plain = write_model(tmp_path / "plain", small_graph([]))
    other = write_model(tmp_path / "other", small_graph([]), change)
    assert OnnxEncoder(plain).fingerprint != OnnxEncoder(other).fingerprint
    assert OnnxEncoder(plain).fingerprint == read_card(plain).fingerprint()


def test_fingerprint_changes_with_the_files_and_not_with_the_place(tmp_path: Path) -> None:
    here, there = (write_model(tmp_path / name, small_graph([])) for name in ("here", "there"))
    graph = write_model(tmp_path / "graph", small_graph(["token_type_ids"]))
    assert read_card(here).fingerprint() == read_card(there).fingerprint() != read_card(graph).fingerprint()


# ---------------------------------------------------------------- folders that hold no model
def complaint(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        OnnxEncoder(folder)
    text = str(caught.value)
    assert text.endswith((".", "'auto'.")) and "\n" not in text, text
    return text


def test_no_folder(tmp_path: Path) -> None:
    text = complaint(tmp_path / "nowhere")
    assert "There is no model folder" in text and "nowhere" in text


def test_folder_without_card(tmp_path: Path) -> None:
    assert "holds no model.toml" in complaint(tmp_path)


def test_card_that_is_not_toml(tmp_path: Path) -> None:
    (write_model(tmp_path, small_graph([])) / "model.toml").write_bytes(b"id = \xff")
    assert "model.toml cannot be read" in complaint(tmp_path)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"schema": 99}, "has schema 99, this program reads 1"),
        ({"dims": 0}, "lacks a usable value for dims"),
        ({"dims": "four"}, "lacks a usable value for dims"),
        ({"id": 7}, "lacks a usable value for id"),
        ({"pooling": "median"}, "asks for pooling 'median'"),
        ({"dims": 5}, "gives 4 numbers a text, model.toml says 5"),
        ({"kind": "picture"}, "asks for kind 'picture'"),
        ({"padding_side": "middle"}, "asks for padding_side 'middle'"),
        ({"truncations": "all"}, "lacks a usable value for truncations"),
        ({"probe": 3}, "lacks a usable value for probe"),
    ],
)
def test_card_with_wrong_facts(tmp_path: Path, changes: dict[str, object], expected: str) -> None:
    assert expected in complaint(write_model(tmp_path, small_graph([]), changes))


def test_card_without_a_fact(tmp_path: Path) -> None:
    card = write_model(tmp_path, small_graph([])) / "model.toml"
    card.write_text(card.read_text().replace("max_tokens = 8\n", ""))
    assert "lacks a usable value for 'max_tokens'" in complaint(tmp_path)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    (write_model(tmp_path, small_graph([])) / name).unlink()
    text = complaint(tmp_path)
    assert name in text and "cannot be read" in text and "Reinstall" in text


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_damaged_file(tmp_path: Path, name: str) -> None:
    with (write_model(tmp_path, small_graph([])) / name).open("ab") as file:
        file.write(b"\0")
    text = complaint(tmp_path)
    assert name in text and "damaged" in text and "Reinstall" in text


def test_a_file_that_is_no_graph(tmp_path: Path) -> None:
    assert "is not a graph that ONNX Runtime loads" in complaint(write_model(tmp_path, b"no graph"))


def test_a_file_that_is_no_tokenizer(tmp_path: Path) -> None:
    replace_tokenizer(write_model(tmp_path, small_graph([])), b"{}")
    assert "tokenizer.json is not a tokenizer" in complaint(tmp_path)


def test_a_graph_that_wants_something_else(tmp_path: Path) -> None:
    assert "wants inputs ['input_ids', 'pixels']" in complaint(write_model(tmp_path, small_graph(["pixels"])))


def test_a_graph_that_fails(tmp_path: Path) -> None:
    folder = write_model(tmp_path, small_graph(["position_ids"]), {"document_prefix": "blue " * 7})  # row 3 + 6 of 8
    assert "does not run here" in complaint(folder)


def test_weights_that_are_not_numbers(tmp_path: Path) -> None:
    folder = write_model(tmp_path, small_graph([], table=np.full((8, 4), np.nan)))
    assert "gives no usable vectors on this processor" in complaint(folder)


def test_weights_beside_the_graph_that_nobody_has_hashed(tmp_path: Path) -> None:
    folder = write_model(tmp_path, small_graph([]))
    (folder / "model_q4.onnx_data").write_bytes(b"any")
    assert "does not list model_q4.onnx_data" in complaint(folder)


def test_files_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", small_graph([]))
    with (folder / "model.toml").open("a", encoding="utf-8") as card:
        card.write(f'"../secret" = "{"0" * 64}"\n')
    assert "lacks a usable value for files: ../secret" in complaint(folder)


def test_a_reranker_is_no_encoder(tmp_path: Path) -> None:
    folder = write_model(tmp_path, small_graph([]), {"kind": "late-interaction"})
    with pytest.raises(ModelError, match="not a model that embeds"):
        load_encoder(folder)


def test_wrong_arithmetic_is_noticed(tmp_path: Path) -> None:
    rows = write_model(
        tmp_path / "right", small_graph([]), {"probe": [1.0, 0.0]}
    )  # the probe is 7 unknown words: row 0
    assert OnnxEncoder(rows).encode("red") == pytest.approx([0, 1, 0, 0])
    assert "gives wrong vectors" in complaint(write_model(tmp_path / "wrong", small_graph([]), {"probe": [0.3, 0.9]}))


# ---------------------------------------------------------------- the model that ships
def test_unit_vectors_of_the_promised_shape(encoder: OnnxEncoder) -> None:
    assert (encoder.dim, encoder.max_tokens) == (384, 128)
    assert len(encoder.fingerprint) == 16 and int(encoder.fingerprint, 16) >= 0
    for text in TEXTS:
        for vector in (encoder.encode(text), encoder.encode_query(text)):
            assert vector.shape == (384,) and vector.dtype == np.float32
            assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_same_text_same_vector_in_any_order_thread_and_encoder(encoder: OnnxEncoder) -> None:
    first = [encoder.encode(text) for text in TEXTS]
    texts = TEXTS * 6
    with ThreadPoolExecutor(4) as threads:
        crowd = list(threads.map(encoder.encode, reversed(texts)))[::-1]
    other = [OnnxEncoder(bundled_model()).encode(text) for text in TEXTS]
    for number, vector in enumerate(crowd):
        assert np.array_equal(vector, first[number % len(TEXTS)])
    assert all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_documents_end_at_128_tokens_and_questions_at_256(encoder: OnnxEncoder) -> None:
    start = "cat " * 126
    assert np.array_equal(encoder.encode(start + "dog " * 200), encoder.encode(start))
    assert not np.array_equal(encoder.encode_query(start + "dog " * 200), encoder.encode_query(start))
    start = "cat " * 254
    assert np.array_equal(encoder.encode_query(start + "dog " * 200), encoder.encode_query(start))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t\r\n\x0c" * 50_000,
        "a" * 100_000,
        "{" * 100_000,
        "中" * 100_000,
        "\0" * 100_000,
        "\ud800 half a pair \udfff" * 5_000,
        "🦊" * 25_000,
        "e" + "\u0301" * 100_000,
        "word " * 20_000,
    ],
    ids=["empty", "blank", "one word", "brackets", "han", "nul", "surrogates", "emoji", "combining", "words"],
)
def test_ugly_texts_are_quick_and_give_unit_vectors(encoder: OnnxEncoder, text: str) -> None:
    started = time.perf_counter()
    vectors = [encoder.encode(text), encoder.encode_query(text)]
    assert time.perf_counter() - started < 2  # some 30 ms; uncut, the tokenizer alone took 150
    for vector in vectors:
        assert np.isfinite(vector).all() and np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_characters_are_cut_after_the_tokens(encoder: OnnxEncoder) -> None:
    """On real source the cut in characters never decides which tokens are read."""
    tokenizer = Tokenizer.from_file(str(bundled_model() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(encoder.max_tokens)
    for path in sorted(Path(np.__file__).parent.rglob("*.py"))[::20]:
        text = path.read_text(encoding="utf-8").strip()
        cut = text[: encoder.max_tokens * CHARACTERS_PER_TOKEN]
        assert tokenizer.encode(cut).ids == tokenizer.encode(text).ids, path


def test_import_is_cheap() -> None:
    code = (
        "import sys, lsp_server.engine.encoder; print([m for m in ('onnxruntime', 'tokenizers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_nothing_is_printed() -> None:
    code = "from lsp_server.engine.encoder import *; OnnxEncoder(bundled_model()).encode('x')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("", "")
