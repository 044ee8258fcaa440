"""Work beside the conversation: batches, and a process that is started again but not for ever."""

import asyncio

import pytest

from lsp_server import background
from lsp_server.background import DEATHS, Batched, IndexerProcess
from lsp_server.engine.index import Index, Options

from .conftest import PROJECT
from .editor import editor, write_files

pytestmark = pytest.mark.timeout(180)


async def test_what_is_asked_meanwhile_waits_together():
    runs, gate, begun = [], asyncio.Event(), asyncio.Event()

    async def run():
        runs.append(len(runs))
        begun.set()
        await gate.wait()

    batched = Batched(run, 0.0)
    batched.ask()
    await begun.wait()
    begun.clear()
    for _ in range(10):
        batched.ask()
    gate.set()
    await begun.wait()
    await batched.close()
    assert runs == [0, 1]


async def test_work_that_fails_is_done_again():
    runs = []
    twice = asyncio.Event()

    async def run():
        runs.append(1)
        if len(runs) == 2:
            twice.set()
        raise ValueError("on purpose")

    batched = Batched(run, 0.0)
    batched.ask()
    await asyncio.sleep(0)
    while not twice.is_set():
        batched.hurry()
        await asyncio.sleep(0)
    await batched.close()


async def test_a_process_that_keeps_dying_is_given_up_and_told(monkeypatch):
    monkeypatch.setattr(background, "PATIENCE_SECONDS", 0.001)
    told: asyncio.Queue = asyncio.Queue()
    process = IndexerProcess({"nonsense": True}, told.put_nowait)  # dies of it
    process.submit({"update": []})
    report = await asyncio.wait_for(told.get(), 60)
    assert f"died {DEATHS + 1} times" in report["broken"]
    assert "meaning-ls.reindex" in report["broken"]
    await process.close()


async def test_a_process_that_cannot_have_an_index_says_so(tmp_path):
    told: asyncio.Queue = asyncio.Queue()
    options = {"model": "auto", "threads": 0, "exclude": [], "max_file_bytes": 1000, "cache_dir": str(tmp_path / "c")}
    process = IndexerProcess({"root": str(tmp_path / "gone"), "options": options, "level": 30}, told.put_nowait)
    process.submit({"update": []})
    assert "gone" in (await asyncio.wait_for(told.get(), 60))["broken"]
    await process.close()


async def test_a_folder_that_another_process_writes_is_read_and_then_written(tmp_path):
    root = tmp_path / "root"
    write_files(root, PROJECT)
    other = Index(root, Options(cache_dir=str(tmp_path / "cache")))
    held = other.update()
    next(held)  # it holds the lock from here on
    async with editor(tmp_path / "cache") as client:
        await client.initialize(root)
        reading = await client.state("reading")
        assert "Another process" in reading["message"]
        await asyncio.to_thread(list, held)
        while not (await client.search("deliver a message"))["symbols"]:
            await client.news("semanticIndex/status")
        await client.ready()
        (folder,) = (await client.request("workspace/semanticIndex"))["folders"]
        assert folder["embedded"] == folder["symbols"] > 0
    other.close()
