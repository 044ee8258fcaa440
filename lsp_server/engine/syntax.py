"""Syntax: what a language's query file finds in a text, as byte ranges.

Takes UTF-8 bytes and a row of the language table, runs tree-sitter once and the query once, and sorts the captures into
definitions, comments, attributes, wrappers and imports. Knows no names of node types: those stand in `queries/*.scm`.
The only file that imports tree_sitter. How to write a query file: see the docstring of `symbols.py`.
"""

import importlib
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import tree_sitter

from lsp_server.engine.comments import licences
from lsp_server.engine.languages import Language
from lsp_server.engine.macros import Blanked, blank_macros

# CPU seconds for parsing and querying one file. Real files need milliseconds; a megabyte of generated code needs 0.3 s;
# nested brackets and random bytes can need 20 s. CPU time, not wall time: the indexer runs at idle priority.
SECONDS = 1.5
_TIME_OUT = f"cut off after {SECONDS} s"

# A file is handed to the parser in parts: the progress callback is only honoured with a read callback. Small parts,
# because every predicate of a query reads its node's text by the same callback, and copies a whole part for it.
_PART = 512

# A query has no usable clock: its progress callback crashes the interpreter once there is a match (tree-sitter 0.25.0
# to 0.26.1 keep a pointer to a dead stack slot). So the query runs over windows, with a look at the clock between them.
# Every window walks the top of the tree again: of this size they cost 20 ms more for a megabyte than a single one.
_WINDOW = 1 << 16

# And what is known to be slow is not queried: for each token in an error the cursor looks for a later named sibling, so
# a run of n stray tokens costs n * n / 2 steps. 100,000 brackets take 7 s, a run of this many 0.3 s.
_STRAY = 20_000

# A pattern `(parent (child))` keeps one state for every parent that encloses a place: 8,000 nested classes take 7 s.
# And a parser that recovers among many brackets seldom calls back: 2,900 times `%w(` in Rust take 4.4 s, this many 1 s.
# Brackets are counted instead of nodes because that can be done before.
_DEPTH = 1_500
_BRACKETS = re.compile(rb"[({\[]++|[)}\]]++")

# OCaml's `a; b; c` is one node with many children, but to the cursor hidden nodes in each other, and for each step it
# looks through all of them: 20,000 statements take 4 s, this many children 0.5 s. Windows do not help.
_CHAIN = "sequence_expression"
_LINKS = 15_000

# The YAML grammar keeps its indentations in a buffer of 1024 bytes and writes behind its end from 254 levels on: the
# process dies. A line can open one for each of its leading columns, and a list stands at the column of its key.
_YAML_LEVELS = 120
_YAML_INDENT = re.compile(rb"^[ \t?:-]{%d,}" % _YAML_LEVELS, re.MULTILINE)
_YAML_OPENERS = re.compile(rb"^[ \t]*(?:[?:-][ \t]+)*", re.MULTILINE)

# Languages with a preprocessor, by their query file.
_PREPROCESSED = frozenset({"c", "cpp"})

# Trees are deep without any bracket too: "word word word ..." is call in call in call to Elixir. No pattern starts
# below this many levels: 8,000 words take 0.1 s then, not 6 s, and 60,000 still end. Nobody's code is as deep.
_START_DEPTH = 400

_log = logging.getLogger(__name__)

_QUERIES = Path(__file__).parent / "queries"
_INHERITS = re.compile(r"\A;\s*inherits:\s*([\w.-]+)")

Range = tuple[int, int]
Match = tuple[int, dict[str, list[tree_sitter.Node]]]  # position of the pattern, nodes by capture


class NoGrammar(Exception):
    """The wheel that holds the grammar is not installed, or is not the one that the query was written for."""


class TooSlow(Exception):
    """Parsing or querying took, or would have taken, too long. Its text says which."""


@dataclass(slots=True)
class Definition:
    """One definition: ranges of bytes, (-1, -1) where the query captured none."""

    kind: str
    node: Range
    name: Range
    body: Range
    doc: Range
    scope: Range
    label: Range
    marks: frozenset[str]  # of MARKS
    rank: int  # position of the pattern in the query file: for one node the later pattern wins


@dataclass(slots=True)
class Syntax:
    """All that a query found in one file."""

    definitions: list[Definition] = field(default_factory=list)
    comments: list[tuple[Range, Range]] = field(default_factory=list)  # the comment, and its documentation text
    attributes: list[Range] = field(default_factory=list)
    macros: list[Range] = field(default_factory=list)  # blanked before parsing
    outers: dict[Range, Range] = field(default_factory=dict)  # a node, and the one that wraps it
    imports: list[Range] = field(default_factory=list)
    prologues: list[Range] = field(default_factory=list)
    licences: set[Range] = field(default_factory=set)  # those comments that are one
    file_doc: Range = (-1, -1)


NOTHING: Range = (-1, -1)
MARKS = frozenset({"merge", "minor", "declares", "qualified", "reaches", "unit"})
_NO_MARKS: frozenset[str] = frozenset()
_PARTS = frozenset({"name", "body", "doc", "scope", "label", "inner"}) | MARKS
_LOOSE = frozenset({"comment", "attribute", "outer", "import", "prologue"})


def read_syntax(data: bytes, language: Language) -> Syntax:
    """Parse and query a text. Raises NoGrammar or TooSlow."""
    grammar, query = _load(language.grammar, language.query)
    if _is_deep(data):
        raise TooSlow(f"cut off: nested deeper than {_DEPTH} brackets")
    if language.query == "yaml" and _is_indented(data):
        raise TooSlow(f"cut off: nested deeper than {_YAML_LEVELS} levels")
    deadline = time.thread_time() + SECONDS
    blanked = blank_macros(data) if language.query in _PREPROCESSED else Blanked(data, [], [])
    parser = tree_sitter.Parser(grammar)  # 0.3 us; a parser that was stopped once would have to be reset
    try:
        tree = parser.parse(
            lambda offset, _point: blanked.text[offset : offset + _PART],
            progress_callback=lambda _offset, _error: time.thread_time() > deadline,
        )
    except ValueError as error:  # "Parsing failed": the callback stopped it
        raise TooSlow(_TIME_OUT) from error
    if len(data) > _STRAY and _has_long_run(tree.root_node):
        raise TooSlow(f"cut off: more than {_STRAY} stray tokens in a row")
    if language.query == "ocaml" and len(data) > 2 * _LINKS and _has_long_chain(tree.root_node):
        raise TooSlow(f"cut off: more than {_LINKS // 2} statements in a row")
    syntax = _sort(_matches(tree.root_node, query, deadline), data)
    syntax.macros = blanked.macros
    syntax.imports += blanked.linkages
    return syntax


def _is_deep(data: bytes) -> bool:
    """Say whether more than _DEPTH brackets are open at once, counting those in strings and comments too."""
    if data.count(b"{") + data.count(b"(") + data.count(b"[") <= _DEPTH:
        return False
    depth = 0
    for run in _BRACKETS.finditer(data):
        start, end = run.span()
        depth = depth + end - start if data[start] in b"({[" else max(0, depth - end + start)
        if depth > _DEPTH:
            return True
    return False


def _is_indented(data: bytes) -> bool:
    """Say whether a YAML text may have more than _YAML_LEVELS levels. Text in block scalars counts as one."""
    if not _YAML_INDENT.search(data):
        return False
    levels: list[int] = []
    for line in _YAML_OPENERS.finditer(data):
        start, end = line.span()
        opened = [at - start for at in range(start, end) if data[at] in b"?:-"]
        opened.append(end - start)
        while levels and levels[-1] >= opened[0]:
            levels.pop()
        levels += opened
        if len(levels) > _YAML_LEVELS:
            return True
    return False


def _has_long_run(root: tree_sitter.Node) -> bool:
    """Say whether somewhere below _STRAY unnamed nodes stand in a row, which only errors make possible."""
    nodes = [root]
    while nodes:
        node = nodes.pop()
        if not node.has_error:
            continue
        run = 0
        for child in node.children:
            run = 0 if child.is_named else run + 1
            if run > _STRAY:
                return True
            if child.has_error:
                nodes.append(child)
    return False


def _has_long_chain(root: tree_sitter.Node) -> bool:
    """Say whether somewhere below there is a chain of more than _LINKS."""
    nodes = [root]
    while nodes:
        node = nodes.pop()
        if node.type == _CHAIN and node.child_count > _LINKS:
            return True
        nodes += [child for child in node.children if child.end_byte - child.start_byte > _LINKS]
    return False


def _matches(root: tree_sitter.Node, query: tree_sitter.Query, deadline: float) -> list[Match]:
    """Run the query window by window, looking at the clock between them.

    Nodes that reach over several windows are found several times; `_sort` and its readers do not mind.
    """
    found: list[Match] = []
    cursor = tree_sitter.QueryCursor(query)
    cursor.set_max_start_depth(_START_DEPTH)
    for start in range(0, max(1, root.end_byte), _WINDOW):
        if root.end_byte > _WINDOW:
            cursor.set_byte_range(start, min(start + _WINDOW, root.end_byte))
        found += cursor.matches(root)
        if time.thread_time() > deadline:
            raise TooSlow(_TIME_OUT)
    return found


def _sort(found: list[Match], data: bytes) -> Syntax:
    syntax = Syntax()
    for rank, captures in found:
        kind = ""
        for name in captures:
            if name not in _PARTS and name not in _LOOSE and name[0] != "_":
                kind = name
        if kind == "file":
            syntax.file_doc = _first(captures, "doc")
        elif kind:
            definition = _definition(kind, rank, captures)
            if definition.name[0] < definition.name[1]:  # error recovery makes up names of no length
                syntax.definitions.append(definition)
        _loose(captures, syntax, data)
    syntax.comments.sort()
    if syntax.comments and data.startswith(b"#!") and syntax.comments[0][0][0] == 0:
        syntax.prologues.append(syntax.comments.pop(0)[0])  # for the system, not for the reader
    syntax.licences = licences([whole for whole, _doc in syntax.comments], data)
    return syntax


def _definition(kind: str, rank: int, captures: dict[str, list[tree_sitter.Node]]) -> Definition:
    node = captures[kind][0]
    name = captures.get("name")
    body = _first(captures, "body")
    extends = body != NOTHING and "reaches" not in captures
    return Definition(
        kind=kind,
        node=(node.start_byte, max(node.end_byte, body[1]) if extends else node.end_byte),
        name=(name[0].start_byte, name[-1].end_byte) if name else NOTHING,
        body=body,
        doc=_first(captures, "doc"),
        scope=_first(captures, "scope"),
        label=_first(captures, "label"),
        marks=MARKS & captures.keys() if len(captures) > 2 else _NO_MARKS,
        rank=rank,
    )


def _loose(captures: dict[str, list[tree_sitter.Node]], syntax: Syntax, data: bytes) -> None:
    if "comment" in captures:
        for node in captures["comment"]:
            whole = (node.start_byte, _without_break(data, node.end_byte))
            syntax.comments.append((whole, _first(captures, "doc")))
    if "attribute" in captures:
        syntax.attributes.extend((node.start_byte, node.end_byte) for node in captures["attribute"])
    if "import" in captures:
        syntax.imports.extend((node.start_byte, node.end_byte) for node in captures["import"])
    if "prologue" in captures:
        syntax.prologues.extend((node.start_byte, node.end_byte) for node in captures["prologue"])
    if "outer" in captures and "inner" in captures:
        outer = captures["outer"][0]
        wrapper = (outer.start_byte, outer.end_byte)
        for node in captures["inner"]:
            wrapped = (node.start_byte, node.end_byte)
            if wrapped != wrapper:
                syntax.outers[wrapped] = wrapper


def _first(captures: dict[str, list[tree_sitter.Node]], name: str) -> Range:
    nodes = captures.get(name)
    return (nodes[0].start_byte, nodes[0].end_byte) if nodes else NOTHING


def _without_break(data: bytes, end: int) -> int:
    while end > 0 and data[end - 1] in b"\r\n":
        end -= 1
    return end


def _load(grammar: str, query: str) -> tuple[tree_sitter.Language, tree_sitter.Query]:
    loaded = _try_load(grammar, query)
    if loaded is None:
        raise NoGrammar
    return loaded


@cache
def _try_load(grammar: str, query: str) -> tuple[tree_sitter.Language, tree_sitter.Query] | None:
    """Give a grammar and its query, or None and one line in the log, however many files want them."""
    module, _, function = grammar.partition(":")
    try:
        make: Callable[[], object] = getattr(importlib.import_module(module), function)
        language = tree_sitter.Language(make())
        return language, tree_sitter.Query(language, query_text(query))
    except (ImportError, AttributeError) as error:
        _log.warning("%s is not installed, its files are read as plain blocks: %s", module, error)
    except (ValueError, OSError) as error:  # another ABI, a node renamed (QueryError), no query file
        _log.warning("%s cannot be queried, its files are read as plain blocks: %s", module, error)
    return None


def query_text(name: str) -> str:
    """Give the text of a query file, after that of the file which its first line inherits from."""
    text = (_QUERIES / f"{name}.scm").read_text(encoding="utf-8")
    base = _INHERITS.match(text)
    return query_text(base.group(1)) + "\n" + text if base else text
