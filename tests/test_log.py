"""The log: who writes it, who may read it, what never stands in it, and that it stops nothing."""

import json
import logging
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lsp.editor import editor, write_files

from lsp_server.engine import log
from lsp_server.engine.errors import EngineError
from lsp_server.engine.files import Rules
from lsp_server.engine.log import OwnFile, child_log, log_folder, log_to_file, sweep
from lsp_server.engine.reading import ReadingProcess, Wanted

PACKAGE = str(Path(__file__).parent.parent)
TEXT = "correct horse battery staple"
DEAD = 2**22 + 1  # above Linux' largest process id; elsewhere as good as never used
posix = pytest.mark.skipif(os.name == "nt", reason="Windows keeps permissions otherwise")


def run(script, *words):
    """Run Python with our package at hand; give what it wrote."""
    environment = os.environ | {"PYTHONPATH": PACKAGE}
    return subprocess.run([sys.executable, "-c", script, *words], env=environment, capture_output=True, text=True,
                          timeout=60, check=False)  # fmt: skip


def logs(cache):
    """Give all that stands in the logs of a cache, by the name of the program."""
    found = {}
    for path in sorted(log_folder(str(cache)).iterdir()):
        found[path.name.partition("-")[0]] = found.get(path.name.partition("-")[0], "") + path.read_text("utf-8")
    return found


@pytest.fixture
def logger(tmp_path):
    """A logger of ours that writes to a file alone; the file's path is its attribute `path`."""
    made = logging.getLogger("lsp_server.test_log")
    handler = OwnFile(tmp_path / "log" / f"server-{os.getpid()}.log")
    made.path, made.handler = Path(handler.baseFilename), handler
    made.addHandler(handler)
    made.propagate = False
    yield made
    made.removeHandler(handler)
    handler.close()


@pytest.fixture
def restored():
    """What is logged to is afterwards as it was before."""
    root = logging.getLogger()
    before = list(root.handlers)
    yield root
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)
        handler.close()


# ---- who writes


@pytest.mark.asyncio
async def test_server_and_indexer_keep_a_log_without_any_text(tmp_path):
    root, cache = tmp_path / "project", tmp_path / "cache"
    write_files(root, f'//- a.py\ndef greet():\n    """{TEXT}"""\n')
    async with editor(cache) as client:
        await client.initialize(root)
        await client.ready()
        told = client.of("semanticIndex/status")[-1]
        assert Path(told["log"]) == log_folder(str(cache))
        client.open(root / "a.py", f"def unsaved(): return '{TEXT}'")
        client.notify("textDocument/didChange", {"textDocument": TEXT, "contentChanges": [{"text": TEXT}]})
        client.notify("$/setTrace", {"value": "verbose"})
        assert (await client.search(TEXT))["symbols"]
        assert (log_folder(str(cache)) / f"server-{client.process.pid}.log").exists()
    written = logs(cache)
    assert "malformed notification textDocument/didChange" in written["server"]
    assert "indexing " in written["indexer"]
    assert "horse" not in "".join(written.values())


def test_the_reading_process_keeps_a_log_without_any_text(tmp_path, restored):
    """A real child, whose reading fails for it is given rules that are none."""
    (tmp_path / "a.py").write_text(f"def a(): return '{TEXT}'\n")
    log_to_file(str(tmp_path / "cache"), "search")
    reader = ReadingProcess(tmp_path, None)
    (left,) = reader.records([Wanted("a.py", (0, 0, 0), b"")])
    reader.close()
    assert left.left_out == "reading it failed (AttributeError)"
    written = logs(tmp_path / "cache")["reader"]
    assert "reading 'a.py' failed" in written
    assert "files.py:" in written
    assert "horse" not in written


def test_a_child_logs_where_its_parent_does(tmp_path, restored):
    restored.setLevel(logging.INFO)
    log_to_file(str(tmp_path), "server")
    script = "; import logging; logging.getLogger('lsp_server.x').info('I am %d', 5)"
    done = run(child_log("reader") + script)
    assert done.returncode == 0, done.stderr
    assert "lsp_server.x: I am 5" in logs(tmp_path)["reader"]
    assert "lsp_server.x: I am 5" in done.stderr


def test_the_log_moves_with_the_cache(tmp_path, restored):
    for name in ("one", "two", "two"):
        log_to_file(str(tmp_path / name), "server")
        logging.getLogger("lsp_server.x").error("here is %s", name)
    assert "here is one" in logs(tmp_path / "one")["server"]
    assert logs(tmp_path / "two")["server"].count("here is two") == 2
    assert "two" not in logs(tmp_path / "one")["server"]


def test_several_processes_write_side_by_side(tmp_path):
    script = (
        "import logging, sys; from lsp_server.engine import log; log.log_to_file(sys.argv[1], 'server')\n"
        "for n in range(200): logging.getLogger('lsp_server.x').error('line %d', n)"
    )
    environment = os.environ | {"PYTHONPATH": PACKAGE}
    command = [sys.executable, "-c", script, str(tmp_path)]
    processes = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(4)]
    for process in processes:
        _, complaint = process.communicate(timeout=60)
        assert (process.returncode, complaint) == (0, b"")
        lines = (tmp_path / "log" / f"server-{process.pid}.log").read_text().splitlines()
        assert [line.rpartition(": ")[2] for line in lines] == [f"line {n}" for n in range(200)]


def test_the_command_line_writes_down_trouble_alone(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.py").write_text("def a():\n    return 1\n")
    words = [sys.executable, "-m", "lsp_server", "index", "--cache-dir", str(tmp_path / "c"), str(tmp_path / "p")]
    environment = os.environ | {"PYTHONPATH": PACKAGE}
    subprocess.run(words, env=environment, check=True, capture_output=True, timeout=60)
    assert not (tmp_path / "c" / "log").exists()
    (store,) = (tmp_path / "c").glob("index-*/*/index.db")
    store.write_bytes(b"this is no database" * 1000)
    done = subprocess.run([*words, "--json"], env=environment, check=True, capture_output=True, timeout=60)
    assert logs(tmp_path / "c")["index"].count("is damaged") == 1
    assert json.loads(done.stdout)["log"] == str(tmp_path / "c" / "log")


# ---- what stands in it


def test_an_exception_is_told_without_its_words(logger):
    try:
        try:
            {}[TEXT]
        except KeyError as error:
            raise ValueError(f"invalid literal: {TEXT}") from error
    except ValueError as error:
        logger.exception("reading %r failed: %s", "a.py", error)
    written = logger.path.read_text()
    assert "reading 'a.py' failed: ValueError\n" in written
    assert "\n  KeyError\n" in written
    assert f"{Path(__file__).name}:" in written
    assert "horse" not in written


def test_words_of_the_system_and_ours_are_kept(logger):
    logger.error("one: %s", FileNotFoundError(2, "No such file", "a.py"))
    logger.error("two", exc_info=EngineError("Free some space."))
    written = logger.path.read_text()
    assert "No such file: 'a.py'" in written
    assert "Free some space." in written


def test_another_handler_gets_the_record_as_it_was(logger, caplog):
    logger.addHandler(caplog.handler)
    try:
        raise ValueError(TEXT)
    except ValueError:
        logger.exception("here")
    logger.removeHandler(caplog.handler)
    assert TEXT in caplog.text, "the command line's --verbose shows where a mistake is"
    assert TEXT not in logger.path.read_text()


def test_what_libraries_say_is_not_kept(tmp_path, restored):
    log_to_file(str(tmp_path), "server")
    logging.getLogger("pygls.protocol").error("cannot handle %s", {"text": TEXT})
    logging.getLogger("asyncio").error(f"never retrieved: {TEXT}")
    written = logs(tmp_path)["server"]
    assert "pygls.protocol" in written
    assert "asyncio" in written
    assert "horse" not in written


def test_a_name_with_a_line_end_stays_on_its_line(logger):
    logger.warning("left out %s: too large", "a\n2026-01-01 00:00:00 ERROR forged\x1b[2J\udc80")
    (line,) = logger.path.read_text().splitlines()
    assert "a\\x0a2026" in line
    assert "\x1b" not in line


# ---- how much, and who may read it


@posix
def test_it_is_readable_by_its_owner_alone(logger):
    logger.path.parent.mkdir()
    logger.path.touch(mode=0o644)
    logger.error("x")
    assert stat.S_IMODE(logger.path.stat().st_mode) == 0o600


@posix
def test_its_folder_and_what_is_rotated_are_its_owner_s_too(logger, monkeypatch):
    logger.handler.maxBytes = 1_000
    for number in range(100):
        logger.error("line %d", number)
    files = sorted(logger.path.parent.iterdir())
    assert [path.name for path in files] == [logger.path.name, f"{logger.path.name}.1", f"{logger.path.name}.2"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(logger.path.parent.stat().st_mode) == 0o700
    assert all(path.stat().st_size <= 1_000 for path in files)
    assert "line 99" in logger.path.read_text()


@posix
def test_a_link_in_its_place_is_not_followed(logger, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    logger.path.parent.mkdir()
    logger.path.symlink_to(victim)
    logger.error("x")
    assert victim.read_text() == "mine"


def test_logs_of_ended_processes_are_bounded(tmp_path, restored):
    now = time.time()
    for number in range(log.ENDED_FILES + 5):
        path = tmp_path / f"server-{DEAD + number}.log"
        path.touch()
        os.utime(path, (now - number, now - number))
    kept = [f"indexer-{os.getpid()}.log", f"indexer-{os.getpid()}.log.1", "notes.txt"]
    for name in [*kept, f"reader-{DEAD}.log.2"]:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1, 1))
    sweep(tmp_path)
    newest = {f"server-{DEAD + number}.log" for number in range(log.ENDED_FILES)}
    assert {path.name for path in tmp_path.iterdir()} == newest | set(kept)
    os.utime(tmp_path / f"server-{DEAD}.log", (now - log.ENDED_SECONDS - 60,) * 2)
    sweep(tmp_path)
    assert not (tmp_path / f"server-{DEAD}.log").exists()


# ---- it stops nothing


def test_where_nothing_can_be_written_it_is_told_once(logger, capsys):
    logger.path.parent.write_text("a file where the folder would be")
    for _ in range(3):
        logger.error("x")
    assert capsys.readouterr().err.count("cannot be written") == 1
    logger.path.parent.unlink()
    logger.error("y")
    assert logger.path.read_text().endswith(": y\n")


def test_a_deleted_log_is_made_again(logger):
    logger.error("x")
    if os.name != "nt":
        logger.path.unlink()
        logger.path.parent.rmdir()
    logger.error("y")
    assert logger.path.read_text().endswith(": y\n")


@posix
def test_a_full_disk_stops_nothing(tmp_path):
    """The system's limit on the size of files stands for it: writes fail in the middle of a line."""
    script = (
        "import logging, resource, sys; from lsp_server.engine import log\n"
        "log.log_to_file(sys.argv[1], 'server')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "for n in range(300): logging.getLogger('lsp_server.x').error('line %d of many', n)\n"
        "print('went on')"
    )
    done = run(script, str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "went on\n")
    assert done.stderr.count("cannot be written") == 1
    assert "Traceback" not in done.stderr


@posix
def test_without_a_current_folder_there_is_no_log_and_no_trouble(tmp_path):
    script = (
        "import logging, os, sys; from lsp_server.engine import log\n"
        "gone = sys.argv[1] + '/gone'; os.mkdir(gone); os.chdir(gone); os.rmdir(gone)\n"
        "log.log_to_file('relative', 'server'); logging.getLogger('lsp_server.x').info('x'); print('went on')"
    )
    done = run(script, str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")


def test_rules_are_what_a_reader_is_given(tmp_path):
    """The counterpart of the reading that fails above."""
    (tmp_path / "a.py").write_text("def a():\n    return 1\n")
    reader = ReadingProcess(tmp_path, Rules())
    (record,) = reader.records([Wanted("a.py", (0, 0, 0), b"")])
    reader.close()
    assert record.path == "a.py"
