"""Filters, whichever and however many: all rows of an answer fulfil them, and it is as long as it can be.

What fulfils them is read from the database and judged apart from the engine, globs by git.
"""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import BagEncoder, drain, write_workspace

from lsp_server.engine.hits import Hit
from lsp_server.engine.index import Index, Options
from lsp_server.engine.query import Query
from lsp_server.engine.text import query_terms, words_of

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is the judge of this test")

VERBS = ("read", "retry", "delete", "count", "merge", "sort")
NOUNS = ("ticket", "price", "upload", "basket")
FOLDERS = ("", "src/", "src/core/", "src/web/", "tests/", "docs/", "docs/old/")
GLOBS = (
    *("*.py", "*.js", "*.md", "/src/", "src/**", "src/*", "core", "docs/", "/docs/old/", "**/a.*", "[ab].*", "?.md"),
    *("test*", "/a.py", "src/*/b.js", "old/**", "none", "*", "#a", "a.py/", "\\*.py"),
)

Key = tuple[str, str, str, tuple[int, ...]]


@dataclass(frozen=True)
class Row:
    """A symbol as it is stored."""

    key: Key
    language: str
    parent: int
    terms: frozenset[int] = field(compare=False)

    @property
    def path(self) -> str:
        return self.key[0]


class World:
    """An index, and what it holds by id."""

    def __init__(self, index: Index, rows: dict[int, Row]) -> None:
        self.index = index
        self.rows = rows

    def globbed(self, globs: tuple[str, ...]) -> set[str]:
        """Ask git which paths these lines of an ignore file match."""
        (self.index.root / ".git" / "globs").write_text("\n".join(globs))
        paths = "\0".join({row.path for row in self.rows.values()})
        nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        command = ["git", "-c", "core.excludesFile=.git/globs", "check-ignore", "--no-index", "--stdin", "-z"]
        done = subprocess.run(
            command, cwd=self.index.root, env=os.environ | nothing, input=paths.encode(), capture_output=True
        )
        assert done.returncode in (0, 1), done.stderr  # 1: none
        return set(filter(None, done.stdout.decode().split("\0")))

    def fulfilling(self, query: Query) -> dict[Key, int]:
        """Return the symbols that the filters leave, with their ids."""
        included = self.globbed(query.include) if query.include else None
        excluded = self.globbed(query.exclude) if query.exclude else set()
        return {
            row.key: at
            for at, row in self.rows.items()
            if (not query.kinds or row.key[1] in query.kinds)
            and (not query.languages or row.language in query.languages)
            and (included is None or row.path in included)
            and row.path not in excluded
        }

    def around(self, keys: set[Key]) -> set[Key]:
        """Return all that these symbols stand in."""
        outer: set[Key] = set()
        for at, row in self.rows.items():
            while row.key in keys and (at := self.rows[at].parent) in self.rows:
                outer.add(self.rows[at].key)
        return outer


def key_of(hit: Hit) -> Key:
    span = hit.span
    return hit.path, hit.kind, hit.name, (span.start_line, span.start_column, span.end_line, span.end_column)


def source(path: str) -> str:
    """Return a file with many symbols, some in others."""
    if path.endswith(".md"):
        return "".join(f"# {verb} a {NOUNS[at % 4]}\n\nAbout {path} and zebras.\n\n" for at, verb in enumerate(VERBS))
    if path.endswith(".js"):
        return "".join(f"function {verb}{noun.title()}() {{ return 1 }}\n\n" for verb in VERBS for noun in NOUNS[:2])
    methods = "".join(f"    def {verb}_all(self):\n        return {at}\n\n" for at, verb in enumerate(VERBS))
    functions = "".join(f"def {verb}_{noun}():\n    return '{path}'\n\n\n" for verb in VERBS for noun in NOUNS[2:])
    return f"LIMIT = 3\n\n\nclass Desk:\n{methods}\n\n{functions}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("world")
    files = [f"{folder}{name}" for folder in FOLDERS for name in ("a.py", "b.py", "b.js", "c.md")]
    write_workspace(root, "".join(f"//- {path}\n{source(path)}" for path in files))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    cache = tmp_path_factory.mktemp("cache")
    with contextlib.closing(Index(root, Options(cache_dir=str(cache), threads=1), BagEncoder())) as index:
        drain(index.refresh())
        with contextlib.closing(sqlite3.connect(index.store_path)) as db:
            stored = db.execute(
                "SELECT s.id, f.path, s.kind, s.name, s.spans, f.language, s.parent_id, s.bag "
                "FROM symbols s JOIN files f ON f.id = s.file_id"
            ).fetchall()
        rows = {}
        for at, path, kind, name, spans, language, parent, bag in stored:
            span = tuple(json.loads(spans)[:4])
            rows[at] = Row((os.fsdecode(path), kind, name, span), language, parent, terms_in(bag))
        assert len(rows) > 400
        assert len({row.key for row in rows.values()}) == len(rows)
        yield World(index, rows)


def terms_in(bag: bytes) -> frozenset[int]:
    """Return the terms by which a symbol is matched; the lower 16 bits of each word say where and how often."""
    return frozenset((np.frombuffer(bag, np.uint64) >> np.uint64(16)).tolist())


globs = st.lists(
    st.tuples(st.sampled_from(GLOBS), st.booleans()).map(lambda each: ("!" if each[1] else "") + each[0]), max_size=4
).map(tuple)
queries = st.builds(
    Query,
    text=st.sampled_from(("", "retry uploads", "zebra", "how to merge a price", "count", "nothing of this is there")),
    limit=st.sampled_from((1, 3, 20, 128, 1_000)),
    kinds=st.frozensets(st.sampled_from(("function", "class", "method", "section", "file", "enum")), max_size=3),
    languages=st.frozensets(st.sampled_from(("python", "javascript", "markdown", "rust")), max_size=2),
    include=globs,
    exclude=globs,
)
ENOUGH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.timeout(300)
@ENOUGH
@given(query=queries)
def test_an_answer_holds_what_the_filters_leave_and_as_much_as_it_can(world: World, query: Query) -> None:
    wanted = world.fulfilling(query)
    found = [key_of(hit) for hit in world.index.search(query).hits]
    assert set(found) <= wanted.keys()
    assert len(found) == len(set(found))
    if query.text:  # everything has a vector, so everything matches; what stands around a row is left out for it
        missing = wanted.keys() - set(found)
        assert len(found) == query.limit or (len(found) < query.limit and missing <= world.around(set(found)))
    else:  # a listing, without the files themselves
        assert len(found) == min(query.limit, sum(world.rows[at].parent in world.rows for at in wanted.values()))


@pytest.mark.timeout(300)
@ENOUGH
@given(query=queries.filter(lambda query: bool(query.text)))
def test_so_does_an_answer_by_words(world: World, query: Query) -> None:
    asked = frozenset(query_terms(words_of(query.text)))  # without words such as "how"
    wanted = {key for key, at in world.fulfilling(query).items() if world.rows[at].terms & asked}
    found = [key_of(hit) for hit in world.index.search_words(query).hits]
    assert set(found) <= wanted
    assert len(found) == len(set(found))
    assert len(found) == query.limit or (len(found) < query.limit and wanted - set(found) <= world.around(set(found)))
