"""Open documents follow the editor's edits exactly, whatever stands in the text."""

from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from lsp_server.convert import ENCODINGS, from_position, split_lines
from lsp_server.documents import Document, Documents

PIECES = ("a", "\n", "\r", "\r\n", "\f", "\u2028", "é", "😀", "\ud83d")
texts = st.lists(st.sampled_from(PIECES), max_size=15).map("".join)
positions = st.fixed_dictionaries({"line": st.integers(0, 8), "character": st.integers(0, 12)})


def slow_replace(text: str, start, end, new: str, encoding: str) -> str:
    lines = split_lines(text)
    offsets = sorted(
        sum(map(len, lines[:line])) + column
        for line, column in (from_position(start, lines, encoding), from_position(end, lines, encoding))
    )
    return text[: offsets[0]] + new + text[offsets[1] :]


@given(texts, st.lists(st.tuples(positions, positions, texts), max_size=5), st.sampled_from(ENCODINGS))
def test_edits_are_those_of_a_plain_string(text, edits, encoding):
    document = Document("file:///a", text, encoding)
    for start, end, new in edits:
        text = slow_replace(text, start, end, new, encoding)
        document.replace(start, end, new)
        assert document.text == text
        assert document.lines == split_lines(text)


def partial(line: int, start: int, end: int, text: str) -> types.TextDocumentContentChangePartial:
    return types.TextDocumentContentChangePartial(
        range=types.Range(types.Position(line, start), types.Position(line, end)), text=text
    )


def test_an_edit_below_a_form_feed_lands_on_its_line(tmp_path):
    documents = Documents()
    uri = (tmp_path / "a.py").as_uri()
    documents.open(uri, "one\fpage\nx = '😀' + y\n")
    documents.change(uri, [partial(1, 11, 12, "zed")])
    assert documents.at(tmp_path / "a.py").text == "one\fpage\nx = '😀' + zed\n"


def test_a_whole_text_replaces_the_document(tmp_path):
    documents = Documents()
    uri = (tmp_path / "a.py").as_uri()
    documents.open(uri, "old")
    documents.change(uri, [types.TextDocumentContentChangeWholeDocument(text="new\n")])
    assert documents.at(tmp_path / "a.py").lines == ["new\n", ""]


def test_a_change_to_a_document_that_is_not_open_is_passed_over(tmp_path):
    documents = Documents()
    documents.change("file:///nowhere", [partial(0, 0, 0, "x")])
    documents.close("file:///nowhere")
    assert list(documents) == []


def test_what_was_closed_is_forgotten(tmp_path):
    documents = Documents()
    uri = (tmp_path / "a.py").as_uri()
    documents.open(uri, "")
    documents.open("untitled:one", "")
    assert list(documents) == [tmp_path / "a.py"]
    documents.close(uri)
    assert documents.at(tmp_path / "a.py") is None
