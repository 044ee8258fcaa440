"""Cells: the strings of a notebook, and where each of their characters stands in the file.

Takes the text of an `.ipynb` (JSON, nbformat 3 to 5), gives its cells in order with their sources and languages. The
standard decoder reads every value; only the way to the cells is walked here, to learn where their strings are. Outputs
are passed over. Knows no symbols: see `notebooks.py`.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from lsp_server.engine.languages import PLAINTEXT, language_named

_DECODER = json.JSONDecoder(strict=False)  # some writers leave tabs in strings
_BLANK = re.compile(r"[ \t\r\n\ufeff]*")
_LINE_END = re.compile(r"\r\n|\n|\r")
_SURROGATE = re.compile("[\ud800-\udfff]")
# What stands for one character in a JSON string.
_CHARACTER = re.compile(r"\\u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|\\u\w{4}|\\.|.", re.DOTALL)
_VERSION = re.compile(r"[\d.]+$")


class NotANotebook(Exception):
    """The text is no JSON, or JSON without cells."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One string of a cell's source: by habit one line, by the format any part of it."""

    text: str
    start: int  # offset of its first character in the file, after the quote
    end: int  # offset of the closing quote


@dataclass(slots=True)
class Cell:
    """One cell. Its language is "" where it says nothing itself."""

    kind: str = "code"  # code, markdown, raw; heading in version 3
    level: int = 1  # of a heading
    language: str = ""
    pieces: tuple[Piece, ...] = ()


def read_cells(text: str) -> tuple[list[Cell], str]:
    """Give the cells of a notebook and the language of its kernel ("" if unknown). Raises NotANotebook."""
    try:
        return _read(_Json(text))
    except (ValueError, RecursionError) as error:  # RecursionError: thousands of nested brackets
        raise NotANotebook(f"not a notebook that can be read: {error}") from error


class Source:
    """The source of a cell as one text; ranges of it are found again in the text of the file."""

    def __init__(self, pieces: tuple[Piece, ...], file_text: str) -> None:
        self.text = "".join(piece.text for piece in pieces)
        self._pieces = pieces
        self._file_text = file_text
        self._starts: list[int] = []  # of each piece in the source
        at = 0
        for piece in pieces:
            self._starts.append(at)
            at += len(piece.text)
        self._escaped: dict[int, list[int]] = {}
        self._line_starts = [0, *(end.end() for end in _LINE_END.finditer(self.text))]

    def range(self, start_line: int, start_column: int, end_line: int, end_column: int) -> tuple[int, int]:
        """Give the offsets in the source of two positions in it."""
        return self._line_starts[start_line] + start_column, self._line_starts[end_line] + end_column

    def in_file(self, start: int, end: int) -> tuple[int, int]:
        """Give the range of the file that a range of the source stands in. The source must not be empty."""
        first = self._place(start, 0)
        # The end is found by the last character: after a piece come a quote, a comma, and the next line of the file.
        return first, self._place(end - 1, 1) if end > start else first

    def without(self, ranges: list[tuple[int, int]]) -> str:
        """Give the source without some ranges of lines (first, last) and without blank lines."""
        gone = {line for first, last in ranges for line in range(first, last + 1)}
        lines = enumerate(_LINE_END.split(self.text))
        return "\n".join(line for number, line in lines if number not in gone and line.strip())

    def _place(self, offset: int, after: int) -> int:
        number = max(0, bisect_right(self._starts, offset) - 1)
        piece = self._pieces[number]
        within = min(offset - self._starts[number] + after, len(piece.text))
        if piece.end - piece.start == len(piece.text):  # nothing in it is escaped
            return piece.start + within
        if number not in self._escaped:
            characters = _CHARACTER.finditer(self._file_text, piece.start, piece.end)
            self._escaped[number] = [*(one.start() for one in characters), piece.end]
        return self._escaped[number][within]


class _Json:
    """A JSON text and a place in it. Raises ValueError where it is broken."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def next(self) -> str:
        """Give the character that comes next, "" at the end."""
        self._at = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing too
        return self._text[self._at : self._at + 1]

    def value(self) -> object:
        """Read a whole value."""
        self.next()
        value, self._at = _DECODER.raw_decode(self._text, self._at)
        return value

    def members(self) -> Iterator[str]:
        """Walk through an object: whoever gets a name has to read its value."""
        self._take("{")
        while self.next() != "}":
            name = self.value()
            self._take(":")
            yield str(name)
            if self.next() != ",":
                break
            self._at += 1
        self._take("}")

    def elements(self) -> Iterator[None]:
        """Walk through an array: whoever is told of an element has to read it."""
        self._take("[")
        while self.next() != "]":
            yield
            if self.next() != ",":
                break
            self._at += 1
        self._take("]")

    def strings(self) -> tuple[Piece, ...]:
        """Read a string or an array of strings."""
        if self.next() == "[":
            return tuple(piece for _ in self.elements() for piece in self._string())
        return self._string()

    def _string(self) -> tuple[Piece, ...]:
        self.next()
        start = self._at
        value = self.value()
        if not isinstance(value, str):
            return ()
        # Half of a surrogate pair is no character: neither SQLite nor an encoder would take it.
        return (Piece(_SURROGATE.sub("?", value), start + 1, self._at - 1),)

    def _take(self, mark: str) -> None:
        if self.next() != mark:
            line = self._text.count("\n", 0, self._at) + 1
            raise ValueError(f"{mark} expected in line {line}")
        self._at += 1


def _read(reader: _Json) -> tuple[list[Cell], str]:
    cells: list[Cell] = []
    language = ""
    has_cells = False
    for name in reader.members():
        if name == "cells":
            has_cells = True
            cells += _read_array(reader)
        elif name == "worksheets":
            has_cells = True
            cells += _read_worksheets(reader)
        elif name == "metadata":
            language = _kernel_language(reader.value())
        else:
            reader.value()
    if not has_cells:
        raise ValueError("no cells")
    return cells, language


def _read_worksheets(reader: _Json) -> list[Cell]:
    """Read version 3 of the format, where the cells are one level deeper."""
    cells: list[Cell] = []
    for _ in reader.elements():
        for name in reader.members():
            if name == "cells":
                cells += _read_array(reader)
            else:
                reader.value()
    return cells


def _read_array(reader: _Json) -> list[Cell]:
    cells = []
    for _ in reader.elements():
        cell = Cell()
        for name in reader.members():
            if name in ("source", "input"):  # input: version 3
                cell.pieces = reader.strings()
            elif name == "cell_type":
                cell.kind = str(reader.value())
            elif name == "level":
                level = reader.value()
                cell.level = level if isinstance(level, int) else 1
            elif name == "metadata":
                cell.language = _cell_language(reader.value())
            else:
                reader.value()
        cells.append(cell)
    return cells


def _kernel_language(metadata: object) -> str:
    for part, name in (("kernelspec", "language"), ("language_info", "name")):
        word = _text_at(metadata, part, name)
        if word:  # "C++17" of xeus
            return language_named(word) or language_named(_VERSION.sub("", word)) or PLAINTEXT
    return ""


def _cell_language(metadata: object) -> str:
    """Give the language that VS Code or .NET Interactive wrote down for one cell."""
    for part, name in (("vscode", "languageId"), ("dotnet_interactive", "language")):
        word = _text_at(metadata, part, name)
        if word:
            return language_named(word)
    return ""


def _text_at(value: object, *names: str) -> str:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
