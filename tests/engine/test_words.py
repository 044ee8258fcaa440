"""Words: the scores are those of the formula, whatever the order in which rows came."""

import math

import numpy as np
import pytest

from lsp_server.engine.symbols import Span, Symbol
from lsp_server.engine.text import FIELDS, bag_of_words, describe, query_terms, terms_of
from lsp_server.engine.words import LENGTH, SATURATION, SEGMENTS, WEIGHTS, Floats, Words

NOWHERE = Span(0, 0, 0, 0)


def symbol(name: str, body: str = "", doc: str = "", container: str = "", members: tuple[str, ...] = ()) -> Symbol:
    return Symbol("function", name, container, NOWHERE, NOWHERE, f"def {name}()", doc, body, members, -1, True)


def score(words: Words, terms: list[int], rows: int, dead: tuple[int, ...] = ()) -> tuple[Floats, Floats]:
    alive = np.ones(rows, np.bool_)
    alive[list(dead)] = False
    return words.score(terms, alive, words.averages(alive))


def bag(name: str, body: str = "", doc: str = "") -> bytes:
    return bag_of_words(symbol(name, body, doc), "src/app.py")


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("parseHTTPHeader", ["parse", "http", "header", "parsehttpheader"]),
        ("retry_count2", ["retry", "count", "2"]),
        ("uploads", ["uploading"]),
        ("__init__", ["init"]),
    ],
)
def test_an_identifier_is_found_by_its_parts(word: str, parts: list[str]) -> None:
    for part in parts:
        assert set(terms_of(part)) <= set(terms_of(word)), part


def test_words_without_spaces_are_found_in_pieces() -> None:
    assert set(terms_of("再試行")) & set(terms_of("失敗時再試行処理"))


def test_stop_words_count_only_when_nothing_else_is_there() -> None:
    assert query_terms(["where", "is", "the", "cookie"]) == query_terms(["cookie"])
    assert query_terms(["where", "is"]) != []


def test_the_score_is_bm25f() -> None:
    words = Words()
    words.extend([bag("alpha", "beta beta gamma"), bag("beta"), bag("delta", "alpha")])
    (term,) = terms_of("beta")
    scores, share = score(words, [term], 3)

    # By hand, from the published formula: lengths of the fields of the three bags, counted in terms.
    def lengths(of: bytes) -> list[int]:
        found = [0] * len(FIELDS)
        for at in range(0, len(of), 8):
            packed = int.from_bytes(of[at : at + 8], "little")
            found[packed >> 8 & 0xFF] += packed & 0xFF
        return found

    rows = [lengths(bag("alpha", "beta beta gamma")), lengths(bag("beta")), lengths(bag("delta", "alpha"))]
    average = [sum(column) / 3 for column in zip(*rows, strict=True)]

    def gain(row: int, field: str, count: int) -> float:
        at = FIELDS.index(field)
        return float(WEIGHTS[at]) * count / (1 - LENGTH + LENGTH * rows[row][at] / average[at])

    idf = math.log1p((3 - 2 + 0.5) / (2 + 0.5))
    first = gain(0, "body", 2)
    second = gain(1, "name", 1) + gain(1, "signature", 1)
    assert scores[0] == pytest.approx(idf * first / (first + SATURATION), rel=1e-5)
    assert scores[1] == pytest.approx(idf * second / (second + SATURATION), rel=1e-5)
    assert scores[2] == 0
    assert share.tolist() == pytest.approx([1, 1, 0])


def test_rows_that_come_one_by_one_score_as_rows_that_come_together() -> None:
    bags = [bag(f"name{number}", f"common word{number % 7}") for number in range(4 * SEGMENTS)]
    together, apart = Words(), Words()
    together.extend(bags)
    for one in bags:
        apart.extend([one])
    terms = query_terms(["common", "word3", "name5"])
    assert score(apart, terms, len(bags))[0].tolist() == pytest.approx(score(together, terms, len(bags))[0].tolist())


def test_rows_that_have_gone_change_nothing() -> None:
    bags = [bag(f"name{number}", f"common word{number % 7} " * (1 + number % 3)) for number in range(40)]
    dead = tuple(range(3, 40, 4))
    every, living = Words(), Words()
    every.extend(bags)
    living.extend([one for row, one in enumerate(bags) if row not in dead])
    for found, wanted in zip(
        score(every, query_terms(["common", "word3", "name5"]), 40, dead),
        score(living, query_terms(["common", "word3", "name5"]), 40 - len(dead)),
        strict=True,
    ):
        assert np.delete(found, dead).tolist() == pytest.approx(wanted.tolist())
        assert not found[list(dead)].any()


def test_nothing_is_found_in_nothing() -> None:
    words = Words()
    assert score(words, query_terms(["x"]), 0)[0].tolist() == []
    words.extend([])
    assert score(words, [], 0)[0].tolist() == []


def test_the_text_says_what_a_symbol_is() -> None:
    text = describe(
        symbol(
            "retryUpload",
            "def retryUpload():\n    send( again )",
            "Try again.\n\nAt most twice.",
            "net.Client",
            ("onDone",),
        ),
        "src/net/upload_client.py",
    )
    assert text == (
        "function retry upload, in net client. Try again. At most twice.. "
        "def retryUpload() members: on done : send( again )"
    )
