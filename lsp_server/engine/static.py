"""Static: a table of word vectors as a model; a text's vector is the mean of its tokens' rows.

Takes a folder with model.safetensors, tokenizer.json and model.toml, in the layout of model2vec: the tensor
`embeddings` [rows, dims], and where the rows are fewer than the tokens `mapping` [tokens], and `weights` [tokens].
Needs numpy and no ONNX Runtime.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lsp_server.engine.card import REINSTALL, TABLE, TOKENIZER, ModelError, brief, check_files, read_card
from lsp_server.engine.pooling import cut, unit
from lsp_server.engine.tokens import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

# Of the format's types those that numpy has, and such tables use.
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I8": "|i1"}


class StaticEncoder:
    """A table of word vectors. Raises ModelError if the folder does not hold one."""

    def __init__(self, folder: Path) -> None:
        started = time.perf_counter()
        self.card = read_card(folder)
        self.fingerprint = self.card.fingerprint()
        self.dim = self.card.dims
        self.max_tokens = self.card.max_tokens
        check_files(folder, self.card)
        self._tokenizer = Tokenizer(folder, self.card)
        self._path = folder / TABLE
        self._rows, self._mapping, self._weights = _read_table(self._path, self.card.graph_dims)
        by_token = (self._mapping if self._mapping.size else self._rows, self._weights)
        self._tokens = min(len(part) for part in by_token if part.size)  # that it has vectors for
        log.info("Loaded table %s in %.0f ms", self.card.id, 1000 * (time.perf_counter() - started))

    def encode(self, text: str) -> NDArray[np.float32]:
        """Embed a document: float32 [dim], unit length. Thread-safe."""
        return self._embed(self.card.document_prefix + text)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed a question: float32 [dim], unit length. Thread-safe."""
        return self._embed(self.card.query_prefix + text)

    def encode_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed documents: float32 [texts, dim]."""
        return np.stack([self.encode(text) for text in texts])

    def _embed(self, text: str) -> NDArray[np.float32]:
        ids = np.array(self._tokenizer.plain(text) or [0])  # an empty text has a vector, too
        if ids.max() >= self._tokens:
            raise ModelError(
                f"{self._path} has vectors for {self._tokens:,} tokens, and its {TOKENIZER} gives more. {REINSTALL}"
            )
        rows = self._rows[self._mapping[ids] if self._mapping.size else ids].astype(np.float32)
        if self._weights.size:
            rows = rows * self._weights[ids][:, np.newaxis]
        mean = rows.mean(axis=0, keepdims=True)
        vector: NDArray[np.float32] = unit(cut(mean, self.dim, self.card.cut))[0]
        return vector


def _read_table(path: Path, dims: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Return rows [n, dims], and mapping and weights [tokens], both empty where the file has none."""
    try:
        tensors = _read_safetensors(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is not a table of vectors ({brief(error)}). {REINSTALL}") from error
    rows = tensors.get("embeddings")
    if rows is None or rows.ndim != 2:
        held = ", ".join(sorted(tensors)) or "nothing"
        raise ModelError(f"{path} holds {held} and no table 'embeddings'. Choose another model.")
    if rows.shape[1] != dims:
        raise ModelError(f"{path} gives {rows.shape[1]} numbers a text, model.toml says {dims}. {REINSTALL}")
    if not np.isfinite(rows).all():
        raise ModelError(f"{path} gives no usable vectors: not all its numbers are finite. Choose another model.")
    mapping = np.asarray(tensors.get("mapping", []), dtype=np.int64)
    weights = np.asarray(tensors.get("weights", []), dtype=np.float32)
    if mapping.size and (mapping.min() < 0 or mapping.max() >= len(rows)):
        raise ModelError(f"{path} maps tokens to rows that it does not have. {REINSTALL}")
    return rows, mapping, weights


def _read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Map a file's tensors into memory: the length of a JSON header (8 bytes), the header, the numbers.

    A page of format (github.com/huggingface/safetensors#format) in ten lines, which saves every user a library that
    one kind of model needs. Raises OSError, ValueError, KeyError, TypeError or AttributeError if it is another file.
    """
    data = np.memmap(path, mode="r")
    start = 8 + int.from_bytes(data[:8].tobytes(), "little")
    tensors = {}
    for name, about in json.loads(data[8:start].tobytes()).items():
        if name != "__metadata__":
            first, last = about["data_offsets"]
            numbers = data[start + first : start + last].view(TYPES[about["dtype"]])
            tensors[name] = numbers.reshape(about["shape"])
    return tensors
