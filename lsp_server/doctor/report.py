"""Report: what the doctor found, and what to do about it, in three forms.

Takes checks, gives lines for a terminal, one JSON object and Markdown. In JSON the ids of checks and the names of their
details are stable; sentences are not.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["ok", "warn", "fail"]  # as it should be; works, but less well than it could; does not work

_WORST: tuple[Verdict, ...] = ("fail", "warn", "ok")
_SIGNS = {"ok": "✅", "warn": "⚠️", "fail": "❌"}
_WIDTH = 11  # of the longest id
_MARKUP = re.compile(r"([\\`*_\[\]<>|#])")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `more` are further lines for people, `remedies` what to do."""

    id: str
    verdict: Verdict
    summary: str
    more: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)
    folder: str = ""  # the root that it is about, "" for the machine


@dataclass(frozen=True, slots=True)
class Report:
    """All that was looked at, in the order in which one thing rests on the other."""

    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all verdicts."""
        return next(verdict for verdict in _WORST if verdict == "ok" or any(c.verdict == verdict for c in self.checks))

    def conclusion(self) -> str:
        """Return one sentence."""
        problems = sum(check.verdict != "ok" for check in self.checks)
        return f"{counted(problems, 'problem', 'problems')} found." if problems else "All is well."

    def json(self) -> dict[str, object]:
        """Return everything as JSON."""
        return {
            "verdict": self.verdict,
            "checks": [
                {
                    "id": check.id,
                    "verdict": check.verdict,
                    "folder": check.folder,
                    "summary": check.summary,
                    "remedies": list(check.remedies),
                    "details": dict(check.details),
                }
                for check in self.checks
            ],
        }

    def lines(self) -> Iterator[tuple[Verdict | Literal[""], str]]:
        """Give lines for people: the verdict for the first one of a check, "" for those below it."""
        folder = ""
        for check in self.checks:
            if check.folder != folder:
                folder = check.folder
                yield "", folder
            yield check.verdict, f"{check.id:<{_WIDTH}} {check.summary}"
            for line in check.more:
                yield "", f"      {line}"
            for line in check.remedies:
                yield "", f"      -> {line}"
        yield "", self.conclusion()

    def markdown(self) -> str:
        """Return everything for an editor to show."""
        parts = ["# meaning-ls doctor", "", f"**{self.conclusion()}**", ""]
        folder = ""
        for check in self.checks:
            if check.folder != folder:
                folder = check.folder
                parts += ["", f"## {_plain(folder)}", ""]
            parts.append(f"- {_SIGNS[check.verdict]} **{check.id}**: {_plain(check.summary)}")
            parts += [f"  - {_plain(line)}" for line in check.more]
            parts += [f"  - **What to do:** {_plain(line)}" for line in check.remedies]
        return "\n".join(parts) + "\n"


def megabytes(count: int) -> str:
    """Return a size for people."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def counted(number: int, one: str, several: str) -> str:
    """Return a number with what it counts."""
    return f"{number:,} {one if number == 1 else several}"


def listed(items: list[str], most: int) -> tuple[str, ...]:
    """Return the first of some lines, and how many more there are."""
    rest = len(items) - most
    return (*items[:most], *([f"... and {rest:,} more"] if rest > 0 else ()))


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is, on one line; names of files are other people's text."""
    return _MARKUP.sub(r"\\\1", "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text))
