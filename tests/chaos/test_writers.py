"""One process writes a folder's index, whatever the others try; when it dies, another takes over by itself."""

import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import asynccontextmanager, closing
from itertools import pairwise
from pathlib import Path

import psutil
from lsp.editor import editor, write_files
from support import BagEncoder, drain, write_workspace

from lsp_server.engine.index import Index, Options

from .state import copied

WRITERS = 4
CHECKOUT = Path(__file__).parents[2]
FILES = "".join(f"//- part_{n}.py\n" + f"def piece_{n}(x):\n    return x + {n}\n" for n in range(30))


def start(root, cache, notes, seconds):
    command = [sys.executable, str(Path(__file__).with_name("writer.py")), root, cache, notes, seconds]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    return subprocess.Popen([str(word) for word in command], env=environment)


def holds(notes):
    """Return (begin, end, process) of each time that a process was the writer, in order."""
    beats = defaultdict(list)
    for line in notes.read_text().splitlines():
        pid, hold, moment = line.split()
        beats[pid, hold].append(int(moment))
    return sorted((min(times), max(times), pid) for (pid, _), times in beats.items())


def test_two_processes_never_write_at_once(tmp_path):
    """Processes hammer one folder, and some are killed while they write: their times as the writer never overlap."""
    root, cache, notes = write_workspace(tmp_path / "root", FILES), tmp_path / "cache", tmp_path / "notes"
    chance = random.Random(7)
    processes = [start(root, cache, notes, 6) for _ in range(WRITERS)]
    killed = 0
    try:
        while killed < 6 and any(process.poll() is None for process in processes):
            time.sleep(0.05)
            if not notes.exists() or chance.random() < 0.8:
                continue
            writer = next(reversed(notes.read_text().split("\n")[:-1]), "").partition(" ")[0]
            for place, process in enumerate(processes):
                if str(process.pid) == writer and process.poll() is None:
                    process.kill()
                    process.wait()
                    killed += 1
                    processes[place] = start(root, cache, notes, 3)
        for process in processes:
            process.wait(60)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    found = holds(notes)
    assert killed >= 2
    assert len({pid for _, _, pid in found}) >= 3, "they did not get in each other's way"
    for (_, end, one), (begin, _, other) in pairwise(found):
        assert end <= begin, f"{one} and {other} wrote at once"
    with closing(Index(root, Options(cache_dir=str(cache)), BagEncoder())) as index:
        drain(index.refresh())
        status = index.status()
        assert status.files_total == len(list(root.glob("*.py")))
        assert status.embedded == status.symbols
        with copied(index.store_path) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@asynccontextmanager
async def opened(root, cache):
    async with editor(cache) as client:
        await client.initialize(root)
        yield client


def family(client):
    server = psutil.Process(client.process.pid)
    return [server, *server.children(recursive=True)]


async def test_a_live_server_takes_over_when_the_writer_is_killed(tmp_path, record_property):
    """The second server was reading; the first one and its indexer are killed amid their work."""
    root, cache = tmp_path / "root", tmp_path / "cache"
    text = "".join(f"def take_{n}(value):\n    return value * {n}\n\n\n" for n in range(24))
    write_files(root, "".join(f"//- part_{n}.py\n{text.replace('take', f'take_{n}')}" for n in range(30)))
    async with editor(cache) as first:
        await first.initialize(root)
        await first.until(lambda: any(p["folders"][0]["symbols"] for p in first.of("semanticIndex/status")))
        async with opened(root, cache) as second:
            await second.state("reading")
            indexers = [one for one in family(first)[1:] if "lsp_server.indexer" in " ".join(one.cmdline())]
            assert len(indexers) == 1, "it was not amid its work"
            began = time.monotonic()
            for one in reversed(family(first)):
                one.kill()
            since = len(second.heard)
            await second.state("indexing", since)
            record_property("seconds until the second one writes", round(time.monotonic() - began, 2))
            await second.ready(since)
            (folder,) = (await second.request("workspace/semanticIndex"))["folders"]
            assert folder["filesDone"] == folder["filesTotal"] == 30
            assert folder["embedded"] == folder["symbols"]
            (root / "new.py").write_text("def brew_coffee():\n    pass\n")
            async with second.a_pass():
                second.saved(root / "new.py")
            assert "brew_coffee" in await second.names("brew_coffee")
        await first.process.wait()
