"""Measure: how many texts a second a model embeds on this machine, in less than two seconds.

Takes an encoder and texts as an index embeds them, of the project where there is one; uses as many threads as a first
index would. Changes nothing.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lsp_server.engine.agreement import TEXTS
from lsp_server.engine.encoder import Encoder
from lsp_server.engine.files import Rules, Unreadable, read, walk
from lsp_server.engine.symbols import extract
from lsp_server.engine.text import describe

SECONDS = 1.2  # of embedding; with loading and reading it stays below two
SAMPLE_SECONDS = 0.5  # of reading files
SAMPLE_FILES = 24


def texts_per_second(encoder: Encoder, texts: Sequence[str], threads: int, seconds: float = SECONDS) -> float:
    """Embed texts over and over for so many seconds. The first one, which prepares buffers, is not counted."""
    texts = texts or TEXTS
    encoder.encode(texts[0])
    endless = itertools.cycle(texts)
    started = time.perf_counter()

    def work(_: int) -> int:
        done = 0
        while time.perf_counter() - started < seconds:
            encoder.encode(next(endless))
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(work, range(threads)))
    return done / (time.perf_counter() - started)


def texts_of(root: Path) -> list[str]:
    """Return what would be embedded of some files of a project, spread over it; none for a folder without code."""
    rules = Rules((), 1_000_000)
    paths = [entry.path for entry in walk(root, rules).files]
    step = max(1, len(paths) // SAMPLE_FILES)
    return list(_described(root, rules, paths[::step]))


def _described(root: Path, rules: Rules, paths: Sequence[str]) -> Iterator[str]:
    end = time.perf_counter() + SAMPLE_SECONDS
    for path in paths:
        if time.perf_counter() > end:
            return
        try:
            source = read(root, path, rules)
        except Unreadable:
            continue
        yield from (describe(symbol, path) for symbol in extract(source).symbols)
