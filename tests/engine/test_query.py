"""Query: filter tokens are understood, and what cannot be understood stays part of the words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.engine.query import NO_LIMIT_WORDS, Query, parse, path_matcher


def test_filter_tokens_leave_the_words() -> None:
    question = parse(
        Query("kind:function retry lang:py path:src/** uploads -path:tests/** in:lib name:parse* open: changed:")
    )
    assert question.words == "retry uploads"
    assert question.query.kinds == {"function"}
    assert question.query.languages == {"python"}
    assert question.query.include == ("src/**", "/lib/")
    assert question.query.exclude == ("tests/**",)
    assert question.names == ("parse*",)
    assert question.opened
    assert question.changed


def test_tokens_add_to_the_filters_beside() -> None:
    question = parse(Query("kind:class x", kinds=frozenset({"function"}), include=("a/**",)))
    assert question.query.kinds == {"class", "function"}
    assert question.query.include == ("a/**",)


@pytest.mark.parametrize(
    "text", ["kind:wizard", "lang:klingon", "changed:yes", "-kind:class", "in:", "path:", "std::move", "a:b"]
)
def test_what_is_no_token_stays(text: str) -> None:
    assert parse(Query(f"x {text} y")).words == f"x {text} y"


def test_a_token_with_blanks_is_quoted() -> None:
    assert parse(Query('path:"my folder/**" x')).query.include == ("my folder/**",)


def test_quoted_words_must_appear_and_are_matched_too() -> None:
    question = parse(Query('where is "Content-Length" set'))
    assert question.phrases == ("Content-Length",)
    assert question.words == "where is Content-Length set"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("parse_config", ("parse_config",)),
        ("JsonReader", ("JsonReader",)),
        ("Session.send()", ("send",)),
        ("std::vector", ("vector",)),
        ("read2", ("read2",)),
        ("how does HTTPAdapter send", ("HTTPAdapter",)),
        ("the get_adapter method", ("get_adapter",)),
        ("read", ()),
        ("where are failed uploads retried", ()),
        ("The Quick answer", ()),
    ],
)
def test_identifiers(text: str, names: tuple[str, ...]) -> None:
    assert parse(Query(text)).identifiers == names


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("tests for the parser", True),
        ("test that cookies expire", True),
        ("the test client", False),
        ("mock a request", False),
    ],
)
def test_who_asks_for_tests(text: str, asked: bool) -> None:
    assert parse(Query(text)).asks_for_tests == asked


def test_a_huge_question_is_cut() -> None:
    assert len(parse(Query("word " * 100_000)).words.split()) == NO_LIMIT_WORDS


@given(st.text(max_size=200))
def test_any_text_is_a_question(text: str) -> None:
    question = parse(Query(text))
    assert question.words == " ".join(question.words.split())
    assert isinstance(question.identifiers, tuple)


@given(st.lists(st.text(max_size=20), max_size=5), st.text(max_size=30))
def test_any_glob_is_survived(globs: list[str], path: str) -> None:
    assert path_matcher(tuple(globs))(path) in (True, False)


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("src/**", "src/a/b.py", True),
        ("src/**", "src2/a.py", False),
        ("*.py", "a/b.py", True),
        ("/lib/", "lib/x/y.c", True),
        ("/lib/", "a/lib/x.c", False),
        ("tests", "a/tests/b.py", True),
        ("**/test_*.py", "a/test_b.py", True),
    ],
)
def test_globs_are_those_of_gitignore(glob: str, path: str, fits: bool) -> None:
    assert path_matcher((glob,))(path) == fits
