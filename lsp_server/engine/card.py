"""Card: what a model's folder says of itself in model.toml.

Takes a folder, gives a `Card` or one sentence (ModelError) that says what is wrong with the folder; writes such a file
too. Reads no weights and needs no library: a program that only wants a model's fingerprint starts fast.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lsp_server.engine.errors import EngineError

SCHEMA = 1  # of model.toml
GRAPH, TABLE, TOKENIZER, CARD = "model.onnx", "model.safetensors", "tokenizer.json", "model.toml"
WEIGHTS = {"graph": GRAPH, "static": TABLE, "late-interaction": GRAPH, "cross-encoder": GRAPH}  # by kind
ENDPOINT = "endpoint"  # a kind without files: a server that embeds
EMBEDDERS = ("graph", "static")
RERANKERS = ("late-interaction", "cross-encoder")  # compare a question with documents
POOLINGS = ("mean", "cls", "last", "in-graph")
POOLED = "sentence_embedding"  # the output of a graph that pools, by convention; taken when it is there
CUTS = ("plain", "layer-norm")
SIDES = ("left", "right")
REINSTALL = "Reinstall meaning-ls, or fetch the model again."
# A tokenizer reads all that it is given before it truncates: 100 KB of code take 50 ms, 100 KB of brackets 80 ms. Of
# 7,500 pieces of Python none had more than 5.8 characters a token over its first 128 (half of them 3.4 or more): what
# is cut off here would have been cut off anyway.
CHARACTERS_PER_TOKEN = 10


PROBE = "Reads a file and returns its lines."  # encoded on loading: a model that loads may still calculate wrongly


class ModelError(EngineError):
    """A model that cannot be used; the text is a sentence for the user, with the file and what to do."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that embeds, as OpenAI's `/v1/embeddings`."""

    url: str  # that texts are posted to
    model: str  # as the server calls it
    key_variable: str = ""  # the environment variable that holds the key; the key itself is written nowhere
    batch: int = 32  # texts in one request


@dataclass(frozen=True, slots=True)
class Card:
    """What model.toml says."""

    id: str
    dims: int  # of the vectors that come out
    pooling: str  # of POOLINGS; used when the graph gives one vector per token
    max_tokens: int  # of a document
    max_query_tokens: int
    document_prefix: str
    query_prefix: str
    digests: Mapping[str, str]  # file name -> SHA-256, hex
    probe: tuple[float, ...] = ()  # how the vector of PROBE begins in float32; empty when nobody could compute it
    kind: str = "graph"  # of WEIGHTS, or ENDPOINT
    full_dims: int = 0  # of the vectors that the graph gives, where `dims` cuts them (Matryoshka); 0: the same
    truncations: tuple[int, ...] = ()  # to which the vendor allows to cut
    cut: str = "plain"  # of CUTS: what happens before the cut
    eos_token: str = ""  # has to end every text: appended where the tokenizer's own rules do not
    padding_side: str = "right"  # of SIDES; only texts that are encoded together are padded
    output: str = ""  # of the graph; "": the pooled vector if there is one, else one per token
    expansion_token: str = ""  # late interaction: what a question is filled up with
    skipped_tokens: tuple[str, ...] = ()  # late interaction: those of a document that count for nothing
    lower_case: bool = False  # texts are made so before the tokenizer reads them
    endpoint: Endpoint | None = None

    @property
    def graph_dims(self) -> int:
        """Length of the vectors that the model itself gives."""
        return self.full_dims or self.dims

    @property
    def cuts(self) -> tuple[int, ...]:
        """Lengths to which a vector that was made may be cut as it is."""
        return tuple(cut for cut in self.truncations if cut < self.dims) if self.cut == "plain" else ()

    def fingerprint(self) -> str:
        """16 hex digits over everything that decides a document's or a question's vector."""
        if self.endpoint is not None:
            served = (self.endpoint.url, self.endpoint.model, self.dims, self.document_prefix, self.query_prefix)
            return hashlib.sha256(repr((SCHEMA, ENDPOINT, served, self.probe)).encode()).hexdigest()[:16]
        weights = WEIGHTS[self.kind]
        parts = (self.digests[weights], self.digests[TOKENIZER], self.pooling, self.document_prefix, self.query_prefix)
        numbers = (SCHEMA, self.dims, self.max_tokens, self.max_query_tokens, CHARACTERS_PER_TOKEN)
        data = sorted((name, digest) for name, digest in self.digests.items() if name not in (weights, TOKENIZER))
        # What few models have is left out where it is absent: an index made before it existed stays valid.
        output = "" if self.output == POOLED else self.output
        rare = (self.full_dims, self.cut, self.eos_token, output, self.expansion_token, data)
        common = rare == (0, "plain", "", "", "", data) and not data
        recipe: tuple[object, ...] = (parts, numbers) if common else (parts, numbers, rare)
        if self.skipped_tokens or self.lower_case:
            recipe += ((self.skipped_tokens, self.lower_case),)
        return hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]


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
        raise ModelError(f"{path} cannot be read ({brief(error)}). {REINSTALL}") from error
    if table.get("schema") != SCHEMA:
        raise ModelError(f"{path} has schema {table.get('schema')}, this program reads {SCHEMA}. Update meaning-ls.")
    try:
        card = _card(table)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} lacks a usable value for {brief(error)}. {REINSTALL}") from error
    for name, value, known in (
        ("kind", card.kind, (*WEIGHTS, ENDPOINT)),
        ("pooling", card.pooling, POOLINGS),
        ("cut", card.cut, CUTS),
        ("padding_side", card.padding_side, SIDES),
    ):
        if value not in known:
            raise ModelError(f"{path} asks for {name} '{value}'; known are {', '.join(known)}. Update meaning-ls.")
    if card.dims not in (card.graph_dims, *card.truncations):
        allowed = ", ".join(map(str, (card.graph_dims, *card.truncations)))
        raise ModelError(f"{path} cuts vectors to {card.dims} numbers; this model allows {allowed}. Correct dims.")
    return card


def _card(table: Mapping[str, object]) -> Card:
    """Make a card. Raises KeyError, TypeError or ValueError with the name of the fact that is missing or no good."""
    kind = _text(table, "kind", "graph")
    files = table.get("files", {}) if kind == ENDPOINT else table["files"]
    if not isinstance(files, dict):
        raise TypeError("files")
    names = dict.fromkeys(files if kind == ENDPOINT else (WEIGHTS.get(kind, GRAPH), TOKENIZER, *files))
    for name in names:
        if name != Path(name).name or name in ("", ".."):
            raise ValueError(f"files: {name}")
    cuts = table.get("truncations", [])
    if not isinstance(cuts, list) or not all(type(cut) is int for cut in cuts):
        raise TypeError("truncations")
    skipped = table.get("skipped_tokens", [])
    if not isinstance(skipped, list) or not all(isinstance(token, str) for token in skipped):
        raise TypeError("skipped_tokens")
    lower_case = table.get("lower_case", False)
    if not isinstance(lower_case, bool):
        raise TypeError("lower_case")
    probe = table.get("probe", [])
    if not isinstance(probe, list):
        raise TypeError("probe")
    return Card(
        id=_text(table, "id"),
        dims=1 if kind == "cross-encoder" else _count(table, "dims"),
        pooling=_text(table, "pooling"),
        max_tokens=_count(table, "max_tokens"),
        max_query_tokens=_count(table, "max_query_tokens"),
        document_prefix=_text(table, "document_prefix"),
        query_prefix=_text(table, "query_prefix"),
        digests={name: _text(files, name) for name in names},
        probe=tuple(float(number) for number in probe),
        kind=kind,
        full_dims=_count(table, "full_dims") if "full_dims" in table else 0,
        truncations=tuple(cuts),
        cut=_text(table, "cut", "plain"),
        eos_token=_text(table, "eos_token", ""),
        padding_side=_text(table, "padding_side", "right"),
        output=_text(table, "output", ""),
        expansion_token=_text(table, "expansion_token", ""),
        skipped_tokens=tuple(skipped),
        lower_case=lower_case,
        endpoint=_endpoint(table) if kind == ENDPOINT else None,
    )


def _endpoint(table: Mapping[str, object]) -> Endpoint:
    batch = table.get("batch", 32)
    if type(batch) is not int or batch < 1:
        raise ValueError("batch")
    return Endpoint(_text(table, "url"), _text(table, "served_model"), _text(table, "key_variable", ""), batch)


def _text(table: Mapping[str, object], key: str, absent: str | None = None) -> str:
    value = table[key] if absent is None else table.get(key, absent)
    if not isinstance(value, str):
        raise TypeError(key)
    return value


def _count(table: Mapping[str, object], key: str) -> int:
    value = table[key]
    if type(value) is not int or value < 4:  # fewer dimensions or tokens than that is a mistake
        raise ValueError(key)
    return value


def check_files(folder: Path, card: Card) -> None:
    """Hash all files of a model (23 MB: 15 ms), so that a cut or mixed-up one is told now and not by odd answers."""
    for name, digest in card.digests.items():
        path = folder / name
        if file_digest(path) != digest:
            raise ModelError(f"{path} is damaged or not the file that {CARD} describes (SHA-256 differs). {REINSTALL}")
    # A graph may read its weights from files beside it; those that nobody has hashed could be any.
    for path in sorted(folder.glob("*.onnx?data*")):
        if path.name not in card.digests:
            raise ModelError(f"{CARD} in {folder} does not list {path.name}, which the graph reads. {REINSTALL}")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, hex. Raises ModelError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}). {REINSTALL}") from error


def card_text(card: Card, about: Mapping[str, str]) -> str:
    """Return the text of a model.toml; `about` (name, source, licence and the like) is for people."""
    facts: dict[str, object] = {"schema": SCHEMA, "id": card.id, **about}
    facts |= {
        "kind": card.kind,
        "dims": card.dims,
        "full_dims": card.full_dims or None,
        "truncations": card.truncations or None,
        "cut": card.cut,
        "pooling": card.pooling,
        "max_tokens": card.max_tokens,
        "max_query_tokens": card.max_query_tokens,
        "document_prefix": card.document_prefix,
        "query_prefix": card.query_prefix,
        "eos_token": card.eos_token or None,
        "padding_side": card.padding_side,
        "output": card.output or None,
        "expansion_token": card.expansion_token or None,
        "skipped_tokens": card.skipped_tokens or None,
        "lower_case": card.lower_case or None,
        "probe": [round(number, 4) for number in card.probe] or None,
    }
    if card.endpoint is not None:
        served = card.endpoint
        facts |= {"url": served.url, "served_model": served.model, "key_variable": served.key_variable or None}
        facts |= {"batch": served.batch}
    lines = [f"{key} = {_toml(value)}" for key, value in facts.items() if value is not None]
    files = [f"{_toml(name)} = {_toml(digest)}" for name, digest in card.digests.items()]
    return "\n".join([*lines, "", "[files]                     # SHA-256", *files, ""])


def _toml(value: object) -> str:
    if isinstance(value, str):  # JSON's strings are TOML's, but for one character
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return repr(value)


def brief(error: Exception) -> str:
    """Take the first line of an error, short enough for a message box."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160]
