"""Fetching: an editor asks which model suits, and has one downloaded from a hub on the loopback interface."""

import asyncio

import pytest

from lsp_server.engine.encoder import bundled_model
from lsp_server.engine.installed import models_home
from lsp_server.models.catalogue import load_catalogue
from tests.models.hub_server import Fault, Hub

from .editor import Refused, editor

ID = "granite-small-en-r2"
GRAPH, DATA = "onnx/model_quantized.onnx", "onnx/model_quantized.onnx_data"


@pytest.fixture
def hub(monkeypatch):
    model = bundled_model()
    with Hub() as hub:
        hub.repos[load_catalogue().find(ID).repo] = {
            GRAPH: (model / "model.onnx").read_bytes(),
            DATA: b"weights that this graph does not read",
            "tokenizer.json": (model / "tokenizer.json").read_bytes(),
        }
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def progress_of(client):
    """Return what was told of progress, in order."""
    return [message["params"]["value"] for message in client.heard if message["method"] == "$/progress"]


def far_enough(client):
    """Return the params of a progress that is past its beginning; none while there is none."""
    return next((params for params in client.of("$/progress") if params["value"].get("percentage", 0) > 2), None)


async def test_advice(tmp_path, hub):
    async with editor(tmp_path / "cache") as client:
        await client.initialize()
        advice = await client.command("meaning-ls.models")
    assert advice["picked"] in {model.id for model in load_catalogue().model}
    assert advice["installed"] == ["minilm-l6"]
    assert advice["picked"] in advice["offer"]
    assert advice["explanation"][0].startswith("This machine: ")
    assert hub.requests == []


async def test_a_model_is_fetched_with_a_bar(tmp_path, hub):
    hub.faults[GRAPH].append(Fault(slow=0.003))
    async with editor(tmp_path / "cache") as client:
        await client.initialize()
        assert await client.command("meaning-ls.pullModel", ID) == f"{ID}:q8"
        assert (await client.command("meaning-ls.models"))["installed"] == ["minilm-l6", f"{ID}:q8"]
        told = progress_of(client)
    assert told[0]["title"] == f"Fetching {ID}"
    assert told[-1]["kind"] == "end"
    shares = [value["percentage"] for value in told if value["kind"] == "report"]
    assert shares == sorted(shares)
    assert any("of 23.9 MB" in value["message"] for value in told if value["kind"] == "report")
    assert any(value.get("message") == "testing the model" for value in told)


async def test_the_bar_stops_it(tmp_path, hub):
    hub.faults[GRAPH].append(Fault(slow=0.02))
    async with editor(tmp_path / "cache") as client:
        await client.initialize()
        _, answer = client.ask("workspace/executeCommand", {"command": "meaning-ls.pullModel", "arguments": [ID]})
        heard = await client.until(lambda: far_enough(client))
        client.notify("window/workDoneProgress/cancel", {"token": heard["token"]})
        with pytest.raises(Refused, match="goes on from there"):
            await asyncio.wait_for(answer, 60)
        assert progress_of(client)[-1]["kind"] == "end"
        assert not (models_home(str(tmp_path / "cache")) / ID).exists()
        assert await client.command("meaning-ls.pullModel", ID) == f"{ID}:q8"
    assert "range" in hub.asked(GRAPH)[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["granit-small"], "Did you mean"),
        ([], "id: is missing"),
        ([3], "id: must be a string"),
        (["minilm-l6"], "nothing"),
    ],
)
async def test_what_cannot_be_fetched(tmp_path, hub, arguments, said):
    async with editor(tmp_path / "cache") as client:
        await client.initialize()
        with pytest.raises(Refused, match=said):
            await client.command("meaning-ls.pullModel", *arguments)
        assert [value["kind"] for value in progress_of(client)] in ([], ["begin", "end"], ["begin", "report", "end"])
