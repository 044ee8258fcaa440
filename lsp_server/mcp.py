"""MCP: the same index for coding agents, over the Model Context Protocol on standard input and output.

Takes the folders that were named on the command line, else those that the client calls its roots, else the project
around the current directory; gives three tools. What they say is text for a reader who pays by the word: a place, a
signature, a sentence. Before a question is answered its folders are looked at once more, and indexing has a few seconds
to end; what takes longer goes on in the background, and the answer says so. Nothing outside the folders is ever shown.
"""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from mcp import MCPError
from mcp.server.mcpserver import Context, ListRoots, MCPServer, Resolve
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ListRootsRequest, ListRootsResult, ToolAnnotations
from pydantic import Field

from lsp_server import __version__
from lsp_server.convert import relative, split_lines, to_uri
from lsp_server.engine.encoder import ModelError
from lsp_server.engine.errors import EngineError
from lsp_server.engine.files import FilesError, read
from lsp_server.engine.hits import Answer, Hit
from lsp_server.engine.index import Index
from lsp_server.engine.query import Query, filter_trouble
from lsp_server.folder import Folder
from lsp_server.protocol import MAX_QUERY
from lsp_server.settings import Settings
from lsp_server.workspace import Workspace

FRESH_SECONDS = 3.0  # that an answer waits for what has just changed: a pass without much news takes less than one
FIRST_SECONDS = 15.0  # that it waits for a folder's first index; clients give a tool about a minute
GOODBYE_SECONDS = 3.0  # after the client has gone, whatever still runs is ended
REPORT_SECONDS = 1.0  # between reports of progress
ROOTS_SECONDS = 10.0  # that a client is given to name its roots: less than it gives a tool
MAX_LIMIT = 50
MAX_LINES = 60
DEFAULT_LIMIT = 10
SKIPPED_ROWS = 5

INSTRUCTIONS = """\
Finds code of this project by what it does, on this machine. Ask find_code in plain words before searching for text:
it knows functions, classes, methods and sections of documentation by their meaning, words and names. Use similar_code
for more code like some at hand. Look for all uses of a known name with a text search instead."""

FIND = """\
Find functions, classes, methods and sections by what they do. Ask in plain words ("where are retries delayed") or by
name. The query may hold filters: kind:function lang:python path:src/** -path:tests/** in:folder name:parse* changed:
(differs from git's HEAD) and "quoted words" that must appear literally. Gives path:first-last line, kind and name, how
it matched with a score from 0 to 1, signature and first sentence of documentation, best first."""

SIMILAR = """\
Find code like that at a place: other implementations, duplicates, examples to follow. The place itself is left out."""

STATUS = "Say which folders are indexed, how far indexing is, and what is left out."

_READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
_BUSY = ("starting", "indexing")

_log = logging.getLogger(__name__)

Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="hits at most")]
SourceLines = Annotated[
    int, Field(ge=0, le=MAX_LINES, description="source lines to show of each hit; 0 for signature and first sentence")
]


def serve(settings: Settings, named: Sequence[Path], around: Path) -> None:
    """Serve one client until it leaves.

    Asked are the folders `named`; without any, the client's roots; without those, the folder `around`.
    """
    # A thread waits for input that nobody can call off: Ctrl-C ends the process as it is, and every commit is whole.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    asyncio.run(_serve(settings, named, around))


async def _serve(settings: Settings, named: Sequence[Path], around: Path) -> None:
    projects = Projects(settings)
    try:
        await make_server(projects, named, around).run_stdio_async()
    finally:
        end = threading.Timer(GOODBYE_SECONDS, os._exit, (0,))
        end.daemon = True
        end.start()
        await projects.close()


def make_server(projects: "Projects", named: Sequence[Path], around: Path) -> MCPServer:
    """Return the server with its tools."""

    async def ask_roots(context: Context) -> ListRoots | ListRootsResult:
        able = context.client_capabilities
        if named or able is None or able.roots is None:
            return ListRootsResult(roots=[])
        if context.session.can_send_request:
            return await _asked_roots(context)
        return ListRoots()

    def wanted(roots: ListRootsResult) -> list[str]:
        uris = [str(root.uri) for root in roots.roots]
        return uris or [to_uri(path.resolve()) for path in named or (around,)]

    async def find_code(
        query: Annotated[str, Field(description="what the code does, or its name", max_length=MAX_QUERY)],
        roots: Annotated[ListRootsResult, Resolve(ask_roots)],
        context: Context,
        limit: Limit = DEFAULT_LIMIT,
        lines: SourceLines = 0,
    ) -> str:
        _check(query)
        folders = await projects.open(wanted(roots))
        await projects.refresh(folders, context)
        return await projects.answer(folders, lambda index: _by_meaning(index, Query(query, limit)), limit, lines)

    async def similar_code(
        path: Annotated[str, Field(description="a file, relative to the project or absolute")],
        line: Annotated[int, Field(ge=1, description="a line of the code, counted from 1")],
        roots: Annotated[ListRootsResult, Resolve(ask_roots)],
        context: Context,
        limit: Limit = DEFAULT_LIMIT,
        lines: SourceLines = 0,
    ) -> str:
        folders = await projects.open(wanted(roots))
        folder, inside = _placed(folders, path)
        await projects.refresh((folder,), context)
        query = Query("", limit)
        return await projects.answer(
            (folder,), lambda index: index.similar(inside, line - 1, line - 1, query), limit, lines
        )

    async def index_status(roots: Annotated[ListRootsResult, Resolve(ask_roots)]) -> str:
        folders = await projects.open(wanted(roots))
        return "\n".join(line for folder in folders for line in _status_lines(folder))

    server: MCPServer = MCPServer("meaning-ls", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING")
    for tool, description in ((find_code, FIND), (similar_code, SIMILAR), (index_status, STATUS)):
        server.add_tool(tool, description=description, annotations=_READS, structured_output=False)
    return server


async def _asked_roots(context: Context) -> ListRootsResult:
    """Ask a client of the older protocol, in which a server waits for what it asks. Raises ToolError.

    Roots draw a line: no other folder may stand in for those that are not named.
    """
    try:
        roots: ListRootsResult = await context.session.send_request(ListRootsRequest(), ListRootsResult, ROOTS_SECONDS)
    except MCPError as error:
        raise ToolError(
            f"The client says that it has roots, and does not name them ({error.message}). "
            "Name the folders in its configuration instead, after `mcp` in the arguments of meaning-ls."
        ) from error
    return roots


class Projects:
    """The folders that are asked about, each with its index, kept current by a process beside."""

    def __init__(self, settings: Settings) -> None:
        self._workspace = Workspace(settings, self._tell)
        self._news = asyncio.Event()

    async def close(self) -> None:
        """Let go of everything."""
        await self._workspace.close()

    async def open(self, uris: Sequence[str]) -> tuple[Folder, ...]:
        """Have these folders open and no other. Raises ToolError when there is none."""
        for folder in self._workspace.folders:
            if folder.uri not in uris or (folder.state == "failed" and folder.index is None):  # it may be there now
                await self._workspace.remove(folder.uri)
        for uri in uris:
            self._workspace.add(uri, ())
        folders = self._workspace.folders
        if not folders:
            raise ToolError(f"None of these is a folder of this machine: {', '.join(uris)}")
        await self._until(lambda: all(folder.state != "starting" for folder in folders), FRESH_SECONDS)
        return folders

    async def refresh(self, folders: Sequence[Folder], context: Context) -> None:
        """Have what changed indexed, and wait for it as long as it is quickly done."""
        for folder in folders:
            folder.touch([""])
        empty = not any(folder.status()["symbols"] for folder in folders)
        end = time.monotonic() + (FIRST_SECONDS if empty else FRESH_SECONDS)
        told = 0
        while (busy := [folder for folder in folders if folder.state in _BUSY]) and time.monotonic() < end:
            await self._until(lambda: not any(folder.state in _BUSY for folder in folders), REPORT_SECONDS)
            passes = [folder.progress for folder in busy if folder.progress is not None]
            done, total = sum(each.texts_done for each in passes), sum(each.texts_total for each in passes)
            if done > told:  # it must not go back, and what is to do becomes known while files are read
                told = done
                await context.report_progress(done, total, "indexing")

    async def answer(self, folders: Sequence[Folder], ask: Callable[[Index], Answer], limit: int, lines: int) -> str:
        """Ask the folders and lay out what they say, best first. Raises ToolError when none can be asked."""
        opened = [(folder, folder.index) for folder in folders if folder.index is not None]
        if not opened:
            messages = (folder.status().get("message", "") for folder in folders)
            raise ToolError(" ".join(filter(None, messages)) or "The index is being opened; ask again in a moment.")
        try:
            answers = await asyncio.gather(*(asyncio.to_thread(ask, index) for _, index in opened))
        except EngineError as error:
            raise ToolError(str(error)) from error
        rows = [
            (hit, index)
            for (folder, index), answer in zip(opened, answers, strict=True)
            for hit in answer.hits
            if self._is_own(folder, hit)
        ]
        rows.sort(key=lambda row: -row[0].score)
        head = [note for folder in folders for note in _notes(folder)]
        if not rows:
            return "\n".join([*head, "Nothing found."])
        if not any(answer.confident for answer in answers):
            head.append("Nothing fits well; the nearest:")
        roots = {index.root for _, index in opened}
        shown = await asyncio.to_thread(
            lambda: [line for hit, index in rows[:limit] for line in _hit_lines(hit, index, len(roots) > 1, lines)]
        )
        return "\n".join([*head, *shown])

    def _is_own(self, folder: Folder, hit: Hit) -> bool:
        """Whether a hit is not told of by a folder that lies inside this one, too."""
        owned = self._workspace.owner_of(folder.path / hit.path)
        return owned is None or owned[0] is folder

    async def _until(self, done: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not done() and (left := end - time.monotonic()) > 0:
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left)

    def _tell(self, folder: Folder) -> None:
        self._news.set()


def _check(query: str) -> None:
    if not query.strip():
        raise ToolError("The query is empty; say what the code does.")
    if trouble := filter_trouble(query):
        raise ToolError(f"The filters of the query {trouble}.")


def _by_meaning(index: Index, query: Query) -> Answer:
    try:
        return index.search(query)
    except ModelError as error:
        _log.warning("answered by words alone: %s", error)
        return index.search_words(query)


def _placed(folders: Sequence[Folder], path: str) -> tuple[Folder, str]:
    """Return the folder of a file and its path there, whatever links lead to it. Raises ToolError."""
    roots = [(folder, folder.index.root) for folder in folders if folder.index is not None]
    for _, base in roots:
        whole = Path(os.path.realpath(base / path))
        for folder, root in roots:
            inside = relative(whole, root)
            if inside and whole.is_file():
                return folder, inside
    raise ToolError(f"{path} is no file of {' or '.join(str(root) for _, root in roots) or 'the project'}.")


# ---- what is said


def _notes(folder: Folder) -> list[str]:
    status = folder.status()
    if status["state"] in _BUSY:
        known = f"{status['embedded']:,} of {status['symbols']:,} symbols"
        return [f"Still indexing: {known} can be found by meaning so far, the others by words and names."]
    return [status["message"]] if "message" in status and status["state"] != "ready" else []


def _hit_lines(hit: Hit, index: Index, whole: bool, lines: int) -> list[str]:
    last = hit.span.end_line - (hit.span.end_column == 0 and hit.span.end_line > hit.span.start_line)
    path = str(index.root / hit.path) if whole else hit.path
    name = f"{hit.container}.{hit.name}" if hit.container else hit.name
    head = f"{path}:{hit.span.start_line + 1}-{last + 1} {hit.kind} {name} ({hit.match} {hit.score:.2f})"
    if lines:
        try:
            text = split_lines(read(index.root, hit.path, index.rules).text)
        except FilesError:
            text = []
        shown = range(hit.span.start_line, min(last + 1, hit.span.start_line + lines, len(text)))
        return [head, *(f"{at + 1:>6} {text[at].rstrip()}" for at in shown)]
    return [head, f"  {hit.preview}", *([f"  {hit.detail}"] if hit.detail else [])]


def _status_lines(folder: Folder) -> list[str]:
    status = folder.status()
    done, total = status["filesDone"], status["filesTotal"]
    lines = [
        f"{folder.path}: {status['state']}, {done:,} of {total:,} files, {status['symbols']:,} symbols, "
        f"{status['embedded']:,} of them found by meaning, {status['skippedTotal']:,} files left out"
    ]
    if "message" in status:
        lines.append(f"  {status['message']}")
    return lines + [f"  left out: {row['path']}: {row['reason']}" for row in status["skipped"][:SKIPPED_ROWS]]
