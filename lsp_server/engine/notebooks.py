"""Notebooks: the symbols of a Jupyter file.

Takes the SourceFile of an `.ipynb`, gives a symbol for each code cell with its functions and classes inside, and one
for each section of its Markdown; the headings above are their container. Positions are those of the file's text with
its escapes, because that text is what is on disk. What a cell printed is not read.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, replace

from lsp_server.engine.blocks import NAME_LENGTH
from lsp_server.engine.cells import Cell, NotANotebook, Source, read_cells
from lsp_server.engine.files import SourceFile
from lsp_server.engine.languages import PLAINTEXT, language_named
from lsp_server.engine.symbols import BODY_LIMIT, NAME_LIMIT, Extraction, Span, Symbol, extract

DOC_LIMIT = 1_000  # characters of the opening text, which stands for the whole notebook
HEADINGS = 2  # so many of the headings above a cell are its container: more would crowd out the cell in its text

# What a cell does step by step is the cell itself; only what it defines is found alone.
_PART_OF_CELL = frozenset({"block", "constant", "variable"})
_LINE_END = re.compile(r"\r\n|\n|\r")
_LINE = re.compile(r"[^\r\n]+")
_WORD = re.compile(r"[^\W_]")
# A line for IPython, not for the language: %matplotlib inline, !pip install, ?help.
_MAGIC = re.compile(r"^[ \t]*[%!?][^\r\n]*", re.MULTILINE)
_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
# How lines begin that many cells begin with.
_PREAMBLE = re.compile(r"\s*(?:import\b|from\s+\S+\s+import\b|using\b|library\(|require\(|```|[%!?])")
_BEFORE_WORDS = re.compile(r"\s*(?:(?:#+|//+|--+|>+|[*+-])\s+)?")
# A fence of a block of code, `## Heading`, or a line that is underlined with ===.
_MARK = re.compile(
    r"^ {0,3}(?:(```|~~~)|(#{1,6})[ \t]+(\S.*?)[ \t]*#*[ \t\r]*$|(\S.*?)[ \t\r]*\n {0,3}={3,}[ \t\r]*$)", re.MULTILINE
)


def extract_notebook(source: SourceFile) -> Extraction:
    """Give the symbols of a notebook. Never raises on bad source: what is no notebook becomes plain blocks."""
    try:
        cells, language = read_cells(source.text)
    except NotANotebook as error:
        return Extraction(extract(replace(source, language=PLAINTEXT)).symbols, str(error))
    outline = _Outline(source, language or "python")
    for number, cell in enumerate(cells, 1):
        outline.add(cell, number)
    return outline.result()


@dataclass(frozen=True, slots=True)
class _Heading:
    """A heading in a Markdown text; offsets are characters."""

    level: int
    start: int  # of its line
    name: tuple[int, int]


class _Outline:
    """The symbols of a notebook while they are found."""

    def __init__(self, file: SourceFile, language: str) -> None:
        self._file = file
        self._language = language
        self._places = _Places(file.text)
        self._found: list[Symbol] = []  # without the file, which stands before them
        self._headings: list[tuple[int, str]] = []  # those above the current cell, with their levels
        self._doc = ""
        self._note = ""

    def add(self, cell: Cell, number: int) -> None:
        """Add what is in a cell, the `number`th of the file."""
        source = Source(cell.pieces, self._file.text)
        if not source.text.strip():
            return
        whole = (0, len(source.text))
        if cell.kind == "heading":
            self._section(source, _Heading(cell.level, 0, whole), whole[1])
        elif cell.kind == "markdown":
            self._markdown(source, number)
        elif cell.kind == "code":
            self._code(source, cell.language, number)
        else:
            self._cell(source, whole, number)

    def result(self) -> Extraction:
        """Give all that was found, under a symbol for the file whose documentation is the opening text."""
        first = self._found[0].span if self._found else self._places.span(0, 0)
        start = replace(first, end_line=first.start_line, end_column=first.start_column)
        self._headings = []
        file = self._symbol("file", self._file.path.rpartition("/")[2], first, start)
        members = dict.fromkeys(one.name for one in self._found if one.parent == 0)
        file = replace(file, doc=self._doc, members=tuple(members), parent=-1)
        return Extraction((file, *self._found), self._note)

    def _markdown(self, source: Source, number: int) -> None:
        if not self._found:
            self._doc = source.text.strip()[:DOC_LIMIT].rstrip()
        headings = _headings(source.text)
        starts = [heading.start for heading in headings] + [len(source.text)]
        if source.text[: starts[0]].strip():
            self._cell(source, (0, starts[0]), number)
        for heading, end in zip(headings, starts[1:], strict=True):
            self._section(source, heading, end)

    def _section(self, source: Source, heading: _Heading, end: int) -> None:
        title = _squeeze(source.text[slice(*heading.name)])
        self._headings = [one for one in self._headings if one[0] < heading.level]
        end = heading.start + len(source.text[heading.start : end].rstrip())
        span, name_span = self._span(source, heading.start, end), self._span(source, *heading.name)
        symbol = self._symbol("section", title, span, name_span)
        body = source.text[heading.name[1] : end].lstrip("#= \t\r\n")
        self._found.append(replace(symbol, body=body[:BODY_LIMIT]))
        self._headings.append((heading.level, title[:NAME_LENGTH].rstrip()))

    def _cell(self, source: Source, part: tuple[int, int], number: int) -> None:
        start, end = part
        end = start + len(source.text[start:end].rstrip())
        start = end - len(source.text[start:end].lstrip())
        name = _headline(source.text, start, end)
        text = source.text[slice(*name)] or f"cell {number}"
        symbol = self._symbol("cell", text, self._span(source, start, end), self._span(source, *name))
        self._found.append(replace(symbol, body=source.text[start:end][:BODY_LIMIT]))

    def _code(self, source: Source, language: str, number: int) -> None:
        magic = _CELL_MAGIC.match(source.text)
        language = (language_named(magic.group(1)) if magic else "") or language or self._language
        # Blanks in place of what only IPython understands: the rest stays where it is.
        text = _MAGIC.sub(lambda line: " " * len(line.group()), source.text)
        inside = extract(replace(self._file, text=text, language=language))
        self._note = self._note or inside.note
        self._cell(source, (0, len(source.text)), number)
        parent = len(self._found)  # as the file comes before all of them
        numbers = {0: parent}
        tops = []
        for position, symbol in enumerate(inside.symbols[1:], 1):
            if symbol.parent == 0 and symbol.kind in _PART_OF_CELL:
                continue
            if symbol.parent == 0:
                tops.append(symbol)
            if symbol.parent in numbers:
                numbers[position] = len(self._found) + 1
                self._found.append(self._moved(symbol, source, numbers[symbol.parent]))
        doc = inside.symbols[0].doc
        elsewhere = [one.span for one in (tops if not doc else [inside.symbols[0], *tops])]
        self._found[parent - 1] = replace(
            self._found[parent - 1],
            doc=doc,
            body=source.without([(span.start_line, span.end_line) for span in elsewhere])[:BODY_LIMIT],
            members=tuple(dict.fromkeys(one.name for one in tops)),
        )

    def _moved(self, symbol: Symbol, source: Source, parent: int) -> Symbol:
        """Give a symbol of a cell as a symbol of the file."""
        span, name_span = (
            self._span(source, *source.range(one.start_line, one.start_column, one.end_line, one.end_column))
            for one in (symbol.span, symbol.name_span)
        )
        return replace(
            symbol,
            container=".".join(part for part in (self._path(), symbol.container) if part),
            span=span,
            name_span=name_span,
            parent=parent,
            ascii=self._places.is_ascii(span, name_span),
        )

    def _symbol(self, kind: str, name: str, span: Span, name_span: Span) -> Symbol:
        return Symbol(
            kind=kind,
            name=_squeeze(name)[:NAME_LIMIT],
            container=self._path(),
            span=span,
            name_span=name_span,
            signature="",
            doc="",
            body="",
            members=(),
            parent=0,
            ascii=self._places.is_ascii(span, name_span),
        )

    def _span(self, source: Source, start: int, end: int) -> Span:
        return self._places.span(*source.in_file(start, end))

    def _path(self) -> str:
        return ".".join(title for _, title in self._headings[-HEADINGS:])


class _Places:
    """Where the characters of a file stand: lines as in the protocol, columns in code points."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(end.end() for end in _LINE_END.finditer(text))]

    def span(self, start: int, end: int) -> Span:
        """Give the span of a range of offsets."""
        return Span(*self._position(start), *self._position(end))

    def is_ascii(self, *spans: Span) -> bool:
        """Say whether the lines on which spans start and end have no character above U+007F."""
        if self._text.isascii():
            return True
        lines = {line for span in spans for line in (span.start_line, span.end_line)}
        return all(self._line(line).isascii() for line in lines)

    def _line(self, line: int) -> str:
        end = self._starts[line + 1] if line + 1 < len(self._starts) else len(self._text)
        return self._text[self._starts[line] : end]

    def _position(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._starts, offset) - 1
        return line, offset - self._starts[line]


def _headings(text: str) -> list[_Heading]:
    """Give the headings of a Markdown text; what looks like one in a block of code is none."""
    found: list[_Heading] = []
    fence = ""
    for mark in _MARK.finditer(text):
        if mark.group(1):
            fence = "" if fence == mark.group(1) else fence or mark.group(1)
        elif not fence:
            name = mark.span(3) if mark.group(2) else mark.span(4)
            found.append(_Heading(len(mark.group(2) or "#"), mark.start(), name))
    return found


def _headline(text: str, start: int, end: int) -> tuple[int, int]:
    """Give the line that says best what a text is about: the first with words that is no import, if there is one."""
    first = (start, start)
    for line in _LINE.finditer(text, start, end):
        if not _WORD.search(line.group()):
            continue
        begin = _BEFORE_WORDS.match(text, line.start(), line.end()).end()  # type: ignore[union-attr]  # matches nothing too
        words = (begin, begin + len(text[begin : line.end()][:NAME_LENGTH].rstrip()))
        if not _PREAMBLE.match(line.group()):
            return words
        if first[0] == first[1]:
            first = words
    return first


def _squeeze(text: str) -> str:
    return " ".join(text.split())
