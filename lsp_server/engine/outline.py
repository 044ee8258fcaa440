"""Outline: from the definitions of a file to its tree of units.

Takes a Syntax, gives units in order of appearance, each with its children, its whole range (documentation and
decorators included) and its final kind. Leaves out what is not worth finding by itself (see `_is_unit`); that stays in
the body of what encloses it. Still bytes, no text: `symbols.py` renders.
"""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

from lsp_server.engine.lines import Lines
from lsp_server.engine.syntax import NOTHING, Definition, Range, Syntax

TYPE_KINDS = frozenset({"class", "struct", "interface", "trait", "enum", "union", "object"})
FUNCTION_KINDS = frozenset({"function", "method", "constructor", "test", "macro"})
# What holds other definitions without being more than the sum of them: their loose lines become blocks, as in a file.
SPACE_KINDS = frozenset({"file", "module", "namespace", "package"})
VALUE_KINDS = frozenset({"constant", "variable", "property", "field"})

# A function in a function below this many lines is part of how the outer one works. (The ranking was tuned with this.)
NESTED_LINES = 7
# A function that is a value in a literal or an argument (captured @minor) says something from this many lines on, and
# so does a test in a group of tests.
MINOR_LINES = 3
# So many undocumented one-line values under each other are a table: found as a block, not as hundreds of symbols.
TABLE_LINES = 20
# Nobody nests definitions deeper; generated and hostile text does, and the steps after this one recurse.
DEPTH = 60

_UPPER = re.compile(rb"[A-Z][A-Z0-9_]+\Z")
_OPERATOR = re.compile(rb"(.*?)(?:::)(operator\b.*)\Z", re.DOTALL)
_QUALIFIED = re.compile(rb"(.*)(?:::|->|\.|:)([^:.]+)\Z", re.DOTALL)
# What surrounds the name of a type: its arguments, and the reference and lifetime of a Rust impl.
_AROUND = re.compile(r"<.*>|\[.*\]|^&(?:\s*'\w+)?(?:\s*mut\b)?", re.DOTALL)
# How comments begin that are documentation by their form, wherever they stand.
_DOC_COMMENTS = (b"/**", b"/*!", b"{-|", b"{- |", b"(**")
# Plain remarks, if they are none of these: an equation or a clause may carry one and is still part of its function.
_REMARKS = (b"#", b"//", b"/*", b"--", b"{-", b"(*", b";", b"%")
_DOC_FORMS = (*_DOC_COMMENTS, b"///", b"//!", b"-- |", b"--|", b"##")
# What may stand under a definition as its documentation, and what opens a group, so that a comment after it does not.
_TRAILING = (b"(** ", b"(**\n", b"(**\r")
_OPENERS = re.compile(rb"(?:[{(\[:<,=]|\b(?:begin|class|do|object|of|sig|struct|then|where))\Z")
# Receivers that say "this module" or "this object", not whose member it is.
_HERE = frozenset({"exports", "module", "this", "self", "window", "global", "globalThis"})
_NO_SCOPE = re.compile(r"(?:(?:module\.)?exports|this|self|window|global|globalThis)(?:\.|\Z)")


@dataclass(slots=True)
class Unit:
    """A definition that will be a symbol. Offsets are bytes."""

    kind: str
    start: int  # with documentation and decorators
    end: int
    head: int  # where the declaration itself starts
    name: Range
    body: int  # where the body starts, -1 if there is none
    docs: list[Range]  # the documentation text of the comments before it
    docstring: Range  # documentation inside
    attributes: list[Range]  # decorators, attributes and annotations before it
    scope: str  # a qualifier that is written at the definition: the X of X::y
    label: str  # its name in the container of its children
    marks: frozenset[str] = frozenset()
    children: list["Unit"] = field(default_factory=list)
    loose: list[Range] = field(default_factory=list)  # of a space: lines outside its children


def outline(syntax: Syntax, lines: Lines) -> list[Unit]:
    """Give the top units of a file in order of appearance, with their children."""
    data = lines.data
    leaders = Leaders(syntax, lines)
    imports, prologues = sorted(syntax.imports), sorted(syntax.prologues)
    top: list[Unit] = []
    stack: list[tuple[int, Unit]] = []  # open units and where their nodes end
    for definition, (start, end) in _distinct(syntax, leaders, data):
        while stack and stack[-1][0] <= start:
            stack.pop()
        parent = stack[-1][1] if stack else None
        siblings = parent.children if parent else top
        if len(stack) >= DEPTH or (stack and end > stack[-1][0]):
            continue  # an overlap is made by error recovery only
        floor = siblings[-1].end if siblings else parent.name[1] if parent and parent.name[1] <= start else 0
        unit = _unit(definition, (start, end), leaders.before(start, floor), data)
        unit.kind = _kind(unit, parent, data)
        if not unit.docs and (after := leaders.after(end)):
            unit.docs, unit.end = [after], after[1]
        if siblings and _continues(siblings[-1], unit, data, prologues):
            _join(siblings[-1], unit)
            stack.append((end, siblings[-1]))
        elif _is_unit(unit, parent, lines) and not (unit.kind in VALUE_KINDS and _inside(definition.node, imports)):
            siblings.append(unit)
            stack.append((end, unit))
    return _worth(top, lines)


def _inside(node: Range, ranges: list[Range]) -> bool:
    """Say whether a node lies in one of some sorted ranges: `const x = require("x")` is an import."""
    at = bisect_right(ranges, (node[0], node[1])) - 1
    return any(start <= node[0] and node[1] <= end for start, end in ranges[max(0, at) : at + 2])


class Leaders:
    """What may stand before a definition and belongs to it: comments and attributes, sorted, none inside another."""

    def __init__(self, syntax: Syntax, lines: Lines) -> None:
        self._lines = lines
        self._licences = syntax.licences
        self._found: list[tuple[Range, Range, str]] = []  # the whole, its text, which it is
        every = [(whole, doc, "comment") for whole, doc in syntax.comments]
        every += [(whole, NOTHING, "attribute") for whole in syntax.attributes]
        every += [(whole, NOTHING, "macro") for whole in syntax.macros]
        every.sort(key=lambda one: (one[0][0], -one[0][1]))
        for one in every:
            if not self._found or one[0][0] >= self._found[-1][0][1]:
                self._found.append(one)
        self._starts = [one[0][0] for one in self._found]
        self._comments = {one[0][1]: one[0] for one in self._found if one[2] == "comment"}  # by where they end

    def before(self, start: int, floor: int) -> tuple[int, list[Range], list[Range]]:
        """Give where what belongs to `start` begins (not before `floor`), its comment texts and its attributes."""
        data = self._lines.data
        docs: list[Range] = []
        attributes: list[Range] = []
        at = bisect_left(self._starts, start) - 1
        while at >= 0:
            whole, text, which = self._found[at]
            gap = data[whole[1] : start]
            if whole[0] < floor or (gap and not gap.isspace()) or gap.count(b"\n") > self._breaks(whole):
                break
            if which == "comment":
                parted = gap.count(b"\n") > 1
                if not self._opens_line(whole[0]) or whole in self._licences or (parted and self._is_glued(whole[0])):
                    break
                docs.append(text if text != NOTHING else whole)
            elif which == "attribute":
                attributes.append(whole)
            start = whole[0]
            at -= 1
        return start, docs[::-1], attributes[::-1]

    def after(self, end: int) -> Range | None:
        """Give the comment that documents what ends at `end`: OCaml's `(** ... *)` under it, parted from the rest."""
        at = bisect_left(self._starts, end)
        if at == len(self._found) or not self._lines.data.startswith(_TRAILING, self._starts[at]):
            return None
        data, (start, last) = self._lines.data, self._found[at][0]
        gap, rest = data[end:start], data[last : last + 400]
        follows = rest[: len(rest) - len(rest.lstrip())]
        near = not gap.strip() and gap.count(b"\n") <= 1
        parted = b"\n" not in gap or follows.count(b"\n") > 1 or not rest.strip() or rest.lstrip().startswith(b"end")
        return (start, last) if near and parted else None

    def own_end(self, start: int, end: int) -> int:
        """Give where a node ends without the comments at its end that are about what follows.

        They stand on lines of their own, no deeper than the node. Those right under its last line stay if a blank line
        parts them from the rest, and everything stays if nothing follows.
        """
        data = self._lines.data
        rest = data[end : end + 4_000]
        if end not in self._comments or not rest.strip():
            return end
        indent = self._indent(start)
        parted = rest[: len(rest) - len(rest.lstrip())].count(b"\n") > 1
        cut = at = end
        while at in self._comments:
            first = self._comments[at][0]
            if first <= start or not self._opens_line(first) or self._indent(first) > indent:
                cut = cut if parted else at  # it is the node's, what stands under it is not
                break
            at = first
            while at > start and data[at - 1] in b" \t\r\n\f\v":
                at -= 1
            apart = data[at:first].count(b"\n") > 1
            if apart or (at not in self._comments and not parted):
                cut = at
            parted = parted or apart
        return cut

    def _indent(self, offset: int) -> int:
        line = self._lines.starts[self._lines.line(offset)]
        text = self._lines.data[line:offset]
        return len(text) - len(text.lstrip())

    def _is_glued(self, start: int) -> bool:
        """Say whether a comment stands right under the end of something, in which case it is about that."""
        before = self._lines.data[max(0, start - 400) : start]
        code = before.rstrip()
        return (
            bool(code)
            and before.count(b"\n", len(code)) == 1
            and not (start - len(before) + len(code) in self._comments or _OPENERS.search(code))
        )

    def _breaks(self, whole: Range) -> int:
        """Give how many line breaks may follow: a blank line after `/** ... */`, unless that opens the file."""
        data = self._lines.data
        may_part = data.startswith(_DOC_COMMENTS, whole[0]) and bool(data[: whole[0]].strip())
        return 2 if may_part else 1

    def within(self, start: int, end: int) -> list[Range]:
        """Give the comments and attributes that start in a range."""
        return [whole for whole, _text, _which in self._between(start, end)]

    def attributes(self, start: int, end: int) -> list[Range]:
        """Give the attributes that start in a range."""
        return [whole for whole, _text, which in self._between(start, end) if which == "attribute"]

    def _between(self, start: int, end: int) -> list[tuple[Range, Range, str]]:
        return self._found[bisect_left(self._starts, start) : bisect_left(self._starts, end)]

    def _opens_line(self, start: int) -> bool:
        before = self._lines.data[self._lines.starts[self._lines.line(start)] : start]
        return not before or before.isspace()


def _distinct(syntax: Syntax, leaders: Leaders, data: bytes) -> list[tuple[Definition, Range]]:
    """Give each definition once, with the range of its outermost wrapper, outer ones first."""
    known: dict[Range, list[Definition]] = {}
    for definition in syntax.definitions:
        same = known.setdefault(definition.node, [])
        if same and same[0].rank == definition.rank and all(one.name != definition.name for one in same):
            same.append(definition)  # `int a(void), b(void);`
        elif not same or definition.rank > same[0].rank:
            known[definition.node] = [_merged(definition, same[0]) if same else definition]
        else:
            same[0] = _merged(same[0], definition)
    found: dict[tuple[Range, Range], tuple[Definition, Range]] = {}
    for node, same in known.items():
        start, end = node
        while (start, end) in syntax.outers:
            start, end = syntax.outers[(start, end)]
        while end > start and data[end - 1] in b" \t\r\n\f\v":
            end -= 1
        end = leaders.own_end(start, end)
        for definition in same:
            key = ((start, end), definition.name)
            other = found.get(key)
            if other is None or other[0].rank < definition.rank:  # a typedef and the struct in it are one thing
                found[key] = (definition, (start, end))
    order = sorted(
        found.values(), key=lambda one: (one[1][0], -one[1][1], one[0].node[0], -one[0].node[1], one[0].name)
    )
    return _stretched(order, data) if any("reaches" in one.marks for one, _whole in order) else order


def _stretched(order: list[tuple[Definition, Range]], data: bytes) -> list[tuple[Definition, Range]]:
    """Let definitions that are marked so reach to the next definition, or to the end of what encloses them."""
    found = []
    open_ends = [len(data)]
    for at, (definition, (start, end)) in enumerate(order):
        while len(open_ends) > 1 and open_ends[-1] <= start:
            open_ends.pop()
        if "reaches" in definition.marks:
            end = min(open_ends[-1], order[at + 1][1][0]) if at + 1 < len(order) else open_ends[-1]
            end = start + len(data[start:end].rstrip())
        else:
            open_ends.append(end)
        found.append((definition, (start, end)))
    return found


def _merged(winner: Definition, other: Definition) -> Definition:
    for part in ("body", "doc", "scope", "label"):
        if getattr(winner, part) == NOTHING:
            setattr(winner, part, getattr(other, part))
    return winner


def _unit(definition: Definition, whole: Range, before: tuple[int, list[Range], list[Range]], data: bytes) -> Unit:
    start, docs, attributes = before
    name, scope = _name(definition, data)
    if definition.scope != NOTHING:
        scope = data[slice(*definition.scope)].decode("utf-8", "replace")
    label = definition.label if definition.label != NOTHING else name
    return Unit(
        kind=definition.kind,
        start=start,
        end=whole[1],
        head=whole[0],
        name=name,
        body=definition.body[0],
        docs=docs,
        docstring=definition.doc,
        attributes=attributes,
        scope=_dotted(scope),
        label=_dotted(data[slice(*label)].decode("utf-8", "replace")),
        marks=definition.marks,
    )


def _name(definition: Definition, data: bytes) -> tuple[Range, str]:
    """Give the range of the name, without quotes and without the qualifier before it, and that qualifier."""
    start, end = definition.name
    text = data[start:end]
    if "qualified" in definition.marks:
        parts = _OPERATOR.match(text) or _QUALIFIED.match(text)
        if parts and parts.group(1).count(b"<") == parts.group(1).count(b">"):
            return (start + parts.start(2), end), parts.group(1).decode("utf-8", "replace")
    while end - start > 2 and text[0] in b"\"'`" and text[-1] == text[0]:
        start, end, text = start + 1, end - 1, text[1:-1]
    if definition.kind != "rule" and text[:1] == b":" and text[1:2].isalpha():  # a symbol of Ruby, no :root of CSS
        start += 1
    return (start, end), ""


def _dotted(scope: str) -> str:
    """Write a qualifier as a container: dots, no type arguments, nothing that only says "here"."""
    if not scope or scope.isidentifier():  # nearly always
        return "" if scope in _HERE else scope
    plain = " ".join(_AROUND.sub("", scope).split()).replace("::", ".").replace("->", ".").strip(".: ")
    return _NO_SCOPE.sub("", plain).removesuffix(".prototype")


def _kind(unit: Unit, parent: Unit | None, data: bytes) -> str:
    if unit.kind not in ("function", "method"):
        return unit.kind
    owner = unit.scope or (parent.label if parent and parent.kind in TYPE_KINDS else "")
    if not owner:
        return unit.kind
    named_like_owner = owner.rpartition(".")[2].encode() == data[slice(*unit.name)]
    return "constructor" if named_like_owner else "method"


def _continues(last: Unit, unit: Unit, data: bytes, pragmas: list[Range]) -> bool:
    """Say whether two definitions are parts of one: equations of a function, overloads before their implementation."""
    if "merge" not in last.marks or "merge" not in unit.marks or last.kind != unit.kind:
        return False
    if data[slice(*last.name)] != data[slice(*unit.name)] or last.scope != unit.scope:
        return False
    if any(data.startswith(_DOC_FORMS, doc[0]) or not data.startswith(_REMARKS, doc[0]) for doc in unit.docs):
        return False
    at = last.end
    for start, end in pragmas[bisect_left(pragmas, (at, 0)) :]:
        if start >= unit.start or data[at:start].strip():
            break
        at = end
    return not data[at : unit.start].strip()


def _join(last: Unit, unit: Unit) -> None:
    if last.body < 0:
        last.body = unit.head
    last.end = unit.end
    last.marks = last.marks & (unit.marks | {"minor"})


def _is_unit(unit: Unit, parent: Unit | None, lines: Lines) -> bool:
    """Say whether a definition is worth finding by itself."""
    height = lines.line(unit.end) - lines.line(unit.head) + 1
    if parent and parent.kind in FUNCTION_KINDS:
        return unit.kind not in VALUE_KINDS and height >= (MINOR_LINES if unit.kind == "test" else NESTED_LINES)
    if "declares" in unit.marks and parent and parent.kind in TYPE_KINDS and not unit.docs:
        return False
    if "minor" in unit.marks:
        return height >= MINOR_LINES
    if unit.kind in VALUE_KINDS:
        named = "unit" in unit.marks or _UPPER.match(lines.data[slice(*unit.name)])
        return bool(unit.docs) or height > 1 or bool(named)
    return True


def _worth(units: list[Unit], lines: Lines) -> list[Unit]:
    """Leave out declarations of what the file also defines, and tables of one-line values."""
    defined = {lines.data[slice(*unit.name)] for unit in units if "declares" not in unit.marks}
    kept: list[Unit] = []
    table: list[Unit] = []
    for unit in units:
        unit.children = _worth(unit.children, lines)
        if "declares" in unit.marks and not unit.docs and lines.data[slice(*unit.name)] in defined:
            continue
        if not _is_row(unit, lines) or (table and lines.line(unit.start) > lines.line(table[-1].start) + 1):
            kept += [] if len(table) >= TABLE_LINES else table
            table = []
        if _is_row(unit, lines):
            table.append(unit)
        else:
            kept.append(unit)
    return kept + ([] if len(table) >= TABLE_LINES else table)


def _is_row(unit: Unit, lines: Lines) -> bool:
    flat = unit.kind in VALUE_KINDS or unit.kind == "macro"
    return flat and not unit.docs and not unit.children and lines.line(unit.start) == lines.line(unit.end)
