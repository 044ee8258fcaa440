"""A model on a server: no project and no setting of a client has text sent to it; the user's command line does."""

import pytest

from lsp_server.engine.card import CARD
from lsp_server.engine.encoder import bundled_model, load_encoder
from lsp_server.models.catalogue import load_catalogue
from lsp_server.models.connect import Wish, connect
from tests.models.embedding_server import MODEL, EmbeddingServer

from .editor import editor


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server that the user has connected, on this machine."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with EmbeddingServer(load_encoder(bundled_model())) as made:
        made.card = connect(Wish(url=made.url, model=MODEL), load_catalogue(), lambda place: False).folder / CARD
        made.requests.clear()
        yield made


def told(client):
    return [params["message"] for params in client.of("window/showMessage")]


def counted(client):
    """Return the folders whose symbols were told."""
    return [folder for told in client.of("semanticIndex/status") for folder in told["folders"] if folder["symbols"]]


@pytest.mark.parametrize("way", ["configuration", "initialization", "change"])
async def test_a_setting_does_not_choose_it(server, project, tmp_path, way):
    hostile = {"model": MODEL}
    async with editor(tmp_path / "cache") as client:
        if way == "configuration":
            client.settings = hostile
        if way == "change":
            client.refuses.add("workspace/configuration")
        more = {"initializationOptions": hostile} if way == "initialization" else {}
        await client.initialize(project, **more)
        if way == "change":
            await client.ready()
            client.notify("workspace/didChangeConfiguration", {"settings": {"meaning": hostile}})
            await client.until(lambda: told(client))
        status = await client.ready()
        assert status["folders"][0]["model"] == "minilm-l6"
        assert await client.names("send a message to a customer")
        (sentence,) = told(client)
    assert sentence.startswith(f"meaning-ls: meaning.model: {MODEL} computes on a server, and no setting of an editor")
    assert sentence.endswith(f"To use it here: meaning-ls index --model {MODEL}")
    assert server.requests == []


@pytest.mark.parametrize("way", ["folder", "cache"])
async def test_a_project_does_not_bring_one_along(server, project, tmp_path, way):
    evil = project / "evil" / "models" / "mine" / "q8"
    evil.mkdir(parents=True)
    card = server.card.read_text(encoding="utf-8")
    (evil / CARD).write_text(card, encoding="utf-8")
    (evil.parents[1] / "chosen").write_text("mine:q8\n")
    more = ("--cache-dir", str(project / "evil")) if way == "cache" else ("--model", str(evil))
    async with editor(tmp_path / "cache", *more) as client:  # as if a script of the project had started the server
        await client.initialize(project)
        status = await client.state("failed")
        assert "only to servers that you have connected yourself" in status["message"]
        await client.until(lambda: counted(client))  # what was committed before it failed has been read
        assert await client.names("send a message to a customer")  # by words, at least
    assert server.requests == []


async def test_the_command_line_chooses_it(server, project, tmp_path):
    async with editor(tmp_path / "cache", "--model", MODEL) as client:
        client.settings = {"model": MODEL}  # what the user has said already is no news
        await client.initialize(project)
        status = await client.ready()
        assert status["folders"][0]["model"] == MODEL
        assert (await client.names("deliver a letter to somebody who buys"))[0] in ("send_mail", "deliver_newsletter")
        assert told(client) == []
    assert any("send mail" in text for text in server.texts)
    async with editor(tmp_path / "cache") as client:  # an index keeps its model
        await client.initialize(project)
        assert (await client.ready())["folders"][0]["model"] == MODEL
