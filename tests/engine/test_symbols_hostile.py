"""Symbols: whatever a file holds, reading it ends in bounded time, in every language that has a grammar."""

import dataclasses
import random
import time

import pytest

from lsp_server.engine import syntax
from lsp_server.engine.files import SourceFile
from lsp_server.engine.languages import LANGUAGES
from lsp_server.engine.symbols import Extraction, extract
from lsp_server.engine.syntax import NoGrammar, read_syntax

SIZE = 200_000  # bytes
# CPU seconds. 1.5 of them are granted to tree-sitter; the last window of a query, the outline and slow machines add up.
MOST = 5

GRAMMARS = {row.grammar: name for name, row in sorted(LANGUAGES.items(), reverse=True) if row.grammar}

UGLY = {
    "words": "word " * (SIZE // 5),
    "brackets": "([" * (SIZE // 4) + "])" * (SIZE // 4),
    "nested blocks": ("a {\n" * 1_400 + "}\n" * 1_400) * (SIZE // 16_800),
    "one line": "x" * SIZE,
    "random bytes": random.Random(2).randbytes(SIZE // 2).decode("utf-8", "replace")[: SIZE // 2],
}


def extracted(language: str, text: str) -> tuple[Extraction, float]:
    before = time.thread_time()
    found = extract(SourceFile("a", text, language, b"", 0, 0))
    return found, time.thread_time() - before


@pytest.mark.parametrize("language", sorted(GRAMMARS.values()))
def test_no_grammar_hangs_or_dies(language):
    for name, text in UGLY.items():
        found, seconds = extracted(language, text)
        assert seconds < MOST, name
        assert found.symbols[0].kind == "file"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("elixir", "word " * 60_000),
        ("elixir", "- " * 100_000),
        ("elixir", "a" + ".b" * 100_000),
        ("css", ("a {\n" * 1_400 + "b: c;\n" + "}\n" * 1_400) * 10),
        ("html", "<div>\n" * 20_000),
        ("ocaml", 'f(x, "y");' * 30_000),  # one flat list to people, hidden nodes in each other to the cursor
        ("markdown", "# a\n" * 25_000),
        ("rust", "%w(" * 1_499),
        # The YAML grammar's buffer of indentations overflows from 254 levels on: a crash, not an exception.
        ("yaml", "- " * 100_000),
        ("yaml", "? " * 300 + "a\n"),
        ("yaml", "".join(" " * depth + "a:\n" for depth in range(400))),
        ("yaml", "".join(" " * depth + "a:\n" + " " * depth + "-\n" for depth in range(150))),
    ],
)
def test_what_is_known_to_be_slow_or_deadly(language, text):
    assert extracted(language, text)[1] < MOST


def test_deep_indentation_in_yaml_is_no_depth():
    text = "run: |\n" + " " * 300 + "long line\n" + "x: " + "-" * 200 + "\nlist:\n  - a\n  - b\n"
    assert extracted("yaml", text)[0].note == ""


def test_windows_find_what_the_whole_finds(monkeypatch):
    text = "".join(f"class A{n}:\n  # about\n  def f(self):\n    '''Doc.'''\n    return [1,\n 2]\n" for n in range(50))
    whole = extracted("python", text)[0]
    monkeypatch.setattr(syntax, "_WINDOW", 100)
    assert extracted("python", text)[0] == whole
    assert len(whole.symbols) == 101


@pytest.mark.parametrize("query", ["no-such-file", "go"])
def test_a_query_that_does_not_fit_its_grammar_leaves_blocks(query, monkeypatch, caplog):
    row = dataclasses.replace(LANGUAGES["python"], query=query)
    syntax._try_load.cache_clear()
    with pytest.raises(NoGrammar):
        read_syntax(b"def f(): pass", row)
    monkeypatch.setitem(LANGUAGES, "broken", row)
    found = extracted("broken", "one\ntwo\nthree\n")[0]
    assert found.note == "no grammar installed for broken"
    assert [one.kind for one in found.symbols] == ["file", "block"]
    assert len(caplog.records) == 1  # not one for every file
