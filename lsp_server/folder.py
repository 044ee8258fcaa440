"""Folder: one workspace folder, its index, and what keeps the index current.

Takes what changed in the folder, gives an `Index` to ask and a state to show. All of it runs on the event loop;
whatever touches SQL or the disk runs on a thread of the folder's own, and all writing in a process of its own
(indexer.py). Changes gather, go out together, and come back as commits which the index here catches up with. Whoever is
interested in the state is told after every step; `ready` is said only when all that was asked for can be found.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePath
from typing import TypeVar

from lsp_server.agenda import Agenda, Hold, Job
from lsp_server.background import Batched, IndexerProcess, Report
from lsp_server.convert import relative
from lsp_server.documents import Document
from lsp_server.engine.errors import EngineError
from lsp_server.engine.hits import Status
from lsp_server.engine.home import Home
from lsp_server.engine.index import Index
from lsp_server.engine.memory import give_back
from lsp_server.engine.update import Progress
from lsp_server.opening import close_index, open_index
from lsp_server.protocol import FolderStatus, State
from lsp_server.pulse import PULSE_SECONDS, Look, looking
from lsp_server.settings import Settings
from lsp_server.unsaved import Unsaved

DEBOUNCE_SECONDS = 0.05  # "save all" and a formatter's second save come as one
STORM_SECONDS = 1.0  # between batches that follow each other closely, so that a look at the whole gets its turn
CATCH_UP_SECONDS = 0.25  # between catch-ups while commits keep coming
SCAN_SECONDS = 30.0  # at least, between looks at all time stamps while somebody works in the folder,
SCAN_SHARE = 50  # and so many times as long as the last look took: looking costs 2 % of one core at most
GIT_SECONDS, GIT_SHARE = 1.0, 5  # the same when git's own files changed
RETRY_SECONDS = 5.0  # between tries to write while another process says that it does
FAILED_SECONDS, MOST_DOUBLINGS = 30.0, 5  # between tries after something failed, twice as long after each
BELIEVED_SECONDS = 10.0  # for so long a note of who writes is believed; then it is looked whether the lock is held
FEW_FILES = 20  # that are read once more since they were young when they were read: nobody is told of that
IDLE_SCAN_SECONDS = 900.0  # the same while nobody does; longer than the indexing process waits for work

_FOLLOWING = "Another process is indexing this folder{}; what it finds appears here."
_WAITING = {
    "power": "Indexing waits while power is to be saved. The command meaning-ls.resume goes on with it all the same.",
    "turn": "Another folder is being indexed; this one comes next.",
}
_UNKNOWN = Status("starting", "words", 0, 0, 0, 0, "", "", "", 0, 0.0, (), 0)

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Folder:
    """One workspace folder. `tell` is called whenever its state or its figures may have changed."""

    def __init__(self, uri: str, path: PurePath, settings: Settings, tell: Callable[["Folder"], None]) -> None:
        self.uri = uri
        self.path = path
        self.index: Index | None = None
        self.progress: Progress | None = None  # of the pass under way, None when nothing is under way
        self._settings = settings
        self._tell = tell
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="folder")
        self._indexer: IndexerProcess | None = None
        self._agenda = Agenda()
        self._hold = Hold.NO
        self._trouble = ""  # why it does not work
        self._blindness = ""  # why it cannot be read
        self._checking = False  # what is under way only makes sure that nothing was missed
        self._waiting_for = ""  # key of _WAITING
        self._writer = ""  # who writes while we follow
        self._news = self._seen = 0  # commits and ends that were reported, and those that we caught up with
        self._generation = -1
        self._model_asked = self._is_closed = False
        self._sent = self._looked = 0.0
        self._scan_began = self._scan_took = self._scan_ended = 0.0
        self._failures = 0  # one after the other
        self._untidy = False  # a look at everything has left memory to give back
        self._sending = Batched(self._send, 0.0, DEBOUNCE_SECONDS)
        self._catching_up = Batched(self._catch_up, CATCH_UP_SECONDS)
        self._unsaved = Unsaved(self._apart)
        self._is_following = False
        self._again = asyncio.Event()  # somebody wants what failed to be tried again
        self._pulse: asyncio.Task[None] | None = None

    # ---- what is known

    @property
    def state(self) -> State:
        """What the folder is doing."""
        if self._trouble or self._blindness:
            return "failed"
        if self.index is None:
            return "starting"
        if self._hold in (Hold.PAUSED, Hold.STOPPED) or self._waiting_for == "power":
            return "paused"
        if self._is_following:
            return "reading"
        busy = self._agenda.is_waiting or self._agenda.running or self._seen < self._news
        if busy and not self._checking:
            return "indexing"
        return "paused" if self._hold else "ready"

    def status(self) -> FolderStatus:
        """Return everything that is shown of the folder; it is at hand, nothing is asked."""
        known = self.index.status() if self.index is not None else _UNKNOWN
        state = self.state
        following = _FOLLOWING.format(f" ({self._writer})" if self._writer else "") if state == "reading" else ""
        waiting = _WAITING.get(self._waiting_for, "")
        message = self._trouble or self._blindness or following or self._hold.value or waiting or known.message
        done, total = known.files_done, known.files_total
        if state == "indexing" and self.progress is not None and self.progress.files_total:
            done, total = self.progress.files_done, self.progress.files_total
        status: FolderStatus = {
            "state": state,
            "mode": "hybrid" if known.mode == "hybrid" else "words",
            "filesDone": done,
            "filesTotal": total,
            "symbols": known.symbols,
            "embedded": known.embedded,
            "model": known.model,
            "vectors": known.vectors,
            "uri": self.uri,
            "bytes": known.bytes,
            "lastUpdate": known.last_update,
            "skipped": [{"path": path, "reason": reason} for path, reason in known.skipped],
            "skippedTotal": known.skipped_total,
            "writer": self._writer if state == "reading" else "",
        }
        if message:
            status["message"] = message
        if known.reranker:
            status["reranker"] = known.reranker
        return status

    @property
    def looks_at_everything(self) -> bool:
        """Whether a look at the whole folder is under way that somebody waits for."""
        return not self._checking and any(job.whole for job in self._agenda.running.values())

    def relative(self, path: PurePath) -> str | None:
        """Return a path below the folder as the index names it; None when it lies elsewhere."""
        inside = relative(path, self.path)
        if inside is None and self.index is not None:  # the client may give one with links, the other without
            inside = relative(path, self.index.root)
        return inside

    # ---- what is asked for

    async def open(self, first: Iterable[str]) -> None:
        """Open the index, answer from what is there, and have everything looked at, the paths `first` first."""
        options = self._settings.options()
        while self.index is None and not self._is_closed:
            try:
                self.index = await self._apart(lambda: open_index(Path(self.path), options))
                self._trouble = ""
            except EngineError as error:  # a disk may have room again, a drive be back, a writer gone
                if self._trouble != str(error):
                    self._trouble = str(error)
                    self._tell(self)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._again.wait(), FAILED_SECONDS)
                self._again.clear()
        if (index := self.index) is None:
            return
        if self._is_closed:  # while it was being opened
            self.index = None
            await asyncio.to_thread(index.close)
            return
        level = logging.getLogger().getEffectiveLevel()
        self._indexer = IndexerProcess(
            {"root": str(index.root), "options": asdict(options), "level": level}, self._hear
        )
        self._agenda.add_all(first)
        if self._settings.index == "off":
            self._hold = Hold.OFF
            self._agenda.clear()
        elif self._hold == Hold.PAUSED:  # while it was being opened
            self._mark(Home.pause)
        elif index.home.is_paused:
            self._hold = Hold.PAUSED
        else:
            self._sending.hurry()
        self._pulse = asyncio.create_task(self._keep_looking(index))
        self._unsaved.begin(index)
        self._load_model()
        self._tell(self)

    def touch(self, paths: Iterable[str]) -> None:
        """Have files or folders looked at, for they may have changed; "" is the whole folder."""
        if self._hold == Hold.OFF:
            return
        self._unsaved.hurry()
        self._agenda.add(paths)
        self._checking = False
        if self._hold == Hold.STOPPED:
            self._hold = Hold.NO
        self._sending.ask()
        self._tell(self)

    def edited(self, path: str, document: Document | None) -> None:
        """Have an open document searched instead of its file, None when it was closed."""
        self._unsaved.edited(path, document)
        if self.index is not None:
            self._look_after(SCAN_SECONDS, SCAN_SHARE)

    def saved(self, path: str) -> None:
        """Have a file searched instead of an open document again, once it was read."""
        self._unsaved.saved(path)

    def used(self) -> None:
        """Note that somebody works here: what other processes wrote is read, and missed changes are looked for."""
        self._look_after(SCAN_SECONDS, SCAN_SHARE)

    def _look_after(self, seconds: float, share: float) -> bool:
        """Have missed changes looked for, unless that was done less than so long ago; True if it is done now."""
        pause = max(seconds, share * self._scan_took)
        if self.state != "ready" or time.monotonic() - self._scan_ended < pause:
            return False
        self._agenda.add_all()
        self._checking = True
        self._sending.ask()
        return True

    def reindex(self) -> None:
        """Have the whole folder looked at, whatever held it back."""
        if self._hold == Hold.PAUSED:
            self._mark(Home.resume)
        if self._hold != Hold.OFF:
            self._hold = Hold.NO
        if self.index is not None:
            self._trouble = ""
        self._again.set()
        self._checking = False
        self._agenda.add_all()
        self._sending.hurry()
        self._tell(self)

    def pause(self) -> None:
        """Stop the work under way and begin none until `resume`, here and in every other process, now and later."""
        self._mark(Home.pause)
        self._stop(Hold.PAUSED)

    def cancel(self) -> None:
        """Stop the work under way until the next change, here or in the process that is at it."""
        if self._is_following:
            self._mark(Home.cancel)
        elif self._hold == Hold.NO and (self._agenda.running or self._agenda.is_waiting):
            self._stop(Hold.STOPPED)

    def resume(self) -> None:
        """Go on where it was paused or stopped."""
        if self._hold in (Hold.PAUSED, Hold.STOPPED):
            self.reindex()
        elif self._hold == Hold.OFF:  # others may be held by a pause of ours
            self._mark(Home.resume)
        if self._waiting_for == "power" and self._indexer is not None:
            for number in self._agenda.running:
                self._indexer.hurry(number)

    async def move_to(self, model: str) -> None:
        """Have the index moved to another model, now or when it is opened again; nothing happens before that."""
        if (index := self.index) is not None:
            await self._apart(partial(_quietly, partial(index.home.wish, model)))

    async def close(self) -> None:
        """Let go of everything."""
        self._is_closed = True
        self._again.set()
        if self._pulse is not None:
            self._pulse.cancel()
        await self._sending.close()
        await self._catching_up.close()
        await self._unsaved.close()
        if self._indexer is not None:
            await self._indexer.close()
        if self.index is not None:
            self._thread.submit(close_index, self.index)
            self.index = None
        self._thread.shutdown(wait=False)

    def _mark(self, mark: Callable[[Home], None]) -> None:
        """Tell other processes, and ourselves after a restart, of a pause or its end."""
        if (index := self.index) is not None:
            self._thread.submit(_quietly, partial(mark, index.home))

    def _stop(self, hold: Hold) -> None:
        if self._hold != Hold.OFF:
            self._hold = hold
        if self._indexer is not None:
            for number in tuple(self._agenda.running):
                self._indexer.cancel(number)
        self._tell(self)

    # ---- the work

    async def _send(self) -> None:
        """Give the indexer what has gathered."""
        if self._indexer is None or self._hold in (Hold.PAUSED, Hold.STOPPED):
            return
        now = time.monotonic()
        if now - self._sent < STORM_SECONDS and self._agenda.running:
            await asyncio.sleep(self._sent + STORM_SECONDS - now)
            if self._hold in (Hold.PAUSED, Hold.STOPPED):  # meanwhile
                return
        self._sent = time.monotonic()
        for job in self._agenda.take():
            self._agenda.running[self._indexer.submit(job.command())] = job
        self._tell(self)

    def _hear(self, report: Report) -> None:
        """Take a report of the indexer."""
        if "broken" in report:
            self._trouble = report["broken"]
            for job in self._agenda.running.values():
                self._agenda.give_back(job)
            self._agenda.running.clear()
            self._waiting_for = ""
        elif "wait" in report:
            self._waiting_for = report["wait"]
            self._checking = False
        elif "progress" in report:
            self._hear_progress(self._agenda.running.get(report["job"]), Progress(**report["progress"]))
        elif report["job"] in self._agenda.running:
            self._hear_end(self._agenda.running.pop(report["job"]), report["end"], report["message"])
        self._tell(self)

    def _hear_progress(self, job: Job | None, progress: Progress) -> None:
        self.progress = progress
        if job is not None and job.whole:
            self._time_scan(begins=progress.phase == "scan")
        self._waiting_for = ""
        self._is_following = False
        if progress.texts_total or progress.files_total > FEW_FILES:
            self._checking = False  # something was missed
        if progress.generation != self._generation:
            self._generation = progress.generation
            self._news += 1
            self._catching_up.ask()

    def _time_scan(self, *, begins: bool) -> None:
        """Note when a look at all time stamps began or ended; what is read and embedded after it does not count."""
        now = time.monotonic()
        if begins:
            self._scan_began = now
        elif self._scan_began:
            self._scan_took, self._scan_ended, self._scan_began = now - self._scan_began, now, 0.0

    def _hear_end(self, job: Job, end: str, message: str) -> None:
        self._news += 1
        self._waiting_for = ""
        if job.whole:
            self._time_scan(begins=False)
        if end == "done":
            self._trouble, self._failures = "", 0
            self._untidy = self._untidy or job.whole
        else:
            self._agenda.give_back(job)
        if end == "failed":
            self._trouble, self._failures = message, self._failures + 1
        self._is_following = end == "busy"
        if not self._agenda.running:
            self.progress = None
            self._catching_up.hurry()
        if self._agenda.is_waiting and end in ("done", "cancelled"):  # cancelled, and wanted again meanwhile
            self._sending.ask()

    async def _keep_looking(self, index: Index) -> None:
        """Look once a second at what others do, and do what follows."""
        look = await self._apart(lambda: looking(index.home, index.root))
        was = await self._apart(look)
        git = was.git
        if was.paused and self._hold == Hold.NO:  # since it was opened
            self._stop(Hold.PAUSED)
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            try:
                now = await self._apart(look)
                self._follow(was, now)
                if now.git != git and self._look_after(GIT_SECONDS, GIT_SHARE):
                    git = now.git
                self._look_after(IDLE_SCAN_SECONDS, SCAN_SHARE)
                if self._is_following and time.monotonic() - self._sent > BELIEVED_SECONDS:
                    self._sent = time.monotonic()
                    await self._apart(index.home.check_writer)
                await self._unsaved.rest()
                was = now
            except Exception:  # noqa: BLE001 - one look; the next one may see clearer
                _log.exception("what others do in %s cannot be seen", self.path)

    def _follow(self, was: Look, now: Look) -> None:
        """Do as other processes do: read what they commit, pause with them, write when they have ended."""
        if now.kept != was.kept and not self._agenda.running:
            self._catching_up.ask()
        if now.paused and not was.paused:
            self._stop(Hold.PAUSED)
        elif was.paused and not now.paused and self._hold == Hold.PAUSED:
            self._hold = Hold.NO
            self.reindex()
        if now.cancelled != was.cancelled and not self._is_following:
            self.cancel()
        ours = self._indexer is not None and now.writer is not None and now.writer.pid == self._indexer.pid
        before = self._is_following, self._writer
        self._writer = f"{now.writer.program}, process {now.writer.pid}" if now.writer and not ours else ""
        if self._writer and not self._agenda.running:
            self._is_following = True
        elif not self._writer and not self._agenda.is_waiting and now.kept == was.kept:  # its last commit is read
            self._is_following = False
        self._try_again(now)
        if before != (self._is_following, self._writer):
            self._tell(self)

    def _try_again(self, now: Look) -> None:
        """Take over what another process left undone, and do again what could not be done."""
        if now.orphaned and self._hold == Hold.NO and not self._agenda.running and not self._agenda.is_waiting:
            self._checking = False  # who wrote died amid its work, which is ours now
            self._agenda.add_all()
            self._sending.ask()
        is_due = time.monotonic() - self._sent > RETRY_SECONDS  # whatever is written there of a writer
        if self._is_following and self._agenda.is_waiting and (now.writer is None or is_due):
            self._sending.ask()
        # A disk may have room again, a drive be back; what failed often is tried less and less often.
        patience = FAILED_SECONDS * 2 ** min(self._failures, MOST_DOUBLINGS)
        if self._trouble and time.monotonic() - self._sent > patience:
            self._agenda.add_all()
            self._sending.ask()
        if self._blindness and time.monotonic() - self._looked > FAILED_SECONDS:
            self._catching_up.ask()

    async def _catch_up(self) -> None:
        """Read what was committed; what is reported meanwhile is left to the next time."""
        if self.index is None:
            return
        news, self._looked = self._news, time.monotonic()
        try:
            if await self._apart(self.index.catch_up):
                self._unsaved.look_again()
            idle = not (self._trouble or self._is_following or self._agenda.running or self._agenda.is_waiting)
            if idle and self.index.status().last_update == 0 and self._hold == Hold.NO:
                self._checking = False
                self._agenda.add_all()  # it was damaged, and is empty now
                self._sending.ask()
            if idle and self._untidy:
                self._untidy = False
                await self._apart(give_back)
            self._blindness = ""
        except EngineError as error:
            self._blindness = str(error)
        self._seen = news
        self._load_model()
        if not self._agenda.running and not self._agenda.is_waiting and self._seen == self._news:
            self._checking = False
        self._tell(self)

    def _load_model(self) -> None:
        """Load the model before the first question needs it, as soon as there are vectors to compare with."""
        if self.index is not None and self.index.status().embedded and not self._model_asked:
            self._model_asked = True
            self._thread.submit(self.index.encoder)  # should it fail, the first search says so

    async def _apart(self, work: Callable[[], T]) -> T:
        """Do something slow on the folder's own thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _quietly(work: Callable[[], None]) -> None:
    try:
        work()
    except EngineError as error:
        _log.warning("%s", error)
