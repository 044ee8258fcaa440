"""Languages: the table is sound, and names, shebangs and modelines lead to the right row."""

import importlib
from collections import Counter

import pytest
import tree_sitter

from lsp_server.engine.languages import LANGUAGES, Language, language_named, language_of


@pytest.mark.parametrize(
    ("path", "first_line", "expected"),
    [
        ("a.py", "", "python"),
        ("src/deep/b.pyi", "", "python"),
        ("a.tsx", "", "typescriptreact"),
        ("a.d.ts", "", "typescript"),
        ("app_de.ts", '<?xml version="1.0"?>', "xml"),
        ("a.jsx", "", "javascriptreact"),
        ("a.h", "", "cpp"),
        ("a.c", "", "c"),
        ("a.C", "", "cpp"),
        ("A.PY", "", "python"),
        ("a.R", "", "r"),
        ("x.mli", "", "ocaml.interface"),
        ("build.gradle", "", "groovy"),
        ("build.gradle.kts", "", "kotlin"),
        ("CMakeLists.txt", "", "cmake"),
        ("notes.txt", "", "plaintext"),
        ("Makefile", "", "makefile"),
        ("Makefile.am", "", "makefile"),
        ("Dockerfile", "", "dockerfile"),
        ("docker/Dockerfile.dev", "", "dockerfile"),
        ("tsconfig.json", "", "jsonc"),
        ("package.json", "", "json"),
        ("n.ipynb", "", "jupyter"),
        ("config.h.in", "", "cpp"),
        ("settings.py.example", "", "python"),
        (".env.example", "", "dotenv"),
        (".bashrc", "", "shellscript"),
        ("BUILD", "", "starlark"),
        ("build", "#!/bin/sh", "shellscript"),
        ("tool", "#!/usr/bin/env python3.11", "python"),
        ("tool", "#!/usr/bin/env -S FOO=1 node --harmony", "javascript"),
        ("tool", "#! /usr/local/bin/perl -w", "perl"),
        ("tool", "\ufeff#!/bin/bash", "shellscript"),
        ("tool", "#!/usr/bin/env -S uv run --script", "python"),
        ("tool", "#!/opt/unheard-of", "plaintext"),
        ("tool", "#!", "plaintext"),
        ("tool", "#!/usr/bin/env", "plaintext"),
        ("tool", "// -*- C++ -*-", "cpp"),
        ("tool", "# -*- coding: utf-8; mode: ruby -*-", "ruby"),
        ("tool", "# vim: set ts=4 ft=python :", "python"),
        ("tool", "<?php echo 1;", "php"),
        ("tool", "x" * 1_000_000 + "# vim: ft=python", "plaintext"),
        ("strange.qqq", "just words", "plaintext"),
        ("", "", "plaintext"),
        (".", "", "plaintext"),
        ("trailing.", "", "plaintext"),
        (".in", "", "plaintext"),
        ("🎉.go", "", "go"),
        ("new\nline.rs", "", "rust"),
    ],
)
def test_language_of(path: str, first_line: str, expected: str) -> None:
    assert language_of(path, first_line) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("js", "javascript"),
        ("JSX", "javascriptreact"),
        ("tsx", "typescriptreact"),
        ("C++", "cpp"),
        ("c#", "csharp"),
        ("bash", "shellscript"),
        ("py", "python"),
        ("python", "python"),
        ("rst", "restructuredtext"),
        ("h", "cpp"),
        ("klingon", ""),
        ("", ""),
    ],
)
def test_people_name_languages_in_their_own_way(word: str, expected: str) -> None:
    assert language_named(word) == expected


@pytest.mark.parametrize("field", ["extensions", "filenames", "interpreters"])
def test_nothing_is_claimed_twice(field: str) -> None:
    claims = Counter(word for row in LANGUAGES.values() for word in getattr(row, field))
    assert [word for word, count in claims.items() if count > 1] == []


def test_a_name_leads_to_one_row_and_an_id_to_its_own() -> None:
    claims = Counter(alias for row in LANGUAGES.values() for alias in {row.id, *row.aliases})
    assert [word for word, count in claims.items() if count > 1] == []
    for row in LANGUAGES.values():
        assert language_named(row.id) == row.id


def test_rows_are_well_formed() -> None:
    for name, row in LANGUAGES.items():
        assert name == row.id
        assert all(extension.startswith(".") for extension in row.extensions)
        assert all(alias == alias.lower() for alias in row.aliases)
        assert bool(row.grammar) == bool(row.query)
        for extension in row.extensions:
            assert language_of("x" + extension, "") == row.id
        for filename in row.filenames:
            assert language_of("some/where/" + filename, "") == row.id


@pytest.mark.parametrize("row", [row for row in LANGUAGES.values() if row.grammar], ids=lambda row: row.id)
def test_every_grammar_loads_and_parses(row: Language) -> None:
    module, function = row.grammar.split(":")
    grammar = getattr(pytest.importorskip(module) if row.id == "dart" else importlib.import_module(module), function)
    parser = tree_sitter.Parser(tree_sitter.Language(grammar()))
    assert parser.parse(b"\n").root_node is not None
