"""Kills: rounds of work in which processes are killed, each followed by a comparison with an undisturbed index.

A round changes the project, starts the program on it a few times, each time killing one of its processes at a random
moment, then lets the program run once in peace. What it then says must be what an index says that was built from
nothing, and nothing may have been embedded that the store or the vector cache had when a process was started.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
from lsp.editor import SECONDS, Editor

from lsp_server.engine import corpus
from lsp_server.engine.cache import index_folder

from .project import Project
from .state import Remembering, State, alike, answers, build, embedded, graph_is_whole, read

CHECKOUT = Path(__file__).parents[2]
LOWERED = Path(__file__).with_name("lowered")
GRAPH_MINIMUM = 40
SMALL = {
    "lsp_server.engine.hnsw": {"GRAPH_MINIMUM": GRAPH_MINIMUM, "GRAPH_TAIL": 6, "BUILD_ROWS": 16},
    "lsp_server.engine.update": {"MANY": 24, "COMMIT_SECONDS": 0.02, "AHEAD": 32},
}
# The least that can be kept, so that every pass drops vectors and deletions, and trims the cache.
COMPACT = {
    "lsp_server.engine.commits": {"VECTORS_KEPT": 0, "DELETIONS_KEPT": 20},
    "lsp_server.engine.vector_cache": {"VectorCache.__init__.__defaults__": [60_000], "STEP": 50},
}
# What a process may have embedded and not yet stored: two batches of MANY, the queue of events (64), a text a thread.
IN_FLIGHT = 2 * 24 + 64 + 8
WORK = ("first", "save", "branch", "compact", "anew")  # anew: the index was deleted, the vector cache was not
STEPS = {"cli": 2_400, "indexer": 2_400, "reader": 300}  # in a first run over 18 files
FIRST = 10  # answers that have to be the same through a graph, but for a fifth of them
PATIENCE = 120.0  # seconds, for one run of the program on a slow machine
VICTIMS = ("cli at a step", "cli", "cli's reader", "server", "indexer", "indexer at a step", "server's reader", "both")


class Chaos:
    """One project, its cache, and what was done to them. Everything follows from `seed` but the clock."""

    def __init__(self, folder: Path, seed: int, files: int = 18) -> None:
        self.seed = seed
        self.folder = folder
        self.kills: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()  # the process had ended before
        self.lost: list[int] = []  # texts embedded in vain, for each kill
        self.rounds: Counter[str] = Counter()
        self.seconds: list[float] = []  # from the start of the program in peace to the whole index
        self._random = random.Random(seed)
        self._encoder = Remembering()
        self._undisturbed: dict[str, State] = {}
        self._calls = {work: dict(STEPS) for work in WORK}  # steps in one run, as it was last seen
        self._lasts = {"cli": 1.5, "server": 3.0}  # seconds that one run takes
        self._number = 0
        self._work = WORK[0]
        self.project = Project(folder / "project", seed, files)
        self.orders = folder / "orders"
        self.orders.mkdir()
        self._write_orders(SMALL)
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._number += 1
        self.cache = self.folder / f"cache-{self._number}"

    # ---- a round

    def round(self, work: str, victims: list[str]) -> None:
        """Do one kind of work, kill one process after the other amid it, recover and compare."""
        self.rounds[work] += 1
        self._work = work
        self._write_orders(SMALL | (COMPACT if work == "compact" else {}))
        hit = False
        for victim in victims:
            if not hit:  # what came to its end leaves nothing to be broken off
                self._give_work()
            before = self._before()
            hit = asyncio.run(self._on_server(victim)) if _needs_server(victim) else self._on_cli(victim)
            (self.kills if hit else self.missed)[victim] += 1
            self._check_embedded(before, work, hit)
        before = self._before()
        began = time.monotonic()
        self.recover(self._random.choice(("cli", "server")) if any(map(_needs_server, victims)) else "cli")
        self.seconds.append(time.monotonic() - began)
        self._check_embedded(before, work, hit=False)
        self.compare()

    def _give_work(self) -> None:
        if self._work == "first":
            self._start_afresh()
        elif self._work == "save":
            self.project.save()
        elif self._work == "anew":
            shutil.rmtree(index_folder(self.project.root.resolve(), str(self.cache)), ignore_errors=True)
        else:
            self.project.switch()

    def _write_orders(self, numbers: dict[str, object]) -> None:
        (self.orders / "numbers.json").write_text(json.dumps(numbers))

    def _before(self) -> set[bytes]:
        (self.orders / "embedded").write_bytes(b"")
        return embedded(self.project.root, self.cache)

    def _check_embedded(self, before: set[bytes], work: str, hit: bool) -> None:
        now = {bytes.fromhex(line) for line in (self.orders / "embedded").read_text().split()}
        again = now & before
        assert work == "compact" or not again, f"{len(again)} texts were embedded again"
        if hit:
            lost = now - embedded(self.project.root, self.cache) - _PROBES
            self.lost.append(len(lost))
            assert work == "compact" or len(lost) <= IN_FLIGHT, f"{len(lost)} embeddings were lost by one kill"

    def compare(self) -> None:
        """Fail unless the index says what one says that was built from nothing."""
        graph_is_whole(self.project.root, self.cache, self._encoder)
        found, wanted = read(self.project.root, self.cache, self._encoder), self._wanted()
        for part in ("files", "skipped", "symbols", "vectors", "answers"):
            one, other = getattr(found, part), getattr(wanted, part)
            differ = [key for key in {*one, *other} if not alike(one.get(key), other.get(key))]
            shown = [(key, _difference(one.get(key), other.get(key))) for key in differ[:3]]
            assert not differ, f"{part} differ from an index built from nothing: {shown}"
        self._compare_by_graph(wanted)

    def _compare_by_graph(self, wanted: State) -> None:
        """Fail unless the first answers are the same through the graph, which may leave out a row that is far off."""
        corpus.GRAPH_MINIMUM, kept = GRAPH_MINIMUM, corpus.GRAPH_MINIMUM
        try:
            found = answers(self.project.root, self.cache, self._encoder)
        finally:
            corpus.GRAPH_MINIMUM = kept
        for question, hits in wanted.answers.items():
            first = list(hits)[:FIRST]
            lost = [hit for hit in first if hit not in found[question]]
            assert len(lost) <= len(first) // 5, f"the graph loses {lost} of {question!r}"

    def _wanted(self) -> State:
        digest = hashlib.blake2b()
        for path in sorted(self.project.root.rglob("*")):
            if path.is_file() and ".git" not in path.parts:
                digest.update(str(path).encode() + b"\0" + path.read_bytes())
        key = digest.hexdigest()
        if key not in self._undisturbed:
            cache = self.folder / f"undisturbed-{len(self._undisturbed)}"
            self._undisturbed[key] = build(self.project.root, cache, self._encoder)
        return self._undisturbed[key]

    # ---- the command line

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(LOWERED), str(CHECKOUT)])
        return os.environ | {"PYTHONPATH": path, "CHAOS": str(self.orders), "NO_COLOR": "1"}

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "lsp_server", *words]

    def start_cli(self, command: str = "index", before: Callable[[], None] | None = None) -> "subprocess.Popen[bytes]":
        """Start a command of the command line; `before` is called in the new process."""
        return subprocess.Popen(
            self._command(command, str(self.project.root), "--cache-dir", str(self.cache)),
            env=self._environment(),
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=before,
        )

    def _on_cli(self, victim: str) -> bool:
        """Run `index` and kill; True if that met anything alive."""
        struck = {"cli at a step": "cli", "cli's reader": "reader"}.get(victim, "")
        if struck:
            self._order_strike(struck)
        process = self.start_cli()
        family: dict[int, psutil.Process] = {}
        try:
            if struck:
                self._follow(process, family, lambda: False, PATIENCE)
                hit = self._strike_fell(struck)
                wanted = -9 if hit and struck == "cli" else 0  # a pass goes on with another reader
                assert process.returncode == wanted
                return hit
            # Half a second of its life is Python's: no more than a part of the kills falls there.
            moment = time.monotonic() + self._random.uniform(0.1, 1.1) * self._lasts["cli"]
            self._follow(process, family, lambda: time.monotonic() > moment, PATIENCE)
            if process.returncode is not None:
                return False
            process.kill()
            return True
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()
            _all_gone(family.values())

    def _follow(
        self,
        process: "subprocess.Popen[bytes]",
        family: dict[int, psutil.Process],
        stop: Callable[[], bool],
        patience: float,
    ) -> None:
        """Wait for the end of a process or until `stop`; note its children."""
        until = time.monotonic() + patience
        with contextlib.suppress(psutil.Error):
            own = psutil.Process(process.pid)
            while process.poll() is None and not stop():
                assert time.monotonic() < until, "the program hangs"
                for child in own.children(recursive=True):
                    family.setdefault(child.pid, child)
                time.sleep(0.005)
        if not stop():
            process.wait(PATIENCE)

    def _kill_reader(self, process: psutil.Process) -> bool:
        """Kill the reading child; the pass must go on with another."""
        with contextlib.suppress(psutil.Error):
            for child in process.children(recursive=True):
                if "reading.serve" in " ".join(child.cmdline()):
                    child.kill()
                    return True
        return False

    def _order_strike(self, program: str) -> None:
        last = self._random.randint(1, self._calls[self._work][program])
        (self.orders / f"strike-{program}").write_text(str(last))

    def _learn_calls(self, program: str) -> None:
        with contextlib.suppress(OSError):
            (self.orders / f"strike-{program}").unlink()
        with contextlib.suppress(OSError, ValueError):  # it came to its end: so many steps there are
            self._calls[self._work][program] = max(100, int((self.orders / f"calls-{program}").read_text()))
            (self.orders / f"calls-{program}").unlink()

    # ---- the server

    async def _start_server(self) -> Editor:
        process = await asyncio.create_subprocess_exec(
            *self._command("--cache-dir", str(self.cache)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=2**24,
            cwd=CHECKOUT,
            env=self._environment(),
        )
        return Editor(process.stdout, process.stdin, process)

    async def _on_server(self, victim: str) -> bool:
        """Run a server and kill; True if that met anything alive. It recovers by itself where it still lives."""
        if victim == "indexer at a step":
            self._order_strike("indexer")
        began = time.monotonic()
        editor = await self._start_server()
        server = psutil.Process(editor.process.pid)
        family: dict[int, psutil.Process] = {}
        moment = began + self._random.uniform(0.2, 1.1) * self._lasts["server"]
        try:
            opening = asyncio.create_task(editor.initialize(self.project.root))
            with contextlib.suppress(ConnectionError):
                if victim == "indexer at a step":
                    await opening
                    await editor.ready()
                    _note_family(server, family)
                    return self._strike_fell("indexer")
            while time.monotonic() < moment:
                _note_family(server, family)
                await asyncio.sleep(0.01)
            hit = self._hit(victim, server)
            _note_family(server, family)
            if victim in ("server", "both"):
                await editor.process.wait()
                with contextlib.suppress(ConnectionError, TimeoutError):
                    await opening
                return hit
            await opening
            await _is_ready(editor)
            self._lasts["server"] = min(10.0, max(1.0, 0.5 * (self._lasts["server"] + time.monotonic() - began)))
            await editor.shut_down()
            return hit
        finally:
            if editor.process.returncode is None:
                editor.process.kill()
            await editor.process.wait()
            editor._listening.cancel()
            editor.process._transport.close()
            _all_gone(family.values())

    def _strike_fell(self, program: str) -> bool:
        ordered = self.orders / f"strike-{program}"
        fell = not ordered.exists() and not (self.orders / f"calls-{program}").exists()
        self._learn_calls(program)
        return fell

    def _hit(self, victim: str, server: psutil.Process) -> bool:
        indexers = [one for one in _children(server) if "lsp_server.indexer" in " ".join(_words(one))]
        if victim == "server's reader":
            return any(self._kill_reader(one) for one in indexers)
        aims = {"server": [server], "indexer": indexers, "both": [*indexers, server]}[victim]
        for one in aims:
            with contextlib.suppress(psutil.Error):
                one.kill()
        return bool(aims)

    # ---- recovery

    def recover(self, how: str) -> None:
        """Run the program in peace, as anybody would the next time."""
        if how == "server":
            asyncio.run(self._recover_server())
            return
        began = time.monotonic()
        process = self.start_cli()
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, output.decode()
        assert b"Traceback" not in output, output.decode()
        self._lasts["cli"] = min(8.0, max(0.6, 0.5 * (self._lasts["cli"] + time.monotonic() - began)))

    async def _recover_server(self) -> None:
        editor = await self._start_server()
        try:
            await editor.initialize(self.project.root)
            await editor.ready()
            await editor.shut_down()
        finally:
            if editor.process.returncode is None:
                editor.process.kill()
            await editor.process.wait()
            editor._listening.cancel()
            editor.process._transport.close()


_PROBES: set[bytes] = set()  # texts that are embedded to try the model, and belong to no file


def note_probes() -> None:
    """Learn which texts are embedded whatever the files hold."""
    from lsp_server.engine.agreement import TEXTS
    from lsp_server.engine.encoder import PROBE
    from lsp_server.engine.text import text_hash

    _PROBES.update(map(text_hash, (PROBE, *TEXTS)))


note_probes()


def _difference(found: object, wanted: object) -> str:
    """Return what one has and the other has not, cut short."""
    if isinstance(found, list) and isinstance(wanted, list):
        return f"{[row for row in found if row not in wanted]} instead of {[row for row in wanted if row not in found]}"
    return f"{found!r:.300} instead of {wanted!r:.300}"


def _needs_server(victim: str) -> bool:
    return not victim.startswith("cli")


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _note_family(process: psutil.Process, family: dict[int, psutil.Process]) -> None:
    for child in _children(process):
        family.setdefault(child.pid, child)


def _all_gone(processes) -> None:
    """Fail unless the children of a process that has gone end by themselves."""
    _, alive = psutil.wait_procs(list(processes), timeout=30)
    for one in alive:
        one.kill()
    assert not alive, f"outlived its parent: {[_words(one) for one in alive]}"


async def _is_ready(editor: Editor) -> None:
    """Wait until the server says that nothing is left to do."""
    async with asyncio.timeout(SECONDS):
        while True:
            folders = (await editor.request("workspace/semanticIndex"))["folders"]
            if folders and all(folder["state"] == "ready" for folder in folders):
                return
            await asyncio.sleep(0.05)
