"""Indexing lets others go first: it rests beside them, takes turns, and waits while power is to be saved."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from support import BagEncoder, write_workspace

from lsp_server import courtesy, foreground, indexer
from lsp_server.courtesy import Courtesy, measure
from lsp_server.engine.errors import Interrupted
from lsp_server.engine.home import Turn
from lsp_server.engine.index import Index, Options
from lsp_server.indexer import Job, Jobs

CHECKOUT = Path(__file__).parent.parent
MANY = "//- many.py\n" + "".join(
    f"def number_{i}(value):\n    return value + {i}\n" for i in range(courtesy.MUCH + 400)
)


def test_cpu_time_of_all_and_of_ours_is_measured():
    used, ours = measure(lambda: ())
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    more, mine = measure(lambda: (os.getppid(),))  # a process more
    assert mine - ours > 0.25
    assert more - used >= 0.2


@pytest.mark.parametrize(("others", "rest"), [(0.1, 0.0), (0.6, 1.0), (0.95, 3.0)])
def test_rest_grows_with_what_others_use(monkeypatch, others, rest):
    """The machine's counters are given: others use so much of four cores, we one core."""
    clock, rested = [100.0], []
    monkeypatch.setattr(courtesy.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(courtesy.time, "sleep", rested.append)
    pace = Courtesy(lambda: (clock[0] * (others * 4 + 1), clock[0]), cores=4, most=2)
    pace(0.01)
    assert rested == []  # not measured yet
    clock[0] += 2.0
    pace(0.01)
    assert pace.others == pytest.approx(others)
    assert rested == ([pytest.approx(rest * 0.01)] if rest else [])


def test_all_of_us_together_keep_to_their_share(monkeypatch):
    """A process that reads takes .7 of a core and does not rest; whoever embeds has the rest of one."""
    clock, embedded = [100.0], [0.0]
    monkeypatch.setattr(courtesy.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(courtesy.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    pace = Courtesy(lambda: (0.7 * clock[0] + embedded[0],) * 2, cores=2, most=1)

    def embed(seconds):
        began, before = clock[0], embedded[0]
        while clock[0] - began < seconds:
            clock[0] += 0.01
            embedded[0] += 0.01
            pace(0.01)
        return (embedded[0] - before) / (clock[0] - began)

    embed(15)
    assert embed(20) == pytest.approx(0.3, abs=0.06)


def test_the_indexing_process_is_idle(tmp_path):
    with Child(tmp_path) as child:
        child.until("end")
        process = psutil.Process(child.process.pid)
        assert process.nice() == (psutil.IDLE_PRIORITY_CLASS if os.name == "nt" else 19)
        if sys.platform == "linux":
            assert process.ionice().ioclass == psutil.IOPRIO_CLASS_IDLE


class Child:
    """A real indexing process on a project of many texts; its reports, as the server hears them."""

    def __init__(self, folder):
        root = write_workspace(folder / "project", MANY)
        options = asdict(Options(cache_dir=str(folder / "cache")))
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from lsp_server.indexer import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        )
        told = {"root": str(root), "options": options, "level": 30, "server": os.getpid(), "again": True}
        self.say(told)
        self.say({"job": 1, "update": []})

    def say(self, command):
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()

    def until(self, key):
        """Return the next report that has a key."""
        while report := json.loads(self.process.stdout.readline()):
            if key in report:
                return report

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


HOLD = """
import sys, pathlib, time
from lsp_server.engine.home import Turn
turn = Turn(pathlib.Path(sys.argv[1])); assert turn.take(); print("mine", flush=True); time.sleep(120)
"""


def holder(cache):
    """A process that has the turn, until it is killed."""
    cache.mkdir(parents=True, exist_ok=True)
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(cache)], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(CHECKOUT)}
    )
    assert held.stdout.readline().strip() == b"mine"
    return held


def test_one_process_has_the_turn_and_loses_it_when_it_dies(tmp_path):
    held = holder(tmp_path)
    turn = Turn(tmp_path)
    assert not turn.take()
    os.kill(held.pid, signal.SIGKILL)
    held.wait()
    held.stdout.close()
    assert turn.take()
    assert turn.take()  # still
    turn.close()


def test_much_work_waits_for_its_turn_and_what_was_saved_does_not(tmp_path):
    held = holder(tmp_path / "cache")
    with Child(tmp_path) as child:
        assert child.until("wait") == {"job": 1, "wait": "turn"}
        (tmp_path / "project/saved.py").write_text("def just_saved():\n    pass\n")
        child.say({"job": 2, "paths": ["saved.py"]})
        assert child.until("end") == {"job": 2, "end": "done", "message": ""}
        assert child.until("wait")["wait"] == "turn"
        held.kill()
        held.wait()
        held.stdout.close()
        assert child.until("end") == {"job": 1, "end": "done", "message": ""}


def test_much_work_waits_while_power_is_saved_unless_it_is_hurried(tmp_path, monkeypatch):
    """The system says that power is to be saved; see test_power.py for what systems really say."""
    monkeypatch.setattr(indexer, "saving_power", lambda: True)
    jobs, told, job = Jobs(), [], Job(1, whole=True, paths=())
    turn = Turn(tmp_path)
    waiting = threading.Thread(target=indexer._wait, args=(job, jobs, turn, told.append), daemon=True)
    waiting.start()
    waiting.join(1.2)
    assert waiting.is_alive()
    assert told == [{"job": 1, "wait": "power"}]
    jobs.hurry(1)
    waiting.join(10)
    assert not waiting.is_alive()
    turn.close()


def test_waiting_ends_when_the_job_does(tmp_path, monkeypatch):
    monkeypatch.setattr(indexer, "saving_power", lambda: True)
    jobs, job = Jobs(), Job(1, whole=True, paths=())
    waiting = threading.Thread(target=indexer._wait, args=(job, jobs, Turn(tmp_path), lambda _: None), daemon=True)
    waiting.start()
    jobs.cancel(1)
    waiting.join(10)
    assert not waiting.is_alive()


def test_a_command_that_somebody_waits_for_has_the_editors_wait_meanwhile(tmp_path):
    root = write_workspace(tmp_path / "project", MANY)
    cache = tmp_path / "cache"
    taken = []
    with contextlib.closing(Index(root, Options(cache_dir=str(cache)), BagEncoder())) as index:
        for progress in foreground.refresh(index):
            if progress.texts_total - progress.texts_done > courtesy.MUCH:
                other = Turn(cache)
                taken.append(other.take())
                other.close()
        assert isinstance(index.writing.pace, Courtesy)
    assert set(taken) == {False}
    last = Turn(cache)
    assert last.take()
    last.close()


def test_a_command_that_somebody_waits_for_does_not_wait_itself(tmp_path):
    root, cache = write_workspace(tmp_path / "project", MANY), tmp_path / "cache"
    held = holder(cache)
    try:
        words = [sys.executable, "-m", "lsp_server", "index", "--cache-dir", str(cache), str(root)]
        environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
        subprocess.run(words, env=environment, capture_output=True, check=True, timeout=100)
    finally:
        held.kill()
        held.wait()
        held.stdout.close()


def test_a_look_for_files_gives_way_to_what_was_saved_but_once():
    jobs, whole = Jobs(), Job(1, whole=True, paths=())
    indexer._glance(whole, jobs)
    jobs.add(Job(2, whole=False, paths=("saved.py",)))
    with pytest.raises(Interrupted):
        indexer._glance(whole, jobs)
    jobs.put_back(whole)
    indexer._glance(whole, jobs)  # with saves every second it would never come to an end
    jobs.cancel(1)
    with pytest.raises(Interrupted):
        indexer._glance(whole, jobs)
