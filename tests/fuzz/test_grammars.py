"""No input takes more with it than its own file: the short form of `make fuzz`, and that its eyes are open."""

import os
import signal
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lsp_server.engine import reading
from lsp_server.engine.files import Rules
from lsp_server.engine.reading import ReadingProcess, Wanted

from .reading import BROKEN, Reader
from .ugly import LANGUAGE_NAMES, Input, inputs


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    made = Reader(tmp_path_factory.mktemp("inputs"))
    yield made
    made.close()


def test_all_real_code_is_read(reader):
    """What is spoilt below is sound, in every language that has a grammar: none is left out as something else."""
    before = reader.tally.read.total()
    reader.read([Input(language, ()) for language in LANGUAGE_NAMES])
    assert reader.tally.read.total() - before == len(LANGUAGE_NAMES)
    assert set(reader.tally.read) == set(LANGUAGE_NAMES)


@given(st.lists(inputs, min_size=20, max_size=40))
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_whatever_is_read_the_others_are_read_too(reader, spoilt):
    reader.read(spoilt)


def test_a_file_that_ends_or_holds_up_the_child_is_named_and_the_others_are_read(tmp_path, monkeypatch):
    """The child is killed as a crash kills it, and stopped as a hang stops it, each time one file is read."""
    monkeypatch.setattr(reading, "STUCK_SECONDS", 1.0)
    process = ReadingProcess(tmp_path, Rules())
    ask, trouble = process._ask, {"b.py": signal.SIGKILL, "c.py": signal.SIGSTOP}

    def ask_with_trouble(wanted):
        for one in wanted:
            if one.path in trouble:
                process.start()
                os.kill(process.pid, trouble[one.path])
        return ask(wanted)

    monkeypatch.setattr(process, "_ask", ask_with_trouble)
    names = ["a.py", "b.py", "c.py", "d.py"]
    for name in names:
        Path(tmp_path, name).write_text("def healthy():\n    return 1\n")
    records = list(process.records([Wanted(name, (0, 0, 0), b"") for name in names]))
    process.close()
    assert [(record.path, record.left_out) for record in records] == [
        ("a.py", ""),
        ("b.py", BROKEN),
        ("c.py", BROKEN),
        ("d.py", ""),
    ]


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
@pytest.mark.parametrize("trouble", ["killed twice", "without the processor for long"])
def test_a_file_is_not_left_out_for_what_is_not_its_fault(tmp_path, monkeypatch, trouble):
    """A reader that chance kills, or that a busy machine lets wait for longer than any file may take."""
    monkeypatch.setattr(reading, "FILE_SECONDS", 1.0)
    process = ReadingProcess(tmp_path, Rules())
    ask, asked = process._ask, []

    def ask_with_trouble(wanted):
        asked.append(wanted)
        if len(asked) <= 2 and trouble == "killed twice":
            process.start()
            os.kill(process.pid, signal.SIGKILL)
        elif trouble != "killed twice":
            pid = process.start().pid
            os.kill(pid, signal.SIGSTOP)
            threading.Timer(3.0, os.kill, (pid, signal.SIGCONT)).start()
        return ask(wanted)

    monkeypatch.setattr(process, "_ask", ask_with_trouble)
    (tmp_path / "a.py").write_text("def healthy():\n    return 1\n")
    (record,) = process.records([Wanted("a.py", (0, 0, 0), b"")])
    process.close()
    assert record.left_out == ""


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_a_child_that_does_not_end_in_time_leaves_no_pipe_open(tmp_path):
    process = ReadingProcess(tmp_path, Rules())
    child = process.start()
    os.kill(child.pid, signal.SIGSTOP)
    process.close()
    assert child.returncode == -signal.SIGKILL
    assert child.stdin is not None and child.stdin.closed
    assert child.stdout is not None and child.stdout.closed


def test_a_file_that_takes_the_processor_for_too_long_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "FILE_SECONDS", 0.05)
    process = ReadingProcess(tmp_path, Rules())
    (tmp_path / "a.py").write_text("def healthy(one, two):\n    return one + two\n" * 20_000)
    (record,) = process.records([Wanted("a.py", (0, 0, 0), b"")])
    process.close()
    assert record.left_out == BROKEN
