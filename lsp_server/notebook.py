"""Notebook: the cells of an edited notebook as the file that would be saved, and back.

Takes the cells' URIs, kinds, languages and lines, gives the JSON that the index reads like any file. What is found
there stands, for the client, in one of its cells: a line of the JSON is a line of a cell. What cells have printed is
not told by clients and not searched.
"""

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from lsp_server.engine.cells import Piece, read_cells
from lsp_server.engine.languages import PLAINTEXT, language_named
from lsp_server.engine.symbols import Span


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell, its lines with their ends."""

    uri: str
    kind: str  # as nbformat calls it: code, markdown
    language: str  # LSP language id, "" for that of the kernel
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """A line of a cell and where it stands in the JSON."""

    cell: Cell
    line: int
    row: int  # line of the JSON
    column: int  # of its first character there
    text: str  # what stands there, escaped


class Notebook:
    """An edited notebook as it is now; it never changes."""

    def __init__(self, uri: str, cells: Sequence[Cell]) -> None:
        self.uri = uri
        self._cells = cells
        book = {"cells": [_written(cell) for cell in cells], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        self.text = json.dumps(book, indent=1, ensure_ascii=False)

    def in_cell(self, span: Span) -> tuple[Cell, Span] | None:
        """Return the cell that a span of the text begins in, and the span there; None for what is in no cell."""
        first, last = self._at(span.start_line), self._at(span.end_line)
        if first is None or last is None or first.cell is not last.cell:
            return None
        return first.cell, Span(first.line, _plain(first, span.start_column), last.line, _plain(last, span.end_column))

    def in_text(self, uri: str, line: int) -> int | None:
        """Return the line of the text that holds a line of a cell; None for cells of others."""
        lines = [place for place in self._places if place.cell.uri == uri]
        return lines[min(line, len(lines) - 1)].row if lines else None

    @cached_property
    def _places(self) -> list[_Place]:
        starts = [0]
        for line in self.text.split("\n"):
            starts.append(starts[-1] + len(line) + 1)

        def place(cell: Cell, line: int, piece: Piece) -> _Place:
            row = bisect_right(starts, piece.start) - 1
            return _Place(cell, line, row, piece.start - starts[row], self.text[piece.start : piece.end])

        read, _ = read_cells(self.text)
        return [
            place(cell, line, piece)
            for cell, one in zip(self._cells, read, strict=True)
            for line, piece in enumerate(one.pieces)
        ]

    def _at(self, row: int) -> _Place | None:
        found = bisect_right(self._places, row, key=lambda place: place.row) - 1
        return self._places[found] if found >= 0 and self._places[found].row == row else None


def _written(cell: Cell) -> dict[str, object]:
    # As VS Code writes it down for cells in another language than the kernel's.
    language = {"vscode": {"languageId": language_named(cell.language) or PLAINTEXT}} if cell.language else {}
    return {"cell_type": cell.kind, "metadata": language, "source": cell.lines}


def _plain(place: _Place, column: int) -> int:
    """Return the column in the cell's line that a column of the JSON stands for."""
    escaped = place.text[: max(0, column - place.column)]
    try:
        return len(json.loads(f'"{escaped}"'))
    except ValueError:  # within an escape, as a span of an earlier text may end
        return 0
