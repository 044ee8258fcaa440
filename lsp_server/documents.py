"""Documents: the text of what is open in the editor.

Takes open, change and close as the client tells them, gives the text line by line. Only the lines that a change touches
are made anew, so a thousand cursors in a large file cost a thousand small steps. pygls keeps documents too, but cuts
lines at form feeds and U+2028, after which every edit lands in the wrong place.
Unsaved text is used here to convert positions; laying its symbols over those of the index is a later step and belongs
beside this class.
"""

import logging
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from lsprotocol import types

from lsp_server.convert import UTF16, from_position, split_lines, to_path
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
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                document.replace(_plain(change.range.start), _plain(change.range.end), change.text)
            else:
                document.lines = split_lines(change.text)

    def close(self, uri: str) -> None:
        """Forget a document that was closed."""
        self._open.pop(uri, None)
        if (path := to_path(uri)) is not None:
            self._paths.pop(path, None)

    def at(self, path: PurePath) -> Document | None:
        """Return the open document of a path."""
        return self._open.get(self._paths.get(path, ""))


def _plain(position: types.Position) -> Position:
    return {"line": position.line, "character": position.character}
