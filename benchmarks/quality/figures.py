"""Figures: from the scores of single questions to means, floors, tables and differences between two runs.

Means over repositories are means of the repositories' means, as the published figures are formed; the standard error
comes from the spread between questions inside the repositories.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

from benchmarks.common import table
from benchmarks.quality.bench import Scored

# Lowest acceptable NDCG@10 at level semble: (scope, "all" or "hard") -> floor. About .01 below what the recipe reached
# when it was chosen, so that noise in the tie-breaking passes and a lost rule does not.
FLOORS = {
    ("root", "all"): 0.84,
    ("whole", "all"): 0.82,
    ("root", "hard"): 0.79,
    ("whole", "hard"): 0.77,
    ("cosqa", "all"): 0.54,
    ("cosqa_nodoc", "all"): 0.42,
}

# How many of the questions that changed most a comparison lists, in each direction.
LISTED = 12


def mean_of_repos(scored: Iterable[Scored], value: str) -> float:
    """Mean over repositories of the mean over their questions; nan when there is no question."""
    groups = _groups(scored, value)
    return fmean(fmean(group) for group in groups) if groups else math.nan


def standard_error(scored: Iterable[Scored], value: str) -> float:
    """Return the standard error of `mean_of_repos` (variance pooled inside repositories); nan when nothing repeats."""
    groups = _groups(scored, value)
    free = sum(len(group) - 1 for group in groups)
    if free < 1:
        return math.nan
    variance = sum(sum((x - fmean(group)) ** 2 for x in group) for group in groups) / free
    return math.sqrt(sum(variance / len(group) for group in groups)) / len(groups)


def _groups(scored: Iterable[Scored], value: str) -> list[list[float]]:
    groups: dict[str, list[float]] = {}
    for row in scored:
        if value in row.values:
            groups.setdefault(row.repo, []).append(row.values[value])
    return list(groups.values())


def hard_only(scored: Iterable[Scored]) -> list[Scored]:
    """Return the questions that share no word with the target's file name and are no bare identifier."""
    return [row for row in scored if row.hard]


def summary(scored: Sequence[Scored]) -> dict[str, float]:
    """Return the figures of one scope, rounded to what can be told apart."""
    hard = hard_only(scored)
    figures = {
        "queries": len(scored),
        "semble": mean_of_repos(scored, "semble"),
        "error": standard_error(scored, "semble"),
        "file": mean_of_repos(scored, "file"),
        "hit1": mean_of_repos(scored, "hit1"),
        "hit10": mean_of_repos(scored, "hit10"),
        "hard_queries": len(hard),
        "hard_semble": mean_of_repos(hard, "semble"),
        "hard_error": standard_error(hard, "semble"),
        "hard_file": mean_of_repos(hard, "file"),
    }
    return {name: round(value, 4) for name, value in figures.items() if not math.isnan(value)}


def floor_rows(summaries: dict[str, dict[str, float]]) -> list[tuple[str, float, float, bool]]:
    """Return (what, figure, floor, reached) for every floor whose scope was measured."""
    rows = []
    for (scope, part), floor in FLOORS.items():
        figure = summaries.get(scope, {}).get("semble" if part == "all" else "hard_semble")
        if figure is not None:
            rows.append((f"{scope} {part}", figure, floor, figure >= floor))
    return rows


def summary_table(summaries: dict[str, dict[str, float]]) -> str:
    """One row per scope."""
    header = ("NDCG@10", "n", "semble", "+-", "file", "hit@1", "hit@10", "hard n", "hard semble", "+-", "hard file")
    names = ("queries", "semble", "error", "file", "hit1", "hit10", "hard_queries", "hard_semble", "hard_error")
    rows = [[scope, *(_cell(row.get(name)) for name in (*names, "hard_file"))] for scope, row in summaries.items()]
    return table(header, rows)


def split_table(scopes: dict[str, list[Scored]], key: Callable[[Scored], str]) -> str:
    """One row per repository or category (what `key` gives): n, semble, file and hard semble of every scope."""
    names = list(dict.fromkeys(key(row) for scored in scopes.values() for row in scored))
    header = ["", "n", *(f"{scope} {column}" for scope in scopes for column in ("semble", "file", "hard"))]
    rows = []
    for name in names:
        row = [name, ""]
        for scored in scopes.values():
            part = [one for one in scored if key(one) == name]
            row[1] = str(len(part))
            row += [_cell(_plain_mean(part, "semble")), _cell(_plain_mean(part, "file"))]
            row.append(_cell(_plain_mean(hard_only(part), "semble")))
        rows.append(row)
    return table(header, rows)


def _plain_mean(scored: Sequence[Scored], value: str) -> float | None:
    values = [row.values[value] for row in scored if value in row.values]
    return fmean(values) if values else None


def _cell(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def as_json(scored: Sequence[Scored]) -> dict[str, list[float]]:
    """NDCG@10 per question, [semble, file], for later comparisons in pairs."""
    return {
        row.id: [round(row.values[level], 4) for level in ("semble", "file") if level in row.values] for row in scored
    }


def differences(scored: Sequence[Scored], before: dict[str, list[float]]) -> list[Scored]:
    """Return the questions that both runs have, with the differences now - before as values."""
    changed = []
    for row in scored:
        if row.id not in before:
            continue
        levels = zip(("semble", "file"), before[row.id], strict=False)
        values = {level: row.values[level] - old for level, old in levels}
        changed.append(Scored(row.id, row.repo, row.text, row.category, row.hard, values))
    return changed


def difference_text(scope: str, changed: Sequence[Scored]) -> str:
    """Tell what became better and worse in one scope: paired means with errors, repositories, single questions."""
    hard = hard_only(changed)
    lines = [f"{scope}: {len(changed)} questions in both runs"]
    for title, rows in (("all", changed), ("hard", hard)):
        for level in ("semble", "file"):
            if _groups(rows, level):
                figure, error = mean_of_repos(rows, level), standard_error(rows, level)
                lines.append(f"  {title:4s} {level:6s} {figure:+.4f} +- {error:.4f}")
    repos = {repo: [row for row in changed if row.repo == repo] for repo in dict.fromkeys(row.repo for row in changed)}
    moved = {repo: mean_of_repos(rows, "semble") for repo, rows in repos.items()}
    lines.append("  repos " + (" ".join(f"{repo} {by:+.3f}" for repo, by in moved.items() if abs(by) >= 0.0005) or "-"))
    ordered = sorted(changed, key=lambda row: row.values["semble"])
    worse = [row for row in ordered[:LISTED] if row.values["semble"] < -0.0005]
    better = [row for row in ordered[: -LISTED - 1 : -1] if row.values["semble"] > 0.0005]
    for row in [*worse, *better]:
        lines.append(f"  {row.values['semble']:+.3f} {row.id:18s} {row.text[:80]}")
    return "\n".join(lines)
