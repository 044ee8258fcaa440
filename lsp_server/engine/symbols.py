"""Symbols: the named things in a file."""

from dataclasses import dataclass


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
