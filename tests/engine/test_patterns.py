"""Patterns: the language of `.gitignore`, with git itself as the judge."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.engine import patterns
from lsp_server.engine.patterns import parse


def verdict(text: str, path: str) -> int:
    """Give the number of the line that has the last word, negative if it brings back; a closing '/' says folder."""
    rules = parse(text)
    name = path.rstrip("/").rpartition("/")[2]
    last = rules.last_for_folder(name, path.rstrip("/")) if path.endswith("/") else rules.last_for_file(name, path)
    return 0 if last is None else -last.line if last.negated else last.line


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("*.log", "a.log", 1),
        ("*.log", "deep/down/a.log", 1),
        ("*.log\n!keep.log", "keep.log", -2),
        ("!keep.log\n*.log", "keep.log", 2),
        ("/a", "a", 1),
        ("/a", "b/a", 0),
        ("b/a", "c/b/a", 0),
        ("a/", "a", 0),
        ("a/", "x/a/", 1),
        ("**/a/b", "x/y/a/b", 1),
        ("**/a/b", "a/b", 1),
        ("a/**", "a/x/y", 1),
        ("a/**", "a/", 0),
        ("a/**/b", "a/b", 1),
        ("a/**/b", "a/x/y/b", 1),
        ("a/*/b", "a/x/y/b", 0),
        ("a**b", "axxb", 1),
        ("*.py[cod]", "x.pyc", 1),
        ("*.py[cod]", "x.py", 0),
        ("[!a]b", "cb", 1),
        ("[]-]x", "]x", 1),
        ("[[:digit:]]", "7", 1),
        ("[[:nonsense:]]", "n", 0),
        ("[z-a]", "m", 0),
        ("[", "[", 0),
        ("\\[", "[", 1),
        ("\\#a", "#a", 1),
        ("#a", "#a", 0),
        ("\\!a", "!a", 1),
        ("a\\", "a", 0),
        ("a  ", "a", 1),
        ("a\\ ", "a ", 1),
        ("a\t", "a", 0),
        ("a\r\nb", "a", 1),
        ("\ufeffa", "a", 1),
        ("\n\n# c\na", "a", 4),
        ("/", "a/", 0),
        ("", "a", 0),
        ("*", "anything", 1),
        ("\u00e9.txt", "\u00e9.txt", 1),
        ("?.txt", "\u00e9.txt", 1),  # a character, where git counts bytes
        ("🎉*", "🎉party", 1),
        ("a\nb*c", "b\nc", 2),
        ("caf\udce9", "caf\udce9", 1),
    ],
)
def test_one_line_or_two(text: str, path: str, expected: int) -> None:
    assert verdict(text, path) == expected


@pytest.mark.parametrize("folds", [True, False])
@pytest.mark.parametrize("line", ["Read.Me", "*.LOG", "Tmp*", "/Docs/Out", "b*D"])
def test_cases_are_one_where_the_file_system_says_so(monkeypatch: pytest.MonkeyPatch, line: str, folds: bool) -> None:
    monkeypatch.setattr(patterns, "FOLDS_CASE", folds)
    monkeypatch.setattr(patterns, "_FLAGS", patterns.re.DOTALL | (patterns.re.IGNORECASE if folds else 0))
    for cached in (parse, patterns.compiled):
        cached.cache_clear()
    try:
        found = [verdict(line, path) for path in ("READ.me", "x.log", "tmp1", "docs/out", "BxxD")]
        assert sum(found) == (1 if folds else 0)
    finally:
        for cached in (parse, patterns.compiled):
            cached.cache_clear()


@pytest.mark.parametrize(
    "line",
    ["*a" * 40 + "*c", "**/a*/" * 20 + "c", "/".join(["*a*a*a*c"] * 20), "[a-c]*" * 60 + "d", "?*" * 80 + "c"],
)
def test_no_pattern_takes_long(line: str) -> None:
    rules = parse(line)
    begin = time.perf_counter()
    for path in ("a" * 250 + "b", "/".join(["ab"] * 120), "/".join(["aaaabaaaac"] * 40)):
        rules.last_for_file(path.rpartition("/")[2], path)
        rules.last_for_folder(path.rpartition("/")[2], path)
    assert time.perf_counter() - begin < 1.0


def test_nor_do_many_patterns() -> None:
    text = "\n".join(f"*{number}*{number % 7}b" for number in range(50_000))
    begin = time.perf_counter()
    rules = parse("*.o\n" + text + "\nlast")
    assert [rules.last_for_file(name, name) is not None for name in ("a.o", "x0y0b", "none", "last")] == [
        True, True, False, True,
    ]  # fmt: skip
    assert time.perf_counter() - begin < 10.0


@given(st.text(alphabet="ab*?[]!^-\\/#. \t\r\n:alph\udcff\u00e9", max_size=40), st.text(alphabet="ab/.*[", max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_text_can_be_read_and_asked(text: str, path: str) -> None:
    rules = parse(text)
    for pattern in (rules.last_for_file(path, path), rules.last_for_folder(path, path)):
        assert pattern is None or text.split("\n")[pattern.line - 1].startswith(pattern.text.strip("\ufeff")[:1])
    rules.reaches_below("a/b")


@pytest.mark.parametrize(
    ("line", "folder", "expected"),
    [
        ("!a/b/c", "a", True),
        ("!a/b/c", "a/b", True),
        ("!a/b/c", "a/b/c", False),
        ("!a/b/c", "x", False),
        ("!/a/*.py", "a", True),
        ("!a*/**/c", "abc/d/e", True),
        ("!**/c", "a", False),
        ("!c", "a", False),
        ("a/b", "a", False),
    ],
)
def test_a_line_can_lead_through_a_folder(line: str, folder: str, expected: bool) -> None:
    assert parse(line).reaches_below(folder) is expected
