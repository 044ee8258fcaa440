"""Answers: from a question of the client to rows for the client.

Takes params as protocol.py reads them, asks the indexes of the folders concerned on a few threads of its own, gives
rows in the client's words, merged by score. A question that cannot be answered by meaning is answered by words. Waits
for nothing: what is known at the moment is the answer.
"""

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeVar

from lsp_server.convert import (
    ascii_range,
    below,
    from_kinds,
    split_lines,
    to_range,
    to_semantic_symbol,
    to_workspace_symbol,
)
from lsp_server.documents import Document, Documents
from lsp_server.engine.encoder import ModelError
from lsp_server.engine.errors import EngineError
from lsp_server.engine.files import FilesError, Rules, read
from lsp_server.engine.hits import Answer, Hit
from lsp_server.engine.index import Index
from lsp_server.engine.query import Query, parse
from lsp_server.engine.symbols import Span
from lsp_server.folder import Folder
from lsp_server.protocol import (
    MAX_SYMBOLS,
    Filters,
    Location,
    Range,
    SemanticSymbol,
    SemanticSymbolParams,
    SemanticSymbolResult,
    SimilarSymbolParams,
    WorkspaceSymbol,
)
from lsp_server.workspace import Workspace

THREADS = 4  # that search: a new question need not wait for one that nobody wants any more
KEPT_TEXTS = 256  # files whose lines are kept, to count columns where lines are not ASCII

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """What one folder has to say."""

    rows: tuple[SemanticSymbol, ...] = ()
    confident: bool = False


class Answers:
    """Asks the indexes of the open folders."""

    def __init__(self, workspace: Workspace, documents: Documents) -> None:
        self._workspace = workspace
        self._documents = documents
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="question")
        self._texts = Texts()

    def close(self) -> None:
        """Answer no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def search(self, params: SemanticSymbolParams) -> SemanticSymbolResult:
        """Answer by meaning, words and names."""
        return await self._search(params, _by_meaning)

    async def search_words(self, params: SemanticSymbolParams) -> SemanticSymbolResult:
        """Answer by words and names: quickly, whatever the model does."""
        return await self._search(params, Index.search_words)

    async def _search(
        self, params: SemanticSymbolParams, ask: Callable[[Index, Query], Answer]
    ) -> SemanticSymbolResult:
        owned = self._workspace.owner(params.text_document)

        def find(folder: Folder, index: Index) -> Found:
            near = owned[1] if owned is not None and owned[0] is folder else ""
            answer = ask(index, self._query(folder, params.query, params.filters, near))
            return Found(self._rows(folder, index, answer.hits), answer.confident)

        return await self._ask(params.filters, find)

    async def similar(self, params: SimilarSymbolParams) -> SemanticSymbolResult:
        """Find code like what stands in a range. Nothing is found where nothing is indexed; the status says so."""
        start, end = params.range["start"], params.range["end"]
        uri, first = self._documents.in_file(params.text_document, start["line"])
        _, last = self._documents.in_file(
            params.text_document, end["line"] - (end["character"] == 0 and end["line"] > start["line"])
        )
        owned = self._workspace.owner(uri)
        trouble = "" if owned is not None else f"{params.text_document} lies in no open folder."

        def find(folder: Folder, index: Index) -> Found:
            nonlocal trouble
            if owned is None or owned[0] is not folder:
                return Found()
            try:
                query = self._query(folder, "", params.filters, owned[1])
                answer = index.similar(owned[1], first, max(last, first), query)
            except EngineError as error:
                trouble = str(error)
                return Found()
            return Found(self._rows(folder, index, answer.hits), answer.confident)

        result = await self._ask(params.filters, find)
        if trouble:
            result["index"]["message"] = trouble
        return result

    async def symbols(self, query: str, kinds: frozenset[int]) -> list[WorkspaceSymbol]:
        """Answer `workspace/symbol`: one word by names, more by meaning; `kinds` are those that the client knows."""
        mode = self._workspace.settings.workspace_symbols
        if mode == "off":
            return []
        question = parse(Query(query))
        by_name = mode == "names" or (question.words == query.strip() != "" and len(query.split()) == 1)

        def find(folder: Folder, index: Index) -> Found:
            if by_name:
                return Found(
                    self._rows(folder, index, index.find_names(query.strip(), MAX_SYMBOLS, self._without(folder)))
                )
            answer = _by_meaning(index, self._query(folder, query, Filters(limit=MAX_SYMBOLS), ""))
            return Found(self._rows(folder, index, answer.hits))

        result = await self._ask(Filters(limit=MAX_SYMBOLS), find)
        return [to_workspace_symbol(row, kinds) for row in result["symbols"]]

    async def explain(self, query: str, location: Location) -> dict[str, float | str]:
        """Say why the symbol at a place stands where it stands for a question. Raises EngineError."""
        uri, line = self._documents.in_file(location["uri"], location["range"]["start"]["line"])
        folder, path = self._owner(uri)

        def ask(index: Index) -> dict[str, float | str]:
            return index.explain(self._query(folder, query, Filters(), path), path, line)

        reasons = await self._ask_one(folder, ask)
        # NaN stands for "was not compared", and is no JSON.
        return {name: value for name, value in reasons.items() if isinstance(value, str) or math.isfinite(value)}

    async def why(self, uri: str) -> str:
        """Say whether a file is indexed, or which rule leaves it out. Raises EngineError."""
        folder, path = self._owner(uri)
        return await self._ask_one(folder, lambda index: index.why(path))

    # ---- asking

    def _owner(self, uri: str) -> tuple[Folder, str]:
        owned = self._workspace.owner(uri)
        if owned is None:
            raise EngineError(f"{uri} lies in no open folder, so it is not indexed.")
        return owned

    async def _ask(self, filters: Filters, find: Callable[[Folder, Index], Found]) -> SemanticSymbolResult:
        """Ask all folders that the filters leave, and merge what they say."""
        folders = self._workspace.named(filters.folders)
        # Kinds that the engine never gives would read as "no filter" there.
        impossible = bool(filters.kinds) and not from_kinds(filters.kinds)
        asked = [(folder, folder.index) for folder in folders if folder.index is not None and not impossible]
        loop = asyncio.get_running_loop()
        found = await asyncio.gather(
            *(loop.run_in_executor(self._threads, find, folder, index) for folder, index in asked)
        )
        for folder in folders:
            folder.used()
        rows = [row for one in found for row in one.rows]
        rows.sort(key=lambda row: -row["score"])
        return {
            "symbols": rows[: filters.limit],
            "index": self._workspace.summary(folders),
            "confident": any(one.confident for one in found),
        }

    async def _ask_one(self, folder: Folder, ask: Callable[[Index], T]) -> T:
        index = folder.index
        if index is None:
            raise EngineError(folder.status().get("message", "The index is being opened; try again in a moment."))
        return await asyncio.get_running_loop().run_in_executor(self._threads, ask, index)

    def _without(self, folder: Folder) -> frozenset[str]:
        """Return the folders inside this one that are open, too: what they hold is theirs to answer for."""
        inside = (folder.relative(other.path) for other in self._workspace.folders if other is not folder)
        return frozenset(path for path in inside if path)

    def _query(self, folder: Folder, text: str, filters: Filters, near: str) -> Query:
        paths = (folder.relative(path) for path in self._documents)
        return Query(
            text=text,
            limit=filters.limit,
            kinds=from_kinds(filters.kinds),
            languages=filters.languages,
            include=filters.include,
            exclude=filters.exclude,
            near=near,
            open_paths=frozenset(path for path in paths if path),
            without=self._without(folder),
        )

    # ---- rows

    def _rows(self, folder: Folder, index: Index, hits: Sequence[Hit]) -> tuple[SemanticSymbol, ...]:
        return tuple(self._row(folder, index, hit) for hit in hits)

    def _row(self, folder: Folder, index: Index, hit: Hit) -> SemanticSymbol:
        document = self._documents.at(folder.path / hit.path)
        if isinstance(document, Document):
            return self._placed(hit, document.uri, document.lines.copy(), hit.span, hit.name_span)
        if document is not None and hit.unsaved:
            whole, name = document.in_cell(hit.span), document.in_cell(hit.name_span)
            if whole is not None and name is not None:
                cell, span = whole
                return self._placed(hit, cell.uri, cell.lines, span, name[1])
        lines = () if hit.ascii else self._texts.lines(index.root, hit.path, index.rules)
        return self._placed(hit, below(folder.uri, hit.path), lines, hit.span, hit.name_span)

    def _placed(self, hit: Hit, uri: str, lines: Sequence[str], whole: Span, name: Span) -> SemanticSymbol:
        return to_semantic_symbol(hit, uri, self._range(whole, lines), self._range(name, lines))

    def _range(self, span: Span, lines: Sequence[str]) -> Range:
        return to_range(span, lines, self._documents.encoding) if lines else ascii_range(span)


class Texts:
    """The lines of files on disk, kept as long as size and time stay the same. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Path, tuple[tuple[int, int], list[str]]] = OrderedDict()

    def lines(self, root: Path, path: str, rules: Rules) -> Sequence[str]:
        """Return the lines of a file, none when it cannot be read any more."""
        whole = root / path
        try:
            stat = whole.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            with self._lock:
                kept = self._kept.get(whole)
                if kept is not None and kept[0] == stamp:
                    self._kept.move_to_end(whole)
                    return kept[1]
            lines = split_lines(read(root, path, rules).text)
        except (OSError, FilesError):
            return ()
        with self._lock:
            self._kept[whole] = (stamp, lines)
            while len(self._kept) > KEPT_TEXTS:
                self._kept.popitem(last=False)
        return lines


def _by_meaning(index: Index, query: Query) -> Answer:
    try:
        return index.search(query)
    except ModelError as error:
        _log.warning("answered by words alone: %s", error)
        return index.search_words(query)
