"""Between the engine's words and LSP's: positions, URIs, kinds and rows.

The only place that knows UTF-16 and `file:` URIs. The engine counts lines and code points from 0 and names files by
their path below a root; a client counts units of the negotiated encoding and names documents by URI. Lines end at LF,
CR LF and CR for both. What lies outside a text is moved to its nearest end, never an error. Knows no server, no index.
"""

from __future__ import annotations

import ntpath
import os
import posixpath
import re
from collections.abc import Sequence
from pathlib import PurePath, PureWindowsPath
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote, unquote_to_bytes

from lsprotocol.types import PositionEncodingKind, SymbolKind

from lsp_server.protocol import Match, Position, Range, SemanticSymbol, WorkspaceSymbol

if TYPE_CHECKING:
    from lsp_server.engine.hits import Hit
    from lsp_server.engine.symbols import Span

UTF8: Final = PositionEncodingKind.Utf8.value
UTF16: Final = PositionEncodingKind.Utf16.value
UTF32: Final = PositionEncodingKind.Utf32.value
ENCODINGS: Final = (UTF8, UTF16, UTF32)

MAX_PREVIEW = 200  # characters, as the protocol says

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)")
_DRIVE = re.compile(r"/[A-Za-z]:(?=/|$)")

_KINDS: dict[str, SymbolKind] = {
    "file": SymbolKind.File,
    "module": SymbolKind.Module,
    "namespace": SymbolKind.Namespace,
    "package": SymbolKind.Package,
    "class": SymbolKind.Class,
    "struct": SymbolKind.Struct,
    "interface": SymbolKind.Interface,
    "trait": SymbolKind.Interface,
    "enum": SymbolKind.Enum,
    "union": SymbolKind.Struct,
    "type": SymbolKind.TypeParameter,  # as rust-analyzer shows type aliases
    "function": SymbolKind.Function,
    "method": SymbolKind.Method,
    "constructor": SymbolKind.Constructor,
    "property": SymbolKind.Property,
    "field": SymbolKind.Field,
    "constant": SymbolKind.Constant,
    "variable": SymbolKind.Variable,
    "macro": SymbolKind.Function,  # as rust-analyzer does
    "test": SymbolKind.Function,
    "section": SymbolKind.String,  # as VS Code shows headings
    "key": SymbolKind.Key,
    "block": SymbolKind.Object,
    "cell": SymbolKind.Module,
    "object": SymbolKind.Object,
    "table": SymbolKind.Struct,
    "rule": SymbolKind.Class,  # as VS Code shows CSS rules
    "element": SymbolKind.Field,  # as VS Code shows HTML elements
}
# A client that lists no kinds knows those of LSP 1: File to Array. What is newer is shown as its nearest relative.
KINDS_OF_LSP_1 = frozenset(range(SymbolKind.File, SymbolKind.Array + 1))
_RELATIVES = {
    SymbolKind.Struct: SymbolKind.Class,
    SymbolKind.Key: SymbolKind.Property,
    SymbolKind.Object: SymbolKind.Module,
    SymbolKind.TypeParameter: SymbolKind.Interface,
}


# ---- positions


def split_lines(text: str) -> list[str]:
    """Split a text into lines, line ends kept; the last line has none and may be empty.

    `str.splitlines` also cuts at form feeds, U+2028 and others, which LSP does not.
    """
    lines = _LINE.findall(text)
    lines.append(text[sum(map(len, lines)) :])
    return lines


def content_length(line: str) -> int:
    """Return how many code points a line has before its line end."""
    if line.endswith("\r\n"):
        return len(line) - 2
    return len(line) - line.endswith(("\n", "\r"))


def to_units(line: str, column: int, encoding: str) -> int:
    """Turn a column in code points into units of `encoding`; past the end of the line is its end."""
    before = line[: min(column, content_length(line))]
    if encoding == UTF32 or before.isascii():
        return len(before)
    if encoding == UTF8:
        return len(before.encode("utf-8", "surrogatepass"))
    return len(before.encode("utf-16-le", "surrogatepass")) // 2


def to_column(line: str, units: int, encoding: str) -> int:
    """Turn units of `encoding` into a column in code points; the middle of a character is its start."""
    end = min(units, content_length(line))
    if encoding == UTF32 or line[:end].isascii():
        return end
    column = passed = 0
    for character in line[:end]:
        passed += _width(character, encoding)
        if passed > units:
            break
        column += 1
    return column


def _width(character: str, encoding: str) -> int:
    point = ord(character)
    if encoding == UTF16:
        return 1 + (point > 0xFFFF)
    return 1 + (point > 0x7F) + (point > 0x7FF) + (point > 0xFFFF)


def to_position(line: int, column: int, lines: Sequence[str], encoding: str) -> Position:
    """Turn a place of the engine into one of the client."""
    if line >= len(lines):
        line, column = len(lines) - 1, len(lines[-1])
    return {"line": line, "character": to_units(lines[line], column, encoding)}


def from_position(position: Position, lines: Sequence[str], encoding: str) -> tuple[int, int]:
    """Turn a place of the client into line and column (code points) of the engine."""
    line, units = position["line"], position["character"]
    if line >= len(lines):
        return len(lines) - 1, content_length(lines[-1])
    return line, to_column(lines[line], units, encoding)


def to_range(span: Span, lines: Sequence[str], encoding: str) -> Range:
    """Turn a span into a range of the text whose lines are given."""
    return {
        "start": to_position(span.start_line, span.start_column, lines, encoding),
        "end": to_position(span.end_line, span.end_column, lines, encoding),
    }


def ascii_range(span: Span) -> Range:
    """Turn a span whose first and last lines are ASCII into a range: columns are the same in every encoding."""
    return {
        "start": {"line": span.start_line, "character": span.start_column},
        "end": {"line": span.end_line, "character": span.end_column},
    }


# ---- URIs


def to_path(uri: str, flavour: type[PurePath] = PurePath) -> PurePath | None:
    """Turn a `file:` URI into an absolute path without "..", None when it names no file of this machine.

    Bytes that are no UTF-8 survive as surrogate escapes, as in `os.listdir`. "#" and "?" are taken as part of the
    path: no client sends fragments of files, and some do not escape these characters.
    """
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme.lower() != "file":
        return None
    host = ""
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        rest = slash + rest
    path = os.fsdecode(unquote_to_bytes(rest.encode("utf-8", "replace")))
    if not path.startswith("/") or "\0" in path:
        return None
    made = flavour("/")
    if isinstance(made, PureWindowsPath):
        if host and host.lower() != "localhost":
            path = f"//{host}{path}"
        elif _DRIVE.match(path):
            path = path[1:] if len(path) > 3 else f"{path[1:]}/"
        return flavour(ntpath.normpath(path))
    if host and host.lower() != "localhost":
        return None
    # POSIX keeps exactly two leading slashes apart from one; no file system we know does.
    return flavour(posixpath.normpath("/" + path.lstrip("/")))


def to_uri(path: PurePath) -> str:
    """Turn an absolute path into a `file:` URI."""
    parts = path.as_posix()
    if isinstance(path, PureWindowsPath):
        if parts.startswith("//"):
            return "file:" + _quote(parts)
        drive, rest = parts[:2], parts[2:]
        return f"file:///{drive}{_quote(rest)}"
    return "file://" + _quote(parts)


def below(root_uri: str, path: str) -> str:
    """Return the URI of a path below a root, in the client's own spelling of that root."""
    return f"{root_uri.rstrip('/')}/{_quote(path)}"


def relative(path: PurePath, root: PurePath) -> str | None:
    """Return the path below `root` with "/", "" for the root itself, None when it is not below it."""
    try:
        inside = path.relative_to(root).as_posix()
    except ValueError:
        return None
    return "" if inside == "." else inside


def _quote(path: str) -> str:
    return quote(os.fsencode(path))


# ---- kinds and rows


def to_kind(kind: str) -> SymbolKind:
    """Turn a kind of the engine into LSP's."""
    return _KINDS.get(kind, SymbolKind.Object)


def known_kind(kind: int, known: frozenset[int]) -> int:
    """Turn a SymbolKind into its nearest relative among those that a client said it knows."""
    symbol_kind = SymbolKind(kind)
    while symbol_kind not in known and symbol_kind in _RELATIVES:
        symbol_kind = _RELATIVES[symbol_kind]
    return int(symbol_kind)


def from_kinds(kinds: frozenset[int]) -> frozenset[str]:
    """Turn SymbolKinds into all kinds of the engine that are shown as one of them."""
    return frozenset(name for name, kind in _KINDS.items() if kind in kinds)


def to_semantic_symbol(hit: Hit, uri: str, whole: Range, name: Range) -> SemanticSymbol:
    """Turn a hit into a row of our own requests. Kinds are LSP's full list: the client reads this page's protocol."""
    row: SemanticSymbol = {
        "name": hit.name,
        "kind": int(to_kind(hit.kind)),
        "location": {"uri": uri, "range": whole},
        "selectionRange": name,
        "score": round(hit.score, 4),
        "match": cast(Match, hit.match),
        "languageId": hit.language,
        "preview": hit.preview[:MAX_PREVIEW],
    }
    if hit.container:
        row["containerName"] = hit.container
    if hit.detail:
        row["detail"] = hit.detail
    return row


def to_workspace_symbol(row: SemanticSymbol, known: frozenset[int]) -> WorkspaceSymbol:
    """Turn a row into the standard form, its kind one that the client knows.

    Clients jump to where the location begins, so it is the name: the whole symbol may begin with a long comment.
    """
    name, whole = row["selectionRange"], row["location"]["range"]
    symbol: WorkspaceSymbol = {
        "name": row["name"],
        "kind": known_kind(row["kind"], known),
        "location": {"uri": row["location"]["uri"], "range": name if name["start"] != name["end"] else whole},
        "score": row["score"],
    }
    if "containerName" in row:
        symbol["containerName"] = row["containerName"]
    return symbol
