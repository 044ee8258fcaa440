"""Background: work beside the conversation with the client.

`Batched` runs something again and again, one run at a time, what is asked meanwhile waiting together for the next.
`IndexerProcess` is the process that indexes one folder, as the server sees it: it is started when there is work,
started again when it dies, given up when it keeps dying, and ended with its folder. Knows no index and no client.
"""

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

DEATHS = 3  # within DEATH_SECONDS; the next one means that something is wrong for good
DEATH_SECONDS = 300.0
PATIENCE_SECONDS = 0.5  # before the first new start, four times as long before each further one
GOODBYE_SECONDS = 1.0  # for a process to end by itself before it is killed
LINE_BYTES = 2**20

# The child gets our module path as it is: by its folder, a user's `json.py` would come before the real one.
_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from lsp_server.indexer import main; main()"

_log = logging.getLogger(__name__)

Report = Mapping[str, Any]


class Batched:
    """Runs `run` after it was asked for, at least `interval` seconds after the last start and `delay` after the ask."""

    def __init__(self, run: Callable[[], Awaitable[None]], interval: float, delay: float = 0.0) -> None:
        self._run = run
        self._interval = interval
        self._delay = delay
        self._asked = asyncio.Event()
        self._hurried = asyncio.Event()
        self._started = -interval
        self._task = asyncio.create_task(self._loop())

    def ask(self) -> None:
        """Have a run soon; a run that has begun already does not count."""
        self._asked.set()

    def hurry(self) -> None:
        """Have a run as soon as the one under way has ended."""
        self._asked.set()
        self._hurried.set()

    async def close(self) -> None:
        """End, amid a run if need be."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _loop(self) -> None:
        while True:
            await self._asked.wait()
            pause = max(self._delay, self._started + self._interval - time.monotonic())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurried.wait(), pause)
            self._asked.clear()
            self._hurried.clear()
            self._started = time.monotonic()
            try:
                await self._run()
            except Exception:  # noqa: BLE001 - the end of a background task: log, stay alive
                _log.exception("background work failed")


class IndexerProcess:
    """The indexing process of one folder. `hear` is told its reports, on the event loop."""

    def __init__(self, opening: Mapping[str, Any], hear: Callable[[Report], None]) -> None:
        self._opening = opening
        self._hear = hear
        self._number = 0
        self._jobs: dict[int, Mapping[str, Any]] = {}
        self._cancelled: set[int] = set()
        self._process: asyncio.subprocess.Process | None = None
        self._life: asyncio.Task[None] | None = None
        self._deaths: list[float] = []
        self._starts = 0

    @property
    def pid(self) -> int:
        """The process's, 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    def submit(self, job: Mapping[str, Any]) -> int:
        """Have a job done, whatever happens to the process meanwhile. Returns its number."""
        self._number += 1
        self._jobs[self._number] = job
        if self._process is not None:
            self._write({"job": self._number, **job})
        elif self._life is None or self._life.done():
            self._life = asyncio.create_task(self._live())
        return self._number

    def cancel(self, number: int) -> None:
        """Have a job stopped; its end is reported as of any other, whether a process has it or not."""
        self._cancelled.add(number)
        if self._process is not None:
            self._write({"cancel": number})
        elif number in self._jobs:
            self._take({"job": number, "end": "cancelled", "message": ""})

    def hurry(self, number: int) -> None:
        """Have a job done although power is to be saved."""
        if self._process is not None:
            self._write({"hurry": number})

    async def close(self) -> None:
        """End the process."""
        self._jobs.clear()
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait([self._life])
        if (process := self._process) is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), GOODBYE_SECONDS)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            self._process = None

    async def _live(self) -> None:
        """Start the process and start it again while there is work that it left undone."""
        try:
            while self._jobs:
                code = await self._run_once()
                if not self._jobs:
                    return
                if code != 0:
                    now = time.monotonic()
                    self._deaths = [*(death for death in self._deaths if now - death < DEATH_SECONDS), now]
                    _log.warning("the indexing process ended with code %s", code)
                if len(self._deaths) > DEATHS:
                    self._give_up(f"The indexing process died {len(self._deaths)} times (code {code}); see its log.")
                    return
                if self._deaths:
                    await asyncio.sleep(PATIENCE_SECONDS * 4 ** (len(self._deaths) - 1))
        except Exception as error:  # noqa: BLE001 - the end of a background task: told and logged
            _log.exception("the indexing process cannot be run")
            self._give_up(f"The indexing process cannot be run ({error}).")

    def _give_up(self, message: str) -> None:
        self._jobs.clear()
        self._deaths.clear()
        self._hear({"broken": f"{message} Try the command meaning-ls.reindex."})

    async def _run_once(self) -> int:
        """Start the process, give it all open jobs, pass on its reports until it ends. Returns its exit code."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _CHILD, json.dumps(sys.path)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=LINE_BYTES,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # on Windows a console would pop up
        )
        self._process = process
        self._write({**self._opening, "server": os.getpid(), "again": self._starts > 0})
        self._starts += 1
        for number, job in tuple(self._jobs.items()):
            if number in self._cancelled:  # the one before died before it heard of that
                self._take({"job": number, "end": "cancelled", "message": ""})
            else:
                self._write({"job": number, **job})
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                self._take(json.loads(line))
            code = await process.wait()
        except Exception:  # what it said made no sense
            self._process = None
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        self._process = None
        return code

    def _take(self, report: Report) -> None:
        if "broken" in report:
            self._jobs.clear()
        elif "end" in report:
            self._jobs.pop(report["job"], None)
            self._cancelled.discard(report["job"])
        self._hear(report)

    def _write(self, command: Mapping[str, Any]) -> None:
        assert self._process is not None and self._process.stdin is not None
        # A process that has just died is written to in vain; it is started again and told everything again.
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
