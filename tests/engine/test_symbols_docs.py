"""Symbols: which comment belongs to what, what of it is said, and which small or twin definitions are units."""

import pytest

from lsp_server.engine.files import SourceFile
from lsp_server.engine.symbols import Symbol, extract


def symbols_of(language: str, text: str) -> tuple[Symbol, ...]:
    return extract(SourceFile("a", text, language, b"", 0, 0)).symbols


def find(symbols: tuple[Symbol, ...], name: str) -> Symbol:
    return next(symbol for symbol in symbols if symbol.name == name)


def rows(language: str, text: str) -> list[tuple[str, int, int, str]]:
    return [(s.name, s.span.start_line, s.span.end_line, s.doc) for s in symbols_of(language, text)[1:]]


def test_a_shebang_is_no_doc():
    assert rows("shellscript", "#!/bin/bash\nfoo() {\n  a\n}\n") == [("foo", 1, 3, "")]
    assert rows("shellscript", "#!/bin/bash\n# Does it.\nfoo() {\n  a\n}\n") == [("foo", 1, 4, "Does it.")]


def test_a_licence_does_not_take_the_doc_of_the_file_with_it():
    text = "# Copyright 2020 X. All rights reserved.\n\n# Reads things.\nimport a\n"
    assert symbols_of("python", text)[0].doc == "Reads things."


def test_a_file_doc_may_be_one_word():
    assert symbols_of("rust", "//! Shapes.\n\nuse a::b;\n")[0].doc == "Shapes."
    assert symbols_of("rust", "//! Shapes.\n//!\n//! Copyright 2020 X.\n\nuse a::b;\n")[0].doc == ""


def test_ocaml_documents_what_stands_above():
    text = "val a : t\n(** A. *)\n\nval b : t -> t\n\n(** C. *)\nval c : t -> t\n\nval d : t (** D. *)\n"
    assert rows("ocaml.interface", text) == [("a", 0, 1, "A."), ("b", 3, 3, ""), ("c", 5, 6, "C."), ("d", 8, 8, "D.")]


def test_a_comment_under_something_is_not_about_what_is_further_down():
    text = "a = 1;\n/** About a. */\n\n/** About b. */\n\nfunction b() {}\n\nclass C {\n  /** Of d. */\n\n  d() {}\n}\n"
    symbols = symbols_of("javascript", text)
    assert (find(symbols, "b").doc, find(symbols, "d").doc) == ("About b.", "Of d.")
    assert find(symbols_of("javascript", "a = 1;\n/** About a. */\n\nfunction b() {}\n"), "b").doc == ""


def test_a_comment_at_the_end_of_a_table_is_about_the_next_one():
    text = "[a]\nx = 1\n\n# about b\n[b]\ny = 1\n# rest of b\n\n[c]\nz = 1\n# end\n"
    assert rows("toml", text) == [("a", 0, 1, ""), ("b", 3, 6, "about b"), ("c", 8, 10, "")]


def test_a_comment_at_the_end_of_a_key_is_about_the_next_one():
    text = (
        "jobs:\n  a:\n    r: 1\n    s: 2\n    # in a\n  # about b\n  b:\n    r: 1\n    s: 2\n\n"
        "# about env\nenv:\n  A: 1\n  B: 2\n"
    )
    assert rows("yaml", text) == [
        ("jobs", 0, 8, ""),
        ("a", 1, 4, ""),
        ("b", 5, 8, "about b"),
        ("env", 10, 13, "about env"),
    ]


def test_small_tests_in_a_group_are_units():
    text = "describe('a', () => {\n  it('b', () => {\n    x();\n  });\n  it('c', () => y());\n});\n"
    assert [row[:3] for row in rows("javascript", text)] == [("a", 0, 5), ("b", 1, 3)]


def test_documented_twins_stay_apart():
    text = (
        "/** One. */\nfunction f(a: string): void;\n/** Two. */\nfunction f(a: number): void;\nfunction f(a: any) {}\n"
    )
    assert rows("typescript", text) == [("f", 0, 1, "One."), ("f", 2, 4, "Two.")]


def test_a_remark_on_an_equation_does_not_part_a_function():
    text = "module A where\n-- | F.\nf :: Int -> Int\n-- base\nf 0 = 1\nf n = 2\n"
    assert rows("haskell", text) == [("f", 1, 5, "F.")]


@pytest.mark.parametrize(
    ("language", "name", "text", "doc"),
    [
        ("powershell", "Get-It", "<#\n.SYNOPSIS\nReads.\n#>\nfunction Get-It {\n  1\n}\n", ".SYNOPSIS\nReads."),
        ("powershell", "Get-It", "function Get-It {\n  <# Reads. #>\n  1\n}\n", "Reads."),
        (
            "csharp",
            "A",
            '/// <summary>\n/// Reads <see cref="X"/> of <c>b</c>.\n/// </summary>\n'
            '/// <param name="p">the p</param>\nclass A {}\n',
            "Reads X of b.\n\np the p",
        ),
    ],
)
def test_marks_and_tags_are_taken_off(language, name, text, doc):
    assert find(symbols_of(language, text), name).doc == doc


@pytest.mark.parametrize("doc", ["Use `x` and `y`", "`c` d `e`", "Use `x`", "`x` is"])
def test_quotes_in_prose_stay(doc):
    section = find(symbols_of("markdown", f"# A\n\n{doc}\n"), "A")
    assert doc in f"{section.doc}\n{section.body}"


def test_a_symbol_of_ruby_is_named_without_its_colon_and_a_selector_with_it():
    assert find(symbols_of("ruby", "class A\n  # The size.\n  attr_reader :size\nend\n"), "size").kind == "property"
    assert [s.name for s in symbols_of("css", ":root {\n  a: b;\n  c: d;\n}\n")[1:]] == [":root"]


def test_underlined_headings_reach_to_the_next_heading():
    text = "Title\n=====\n\nIntro text.\n\nPart\n----\n\n- a\n- b\n\n## Sub\n\ntext\n"
    assert rows("markdown", text) == [("Title", 0, 3, "Intro text."), ("Part", 5, 9, ""), ("Sub", 11, 13, "text")]
