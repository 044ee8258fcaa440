"""The server from outside: memory, questions, saving and opening, as a real process that speaks the protocol.

One conversation indexes the project from nothing, then answers at rest, while files are saved, and while packages are
added; after it the unchanged project is opened again a few times, by the server and by `meaning-ls search`.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.common import BenchError, percentile
from benchmarks.speed.client import Client, Message
from benchmarks.speed.memory import Peak, sample
from benchmarks.speed.projects import SAVED_SYMBOLS, Project, saved_text, write_saved
from benchmarks.speed.rows import Row, at_most, spread, told
from lsp_server.engine.index import Index, Options

PEAK = 600.0  # MB
RESTING = 300.0
P95 = 25.0  # ms
BUSY = 3.0  # times the p95 at rest
OPENING = 1.0  # seconds
SAVING = 500.0  # ms

# Seconds to wait for a first index of 20,000 symbols on a slow, shared machine.
INDEXING_PATIENCE = 1800.0
SAVING_PATIENCE = 30.0

# Questions per timing, rounds of the things that are slow to repeat.
QUESTIONS = 300
OPENINGS = 5
ASKING_PAUSE = 0.02  # seconds; without one the questions take the processor from what they wait for
SAVING_PAUSE = 1.2  # seconds between saves; those that follow each other faster are taken together

# What is saved, one after the other: a function, and a question that only it answers, in nearly the same words: how
# well search finds is not measured here, only when.
SAVED = (
    ("hatch_egg", "Keep the egg of a penguin warm until the chick comes out.", "keep a penguin egg warm"),
    ("tune_violin", "Turn the pegs until every string of the violin has its pitch.", "turn the pegs of a violin"),
    ("brew_tea", "Let the leaves steep in hot water for three minutes.", "let tea leaves steep in hot water"),
    ("shear_sheep", "Cut the wool off a sheep before summer.", "cut the wool off sheep"),
    ("fold_crane", "Make a crane out of a square of paper.", "make a paper crane"),
    ("moor_boat", "Tie the boat to the pier before the tide turns.", "tie a boat to the pier"),
    ("knead_dough", "Work the dough until it is smooth, then let it rise.", "work the dough until smooth"),
    ("prune_roses", "Cut the roses back in early spring.", "cut back roses in spring"),
)


@dataclass(frozen=True, slots=True)
class Bench:
    """What every measurement of the server needs."""

    project: Project
    cache: Path
    questions: Sequence[str]

    def client(self) -> Client:
        """Start a server for the project."""
        return Client(self.project.root, {"cacheDir": str(self.cache)}, [sys.executable, "-m", "lsp_server", "serve"])


def measure(bench: Bench) -> list[Row]:
    """All rows about the server; the cache must be empty before and holds the project's index afterwards."""
    bench.project.restore()
    with bench.client() as client:
        rows = _first_index(client)
        rest, rest_rows = _at_rest(client, bench.questions)
        rows += rest_rows
        rows += _saving(client, bench)
        rows += _while_indexing(client, bench, rest)
    rows += _opening(bench)
    return rows


def _is_ready(status: Message) -> bool:
    return bool(status["state"] == "ready" and status["symbols"])


def _first_index(client: Client) -> list[Row]:
    """Memory while the project is indexed from nothing and after it, and how soon the first answers come."""
    with Peak(client.pid) as peak:
        ready = client.wait_status(_is_ready, INDEXING_PATIENCE)
    took, _, status = client.find("where the answer is looked up")
    size = f"{status['symbols']:,} symbols, {status['embedded']:,} embedded"
    return [
        told("first index through the server, start to ready", ready - client.started, "s", size),
        at_most("memory (RSS, all processes), peak while indexing", peak.largest.rss, (PEAK, "MB"), str(peak.largest)),
        told("  first question after it", took, "ms"),
    ]


def _at_rest(client: Client, questions: Sequence[str]) -> tuple[list[float], list[Row]]:
    """Milliseconds of questions to a server that does nothing else, and its memory after them."""
    times = [client.find(question)[0] for question in questions[:QUESTIONS]]
    after = sample(client.pid)
    rows = [
        at_most("question, server, p95", percentile(times, 0.95), (P95, "ms"), spread(times)),
        at_most("memory (RSS, all processes), after indexing and questions", after.rss, (RESTING, "MB"), str(after)),
    ]
    return times, rows


def _saving(client: Client, bench: Bench) -> list[Row]:
    """From didSave of a file, one function of it new, until that is found: in the editor, and by another process."""
    root = bench.project.root
    follower = Index(root, Options(cache_dir=str(bench.cache)))
    document = {"uri": write_saved(root, saved_text("")).as_uri()}
    opened = {**document, "languageId": "python", "version": 1, "text": saved_text("")}
    client.notify("textDocument/didOpen", {"textDocument": opened})
    seen: list[float] = []
    stored: list[float] = []
    try:
        for version, (name, doc, question) in enumerate(SAVED, 2):
            text = saved_text(f'def {name}(thing):\n    """{doc}"""\n    return thing\n')
            change = {"textDocument": {**document, "version": version}, "contentChanges": [{"text": text}]}
            client.notify("textDocument/didChange", change)
            write_saved(root, text)
            started = time.perf_counter()
            client.notify("textDocument/didSave", {"textDocument": document})
            one, two = _wait_found(client, follower, (name, question), started)
            time.sleep(SAVING_PAUSE)
            seen.append((one - started) * 1000)
            stored.append((two - started) * 1000)
    finally:
        follower.close()
    client.notify("textDocument/didClose", {"textDocument": document})
    bench.project.restore()
    limit = (SAVING, "ms")
    what = f"file of {SAVED_SYMBOLS} symbols"
    return [
        at_most(f"didSave to found by meaning, {what}, median", median(seen), limit, spread(seen)),
        at_most(f"didSave to seen by another process, {what}, median", median(stored), limit, spread(stored)),
    ]


def _wait_found(client: Client, follower: Index, wanted: tuple[str, str], started: float) -> tuple[float, float]:
    """When the server's answer to the question held the name, and when the index on disk did (perf_counter).

    Raises:
        BenchError: it is not found at all.
    """
    name, question = wanted
    seen = stored = 0.0
    while not (seen and stored):
        if not seen and _finds(client, question, name):
            seen = time.perf_counter()
        if not stored:
            follower.catch_up()
            if any(hit.name == name for hit in follower.find_names(name, 5)):
                stored = time.perf_counter()
        if time.perf_counter() - started > SAVING_PATIENCE:
            missing = "the server's answers" if not seen else "the index"
            raise BenchError(f"{name} was saved but did not come up in {missing} within {SAVING_PATIENCE:.0f} s")
    return seen, stored


def _finds(client: Client, question: str, name: str) -> bool:
    """Return whether the server's answer holds the name, and its vector had a part in that."""
    return any(row["name"] == name and row["match"] != "words" for row in client.find(question)[1])


def _while_indexing(client: Client, bench: Bench, rest: Sequence[float]) -> list[Row]:
    """Questions while added packages are indexed, against the same questions at rest."""
    client.forget_statuses()
    added = bench.project.add_packages()
    _tell_changed(client, added, 1)
    client.wait_status(lambda status: status["state"] == "indexing", SAVING_PATIENCE)
    busy: list[float] = []
    for question in itertools.islice(itertools.cycle(bench.questions), 10 * QUESTIONS):
        took, _, status = client.find(question)
        if status["state"] == "ready":
            break
        busy.append(took)
    bench.project.restore()
    _tell_changed(client, added, 3)
    if not busy:
        return [told("question, server, while indexing", 0, "", "indexing ended before a question could be asked")]
    ratio = percentile(busy, 0.95) / percentile(rest, 0.95)
    return [at_most("question, server, while indexing, p95 / at rest", ratio, (BUSY, "x"), spread(busy))]


def _tell_changed(client: Client, folders: Sequence[Path], kind: int) -> None:
    """Send a watch event for each folder, as VS Code does; kind 1 is created, 3 deleted."""
    changes = [{"uri": folder.as_uri(), "type": kind} for folder in folders]
    client.notify("workspace/didChangeWatchedFiles", {"changes": changes})


def _opening(bench: Bench) -> list[Row]:
    """From the start of a process to its first answer, on an index that needs no work."""
    with bench.client() as client:  # takes in what the measurements before left behind
        client.wait_status(_is_ready, INDEXING_PATIENCE)
    first: list[float] = []
    hybrid: list[float] = []
    for _ in range(OPENINGS):
        with bench.client() as client:
            first.append(_first_answer(client, bench.questions[0], "any"))
            hybrid.append(_first_answer(client, bench.questions[0], "hybrid"))
    search = [_search_process(bench) for _ in range(OPENINGS)]
    return [
        at_most("opening, server: process start to first answer", median(first), (OPENING, "s"), _listed(first)),
        at_most(
            "opening, server: process start to first answer by meaning", median(hybrid), (OPENING, "s"), _listed(hybrid)
        ),
        at_most("opening, `meaning-ls search`: whole process", median(search), (OPENING, "s"), _listed(search)),
    ]


def _first_answer(client: Client, question: str, mode: str) -> float:
    """Seconds from the server's start to the first answer that has rows, of this mode ("any" for either)."""
    end = time.perf_counter() + SAVING_PATIENCE
    while time.perf_counter() < end:
        _, symbols, status = client.find(question)
        if symbols and mode in ("any", status["mode"]):
            return time.perf_counter() - client.started
        time.sleep(ASKING_PAUSE)
    raise BenchError(f"the server gave no answer of mode {mode} within {SAVING_PATIENCE:.0f} s")


def _search_process(bench: Bench) -> float:
    """Seconds of one `meaning-ls search`."""
    command = [sys.executable, "-m", "lsp_server", "search", bench.questions[0], str(bench.project.root)]
    started = time.perf_counter()
    done = subprocess.run([*command, "--cache-dir", str(bench.cache)], capture_output=True, text=True, check=False)
    took = time.perf_counter() - started
    if done.returncode or not done.stdout.strip():
        raise BenchError(f"`meaning-ls search` ended with status {done.returncode}: {done.stderr[-500:]}")
    return took


def _listed(seconds: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in seconds) + " s"
