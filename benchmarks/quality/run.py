"""Run: bring an index up to date and ask it questions, through the engine's public face only."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import BenchError
from lsp_server.engine.encoder import Encoder
from lsp_server.engine.hits import Hit
from lsp_server.engine.index import Index, Options
from lsp_server.engine.query import Query

# score.py wants at least 10 results and looks further down the list for distinct files.
LIMIT = 50


@dataclass(frozen=True, slots=True)
class Setup:
    """How indexes are kept and brought up to date."""

    cache: Path
    encoder: Encoder
    threads: int
    update: bool  # False: take the indexes as they are
    rerank: str = "off"  # a reranker's folder, or what else the setting takes


@contextmanager
def opened(root: Path, setup: Setup) -> Iterator[Index]:
    """Open the index of `root`, up to date if the setup says so; what is embedded already is not embedded again.

    Raises:
        BenchError: nothing is indexed there and the setup forbids indexing.
    """
    options = Options(threads=setup.threads, cache_dir=str(setup.cache), rerank=setup.rerank)
    index = Index(root, options, setup.encoder)
    try:
        if setup.update:
            _update(index)
        index.catch_up()
        if not index.status().symbols:
            if not setup.update:
                raise BenchError(f"nothing is indexed in {root}: run once without --search-only")
            print(f"{root}: no symbol was found, every question scores 0", file=sys.stderr)
        yield index
    finally:
        index.close()


def _update(index: Index) -> None:
    """Make a full pass, with one line of progress on a terminal."""
    started = time.perf_counter()
    embedded = 0
    for step in index.update():
        embedded = max(embedded, step.texts_done)
        if sys.stderr.isatty():
            print(
                f"\r{index.root.name}: {step.phase} {step.texts_done}/{step.texts_total} texts ",
                end="",
                file=sys.stderr,
            )
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    if embedded:
        print(f"{index.root}: {embedded} texts in {time.perf_counter() - started:.0f} s", file=sys.stderr)


def ask(index: Index, text: str) -> tuple[Hit, ...]:
    """Ask a question as it stands in the benchmark; return the best hits."""
    return index.search(Query(text=text, limit=LIMIT)).hits


def result_rows(hits: Sequence[Hit], folder: str) -> list[dict[str, Any]]:
    """Hits as score.py reads them: paths below `folder` ("" for none), lines 1-based and inclusive."""
    prefix = f"{folder}/" if folder not in ("", ".") else ""
    return [
        {"path": prefix + hit.path, "start": hit.span.start_line + 1, "end": _last_line(hit), "name": hit.name}
        for hit in hits
    ]


def _last_line(hit: Hit) -> int:
    """Return the last line of a hit, 1-based: a span that ends at column 0 does not touch that line."""
    span = hit.span
    return span.end_line if span.end_column == 0 and span.end_line > span.start_line else span.end_line + 1


def write_run(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write a run file for the benchmark's score.py, to look at with it by hand."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
