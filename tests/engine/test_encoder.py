"""The encoder: what it promises of every model, and what it says of folders that hold none."""

import hashlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from lsp_server.engine.encoder import CHARACTERS_PER_TOKEN, ModelError, OnnxEncoder, bundled_model, read_card

TEXTS = [
    "def read_lines(path): return open(path).read().splitlines()",
    "upload the report again when the connection was lost",
    "x",
    "",
    "class Calendar:\n\tdef parse(self, text):\n\t\treturn datetime.fromisoformat(text)\n" * 40,
    "naïve café 中文 🦊 ﷽ \x0c form feed",
]
WORDS = {"[UNK]": 0, "red": 1, "green": 2, "blue": 3}


@pytest.fixture(scope="module")
def encoder() -> OnnxEncoder:
    return OnnxEncoder(bundled_model())


# ---------------------------------------------------------------- a small graph, for other kinds of model
def field(number: int, value: int | str | bytes) -> bytes:
    """One protobuf field; short messages only."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value: int) -> bytes:
    head, rest = value & 127, value >> 7
    return bytes([head | 128]) + varint(rest) if rest else bytes([head])


def node(operator: str, inputs: list[str], output: str) -> bytes:
    return field(1, b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, operator))


def tensor_info(name: str, kind: int, rank: int) -> bytes:
    shape = b"".join(field(1, field(2, f"{name}{axis}")) for axis in range(rank))
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, shape)))


def small_graph(extra_inputs: list[str], output: str = "last_hidden_state") -> bytes:
    """One vector per token: row (input_ids + the extra inputs) of an 8 x 4 table."""
    table = np.vstack([np.eye(4), np.eye(4)]).astype(np.float32)
    body, sums = b"", "input_ids"
    for name in extra_inputs:
        body += node("Add", [sums, name], f"{sums}+{name}")
        sums = f"{sums}+{name}"
    body += node("Gather", ["table", sums], output) + field(2, "small")
    body += field(5, field(1, 8) + field(1, 4) + field(2, 1) + field(8, "table") + field(9, table.tobytes()))
    body += b"".join(field(11, tensor_info(name, 7, 2)) for name in ["input_ids", *extra_inputs])
    body += field(12, tensor_info(output, 1, 3))
    return field(1, 8) + field(7, body) + field(8, field(2, 17))


def write_model(folder: Path, graph: bytes, changes: dict[str, object] | None = None) -> Path:
    tokenizer = Tokenizer(WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    files = {"model.onnx": graph, "tokenizer.json": tokenizer.to_str().encode()}
    facts: dict[str, object] = {
        "schema": 1,
        "id": "small",
        "dims": 4,
        "pooling": "mean",
        "max_tokens": 8,
        "max_query_tokens": 16,
        "document_prefix": "",
        "query_prefix": "",
    } | (changes or {})
    card = "".join(f"{key} = {value!r}\n" for key, value in facts.items()) + "[files]\n"
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
        card += f'"{name}" = "{hashlib.sha256(data).hexdigest()}"\n'
    (folder / "model.toml").write_text(card, encoding="utf-8")
    return folder


def replace_tokenizer(folder: Path, data: bytes) -> None:
    (folder / "tokenizer.json").write_bytes(data)
    card = (folder / "model.toml").read_text(encoding="utf-8").rsplit("=", 1)[0]
    (folder / "model.toml").write_text(f'{card}= "{hashlib.sha256(data).hexdigest()}"\n', encoding="utf-8")


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
