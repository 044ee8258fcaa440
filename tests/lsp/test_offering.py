"""A better model is offered once, and used when it is accepted: on a machine that is larger than it may be, from a hub
on the loopback interface."""

import copy
import json
import sys
from pathlib import Path

import pytest

from lsp_server.engine.encoder import bundled_model
from lsp_server.engine.installed import find_installed, models_home
from lsp_server.models.catalogue import load_catalogue
from tests.models.hub_server import Fault, Hub

from .editor import CAPABILITIES, editor

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="the machine that is looked at is a Linux one"),
]
CHECKOUT = Path(__file__).parents[2]
ID, GRAPH = "granite-97m-r2", "onnx/model_quint8_avx2.onnx"
# What Python runs first in the server's process: it is told of the processor and memory of a laptop.
SITE = """
from pathlib import Path
from lsp_server.models import hardware
from tests.models.machines import desktop

machine, look = desktop(Path({root!r}), 4, 7.6), hardware.look
hardware.look = lambda probe=None: look(probe or machine)
"""
# And that what is installed embeds a text in an hour.
SLOW = """
from lsp_server.models import measure

quick = measure.texts_per_second
measure.texts_per_second = lambda encoder, *rest: quick(encoder, *rest) / (1 if encoder.max_tokens == 128 else 3e6)
"""
ASKING = copy.deepcopy(CAPABILITIES)
ASKING["window"]["showMessage"] = {"messageActionItem": {}}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE.format(root=str(tmp_path / "laptop")))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}:{CHECKOUT}")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    model = bundled_model()
    with Hub() as hub:
        hub.repos[load_catalogue().find(ID).repo] = {
            GRAPH: (model / "model.onnx").read_bytes(),
            "tokenizer.json": (model / "tokenizer.json").read_bytes(),
        }
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def questions(client):
    return client.of("window/showMessageRequest")


def model_of(client, since=0):
    """Return the status of a folder that is ready with the offered model, if it was told."""
    folders = [folder for params in client.of("semanticIndex/status", since) for folder in params["folders"]]
    return next((each for each in folders if each["state"] == "ready" and each["model"] == ID), None)


async def test_accepted_fetched_and_moved_to(project, tmp_path, hub):
    hub.faults[GRAPH].append(Fault(slow=0.003))
    async with editor(tmp_path / "cache") as client:
        client.choice = "Download"
        await client.initialize(project, capabilities=ASKING)
        await client.ready()
        (asked,) = await client.until(lambda: questions(client))
        await client.until(lambda: client.of("$/progress"))
        assert await client.names("send a message to a customer")  # the old one answers
        moved = await client.until(lambda: model_of(client))
        assert moved["embedded"] == moved["symbols"] > 0
        assert (await client.names("deliver a letter to somebody who buys"))[0] in ("send_mail", "deliver_newsletter")
        bars = [message["params"]["value"] for message in client.heard if message["method"] == "$/progress"]
        assert any(value.get("title") == f"Fetching {ID}:uint8" and value["cancellable"] for value in bars)
    assert asked["type"] == 3
    assert asked["message"].startswith("meaning-ls: A better model fits this machine: granite-embedding-97m")
    assert "98 MB, Apache-2.0, about " in asked["message"] and " to re-index" in asked["message"]
    assert [action["title"] for action in asked["actions"]] == ["Download 98 MB", "Not now", "Never"]

    async with editor(tmp_path / "cache") as client:  # the index keeps it, and there is nothing better
        await client.initialize(project, capabilities=ASKING)
        assert (await client.ready())["folders"][0]["model"] == ID
        await client.command("meaning-ls.models")
        assert questions(client) == []


@pytest.mark.parametrize("answer", [None, "Not now", "Never"])
async def test_declined_once_and_not_asked_again(project, tmp_path, hub, answer):
    async with editor(tmp_path / "cache") as client:
        client.choice = answer
        await client.initialize(project, capabilities=ASKING)
        await client.until(lambda: questions(client))
        await client.command("meaning-ls.models")
    kept = tmp_path / "cache" / "offers.json"
    facts = json.loads(kept.read_text())["facts"]
    assert any(key.startswith(f"{ID}:uint8") for key in facts) and ("never" in facts) == (answer == "Never")
    async with editor(tmp_path / "cache") as client:
        await client.initialize(project, capabilities=ASKING)
        await client.ready()
        await client.command("meaning-ls.models")
        assert questions(client) == []

    # Another version of the files is another offer, unless there are to be none.
    former = {f"{key} of old" if key != "never" else key: value for key, value in facts.items()}
    kept.write_text(json.dumps({"format": 1, "facts": former}))
    async with editor(tmp_path / "cache") as client:
        await client.initialize(project, capabilities=ASKING)
        await client.ready()
        if answer == "Never":
            await client.command("meaning-ls.models")
            assert questions(client) == []
        else:
            await client.until(lambda: questions(client))
    assert hub.requests == [] and find_installed(ID, str(tmp_path / "cache")) is None


@pytest.mark.parametrize("why", ["no questions", "a model is named", "offline", "indexing is off"])
async def test_nobody_is_asked(project, tmp_path, hub, monkeypatch, why):
    if why == "offline":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    async with editor(tmp_path / "cache") as client:
        client.settings = {"a model is named": {"model": "minilm-l6"}, "indexing is off": {"index": "off"}}.get(why)
        await client.initialize(project, capabilities=CAPABILITIES if why == "no questions" else ASKING)
        await client.state("paused" if why == "indexing is off" else "ready")
        await client.command("meaning-ls.models")
        assert questions(client) == []
    assert not (tmp_path / "cache" / "offers.json").exists() and hub.requests == []


async def test_the_bar_stops_it_and_nothing_has_changed(project, tmp_path, hub):
    hub.faults[GRAPH].append(Fault(slow=0.02))

    def far_enough():
        found = client.of("$/progress")
        return next((each for each in found if each["value"].get("message", "").endswith("MB")), None)

    async with editor(tmp_path / "cache") as client:
        client.choice = "Download"
        await client.initialize(project, capabilities=ASKING)
        heard = await client.until(far_enough)
        client.notify("window/workDoneProgress/cancel", {"token": heard["token"]})
        await client.until(lambda: [p for p in client.of("$/progress") if p["token"] == heard["token"]
                                    and p["value"]["kind"] == "end"])  # fmt: skip
        assert (await client.request("workspace/semanticIndex"))["folders"][0]["model"] == "minilm-l6"
        assert await client.names("send a message to a customer")
        assert client.of("window/showMessage") == []
    assert not (models_home(str(tmp_path / "cache")) / ID).exists()


@pytest.mark.parametrize("end", ["closed", "killed"])
async def test_an_interrupted_download_is_offered_again_and_goes_on(project, tmp_path, hub, end):
    hub.faults[GRAPH].append(Fault(slow=0.05))
    async with editor(tmp_path / "cache") as client:
        client.choice = "Download"
        await client.initialize(project, capabilities=ASKING)
        await client.until(lambda: [p for p in client.of("$/progress") if p["value"].get("percentage", 0) > 5])
        async with editor(tmp_path / "cache") as other:  # while it lasts, nobody else is asked
            await other.initialize(project, capabilities=ASKING)
            await other.ready()
            await other.command("meaning-ls.models")
            assert questions(other) == []
        if end == "killed":
            client.process.kill()
            await client.process.wait()
    assert find_installed(ID, str(tmp_path / "cache")) is None
    async with editor(tmp_path / "cache") as client:
        client.choice = "Download"
        await client.initialize(project, capabilities=ASKING)
        await client.until(lambda: questions(client))
        moved = await client.until(lambda: model_of(client))
        assert moved["embedded"] == moved["symbols"] > 0
    assert hub.asked(GRAPH)[-1]["range"] > "bytes=0-"
    async with editor(tmp_path / "cache") as client:
        await client.initialize(project, capabilities=ASKING)
        assert (await client.ready())["folders"][0]["model"] == ID
        await client.command("meaning-ls.models")
        assert questions(client) == []


async def test_an_editor_that_ends_between_the_download_and_the_move_is_offered_the_move(project, tmp_path, hub):
    """As the notes of an editor say that was killed then; the model is there."""
    async with editor(tmp_path / "cache") as client:
        await client.initialize(project, capabilities=ASKING)
        await client.until(lambda: questions(client))
        await client.command("meaning-ls.pullModel", ID)
    kept = tmp_path / "cache" / "offers.json"
    (key,) = json.loads(kept.read_text())["facts"]
    kept.write_text(json.dumps({"format": 1, "facts": {key: {"process": 2**22 + 1, "began": 1.5}}}))
    asked = len(hub.requests)
    async with editor(tmp_path / "cache") as client:
        client.choice = "Use it"
        await client.initialize(project, capabilities=ASKING)
        await client.until(lambda: model_of(client))
    assert len([path for host, path, _ in hub.requests[asked:] if host == "storage"]) == 0


async def test_one_that_turns_out_slow_is_not_moved_to(project, tmp_path, hub, monkeypatch):
    """Measured after it came: here by a program that allows a first index no time at all, once a model is there."""
    site = tmp_path / "site" / "sitecustomize.py"
    site.write_text(site.read_text() + SLOW)
    async with editor(tmp_path / "cache") as client:
        client.choice = "Download"
        await client.initialize(project, capabilities=ASKING)
        (told,) = await client.until(lambda: client.of("window/showMessage"))
        assert told["type"] == 2 and f"{ID}:uint8 is installed, and is slower here" in told["message"]
        assert told["message"].endswith(f"meaning-ls index --model {ID}:uint8")
        assert (await client.request("workspace/semanticIndex"))["folders"][0]["model"] == "minilm-l6"
    assert find_installed(ID, str(tmp_path / "cache")) is not None


async def test_a_hub_that_does_not_have_it_is_told_and_it_is_offered_again(project, tmp_path, hub):
    hub.repos.clear()
    for _ in range(2):
        async with editor(tmp_path / "cache") as client:
            client.choice = "Download"
            await client.initialize(project, capabilities=ASKING)
            (told,) = await client.until(lambda: client.of("window/showMessage"))
            assert told["type"] == 1 and "shows no ibm-granite/" in told["message"]
            assert (await client.request("workspace/semanticIndex"))["folders"][0]["model"] == "minilm-l6"
            assert len(questions(client)) == 1
