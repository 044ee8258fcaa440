"""CoSQA: 500 web queries on 6,267 single Python functions, asked through the public engine.

The engine searches projects, so the corpus becomes one: a flat folder with one file per function, named by the corpus
id (`c123.py`), which says nothing about the function. A hit counts for the function whose file it lies in, the best
hit of a file for all of them: functions nested in the function are no separate answers. The engine works as always,
without filters, so the id is part of the embedded text, as every file name is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from benchmarks.common import read_lines
from benchmarks.quality.bench import Scored
from lsp_server.engine.hits import Hit

# Scope of the results -> field of the corpus.
VARIANTS = {"cosqa": "text", "cosqa_nodoc": "text_nodoc"}


def workspace(bench: Path, variant: str, base: Path) -> Path:
    """Make the folder with one file per function; files that hold the right text already are left alone."""
    folder = base / variant
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {f"{row['id']}.py": f"{row[VARIANTS[variant]]}\n" for row in read_lines(bench / "cosqa" / "corpus.jsonl")}
    for stray in {path.name for path in folder.iterdir()} - wanted.keys():
        (folder / stray).unlink()
    for name, text in wanted.items():
        path = folder / name
        data = text.encode("utf-8")
        if not path.is_file() or path.read_bytes() != data:
            path.write_bytes(data)
    return folder


def questions(bench: Path) -> list[tuple[str, str]]:
    """(id, text) of every query."""
    return [(str(row["id"]), str(row["query"])) for row in read_lines(bench / "cosqa" / "queries.jsonl")]


def labels(bench: Path) -> dict[str, list[str]]:
    """Return the right corpus ids of every query."""
    right: dict[str, list[str]] = {}
    for line in (bench / "cosqa" / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        if line.strip():
            query, unit, _ = line.split()
            right.setdefault(query, []).append(unit)
    return right


def found_ids(hits: Sequence[Hit]) -> list[str]:
    """Corpus ids of the hits, best first, each once."""
    return list(dict.fromkeys(hit.path.removesuffix(".py") for hit in hits))


def score_question(score: ModuleType, asked: tuple[str, str], found: list[str], right: list[str]) -> Scored:
    """Figures of one answer."""
    figures = score.metrics([found.index(unit) + 1 if unit in found else None for unit in right])
    values = {"semble": figures["ndcg10"], "hit1": figures["h1"], "hit10": figures["h10"]}
    return Scored(asked[0], "cosqa", asked[1], "web", False, values)
