"""Settings that a project may have written: they name no folder, neither for our files nor of a model."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from lsp_server.engine.encoder import bundled_model
from lsp_server.guard import Author, guard
from lsp_server.settings import Settings

from .editor import Editor, editor

ROOT = Path("C:/project" if os.name == "nt" else "/project")
BASE = Settings(model="minilm-l6", cache_dir="kept")
FIELDS = {"cacheDir": "cache_dir", "model": "model", "docsModel": "docs_model", "rerank": "rerank"}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("wish", ["/elsewhere/m", "./m", "a/m", "~/m", "..", ".", r"\\host\share", "//host/m", "C:\\m"])
def test_anybody_names_no_folder(name, wish):
    settings, (sentence,) = guard(Settings(**{FIELDS[name]: wish}), BASE, Author.ANYBODY, ())
    assert getattr(settings, FIELDS[name]) == getattr(BASE, FIELDS[name])
    assert sentence.startswith(f"meaning.{name}: {wish} is a folder")
    assert (
        f"start the server with --{ {'cacheDir': 'cache-dir', 'docsModel': 'docs-model'}.get(name, name) } {wish}"
        in sentence
    )


@pytest.mark.parametrize("wish", ["minilm-l6", "lateon-code-edge:q8", "auto", "unheard-of"])
def test_anybody_names_a_model(wish):
    wished = Settings(model=wish, cache_dir="", docs_model="off", threads=3, exclude=("a",), memory_limit=5)
    settings, troubles = guard(wished, BASE, Author.ANYBODY, (ROOT,))
    assert troubles == []
    assert settings.model == wish
    assert settings.cache_dir == "kept"  # nothing was said of it
    assert (settings.docs_model, settings.threads, settings.exclude, settings.memory_limit) == ("off", 3, ("a",), 5)


@pytest.mark.parametrize("name", FIELDS)
def test_the_user_names_folders_outside_of_projects(name, tmp_path):
    (tmp_path / "project").mkdir()
    roots = (ROOT, tmp_path / "project")
    for wish in (str(tmp_path), str(tmp_path / "projects/m"), "~/m"):
        settings, troubles = guard(Settings(**{FIELDS[name]: wish}), BASE, Author.USER, roots)
        assert troubles == [] and getattr(settings, FIELDS[name]) == wish
    inside = ("{}", "{}/m", "{}/../project/m")
    for wish in [text.format(tmp_path / "project") for text in inside]:
        settings, (sentence,) = guard(Settings(**{FIELDS[name]: wish}), BASE, Author.USER, roots)
        assert "lies in the project" in sentence
        assert getattr(settings, FIELDS[name]) == getattr(BASE, FIELDS[name])
    _, (sentence,) = guard(Settings(**{FIELDS[name]: "./m"}), BASE, Author.USER, roots)
    assert "is not a full path" in sentence


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights there")
def test_a_link_into_the_project_is_the_project(tmp_path):
    (tmp_path / "project/m").mkdir(parents=True)
    (tmp_path / "m").symlink_to(tmp_path / "project/m")
    (tmp_path / "other").symlink_to(tmp_path / "project")
    _, (sentence,) = guard(Settings(model=str(tmp_path / "m")), BASE, Author.USER, (tmp_path / "other",))
    assert "lies in the project" in sentence


def told(client: Editor):
    return [params["message"] for params in client.of("window/showMessage")]


async def test_what_a_client_answers_does_not_move_the_cache(project, tmp_path):
    async with editor(tmp_path / "cache") as client:
        client.settings = {"cacheDir": str(project / "mine"), "model": str(bundled_model()), "exclude": ["*.js"]}
        await client.initialize(project)
        assert (await client.ready())["folders"][0]["symbols"]
        status = await client.request("workspace/semanticIndex")
        assert status["log"].startswith(str(tmp_path / "cache"))
        assert {sentence.split(": ")[1] for sentence in told(client)} == {"meaning.cacheDir", "meaning.model"}
        assert "grossPrice" not in await client.names("value added tax")  # what does no harm is taken
    assert not (project / "mine").exists()


@pytest.mark.parametrize("way", ["initialization", "machine"])
async def test_what_the_user_says_does(project, tmp_path, way):
    wish = {"cacheDir": str(tmp_path / "mine")}
    async with editor(tmp_path / "cache") as client:
        if way == "machine":
            client.settings = wish
            wish = {"machineScope": True}
        await client.initialize(project, initializationOptions=wish)
        await client.ready()
        status = await client.request("workspace/semanticIndex")
        assert status["log"].startswith(str(tmp_path / "mine"))
        assert told(client) == []


async def test_a_folder_in_the_project_that_is_called_like_a_model(project, tmp_path, monkeypatch):
    """Editors start a server in the project: a bare name must not mean what lies there."""
    shutil.copytree(bundled_model(), project / "mine")
    monkeypatch.chdir(project)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    async with editor(tmp_path / "cache") as client:
        client.settings = {"model": "mine"}
        await client.initialize(project)
        message = (await client.state("failed"))["message"]
        assert "There is no model 'mine' on this machine" in message
        assert f".{os.sep}mine" in message
