"""Rows: one measured figure, its target and whether it is met. And the two ways to take time samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from benchmarks.common import percentile, table


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report."""

    what: str
    figure: float
    unit: str  # "ms", "s", "MB", "x" for a ratio, "" for a count or share
    bound: Literal["at most", "at least", "told"]  # "told": no target, only reported
    target: float
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the target is met; a figure without target always is."""
        if self.bound == "told":
            return True
        return self.figure <= self.target if self.bound == "at most" else self.figure >= self.target


def at_most(what: str, figure: float, target: tuple[float, str], detail: str = "") -> Row:
    """Make a row whose figure must not exceed its target, given as (number, unit)."""
    return Row(what, figure, target[1], "at most", target[0], detail)


def at_least(what: str, figure: float, target: tuple[float, str], detail: str = "") -> Row:
    """Make a row whose figure must reach its target, given as (number, unit)."""
    return Row(what, figure, target[1], "at least", target[0], detail)


def told(what: str, figure: float, unit: str, detail: str = "") -> Row:
    """Make a row without a target, reported to explain the others."""
    return Row(what, figure, unit, "told", 0.0, detail)


def spread(milliseconds: Sequence[float]) -> str:
    """Percentiles of a sample, for a row's detail."""
    parts = [f"p{round(share * 100)} {percentile(milliseconds, share):.1f}" for share in (0.5, 0.95, 0.99)]
    return f"{' '.join(parts)} max {max(milliseconds):.1f} ms, n {len(milliseconds)}"


def report(rows: Sequence[Row]) -> str:
    """Return the table that is printed."""
    cells = []
    for row in rows:
        target = (
            ""
            if row.bound == "told"
            else f"{'<=' if row.bound == 'at most' else '>='} {row.target:g} {row.unit}".rstrip()
        )
        verdict = "" if row.bound == "told" else "ok" if row.ok else "NOT OK"
        cells.append([row.what, f"{_number(row.figure)} {row.unit}".rstrip(), target, verdict, row.detail])
    return table(("", "figure", "target", "", "detail"), cells)


def _number(figure: float) -> str:
    return f"{figure:.3f}" if abs(figure) < 10 else f"{figure:.1f}" if abs(figure) < 1000 else f"{figure:,.0f}"


def as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Rows for the results file."""
    return [{**asdict(row), "figure": round(row.figure, 4), "ok": row.ok} for row in rows]
