"""Store: the only truth about an index, one SQLite file per workspace folder.

Takes what was read from files and the vectors of their texts, gives rows by the generation they changed in. Every
commit raises the generation; a reader at generation g asks for what changed since and is up to date again.
Everything else that we keep (arrays in memory, the graph file) can be thrown away and is made again from here.
Does not rank, does not read source files.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lsp_server.engine.errors import StoreError

SCHEMA = 1  # another number on disk: the file is made anew
BUSY_SECONDS = 10.0  # how long a commit waits for another process's commit
PENDING_PAGE = 256  # texts read at a time while embedding

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    content_hash BLOB NOT NULL, language TEXT NOT NULL, note TEXT NOT NULL, recipe TEXT NOT NULL, generation INTEGER NOT NULL);
CREATE INDEX files_generation ON files (generation);
CREATE TABLE symbols (
    id INTEGER PRIMARY KEY, file_id INTEGER NOT NULL, parent_id INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
    container TEXT NOT NULL, spans TEXT NOT NULL, ascii INTEGER NOT NULL, preview TEXT NOT NULL, detail TEXT NOT NULL,
    text_hash BLOB NOT NULL, bag BLOB NOT NULL, generation INTEGER NOT NULL);
CREATE INDEX symbols_file ON symbols (file_id);
CREATE INDEX symbols_text ON symbols (text_hash);
CREATE INDEX symbols_generation ON symbols (generation);
CREATE TABLE deleted (symbol_id INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
CREATE INDEX deleted_generation ON deleted (generation);
CREATE TABLE pending (id INTEGER PRIMARY KEY AUTOINCREMENT, text_hash BLOB NOT NULL UNIQUE, text TEXT NOT NULL);
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, text_hash BLOB NOT NULL, scale REAL NOT NULL,
    data BLOB NOT NULL, generation INTEGER NOT NULL, UNIQUE (model, text_hash));
CREATE INDEX vectors_generation ON vectors (generation);
CREATE TABLE skipped (path BLOB PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (name, doc, code, tokenize = 'unicode61');
"""


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
    size: int
    mtime_ns: int
    content_hash: bytes
    language: str
    note: str
    symbols: tuple[SymbolRecord, ...] | None


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the store knows of a file, enough to see whether it changed."""

    id: int
    size: int
    mtime_ns: int
    content_hash: bytes
    recipe: str


@dataclass(frozen=True, slots=True)
class SymbolRow:
    """What ranking needs of a symbol; the rest is fetched for the few that are shown."""

    id: int
    file_id: int
    parent_id: int
    kind: str
    name: str
    text_hash: bytes
    bag: bytes
    vector_id: int  # 0 while its text is not embedded


@dataclass(frozen=True, slots=True)
class VectorRow:
    """An embedding of 8 bits a dimension: `scale * int8`."""

    id: int
    text_hash: bytes
    scale: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Details:
    """What is shown of a symbol."""

    path: str
    language: str
    kind: str
    name: str
    container: str
    spans: tuple[int, ...]
    ascii: bool
    preview: str
    detail: str


class Store:
    """One connection to the file. Use each object in one thread at a time; open another for another thread.

    Raises StoreError when the file cannot be used now, sqlite3.DatabaseError when it is damaged or of another version.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self._db = _open(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # locked, full, no permission: the file may be sound
                raise StoreError(_explain(error, path)) from error
            raise

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    # ---- reading

    def meta(self, key: str) -> str:
        """Return a remembered value, "" when there is none."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else ""

    def generation(self) -> int:
        """Return the number of the newest commit."""
        return int(self.meta("generation") or 0)

    def forgotten(self) -> int:
        """Return the generation up to which deletions are no longer listed: a reader older than it starts afresh."""
        return int(self.meta("forgotten") or 0)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Hold one state of the file while several questions are asked."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    def known_files(self) -> dict[str, KnownFile]:
        """Return every stored file by its path."""
        rows = self._db.execute("SELECT path, id, size, mtime_ns, content_hash, recipe FROM files")
        return {_text(row[0]): KnownFile(*row[1:]) for row in rows}

    def files_since(self, generation: int) -> list[tuple[int, str, str, int]]:
        """Return (id, path, language, mtime in ns) of the files that changed after `generation`."""
        rows = self._db.execute("SELECT id, path, language, mtime_ns FROM files WHERE generation > ?", (generation,))
        return [(row[0], _text(row[1]), row[2], row[3]) for row in rows]

    def symbols_since(self, generation: int, model: str) -> list[SymbolRow]:
        """Return the symbols added after `generation`, by ascending id, with the ids of `model`'s vectors."""
        rows = self._db.execute(
            "SELECT s.id, s.file_id, s.parent_id, s.kind, s.name, s.text_hash, s.bag, coalesce(v.id, 0) FROM symbols s "
            "LEFT JOIN vectors v ON v.model = ? AND v.text_hash = s.text_hash WHERE s.generation > ? ORDER BY s.id",
            (model, generation),
        )
        return [SymbolRow(*row) for row in rows]

    def deleted_since(self, generation: int) -> list[int]:
        """Return the ids of the symbols deleted after `generation`."""
        return [row[0] for row in self._db.execute("SELECT symbol_id FROM deleted WHERE generation > ?", (generation,))]

    def vectors_since(self, generation: int, model: str) -> Iterable[VectorRow]:
        """Return the vectors of `model` added after `generation`."""
        rows = self._db.execute(
            "SELECT id, text_hash, scale, data FROM vectors WHERE generation > ? AND model = ?", (generation, model)
        )
        return (VectorRow(*row) for row in rows)

    def vectors_in_use(self, model: str) -> Iterable[VectorRow]:
        """Return the vectors of `model` that a stored symbol has."""
        rows = self._db.execute(
            "SELECT id, text_hash, scale, data FROM vectors v WHERE model = ? "
            "AND EXISTS (SELECT 1 FROM symbols s WHERE s.text_hash = v.text_hash) ORDER BY id",
            (model,),
        )
        return (VectorRow(*row) for row in rows)

    def vectors_by_id(self, ids: Sequence[int]) -> Iterable[VectorRow]:
        """Return the vectors with these ids."""
        return (VectorRow(*row) for row in self._by_id("SELECT id, text_hash, scale, data FROM vectors", "id", ids))

    def details(self, ids: Sequence[int]) -> dict[int, Details]:
        """Return what is shown of the symbols `ids`, by id; those deleted meanwhile are missing."""
        rows = self._by_id(
            "SELECT s.id, f.path, f.language, s.kind, s.name, s.container, s.spans, s.ascii, s.preview, s.detail "
            "FROM symbols s JOIN files f ON f.id = s.file_id",
            "s.id",
            ids,
        )
        return {
            row[0]: Details(_text(row[1]), *row[2:6], tuple(json.loads(row[6])), bool(row[7]), *row[8:]) for row in rows
        }

    def symbols_of(self, path: str) -> list[tuple[int, tuple[int, ...]]]:
        """Return (id, spans) of a file's symbols, parents first."""
        rows = self._db.execute(
            "SELECT s.id, s.spans FROM symbols s JOIN files f ON f.id = s.file_id WHERE f.path = ? ORDER BY s.id",
            (_blob(path),),
        )
        return [(row[0], tuple(json.loads(row[1]))) for row in rows]

    def literal(self, phrase: str) -> set[int]:
        """Return the symbols in whose name, documentation or code `phrase` stands, letter case aside."""
        tokens = [token for token in "".join(c if c.isalnum() else " " for c in phrase).split() if "\0" not in token]
        where = "(instr(lower(name), ?1) OR instr(lower(doc), ?1) OR instr(lower(code), ?1))"
        if not tokens:
            rows = self._db.execute(f"SELECT rowid FROM words WHERE {where}", (phrase.lower(),))
        else:
            match = '"' + " ".join(tokens) + '" *'  # the last word may be the beginning of a longer one
            rows = self._db.execute(f"SELECT rowid FROM words WHERE words MATCH ?2 AND {where}", (phrase.lower(), match))
        return {row[0] for row in rows}

    def file_note(self, path: str) -> tuple[int, str] | None:
        """Return (number of symbols, note) of a stored file, None when it is not stored."""
        row = self._db.execute(
            "SELECT (SELECT count(*) FROM symbols s WHERE s.file_id = f.id), f.note FROM files f WHERE f.path = ?",
            (_blob(path),),
        ).fetchone()
        return (row[0], row[1]) if row else None

    def skipped(self, limit: int) -> tuple[int, tuple[tuple[str, str], ...]]:
        """Return how many files and folders were left out, and the first `limit` with their reasons."""
        total = self._db.execute("SELECT count(*) FROM skipped").fetchone()[0]
        rows = self._db.execute("SELECT path, reason FROM skipped ORDER BY path LIMIT ?", (limit,))
        return int(total), tuple((_text(path), reason) for path, reason in rows)

    def counts(self, model: str) -> tuple[int, int, int]:
        """Return the numbers of files, symbols, and symbols whose text `model` has embedded."""
        files = self._db.execute("SELECT count(*) FROM files").fetchone()[0]
        symbols = self._db.execute("SELECT count(*) FROM symbols").fetchone()[0]
        waiting = self._db.execute(
            "SELECT count(*) FROM symbols s WHERE NOT EXISTS "
            "(SELECT 1 FROM vectors v WHERE v.model = ? AND v.text_hash = s.text_hash)",
            (model,),
        ).fetchone()[0]
        return int(files), int(symbols), int(symbols - waiting)

    def pending_count(self) -> int:
        """Return how many texts wait to be embedded."""
        return int(self._db.execute("SELECT count(*) FROM pending").fetchone()[0])

    def pending_after(self, after: int) -> list[tuple[int, bytes, str]]:
        """Return the next texts to embed, at most PENDING_PAGE: (position, hash, text)."""
        rows = self._db.execute(
            "SELECT id, text_hash, text FROM pending WHERE id > ? ORDER BY id LIMIT ?", (after, PENDING_PAGE)
        )
        return rows.fetchall()

    # ---- writing: each call is one commit

    @contextmanager
    def _commit(self) -> Iterator[int]:
        """Run a block as one transaction under the next generation, which it yields."""
        try:
            # IMMEDIATE: a deferred transaction that reads first fails at once when another process commits between.
            self._db.execute("BEGIN IMMEDIATE")
            try:
                generation = self.generation() + 1
                self._remember("generation", str(generation))
                yield generation
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            raise StoreError(_explain(error, self.path)) from error

    def save_files(self, records: Sequence[FileRecord], model: str, recipe: str) -> int:
        """Replace these files, their symbols and words; texts that `model` never embedded become pending.

        Returns the number of texts that became pending.
        """
        before = self.pending_count()
        with self._commit() as generation:
            for record in records:
                self._save_file(record, model, recipe, generation)
        return self.pending_count() - before

    def _save_file(self, record: FileRecord, model: str, recipe: str, generation: int) -> None:
        path = _blob(record.path)
        known = self._db.execute("SELECT id FROM files WHERE path = ?", (path,)).fetchone()
        if record.symbols is None:
            self._db.execute(
                "UPDATE files SET size = ?, mtime_ns = ?, generation = ? WHERE path = ?",
                (record.size, record.mtime_ns, generation, path),
            )
            return
        row = (record.size, record.mtime_ns, record.content_hash, record.language, record.note, recipe, generation)
        if known:
            file_id = known[0]
            self._delete_symbols(file_id, generation)
            self._db.execute(
                "UPDATE files SET size = ?, mtime_ns = ?, content_hash = ?, language = ?, note = ?, recipe = ?, "
                "generation = ? WHERE id = ?",
                (*row, file_id),
            )
        else:
            file_id = self._db.execute(
                "INSERT INTO files (size, mtime_ns, content_hash, language, note, recipe, generation, path) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, path),
            ).lastrowid
        first = int(self.meta("next_symbol") or 1)
        self._remember("next_symbol", str(first + len(record.symbols)))
        self._db.executemany(
            "INSERT INTO symbols VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    first + i, file_id, first + s.parent if s.parent >= 0 else 0, s.kind, s.name, s.container,
                    json.dumps(s.spans), s.ascii, s.preview, s.detail, s.text_hash, s.bag, generation,
                )
                for i, s in enumerate(record.symbols)
            ),
        )  # fmt: skip
        self._db.executemany(
            "INSERT INTO words (rowid, name, doc, code) VALUES (?, ?, ?, ?)",
            ((first + i, s.name, s.doc, s.code) for i, s in enumerate(record.symbols)),
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO pending (text_hash, text) SELECT ?1, ?2 "
            "WHERE NOT EXISTS (SELECT 1 FROM vectors WHERE model = ?3 AND text_hash = ?1)",
            ((s.text_hash, s.text, model) for s in record.symbols),
        )

    def delete_files(self, paths: Iterable[str]) -> None:
        """Forget these files and their symbols; their vectors stay for the day they come back."""
        with self._commit() as generation:
            for path in paths:
                row = self._db.execute("SELECT id FROM files WHERE path = ?", (_blob(path),)).fetchone()
                if row:
                    self._delete_symbols(row[0], generation)
                    self._db.execute("DELETE FROM files WHERE id = ?", row)

    def _delete_symbols(self, file_id: int, generation: int) -> None:
        ids = self._db.execute("SELECT id FROM symbols WHERE file_id = ?", (file_id,)).fetchall()
        self._db.executemany("DELETE FROM words WHERE rowid = ?", ids)
        self._db.executemany("INSERT INTO deleted VALUES (?, ?)", ((row[0], generation) for row in ids))
        self._db.execute("DELETE FROM symbols WHERE file_id = ?", (file_id,))

    def save_vectors(self, model: str, vectors: Iterable[tuple[bytes, float, bytes]]) -> None:
        """Keep embeddings (text hash, scale, int8 bytes) of `model`; their texts are no longer pending."""
        vectors = list(vectors)
        with self._commit() as generation:
            self._db.executemany(
                "INSERT OR IGNORE INTO vectors (model, text_hash, scale, data, generation) VALUES (?, ?, ?, ?, ?)",
                ((model, text_hash, scale, data, generation) for text_hash, scale, data in vectors),
            )
            self._db.executemany("DELETE FROM pending WHERE text_hash = ?", ((row[0],) for row in vectors))

    def finish(self, skipped: dict[str, str] | None, model: str) -> None:
        """Note the end of a pass: what was left out (None: as before), when, by which model; forget what is stale."""
        with self._commit() as generation:
            if skipped is not None:
                self._db.execute("DELETE FROM skipped")
                self._db.executemany(
                    "INSERT INTO skipped VALUES (?, ?)", ((_blob(path), reason) for path, reason in skipped.items())
                )
            self._remember("model", model)
            self._remember("last_update", str(time.time()))
            self._forget(model, generation)

    def note_skipped(self, path: str, reason: str) -> None:
        """Note why one file is left out; an empty reason takes the note back."""
        with self._commit():
            self._db.execute("DELETE FROM skipped WHERE path = ?", (_blob(path),))
            if reason:
                self._db.execute("INSERT INTO skipped VALUES (?, ?)", (_blob(path), reason))

    def remember(self, key: str, value: str) -> None:
        """Keep a value that `meta` returns."""
        with self._commit():
            self._remember(key, value)

    def drop_pending(self) -> None:
        """Forget texts that no stored symbol has any more."""
        with self._commit():
            self._db.execute(
                "DELETE FROM pending WHERE NOT EXISTS (SELECT 1 FROM symbols s WHERE s.text_hash = pending.text_hash)"
            )

    def _remember(self, key: str, value: str) -> None:
        self._db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))

    def _forget(self, model: str, generation: int) -> None:
        """Drop vectors of other models, the oldest unused ones, and a long list of deletions."""
        self._db.execute("DELETE FROM vectors WHERE model <> ?", (model,))
        symbols = self._db.execute("SELECT count(*) FROM symbols").fetchone()[0]
        vectors = self._db.execute("SELECT count(*) FROM vectors").fetchone()[0]
        keep = max(2 * symbols, 20_000)  # room for a second branch of the same project
        if vectors > keep:
            self._db.execute(
                "DELETE FROM vectors WHERE id IN (SELECT id FROM vectors v WHERE NOT EXISTS "
                "(SELECT 1 FROM symbols s WHERE s.text_hash = v.text_hash) ORDER BY id LIMIT ?)",
                (vectors - keep,),
            )
        if self._db.execute("SELECT count(*) FROM deleted").fetchone()[0] > max(symbols, 10_000):
            self._db.execute("DELETE FROM deleted")
            self._remember("forgotten", str(generation))

    def _by_id(self, select: str, column: str, ids: Sequence[int]) -> Iterator[tuple]:  # type: ignore[type-arg]
        step = 500  # below SQLite's smallest limit of parameters
        for start in range(0, len(ids), step):
            part = ids[start : start + step]
            yield from self._db.execute(f"{select} WHERE {column} IN ({','.join('?' * len(part))})", part)


def remove(path: Path) -> None:
    """Delete a store and the files that SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _open(path: Path) -> sqlite3.Connection:
    # Our own BEGIN and COMMIT; the object moves between threads, one at a time.
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("BEGIN IMMEDIATE")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise sqlite3.DatabaseError("a foreign database")
            for statement in _TABLES.split(";\n"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {SCHEMA}")
        elif version != SCHEMA:
            raise sqlite3.DatabaseError(f"made by another version: {version}, ours is {SCHEMA}")
        db.execute("COMMIT")
        db.execute("SELECT generation FROM files LIMIT 1").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def _explain(error: sqlite3.Error, path: Path) -> str:
    text = str(error)
    if "full" in text:
        return f"The disk is full: {path} could not be written. Free some space, or choose another place with --cache-dir."
    if "readonly" in text or "unable to open" in text:
        return f"{path} cannot be written. Give yourself permission, or choose another place with --cache-dir."
    if "locked" in text:
        return f"{path} is in use by another process for too long. Close other editors on this folder, or try again."
    return f"{path} cannot be used: {text}. Delete it to build the index anew."


def _blob(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
