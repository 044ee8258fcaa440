"""Documents: the text of what is open in the editor.

Takes open, change and close as the client tells them, gives the text line by line. Only the lines that a change touches
are made anew, so a thousand cursors in a large file cost a thousand small steps. pygls keeps documents too, but cuts
lines at form feeds and U+2028, after which every edit lands in the wrong place.
Of a notebook the client tells the cells; from the first edit on they are put together as a file (notebook.py).
"""

import logging
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from lsprotocol import types

from lsp_server.convert import UTF16, from_position, split_lines, to_path
from lsp_server.notebook import Cell, Notebook
from lsp_server.protocol import Position

_log = logging.getLogger(__name__)


class Document:
    """One open text, as lines with their ends kept."""

    def __init__(self, uri: str, text: str, encoding: str) -> None:
        self.uri = uri
        self.lines = split_lines(text)
        self._encoding = encoding

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.lines)

    def replace(self, start: Position, end: Position, text: str) -> None:
        """Replace what stands between two places by a text."""
        first, first_column = from_position(start, self.lines, self._encoding)
        last, last_column = from_position(end, self.lines, self._encoding)
        if (last, last_column) < (first, first_column):  # some clients select backwards
            first, first_column, last, last_column = last, last_column, first, first_column
        before, after = self.lines[first][:first_column], self.lines[last][last_column:]
        # "\r" and "\n" that come to stand side by side become one line end, so the neighbours take part.
        if first > 0 and self.lines[first - 1].endswith("\r"):
            first -= 1
            before = self.lines[first] + before
        if last + 1 < len(self.lines):
            last += 1
            after += self.lines[last]
        made = split_lines(before + text + after)
        if last + 1 < len(self.lines):
            made.pop()  # the empty rest behind the last line end: there the next line begins
        self.lines[first : last + 1] = made


class Documents:
    """Everything that is open, by the URI that the client uses."""

    def __init__(self) -> None:
        self.encoding: str = UTF16  # how the client counts columns
        self._open: dict[str, Document] = {}
        self._paths: dict[PurePath, str] = {}
        self._notebooks: dict[str, list[types.NotebookCell]] = {}
        self._edited_notebooks: set[str] = set()  # since they were opened or saved
        self._written: dict[str, Notebook] = {}  # those that were edited since they were opened
        self._cells: dict[str, Document] = {}
        self._languages: dict[str, str] = {}  # of cells

    def __iter__(self) -> Iterator[PurePath]:
        """Give the paths of what is open, in the order of opening."""
        return iter(tuple(self._paths))

    def open(self, uri: str, text: str) -> None:
        """Take a document that was opened."""
        self._open[uri] = Document(uri, text, self.encoding)
        if (path := to_path(uri)) is not None:
            self._paths[path] = uri

    def change(self, uri: str, changes: Iterable[types.TextDocumentContentChangeEvent]) -> None:
        """Apply changes in their order. A document that was never opened is passed over."""
        document = self._open.get(uri)
        if document is None:
            _log.warning("a change to %s, which is not open, is passed over", uri)
            return
        _apply(document, changes)

    def close(self, uri: str) -> None:
        """Forget a document that was closed."""
        self._open.pop(uri, None)
        if (path := to_path(uri)) is not None:
            self._paths.pop(path, None)

    def open_notebook(self, notebook: types.NotebookDocument, texts: Iterable[types.TextDocumentItem]) -> None:
        """Take a notebook that was opened, with the texts of its cells."""
        self._notebooks[notebook.uri] = list(notebook.cells)
        if (path := to_path(notebook.uri)) is not None:
            self._paths[path] = notebook.uri
        for text in texts:
            self._open_cell(text)

    def change_notebook(self, uri: str, change: types.NotebookDocumentChangeEvent) -> None:
        """Apply changes to a notebook: its cells first, then their texts."""
        cells = self._notebooks.get(uri)
        if cells is None or change.cells is None:
            return
        self._edited_notebooks.add(uri)
        if (structure := change.cells.structure) is not None:
            array = structure.array
            cells[array.start : array.start + array.delete_count] = array.cells or ()
            for closed in structure.did_close or ():
                self._close_cell(closed.uri)
            for text in structure.did_open or ():
                self._open_cell(text)
        for content in change.cells.text_content or ():
            if (document := self._cells.get(content.document.uri)) is not None:
                _apply(document, content.changes)
        self._written[uri] = Notebook(uri, [self._cell(cell) for cell in cells])

    def save_notebook(self, uri: str) -> None:
        """Note that the file holds what is open."""
        self._edited_notebooks.discard(uri)

    def close_notebook(self, uri: str) -> None:
        """Forget a notebook that was closed."""
        self._edited_notebooks.discard(uri)
        self._written.pop(uri, None)
        for cell in self._notebooks.pop(uri, ()):
            self._close_cell(cell.document)
        if (path := to_path(uri)) is not None:
            self._paths.pop(path, None)

    def get(self, uri: str) -> Document | None:
        """Return what answers instead of a file: an open document, or as JSON a notebook that was edited."""
        written = self._written.get(uri)
        return self._open.get(uri) if written is None else Document(uri, written.text, self.encoding)

    def uris(self) -> tuple[str, ...]:
        """Return the documents that are open, of notebooks the edited: their files know more of the others."""
        return (*self._open, *self._edited_notebooks)

    def at(self, path: PurePath) -> Document | Notebook | None:
        """Return what answers instead of the file of a path; a notebook still knows its cells."""
        uri = self._paths.get(path, "")
        return self._written.get(uri) or self._open.get(uri)

    def in_file(self, uri: str, line: int) -> tuple[str, int]:
        """Return the document that is indexed and its line; a cell of an edited notebook is part of that."""
        for edited in tuple(self._edited_notebooks):
            if (notebook := self._written.get(edited)) and (row := notebook.in_text(uri, line)) is not None:
                return notebook.uri, row
        return uri, line

    def _open_cell(self, text: types.TextDocumentItem) -> None:
        self._cells[text.uri] = Document(text.uri, text.text, self.encoding)
        self._languages[text.uri] = str(getattr(text.language_id, "value", text.language_id))

    def _close_cell(self, uri: str) -> None:
        self._cells.pop(uri, None)
        self._languages.pop(uri, None)

    def _cell(self, cell: types.NotebookCell) -> Cell:
        text = self._cells.get(cell.document)
        is_code = cell.kind == types.NotebookCellKind.Code
        language = self._languages.get(cell.document, "") if is_code else ""
        return Cell(cell.document, "code" if is_code else "markdown", language, tuple(text.lines) if text else ())


def _apply(document: Document, changes: Iterable[types.TextDocumentContentChangeEvent]) -> None:
    for change in changes:
        if isinstance(change, types.TextDocumentContentChangePartial):
            document.replace(_plain(change.range.start), _plain(change.range.end), change.text)
        else:
            document.lines = split_lines(change.text)


def _plain(position: types.Position) -> Position:
    return {"line": position.line, "character": position.character}
