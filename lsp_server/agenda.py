"""Agenda: what is to be looked at in a folder, and what is being looked at.

Changes gather in a set, go out as one job, and come back when a job was left undone, or wait while something holds them
back. Plain data without threads, tasks or clocks; folder.py decides when.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MANY_PATHS = 500  # more changes than this are found faster by looking at everything


class Hold(StrEnum):
    """Why nothing is indexed, in the words that the user sees."""

    NO = ""
    PAUSED = "Indexing is paused. The command meaning-ls.resume goes on with it."
    STOPPED = "Indexing was stopped. It goes on with the next change, or with the command meaning-ls.resume."
    OFF = "Indexing is switched off (setting meaning.index)."


@dataclass(frozen=True, slots=True)
class Job:
    """Some work for the indexer."""

    paths: tuple[str, ...]  # files and folders, relative to the root
    whole: bool = False  # the whole folder, `paths` first; else these alone

    def command(self) -> dict[str, tuple[str, ...]]:
        """Say it in the words of indexer.py."""
        return {"update" if self.whole else "paths": self.paths}


class Agenda:
    """Work to be done and work under way."""

    def __init__(self) -> None:
        self.running: dict[int, Job] = {}  # by the number that the indexer gave
        self._paths: dict[str, None] = {}  # a set that keeps its order
        self._whole = False
        self._first: tuple[str, ...] = ()

    @property
    def is_waiting(self) -> bool:
        """Whether there is work that nobody has begun."""
        return bool(self._paths) or self._whole

    def add(self, paths: Iterable[str]) -> None:
        """Have files or folders looked at; "" is the root."""
        self._paths.update(dict.fromkeys(paths))
        if len(self._paths) > MANY_PATHS or "" in self._paths:
            self.add_all(tuple(self._paths)[:MANY_PATHS])
            self._paths.clear()

    def add_all(self, first: Iterable[str] = ()) -> None:
        """Have everything looked at, the paths `first` before the rest."""
        self._whole = True
        self._first = tuple(path for path in first if path) or self._first

    def clear(self) -> None:
        """Forget what waits."""
        self._paths.clear()
        self._whole, self._first = False, ()

    def take(self) -> list[Job]:
        """Hand out what waits. A second look at everything waits until the first has ended."""
        jobs = []
        if self._paths:
            jobs.append(Job(tuple(self._paths)))
            self._paths.clear()
        if self._whole and not any(job.whole for job in self.running.values()):
            jobs.append(Job(self._first, whole=True))
            self._whole, self._first = False, ()
        return jobs

    def give_back(self, job: Job) -> None:
        """Take in again what was left undone."""
        if job.whole:
            self._whole = True
            self._first = self._first or job.paths
        else:
            self.add(job.paths)
