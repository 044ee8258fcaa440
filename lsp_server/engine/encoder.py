"""Encoder: a text becomes a unit vector, so that texts of like meaning lie close together.

Takes a model's folder (model.onnx, tokenizer.json, model.toml), gives a float32 vector of length 1 for a text.
One text, never a batch: 8-bit activations share one scale over a batch, so a vector would depend on its neighbours
(cosine .994), while batches bring no speed on a CPU (136 against 138 texts a second). Several threads may call at once.
Nothing is downloaded, chosen or cached here. ONNX Runtime and the tokenizer are imported when an encoder is made, not
before: commands that need no model start fast.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lsp_server.engine.errors import EngineError

if TYPE_CHECKING:
    import onnxruntime
    import tokenizers
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

BUNDLED = "minilm-l6"
SCHEMA = 1  # of model.toml
GRAPH, TOKENIZER, CARD = "model.onnx", "tokenizer.json", "model.toml"
POOLINGS = ("mean", "cls", "last")
REINSTALL = "Reinstall meaning-ls, or fetch the model again."
# A tokenizer reads all that it is given before it truncates: 100 KB of code take 50 ms, 100 KB of brackets 80 ms. Of
# 7,500 pieces of Python none had more than 5.8 characters a token over its first 128 (half of them 3.4 or more): what
# is cut off here would have been cut off anyway.
CHARACTERS_PER_TOKEN = 10
# Half of a UTF-16 pair, as found in broken files: Rust, and so the tokenizer, cannot hold it in a string.
SURROGATES = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
PROBE = "Reads a file and returns its lines."  # encoded on loading
# Cosine to what the probe's vector should be: above .98 where arithmetic is right (8 bits, x86 and arm64), about
# 0 on an emulated processor whose matrix unit was wrong.
PROBE_LEAST = 0.9


class ModelError(EngineError):
    """A model that cannot be used; the text is a sentence for the user, with the file and what to do."""


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


@dataclass(frozen=True, slots=True)
class Card:
    """What model.toml says."""

    id: str
    dims: int
    pooling: str  # of POOLINGS; used when the graph gives one vector per token
    max_tokens: int  # of a document
    max_query_tokens: int
    document_prefix: str
    query_prefix: str
    digests: dict[str, str]  # file name -> SHA-256, hex
    probe: tuple[float, ...]  # how the vector of PROBE begins in float32; empty when nobody could compute it

    def fingerprint(self) -> str:
        """16 hex digits over everything that decides a document's or a question's vector."""
        parts = (self.digests[GRAPH], self.digests[TOKENIZER], self.pooling, self.document_prefix, self.query_prefix)
        numbers = (SCHEMA, self.dims, self.max_tokens, self.max_query_tokens, CHARACTERS_PER_TOKEN)
        return hashlib.sha256(repr((parts, numbers)).encode()).hexdigest()[:16]


class OnnxEncoder:
    """An ONNX graph on the CPU. Raises ModelError if the folder does not hold a model that works here.

    One session serves all threads: as fast as a session for each of them, and the weights are in memory once.
    `threads` are those that work on one text; leave it at 1 when several texts are encoded at once.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        started = time.perf_counter()
        self.card = read_card(folder)
        self.fingerprint = self.card.fingerprint()
        self.dim = self.card.dims
        self.max_tokens = self.card.max_tokens
        for name, digest in self.card.digests.items():
            _check_digest(folder / name, digest)
        self._tokenizer = _load_tokenizer(folder / TOKENIZER)
        self._specials = self._tokenizer.num_special_tokens_to_add(False)
        self._session = _load_session(folder / GRAPH, threads)
        self._inputs = _check_inputs(self._session, folder / GRAPH)
        self._output = _choose_output(self._session)
        self._probe(folder)
        log.info("Loaded model %s in %.0f ms", self.card.id, 1000 * (time.perf_counter() - started))

    def encode(self, text: str) -> NDArray[np.float32]:
        """Embed a document: float32 [dim], unit length. Thread-safe."""
        return self._embed(self.card.document_prefix + text, self.card.max_tokens)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed a question: float32 [dim], unit length. Thread-safe."""
        return self._embed(self.card.query_prefix + text, self.card.max_query_tokens)

    def _embed(self, text: str, max_tokens: int) -> NDArray[np.float32]:
        ids = self._tokens(text, max_tokens)
        output = self._session.run([self._output], _feeds(self._inputs, ids))[0]
        vector = np.asarray(output[0], dtype=np.float32)
        if vector.ndim == 2:  # [tokens, dim]: the graph left the pooling to us
            vector = _pool(vector, self.card.pooling)
        length = np.linalg.norm(vector)
        return vector / length if length > 0 else vector

    def _tokens(self, text: str, max_tokens: int) -> NDArray[np.int64]:
        """Token ids, int64 [1, tokens]. Padding and truncation that the tokenizer's own file asks for are not used."""
        text = SURROGATES.sub(REPLACEMENT, text.strip()[: max_tokens * CHARACTERS_PER_TOKEN])
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        encoding.truncate(max_tokens - self._specials)
        ids = self._tokenizer.post_process(encoding).ids
        return np.array([ids or [0]], dtype=np.int64)  # a graph wants at least one token, even of an empty text

    def _probe(self, folder: Path) -> None:
        """Encode one text: a graph that loads may still be the wrong one, fail, or be miscalculated here."""
        path = folder / GRAPH
        try:
            vector = self.encode(PROBE)
        except Exception as error:  # whatever the runtime raises, the model is unusable
            raise ModelError(f"{path} does not run here ({_brief(error)}). {REINSTALL}") from error
        if vector.shape != (self.dim,):
            raise ModelError(f"{path} gives {vector.size} numbers a text, {CARD} says {self.dim}. {REINSTALL}")
        if not np.isfinite(vector).all() or abs(float(np.linalg.norm(vector)) - 1) > 1e-3:
            raise ModelError(f"{path} gives no usable vectors on this processor. Choose another model.")
        expected = np.array(self.card.probe, dtype=np.float32)
        found = vector[: expected.size]
        if expected.size and found @ expected < PROBE_LEAST * np.linalg.norm(found) * np.linalg.norm(expected):
            raise ModelError(f"{path} gives wrong vectors on this processor. Choose another model, and tell us of it.")


def bundled_model() -> Path:
    """Find the folder of the model that comes with the program. Raises ModelError if the installation lacks it."""
    package = Path(__file__).resolve().parents[1]
    for home in (package, package.parent):  # in a wheel; in a checkout
        if (home / "models" / BUNDLED / CARD).is_file():
            return home / "models" / BUNDLED
    raise ModelError(f"The model {BUNDLED} is missing from {package}. Reinstall meaning-ls.")


def read_card(folder: Path) -> Card:
    """Read model.toml. Raises ModelError if it is missing, cannot be read or lacks a fact."""
    path = folder / CARD
    if not folder.is_dir():
        raise ModelError(f"There is no model folder {folder}. Correct the model setting, or leave it at 'auto'.")
    if not path.is_file():
        raise ModelError(f"{folder} holds no {CARD}, so it is not a model of meaning-ls. Correct the model setting.")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({_brief(error)}). {REINSTALL}") from error
    if table.get("schema") != SCHEMA:
        raise ModelError(f"{path} has schema {table.get('schema')}, this program reads {SCHEMA}. Update meaning-ls.")
    try:
        card = Card(
            id=_text(table, "id"),
            dims=_count(table, "dims"),
            pooling=_text(table, "pooling"),
            max_tokens=_count(table, "max_tokens"),
            max_query_tokens=_count(table, "max_query_tokens"),
            document_prefix=_text(table, "document_prefix"),
            query_prefix=_text(table, "query_prefix"),
            digests={name: _text(table["files"], name) for name in (GRAPH, TOKENIZER)},
            probe=tuple(float(number) for number in table.get("probe", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} lacks a usable value for {_brief(error)}. {REINSTALL}") from error
    if card.pooling not in POOLINGS:
        raise ModelError(
            f"{path} asks for pooling '{card.pooling}'; known are {', '.join(POOLINGS)}. Update meaning-ls."
        )
    return card


def _text(table: dict[str, object], key: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        raise TypeError(key)
    return value


def _count(table: dict[str, object], key: str) -> int:
    value = table[key]
    if not isinstance(value, int) or value < 4:  # fewer dimensions or tokens than that is a mistake
        raise ValueError(key)
    return value


def _check_digest(path: Path, digest: str) -> None:
    """Hash a file (23 MB: 15 ms), so that a cut or mixed-up one is told now and not by odd answers."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}). {REINSTALL}") from error
    if found != digest:
        raise ModelError(f"{path} is damaged or not the file that {CARD} describes (SHA-256 differs). {REINSTALL}")


def _load_tokenizer(path: Path) -> tokenizers.Tokenizer:
    try:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(path))
    except ImportError as error:
        raise ModelError(f"The package tokenizers cannot be loaded ({_brief(error)}). Install it again.") from error
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"{path} is not a tokenizer ({_brief(error)}). {REINSTALL}") from error
    tokenizer.no_padding()  # MiniLM's file pads every text to 128 tokens
    tokenizer.no_truncation()
    return tokenizer


def _load_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    try:
        import onnxruntime
    except ImportError as error:
        hint = "Install onnxruntime again; on Windows it needs the Visual C++ runtime"
        raise ModelError(f"ONNX Runtime cannot be loaded ({_brief(error)}). {hint}.") from error
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3  # errors: warnings about optimisation help nobody on an editor's stderr
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads must not burn a battery
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions share no public base
        raise ModelError(f"{path} is not a graph that ONNX Runtime loads ({_brief(error)}). {REINSTALL}") from error


def _check_inputs(session: onnxruntime.InferenceSession, path: Path) -> frozenset[str]:
    known = {"input_ids", "attention_mask", "token_type_ids", "position_ids"}
    names = frozenset(node.name for node in session.get_inputs())
    if "input_ids" not in names or not names <= known:
        raise ModelError(
            f"{path} wants inputs {sorted(names)}; this program feeds {sorted(known)}. Choose another model."
        )
    return names


def _choose_output(session: onnxruntime.InferenceSession) -> str:
    """Prefer the pooled vector; else the first output, which by convention is one vector per token."""
    names = [node.name for node in session.get_outputs()]
    return "sentence_embedding" if "sentence_embedding" in names else str(names[0])


def _feeds(inputs: frozenset[str], ids: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Give the graph what it asks for, of one text without padding."""
    feeds = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
        "position_ids": np.arange(ids.size, dtype=np.int64)[np.newaxis],
    }
    return {name: feeds[name] for name in inputs}


def _pool(vectors: NDArray[np.float32], pooling: str) -> NDArray[np.float32]:
    """One vector [dim] from one per token [tokens, dim]; there is no padding to leave out."""
    if pooling == "mean":
        return np.asarray(vectors.mean(axis=0), dtype=np.float32)
    chosen: NDArray[np.float32] = vectors[0 if pooling == "cls" else -1]
    return chosen


def _brief(error: Exception) -> str:
    """Take the first line of an error, short enough for a message box."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160]
