"""First index: the whole of `meaning-ls index` on an empty cache, against ONNX Runtime alone on the very same texts.

The texts are those that the engine hands to its encoder, noted by an encoder that does nothing else. Both sides run
as processes, in turns, so that a noisy machine is noisy for both; medians of the rounds are compared.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import psutil
from numpy.typing import NDArray
from tokenizers import Tokenizer

from benchmarks.common import BenchError
from benchmarks.speed.rows import Row, at_most, told
from lsp_server.engine.encoder import bundled_model, read_card
from lsp_server.engine.index import Index, Options

# The target: indexing may cost this much over what the model itself needs.
RATIO = 1.15


class NotingEncoder:
    """Keeps the texts it is given; its vectors are arbitrary but different for different texts."""

    fingerprint = "benchmark-noting"
    max_tokens = 128

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.texts: list[str] = []
        self._lock = threading.Lock()

    def encode(self, text: str) -> NDArray[np.float32]:
        """Return a unit vector [dim] drawn from the text's hash."""
        with self._lock:
            self.texts.append(text)
        seed = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")
        vector = np.random.default_rng(seed).standard_normal(self.dim, dtype=np.float32)
        return vector / np.float32(np.linalg.norm(vector))

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """As a document."""
        return self.encode(text)


@dataclass(frozen=True, slots=True)
class Run:
    """One process: its wall and processor seconds, children included."""

    wall: float
    cpu: float


def measure(root: Path, threads: int, rounds: int) -> list[Row]:
    """Rows about the first index of `root`.

    Raises:
        BenchError: one of the two processes failed.
    """
    with tempfile.TemporaryDirectory(prefix="bench-first-") as scratch:
        texts, symbols = collect_texts(root, Path(scratch) / "noting")
        tokens = Path(scratch) / "tokens.npz"
        tokenising = tokenise(texts, tokens)
        ours: list[Run] = []
        alone: list[Run] = []
        loops: list[float] = []
        for _ in range(rounds):
            ours.append(_index_run(root, Path(scratch) / "cache", threads))
            run, inside = _alone_run(tokens, threads)
            alone.append(run)
            loops.append(inside["run"])
    walls, alone_walls = [run.wall for run in ours], [run.wall for run in alone]
    ratio = median(one / two for one, two in zip(walls, alone_walls, strict=True))
    with_tokenising = median(one / (two + tokenising) for one, two in zip(walls, alone_walls, strict=True))
    size = f"{symbols:,} symbols, {len(texts):,} texts, {threads} threads, median of {rounds}"
    everything = sum(run.cpu for run in ours) / sum(run.cpu for run in alone)
    return [
        at_most("first index / ONNX Runtime alone, wall", ratio, (RATIO, "x"), size),
        told("  first index, process start to exit", median(walls), "s", _listed(walls)),
        told(
            "  ONNX Runtime alone, process",
            median(alone_walls),
            "s",
            f"{_listed(alone_walls)}; loop alone {_listed(loops)}",
        ),
        told("  same ratio with tokenising inside", with_tokenising, "x", f"tokenising takes {tokenising:.1f} s"),
        told("  same ratio in processor seconds", everything, "x", f"index {median(run.cpu for run in ours):.1f} s"),
        told("  texts per second, whole index", len(texts) / median(walls), "/s"),
    ]


def _listed(seconds: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in seconds) + " s"


def collect_texts(root: Path, cache: Path) -> tuple[list[str], int]:
    """Return the texts of a first index of `root`, in the engine's order, and the number of symbols."""
    encoder = NotingEncoder(read_card(bundled_model()).dims)
    index = Index(root, Options(cache_dir=str(cache)), encoder)
    try:
        for _ in index.update():
            pass
        index.catch_up()
        return list(encoder.texts), index.status().symbols
    finally:
        index.close()


def tokenise(texts: list[str], path: Path) -> float:
    """Write the token ids of the texts as the model reads them; the seconds that tokenising took."""
    card = read_card(bundled_model())
    tokenizer = Tokenizer.from_file(str(bundled_model() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(card.max_tokens)
    started = time.perf_counter()
    ids = [tokenizer.encode(card.document_prefix + text).ids for text in texts]
    took = time.perf_counter() - started
    lengths = np.array([len(one) for one in ids], np.int64)
    np.savez(
        path, ids=np.fromiter((token for one in ids for token in one), np.int64, int(lengths.sum())), lengths=lengths
    )
    return took


def _index_run(root: Path, cache: Path, threads: int) -> Run:
    """One first index by the command line, in an empty cache."""
    shutil.rmtree(cache, ignore_errors=True)
    return _run([*index_command(root, cache), "--threads", str(threads)], _ignore)


def index_command(root: Path, cache: Path) -> list[str]:
    """Return the command line that indexes `root`."""
    return [sys.executable, "-m", "lsp_server", "index", str(root), "--cache-dir", str(cache)]


def _alone_run(tokens: Path, threads: int) -> tuple[Run, dict[str, float]]:
    """One run of ONNX Runtime alone, and what it says about itself."""
    said: dict[str, float] = {}
    graph = str(bundled_model() / "model.onnx")
    command = [sys.executable, "-m", "benchmarks.speed.ort_alone", graph, str(tokens), str(threads)]
    return _run(command, lambda output: said.update(json.loads(output))), said


def _ignore(output: str) -> None:
    """Drop what the process prints."""


def _run(command: list[str], take: Callable[[str], None]) -> Run:
    before, started = _children_cpu(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    if done.returncode:
        raise BenchError(f"{' '.join(command)} ended with status {done.returncode}: {done.stderr[-1000:]}")
    take(done.stdout)
    return Run(wall, _children_cpu() - before)


def _children_cpu() -> float:
    """Processor seconds of all processes that this one started and that have ended (0 on Windows)."""
    times = psutil.Process(os.getpid()).cpu_times()
    return float(getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0))
