"""What an index does amid trouble and unsaved text: no symbol twice, none lost, nothing without end."""

import json
import sqlite3

import numpy as np
import pytest
from support import drain, write_workspace
from test_fresh import CODE, names, refreshed

from lsp_server.engine.database import remove
from lsp_server.engine.errors import EngineError
from lsp_server.engine.memory import Saving
from lsp_server.engine.query import Query

MANY = "".join(f"def number_{i}(value):\n    return value + {i}\n\n\n" for i in range(600))
TWICE = MANY + "class A:\n    def same(self):\n        pass\n\n\nclass A:\n    def same(self):\n        pass\n"


def test_a_store_that_is_made_anew_has_no_vector_ids_of_the_old_one(make_index):
    index = make_index(CODE)
    before = set(index._corpus.view.vectors.ids().tolist())
    index.close()
    remove(index.store_path)
    after = set(make_index()._corpus.view.vectors.ids().tolist())
    assert before
    assert after
    assert not before & after


def test_unsaved_text_with_equal_symbols_that_is_stored_elsewhere(make_index):
    index = make_index(f"{CODE}//- shop/many.py\n{TWICE}")
    assert index.lay_over("shop/other.py", TWICE)
    while index.embed_laid(1.0):
        pass
    assert [hit.path for hit in index.search(Query("number_599")).hits[:2]].count("shop/other.py") == 1
    assert not index.lay_over("shop/many.py", TWICE)  # that is what is stored


def test_unsaved_text_without_memory_for_meaning_is_found_by_words_and_costs_no_embedding(make_index, encoder):
    index = make_index(CODE)
    index._saving = Saving.MEANING
    index._replace_corpus()
    encoder.texts.clear()
    index.lay_over("shop/mail.py", MANY)
    assert not index.embed_laid(1.0)
    assert encoder.texts == []
    assert index.search(Query("number_7")).hits[0].name == "number_7"


def test_typing_for_hours_does_not_grow_the_index(make_index):
    index = make_index(CODE)
    for number in range(1_200):
        index.lay_over("shop/mail.py", f"def version_{number}():\n    return {number}\n")
        while index.embed_laid(1.0):
            pass
    assert len(index._corpus.view) < 2_500
    assert index.search(Query("version_1199")).hits[0].name == "version_1199"
    assert index.status().files_total == 2


def test_an_error_amid_catching_up_leaves_no_symbol_twice(make_index, monkeypatch):
    index = make_index(CODE)
    write_workspace(index.root, "//- shop/new.py\ndef brand_new_thing():\n    pass\n")
    drain(index.update())
    with monkeypatch.context() as patch:
        patch.setattr(index._store, "vectors_since", lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("disk")))
        with pytest.raises((EngineError, sqlite3.Error)):
            index.catch_up()
        assert names(index, "put item into cart")[0] == "add_to_cart"  # the last view stands
    index.catch_up()
    assert names(index, "brand_new_thing").count("brand_new_thing") == 1
    assert len(np.unique(index._corpus.view.ids[index._corpus.view.alive])) == index.status().symbols


@pytest.mark.parametrize("said", [{"pid": 2**40, "since": 1, "program": "x"}, {"pid": -1, "since": 1, "program": ""}])
def test_nonsense_about_a_writer_is_no_writer(make_index, said):
    index = make_index(CODE)
    (index.folder / "writer.json").write_text(json.dumps(said))
    assert not index.home.writer()[1]
    (index.folder / "writer.json").write_text("[" * 100_000)
    assert not index.home.writer()[1]
    refreshed(index)
