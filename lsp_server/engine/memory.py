"""Memory: what was freed goes back to the system, and how much may be taken.

A limit counts the resident memory of a process with its children. Who is over it gives up, one after the other, what
costs memory and can be missed (see Saving).
"""

import ctypes
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import IntEnum

import psutil


def give_back() -> None:
    """Have the C library return freed memory; glibc keeps it otherwise (36 MB after reading 20,000 symbols)."""
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)


class Saving(IntEnum):
    """What is done without to keep within a limit; each step includes those before it."""

    NOTHING = 0
    VECTORS = 1  # of all vectors in memory, and of the graph: they are read from disk. A pass works in small steps
    MEANING = 2  # of the model and all vectors: answers go by words and names


class Budget:
    """How much memory a process with its children may take; 0 megabytes: as much as it likes."""

    def __init__(self, megabytes: int, used: Callable[[], int]) -> None:
        self.megabytes = megabytes
        self._used = used

    def is_exceeded(self, more: int = 0) -> bool:
        """Return whether the limit is exceeded, or would be by so many bytes more."""
        return bool(self.megabytes) and self._used() + more > self.megabytes * 1_000_000


def resident(children: Iterable[int] = ()) -> int:
    """Return the resident memory of this process and of `children`, in bytes."""
    total = int(psutil.Process().memory_info().rss)
    for pid in children:
        with suppress(psutil.Error):
            total += int(psutil.Process(pid).memory_info().rss)
    return total
