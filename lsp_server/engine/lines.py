r"""Lines: from byte offsets to lines and columns, and where a long run of lines is cut.

Takes the UTF-8 bytes of a text. A line ends at \n, \r\n or a lone \r, as in the Language Server Protocol; form feeds,
vertical tabs and U+2028 do not end a line. tree-sitter counts rows by \n only, so its rows are not used anywhere.
Columns are code points.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

# A block is about this many lines; a text shorter than BLOCK_MOST is not split, and a blank line from BLOCK_LEAST to
# BLOCK_MOST is a better place to cut than the exact number.
BLOCK_LINES = 40
BLOCK_LEAST = 25
BLOCK_MOST = 60

_LINE_END = re.compile(rb"\r\n|\n|\r")
_CONTINUATION = bytes(1 if 0x80 <= byte < 0xC0 else 0 for byte in range(256))
_WORD = re.compile(rb"[0-9A-Za-z\x80-\xff]")


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a text: where each starts, and where bytes stand that are no code point of their own."""

    data: bytes
    starts: list[int]  # byte offset of every line; the last line may be empty
    continuations: list[int]  # offsets of UTF-8 continuation bytes, empty for ASCII

    def line(self, offset: int) -> int:
        """Give the line of a byte offset."""
        return bisect_right(self.starts, offset) - 1

    def position(self, offset: int) -> tuple[int, int]:
        """Give line and column (code points) of a byte offset."""
        line = bisect_right(self.starts, offset) - 1
        start = self.starts[line]
        if not self.continuations:
            return line, offset - start
        extra = bisect_left(self.continuations, offset) - bisect_left(self.continuations, start)
        return line, offset - start - extra

    def end(self, line: int) -> int:
        """Give the offset where a line's text ends, before its line break."""
        end = self.starts[line + 1] if line + 1 < len(self.starts) else len(self.data)
        start = self.starts[line]
        while end > start and self.data[end - 1] in b"\r\n":
            end -= 1
        return end

    def is_ascii(self, line: int) -> bool:
        """Say whether a line has no character above U+007F."""
        if not self.continuations:
            return True
        after = bisect_left(self.continuations, self.starts[line])
        end = self.starts[line + 1] if line + 1 < len(self.starts) else len(self.data)
        return after == len(self.continuations) or self.continuations[after] >= end

    def text(self, first: int, last: int) -> str:
        """Give the text from line `first` to line `last`, both included, without the last line break."""
        return self.data[self.starts[first] : self.end(last)].decode("utf-8", "replace")


def split_lines(data: bytes) -> Lines:
    """Find the lines of a text."""
    starts = [0, *map(re.Match.end, _LINE_END.finditer(data))]
    continuations = [] if data.isascii() else list(compress(range(len(data)), data.translate(_CONTINUATION)))
    return Lines(data, starts, continuations)


def has_words(data: bytes, start: int, end: int) -> bool:
    """Say whether there is a letter or a digit: brackets, rulers and blank lines have none."""
    return _WORD.search(data, start, end) is not None


def pieces(blank: Sequence[bool]) -> list[tuple[int, int]]:
    """Split lines, of which only the blankness counts, near every 40th: pairs (first, after)."""
    cuts: list[tuple[int, int]] = []
    start = 0
    while len(blank) - start > BLOCK_MOST:
        near = [at for at in range(start + BLOCK_LEAST, start + BLOCK_MOST) if blank[at]]
        cut = min(near, key=lambda at: abs(at - start - BLOCK_LINES), default=start + BLOCK_LINES - 1) + 1
        cuts.append((start, cut))
        start = cut
    cuts.append((start, len(blank)))
    return cuts
