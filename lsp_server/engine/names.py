"""Names: which symbols a typed name may mean.

Takes a View and what was typed, gives rows with a score: exact, then prefix, then camel-hump, then fuzzy matches, as
`workspace/symbol` promises. Looks at names alone.
"""

import re

from lsp_server.engine.corpus import KIND_NAMES, View

EXACT, EXACT_FOLDED, PREFIX, HUMPS, INSIDE, FUZZY = 1.0, 0.95, 0.8, 0.6, 0.5, 0.3
LONGEST = 200  # characters of a typed name that are looked at
_HUMP = re.compile(r"[A-Z][a-z0-9]*|[a-z0-9]+")
_NEVER = re.compile(r"(?!)")
NAMELESS = frozenset(("file", "block"))


def find(view: View, text: str, limit: int) -> list[tuple[int, float]]:
    """Return at most `limit` (row, score) whose name fits `text`, best first; every row for an empty text."""
    typed = re.split(r"\.|::|#|->|/", text.strip()[:LONGEST].removesuffix("()"))[-1].strip()
    folded = typed.lower()
    humps = _humps(typed)
    fuzzy = re.compile(".*?".join(map(re.escape, folded)), re.DOTALL)
    found: list[tuple[float, int, str, int]] = []
    for name, rows in tuple(view.rows_by_name.items()):
        if not fuzzy.search(name):
            continue
        for row in tuple(rows):
            if row < len(view) and view.alive[row]:
                score = _score(view.names[row], name, typed, folded, humps)
                if score:
                    found.append((-score, len(name), name, row))
    found.sort()
    chosen = [(row, -score) for score, _, _, row in found if _is_named(view, row)]
    return chosen[:limit]


def _score(name: str, name_folded: str, typed: str, folded: str, humps: re.Pattern[str]) -> float:
    """Return how well `name` fits; 0 when it is no better than chance."""
    if name == typed:
        return EXACT
    if name_folded == folded:
        return EXACT_FOLDED
    if name_folded.startswith(folded):
        return PREFIX + (0.05 if name.startswith(typed) else 0.0)
    if humps.match(name):
        return HUMPS
    if folded in name_folded:
        return INSIDE
    # Letters in order but far apart mean nothing: ask for at least a third of the name.
    return FUZZY if 3 * len(folded) >= len(name_folded) else 0.0


def _humps(typed: str) -> re.Pattern[str]:
    """Return what matches names whose parts begin with the parts typed: `PC`, `parCon` or `p_c` for `parse_config`."""
    first, *rest = _HUMP.findall(typed) or [""]
    if not first:
        return _NEVER
    begin = f"_*[{first[0].lower()}{first[0].upper()}]{first[1:]}"
    return re.compile(begin + "".join(rf"\w*?(?:_{part.lower()}|{part[0].upper()}{part[1:]})" for part in rest))


def _is_named(view: View, row: int) -> bool:
    return KIND_NAMES[view.kinds[row]] not in NAMELESS
