"""The tuning benchmark as data: its repositories, questions and labels, and its scorer.

Nothing here searches. Labels and figures are used as the benchmark's own `score.py` uses them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.common import BenchError, fetch_workspaces, load_script, read_lines

# Longest result that score.py would count on its level "tight"; the levels used here ignore it.
MAX_LINES = 150


@dataclass(frozen=True, slots=True)
class Question:
    """One question and what the benchmark knows about it."""

    id: str
    repo: str
    text: str
    category: str
    hard: bool  # shares no word with the target's file name, and is no bare identifier
    labels: dict[str, Any]  # the benchmark's own row, as its scorer wants it


@dataclass(frozen=True, slots=True)
class Repository:
    """One unpacked package with its questions."""

    name: str
    folder: Path
    benchmark_root: str  # the part of the folder that the published figures are about, with '/'
    questions: tuple[Question, ...]

    @property
    def targets(self) -> list[str]:
        """The paths that the labels name, relative to the folder."""
        return sorted({str(goal["path"]) for question in self.questions for goal in question.labels["relevant"]})


@dataclass(frozen=True, slots=True)
class Scored:
    """The figures of one question."""

    id: str
    repo: str
    text: str
    category: str
    hard: bool
    values: dict[str, float]  # NDCG@10 per level ("semble", "file"), and "hit1", "hit10" of level semble


def repositories(bench: Path, names: Sequence[str]) -> list[Repository]:
    """Return the benchmark's repositories (all of them when no names are given), downloaded if need be.

    Raises:
        BenchError: an unknown name. A package that cannot be had is told on stderr and left out.
    """
    manifest = json.loads((bench / "manifest.json").read_text(encoding="utf-8"))
    unknown = [name for name in names if name not in manifest]
    if unknown:
        raise BenchError(f"unknown repositories: {', '.join(unknown)}; there are {', '.join(manifest)}")
    base = fetch_workspaces(bench, names)
    found = []
    for name in names or list(manifest):
        folder = base / manifest[name]["root"]
        if not (base / ".done" / name).is_file():
            print(f"left out of all figures: {name} could not be fetched", file=sys.stderr)
            continue
        asked = tuple(_question(name, row) for row in read_lines(bench / "queries" / f"{name}.jsonl"))
        found.append(Repository(name, folder, manifest[name]["benchmark_root"], asked))
    return found


def _question(repo: str, row: dict[str, Any]) -> Question:
    hard = not row["name_leak"] and row["category"] != "symbol"
    return Question(row["id"], repo, row["query"], row["category"], hard, row)


def scorer(bench: Path) -> ModuleType:
    """Return the benchmark's score.py."""
    return load_script(bench / "score.py")


def score_question(score: ModuleType, question: Question, results: list[dict[str, Any]]) -> Scored:
    """Figures of one answer: rows of {"path", "start", "end"}, best first, lines 1-based and inclusive."""
    semble = score.score(question.labels, results, "semble", MAX_LINES)
    file = score.score(question.labels, results, "file", MAX_LINES)
    values = {"semble": semble["ndcg10"], "file": file["ndcg10"], "hit1": semble["h1"], "hit10": semble["h10"]}
    return Scored(question.id, question.repo, question.text, question.category, question.hard, values)
