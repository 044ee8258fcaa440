"""The reranker: scores of small and real models, what is done with them, and what is said when there are none."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from small_models import bundled_reranker, small_graph, write_model
from support import BagEncoder, drain, write_workspace

from lsp_server.engine import reranker as module
from lsp_server.engine.card import ModelError
from lsp_server.engine.index import Index, Options
from lsp_server.engine.installed import models_home
from lsp_server.engine.query import Query, parse
from lsp_server.engine.reranker import Reranker, Reranking
from lsp_server.engine.search import Ranked, reordered
from lsp_server.models.selftest import PAIRS, self_test

LATE = {"kind": "late-interaction", "max_tokens": 8, "max_query_tokens": 8}
WORKSPACE = """\
//- greetings.py
def welcome(visitor):
    \"\"\"Say hello to whoever comes in.\"\"\"
    print("hello", visitor)


def farewell(visitor):
    \"\"\"Say goodbye to whoever leaves.\"\"\"
    print("bye", visitor)


def hello_world():
    return 0
"""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, all that is to be read is read."""
    monkeypatch.setattr(module, "SECONDS", 60.0)


@pytest.fixture(scope="module")
def tokens_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real late-interaction model, of 23 MB."""
    return bundled_reranker(tmp_path_factory.mktemp("cache") / "models" / "bundled-tokens" / "int8")


# ---- scores


def test_each_token_of_the_question_finds_its_best_one(tmp_path: Path) -> None:
    table = np.array([[0, 0, 0, 1], [2, 0, 0, 0], [0, 3, 0, 0], [1, 1, 0, 0]])  # nobody's, red, green, blue
    reranker = Reranker(write_model(tmp_path / "model", small_graph([], table=table), LATE))
    scores = list(reranker.scores("red green", ["green", "red green", "blue", "none of them", "red red red"]))
    half = 0.5**0.5
    assert scores == pytest.approx([1, 2, 2 * half, 0, 1])  # lengths of 2 and 3 are made 1


def test_what_is_skipped_in_documents_counts_for_nothing(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", small_graph([]), LATE | {"skipped_tokens": ["green"]})
    assert list(Reranker(folder).scores("red green", ["red green", "green"])) == pytest.approx([1, 1])
    # the second document holds nothing else: it is taken as it stands


def test_a_question_is_filled_up(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", small_graph([]), LATE | {"expansion_token": "blue"})
    assert list(Reranker(folder).scores("red", ["red", "blue"])) == pytest.approx([1, 7])


def test_an_expansion_token_that_the_tokenizer_does_not_know(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", small_graph([]), LATE | {"expansion_token": "[MASK]"})
    with pytest.raises(ModelError, match="does not know"):
        Reranker(folder)


def test_documents_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    reranker = Reranker(write_model(tmp_path / "model", small_graph([]), LATE))
    read: list[object] = []
    run = reranker._graph.run
    monkeypatch.setattr(reranker._graph, "run", lambda rows: (read.append(rows), run(rows))[1])
    for document, runs in (("red", 2), ("red", 3), ("green", 5), ("blue", 7), ("blue", 8), ("red", 10)):
        list(reranker.scores("red", [document]))
        assert len(read) == runs  # the question each time


def test_several_threads_get_the_same_scores(tokens_model: Path) -> None:
    reranker = Reranker(tokens_model)
    documents = [document for _, document in PAIRS]
    expected = list(reranker.scores(PAIRS[0][0], documents))
    found: list[list[float]] = []
    threads = [
        threading.Thread(target=lambda: found.append(list(reranker.scores(PAIRS[0][0], documents)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


@pytest.mark.parametrize(
    ("graph", "changes", "expected"),
    [
        (small_graph([]), {}, "not a reranker"),
        (small_graph(["pixel_values"]), LATE, "wants inputs"),
        (small_graph([]), LATE | {"dims": 8}, "gives 4 numbers for each token"),
        (small_graph([]), LATE | {"kind": "cross-encoder"}, "scores for a pair"),
        (small_graph([]), LATE | {"kind": "generative"}, "asks for kind 'generative'"),
    ],
    ids=["embeds", "inputs", "dims", "no score", "kind"],
)
def test_a_folder_that_holds_no_reranker(
    tmp_path: Path, graph: bytes, changes: dict[str, object], expected: str
) -> None:
    folder = write_model(tmp_path / "model", graph, changes)
    with pytest.raises(ModelError, match=expected):
        list(Reranker(folder).scores("red", ["green"]))


# ---- the self-test


def test_a_real_one_passes(tokens_model: Path) -> None:
    result = self_test(tokens_model)
    assert result.passed, result
    assert [check.name for check in result.checks] == ["files", "scores", "meaning", "speed"]
    assert result.milliseconds > 0


def test_random_numbers_do_not_tell_what_belongs_together(tmp_path: Path) -> None:
    table = np.random.default_rng(3).standard_normal((8, 4))
    result = self_test(write_model(tmp_path, small_graph([], table=table), LATE))
    assert not result.passed and "does not tell what belongs together" in result.complaint


def test_scores_that_are_no_numbers(tmp_path: Path) -> None:
    table = np.full((8, 4), np.nan)
    result = self_test(write_model(tmp_path, small_graph([], table=table), LATE))
    assert "gives a score that is not a number" in result.complaint


# ---- what is done with them


def ranked(*scores: float) -> Ranked:
    count = len(scores)
    numbers = np.arange(count, dtype=np.float32)
    return Ranked(np.arange(count), np.array(scores, np.float32), *[numbers] * 5, confident=True)


@pytest.mark.parametrize(
    ("judged", "order"),
    [
        ([3, 2, 1, 0], [0, 1, 2, 3]),
        ([0, 1, 2, 30], [0, 3, 1, 2]),  # the first place and the best score weigh the same
        ([0, 5, 0, 0], [1, 0, 2, 3]),
        ([7, 7, 7, 7], [0, 1, 2, 3]),
        ([0, 9], [0, 1, 2, 3]),  # time was up; the places of the others stay
        ([0, 9, 9], [1, 0, 2, 3]),
    ],
)
def test_place_and_score_have_half_a_say_each(judged: list[float], order: list[int]) -> None:
    before = ranked(0.9, 0.8, 0.7, 0.6)
    after = reordered(before, judged)
    assert after.rows.tolist() == order
    assert after.cosines.tolist() == order  # what belongs to a row goes with it
    assert after.scores.tolist() == before.scores.tolist()


def names(index: Index, text: str) -> list[str]:
    return [hit.name for hit in index.search(Query(text)).hits]


def opened(tmp_path: Path, rerank: str, cache: Path) -> Index:
    root = write_workspace(tmp_path / "workspace", WORKSPACE)
    index = Index(root, Options(cache_dir=str(cache), threads=1, rerank=rerank), BagEncoder())
    drain(index.update())
    index.catch_up()
    return index


def test_an_installed_one_reorders_answers(tmp_path: Path, tokens_model: Path) -> None:
    """By words alone, "hello" stands in the name of a function that greets nobody."""
    cache = tokens_model.parents[2]
    question = "hello, greet a guest who arrives"
    off, auto = opened(tmp_path, "off", cache), opened(tmp_path, "auto", cache)
    assert off.status().reranker == "" and auto.status().reranker == "bundled-tokens"
    plain, better = off.search(Query(question)), auto.search(Query(question))
    assert sorted(hit.name for hit in plain.hits) == sorted(hit.name for hit in better.hits)
    assert plain.hits[0].name == "hello_world" and better.hits[0].name == "welcome"
    assert [hit.score for hit in better.hits] == sorted((hit.score for hit in better.hits), reverse=True)
    assert auto.explain(Query(question), "greetings.py", 0)["place"] == 1
    assert names(auto, "hello_world") == names(off, "hello_world")  # a name is answered by names
    assert names(auto, "kind:function") == names(off, "kind:function")
    assert [hit.name for hit in auto.search_words(Query(question)).hits] == [
        hit.name for hit in off.search_words(Query(question)).hits
    ]
    off.close()
    auto.close()


def test_what_is_not_read_in_time_keeps_its_place(
    tmp_path: Path, tokens_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.0)  # one document is read, which changes nothing
    cache, question = tokens_model.parents[2], "hello, greet a guest who arrives"
    off, auto = opened(tmp_path, "off", cache), opened(tmp_path, str(tokens_model), cache)
    assert names(auto, question) == names(off, question)
    off.close()
    auto.close()


def test_unsaved_text_is_read_too(tmp_path: Path, tokens_model: Path) -> None:
    index = opened(tmp_path, "auto", tokens_model.parents[2])
    typed = "def receive(caller):\n    '''Greet a guest who arrives, and say hello.'''\n"
    assert index.lay_over("greetings.py", typed)
    assert index.search(Query("hello, greet a guest who arrives")).hits[0].name == "receive"
    index.close()


def test_none_is_installed(tmp_path: Path) -> None:
    index = opened(tmp_path, "auto", tmp_path / "cache")
    assert index.status().reranker == ""
    assert index.status().message == (
        "Answers are not reordered. No reranker is installed. To fetch one: meaning-ls models pull lateon-code-edge"
    )
    assert names(index, "say hello")
    index.close()


@pytest.mark.parametrize("wish", ["lateon-code-egde", "minilm-l6", "nowhere/at/all"])
def test_a_wish_that_cannot_be_fulfilled_is_told_and_answers_stay(tmp_path: Path, wish: str) -> None:
    index = opened(tmp_path, wish, tmp_path / "cache")
    assert names(index, "say hello")
    assert index.status().reranker == "" and "Answers are not reordered" in index.status().message
    index.close()


def test_one_that_fails_in_the_middle_is_given_up(tmp_path: Path) -> None:
    """It loads, and its rows end where a text is longer than a few tokens."""
    cache = tmp_path / "cache"
    folder = models_home(str(cache)) / "small" / "fp32"
    folder.parent.mkdir(parents=True)
    write_model(folder, small_graph(["position_ids"]), LATE | {"max_tokens": 64, "max_query_tokens": 64})
    off, auto = opened(tmp_path, "off", cache), opened(tmp_path, "auto", cache)
    assert auto.status().reranker == "small"
    question = "say hello to whoever comes in through the door in the morning"
    assert names(auto, question) == names(off, question)
    assert auto.status().reranker == "" and "The reranker small fails here" in auto.status().message
    off.close()
    auto.close()


def test_damage_is_told(tmp_path: Path, tokens_model: Path) -> None:
    copy = Path(shutil.copytree(tokens_model, tmp_path / "copy"))
    with (copy / "model.onnx").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\xff\xff")
    reranking = Reranking(str(copy), str(tmp_path))
    reranking.reorder(parse(Query("say hello")), ranked(0.5, 0.4), lambda rows: ["one", "two"])
    assert "is damaged" in reranking.trouble
