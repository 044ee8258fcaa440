"""The life of an index: branches, followers, idleness, courtesy, and ten thousand saves.

Branches are two releases of a real package in one git repository. Everything else asks a real server from outside.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import psutil

from benchmarks.common import BenchError
from benchmarks.speed.client import Client, Message
from benchmarks.speed.rows import Row, at_most, told
from lsp_server.announce import how_far
from lsp_server.engine.encoder import Encoder, OnnxEncoder, bundled_model
from lsp_server.engine.index import Index, Options

RELEASES = ("flask==2.2.5", "flask==3.0.3")
OPENINGS = 5
LAGS = 8
IDLE_SECONDS = 60.0
BUSY_SECONDS = 20.0
BAR_SHARE = 10  # per cent, from which on the end is to be believed
SAVES = 10_000
SETTLED = 1_000  # saves after which memory is taken as the measure of the rest
PATIENCE = 600.0


class Counting:
    """An encoder that counts what it embeds."""

    def __init__(self, inner: Encoder) -> None:
        self._inner = inner
        self.fingerprint, self.dim, self.max_tokens = inner.fingerprint, inner.dim, inner.max_tokens
        self.encode_query = inner.encode_query
        self.texts = 0

    def encode(self, text: str):  # noqa: ANN201 - as the protocol says
        """Embed and count."""
        self.texts += 1
        return self._inner.encode(text)


def measure(large: Path) -> list[Row]:
    """All rows but those of the saves, which take half an hour."""
    with tempfile.TemporaryDirectory(prefix="meaning-life-") as folder:
        rows = _first_answers(large, Path(folder))
        rows += _branches(Path(folder))
        rows += _following(Path(folder))
        rows += _idle(Path(folder))
        rows += _courtesy(large, Path(folder))
        rows += _bar(large, Path(folder))
    return rows


# ---- a new project


def _first_answers(large: Path, folder: Path) -> list[Row]:
    """From the start of a server on a project that was never indexed to its first rows, found by words and names."""
    times = []
    for number in range(OPENINGS):
        with _client(large, folder / f"new-{number}") as client:
            opened = time.perf_counter()
            while not client.find("return")[1]:
                time.sleep(0.01)
            times.append(time.perf_counter() - opened)
    detail = f"after `initialize`: {' '.join(f'{took:.2f}' for took in times)} s"
    return [at_most("a new project, opened to first rows, median", median(times), (1.0, "s"), detail)]


# ---- branches


def _branches(folder: Path) -> list[Row]:
    """Texts embedded and seconds, for a switch between two releases and back, in a workspace and a worktree."""
    root = _repository(folder)
    options = Options(cache_dir=str(folder / "cache"))
    encoder = Counting(OnnxEncoder(bundled_model()))
    with closing(Index(root, options, encoder)) as index:
        _refresh(index)
        first, here = encoder.texts, _texts(index)
        there_embedded, there_took, there = _switch(index, encoder, "new")
        back_embedded, back_took, _ = _switch(index, encoder, "old")
        again_embedded, again_took, _ = _switch(index, encoder, "new")
    _git(root, "worktree", "add", "../worktree", "old")
    with closing(Index(folder / "worktree", options, encoder)) as index:
        encoder.texts = 0
        started = time.perf_counter()
        _refresh(index)
        worktree_took, worktree_embedded = time.perf_counter() - started, encoder.texts
    differing = len(there - here)
    return [
        told("branch switch: texts in all", first, "", " and ".join(RELEASES)),
        at_most(
            "branch switch: embedded, of those that differ",
            there_embedded / max(differing, 1),
            (1.0, "x"),
            f"{there_embedded} of {differing}, {there_took:.1f} s",
        ),
        at_most("  and back: embedded", back_embedded, (0, ""), f"{back_took:.1f} s"),
        at_most("  and there again: embedded", again_embedded, (0, ""), f"{again_took:.1f} s"),
        at_most("a worktree of the first branch: embedded", worktree_embedded, (0, ""), f"{worktree_took:.1f} s"),
    ]


def _switch(index: Index, encoder: Counting, branch: str) -> tuple[int, float, set[bytes]]:
    _git(index.root, "checkout", "--quiet", branch)
    encoder.texts = 0
    started = time.perf_counter()
    _refresh(index)
    return encoder.texts, time.perf_counter() - started, _texts(index)


def _texts(index: Index) -> set[bytes]:
    from lsp_server.engine.store import Store

    with closing(Store(index.store_path)) as store:
        return {row.text_hash for row in store.symbols_since(0, index.fingerprint)}


def _refresh(index: Index) -> None:
    for _ in index.refresh():
        pass


def _repository(folder: Path) -> Path:
    """Make a git repository with a branch for each release."""
    root = folder / "repository"
    root.mkdir()
    _git(root, "init", "--quiet", "-b", "old")
    for branch, release in zip(("old", "new"), RELEASES, strict=True):
        wheels = folder / branch
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels), release]
        if subprocess.run(command, check=False).returncode:
            raise BenchError(f"{release} could not be fetched")
        if branch == "new":
            _git(root, "checkout", "--quiet", "-b", "new")
            _git(root, "rm", "--quiet", "-r", ".")
        for wheel in wheels.glob("*.whl"):
            zipfile.ZipFile(wheel).extractall(root)
        _git(root, "add", "--all")
        _git(root, "commit", "--quiet", "-m", release)
    _git(root, "checkout", "--quiet", "old")
    return root


def _git(root: Path, *words: str) -> None:
    who = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
    subprocess.run(["git", "-C", str(root), *who, *words], check=True, capture_output=True)


# ---- several servers


def _client(root: Path, cache: Path) -> Client:
    return Client(root, {"cacheDir": str(cache)}, [sys.executable, "-m", "lsp_server", "serve"])


def _is_ready(status: Message) -> bool:
    return bool(status["state"] == "ready" and status["symbols"])


def _following(folder: Path) -> list[Row]:
    """From a commit of one server to the same rows in another that is told of nothing."""
    root, cache = folder / "worktree", folder / "cache"
    lags: list[float] = []
    with _client(root, cache) as writer, _client(root, cache) as follower:
        for client in (writer, follower):
            client.wait_status(_is_ready, PATIENCE)
        path = root / "flask" / "added.py"
        for number in range(LAGS):
            name = f"plant_tree_number_{number}"
            path.write_text(f"def {name}(orchard):\n    return orchard\n", encoding="utf-8")
            change = {"changes": [{"uri": path.as_uri(), "type": 2}]}
            writer.notify("workspace/didChangeWatchedFiles", change)
            first = _wait_found(writer, name)
            lags.append(max(0.0, _wait_found(follower, name) - first))
    detail = f"max {max(lags):.2f} s, n {len(lags)}"
    return [at_most("follower: after the writer finds it, median", median(lags), (1.0, "s"), detail)]


def _wait_found(client: Client, name: str) -> float:
    end = time.perf_counter() + PATIENCE
    while time.perf_counter() < end:
        if any(row["name"] == name for row in client.find(name)[1]):
            return time.perf_counter()
        time.sleep(0.01)
    raise BenchError(f"{name} was not found")


def _used(pid: int) -> float:
    """CPU seconds of a process and its children."""
    process = psutil.Process(pid)
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system
    return total


def _idle(folder: Path) -> list[Row]:
    """CPU of an open server while nobody does anything."""
    with _client(folder / "worktree", folder / "cache") as client:
        client.wait_status(_is_ready, PATIENCE)
        time.sleep(5.0)
        before = _used(client.pid)
        time.sleep(IDLE_SECONDS)
        used = _used(client.pid) - before
    what = f"idle: CPU over {IDLE_SECONDS:.0f} s, share of one core"
    return [at_most(what, used / IDLE_SECONDS, (0.01, ""), f"{used * 1000:.0f} ms")]


@contextmanager
def _burning() -> Iterator[None]:
    """Every core busy with something else, at ordinary priority."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(psutil.cpu_count() or 1)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def _courtesy(large: Path, folder: Path) -> list[Row]:
    """Share of the machine that indexing takes, alone and while every core is busy."""
    cores = psutil.cpu_count() or 1
    with _client(large, folder / "polite") as client:
        client.wait_status(lambda status: status["embedded"] > 100, PATIENCE)
        alone = _share(client.pid, BUSY_SECONDS, cores)
        with _burning():
            time.sleep(2.0)
            beside = _share(client.pid, BUSY_SECONDS, cores)
    return [
        at_most("indexing: share of all cores, alone", alone, (0.6, ""), "the setting says half"),
        at_most("indexing: share of all cores, all of them busy otherwise", beside, (0.1, "")),
    ]


def _share(pid: int, seconds: float, cores: int) -> float:
    before = _used(pid)
    time.sleep(seconds)
    return (_used(pid) - before) / seconds / cores


# ---- the progress bar


def _bar(large: Path, folder: Path) -> list[Row]:
    """How far the end that a bar promises is from the true one, during a first index."""
    marks: list[tuple[float, int]] = []
    with closing(Index(large, Options(cache_dir=str(folder / "bar")), OnnxEncoder(bundled_model()))) as index:
        started = time.perf_counter()
        for progress in index.refresh():
            marks.append((time.perf_counter() - started, how_far(progress)[0]))
    end = marks[-1][0]
    factors = [max(took / share * 100 / end, end * share / took / 100) for took, share in marks if share >= BAR_SHARE]
    what = f"progress bar: promised end / true end after the first {BAR_SHARE} %, worst"
    return [
        at_most(what, max(factors), (2.0, "x"), f"median {median(factors):.2f} x, {len(factors)} looks, {end:.0f} s")
    ]


# ---- ten thousand saves


def measure_saves() -> list[Row]:
    """Memory over many saves of a file, each waited for."""
    with tempfile.TemporaryDirectory(prefix="meaning-saves-") as folder:
        root = Path(folder) / "root"
        root.mkdir()
        path = root / "orchard.py"
        path.write_text("def plant():\n    pass\n", encoding="utf-8")
        document = {"uri": path.as_uri()}
        samples: list[tuple[int, float]] = []
        with _client(root, Path(folder) / "cache") as client:
            client.wait_status(_is_ready, PATIENCE)
            opened = {**document, "languageId": "python", "version": 0, "text": path.read_text(encoding="utf-8")}
            client.notify("textDocument/didOpen", {"textDocument": opened})
            for number in range(1, SAVES + 1):
                text = "\n\n".join(f"def tree_{k}(rows):\n    return rows * {number + k}\n" for k in range(5))
                change = {"textDocument": {**document, "version": number}, "contentChanges": [{"text": text}]}
                client.notify("textDocument/didChange", change)
                path.write_text(text, encoding="utf-8")
                client.forget_statuses()
                client.notify("textDocument/didSave", {"textDocument": document})
                client.wait_status(lambda status: status["state"] == "indexing", PATIENCE)
                client.wait_status(_is_ready, PATIENCE)
                if number % 500 == 0:
                    samples.append((number, psutil.Process(client.pid).memory_info().rss / 1e6))
    settled = max(rss for number, rss in samples if number <= SETTLED)
    last = median(rss for _, rss in samples[-3:])
    steps = " ".join(f"{rss:.0f}" for _, rss in samples)
    return [
        at_most(
            f"{SAVES:,} saves: RSS at the end over that after {SETTLED:,}", last / settled, (1.1, "x"), f"{steps} MB"
        ),
    ]
