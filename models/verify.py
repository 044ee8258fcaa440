"""Verify a built model: its distance from float32, its independence of order and threads, its retrieval.

Takes the model's folder and the published files, gives the figures as lines of Markdown. The reference is a forward
pass in torch, written from the architecture (BERT, Devlin et al. 2019; pooling as in Sentence-BERT, Reimers and
Gurevych 2019): it shares the weights with the graph of build.py, and nothing else. The built model is read by the
loader that ships.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from tokenizers import Tokenizer
from torch.nn import functional

from lsp_server.engine.encoder import OnnxEncoder

LAYERS, HEADS, WIDTH = 6, 12, 384
DOCUMENT, QUESTION = 128, 256  # tokens, as in model.toml
SAMPLE = 400  # documents whose vectors are compared one by one
BATCH = 8
# How the vector of KNOWN begins in the model's own documentation: this ties the reference to the published model.
KNOWN = "This is an example sentence"
KNOWN_START = (0.0676, 0.0635, 0.0487)
# Kept with their float32 vectors, for the tests.
GOLDEN = (
    KNOWN,
    "how do I read a file line by line",
    "def read_lines(path):\n    with open(path) as file:\n        return file.read().splitlines()",
    "function parse date, in class calendar, file utils dates. Turns an ISO 8601 string into a date.",
    "impl Iterator for Tokens { fn next(&mut self) -> Option<Token> { self.queue.pop_front() } }",
    "x",
)

Vectors = NDArray[np.float32]


class Reference:
    """all-MiniLM-L6-v2 in float32, one text at a time."""

    def __init__(self, source: Mapping[str, bytes]) -> None:
        torch.set_num_threads(1)  # two threads on one short text mostly wait for each other: 5 times slower when busy
        self.weights = load(source["model.safetensors"])
        self.tokenizer = Tokenizer.from_str(source["tokenizer.json"].decode())
        self.tokenizer.no_padding()

    def encode(self, text: str, max_tokens: int) -> Vectors:
        """Embed a text: float32 [384], unit length."""
        self.tokenizer.enable_truncation(max_tokens)
        ids = torch.tensor(self.tokenizer.encode(text).ids)
        with torch.inference_mode():
            state = self._look_up(ids)
            for number in range(LAYERS):
                state = self._layer(state, f"encoder.layer.{number}")
            return functional.normalize(state.mean(dim=0), dim=0).numpy()

    def _look_up(self, ids: torch.Tensor) -> torch.Tensor:
        word, position, kind = (
            self.weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
        )
        return self._normalise(word[ids] + position[: len(ids)] + kind[0], "embeddings.LayerNorm")

    def _layer(self, state: torch.Tensor, layer: str) -> torch.Tensor:
        query, key, value = (
            self._linear(state, f"{layer}.attention.self.{name}").unflatten(-1, (HEADS, -1)).transpose(0, 1)
            for name in ("query", "key", "value")
        )
        shares = torch.softmax(query @ key.transpose(1, 2) / math.sqrt(WIDTH / HEADS), dim=-1)
        mixed = (shares @ value).transpose(0, 1).flatten(1)
        state = self._normalise(
            state + self._linear(mixed, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm"
        )
        wide = functional.gelu(self._linear(state, f"{layer}.intermediate.dense"))
        return self._normalise(state + self._linear(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")

    def _linear(self, state: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(state, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _normalise(self, state: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.layer_norm(state, (WIDTH,), weight, bias, eps=1e-12)


def verify(home: Path, source: Mapping[str, bytes], cosqa: Path | None) -> list[str]:
    """Compare the model in `home` with the reference; exits the program if it is not what the report promises."""
    reference, encoder = Reference(source), OnnxEncoder(home)
    start = reference.encode(KNOWN, DOCUMENT)[: len(KNOWN_START)]
    _require(bool(np.allclose(start, KNOWN_START, atol=1e-4)), "the reference does not give the published vector")
    lines = [f"- Reference: float32, torch; `{KNOWN}` begins {', '.join(f'{x:.4f}' for x in start)}, as published."]
    texts = list(GOLDEN) if cosqa is None else [str(row["text"]) for row in _rows(cosqa / "corpus.jsonl")]
    sample = texts[:SAMPLE]
    ours = np.stack([encoder.encode(text) for text in sample])
    exact = np.stack([reference.encode(text, DOCUMENT) for text in sample])
    lines += _compare("8-bit to float32", ours, exact, 0.97)
    lines += _neighbours(home, encoder, sample, ours)
    if cosqa is not None:
        lines += _retrieval(reference, encoder, texts, cosqa)
    return lines


def write_golden(path: Path, source: Mapping[str, bytes]) -> None:
    """Write the float32 vectors of GOLDEN, to 4 decimals, one text a line."""
    reference = Reference(source)
    rows = ({"text": t, "vector": [round(float(x), 4) for x in reference.encode(t, DOCUMENT)]} for t in GOLDEN)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _neighbours(home: Path, encoder: OnnxEncoder, sample: Sequence[str], ours: Vectors) -> list[str]:
    """Encode again in another order and from two threads; and, as a warning, in batches past the encoder."""
    with ThreadPoolExecutor(2) as threads:
        again = np.stack(list(threads.map(encoder.encode, reversed(sample))))[::-1]
    batched = _batched(home, sample)
    return [
        *_compare("other order, two threads", again, ours, 0.9999),
        *_compare(f"the same graph given batches of {BATCH} (the encoder never does this)", batched, ours, 0.0),
    ]


def _batched(home: Path, sample: Sequence[str]) -> Vectors:
    tokenizer = Tokenizer.from_file(str(home / "tokenizer.json"))
    tokenizer.enable_truncation(DOCUMENT)
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(home / "model.onnx"), options, providers=["CPUExecutionProvider"])
    parts = []
    for first in range(0, len(sample), BATCH):
        encodings = tokenizer.encode_batch(list(sample[first : first + BATCH]))
        feeds = {
            "input_ids": np.array([encoding.ids for encoding in encodings]),
            "attention_mask": np.array([encoding.attention_mask for encoding in encodings]),
        }
        parts.append(session.run(None, feeds)[0])
    return np.concatenate(parts)


def _retrieval(reference: Reference, encoder: OnnxEncoder, texts: Sequence[str], cosqa: Path) -> list[str]:
    """NDCG@10 of CoSQA's questions, by cosine alone, for both."""
    numbers = {row["id"]: number for number, row in enumerate(_rows(cosqa / "corpus.jsonl"))}
    qrels = (line.split("\t") for line in (cosqa / "qrels.tsv").read_text(encoding="utf-8").splitlines())
    wanted = {row[0]: numbers[row[1]] for row in qrels if row[1] in numbers}
    questions = [(str(row["query"]), wanted[row["id"]]) for row in _rows(cosqa / "queries.jsonl")]

    def score(document: Callable[[str], Vectors], question: Callable[[str], Vectors]) -> float:
        corpus = np.stack([document(text) for text in texts])
        ranks = []
        for text, answer in questions:
            cosines = corpus @ question(text)
            ranks.append(int((cosines > cosines[answer]).sum()))
        return sum(1 / math.log2(rank + 2) for rank in ranks if rank < 10) / len(ranks)

    exact = score(lambda text: reference.encode(text, DOCUMENT), lambda text: reference.encode(text, QUESTION))
    small = score(encoder.encode, encoder.encode_query)
    _require(small > exact - 0.01, f"NDCG@10 falls from {exact:.4f} to {small:.4f}")
    count = f"{len(questions)} questions, {len(texts):,} functions with docstrings, cosine alone"
    return [f"- CoSQA dev, NDCG@10 ({count}): **{small:.4f}**, float32 {exact:.4f} ({small - exact:+.4f})."]


def _compare(what: str, some: Vectors, others: Vectors, least: float) -> list[str]:
    cosines = (some * others).sum(axis=1)
    _require(float(cosines.min()) >= least, f"{what}: cosine {cosines.min():.5f}, below {least}")
    return [f"- Cosine, {what}: mean {cosines.mean():.5f}, least {cosines.min():.5f} ({len(cosines)} texts)."]


def _rows(path: Path) -> Iterable[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _require(held: bool, complaint: str) -> None:
    if not held:
        raise SystemExit(f"The model is not good enough: {complaint}.")
