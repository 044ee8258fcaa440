"""Courtesy: how much of the machine the indexing process takes.

Takes the CPU time that pieces of work took, and measures what other processes do; makes the worker rest in between.
Idle priority alone lets everybody else go first, but still heats the machine and fills its caches while they work.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable

import psutil

MEASURE_SECONDS = 1.0  # between measurements
BUSY, FULL = 0.5, 0.8  # share of all cores that others use
REST_WHEN_BUSY, REST_WHEN_FULL = 1.0, 3.0  # times as long as the work took: half, a quarter of the speed
LONGEST_REST = 0.2  # seconds
SLOWEST = 5.0  # times as long, for other work of ours
MUCH = 200  # texts left to embed: a second's work; less waits for nobody, so that what is saved is found

Measure = Callable[[], tuple[float, float]]
"""CPU seconds that all processes used so far, and those of them that were ours."""


def make_idle() -> None:
    """Let everything else on the machine go first, at the processor and at the disk."""
    process = psutil.Process()
    with contextlib.suppress(psutil.Error, OSError):
        process.nice(psutil.IDLE_PRIORITY_CLASS if sys.platform == "win32" else 19)
    with contextlib.suppress(psutil.Error, OSError, AttributeError):  # not on macOS
        process.ionice(psutil.IOPRIO_VERYLOW if sys.platform == "win32" else psutil.IOPRIO_CLASS_IDLE)


class Courtesy:
    """Makes workers rest while other processes need the processor, and while all of us use more than `most` cores.

    Any thread may call it.
    """

    def __init__(self, measure: Measure, cores: int, most: float) -> None:
        self._measure = measure
        self._cores = cores
        self._most = most
        self._lock = threading.Lock()
        self._at = time.monotonic()
        self._used, self._ours = measure()
        self.others = 0.0  # share of all cores, 0..1, at the last measurement
        self._slowing = 1.0  # times as long as at full speed takes a piece of work, so that all of us keep to `most`

    def __call__(self, seconds: float) -> None:
        """Rest after a piece of work that took so many CPU seconds, as long as is right just now."""
        with self._lock:
            if time.monotonic() - self._at >= MEASURE_SECONDS:
                self._look()
            share, own_rest = self.others, self._slowing - 1
        rest = max(own_rest, REST_WHEN_FULL if share > FULL else REST_WHEN_BUSY if share > BUSY else 0.0)
        if rest:
            time.sleep(min(rest * seconds, LONGEST_REST))

    def _look(self) -> None:
        now = time.monotonic()
        used, ours = self._measure()
        mine = ours - self._ours
        others = (used - self._used) - mine
        self.others = max(0.0, others / ((now - self._at) * self._cores))
        # Files are read at their own speed, in a process beside: whoever embeds makes room for that.
        self._slowing = min(max(1.0, self._slowing * mine / ((now - self._at) * self._most)), SLOWEST)
        self._at, self._used, self._ours = now, used, ours


def measure(pids: Callable[[], Iterable[int]]) -> tuple[float, float]:
    """Return the CPU seconds of all processes, and of this one with those of `pids`."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # Guest time is counted in user time too.
    used = sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    ours = 0.0
    for pid in (os.getpid(), *pids()):
        with contextlib.suppress(psutil.Error):
            own = psutil.Process(pid).cpu_times()
            ours += own.user + own.system
    return used, ours
