"""Small models for tests: real ONNX graphs of a table and a sum, written byte by byte; a tokenizer of four words."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from lsp_server.engine.card import card_text, read_card
from lsp_server.engine.encoder import bundled_model

WORDS = {"[UNK]": 0, "red": 1, "green": 2, "blue": 3}


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


def small_graph(
    extra_inputs: list[str],
    output: str = "last_hidden_state",
    width: int = 4,
    table: NDArray[np.float64] | None = None,
    less: str = "",
) -> bytes:
    """One vector per token: row (input_ids + the extra inputs) of a table, by default 8 x `width`.

    `less` names a reduction over the whole batch that is subtracted.
    """
    values = np.vstack([np.eye(4, width), np.eye(4, width)]) if table is None else table
    values = values.astype(np.float32)
    body, sums = b"", "input_ids"
    for name in extra_inputs:
        body += node("Add", [sums, name], f"{sums}+{name}")
        sums = f"{sums}+{name}"
    if less:
        body += node("Gather", ["table", sums], "rows") + node(less, ["rows"], "reduced")
        body += node("Sub", ["rows", "reduced"], output)
    else:
        body += node("Gather", ["table", sums], output)
    body += field(2, "small")
    shape = field(1, values.shape[0]) + field(1, values.shape[1])
    body += field(5, shape + field(2, 1) + field(8, "table") + field(9, values.tobytes()))
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


HIDDEN = "LayerNormalization_287_0"  # in the bundled graph: a vector for each token, before they are pooled


def token_vectors(width: int) -> bytes:
    """The bundled graph with `width` numbers for each token as another output: a random projection keeps angles."""
    matrix = np.random.default_rng(7).standard_normal((384, width)).astype(np.float32)
    shape = field(1, 384) + field(1, width)
    more = node("MatMul", [HIDDEN, "projection"], "tokens")
    more += field(5, shape + field(2, 1) + field(8, "projection") + field(9, matrix.tobytes()))
    more += field(12, tensor_info("tokens", 1, 3))
    # Messages of a protobuf that stand one behind the other are merged.
    return (bundled_model() / "model.onnx").read_bytes() + field(7, more)


def bundled_reranker(folder: Path) -> Path:
    """The bundled model as one of late interaction: its tokens' vectors, which were trained to be pooled."""
    source = bundled_model()
    graph = (source / "model.onnx").read_bytes() + field(7, field(12, tensor_info(HIDDEN, 1, 3)))
    files = {"model.onnx": graph, "tokenizer.json": (source / "tokenizer.json").read_bytes()}
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    card = replace(
        read_card(source),
        id="bundled-tokens",
        kind="late-interaction",
        pooling="mean",
        output=HIDDEN,
        max_query_tokens=48,
        skipped_tokens=tuple(".,:;(){}[]"),
        probe=(),
        digests={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    )
    (folder / "model.toml").write_text(card_text(card, {}), encoding="utf-8")
    return folder


TYPES = {"float16": "F16", "float32": "F32", "int64": "I64", "float64": "F64", "int8": "I8"}


def safetensors(tensors: dict[str, NDArray[np.generic]]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "np"}}
    data = b""
    for name, tensor in tensors.items():
        offsets = [len(data), len(data) + tensor.nbytes]
        header[name] = {"dtype": TYPES[tensor.dtype.name], "shape": list(tensor.shape), "data_offsets": offsets}
        data += tensor.tobytes()
    head = json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + data
