"""Symbols: the named things in a file.

Takes a SourceFile, gives its functions, classes, methods ... in order of appearance, and blocks for the lines that none
of them covers. Broken code is not an error: whatever tree-sitter could still see is returned. Knows no language: what a
definition is stands in `queries/<name>.scm`, which grammar reads a file stands in the table of `languages.py`.

## How to write a query file

A file holds patterns of definitions only (no references) and the patterns of comments and imports. Captures:

`@<kind>`     the node of a definition, where <kind> is one of KINDS: `(function_definition ...) @function`.
`@name`       its name. Quotes around it are taken off. Several @name nodes: from the start of the first to the end of
              the last (`(impl_item "impl" @name type: (_) @name)` is named "impl Foo"). Without a name it is ignored.
`@body`       where the body starts: the signature is the source before it (at most 300 characters, one line), the body
              everything from there on. Without @body the first 300 characters are the signature, the rest the body.
              A name after the body (`typedef struct {...} Name`) is appended to the signature. A body behind the node
              of the definition extends it.
`@doc`        documentation inside the definition (a docstring): it becomes the doc and is cut from the body.
`@scope`      whose member it is, where that is written at the definition: receiver type in Go.
`@label`      what children write as their container, if not the name: the type of a Rust impl.
`@qualified`  on the same node as @name: `A::b`, `a.b`, `a:b` is split, the last part is the name, the rest the scope.
`@comment`    every comment, one pattern: `(comment) @comment`. Documentation that is no comment (Elixir's `@doc "..."`)
              is a @comment with a @doc inside.
`@attribute`  every decorator, attribute, annotation: standing before the definition or at its start, they are left out
              of the signature and put in front of the body.
`@outer @inner`  a wrapper that belongs to the definition in it: `(export_statement declaration: (_) @inner) @outer`.
`@import`     imports, includes, package clauses: never part of a block by themselves.
`@prologue`   what may stand before a file's leading comment (`<?php`, pragmas, include guards); also treated as import.
`@file`       the root, for a module docstring: `(module . (expression_statement (string) @doc)) @file`.

Marks, put on the definition node beside its kind (`(pair ...) @function @minor`):

`@minor`      a unit only from 3 lines on: functions in object literals, in arguments.
`@declares`   has no body. Undocumented it is left out where it stands in a type (`void f();` in an interface is part of
              its body), and where the same level also defines that name (C prototypes).
`@merge`      adjacent definitions with the same name are one: equations in Haskell, overload signatures in TypeScript;
              but not where the later one has documentation (a plain remark is none).
`@reaches`    ends where the next definition starts, or with what encloses it: underlined headings in Markdown.
`@unit`       a value that is a unit whatever it is called and though it is one line: constants of a language in which
              their names are not written in capitals.

Several patterns may match one node: kind, name and marks of the pattern that stands later in the file win, missing
parts are taken from the other. So: general patterns first, special ones (tests, constructors) after them. A first line
`; inherits: javascript` puts that file's patterns in front. Captures that begin with `_` serve predicates (`#eq?`,
`#match?`, `#not-eq?`, `#not-match?` and `#any-of?` work; `#not-any-of?` excludes nothing in tree-sitter 0.26.1, write
`#not-match? "^(a|b)$"`; directives such as `#strip!` do nothing). Patterns must not start with a
wildcard, and should name fields: both cost time. `([(a) (b)] field: (c))` is not what it seems: it means siblings, so
write one pattern per parent. Look at a tree with `print(parser.parse(code).root_node)`.

Derived, so a query need not say it:
- `function` in a class, struct, interface, trait, enum, union or object, or with a scope, is a `method`; a function or
  method that is named like its class is a `constructor`. (`__init__` and the like: a later pattern with @constructor.)
- Comments and attributes directly before a definition (on lines of their own, no licence, no blank line between except
  after `/** ... */`) belong to it: its span starts there, and the comments are its doc.
- Comments right under something and parted from what follows are not about what follows. Those at the end of a node, on
  lines of their own and no deeper than it, are: nodes of TOML and YAML reach to their next sibling.
- What is nested in a function is a unit from 7 lines on, tests from 3; values (`constant`, `variable`, `property`,
  `field`) never are, nor what lies in an @import.
- Values elsewhere are units if they have a doc comment, or more than one line, or an UPPER_CASE name, or are marked
  `@unit`. 20 undocumented one-line values or macros under each other are a table and become blocks. So capture all
  top-level values, but no locals and no fields: they are found in the body of their type.
- A unit's span includes its children; its body does not. `members` are the names of its children.
- Lines that nothing covers are blocks in files, modules, namespaces and packages, and body in everything else.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from lsp_server.engine import comments
from lsp_server.engine.blocks import Blocks, leading
from lsp_server.engine.files import SourceFile
from lsp_server.engine.languages import LANGUAGES
from lsp_server.engine.lines import Lines, split_lines
from lsp_server.engine.outline import SPACE_KINDS, Leaders, Unit, outline
from lsp_server.engine.syntax import NOTHING, NoGrammar, Range, Syntax, TooSlow, read_syntax

KINDS = frozenset({
    "file", "module", "namespace", "package", "class", "struct", "interface", "trait", "enum", "union", "type",
    "function", "method", "constructor", "property", "field", "constant", "variable", "macro", "test", "section", "key",
    "block", "cell", "object", "table", "rule", "element",
})  # fmt: skip

SIGNATURE_LIMIT = 300  # characters
NAME_LIMIT = 120  # characters; only headings, test names and headers of implementations come near it
BODY_LIMIT = 8_000  # characters: what the word index reads of a body (the ranking was tuned with this)
FILE_BODY_LIMIT = 2_000  # characters: imports and lines too few for a block

# How documentation begins that stands inside and is a comment, no string: PowerShell's help.
_COMMENT_INSIDE = ("<#", "/*")
# To grammars and regular expressions a lone \r ends no line; to LSP, and to who wrote it, it does.
_LONE_RETURN = re.compile(rb"\r(?!\n)")
_EMPTY_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Span:
    """A range of text: 0-based lines, columns in code points, end exclusive."""

    start_line: int
    start_column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named piece of a file, or a block of lines that no symbol covers."""

    kind: str  # one of KINDS
    name: str
    container: str  # "Outer.Inner", "" at the top
    span: Span  # the whole, doc comment and decorators included
    name_span: Span
    signature: str  # the declaration without its body, white space squeezed, one line
    doc: str  # doc comment or docstring, comment marks removed
    body: str  # its source without doc comment and without the members that are symbols themselves
    members: tuple[str, ...]  # names of the direct children that are symbols
    parent: int  # position of the enclosing symbol in the list; -1 for the file unit
    ascii: bool  # no line that a span starts or ends on has a character above U+007F


@dataclass(frozen=True, slots=True)
class Extraction:
    """The symbols of a file, the file unit first, parents before children; and why it is not all there is, or ""."""

    symbols: tuple[Symbol, ...]
    note: str


def extract(source: SourceFile) -> Extraction:
    """Give the symbols of a file. Never raises on bad source; the note says why less was found than there is."""
    data = _LONE_RETURN.sub(b"\n", source.text.encode("utf-8", "replace"))
    lines = split_lines(data)
    syntax, note = _read(source.language, data)
    root = _root(syntax, lines)
    rendering = _Rendering(lines, Leaders(syntax, lines), source.path.rpartition("/")[2])
    return Extraction(rendering.symbols(root), note)


def _read(language: str, data: bytes) -> tuple[Syntax, str]:
    row = LANGUAGES.get(language)
    if row is None or not row.grammar:
        return Syntax(), ""
    try:
        return read_syntax(data, row), ""
    except NoGrammar:
        return Syntax(), f"no grammar installed for {language}"
    except TooSlow as reason:
        return Syntax(), str(reason)


def _root(syntax: Syntax, lines: Lines) -> Unit:
    units = outline(syntax, lines)
    docs = leading(syntax, lines, units[0].start if units else len(lines.data))
    root = Unit("file", 0, len(lines.data), 0, (0, 0), 0, docs, syntax.file_doc, [], "", "")
    root.children = units
    blocks = Blocks(syntax, lines)
    for start, end in [*docs, syntax.file_doc]:
        if start >= 0:
            blocks.leave_out(start, end)
    blocks.fill(root)
    return root


class _Rendering:
    """Turns units into symbols: offsets to positions, ranges to text."""

    def __init__(self, lines: Lines, leaders: Leaders, file_name: str) -> None:
        self._lines = lines
        self._data = lines.data
        self._leaders = leaders
        self._file_name = file_name
        self._symbols: list[Symbol] = []

    def symbols(self, root: Unit) -> tuple[Symbol, ...]:
        self._symbols.append(self._file(root))
        for child in root.children:
            self._add(child, 0, "")
        return tuple(self._symbols)

    def _add(self, unit: Unit, parent: int, container: str) -> None:
        position = len(self._symbols)
        own = ".".join(part for part in (container, unit.scope) if part)
        self._symbols.append(self._symbol(unit, parent, own))
        inner = ".".join(part for part in (own, unit.label) if part)
        for child in unit.children:
            self._add(child, position, inner)

    def _symbol(self, unit: Unit, parent: int, container: str) -> Symbol:
        span = self._span(unit.start, unit.end)
        name_span = self._span(*unit.name)
        signature, body_start = ("", unit.head) if unit.kind == "block" else self._signature(unit)
        return Symbol(
            kind=unit.kind,
            name=_squeeze(self._text(*unit.name))[:NAME_LIMIT],
            container=container,
            span=span,
            name_span=name_span,
            signature=signature,
            doc=self._doc(unit),
            body=self._body(unit, body_start),
            members=self._members(unit),
            parent=parent,
            ascii=self._is_ascii(span, name_span),
        )

    def _file(self, root: Unit) -> Symbol:
        docs = [*root.docs, *([root.docstring] if root.docstring != NOTHING else [])]
        stands_for = (docs[0][0], docs[-1][1]) if docs else _first_run(root.loose, self._lines)
        span = self._span(*stands_for)
        name_span = Span(span.start_line, span.start_column, span.start_line, span.start_column)
        return Symbol(
            kind="file",
            name=self._file_name,
            container="",
            span=span,
            name_span=name_span,
            signature="",
            doc=comments.without_licence(self._doc(root)),
            body="\n".join(_squeeze(self._text(*one)) for one in root.loose)[:FILE_BODY_LIMIT],
            members=self._members(root),
            parent=-1,
            ascii=self._is_ascii(span, name_span),
        )

    def _members(self, unit: Unit) -> tuple[str, ...]:
        names = (_squeeze(self._text(*child.name))[:NAME_LIMIT] for child in unit.children if child.kind != "block")
        return tuple(dict.fromkeys(names))

    def _doc(self, unit: Unit) -> str:
        comment = comments.strip_marks(self._comments(unit.docs)) if unit.docs else ""
        if unit.docstring == NOTHING:
            return comment
        inside = self._text(*unit.docstring)
        strip = comments.strip_marks if inside.startswith(_COMMENT_INSIDE) else comments.strip_quotes
        inside = strip(inside)
        return f"{comment}\n\n{inside}"[: comments.DOC_LIMIT] if comment else inside

    def _comments(self, docs: list[Range]) -> str:
        """Join comments, keeping blank lines: a licence and what follows it are different paragraphs."""
        parts = [self._text(*docs[0])]
        for (_start, end), one in pairwise(docs):
            parts.append("\n" * max(1, min(2, self._lines.line(one[0]) - self._lines.line(end))))
            parts.append(self._text(*one))
        return "".join(parts)

    def _signature(self, unit: Unit) -> tuple[str, int]:
        """Give the signature and where the body starts."""
        has_body = unit.head < unit.body <= unit.end
        end = unit.body if has_body else unit.end
        end = min(end, unit.head + 4 * SIGNATURE_LIMIT)
        parts = [self._text(*part) for part in _without(unit.head, end, self._leaders.within(unit.head, end))]
        if has_body and unit.name[0] >= unit.body:
            parts.append(self._text(*unit.name))
        text = _squeeze(" ".join(parts))
        if has_body:
            return text[:SIGNATURE_LIMIT].rstrip("{:= "), unit.body
        cut = text[:SIGNATURE_LIMIT].rstrip("{; ")
        return cut, unit.end if len(cut) >= len(text) - 2 and end == unit.end else unit.head

    def _body(self, unit: Unit, start: int) -> str:
        if unit.kind in SPACE_KINDS and self._lines.line(start) < self._lines.line(unit.end):
            return "\n".join(self._text(*one) for one in unit.loose)[:BODY_LIMIT]
        holes = sorted([*((child.start, child.end) for child in unit.children), unit.docstring, *unit.docs])
        attributes = [*unit.attributes, *self._leaders.attributes(unit.head, min(start, unit.name[0]))]
        inside = [*attributes, *_without(start, unit.end, holes)]
        parts = (self._text(first, min(last, first + 4 * BODY_LIMIT)).strip() for first, last in inside)
        return _EMPTY_LINES.sub("\n", "\n".join(part for part in parts if part))[:BODY_LIMIT]

    def _text(self, start: int, end: int) -> str:
        return self._data[start:end].decode("utf-8", "ignore")

    def _span(self, start: int, end: int) -> Span:
        return Span(*self._lines.position(start), *self._lines.position(end))

    def _is_ascii(self, span: Span, name_span: Span) -> bool:
        ends = {span.start_line, span.end_line, name_span.start_line, name_span.end_line}
        return not self._lines.continuations or all(self._lines.is_ascii(line) for line in ends)


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _without(start: int, end: int, holes: Iterable[Range]) -> list[Range]:
    """Give what is left of a range without some sorted others."""
    left = []
    for first, last in holes:
        if last <= start or first >= end:
            continue
        if first > start:
            left.append((start, first))
        start = max(start, last)
    if start < end:
        left.append((start, end))
    return left


def _first_run(loose: list[Range], lines: Lines) -> Range:
    """Give the first run of adjacent lines among the loose ones, or the first line."""
    if not loose:
        return 0, lines.end(0)
    start, end = loose[0]
    for first, last in loose[1:]:
        if lines.line(first) > lines.line(end) + 1:
            break
        end = last
    return start, end
