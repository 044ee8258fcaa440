"""Bad models: an index that is asked to move to one says why it does not, in one sentence, and answers as before."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_models import replace_tokenizer, small_graph, write_model
from support import drain, write_workspace

from lsp_server.engine.card import card_text, read_card
from lsp_server.engine.encoder import bundled_model
from lsp_server.engine.errors import EngineError
from lsp_server.engine.index import Index, Options
from lsp_server.engine.query import Query

LONG = {"max_tokens": 50, "max_query_tokens": 50}
WORKSPACE = """\
//- mail.py
def send_receipt(order):
    \"\"\"Mail a receipt to the buyer, and write down when that was done so that it is not done twice.\"\"\"
    return deliver(order.customer, order.total, order.date, order.number, order.items)


def unlink_all(paths):
    paths.clear()
"""


def another(folder: Path) -> Path:
    """The bundled model with a prefix: texts would have to be embedded again."""
    shutil.copytree(bundled_model(), folder)
    card = replace(read_card(folder), document_prefix="code: ", probe=())
    (folder / "model.toml").write_text(card_text(card, {}), encoding="utf-8")
    return folder


def without(name: str):
    def make(folder: Path) -> str:
        (another(folder) / name).unlink()
        return str(folder)

    return make


def small(*, table: object = None, inputs: tuple[str, ...] = (), **changes: object):
    def make(folder: Path) -> str:
        write_model(folder, small_graph(list(inputs), table=table), changes)
        return str(folder)

    return make


def damaged(folder: Path) -> str:
    with (another(folder) / "model.onnx").open("r+b") as file:
        file.seek(2_000_000)
        file.write(b"\xff\xff\xff")
    return str(folder)


def foreign_tokenizer(folder: Path) -> str:
    replace_tokenizer(write_model(folder, small_graph([])), b"{}")
    return str(folder)


def empty(folder: Path) -> str:
    folder.mkdir()
    return str(folder)


def poisoned() -> np.ndarray:
    table = np.random.default_rng(1).standard_normal((64, 4))
    table[12:] = np.nan  # that long texts alone reach
    return table


BAD = {
    "unknown id": (lambda folder: "minilm-l7", "There is no model 'minilm-l7' on this machine.*Did you mean minilm-l6"),
    "unknown folder": (lambda folder: f"{folder}/nowhere", "There is no model"),
    "empty folder": (empty, "holds no model.toml"),
    "no graph": (without("model.onnx"), "model.onnx cannot be read"),
    "no tokenizer": (without("tokenizer.json"), "tokenizer.json cannot be read"),
    "no card": (without("model.toml"), "holds no model.toml"),
    "other inputs": (small(inputs=("pixel_values",)), "wants inputs"),
    "numbers that are none": (small(inputs=("position_ids",), table=poisoned(), **LONG), "are no numbers"),
    "too short for long texts": (small(inputs=("position_ids",), **LONG), r"does not run here on a text of \d+ tokens"),
    "dimensions that lie": (small(dims=8), "gives 4 numbers a text, model.toml says 8"),
    "damage": (damaged, "is damaged or not the file"),
    "no tokenizer in it": (foreign_tokenizer, "is not a tokenizer"),
    "a reranker": (small(kind="late-interaction"), "holds a reranker"),
    "a server": (small(kind="endpoint", url="http://localhost:1/v1/embeddings", served_model="m"), "have connected"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_index_does_not_move_to_a_bad_model(tmp_path: Path, name: str) -> None:
    make, expected = BAD[name]
    root, cache = write_workspace(tmp_path / "workspace", WORKSPACE), str(tmp_path / "cache")

    def answers() -> tuple[str, list[tuple[str, float]]]:
        index = Index(root, Options(cache_dir=cache, threads=1))
        index.catch_up()
        found = index.search(Query("tell a customer what they paid")).hits
        status = index.status()
        assert status.embedded == status.symbols and status.message == ""
        index.close()
        return status.model, [(hit.name, hit.score) for hit in found]

    first = Index(root, Options(cache_dir=cache, threads=1))
    drain(first.update())
    first.close()
    before = answers()
    assert before[0] == "minilm-l6" and before[1][0][0] == "send_receipt"

    with pytest.raises(EngineError, match=expected) as caught:
        bad = Index(root, Options(model=make(tmp_path / "model"), cache_dir=cache, threads=1))
        try:
            drain(bad.update())
        finally:
            bad.close()
    assert "\n" not in str(caught.value)
    assert answers() == before
    again = Index(root, Options(cache_dir=cache, threads=1))
    drain(again.update())
    again.close()
    assert answers() == before
