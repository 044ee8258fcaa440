"""Writing: passes over one root, by whoever holds its lock.

Takes the home of an index, rules and models, gives passes (see `update`) as generators of progress. Makes a damaged
store anew, keeps the process that reads files between passes, and notes by which model an index is complete.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence

from lsp_server.engine.commits import StoreWriter
from lsp_server.engine.database import explain, is_damage
from lsp_server.engine.errors import Busy, StoreError
from lsp_server.engine.examine import find_broken
from lsp_server.engine.files import Rules
from lsp_server.engine.home import Home
from lsp_server.engine.memory import Budget
from lsp_server.engine.reading import ReadingProcess, recipe
from lsp_server.engine.serving import Models
from lsp_server.engine.store import Store
from lsp_server.engine.threads import default_threads
from lsp_server.engine.update import Pass, Plan, Progress, plan_all, plan_paths
from lsp_server.engine.vector_cache import NAME, VectorCache

_log = logging.getLogger(__name__)


def to_its_end() -> bool:
    """Want all of it."""
    return True


class Writing:
    """What an index does to write. `threads` embed, 0 for half the cores; `budget` is kept (see `memory`)."""

    def __init__(self, home: Home, rules: Rules, models: Models, threads: int, budget: Budget) -> None:
        self.pace: Callable[[float], None] = at_full_speed  # see `update.Pass`
        self.glance: Callable[[], None] = nothing_else  # called again and again while files are looked for
        self.budget = budget
        self._home = home
        self._rules = rules
        self._models = models
        self._threads = threads
        self._reader: ReadingProcess | None = None
        self._is_swept = False

    def update(self, first: Sequence[str]) -> Iterator[Progress]:
        """Pass over the whole root, the files `first` before the others."""
        yield from self._pass(lambda store: self._plan_all(store, first))

    def update_paths(self, paths: Sequence[str]) -> Iterator[Progress]:
        """Pass over these files or folders, given relative to the root."""
        yield from self._pass(lambda store: plan_paths(self._home.root, self._rules, store, self.recipe(), paths))

    def _plan_all(self, store: Store, first: Sequence[str]) -> Plan:
        return plan_all(self._home.root, self._rules, store, self.recipe(), first, self.glance)

    def reader(self) -> ReadingProcess:
        """Return what reads files in a process of its own, which is started on first use."""
        if self._reader is None:
            self._reader = ReadingProcess(self._home.root, self._rules)
        return self._reader

    def stop_reading(self) -> None:
        """End that process."""
        if self._reader is not None:
            self._reader.close()

    def children(self) -> tuple[int, ...]:
        """Return the ids of the processes that work for this index."""
        return (pid,) if self._reader is not None and (pid := self._reader.pid) else ()

    def recipe(self) -> str:
        """Return what decides how files are taken apart and described; files read by another one are read again."""
        return f"{recipe()}-{self._models.own.fingerprint}"

    def verify(self, is_wanted: Callable[[], bool] = to_its_end) -> bool | None:
        """Look for what is stored and is not as it was written, and forget it.

        True if the next pass over everything has to read something anew, None when this could not be done, or is not
        wanted any more. Raises StoreError.
        """
        try:
            broken = find_broken(self._home.store, is_wanted)
            if broken is None:
                return None
            with self._home.writing(), contextlib.closing(StoreWriter(self._home.store)) as store:
                store.check_words(is_wanted)
                if broken:
                    files, vectors = len(broken.files), len(broken.vectors)
                    _log.warning(
                        "%s is damaged: %d files and %d vectors in it are made anew", store.path, files, vectors
                    )
                    store.distrust(broken)
            return bool(broken) if is_wanted() else None
        except Busy:
            return None
        except sqlite3.Error as error:
            if not is_damage(error):
                raise StoreError(explain(error, self._home.store)) from error
            self._home.note_damage(error)
            return True

    def _pass(self, make_plan: Callable[[Store], Plan]) -> Iterator[Progress]:
        with self._home.writing():
            if self._home.is_damaged:
                self._home.remove_damaged()
            try:
                yield from self._write(make_plan)
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise StoreError(explain(error, self._home.store)) from error
                self._home.note_damage(error)
                self._home.remove_damaged()
                yield from self._write(lambda store: self._plan_all(store, ()))

    def _write(self, make_plan: Callable[[Store], Plan]) -> Iterator[Progress]:
        threads = self._threads or default_threads()
        with contextlib.ExitStack() as opened:
            store = opened.enter_context(contextlib.closing(StoreWriter(self._home.store)))  # a damaged one raises
            self._models.follow(store.meta("model"))
            own = self._models.own
            cache = opened.enter_context(contextlib.closing(VectorCache(self._home.cache / NAME)))
            yield Progress("scan", generation=store.generation())
            if not store.meta("complete"):  # there will be something to read: its process starts while files are found
                self.reader().start()
            plan = make_plan(store)
            run = Pass(
                store,
                self.reader(),
                lambda: self._models.encoder(own),
                cache,
                model=own,
                recipe=self.recipe(),
                threads=threads,
                pace=self.pace,
                budget=self.budget,
            )
            yield from run.run(plan)
            if not plan.scope and store.meta("model") != own.note():
                store.remember("model", own.note())
            if not plan.scope and self._models.is_own(self._home.wished()):
                self._home.fulfil()
            self._models.follow(store.meta("model"))
        if not (plan.scope or self._is_swept):
            self._is_swept = True
            self._home.sweep()


def nothing_else() -> None:
    """Go on looking."""


def at_full_speed(seconds: float) -> None:
    """Make nobody rest."""
