"""Commits: how a store changes. One writer at a time, which holds the folder's lock (see `home`).

Should a lock fail, for somebody deleted its file or its file system knows none, the store itself tells writers apart:
each signs it when it begins, and one that finds another's sign has lost its right and commits nothing more.

Takes what was read from files and the vectors of their texts. Each public call is one transaction that carries files,
symbols, words and pending texts together, and raises the generation by one.
"""

import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lsp_server.engine.database import STEPS, SYMBOL_SUM, check_sum, explain
from lsp_server.engine.errors import Busy, StoreError
from lsp_server.engine.files import Stamp
from lsp_server.engine.store import Broken, Store, in_scope, path_bytes, path_text

MODEL_SECONDS = 7 * 86_400.0  # for so long the vectors of a model stay that is no longer used, should it come back
VECTORS_KEPT = 20_000  # at least, used or not: room for a second branch of a small project
DELETIONS_KEPT = 10_000  # at least; readers that were away for longer start afresh


@dataclass(frozen=True, slots=True)
class SymbolRecord:
    """One symbol as it is stored. `spans`: the eight numbers of its span and its name's span."""

    parent: int  # position in the file's list, -1 for none
    kind: str
    name: str
    container: str
    spans: tuple[int, ...]
    ascii: bool
    preview: str
    detail: str
    text: str
    text_hash: bytes
    bag: bytes
    doc: str
    code: str


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file as it was read. `symbols` is None when its content is what the store already holds."""

    path: str
    stamp: Stamp
    content_hash: bytes
    language: str
    note: str
    symbols: tuple[SymbolRecord, ...] | None
    left_out: str = ""  # why nothing of it is indexed; it is looked at again when its stamp changes


@dataclass(frozen=True, slots=True)
class Looked:
    """What a pass has looked at."""

    scope: frozenset[str]  # files and folders, empty for everything
    skipped: dict[str, str]  # path -> reason
    since: float  # when it began, in seconds since the epoch


class StoreWriter(Store):
    """The connection of the process that indexes.

    Raises StoreError when a commit fails, Busy when another process has begun to write; nothing of it is kept then.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._sign = secrets.token_hex(8)  # a fencing token
        try:
            with self._transaction():
                self._remember("writer", self._sign)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def _commit(self) -> Iterator[int]:
        """Run a block as one transaction under the next generation, which it yields."""
        with self._transaction():
            if self.meta("writer") != self._sign:
                raise Busy(f"Another process has begun to write {self.path}. Its results can be searched.")
            generation = self.generation() + 1
            self._remember("generation", str(generation))
            yield generation

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            # IMMEDIATE: a deferred transaction that reads first fails at once when another process commits between.
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk ends it by itself
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            raise StoreError(explain(error, self.path)) from error

    def save_files(self, records: Sequence[FileRecord], model: str, recipe: str, after: int = 0) -> None:
        """Replace these files, their symbols and words; texts that `model` never embedded wait behind `after`."""
        with self._commit() as generation:
            for record in records:
                self._save_file(record, recipe, generation)
                self._add_pending(record, model, after)

    def add_pending(self, records: Sequence[FileRecord], model: str, after: int = 0) -> None:
        """Have the texts of these files embedded before the files are saved."""
        with self._commit():
            for record in records:
                self._add_pending(record, model, after)

    def not_embedded(self, record: FileRecord, model: str) -> set[bytes]:
        """Return the hashes of those of a file's texts that `model` has not embedded."""
        return {
            symbol.text_hash
            for symbol in record.symbols or ()
            if not self._db.execute(
                "SELECT 1 FROM vectors WHERE model = ? AND text_hash = ?", (model, symbol.text_hash)
            ).fetchone()
        }

    def _save_file(self, record: FileRecord, recipe: str, generation: int) -> None:
        path = path_bytes(record.path)
        known = self._db.execute("SELECT id FROM files WHERE path = ?", (path,)).fetchone()
        if record.symbols is None:
            self._db.execute(
                "UPDATE files SET size = ?, mtime_ns = ?, ctime_ns = ?, generation = ? WHERE path = ?",
                (*record.stamp, generation, path),
            )
            return
        # Ids start at the clock's microseconds: those of a store that was made anew are none that a reader still holds.
        first = int(self.meta("next_symbol") or time.time_ns() // 1_000)
        self._remember("next_symbol", str(first + len(record.symbols)))
        symbols = [
            (
                first + i, first + s.parent if s.parent >= 0 else 0, s.kind, s.name, s.container, json.dumps(s.spans),
                int(s.ascii), s.preview, s.detail, s.text_hash, s.bag, generation,
            )
            for i, s in enumerate(record.symbols)
        ]  # fmt: skip
        words = [(s.name, s.doc, s.code) for s in record.symbols]
        said = (record.content_hash, record.language, record.note, record.left_out, recipe)
        known_again = check_sum([(path, *said), *(one + more for one, more in zip(symbols, words, strict=True))])
        row = (*record.stamp, *said, generation, known_again)
        if known:
            file_id = known[0]
            self._delete_symbols(file_id, generation)
            self._db.execute(
                "UPDATE files SET size = ?, mtime_ns = ?, ctime_ns = ?, content_hash = ?, language = ?, note = ?, "
                "left_out = ?, recipe = ?, generation = ?, check_sum = ? WHERE id = ?",
                (*row, file_id),
            )
        else:
            file_id = self._db.execute(
                "INSERT INTO files (size, mtime_ns, ctime_ns, content_hash, language, note, left_out, recipe, "
                "generation, check_sum, path) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, path),
            ).lastrowid
        self._db.executemany(
            f"INSERT INTO symbols (file_id, {', '.join(SYMBOL_SUM)}) VALUES (?{', ?' * len(SYMBOL_SUM)})",
            ((file_id, *one) for one in symbols),
        )
        self._db.executemany(
            "INSERT INTO words (rowid, name, doc, code) VALUES (?, ?, ?, ?)",
            ((first + i, *more) for i, more in enumerate(words)),
        )

    def _add_pending(self, record: FileRecord, model: str, after: int) -> None:
        symbols = record.symbols or ()
        if after:  # what waited already among many others is wanted now
            self._db.executemany(
                "DELETE FROM pending WHERE text_hash = ? AND id <= ?", ((s.text_hash, after) for s in symbols)
            )
        self._db.executemany(
            "INSERT OR IGNORE INTO pending (text_hash, text) SELECT ?1, ?2 "
            "WHERE NOT EXISTS (SELECT 1 FROM vectors WHERE model = ?3 AND text_hash = ?1)",
            ((s.text_hash, s.text, model) for s in symbols),
        )

    def delete_files(self, paths: Iterable[str]) -> None:
        """Forget these files and their symbols; their vectors stay for the day they come back."""
        with self._commit() as generation:
            for path in paths:
                row = self._db.execute("SELECT id FROM files WHERE path = ?", (path_bytes(path),)).fetchone()
                if row:
                    self._delete_symbols(row[0], generation)
                    self._db.execute("DELETE FROM files WHERE id = ?", row)

    def _delete_symbols(self, file_id: int, generation: int) -> None:
        ids = self._db.execute("SELECT id FROM symbols WHERE file_id = ?", (file_id,)).fetchall()
        self._db.executemany("DELETE FROM words WHERE rowid = ?", ids)
        self._db.executemany("INSERT INTO deleted VALUES (?, ?)", ((row[0], generation) for row in ids))
        self._db.execute("DELETE FROM symbols WHERE file_id = ?", (file_id,))

    def save_vectors(self, model: str, vectors: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep embeddings (text hash, 8-bit vector) of `model`; their texts are no longer pending."""
        vectors = list(vectors)
        with self._commit() as generation:
            self._db.executemany(
                "INSERT OR IGNORE INTO vectors (model, text_hash, data, generation, check_sum) VALUES (?, ?, ?, ?, ?)",
                ((model, key, data, generation, check_sum([(key, data)])) for key, data in vectors),
            )
            self._db.executemany("DELETE FROM pending WHERE text_hash = ?", ((row[0],) for row in vectors))

    def finish(self, looked: Looked, model: str, recipe: str) -> None:
        """Note the end of a pass: what was left out and by which recipe; and since when everything is as it says.

        That is when a look at everything began: a file may have changed as soon as it was looked at. Forgets vectors
        and deletions that are of no use any more.
        """
        with self._commit() as generation:
            old = self._db.execute("SELECT path FROM skipped").fetchall()
            gone = [row for row in old if not looked.scope or in_scope(path_text(row[0]), looked.scope)]
            self._db.executemany("DELETE FROM skipped WHERE path = ?", gone)
            self._db.executemany(
                "INSERT OR REPLACE INTO skipped VALUES (?, ?)",
                ((path_bytes(path), reason) for path, reason in looked.skipped.items()),
            )
            self._remember(f"used {model}", str(time.time()))
            if not looked.scope:
                self._remember("complete", recipe)
                self._remember("files_wanted", "0")
                self._remember("last_update", str(looked.since))
            self._forget(model, generation)

    def remember(self, key: str, value: str) -> None:
        """Keep a value that `meta` returns."""
        with self._commit():
            self._remember(key, value)

    def distrust(self, broken: Broken) -> None:
        """Forget what is not as it was written; the index is not whole until a pass has read and embedded it anew."""
        with self._commit() as generation:
            spoilt = [(vector_id,) for vector_id in broken.vectors]
            for vector in spoilt:
                self._db.execute(
                    "UPDATE files SET recipe = '', content_hash = x'' WHERE id IN (SELECT s.file_id FROM symbols s "
                    "JOIN vectors v ON v.text_hash = s.text_hash WHERE v.id = ?)",
                    vector,
                )
            self._db.executemany("DELETE FROM vectors WHERE id = ?", spoilt)
            for file_id in broken.files:
                self._delete_symbols(file_id, generation)
                self._db.execute("DELETE FROM files WHERE id = ?", (file_id,))
            self._db.execute("DELETE FROM meta WHERE key = 'last_update'")

    def check_words(self, is_wanted: Callable[[], bool]) -> None:
        """Compare the index of words with the texts. Raises sqlite3.DatabaseError when they differ."""
        self._db.set_progress_handler(lambda: not is_wanted(), STEPS)
        try:
            self._db.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        except sqlite3.OperationalError as error:
            if is_wanted():
                raise StoreError(explain(error, self.path)) from error
        finally:
            self._db.set_progress_handler(None, 0)

    def drop_pending(self) -> None:
        """Forget texts that no stored symbol has any more."""
        with self._commit():
            self._db.execute(
                "DELETE FROM pending WHERE NOT EXISTS (SELECT 1 FROM symbols s WHERE s.text_hash = pending.text_hash)"
            )

    def _remember(self, key: str, value: str) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO meta (key, value, check_sum) VALUES (?, ?, ?)",
            (key, value, check_sum([(key, value)])),
        )

    def _forget(self, model: str, generation: int) -> None:
        """Drop vectors of models long unused, the oldest that no symbol has, and a long list of deletions."""
        for (other,) in self._db.execute("SELECT DISTINCT model FROM vectors").fetchall():
            if other != model and time.time() - float(self.meta(f"used {other}") or 0) > MODEL_SECONDS:
                self._db.execute("DELETE FROM vectors WHERE model = ?", (other,))
        symbols = self._db.execute("SELECT count(*) FROM symbols").fetchone()[0]
        vectors = self._db.execute("SELECT count(*) FROM vectors WHERE model = ?", (model,)).fetchone()[0]
        keep = max(2 * symbols, VECTORS_KEPT)
        if vectors > keep:
            self._db.execute(
                "DELETE FROM vectors WHERE id IN (SELECT id FROM vectors v WHERE model = ? AND NOT EXISTS "
                "(SELECT 1 FROM symbols s WHERE s.text_hash = v.text_hash) ORDER BY id LIMIT ?)",
                (model, vectors - keep),
            )
        if self._db.execute("SELECT count(*) FROM deleted").fetchone()[0] > max(symbols, DELETIONS_KEPT):
            self._db.execute("DELETE FROM deleted")
            self._remember("forgotten", str(generation))
