"""A disk that fails now and then, in any call: said in a sentence, and over as soon as it works again.

The system's calls fail for real (failing.c, loaded before the C library): opening, reading and looking at files of the
project, and all that SQLite and we do to the files of the cache, in each process of the program.
"""

import asyncio
import contextlib
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from lsp.editor import Refused, editor

from .kills import PATIENCE, Chaos

pytestmark = pytest.mark.timeout(300)

SOURCE = Path(__file__).with_name("failing.c")


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """What has calls fail, compiled."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if sys.platform != "linux" or compiler is None:
        pytest.skip("A FAILING DISK WAS NOT TRIED: it needs Linux and a C compiler")
    made = tmp_path_factory.mktemp("failing") / "failing.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", made, SOURCE, "-ldl"], check=True, timeout=60)
    return made


class Disk:
    """The disk under a project and its cache."""

    def __init__(self, library, folder, monkeypatch):
        self.chaos = Chaos(folder / "chaos", seed=7, files=12)
        self.log = folder / "failed"
        self._library, self._monkeypatch = library, monkeypatch

    def fail(self, one_in, seed):
        """Have one in so many calls of the programs that are started from now on fail."""
        for name, value in {
            "FAIL_BELOW": f"{self.chaos.project.root.resolve()}:{self.chaos.cache}",
            "FAIL_ONE_IN": str(one_in),
            "FAIL_SEED": str(seed),
            "FAIL_LOG": str(self.log),
            "LD_PRELOAD": str(self._library),
        }.items():
            self._monkeypatch.setenv(name, value)

    def work(self):
        """Have everything work again."""
        self._monkeypatch.delenv("LD_PRELOAD", raising=False)

    def failed(self):
        """Return how often each call has failed."""
        return Counter(self.log.read_text().split()) if self.log.exists() else Counter()


@pytest.fixture
def disk(library, tmp_path, monkeypatch):
    return Disk(library, tmp_path, monkeypatch)


@pytest.mark.parametrize(("one_in", "seed"), [(5, 1), (20, 2), (60, 3), (60, 4), (200, 5), (600, 6)])
def test_a_command_on_a_disk_that_fails_now_and_then(disk, one_in, seed):
    for run in range(3):
        disk.fail(one_in, 1_000 * seed + run)
        process = disk.chaos.start_cli()
        said = process.communicate(timeout=PATIENCE)[0].decode()
        disk.work()
        assert "Traceback" not in said, said
        assert "mistake of meaning-ls" not in said, said
        assert process.returncode in (0, 1, 2), said
        if run < 2:  # what it has missed in the end, it must find in files that nobody has touched since
            disk.chaos.project.switch()
    assert disk.failed(), "nothing has failed"
    disk.chaos.recover("cli")
    disk.chaos.compare()


async def settled(client):
    """Wait until nothing is being done, because all is done or because it failed; either may have been told before."""
    async with asyncio.timeout(PATIENCE):
        while True:
            folders = (await client.request("workspace/semanticIndex"))["folders"]
            if folders and folders[0]["state"] in ("ready", "failed"):
                return
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(("one_in", "seed"), [(100, 7), (400, 8)])
async def test_a_server_on_a_disk_that_fails_now_and_then(disk, one_in, seed):
    chaos = disk.chaos
    disk.fail(one_in, seed)
    async with editor(chaos.cache) as client:
        disk.work()  # for what is started by this test
        await client.initialize(chaos.project.root)
        await settled(client)
        for _ in range(3):
            for path in sorted(chaos.project.root.glob("part*/*.py"))[:2]:
                path.write_text(path.read_text() + "\n\ndef one_more():\n    pass\n")
                client.saved(path)
            await client.command("meaning-ls.reindex")  # one that could not be opened is tried again
            await settled(client)
            with contextlib.suppress(Refused):  # one answer, if only that it cannot be read
                await client.search("send a letter over the network")
        await client.shut_down()
    assert disk.failed(), "nothing has failed"
    chaos.recover("cli")
    chaos.compare()
