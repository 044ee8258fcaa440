"""Memory: the server and its children, sampled while they work.

RSS counts a page that two processes share twice; PSS (Linux) shares it out. Both are sums over the process tree.
Targets are said of RSS, and checked against its sum, which is the stricter of the two; PSS is told beside it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import TracebackType

import psutil

# Seconds between samples: reading PSS takes some 10 ms a process, and a peak of a large file lasts longer than this.
PERIOD = 0.25

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """Megabytes of a process tree."""

    rss: float
    pss: float  # 0 where the system has none
    parts: tuple[float, ...]  # RSS of each process, the parent first

    def __str__(self) -> str:
        """Both sums."""
        pss = f", PSS {self.pss:.0f} MB" if self.pss else ""
        return f"RSS {self.rss:.0f} MB ({' + '.join(f'{part:.0f}' for part in self.parts)}){pss}"


def sample(pid: int) -> Sample:
    """Return the memory of a process and its descendants now."""
    rss = pss = 0.0
    parts: list[float] = []
    try:
        parent = psutil.Process(pid)
        tree = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return Sample(0, 0, ())
    for process in tree:
        try:
            full = process.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        rss += full.rss / MEGABYTE
        pss += getattr(full, "pss", 0) / MEGABYTE
        parts.append(full.rss / MEGABYTE)
    return Sample(rss, pss, tuple(parts))


class Peak:
    """Samples a process tree from entering to leaving the context; `largest` is the sample with the most RSS."""

    def __init__(self, pid: int) -> None:
        self.largest = Sample(0, 0, ())
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            now = sample(self._pid)
            if now.rss > self.largest.rss:
                self.largest = now
            self._stop.wait(PERIOD)
