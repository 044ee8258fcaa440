"""Encoder: a text becomes a unit vector, so that texts of like meaning lie close together.

Takes a model's folder (weights, tokenizer.json, model.toml), gives a float32 vector of length 1 for a text. One text at
a time: 8-bit activations share one scale over a batch, so a vector would depend on its neighbours (cosine .994), while
batches bring no speed on a CPU (136 against 138 texts a second). Several threads may call at once. Nothing is
downloaded, chosen or cached here, and what needs no model starts fast: libraries are imported when one is loaded.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lsp_server.engine.card import (
    CARD,
    CHARACTERS_PER_TOKEN,
    EMBEDDERS,
    ENDPOINT,
    GRAPH,
    PROBE,
    REINSTALL,
    TOKENIZER,
    Card,
    ModelError,
    brief,
    check_files,
    read_card,
)
from lsp_server.engine.devices import CPU
from lsp_server.engine.endpoint import EndpointEncoder, open_endpoint
from lsp_server.engine.graph import Graph
from lsp_server.engine.pooling import cut, pool, unit
from lsp_server.engine.static import StaticEncoder
from lsp_server.engine.tokens import Tokenizer, Tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "CARD",
    "CHARACTERS_PER_TOKEN",
    "GRAPH",
    "PROBE",
    "TOKENIZER",
    "Card",
    "Encoder",
    "EndpointEncoder",
    "ModelError",
    "OnnxEncoder",
    "StaticEncoder",
    "bundled_model",
    "load_encoder",
    "read_card",
]

log = logging.getLogger(__name__)

BUNDLED = "minilm-l6"
# Cosine to what the probe's vector should be: above .98 where arithmetic is right (8 bits, x86 and arm64), about
# 0 on an emulated processor whose matrix unit was wrong.
PROBE_LEAST = 0.9


class Encoder(Protocol):
    """Whatever turns texts into unit vectors."""

    @property
    def fingerprint(self) -> str:
        """Short hex: two encoders with the same one give the same vectors."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def max_tokens(self) -> int:
        """How many tokens of a document are read."""

    def encode(self, text: str) -> NDArray[np.float32]:
        """Embed a document: float32 [dim], unit length. Any text will do, an empty one too."""

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed a question: float32 [dim], unit length, comparable with documents by dot product."""


class OnnxEncoder:
    """An ONNX graph, on the CPU unless another device is given.

    Raises ModelError if the folder does not hold a model that works here; DeviceError if the device is why.
    `threads` are those that work on one text; leave it at 1 when several texts are encoded at once.
    """

    def __init__(self, folder: Path, threads: int = 1, device: str = CPU) -> None:
        started = time.perf_counter()
        self.card = read_card(folder)
        if self.card.kind != "graph":
            raise ModelError(f"{folder} holds a model of kind '{self.card.kind}', which does not embed texts so.")
        self.fingerprint = self.card.fingerprint()
        self.dim = self.card.dims
        self.max_tokens = self.card.max_tokens
        check_files(folder, self.card)
        self._tokenizer = Tokenizer(folder, self.card)
        self._graph = Graph(folder, self.card, threads, device)
        self._probe(folder)
        log.info("Loaded model %s in %.0f ms", self.card.id, 1000 * (time.perf_counter() - started))

    @property
    def device(self) -> str:
        """What the graph really runs on now, as in the setting `device`."""
        return self._graph.device

    def encode(self, text: str) -> NDArray[np.float32]:
        """Embed a document: float32 [dim], unit length. Thread-safe."""
        vector: NDArray[np.float32] = self._embed([self._tokenizer.document(text)])[0]
        return vector

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed a question: float32 [dim], unit length. Thread-safe."""
        vector: NDArray[np.float32] = self._embed([self._tokenizer.query(text)])[0]
        return vector

    def encode_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed documents together: float32 [texts, dim]. For devices that gain by it; see above what it costs."""
        return self._embed([self._tokenizer.document(text) for text in texts])

    def _embed(self, rows: Sequence[Tokens]) -> NDArray[np.float32]:
        try:
            return self._pooled(*self._graph.run(rows))
        except ModelError:
            raise
        except Exception as error:  # whatever the runtime raises, the model is unusable
            tokens = max(len(row.ids) for row in rows)
            raise ModelError(
                f"{self._graph.path} does not run here on a text of {tokens} tokens ({brief(error)}). Choose another "
                f"model, or correct max_tokens in {CARD}."
            ) from error

    def _pooled(self, vectors: NDArray[np.float32], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        if vectors.ndim == 3:  # [texts, tokens, dim]: the graph left the pooling to us
            if self.card.pooling == "in-graph":
                raise ModelError(
                    f"{self._graph.path} gives a vector for each token, though {CARD} says that it pools. "
                    "Correct pooling or output."
                )
            vectors = pool(vectors, mask, self.card.pooling)
        if vectors.ndim != 2 or vectors.shape[1] != self.card.graph_dims:
            raise ModelError(
                f"{self._graph.path} gives {vectors.shape[-1]} numbers a text, {CARD} says {self.card.graph_dims}. "
                f"{REINSTALL}"
            )
        return unit(cut(vectors, self.dim, self.card.cut))

    def _probe(self, folder: Path) -> None:
        """Encode one text: a graph that loads may still be the wrong one, fail, or be miscalculated here."""
        path = folder / GRAPH
        vector = self.encode(PROBE)
        if not np.isfinite(vector).all() or abs(float(np.linalg.norm(vector)) - 1) > 1e-3:
            raise ModelError(f"{path} gives no usable vectors on this processor. Choose another model.")
        expected = np.array(self.card.probe, dtype=np.float32)
        found = vector[: expected.size]
        if expected.size and found @ expected < PROBE_LEAST * np.linalg.norm(found) * np.linalg.norm(expected):
            raise ModelError(f"{path} gives wrong vectors on this processor. Choose another model, and tell us of it.")


def load_encoder(folder: Path, threads: int = 1, device: str = CPU) -> OnnxEncoder | StaticEncoder | EndpointEncoder:
    """Load whatever model the folder holds. Raises ModelError."""
    kind = read_card(folder).kind
    if kind == ENDPOINT:
        return open_endpoint(folder)
    if kind not in EMBEDDERS:
        raise ModelError(f"{folder} holds a reranker ({kind}), not a model that embeds. Correct the model setting.")
    return StaticEncoder(folder) if kind == "static" else OnnxEncoder(folder, threads, device)


def bundled_model() -> Path:
    """Find the folder of the model that comes with the program. Raises ModelError if the installation lacks it."""
    package = Path(__file__).resolve().parents[1]
    for home in (package, package.parent):  # in a wheel; in a checkout
        if (home / "models" / BUNDLED / CARD).is_file():
            return home / "models" / BUNDLED
    raise ModelError(f"The model {BUNDLED} is missing from {package}. Reinstall meaning-ls.")
