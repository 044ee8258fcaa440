"""Blocks: the lines that no definition covers stay findable.

Takes the units of a file under their root, adds a block for every run of uncovered lines that says something, and
leaves the short rest to the unit that encloses it (`Unit.loose`). Imports, brackets and licences say nothing alone.
"""

import re
from bisect import bisect_left

from lsp_server.engine.lines import Lines, has_words, pieces
from lsp_server.engine.outline import SPACE_KINDS, Unit
from lsp_server.engine.syntax import NOTHING, Range, Syntax

# A run with fewer lines that say something is not worth a unit: it belongs to the file (or namespace) itself ...
BLOCK_FEWEST = 3
# ... until that has so many bytes of them; then every run is a block, or it would be found nowhere.
LOOSE_LIMIT = 1_500
NAME_LENGTH = 60  # characters of a block's name

_BEFORE_WORDS = re.compile(rb"\s*(?:(?:/\*+|\*+|//+|#+|;+|--+|%+|<!--+)\s+)?")
_SAYS_NOTHING = 1
_ELSEWHERE = 2  # licence, or the file's leading comment, which is its doc


class Blocks:
    """What each line of a file is, and the step that turns uncovered lines into blocks."""

    def __init__(self, syntax: Syntax, lines: Lines) -> None:
        self._lines = lines
        self._marks = bytearray(len(lines.starts))
        for start, end in (*syntax.imports, *syntax.prologues):
            self._mark(start, end, _SAYS_NOTHING)
        for start, end in syntax.licences:
            self._mark(start, end, _ELSEWHERE)

    def leave_out(self, start: int, end: int) -> None:
        """Say that a range is found elsewhere: its lines are in no block and in no body."""
        self._mark(start, end, _ELSEWHERE)

    def fill(self, space: Unit) -> None:
        """Add blocks to a file, module, namespace or package and to those inside it."""
        first, last = self._region(space)
        covered = bytearray(max(0, last - first))
        for child in space.children:
            if child.kind in SPACE_KINDS:
                self.fill(child)
            start = max(0, self._lines.line(child.start) - first)
            end = min(len(covered), self._lines.line(max(child.start, child.end - 1)) - first + 1)
            covered[start:end] = b"\1" * (end - start)
        blocks: list[Unit] = []
        loose = 0
        at = covered.find(0)
        while at >= 0:
            after = covered.find(1, at)
            after = len(covered) if after < 0 else after
            start, end = self._trimmed(first + at, first + after)
            said = sum(1 for line in range(start, end) if self._speaks(line))
            size = self._lines.end(end - 1) - self._lines.starts[start] if said else 0
            if said and (said >= BLOCK_FEWEST or loose + size > LOOSE_LIMIT):
                self._loosen(space, first + at, start)
                blocks += self._blocks(start, end)
                self._loosen(space, end, first + after)
            else:
                self._loosen(space, first + at, first + after)
                loose += size
            at = covered.find(0, after)
        space.children = sorted([*space.children, *blocks], key=lambda unit: unit.start)

    def _mark(self, start: int, end: int, mark: int) -> None:
        first, last = self._lines.line(start), self._lines.line(max(start, end - 1))
        self._marks[first : last + 1] = bytes([mark]) * (last + 1 - first)

    def _region(self, space: Unit) -> Range:
        """Give the lines inside a space: first, after. Its head and its closing line are not inside."""
        if space.kind == "file":
            return 0, len(self._lines.starts)
        start = space.body if space.body >= 0 else space.name[1]
        return self._lines.line(start) + 1, self._lines.line(max(space.start, space.end - 1))

    def _speaks(self, line: int) -> bool:
        return not self._marks[line] and has_words(self._lines.data, self._lines.starts[line], self._lines.end(line))

    def _trimmed(self, first: int, after: int) -> Range:
        while first < after and not self._speaks(first):
            first += 1
        while after > first and not self._speaks(after - 1):
            after -= 1
        return first, after

    def _blocks(self, first: int, after: int) -> list[Unit]:
        data, lines = self._lines.data, self._lines
        blank = [not data[lines.starts[line] : lines.end(line)].strip() for line in range(first, after)]
        found = []
        for start, end in pieces(blank):
            top, bottom = self._trimmed(first + start, first + end)
            if top < bottom:
                found.append(self._block(top, bottom))
        return found

    def _block(self, first: int, after: int) -> Unit:
        data, lines = self._lines.data, self._lines
        line_start, line_end = lines.starts[first], lines.end(first)
        start = _BEFORE_WORDS.match(data, line_start, line_end).end()  # type: ignore[union-attr]
        words = data[start:line_end].rstrip().decode("utf-8", "replace")
        name_end = start + len(words[:NAME_LENGTH].rstrip().encode("utf-8", "replace"))
        whole = (line_start, lines.end(after - 1))
        return Unit("block", *whole, line_start, (start, name_end), line_start, [], NOTHING, [], "", "")

    def _loosen(self, space: Unit, first: int, after: int) -> None:
        """Give lines to the space itself, without those that are found elsewhere."""
        for line in range(first, after):
            start, end = self._lines.starts[line], self._lines.end(line)
            if self._marks[line] != _ELSEWHERE and has_words(self._lines.data, start, end):
                space.loose.append((start, end))


def leading(syntax: Syntax, lines: Lines, before: int) -> list[Range]:
    """Give the comments that open a file, up to the offset where its first unit starts, licences included.

    Only a shebang and what is captured as @prologue may stand before them.
    """
    found: list[Range] = []
    passed = 0
    if lines.data.startswith(b"#!"):
        passed = lines.end(0)
    prologues = sorted(syntax.prologues)
    for whole, doc in syntax.comments:
        if whole[0] < passed:
            continue
        for prologue in prologues[bisect_left(prologues, (passed, 0)) :]:
            if prologue[0] >= whole[0] or lines.data[passed : prologue[0]].strip():
                break
            passed = max(passed, prologue[1])
        if whole[1] > before or lines.data[passed : whole[0]].strip():
            break
        passed = whole[1]
        found.append(doc if doc != NOTHING else whole)
    return found
