"""Patterns: the language of `.gitignore`, read once and asked often.

Takes the text of an ignore file, answers which of its lines has the last word on a path. Follows git's own matching
(gitignore(5) and wildmatch) where a path is ASCII; beyond that `?` and `[...]` stand for a character, not for a byte.
Does not know where ignore files are, nor that the last word of one file can be overruled by another: see ignore.py.
Nothing here raises on a strange pattern (git does not either), and none makes matching slow: what stands between two
stars is matched where it first occurs and never tried again.
"""

import re
import sys
from dataclasses import dataclass, field
from functools import lru_cache

# Git sets core.ignoreCase when it makes a repository on a file system that does not tell cases apart.
FOLDS_CASE = sys.platform in ("win32", "darwin")

_FLAGS = re.DOTALL | (re.IGNORECASE if FOLDS_CASE else 0)
_SPECIAL = re.compile(r"[*?\[\\]")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

# Of patterns with wildcards in the middle, so many of one ignore file are obeyed: asking them takes 0.2 ms a name. The
# largest of public repositories have some fifty; more would be there to keep us busy.
MOST_GLOBS = 1000

# ASCII only, and without vertical tab and form feed in `space`: as in git's ctype.c.
_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9",
    "graph": "\\x21-\\x7e", "lower": "a-z", "print": "\\x20-\\x7e", "punct": "!-/:-@\\[-`{-~", "space": " \\t\\n\\r",
    "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line of an ignore file that says something."""

    line: int  # 1-based
    text: str  # as written
    negated: bool  # "!": brings back what an earlier line left out
    only_folders: bool
    on_path: bool  # matched against the path below the ignore file's folder, not against the name alone
    glob: str  # `text` without its "!", its leading and its closing "/"


@dataclass(slots=True)
class _Table:
    """Patterns in the form in which they are quick to ask: position of the last pattern of each kind.

    Nearly every name matches nothing, so one question to all globs together comes before those to each.
    """

    names: dict[str, int] = field(default_factory=dict)
    paths: dict[str, int] = field(default_factory=dict)
    prefixes: dict[str, int] = field(default_factory=dict)
    suffixes: dict[str, int] = field(default_factory=dict)
    any_prefix: tuple[str, ...] = ()
    any_suffix: tuple[str, ...] = ()
    name_globs: list[tuple[int, re.Pattern[str]]] = field(default_factory=list)  # last pattern first
    path_globs: list[tuple[int, re.Pattern[str]]] = field(default_factory=list)
    any_name_glob: re.Pattern[str] | None = None
    any_path_glob: re.Pattern[str] | None = None

    def last(self, name: str, path: str) -> int:
        """Give the position of the last pattern that matches, -1 for none."""
        best = self.names.get(name, -1)
        if self.paths:
            best = max(best, self.paths.get(path, -1))
        if name.endswith(self.any_suffix):
            best = max(best, *(at for suffix, at in self.suffixes.items() if name.endswith(suffix)))
        if name.startswith(self.any_prefix):
            best = max(best, *(at for prefix, at in self.prefixes.items() if name.startswith(prefix)))
        if self.any_name_glob and self.any_name_glob.fullmatch(name):
            best = max(best, next(at for at, glob in self.name_globs if glob.fullmatch(name)))
        if self.any_path_glob and self.any_path_glob.fullmatch(path):
            best = max(best, next(at for at, glob in self.path_globs if glob.fullmatch(path)))
        return best


class Patterns:
    """The patterns of one ignore file."""

    __slots__ = ("_files", "_folders", "_reaching", "all")

    def __init__(self, patterns: tuple[Pattern, ...]) -> None:
        self.all = patterns
        self._files = _table(patterns, tuple(at for at, each in enumerate(patterns) if not each.only_folders))
        self._folders = _table(patterns, tuple(range(len(patterns))))
        self._reaching = tuple(each.glob.split("/") for each in patterns if each.negated and "/" in each.glob)

    def last_for_file(self, name: str, path: str) -> Pattern | None:
        """Give the last pattern that matches a file; `path` is relative to the ignore file's folder."""
        if FOLDS_CASE:
            name, path = name.lower(), path.lower()
        at = self._files.last(name, path)
        return self.all[at] if at >= 0 else None

    def last_for_folder(self, name: str, path: str) -> Pattern | None:
        """Give the last pattern that matches a folder; `path` has no closing '/'."""
        if FOLDS_CASE:
            name, path = name.lower(), path.lower()
        at = self._folders.last(name, path)
        return self.all[at] if at >= 0 else None

    def reaches_below(self, path: str) -> bool:
        """Say whether a `!` pattern names something inside the folder `path`, so that the way there must stay open."""
        steps = path.split("/")
        return any(_leads_through(steps, wanted) for wanted in self._reaching)


@lru_cache(maxsize=512)  # trees have few different ignore files, and the next walk meets the same ones
def parse(text: str) -> Patterns:
    """Read the text of an ignore file; names that were not UTF-8 come and go as surrogate escapes."""
    lines = text.removeprefix("\ufeff").split("\n")
    found = (_line(number, line.removesuffix("\r")) for number, line in enumerate(lines, start=1))
    return Patterns(tuple(each for each in found if each is not None))


def _line(number: int, line: str) -> Pattern | None:
    text = _without_closing_blanks(line)
    if text.startswith("#"):
        return None
    negated = text.startswith("!")
    glob = text[1:] if negated else text
    only_folders = glob.endswith("/")
    glob = glob.removesuffix("/")
    if not glob:
        return None
    on_path = "/" in glob
    return Pattern(number, text, negated, only_folders, on_path, glob.removeprefix("/"))


def _without_closing_blanks(line: str) -> str:
    """Cut blanks (not tabs) off the end, but not one that a backslash stands before."""
    kept = line.rstrip(" ")
    backslashes = len(kept) - len(kept.rstrip("\\"))
    return kept + " " if backslashes % 2 and kept != line else kept


def _table(patterns: tuple[Pattern, ...], positions: tuple[int, ...]) -> _Table:
    table = _Table()
    for at in positions:
        _place(table, at, patterns[at])
    table.any_prefix, table.any_suffix = tuple(table.prefixes), tuple(table.suffixes)
    table.name_globs.reverse()
    table.path_globs.reverse()
    table.any_name_glob = _any_of([glob for _, glob in table.name_globs])
    table.any_path_glob = _any_of([glob for _, glob in table.path_globs])
    return table


def _any_of(globs: list[re.Pattern[str]]) -> re.Pattern[str] | None:
    return re.compile("|".join(glob.pattern for glob in globs), _FLAGS) if globs else None


def _place(table: _Table, at: int, pattern: Pattern) -> None:
    """File a pattern where asking it costs least; most are plain names and `*.suffix`, which need no expression."""
    glob = pattern.glob
    plain = _plain(glob)
    if plain is not None:
        (table.paths if pattern.on_path else table.names)[plain] = at
        return
    suffix = _plain(glob[1:]) if glob[0] == "*" and not pattern.on_path else None
    if suffix is not None:
        table.suffixes[suffix] = at
        return
    prefix = _plain(glob[:-1]) if glob[-1] == "*" and not pattern.on_path else None
    if prefix is not None:
        table.prefixes[prefix] = at
        return
    if len(table.path_globs) + len(table.name_globs) < MOST_GLOBS:
        (table.path_globs if pattern.on_path else table.name_globs).append((at, compiled(glob)))


def _plain(glob: str) -> str | None:
    """Give the one text that a pattern without wildcards matches, None if it has some (or none can be said)."""
    if _SPECIAL.search(_ESCAPED.sub("", glob)):
        return None
    text = _ESCAPED.sub(r"\1", glob)
    return text.lower() if FOLDS_CASE else text


def _leads_through(steps: list[str], wanted: list[str]) -> bool:
    for position, step in enumerate(steps):
        if position + 1 >= len(wanted):
            return False
        if wanted[position] == "**":
            return position > 0  # `!**/x` names no place: it would open every folder
        if not compiled(wanted[position]).fullmatch(step):
            return False
    return True


@lru_cache(maxsize=4096)
def compiled(glob: str) -> re.Pattern[str]:
    """Translate a pattern (no leading or closing '/') to an expression for `fullmatch`."""
    tokens = _tokens(glob)
    return re.compile("(?!)" if tokens is None else _between_dirs(tokens), _FLAGS)


# A token is an expression that has a fixed length, or one of these.
_STAR = "*"  # within one step of a path
_DIRS = "**/"  # any number of whole steps, none too
_ALL = "**"  # anything
_SLASH = "/"


def _tokens(glob: str) -> list[str] | None:
    """Cut a pattern into tokens; None if it can never match."""
    first = _SPECIAL.search(glob)
    found: list[str] = []
    at = 0
    while at < len(glob):
        char = glob[at]
        if char == "*":
            at = _stars(glob, at, found, first.start() if first else -1)
        elif char == "[":
            end, expression = _class(glob, at)
            if not end:
                return None
            found.append(expression)
            at = end
        elif char == "\\":
            if at + 1 == len(glob):
                return None
            found.append(_SLASH if glob[at + 1] == "/" else re.escape(glob[at + 1]))
            at += 2
        else:
            found.append({"?": "[^/]", "/": _SLASH}.get(char) or re.escape(char))
            at += 1
    return found


def _stars(glob: str, start: int, found: list[str], first: int) -> int:
    """Read a run of stars, give where it ends. Two of them are special only as a whole step of the path.

    Git compares the part before the first wildcard by itself and matches the rest afresh, so `x**/y` counts as well.
    """
    end = start
    while end < len(glob) and glob[end] == "*":
        end += 1
    whole = end - start > 1 and (start == first or glob[start - 1] == "/")
    if whole and end == len(glob):
        found.append(_ALL)
    elif whole and glob[end] == "/":
        found.append(_DIRS)
        return end + 1
    elif whole and glob.startswith("\\/", end):
        found.append(_ALL)
    else:
        found.append(_STAR)
    return end


def _class(glob: str, start: int) -> tuple[int, str]:
    """Read `[...]`, give where it ends (0 if it never does) and its expression, which matches no '/'."""
    at = start + 1
    negated = glob.startswith(("!", "^"), at)
    at += negated
    body, previous, begin = "", "", at
    while at == begin or not glob.startswith("]", at):  # a first "]" is a member
        at, expression, previous = _member(glob, at, previous)
        if not at:
            return 0, ""
        body += expression
    if negated:
        return at + 1, f"[^/{body}]"
    return at + 1, f"(?!/)[{body}]" if body else "(?!)"


def _member(glob: str, at: int, previous: str) -> tuple[int, str, str]:
    """Read one member of a class: where it ends (0 for a class that is none), its expression, its character."""
    if glob.startswith("-", at) and previous and not glob.startswith("]", at + 1) and at + 1 < len(glob):
        at, upper = _character(glob, at + 1)
        return at, f"{re.escape(previous)}-{re.escape(upper)}" if upper >= previous else "", ""
    if glob.startswith("[:", at):
        end = glob.find("]", at + 2)
        if end > at + 2 and glob[end - 1] == ":":
            known = _CLASSES.get(glob[at + 2 : end - 1], "")
            return end + 1 if known else 0, known, ""
        if end < 0:
            return 0, "", ""
    at, char = _character(glob, at)
    return at, re.escape(char), char


def _character(glob: str, at: int) -> tuple[int, str]:
    """Read one character of a class, escaped or not: where it ends (0 if the pattern does first), and itself."""
    at += glob.startswith("\\", at)
    return (at + 1, glob[at]) if at < len(glob) else (0, "")


def _between_dirs(tokens: list[str]) -> str:
    """Join tokens. The part between two `**/` is matched at its first place, once (an atomic group)."""
    stops = [at for at, token in enumerate(tokens) if token in (_DIRS, _ALL)]
    if not stops:
        return _between_stars(tokens)
    joined = _between_stars(tokens[: stops[0]])
    for at, after in zip(stops, [*stops[1:], len(tokens)], strict=True):
        part = _between_stars(tokens[at + 1 : after])
        last = after == len(tokens)
        if tokens[at] == _ALL:
            joined += ".*" + part
        else:
            joined += f"(?:.*/)?{part}" if last else f"(?>(?:[^/]*/)*?{part})"
    return joined


def _between_stars(tokens: list[str]) -> str:
    """Join tokens that have no `**`. In one step of a path, all but the last star take the first place that fits."""
    joined, at = "", 0
    while at < len(tokens):
        if tokens[at] != _STAR:
            joined += tokens[at]
            at += 1
            continue
        end = next((to for to in range(at + 1, len(tokens)) if tokens[to] in (_STAR, _SLASH)), len(tokens))
        part = "".join(tokens[at + 1 : end])
        again = end < len(tokens) and tokens[end] == _STAR
        joined += f"(?>[^/]*?{part})" if again else f"[^/]*{part}"
        at = end
    return joined
