"""Installed: which folder a model's name means, and that an index keeps the model it was made with."""

import json
import shutil
import subprocess
import sys

import pytest

from lsp_server.engine.card import ModelError
from lsp_server.engine.encoder import BUNDLED, bundled_model
from lsp_server.engine.index import Index, Options
from lsp_server.engine.installed import (
    choose_for_auto,
    chosen_for_auto,
    find_installed,
    find_model,
    installed,
    models_home,
    remove_installed,
)


@pytest.fixture
def cache(tmp_path):
    return str(tmp_path / "cache")


def install(cache, id="other", variant="q8", prefix="query: "):
    """Put a real model there: the bundled one, which answers questions otherwise and so has another fingerprint."""
    folder = models_home(cache) / id / variant
    shutil.copytree(bundled_model(), folder)
    card = (folder / "model.toml").read_text("utf-8")
    card = card.replace('id = "minilm-l6"', f'id = "{id}"').replace('query_prefix = ""', f'query_prefix = "{prefix}"')
    (folder / "model.toml").write_text(card, encoding="utf-8")
    return folder


def test_the_bundled_model_is_always_here(cache):
    assert [model.name for model in installed(cache)] == [BUNDLED]
    assert find_model("auto", cache) == find_model(BUNDLED, cache) == bundled_model()


def test_names_of_what_is_installed(cache):
    first, second = install(cache), install(cache, variant="fp32", prefix="q: ")
    assert [model.name for model in installed(cache)] == [BUNDLED, "other:fp32", "other:q8"]
    assert find_model("other:q8", cache) == first
    assert find_model("other:fp32", cache) == second
    assert find_model("other", cache) == second  # the first by name, while nobody chose
    choose_for_auto(find_installed("other:q8", cache), cache)
    assert find_model("other", cache) == find_model("auto", cache) == first


def test_a_folder(cache, tmp_path):
    assert find_model(str(tmp_path), cache) == tmp_path.resolve()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("granite-97m-r2", "minilm-l6 is here. To fetch it: meaning-ls models pull granite-97m-r2"),
        ("minilm", "Did you mean minilm-l6?"),
        ("no/such/folder", "or a folder with model.onnx"),
        ("../..:x", "or a folder with model.onnx"),
    ],
)
def test_what_is_not_here(cache, name, said):
    with pytest.raises(ModelError, match="There is no model") as caught:
        find_model(name, cache)
    assert said in str(caught.value)


def test_what_is_being_fetched_is_no_model(cache):
    install(cache, id=".fetching", variant="other-q8")
    install(cache, variant=".q8-former")
    assert [model.name for model in installed(cache)] == [BUNDLED]


@pytest.mark.parametrize("text", ["", "../../etc", "gone:q8", "\0", "a\nb"])
def test_a_damaged_choice_is_none(cache, text):
    install(cache)
    (models_home(cache) / "chosen").write_text(text)
    assert find_model("auto", cache) == bundled_model()
    choose_for_auto(find_installed("other", cache), cache)
    assert chosen_for_auto(cache) == "other:q8"


def test_removed(cache):
    folder = install(cache)
    model = find_installed("other", cache)
    choose_for_auto(model, cache)
    remove_installed(model, cache)
    assert not folder.parent.exists()
    assert find_model("auto", cache) == bundled_model()
    with pytest.raises(ModelError, match="comes with the program and stays"):
        remove_installed(find_installed(BUNDLED, cache), cache)


def open_index(root, cache, model="auto"):
    return Index(root, Options(model=model, cache_dir=cache, threads=1))


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.py").write_text('def send_receipt(order):\n    """Mail a receipt to the buyer."""\n')
    return root


def model_after_a_pass(root, cache, model="auto"):
    index = open_index(root, cache, model)
    try:
        list(index.refresh())
        return index.status().model
    finally:
        index.close()


def test_an_index_keeps_its_model(project, cache):
    """A better one that arrives, and is even chosen, is for other projects until somebody says otherwise."""
    assert model_after_a_pass(project, cache) == BUNDLED
    install(cache)
    choose_for_auto(find_installed("other", cache), cache)
    assert model_after_a_pass(project, cache) == BUNDLED


def test_a_new_index_takes_what_was_chosen_and_keeps_it(project, cache):
    install(cache)
    choose_for_auto(find_installed("other", cache), cache)
    assert model_after_a_pass(project, cache) == "other"
    choose_for_auto(find_installed(BUNDLED, cache), cache)
    assert model_after_a_pass(project, cache) == "other"


def test_what_was_chosen_and_is_damaged_is_not_taken_for_a_new_index(project, cache, caplog):
    """The bundled model is the floor; an index that was made with the other one waits for it."""
    install(cache)
    choose_for_auto(chosen := find_installed("other", cache), cache)
    assert model_after_a_pass(project, cache) == "other"
    (chosen.folder / "tokenizer.json").write_bytes(b"{}")
    (project.parent / "next").mkdir()
    (project.parent / "next" / "c.py").write_text("def drop(path):\n    path.unlink()\n")
    assert model_after_a_pass(project.parent / "next", cache) == BUNDLED
    assert "tokenizer.json is damaged" in caplog.text and "comes with the program is used" in caplog.text
    (project / "b.py").write_text("def more(orders):\n    return orders\n")
    with pytest.raises(ModelError, match="is damaged"):
        model_after_a_pass(project, cache)


def test_one_word_changes_the_model_of_an_index_for_good(project, cache):
    assert model_after_a_pass(project, cache) == BUNDLED
    install(cache)
    assert model_after_a_pass(project, cache, "other") == "other"
    assert model_after_a_pass(project, cache) == "other"


def test_an_index_whose_model_was_removed_goes_back_to_what_is_there(project, cache):
    install(cache)
    assert model_after_a_pass(project, cache, "other") == "other"
    remove_installed(find_installed("other", cache), cache)
    assert model_after_a_pass(project, cache) == BUNDLED


def test_another_process_sees_the_same(project, cache):
    install(cache)
    assert model_after_a_pass(project, cache, "other") == "other"
    words = [sys.executable, "-m", "lsp_server", "status", str(project), "--cache-dir", cache, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["model"] == "other", done.stderr
