"""Memory: what was freed goes back to the system, and how much may be taken.

A limit counts the resident memory of a process with its children; a process that works for another counts that one and
all that it has started, too, and so makes do with what they leave. Who is over it gives up, one after the other, what
costs memory and can be missed (see Saving).
"""

import ctypes
import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum

import psutil


def give_back() -> None:
    """Have the C library return freed memory; glibc keeps it otherwise (36 MB after reading 20,000 symbols)."""
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def no_garbage() -> Iterator[None]:
    """Look for no garbage meanwhile: a sixth of the time where a hundred thousand objects are made that stay."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Saving(IntEnum):
    """What is done without to keep within a limit; each step includes those before it."""

    NOTHING = 0
    VECTORS = 1  # of all vectors in memory, and of the graph: they are read from disk. A pass works in small steps
    MEANING = 2  # of the model and all vectors: answers go by words and names


class Budget:
    """How much memory may be taken; 0 megabytes: as much as one likes. `used`: bytes, by processes that it is for."""

    def __init__(self, megabytes: int, used: Callable[[int], int]) -> None:
        self.megabytes = megabytes
        self._used = used
        self._server = 0

    def share_with(self, server: int) -> None:
        """Have it hold for another process and all that it has started, too."""
        self._server = server

    def is_exceeded(self, more: int = 0) -> bool:
        """Return whether the limit is exceeded, or would be by so many bytes more."""
        return bool(self.megabytes) and self._used(self._server) + more > self.megabytes * 1_000_000


def resident(server: int = 0, children: Iterable[int] = ()) -> int:
    """Return the resident memory of this process and `children`, and of `server` and all that it has started, in bytes.

    Those that have ended have none; 0 is no server.
    """
    processes = {psutil.Process()}
    for pid in children:
        with suppress(psutil.Error):
            processes.add(psutil.Process(pid))
    if server:
        with suppress(psutil.Error):
            processes.add(psutil.Process(server))
            processes.update(psutil.Process(server).children(recursive=True))
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            total += int(process.memory_info().rss)
    return total
