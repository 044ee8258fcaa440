"""A disk that is full, read-only, failing, or gone: said in a sentence, and over as soon as the cause is."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time

import pytest
from lsp.editor import editor
from support import without_privileges

from lsp_server.engine.cache import index_folder

from .kills import PATIENCE, Chaos

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def chaos(tmp_path):
    return Chaos(tmp_path / "chaos", seed=5, files=12)


@pytest.fixture
def small_disk(chaos):
    """Mount a small disk where the cache lies; gives a function that mounts it again with other options."""

    def mount(options):
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", chaos.cache], capture_output=True, text=True, timeout=30
        )

    chaos.cache.mkdir()
    tried = mount("size=300k") if os.geteuid() == 0 else None
    if tried is None or tried.returncode:
        pytest.skip("A FULL DISK WAS NOT TRIED: mounting one takes root" + (f" ({tried.stderr})" if tried else ""))
    yield lambda options: mount(f"remount,{options}").check_returncode()
    subprocess.run(["umount", "-l", chaos.cache], check=True, timeout=30)


def run(chaos, command="index", before=None):
    """Run a command to its end; gives its exit code and what it said. It never shows a traceback."""
    process = chaos.start_cli(command, before)
    output = process.communicate(timeout=PATIENCE)[0].decode()
    assert "Traceback" not in output, output
    assert "mistake of meaning-ls" not in output, output
    assert process.returncode in (0, 1, 2), (process.returncode, output)
    return process.returncode, output


def test_a_full_disk(chaos, small_disk):
    code, said = run(chaos)
    assert code == 2
    assert "--cache-dir" in said
    assert run(chaos)[0] == 2, "nor the second time"
    small_disk("size=64m")
    chaos.recover("cli")
    chaos.compare()


@pytest.mark.parametrize("kilobytes", [400, 700, 1000, 1300, 1600, 2000])
def test_a_disk_that_fills_up_amid_the_work(chaos, small_disk, kilobytes):
    small_disk(f"size={kilobytes}k")
    run(chaos)
    chaos.project.switch()
    code, said = run(chaos)
    assert code == 0 or "--cache-dir" in said
    small_disk("size=64m")
    chaos.recover("cli")
    chaos.compare()


def test_a_disk_that_becomes_read_only(chaos, small_disk):
    small_disk("size=64m")
    chaos.recover("cli")
    chaos.project.switch()
    small_disk("ro")
    code, said = run(chaos)
    assert code == 2
    assert "--cache-dir" in said
    code, said = run(chaos, "status")
    assert code == 0, "what is there is read"
    small_disk("rw")
    chaos.recover("cli")
    chaos.compare()


@pytest.mark.parametrize("kilobytes", [8, 60, 150, 300, 600])
def test_files_that_may_not_grow(chaos, kilobytes):
    """The system refuses to write beyond a limit: to SQLite that is an I/O error."""
    code, said = run(chaos, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024,) * 2))
    assert code == 0 or "--cache-dir" in said or "log says more" in said, said
    chaos.recover("cli")
    chaos.compare()


@pytest.mark.parametrize("what", ["index", "cache"])
def test_what_is_removed_under_a_running_pass(chaos, what):
    process = chaos.start_cli()
    try:
        store = index_folder(chaos.project.root.resolve(), str(chaos.cache)) / "index.db"
        until = time.monotonic() + PATIENCE
        while not store.exists() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.3)
        shutil.rmtree(store.parent if what == "index" else chaos.cache)
        output = process.communicate(timeout=PATIENCE)[0].decode()
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in output, output
    chaos.recover("cli")
    chaos.compare()


@pytest.mark.parametrize("what", ["index", "cache"])
async def test_what_is_removed_under_a_running_server(chaos, what):
    folder = index_folder(chaos.project.root.resolve(), str(chaos.cache))
    async with editor(chaos.cache) as client:
        await client.initialize(chaos.project.root)
        await client.ready()
        (before,) = (await client.request("workspace/semanticIndex"))["folders"]
        since = len(client.heard)
        shutil.rmtree(folder if what == "index" else chaos.cache)
        await client.state("indexing", since)
        await client.ready(len(client.heard))
        (after,) = (await client.request("workspace/semanticIndex"))["folders"]
        assert after["symbols"] == after["embedded"] == before["symbols"]
        assert json.dumps(await client.names("send a letter"))
    chaos.recover("cli")
    chaos.compare()


def test_a_folder_that_may_not_be_written(chaos):
    """What its owner has shut stays shut, and is read."""
    if sys.platform != "linux":
        pytest.skip("A SHUT FOLDER WAS NOT TRIED: root's privileges are given up by Linux's capabilities")
    chaos.recover("cli")
    chaos.project.switch()
    folder = index_folder(chaos.project.root.resolve(), str(chaos.cache))
    for path in (*folder.iterdir(), folder):
        path.chmod(path.stat().st_mode & 0o555)
    code, said = run(chaos, before=without_privileges)
    assert code == 2
    assert "--cache-dir" in said
    assert run(chaos, "status", without_privileges)[0] == 0
    assert folder.stat().st_mode & 0o777 == 0o500
    folder.chmod(0o700)
    assert run(chaos, before=without_privileges)[0] == 0, "nothing else is asked of the user"
    chaos.compare()
