"""Threads: how many may work at once."""

import psutil


def default_threads() -> int:
    """Return half of the cores that do the work (hyper-threads not counted), at least one."""
    return max(1, (psutil.cpu_count(logical=False) or psutil.cpu_count() or 1) // 2)


def all_threads() -> int:
    """Return one thread a core, for a user who waits for the result."""
    return max(1, psutil.cpu_count(logical=False) or psutil.cpu_count() or 1)
