"""The exporter: what it writes, what it reads of a model's files, and what it says of those it cannot export.

Run by `make test-models`.
"""

import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lsp_server.engine.card import ModelError, file_digest, read_card
from lsp_server.engine.encoder import load_encoder
from lsp_server.models.recipe import ExportError, read_recipe

pytestmark = pytest.mark.torch

if all(map(importlib.util.find_spec, ("torch", "transformers", "onnx", "sentence_transformers", "model2vec"))):
    import numpy as np
    import onnx
    import twins
    from workshop import Twins, change_card, said

    from lsp_server.models.export import ExportOptions, export, save_graph


@pytest.mark.parametrize("name", ["bert", "modernbert", "qwen3", "gemma3"])
def test_the_card_says_what_the_files_said(all_twins: "Twins", name: str) -> None:
    source, folder = all_twins.theirs(name), all_twins.ours(name)
    card, prompts = read_card(folder), json.loads((source / "config_sentence_transformers.json").read_text())["prompts"]
    assert (card.query_prefix, card.document_prefix) == (prompts.get("query", ""), prompts.get("document", ""))
    assert (card.max_tokens, card.max_query_tokens) == (twins.LIMIT, twins.LIMIT)
    assert card.padding_side == ("left" if source.name == "qwen3" else "right")
    wanted = {"modernbert": "cls", "qwen3": "last", "gemma3": "in-graph"}.get(source.name, "mean")
    assert card.pooling == wanted and len(card.probe) >= 16
    report = (folder / "REPORT.md").read_text(encoding="utf-8")
    assert "Licence: mit" in report and "least 1.000000" in report and str(folder.parent) not in report
    assert tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))["licence"] == "mit"


def test_the_graph_holds_no_trace_of_where_it_was_made(all_twins: "Twins") -> None:
    graph = (all_twins.ours("bert") / "model.onnx").read_bytes()
    traces = (b"/tmp/", b"/home/", b"site-packages", b"forward(", b"twins", str(all_twins.place).encode())
    assert [trace for trace in traces if trace in graph] == []


@pytest.mark.parametrize(("name", "operator"), [("bert", "MatMulInteger"), ("qwen3", "MatMulNBits")])
def test_an_encoder_gets_8_bits_and_a_decoder_8_bit_weights(
    all_twins: "Twins", tmp_path: Path, name: str, operator: str
) -> None:
    steps: list[str] = []
    folder = export(str(all_twins.theirs(name)), tmp_path / "out" / "ours", ExportOptions(id="twin"), steps.append)
    graph = onnx.load(folder / "model.onnx").graph
    assert operator in {node.op_type for node in graph.node}
    assert (
        steps[0].startswith("Loading") and "Rounding" in steps[2] and "does not tell what belongs together" in steps[-1]
    )
    assert [path.name for path in folder.parent.iterdir()] == ["ours"]
    assert sorted(path.name for path in folder.iterdir()) == ["REPORT.md", "model.onnx", "model.toml", "tokenizer.json"]
    size = (folder / "model.onnx").stat().st_size
    assert size < 0.6 * (all_twins.ours(name) / "model.onnx").stat().st_size
    assert f"{size:,} bytes" in (folder / "REPORT.md").read_text(encoding="utf-8")
    if operator == "MatMulInteger":
        no_sum_overflows(graph)


def no_sum_overflows(graph: "onnx.GraphProto") -> None:
    """No two neighbours of one sign sum to more than 128: see models/minilm-l6/REPORT.md."""
    used = {node.input[1] for node in graph.node if node.op_type == "MatMulInteger"}
    weights = [onnx.numpy_helper.to_array(held) for held in graph.initializer if held.name in used]
    assert len(weights) >= 12
    for weight in weights:
        wide = weight.astype(np.int64)
        for half in (np.maximum(wide, 0), np.maximum(-wide, 0)):
            assert (half[:-1] + half[1:]).max() <= 128


def test_the_command_makes_a_model_that_an_index_can_use(all_twins: "Twins", tmp_path: Path) -> None:
    source, cache = all_twins.theirs("bert"), str(tmp_path / "cache")
    made = run("models", "export", str(source), "--id", "twin", "--max-tokens", "20", "--cache-dir", cache, "--json")
    assert made.returncode == 0, made.stderr
    said = json.loads(made.stdout)
    assert (said["id"], said["kind"]) == ("twin", "graph")
    assert read_card(Path(said["folder"])).max_tokens == 20
    assert "Rounding to 8 bits" in made.stderr
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "shop.py").write_text("def send_receipt(order):\n    return mail(order.customer)\n")
    found = run("search", "send receipt", str(tmp_path / "project"), "--model", "twin", "--cache-dir", cache, "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout.splitlines()[0])["name"] == "send_receipt"
    again = run("models", "export", str(source), "--id", "twin", "--cache-dir", cache)
    assert again.returncode == 2 and "exists already" in again.stderr


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lsp_server", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=500)


def test_weights_too_large_for_one_file_lie_beside_the_graph(
    all_twins: "Twins", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = all_twins.copy("bert", tmp_path)
    expected = load_encoder(folder).encode("sort")
    graph, before = onnx.load(folder / "model.onnx"), file_digest(folder / "model.onnx")
    monkeypatch.setattr("lsp_server.models.export.PROTOBUF_LIMIT", 10_000)
    assert save_graph(graph, folder).ByteSize() > 10_000  # whole, for the next step
    data = folder / "model.onnx_data"
    assert (folder / "model.onnx").stat().st_size < data.stat().st_size
    change_card(folder, before, file_digest(folder / "model.onnx"))
    with pytest.raises(ModelError, match="does not list"):
        load_encoder(folder)
    with (folder / "model.toml").open("a", encoding="utf-8") as card:
        card.write(f'"model.onnx_data" = "{file_digest(data)}"\n')
    assert np.array_equal(load_encoder(folder).encode("sort"), expected)
    data.write_bytes(data.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match="is damaged"):
        load_encoder(folder)


# ---------------------------------------------------------------- what cannot be exported
@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"no weights"), "transformers cannot load"),
        (lambda folder: (folder / "model.safetensors").unlink(), "transformers cannot load"),
        (lambda folder: change_modules(folder, "Normalize", "Router"), "uses the module Router"),
        (lambda folder: change_pooling(folder, {"pooling_mode": "max"}), "pools by max"),
        (lambda folder: change_pooling(folder, {"include_prompt": False}), "leaves the prompt out"),
    ],
    ids=["no config", "bad config", "bad weights", "no weights", "module", "pooling", "prompt"],
)
def test_a_folder_that_cannot_be_exported(tmp_path: Path, break_it: object, expected: str) -> None:
    source = twins.bert(tmp_path / "twin")
    break_it(source)
    with pytest.raises(ExportError) as caught:
        export(str(source), tmp_path / "ours", ExportOptions(), said)
    assert expected in str(caught.value) and "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["twin"]  # nothing is left behind


def test_code_of_its_own_is_not_run_unasked(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="brings Python code of its own"):
        export(str(twins.jinabert(tmp_path / "twin")), tmp_path / "ours", ExportOptions(), said)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    with pytest.raises(ExportError, match="exists already"):
        export("any", tmp_path / "ours", ExportOptions(), said)


def test_what_is_not_said_is_assumed_and_told(tmp_path: Path) -> None:
    source = twins.cross_encoder(tmp_path / "bare")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"architectures": ["BertModel"]}))
    recipe = read_recipe(source)
    assert (recipe.kind, recipe.pooling) == ("graph", "mean")
    assert any("'mean' was assumed" in sentence for sentence in recipe.assumed)
    assert any("no licence" in sentence for sentence in recipe.assumed)
    told = json.loads((source / "tokenizer_config.json").read_text())
    told |= {"add_eos_token": True, "eos_token": {"content": "[SEP]"}}
    (source / "tokenizer_config.json").write_text(json.dumps(told))
    assert read_recipe(source).eos_token == "[SEP]"


# ---------------------------------------------------------------- helpers
def change_modules(folder: Path, old: str, new: str) -> None:
    path = folder / "modules.json"
    path.write_text(path.read_text().replace(old, new))


def change_pooling(folder: Path, more: dict[str, object]) -> None:
    path = folder / "1_Pooling" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))
