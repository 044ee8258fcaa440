"""Index: the face of the engine. One workspace folder, searched by meaning, words and names.

Takes a root and questions, gives hits. Reading (`catch_up`, `search` and the rest) works beside any number of other
processes; writing (`update`, `update_paths`) takes the folder's lock. Everything is kept in a folder of the user's
cache, nothing is written below the root. Knows no LSP, no terminal, no threads of its own but those of a pass.
"""

import contextlib
import logging
import shlex
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from lsp_server.engine import names
from lsp_server.engine.cache import size_of
from lsp_server.engine.corpus import Corpus
from lsp_server.engine.database import explain, is_damage
from lsp_server.engine.encoder import Encoder
from lsp_server.engine.errors import EngineError, StoreError
from lsp_server.engine.files import Rules, check_root, why
from lsp_server.engine.git import changed_files
from lsp_server.engine.hits import Answer, Hit, Status, explanation, make_hit
from lsp_server.engine.hnsw import bytes_needed
from lsp_server.engine.home import Home
from lsp_server.engine.installed import AUTO
from lsp_server.engine.memory import Budget, Saving, give_back, resident
from lsp_server.engine.overlay import Overlay
from lsp_server.engine.query import Query, Question, parse
from lsp_server.engine.reranker import OFF, Reranking
from lsp_server.engine.search import Ranked, allowed_rows, list_recent, rank, rank_similar
from lsp_server.engine.serving import Asked, Models
from lsp_server.engine.store import Store, model_of
from lsp_server.engine.update import Progress
from lsp_server.engine.view import KIND_NAMES, View
from lsp_server.engine.writing import Writing

SKIPPED_ROWS = 100  # of the files that were left out, in a status

_SAVED = {
    Saving.VECTORS: "vectors are read from disk, so questions take longer",
    Saving.MEANING: "questions are answered by words and names alone",
}
_log = logging.getLogger(__name__)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Options:
    """How an index is made. The names are those of the settings and of the command line."""

    model: str = "auto"  # "auto", the id of a model that is here, or a folder
    device: str = "auto"  # what computes: "auto", "cpu" or another of devices.py
    threads: int = 0  # that embed; 0: half the cores
    exclude: tuple[str, ...] = ()  # globs as in .gitignore
    max_file_bytes: int = 1_000_000
    cache_dir: str = ""  # "": the user's cache folder
    memory_limit: int = 0  # megabytes of this process and its children, 0: none
    docs_model: str = (
        AUTO  # for sections of documentation: "auto" (as the index has it, none at first), "off", or a model
    )
    rerank: str = OFF  # what reorders the best rows: "off", "auto", the id of a reranker that is here, or a folder

    @property
    def rules(self) -> Rules:
        """What the user wants left out."""
        return Rules(self.exclude, self.max_file_bytes)


class Index:
    """One folder's index. `catch_up` in one thread at a time; `search` and the other questions in any.

    Raises EngineError when the root, the model's folder or the cache cannot be used.
    """

    def __init__(self, root: Path, options: Options | None = None, encoder: Encoder | None = None) -> None:
        self.options = options or Options()
        self.root = check_root(root)
        self.rules = self.options.rules
        self.home = Home(self.root, self.options.cache_dir, self.rules.key())
        self.folder, self.store_path = self.home.folder, self.home.store
        self.home.begin()
        used = model_of(self.store_path)
        options = self.options
        asked = Asked(options.model, options.device, options.cache_dir, used, options.docs_model, self.home.wished())
        self._models = Models(asked, encoder)
        self._overlay = Overlay()
        self._reranking = Reranking(self.options.rerank, self.options.cache_dir)
        self.budget = Budget(self.options.memory_limit, lambda server: resident(server, self.writing.children()))
        self.writing = Writing(self.home, self.rules, self._models, self.options.threads, self.budget)
        self._saving = Saving.NOTHING
        self._questions = threading.Lock()  # the connection that fetches details serves one thread at a time
        self._open()

    def _open(self) -> None:
        """Open the store; a damaged one is made anew if nobody writes it."""
        self.home.make()
        try:
            self._connect()
            return
        except sqlite3.Error as error:
            if not is_damage(error):
                raise StoreError(explain(error, self.store_path)) from error
            self.home.note_damage(error)
        with self.home.writing():
            self.home.remove_damaged()
        self._connect()

    def _connect(self) -> None:
        with contextlib.ExitStack() as opened:
            self._store = opened.enter_context(contextlib.closing(Store(self.store_path)))
            self._details = opened.enter_context(contextlib.closing(Store(self.store_path)))
            self._inode = self.store_path.stat().st_ino
            self._corpus = self._make_corpus()
            self._status = self._make_status()
            opened.pop_all()

    def _make_corpus(self) -> Corpus:
        """Hold the vectors of our model, those of the former one until every text has a vector of ours."""
        note = self._store.meta("model")
        self._models.follow(note)
        self._serving = self._models.serving(note)
        model = self._serving
        # What will be held is known before it is.
        if self.budget.is_exceeded(bytes_needed(self._store.vector_count(model.fingerprint), model.dims)):
            self._saving = max(self._saving, Saving.VECTORS)
        corpus = Corpus(self._store, self.home.graph, model, self._saving)
        self._overlay.move_to(corpus)
        return corpus

    @property
    def model(self) -> str:
        """The id of the model that makes the vectors."""
        return self._models.own.id

    @property
    def fingerprint(self) -> str:
        """What tells that model from all others."""
        return self._models.own.fingerprint

    def close(self) -> None:
        """Let go of files and processes."""
        self.stop_reading()
        self._models.unload()
        self._store.close()
        self._details.close()

    # ---- writing

    def update(self, first: Sequence[str] = ()) -> Iterator[Progress]:
        """Bring the whole index up to date; files in `first` come first. See `update.Pass`.

        Raises Busy when another process writes, EngineError when the store cannot be written or there is no model.
        """
        yield from self.writing.update(first)

    def update_paths(self, paths: Sequence[str]) -> Iterator[Progress]:
        """Bring the index up to date with these files or folders, given relative to the root."""
        yield from self.writing.update_paths(paths)

    def refresh(self) -> Iterator[Progress]:
        """Update and catch up, for those who do nothing beside; once more if what was there turns out damaged."""
        yield from self.update()
        if self.catch_up() and not self._status.last_update:
            yield from self.update()
            self.catch_up()

    def stop_reading(self) -> None:
        """End the process that reads files; the next one costs a third of a second."""
        self.writing.stop_reading()

    def rest(self) -> None:
        """Give back the memory that only passes need; the next pass takes a quarter of a second longer."""
        self.stop_reading()
        self._models.unload()
        give_back()

    # ---- reading

    def encoder(self) -> Encoder:
        """Return the model, loaded on first use (0.2 s), and what reorders answers beside it. Raises ModelError."""
        self._reranking.prepare()
        return self._models.encoder(self._models.own)

    def catch_up(self) -> bool:
        """Read what any process committed since the last call; True if something changed.

        A damaged store is emptied here if nobody writes it. Raises StoreError when it cannot be read now.
        """
        try:
            return self._catch_up()
        except (LookupError, ValueError, TypeError) as error:  # rows that make no sense are not as they were written
            found = self.writing.verify()
            if found is None:
                raise StoreError(
                    f"{self.store_path} is damaged. It is mended when nobody writes it any more."
                ) from error
            if not found:
                raise
            return self._catch_up() or True

    def _catch_up(self) -> bool:
        try:
            if self.home.is_damaged:
                changed = self._make_anew()
            elif not self.store_path.exists() or self.store_path.stat().st_ino != self._inode:  # somebody made it anew
                changed = self._reopen()
            elif changed := self._corpus.catch_up():
                note = self._store.meta("model")
                self._models.follow(note)
                if self._serving != self._models.serving(note):
                    self._replace_corpus()
                if self._saving < Saving.MEANING and self.budget.is_exceeded():
                    self._save_memory()
                self._status = self._make_status()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise StoreError(explain(error, self.store_path)) from error
            self.home.note_damage(error)
            changed = self._make_anew()
        except OSError as error:
            if self._saving != Saving.VECTORS:
                raise StoreError(f"The index in {self.folder} cannot be read ({error}).") from error
            _log.warning("vectors cannot be kept on disk (%s)", error)
            self._saving, changed = Saving.MEANING, True
            self._replace_corpus()
            self._status = self._make_status()
        return changed

    def _replace_corpus(self) -> None:
        try:
            corpus = self._make_corpus()
            corpus.catch_up()
        except OSError as error:  # no room for vectors on disk either
            _log.warning("vectors cannot be kept on disk (%s)", error)
            self._saving = Saving.MEANING
            corpus = self._make_corpus()
            corpus.catch_up()
        self._corpus = corpus

    def _save_memory(self) -> None:
        """Do without the next thing that costs memory."""
        give_back()
        if self.budget.is_exceeded():
            self._saving = Saving(self._saving + 1)
            _log.warning("more than %d MB are used: %s", self.budget.megabytes, _SAVED[self._saving])
            self._replace_corpus()
            if self._saving == Saving.MEANING:
                self._models.unload()
                self._reranking = Reranking(OFF, "")
            give_back()

    def _make_anew(self) -> bool:
        with self._questions:
            with self.home.writing():
                self._store.close()
                self._details.close()
                self.home.remove_damaged()
            self._open()
        return True

    def _reopen(self) -> bool:
        with self._questions:
            self._store.close()
            self._details.close()
            self._open()
        self._corpus.catch_up()
        self._status = self._make_status()
        return True

    # ---- what is open and not saved; in the thread of `catch_up`

    def lay_over(self, path: str, text: str) -> bool:
        """Have the unsaved `text` of a file answer instead of what is stored: by words and names at once.

        `embed_laid` adds the meaning. Nothing of it is written anywhere. A text that is stored just so, or belongs to
        no file that is indexed, is not laid over anything; False tells so.
        """
        with self._store_errors():
            return self._overlay.lay_over(path, text, self._store, self._corpus, self.writing.reader())
        return False

    def lift(self, path: str) -> None:
        """Have what is stored of a file answer again."""
        self._overlay.lift(path, self._corpus)

    def embed_laid(self, seconds: float) -> bool:
        """Embed unsaved texts for about so long; True when some are left. Raises ModelError."""
        if self._saving == Saving.MEANING:
            return False
        return self._overlay.embed(self._corpus, lambda: self._models.encoder(self._serving), seconds)

    @contextlib.contextmanager
    def _store_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if not is_damage(error):
                raise StoreError(explain(error, self.store_path)) from error
            self.home.note_damage(error)

    # ---- questions

    def search(self, query: Query) -> Answer:
        """Answer by meaning, words and names; by words and names alone while nothing is embedded."""
        view = self._corpus.view
        return self._answer(view, self.ranked(query, view))

    def ranked(self, query: Query, view: View | None = None) -> Ranked:
        """Return the rows that `search` shows, with what placed them."""
        view = view or self._corpus.view
        question = parse(query)
        vector: np.ndarray | None = None
        if view.embedded and question.words:
            vector = self._models.encoder(self._models.by_fingerprint(view.model)).encode_query(question.words)
        return self._reranking.reorder(
            question, self._rank(view, question, vector), lambda rows: self._texts(view, rows)
        )

    def search_words(self, query: Query) -> Answer:
        """Answer by words and names: in a few milliseconds, without the model."""
        view = self._corpus.view
        return self._answer(view, self._rank(view, parse(query), None))

    def _rank(self, view: View, question: Question, vector: np.ndarray | None) -> Ranked:
        allowed = self._allowed(view, question)
        if not question.words:
            return list_recent(view, allowed, question.query.limit)
        return rank(view, question, vector, allowed)

    def _allowed(self, view: View, question: Question) -> np.ndarray:
        literal: set[int] | None = None
        for phrase in question.phrases:
            found = self._ask(lambda store, phrase=phrase: store.literal(phrase))  # type: ignore[misc]
            found |= self._overlay.literal(phrase)
            literal = found if literal is None else literal & found
        changed = changed_files(self.root) if question.changed else None
        return allowed_rows(view, question, literal, changed)

    def find_names(self, text: str, limit: int, without: frozenset[str] = frozenset()) -> tuple[Hit, ...]:
        """Find symbols by name: exact, prefix, camel-hump and fuzzy matches, in that order; `without` as in Query."""
        view = self._corpus.view
        found = names.find(view, text, limit, self._allowed(view, parse(Query("", without=without))))
        return self._hits(view, [(row, score, "name") for row, score in found])

    def similar(self, path: str, start_line: int, end_line: int, query: Query) -> Answer:
        """Find code like lines `start_line` to `end_line` (0-based, inclusive) of `path`, itself left out.

        Raises EngineError when no indexed symbol stands there.
        """
        view = self._corpus.view
        row = self._row_at(view, path, start_line, end_line)
        if row is None:
            raise self._nothing_at(path, start_line)
        question = parse(query)
        allowed = self._allowed(view, question)
        allowed[[row, *view.around(row), *view.inside(row)]] = False
        vector_row = int(view.vector_rows[row])
        text = self._overlay.text_of(int(view.ids[row]))
        if vector_row < 0 and view.embedded and text:  # it was typed just now
            vector = self._models.encoder(self._models.by_fingerprint(view.model)).encode(text)
            return self._answer(view, rank_similar(view, vector, allowed, query.limit))
        if vector_row < 0:
            alike = replace(question, query=replace(question.query, text=view.names[row]))
            return self._answer(view, rank(view, alike, None, allowed))
        vector = view.vectors.floats(np.array([vector_row]))[0]
        return self._answer(view, rank_similar(view, vector, allowed, query.limit))

    def explain(self, query: Query, path: str, line: int) -> dict[str, float | str]:
        """Return why the symbol at `line` (0-based) of `path` stands where it stands for `query`."""
        view = self._corpus.view
        row = self._row_at(view, path, line, line)
        if row is None:
            raise self._nothing_at(path, line)
        query = replace(query, limit=len(view))
        allowed = self._allowed(view, parse(query))
        found: dict[str, float | str] = {"name": view.names[row], "kind": KIND_NAMES[view.kinds[row]]}
        if not allowed[row]:
            return found | {"place": "left out by a filter"}
        return found | explanation(self.ranked(query, view), row)

    def _nothing_at(self, path: str, line: int) -> EngineError:
        whole = self.root / path  # whoever reads it may stand anywhere
        return EngineError(f"Nothing is indexed at {whole}:{line + 1}. See: meaning-ls why {shlex.quote(str(whole))}")

    def why(self, path: str) -> str:
        """Return a sentence: how much of a file or folder is indexed, or which rule leaves it out."""
        reason = why(self.root, path, self.rules)
        if not reason and (self.root / path).is_dir():
            files = self._ask(lambda store: store.files_below("" if path == "." else path))
            many = f"{files} file{'s' if files > 1 else ''}"
            return f"{path} is indexed with {many}." if files else f"Nothing in {path} is indexed."
        if reason:
            return f"{path} is left out: {reason}."
        known = self._ask(lambda store: store.file_note(path))
        if known is None:
            return f"{path} is not indexed yet. Run: meaning-ls index"
        count, note, reason = known
        if reason:
            return f"{path} is left out: {reason}."
        many = f"{count} symbol{'' if count == 1 else 's'}"
        return f"{path} is indexed with {many}{f' ({note})' if note else ''}."

    def status(self) -> Status:
        """Return what is known of the index since the last `catch_up`."""
        trouble = self._status.message or self._reranking.trouble
        return replace(self._status, message=trouble, reranker=self._reranking.id)

    # ---- from rows to hits

    def _ask(self, ask: Callable[[Store], _T]) -> _T:
        with self._questions:
            try:
                return ask(self._details)
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise StoreError(explain(error, self.store_path)) from error
                self.home.note_damage(error)
                raise StoreError(f"{self.store_path} is damaged. It is made anew by: meaning-ls index") from error

    def _row_at(self, view: View, path: str, start_line: int, end_line: int) -> int | None:
        """Return the row of the smallest symbol that holds these lines, the file's own when none does."""
        spans = self._overlay.spans_of(path) or self._ask(lambda store: store.symbols_of(path))
        if not spans or start_line > max(span[2] for _, span in spans):
            return None
        # The first is the file itself, which stands for its first lines.
        inside = [item for item in spans[1:] if item[1][0] <= start_line and end_line <= item[1][2]] or spans[:1]
        symbol_id = min(inside, key=lambda item: (item[1][2] - item[1][0], -item[0]))[0]
        rows = np.flatnonzero(view.ids == symbol_id)
        return int(rows[0]) if len(rows) else None

    def _answer(self, view: View, ranked: Ranked) -> Answer:
        placed = list(zip(ranked.rows.tolist(), ranked.scores.tolist(), ranked.matches(), strict=True))
        return Answer(self._hits(view, placed), ranked.confident, self._status)

    def _texts(self, view: View, rows: Sequence[int]) -> list[str]:
        """Return documentation and code of symbols, "" for one that has just gone."""
        ids = [int(view.ids[row]) for row in rows]
        stored = self._ask(lambda store: store.texts([one for one in ids if one > 0]))
        return [stored.get(one) or self._overlay.text_of(one) for one in ids]

    def _hits(self, view: View, placed: Sequence[tuple[int, float, str]]) -> tuple[Hit, ...]:
        """Return rows, each with its score and why it was found, as hits; those deleted meanwhile are missing."""
        ids = [int(view.ids[row]) for row, _, _ in placed]
        details = self._ask(lambda store: store.details([one for one in ids if one > 0]))
        details |= self._overlay.details(ids)
        found = zip(ids, placed, strict=True)
        return tuple(make_hit(details[one], score, match) for one, (_, score, match) in found if one in details)

    def _make_status(self) -> Status:
        view = self._corpus.view
        skipped_total, skipped = self._store.skipped(SKIPPED_ROWS)
        last_update = float(self._store.meta("last_update") or 0)
        files = view.stored_files
        message = ""
        if self._serving != self._models.own:
            message = f"Moving to the model {self.model}; until that is done, answers come from {self._serving.id}."
        elif self._saving:
            message = f"The setting memoryLimit ({self.budget.megabytes} MB) is kept: {_SAVED[self._saving]}."
        elif last_update and not files:
            message = "No file is indexed: " + (
                f"{skipped[0][0]}: {skipped[0][1]}." if skipped else "the folder holds none."
            )
        return Status(
            state="ready" if last_update else "starting",
            mode="hybrid" if view.embedded else "words",
            files_done=files,
            files_total=max(files, int(self._store.meta("files_wanted") or 0)),
            symbols=view.stored,
            embedded=view.embedded,
            model=self._serving.id if view.embedded else "",
            vectors=view.vector_form,
            message=message,
            bytes=size_of(self.folder),
            last_update=last_update,
            skipped=skipped,
            skipped_total=skipped_total,
        )
