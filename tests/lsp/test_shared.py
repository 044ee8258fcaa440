"""Several editors on one folder: one writes, the others read, and whoever stays takes over."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from .editor import SECONDS, editor, write_files

pytestmark = pytest.mark.timeout(240)

MANY = "".join(
    f"//- src/part{i}.py\n"
    + "".join(f"def step_{i}_{k}(value):\n    return value * {i} + {k} - len(str(value))\n" for k in range(40))
    for i in range(15)
)
NEW = 'def brew_coffee(beans):\n    """Make a hot drink from roasted beans."""\n    return grind(beans)\n'


def git(root, *words):
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", str(root), *who, *words], check=True, capture_output=True, timeout=30)


async def until(ask, seconds=SECONDS):
    end = time.monotonic() + seconds
    while not (found := await ask()):
        assert time.monotonic() < end
        await asyncio.sleep(0.1)
    return found


async def test_what_one_editor_saves_the_other_finds(project, tmp_path):
    async with editor(tmp_path / "cache") as one, editor(tmp_path / "cache") as two:
        for client in (one, two):
            await client.initialize(project)
            await client.ready()
        (project / "src/kitchen.py").write_text(NEW)
        one.watched((project / "src/kitchen.py", 1))

        async def found():  # the second is told of nothing
            status = await two.request("workspace/semanticIndex")
            return "brew_coffee" in await two.names("brew_coffee") and status["folders"][0]["state"] == "ready"

        await until(found)


async def test_one_writes_the_other_reads_and_takes_over_when_the_writer_is_killed(project, tmp_path):
    write_files(project, MANY)
    async with editor(tmp_path / "cache") as one, editor(tmp_path / "cache") as two:
        await one.initialize(project)
        await one.state("indexing")
        await one.until(lambda: any(f["symbols"] for p in one.of("semanticIndex/status") for f in p["folders"]))
        await two.initialize(project)
        reading = await two.state("reading")
        writers = [child.pid for child in psutil.Process(one.process.pid).children()]
        assert len(writers) == 1
        message = await until(lambda: _message(two, f"process {writers[0]}"))
        assert "Another process" in message
        assert reading["symbols"] >= 0
        assert await two.names("step_0_1")  # it answers meanwhile

        for child in psutil.Process(one.process.pid).children(recursive=True):
            os.kill(child.pid, signal.SIGKILL)
        one.process.kill()
        await one.process.wait()
        told = await two.ready()
        assert told["folders"][0]["symbols"] == told["folders"][0]["embedded"] > 15 * 40


async def test_what_a_dead_writer_left_undone_is_done_by_who_stays(project, tmp_path):
    """The second had nothing to do itself, and was told of nothing."""
    async with editor(tmp_path / "cache") as one, editor(tmp_path / "cache") as two:
        for client in (one, two):
            await client.initialize(project)
            await client.ready()
        write_files(project, MANY)
        one.watched(*((project / f"src/part{i}.py", 1) for i in range(15)))
        await one.until(lambda: any(f["symbols"] > 100 for p in one.of("semanticIndex/status") for f in p["folders"]))
        for child in psutil.Process(one.process.pid).children(recursive=True):
            os.kill(child.pid, signal.SIGKILL)
        one.process.kill()
        await one.process.wait()

        async def whole():
            folder = (await two.request("workspace/semanticIndex"))["folders"][0]
            return folder["state"] == "ready" and folder["symbols"] == folder["embedded"] > 15 * 40

        await until(whole)


async def test_a_note_of_a_writer_that_holds_no_lock_is_not_believed_for_long(project, tmp_path):
    """A process that lives, but is none of ours: an id that was given anew, or a file that somebody else wrote."""
    async with editor(tmp_path / "cache") as client:
        await client.initialize(project)
        await client.ready()
        (index,) = (tmp_path / "cache").glob("index-*/*")
        since = len(client.heard)
        note = {"pid": os.getpid(), "since": time.time(), "program": "stranger"}
        (index / "writer.json").write_text(json.dumps(note))
        await client.until(lambda: ["reading"] in client.states(since))
        since = len(client.heard)
        await client.until(lambda: ["ready"] in client.states(since))
        assert not (index / "writer.json").exists()


async def _message(client, words):
    folder = (await client.request("workspace/semanticIndex"))["folders"][0]
    return words in folder.get("message", "") and folder["message"]


async def test_a_pause_holds_for_all_and_survives_restarts(project, tmp_path):
    async with editor(tmp_path / "cache") as one, editor(tmp_path / "cache") as two:
        for client in (one, two):
            await client.initialize(project)
            await client.ready()
        await one.command("meaning-ls.pause")
        await two.state("paused")
    async with editor(tmp_path / "cache") as three:
        (project / "src/kitchen.py").write_text(NEW)
        await three.initialize(project)
        assert "meaning-ls.resume" in (await three.state("paused"))["message"]
        assert "brew_coffee" not in await three.names("brew_coffee")
        async with editor(tmp_path / "cache") as four:
            await four.initialize(project)
            await four.state("paused")
            await four.command("meaning-ls.resume")
            await three.ready()
            assert "brew_coffee" in await three.names("brew_coffee")


def fill(project):
    """Add what takes ten seconds to be embedded."""
    for number in range(300):
        text = "".join(f"def take_{step}_of_{number}():\n    return {step * number}\n\n\n" for step in range(10))
        (project / f"more_{number}.py").write_text(text)


async def test_a_command_line_cancels_what_an_editor_does(client, project, tmp_path):
    fill(project)
    await client.initialize(project)
    await client.state("indexing")
    command = [sys.executable, "-m", "lsp_server", "cancel", str(project), "--cache-dir", str(tmp_path / "cache")]
    ran = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await ran.communicate()
    assert ran.returncode == 0
    assert "stops" in said.decode()
    assert "meaning-ls.resume" in (await client.state("paused"))["message"]
    since = len(client.heard)
    await client.command("meaning-ls.resume")
    await client.ready(since)


async def test_an_editor_that_follows_cancels_what_another_does(project, tmp_path):
    fill(project)
    async with editor(tmp_path / "cache") as one, editor(tmp_path / "cache") as two:
        await one.initialize(project)
        await one.state("indexing")
        await two.initialize(project)
        await two.state("reading")
        await two.command("meaning-ls.cancel")
        assert "meaning-ls.resume" in (await one.state("paused"))["message"]


async def test_a_branch_that_is_checked_out_behind_the_editors_back_is_noticed(client, project):
    """Nobody tells the server anything; git's own files do."""
    git(project, "init", "-b", "main")
    git(project, "add", ".")
    git(project, "commit", "-m", "one")
    git(project, "checkout", "-b", "other")
    (project / "src/kitchen.py").write_text(NEW)
    git(project, "add", ".")
    git(project, "commit", "-m", "two")
    git(project, "checkout", "main")
    await client.initialize(project)
    await client.ready()
    since = len(client.heard)
    git(project, "checkout", "other")
    await client.until(lambda: any("indexing" in states for states in client.states(since)))
    since = len(client.heard) - 1
    await client.ready(since)
    assert "brew_coffee" in await client.names("brew_coffee")


async def test_an_open_server_is_idle_when_nothing_happens(opened):
    """CPU seconds over some seconds of nothing: a look at ten time stamps a second, and nothing else."""
    process = psutil.Process(opened.process.pid)
    await asyncio.sleep(1.0)  # give back memory, close what is not needed
    before = [p.cpu_times() for p in (process, *process.children())]
    heard = len(opened.heard)
    await asyncio.sleep(4.0)
    after = [p.cpu_times() for p in (process, *process.children())]
    used = sum(a.user + a.system - b.user - b.system for a, b in zip(after, before, strict=True))
    assert used < 0.4  # a tenth of one core: busy waiting would take all of it
    assert opened.heard[heard:] == []
