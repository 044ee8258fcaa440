"""Questions: a file of them, one JSON object a line, for whoever asks many at once.

Takes lines, gives what each is called and the Query that it means. Fields beside "query" carry the names of the
options or of the protocol; a line that makes no sense ends it all, for an answer left out silently would spoil a
measurement.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lsp_server.arguments import UsageError, with_filters
from lsp_server.engine.query import Query, filter_trouble, glob_trouble

KEYS = frozenset(("id", "query", "limit", "kind", "kinds", "lang", "languages", "include", "exclude"))

_T = TypeVar("_T")
_CALLED: dict[type, str] = {str: "a string", int: "a whole number", list: "a list of strings"}


@contextmanager
def open_questions(name: str) -> Iterator[Iterable[str]]:
    """Open a file of questions, "-" for standard input. Raises UsageError when it cannot be read."""
    if name == "-":
        sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # JSON is UTF-8, whatever the console is
        yield sys.stdin
        return
    try:
        file = Path(name).open(encoding="utf-8")  # noqa: SIM115 - closed below; the body's errors are not ours
    except OSError as error:
        raise UsageError(f"{name} cannot be read ({error.strerror})") from error
    with file:
        yield file


def read_questions(lines: Iterable[str], base: Query) -> Iterator[tuple[object, Query]]:
    """Read the objects that `manual.SEARCH` tells of, one a line; empty lines are skipped.

    `base` holds the filters that all of them share. Gives the id, the line's number from 1 where there is none, and the
    question. Raises UsageError with the line's number.
    """
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _question(line, number, base)
    except UnicodeDecodeError as error:  # of a block of lines: which one it was is not known
        raise UsageError(f"the questions must be UTF-8, and hold the byte 0x{error.object[error.start]:02x}") from error
    except (ValueError, UsageError) as error:  # broken JSON is a ValueError too
        raise UsageError(f"question {number}: {error}") from error


def _question(line: str, number: int, base: Query) -> tuple[object, Query]:
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise ValueError("must be a JSON object")
    if unknown := sorted(entry.keys() - KEYS):
        raise ValueError(f"there is no field {unknown[0]!r}; known are {', '.join(sorted(KEYS))}")
    asked = replace(
        base,
        text=_value(entry, "query", str),
        limit=_limit(entry, base.limit),
        include=(*base.include, *_texts(entry, "include")),
        exclude=(*base.exclude, *_texts(entry, "exclude")),
    )
    if trouble := glob_trouble((*asked.include, *asked.exclude)):
        raise ValueError(f"'include' and 'exclude' {trouble}")
    if trouble := filter_trouble(asked.text):
        raise ValueError(f"the filters in 'query' {trouble}")
    kinds = [*_texts(entry, "kind"), *_texts(entry, "kinds")]
    languages = [*_texts(entry, "lang"), *_texts(entry, "languages")]
    return entry.get("id", number), with_filters(asked, kinds, languages)


def _limit(entry: dict[str, object], default: int) -> int:
    limit = _value(entry, "limit", int, default)
    if limit < 1:
        raise ValueError("'limit' must be at least 1")
    return limit


def _value(entry: dict[str, object], name: str, kind: type[_T], default: _T | None = None) -> _T:
    value = entry.get(name, default)
    if not isinstance(value, kind) or isinstance(value, bool):  # which Python counts among whole numbers
        raise ValueError(f"{name!r} must be {_CALLED[kind]}")
    return value


def _texts(entry: dict[str, object], name: str) -> list[str]:
    if isinstance(one := entry.get(name), str):
        return [one]
    values: list[str] = _value(entry, name, list, [])
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name!r} must be a list of strings")
    return values
