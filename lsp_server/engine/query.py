"""Query: what is asked, and how the words of a question are understood.

Takes the text that someone typed, with filter tokens and quoted words in it, gives a Question. A token that cannot be
understood stays part of the words. Does not look at the index.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from lsp_server.engine import patterns
from lsp_server.engine.languages import language_named
from lsp_server.engine.symbols import KINDS

NO_LIMIT_WORDS = 2_000  # words of a pasted log or issue that are matched; longer texts add time, not meaning

MOST_PHRASES = 8  # quoted; each costs a look-up

# Of the globs of one question. Paths are matched with each of them: a thousand times as much takes a minute.
MAX_GLOBS = 100
MAX_GLOB_CHARACTERS = 10_000  # together, as long as a question may be

_TOKEN = re.compile(r'(?<!\S)(-?)(kind|lang|path|in|name|changed|open):("[^"]*"|\S*)(?!\S)')
_QUOTED = re.compile(r'"([^"]+)"')
_IDENTIFIER = re.compile(r"[^\W\d][\w$]*(?:(?:\.|::|#|->)[^\W\d][\w$]*)*(?:\(\))?")
_TELLING = re.compile(r"[A-Z_.:#\d]|->|\(\)")
_INNER = re.compile(
    r"\b(?:[A-Za-z]+_\w+|[a-z]+[A-Z]\w*|(?:[A-Z][a-z0-9]+){2,}|[A-Z]+[a-z]+[A-Z]\w*|[A-Z]{2,}[a-z]{2,}\w*)\b"
)
_ASKS_FOR_TESTS = re.compile(
    r"\b(?:unit )?(?:tests?|specs?)\b\s+(?:for|of|that|which|checking|covering)\b|^\W*tests?\b", re.I
)


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it is asked: its text and the filters beside it. An empty filter means: everything."""

    text: str
    limit: int = 20
    kinds: frozenset[str] = frozenset()  # of symbols.KINDS
    languages: frozenset[str] = frozenset()  # LSP language ids
    include: tuple[str, ...] = ()  # globs as in .gitignore, relative to the root
    exclude: tuple[str, ...] = ()
    near: str = ""  # path of the file where the user is
    open_paths: frozenset[str] = frozenset()  # files open in the editor
    without: frozenset[str] = frozenset()  # folders in the root that are asked on their own


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it is understood."""

    query: Query  # with the filters that stood in the text added, and the words alone as its text
    phrases: tuple[str, ...] = ()  # must appear literally
    names: tuple[str, ...] = ()  # globs, one of which a symbol's name must match, letter case aside
    changed: bool = False  # only files that differ from git's HEAD
    opened: bool = False  # only files open in the editor

    @property
    def words(self) -> str:
        """What is left to be matched."""
        return self.query.text

    @property
    def is_identifier(self) -> bool:
        """Whether the words are one name that nobody would write in prose."""
        return bool(_IDENTIFIER.fullmatch(self.words) and _TELLING.search(self.words))

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The names in the words: all of it if it is one name, else what stands in camel or snake case."""
        if self.is_identifier:
            return (re.split(r"\.|::|#|->", self.words.removesuffix("()"))[-1],)
        return tuple(dict.fromkeys(_INNER.findall(self.words)))

    @property
    def asks_for_tests(self) -> bool:
        """Whether tests are wanted: "tests for the parser", not "test client"."""
        return "test" in self.query.kinds or bool(_ASKS_FOR_TESTS.search(self.words))


def parse(query: Query) -> Question:
    """Return `query` with the filter tokens and quoted words of its text understood."""
    kinds, languages, include, exclude = (
        set(query.kinds),
        set(query.languages),
        list(query.include),
        list(query.exclude),
    )
    names: list[str] = []
    changed = opened = False

    def take(match: re.Match[str]) -> str:
        nonlocal changed, opened
        minus, key, value = match.group(1), match.group(2), match.group(3).strip('"')
        if key == "path" and value:
            (exclude if minus else include).append(value)
        elif minus:
            return match.group(0)
        elif key == "kind" and value in KINDS:
            kinds.add(value)
        elif key == "lang" and language_named(value):
            languages.add(language_named(value))
        elif key == "in" and value.strip("/"):
            include.append(f"/{value.strip('/')}/")
        elif key == "name" and value:
            names.append(value)
        elif key == "changed" and not value:
            changed = True
        elif key == "open" and not value:
            opened = True
        else:
            return match.group(0)
        return " "

    text = _TOKEN.sub(take, query.text).encode("utf-8", "replace").decode()  # as texts are stored: no halves of pairs
    phrases = tuple(dict.fromkeys(filter(None, map(str.strip, _QUOTED.findall(text)))))[:MOST_PHRASES]
    words = " ".join(text.replace('"', " ").split()[:NO_LIMIT_WORDS])
    return Question(
        query=replace(
            query,
            text=words,
            kinds=frozenset(kinds),
            languages=frozenset(languages),
            include=tuple(include),
            exclude=tuple(exclude),
        ),
        phrases=phrases,
        names=tuple(names),
        changed=changed,
        opened=opened,
    )


def filter_trouble(text: str) -> str:
    """Say what is too much about the globs that stand in a question: the end of a sentence, or ""."""
    asked = parse(Query(text))
    return glob_trouble((*asked.query.include, *asked.query.exclude, *asked.names))


def glob_trouble(globs: Sequence[str]) -> str:
    """Say what is too much about the globs that come with a question: the end of a sentence, or ""."""
    if len(globs) > MAX_GLOBS:
        return f"hold {len(globs):,} globs; at most {MAX_GLOBS} are read"
    characters = sum(map(len, globs))
    if characters > MAX_GLOB_CHARACTERS:
        return f"hold {characters:,} characters; at most {MAX_GLOB_CHARACTERS:,} are read"
    return ""


@lru_cache(maxsize=64)
def path_matcher(globs: tuple[str, ...]) -> Callable[[str], bool]:
    """Return a test whether a path matches one of `globs`, written as in .gitignore: a folder means all in it."""
    wanted = patterns.parse("\n".join(globs))

    def matches(path: str) -> bool:
        steps = path.split("/")
        for end in range(1, len(steps)):
            last = wanted.last_for_folder(steps[end - 1], "/".join(steps[:end]))
            if last is not None and not last.negated:
                return True
        last = wanted.last_for_file(steps[-1], path)
        return last is not None and not last.negated

    return matches
