"""Indexer: the process that writes one folder's index, so that the server never parses, embeds or writes.

Takes commands as JSON lines on stdin, drives the engine's passes at idle priority, reports as JSON lines on stdout; the
log goes to stderr. Changed paths come before the rest: a pass over the whole root is broken off for them and taken up
again, which costs one look at the files' time stamps. Ends when its input does, so it never outlives its server.

Who has much to embed waits for its turn, one folder of a user at a time, and for a battery saver to be switched off.
After the first look at everything it is verified that what is stored is what was written, as long as there is no other
work; what is not is taken out, which readers notice, and ask for a pass.

Commands: `{"root", "options", "level", "server", "again"}` first (`server`: its process, whose memory counts; `again`:
this process is not its first), then `{"job", "update": [paths to read first]}`, `{"job", "paths": [files or folders]}`,
`{"cancel": job}`, `{"hurry": job}` (do not wait for the battery saver). Reports: `{"job", "progress": {...}}`, `{"job",
"wait": "power" | "turn"}`, at last `{"job", "end": "done" | "cancelled" | "busy" | "failed", "message"}`; `{"broken":
message}` when there can be no index at all.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import psutil

from lsp_server.courtesy import MUCH, Courtesy, make_idle, measure
from lsp_server.engine.errors import Busy, EngineError, Interrupted
from lsp_server.engine.home import Turn
from lsp_server.engine.index import Index, Options
from lsp_server.engine.log import log_to_file, log_to_stderr
from lsp_server.engine.threads import default_threads
from lsp_server.engine.update import Progress
from lsp_server.engine.writing import at_full_speed
from lsp_server.power import saving_power
from lsp_server.stdout import claim_stdout

IDLE_SECONDS = 600.0  # without work; then the model's memory is given back, and the server starts us again on demand
LAST_SECONDS = 2.0  # for a running pass to end itself after the server has gone
LARGE = 1_000  # texts of one pass, which leaves 100 MB behind that only the end of the process gives back
WAIT_SECONDS = 0.5  # between looks whether it is our turn
REPORT_SECONDS = 0.05  # between reports of one job without news for readers

Say = Callable[[dict[str, Any]], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Some work, with the number by which the server knows it."""

    number: int
    whole: bool  # the whole root, `paths` first; else these paths alone
    paths: tuple[str, ...]


class Jobs:
    """What is to be done, fed by the thread that listens and taken by the one that works."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._cancelled: set[int] = set()
        self._hurried: set[int] = set()
        self._put_off: set[int] = set()
        self._closed = False
        self.unverified = False  # whether it is to be verified that what is stored is what was written

    def add(self, job: Job) -> None:
        """Take a job in."""
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()

    def put_back(self, job: Job) -> None:
        """Take a broken-off job in again, before others of its kind."""
        with self._changed:
            self._put_off.add(job.number)
            self._waiting.appendleft(job)

    def cancel(self, number: int) -> None:
        """Have a job stopped or not begun."""
        with self._changed:
            self._cancelled.add(number)
            self._changed.notify()

    def hurry(self, number: int) -> None:
        """Have a job done although power is to be saved."""
        with self._changed:
            self._hurried.add(number)
            self._changed.notify()

    def is_hurried(self, job: Job) -> bool:
        """Return whether somebody asked for a job although power is to be saved."""
        with self._changed:
            return job.number in self._hurried

    def was_put_off(self, job: Job) -> bool:
        """Return whether a job was broken off before."""
        with self._changed:
            return job.number in self._put_off

    def are_none(self) -> bool:
        """Return whether there is nothing to do."""
        with self._changed:
            return not (self._waiting or self._closed)

    def rest(self) -> None:
        """Do nothing for WAIT_SECONDS, or until something new is said."""
        with self._changed:
            self._changed.wait(WAIT_SECONDS)

    def close(self) -> None:
        """Have everything stopped."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take(self) -> Job | None:
        """Wait for the next job, paths before whole roots; None when there will be none or none came for long."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, IDLE_SECONDS)
            if self._closed or not self._waiting:
                return None
            job = min(self._waiting, key=lambda waiting: waiting.whole)
            self._waiting.remove(job)
            return job

    def verdict(self, job: Job) -> str:
        """Say what is to become of a running job: "" to go on, "cancelled", "later" or "closed"."""
        with self._changed:
            if self._closed:
                return "closed"
            if job.number in self._cancelled:
                return "cancelled"
            return "later" if job.whole and any(not waiting.whole for waiting in self._waiting) else ""


def work(index: Index, jobs: Jobs, say: Say) -> None:
    """Do jobs until there are no more, or a large one is done: the server starts another process when there is work."""
    most = index.options.threads or default_threads()
    courtesy = Courtesy(partial(measure, index.writing.children), psutil.cpu_count() or 1, most)
    turn = Turn(index.home.cache)
    embedded = 0
    while embedded <= LARGE and (job := jobs.take()) is not None:
        started = time.monotonic()
        index.writing.pace = courtesy if job.whole else at_full_speed  # what was just saved is waited for
        index.writing.glance = partial(_glance, job, jobs)
        end, message, embedded = "", "", 0
        try:
            end, embedded = _run(index, job, jobs, turn, say)
        except Busy as error:
            end, message = "busy", str(error)
        except Interrupted:
            end = jobs.verdict(job)
        except EngineError as error:
            end, message = "failed", str(error)
        except Exception as error:  # noqa: BLE001 - the end of a job: the server is told, and the next one is done
            _log.exception("job %d failed", job.number)
            end, message = "failed", f"Indexing failed ({type(error).__name__}: {error}). The log says more."
        if end == "wait":  # without the lock: others may save meanwhile
            _wait(job, jobs, turn, say)
            jobs.put_back(job)
            continue
        turn.close()
        if job.whole and end == "done":
            index.rest()  # a save will not need what a whole project did
        if end == "later":
            jobs.put_back(job)
        elif end != "closed":
            _log.info("%s: %s in %.2f s", _title(index, job), end, time.monotonic() - started)
            say({"job": job.number, "end": end, "message": message})
            _verify(index, jobs, end)


def _verify(index: Index, jobs: Jobs, end: str) -> None:
    """Look once, when the work is done and nobody waits for more, whether what is stored is what was written."""
    if end != "done" or not (jobs.unverified and jobs.are_none()):
        return
    started = time.monotonic()
    try:
        found = index.writing.verify(jobs.are_none)
    except EngineError as error:
        found = None
        _log.warning("%s", error)
    jobs.unverified = found is None
    if found is not None:
        _log.info("verifying %s: %s in %.2f s", index.root, "damaged" if found else "sound", time.monotonic() - started)


def _run(index: Index, job: Job, jobs: Jobs, turn: Turn, say: Say) -> tuple[str, int]:
    """Do one job as far as it may go.

    Gives how it ended, "wait" if much is left and something speaks against it, and how many texts were
    embedded when it is done, else 0.
    """
    steps = index.update(job.paths) if job.whole else index.update_paths(job.paths)
    with contextlib.closing(cast(Generator[Progress, None, None], steps)):  # closing it gives the lock back
        told, generation, embedded = 0.0, -1, 0
        for progress in steps:
            embedded = progress.texts_done
            if job.whole and progress.texts_total - progress.texts_done > MUCH and _obstacle(job, jobs, turn):
                return "wait", 0
            if verdict := jobs.verdict(job):
                return verdict, 0
            now = time.monotonic()
            if progress.generation != generation or now - told >= REPORT_SECONDS:
                told, generation = now, progress.generation
                say({"job": job.number, "progress": asdict(progress)})
    return "done", embedded


def _glance(job: Job, jobs: Jobs) -> None:
    """Stop a look for files that is not wanted any more, or not now; one that was put off is not put off again."""
    verdict = jobs.verdict(job)
    if verdict and not (verdict == "later" and jobs.was_put_off(job)):
        raise Interrupted("Something else comes first.")


def _obstacle(job: Job, jobs: Jobs, turn: Turn) -> str:
    """Return what speaks against much work: "power", "turn" or nothing."""
    if saving_power() and not jobs.is_hurried(job):
        return "power"
    return "" if turn.take() else "turn"


def _wait(job: Job, jobs: Jobs, turn: Turn, say: Say) -> None:
    """Wait until nothing speaks against much work, or the job is over."""
    told = ""
    while not jobs.verdict(job) and (reason := _obstacle(job, jobs, turn)):
        if reason != told:
            say({"job": job.number, "wait": reason})
            told = reason
        jobs.rest()


def _title(index: Index, job: Job) -> str:
    return f"indexing {index.root}" if job.whole else f"indexing {len(job.paths)} changed paths of {index.root}"


def listen(lines: Iterable[bytes], jobs: Jobs) -> None:
    """Take commands until the input ends, then have everything stopped."""
    try:
        for line in lines:
            command = json.loads(line)
            if "cancel" in command:
                jobs.cancel(command["cancel"])
            elif "hurry" in command:
                jobs.hurry(command["hurry"])
            else:
                whole = "update" in command
                jobs.add(Job(command["job"], whole, tuple(command["update" if whole else "paths"])))
    finally:
        jobs.close()
        # A pass looks up a few times a second. Should it hang, nobody else is there to end us: every commit is whole.
        patience = threading.Timer(LAST_SECONDS, os._exit, (0,))
        patience.daemon = True
        patience.start()


def main() -> None:
    """Serve the process at the other end of stdin and stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches us too; the server decides
    make_idle()
    output = claim_stdout()

    def say(report: dict[str, Any]) -> None:
        output.write(json.dumps(report).encode() + b"\n")
        output.flush()

    lines = iter(sys.stdin.buffer.readline, b"")
    opening = json.loads(next(lines, b"null"))
    if opening is None:
        return
    options = opening["options"]
    log_to_stderr(opening["level"])
    log_to_file(options["cache_dir"], "indexer")
    try:
        index = Index(Path(opening["root"]), Options(**options | {"exclude": tuple(options["exclude"])}))
    except EngineError as error:
        say({"broken": str(error)})
        return
    index.budget.share_with(opening["server"])
    jobs = Jobs()
    jobs.unverified = not opening["again"]
    threading.Thread(target=listen, args=(lines, jobs), name="listening", daemon=True).start()
    with contextlib.suppress(BrokenPipeError):  # the server has gone
        work(index, jobs, say)
    index.close()


if __name__ == "__main__":
    main()
