"""A folder on its own, with its real process: what nobody tells of is found, what is closed amid opening is gone."""

import asyncio
import time

import pytest

from lsp_server import folder as folder_module
from lsp_server.convert import to_path
from lsp_server.engine.index import Options
from lsp_server.folder import Folder
from lsp_server.settings import from_options

from .conftest import PROJECT
from .editor import SECONDS, write_files

pytestmark = pytest.mark.timeout(180)


class Told:
    """Hears what a folder tells, and waits for it."""

    def __init__(self):
        self.states = []
        self._news = asyncio.Event()

    def __call__(self, folder):
        self.states.append(folder.state)
        self._news.set()

    async def until(self, test):
        async with asyncio.timeout(SECONDS):
            while not test():
                self._news.clear()
                await self._news.wait()


def make(tmp_path, told):
    root = tmp_path / "root"
    write_files(root, PROJECT)
    uri = root.as_uri()
    settings = from_options(Options(cache_dir=str(tmp_path / "cache")))
    return root, Folder(uri, to_path(uri), settings, told)


async def test_changes_that_nobody_told_of_are_found_when_somebody_works_there(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_module, "SCAN_SECONDS", 0.0)
    monkeypatch.setattr(folder_module, "SCAN_SHARE", 0)
    told = Told()
    root, folder = make(tmp_path, told)
    await folder.open([])
    await told.until(lambda: folder.state == "ready")
    symbols = folder.status()["symbols"]

    told.states.clear()
    folder.used()  # nothing has changed: nobody is told of work
    before = folder.status()["lastUpdate"]
    await told.until(lambda: folder.status()["lastUpdate"] > before)
    assert folder.status()["symbols"] == symbols

    (root / "new.py").write_text("def a_new_function():\n    pass\n")
    folder.used()
    await told.until(lambda: folder.status()["symbols"] > symbols)
    await told.until(lambda: folder.state == "ready")
    await folder.close()


async def test_a_folder_may_be_closed_while_it_is_opened(tmp_path):
    _, folder = make(tmp_path, Told())
    opening = asyncio.create_task(folder.open([]))
    await asyncio.sleep(0)
    await folder.close()
    await opening
    assert folder.index is None
    assert folder.state == "starting"


async def test_a_folder_may_be_closed_amid_its_work(tmp_path):
    told = Told()
    _, folder = make(tmp_path, told)
    await folder.open([])
    await told.until(lambda: folder.progress is not None)
    await folder.close()
    assert folder.index is None


async def test_what_a_look_at_the_files_takes_is_not_what_embedding_takes(tmp_path):
    """Else an hour's first index would keep missed changes from being looked for, for days."""
    told = Told()
    root, folder = make(tmp_path, told)
    write_files(root, "".join(f"//- m{i}.py\ndef step_{i}(value):\n    return value * {i}\n" for i in range(150)))
    await folder.open([])
    await told.until(lambda: folder.progress is not None and folder.progress.texts_done > 0)
    embedding = time.monotonic()
    await told.until(lambda: folder.state == "ready")
    assert 0 < folder._scan_ended <= embedding
    assert folder._scan_took < time.monotonic() - folder._scan_ended
    await folder.close()
