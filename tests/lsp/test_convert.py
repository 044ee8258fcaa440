"""Positions, URIs and kinds, held against slow and obvious versions of themselves."""

from pathlib import PurePath, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.types import SymbolKind

from lsp_server import convert
from lsp_server.convert import ENCODINGS, UTF8, UTF16, UTF32
from lsp_server.engine.symbols import Span

# Everything that has ever broken a column: line ends of all kinds, characters that `splitlines` takes for line ends,
# every width in every encoding, and halves of UTF-16 pairs.
PIECES = ("a", "\n", "\r", "\r\n", "\f", "\v", "\x85", "\u2028", "é", "語", "😀", "\ud83d", "\ude00", "\t", "_")
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
lines = st.lists(st.sampled_from([p for p in PIECES if p not in ("\n", "\r", "\r\n")]), max_size=20).map("".join)
encodings = st.sampled_from(ENCODINGS)


def slow_width(text: str, encoding: str) -> int:
    if encoding == UTF32:
        return len(text)
    size = {UTF8: ("utf-8", 1), UTF16: ("utf-16-le", 2)}[encoding]
    return sum(len(c.encode(size[0], "surrogatepass")) // size[1] for c in text)


@given(texts)
def test_lines_lose_nothing_and_end_where_lsp_ends_them(text):
    made = convert.split_lines(text)
    assert "".join(made) == text
    assert all(line.endswith(("\n", "\r")) for line in made[:-1])
    assert not made[-1].endswith(("\n", "\r"))
    assert len(made) == 1 + text.replace("\r\n", "\n").replace("\r", "\n").count("\n")


@given(lines, st.sampled_from(["", "\n", "\r", "\r\n"]), encodings, st.integers(0, 60))
def test_a_column_in_units_is_the_width_of_what_stands_before_it(line, end, encoding, column):
    assert convert.to_units(line + end, column, encoding) == slow_width(line[:column], encoding)


@given(lines, st.sampled_from(["", "\n", "\r", "\r\n"]), encodings, st.integers(0, 60))
def test_a_column_survives_the_way_there_and_back(line, end, encoding, column):
    units = convert.to_units(line + end, column, encoding)
    assert convert.to_column(line + end, units, encoding) == min(column, len(line))


@given(lines, encodings, st.integers(0, 100))
def test_units_amid_a_character_mean_its_start_and_past_the_line_its_end(line, encoding, units):
    column = convert.to_column(line, units, encoding)
    assert slow_width(line[:column], encoding) <= units
    assert column == len(line) or slow_width(line[: column + 1], encoding) > units


@given(texts, encodings, st.integers(0, 40), st.integers(0, 40))
def test_any_position_is_moved_into_the_text(text, encoding, line, units):
    made = convert.split_lines(text)
    inside_line, column = convert.from_position({"line": line, "character": units}, made, encoding)
    assert inside_line == min(line, len(made) - 1)
    assert 0 <= column <= convert.content_length(made[inside_line])
    back = convert.to_position(inside_line, column, made, encoding)
    assert convert.from_position(back, made, encoding) == (inside_line, column)
    assert convert.to_position(line, units, made, encoding)["line"] == inside_line


@pytest.mark.parametrize(("encoding", "columns"), [(UTF8, (2, 17)), (UTF16, (2, 9)), (UTF32, (2, 7))])
def test_a_range_in_every_encoding(encoding, columns):
    made = convert.split_lines("one\fpage\n  é語😀😀ñ = 1\r\nend")
    span = Span(1, 2, 1, 7)
    assert convert.to_range(span, made, encoding) == {
        "start": {"line": 1, "character": columns[0]},
        "end": {"line": 1, "character": columns[1]},
    }


def test_a_span_past_the_end_of_a_text_that_shrank_is_its_end():
    assert convert.to_range(Span(5, 0, 9, 9), ["a\n", "é"], UTF8) == {
        "start": {"line": 1, "character": 2},
        "end": {"line": 1, "character": 2},
    }


@pytest.mark.parametrize(
    ("uri", "flavour", "path"),
    [
        ("file:///home/me/a.py", PurePosixPath, "/home/me/a.py"),
        ("file:/home/me/a.py", PurePosixPath, "/home/me/a.py"),
        ("FILE:///a%20b/%C3%BC.py", PurePosixPath, "/a b/ü.py"),
        ("file:///a b/ü.py", PurePosixPath, "/a b/ü.py"),
        ("file:///a%23b%3Fc/100%25.py", PurePosixPath, "/a#b?c/100%.py"),
        ("file:///a#b?c.py", PurePosixPath, "/a#b?c.py"),
        ("file://localhost/a.py", PurePosixPath, "/a.py"),
        ("file:////a.py", PurePosixPath, "/a.py"),
        ("file:///a/./b/../c.py", PurePosixPath, "/a/c.py"),
        ("file:///../../etc", PurePosixPath, "/etc"),
        ("file:///", PurePosixPath, "/"),
        ("file:///c%3A/Users/me/a.py", PureWindowsPath, "c:/Users/me/a.py"),
        ("file:///C:/Users/me/a%20b.py", PureWindowsPath, "C:/Users/me/a b.py"),
        ("file:///c:", PureWindowsPath, "c:/"),
        ("file://server/share/a.py", PureWindowsPath, "//server/share/a.py"),
    ],
)
def test_a_uri_names_a_path(uri, flavour, path):
    assert convert.to_path(uri, flavour) == flavour(path)


@pytest.mark.parametrize(
    "uri",
    ["untitled:Untitled-1", "vscode-notebook-cell:/a.ipynb#x", "file://host/a.py", "file:///a%00b", "file:a", "", "x"],
)
def test_a_uri_that_names_no_file_here(uri):
    assert convert.to_path(uri, PurePosixPath) is None


def test_bytes_that_are_no_utf8_survive():
    path = convert.to_path("file:///a%FF.py", PurePosixPath)
    assert path == PurePosixPath("/a\udcff.py")
    assert convert.to_uri(path) == "file:///a%FF.py"


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (PurePosixPath("/a b/ü#%.py"), "file:///a%20b/%C3%BC%23%25.py"),
        (PureWindowsPath("C:/a b/x.py"), "file:///C:/a%20b/x.py"),
        (PureWindowsPath("//server/share/x.py"), "file://server/share/x.py"),
    ],
)
def test_a_path_becomes_a_uri_and_comes_back(path, uri):
    assert convert.to_uri(path) == uri
    assert convert.to_path(uri, type(path)) == path


@given(st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_every_path_survives_as_a_uri(parts):
    if any(part in (".", "..") for part in parts):
        return
    path = PurePosixPath("/", *parts)
    assert convert.to_path(convert.to_uri(path), PurePosixPath) == path
    assert convert.to_path(convert.below("file:///", "/".join(parts)), PurePosixPath) == path


def test_a_location_keeps_the_clients_own_spelling_of_the_root():
    assert convert.below("file:///c%3A/My%20Code/", "src/a b.py") == "file:///c%3A/My%20Code/src/a%20b.py"


def test_a_path_below_a_root_is_relative_and_a_sibling_is_not():
    root = PurePath("/work/project")
    assert convert.relative(root / "src" / "a.py", root) == "src/a.py"
    assert convert.relative(root, root) == ""
    assert convert.relative(PurePath("/work/project-old/a.py"), root) is None


def test_windows_paths_are_below_their_root_whatever_the_case():
    root = convert.to_path("file:///c%3A/Users/Me", PureWindowsPath)
    path = convert.to_path("file:///C:/users/me/A.py", PureWindowsPath)
    assert convert.relative(path, root) == "A.py"


def test_kinds_go_there_and_back():
    assert convert.to_kind("trait") == SymbolKind.Interface
    assert convert.to_kind("something new") == SymbolKind.Object
    assert {"trait", "interface"} == convert.from_kinds(frozenset({int(SymbolKind.Interface)}))
    assert convert.from_kinds(frozenset({int(SymbolKind.Operator)})) == frozenset()


@pytest.mark.parametrize("kind", list(SymbolKind))
def test_an_old_client_gets_kinds_that_it_knows_where_we_send_them(kind):
    if convert.from_kinds(frozenset({int(kind)})):
        assert convert.known_kind(kind, convert.KINDS_OF_LSP_1) in convert.KINDS_OF_LSP_1
