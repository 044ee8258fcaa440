"""Pulse: what other processes did to a folder, seen twice a second at next to no cost.

Takes an index's home and its root, gives a Look: time stamps of what is kept (somebody committed), of git's own files
(somebody switched branches), whether indexing is paused or was cancelled, and who writes. Eleven time stamps, some 30
microseconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lsp_server.engine.git import marks
from lsp_server.engine.home import Home, Writer, stamp_of

PULSE_SECONDS = 0.6  # between looks: what another process wrote is found within a second


@dataclass(frozen=True, slots=True)
class Look:
    """One look at what others do."""

    kept: tuple[int, ...]
    git: tuple[int, ...]
    paused: bool
    cancelled: tuple[int, ...]
    writer: Writer | None
    orphaned: bool  # somebody said that it writes, and died without taking it back


def looking(home: Home, root: Path) -> Callable[[], Look]:
    """Return what takes a Look; to be called on a thread, for a disk may be slow."""
    paths = marks(root)

    def look() -> Look:
        writer, alive = home.writer()
        return Look(
            kept=home.stamp(),
            git=stamp_of(paths),
            paused=home.is_paused,
            cancelled=home.cancelled(),
            writer=writer if alive else None,
            orphaned=bool(writer) and not alive,
        )

    return look
