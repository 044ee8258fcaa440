"""Database: the SQLite file of an index, its tables, and what to tell the user when it cannot be used.

SQLite notices a page that makes no sense, but not another letter in a text: what is kept has check sums of ours. A
file's is of the columns FILE_SUM and, for each of its symbols, SYMBOL_SUM and WORDS_SUM; time stamps have none, for the
disk is their witness.
"""

import contextlib
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from lsp_server.engine.cache import SCHEMA, make_way

BUSY_SECONDS = 10.0  # how long a commit waits for another process's commit
_ODDITIES = ("decode to UTF-8", "unsupported file format")  # damage that Python and SQLite tell without saying so
STEPS = 20_000  # of SQLite, between two questions whether to go on: a few milliseconds

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, check_sum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL, content_hash BLOB NOT NULL, language TEXT NOT NULL, note TEXT NOT NULL,
    left_out TEXT NOT NULL, recipe TEXT NOT NULL, generation INTEGER NOT NULL, check_sum INTEGER NOT NULL);
CREATE INDEX files_generation ON files (generation);
CREATE TABLE symbols (
    id INTEGER PRIMARY KEY, file_id INTEGER NOT NULL, parent_id INTEGER NOT NULL,
    kind TEXT NOT NULL, name TEXT NOT NULL,
    container TEXT NOT NULL, spans TEXT NOT NULL, ascii INTEGER NOT NULL, preview TEXT NOT NULL, detail TEXT NOT NULL,
    text_hash BLOB NOT NULL, bag BLOB NOT NULL, generation INTEGER NOT NULL);
CREATE INDEX symbols_file ON symbols (file_id);
CREATE INDEX symbols_text ON symbols (text_hash);
CREATE INDEX symbols_generation ON symbols (generation);
CREATE TABLE deleted (symbol_id INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
CREATE INDEX deleted_generation ON deleted (generation);
CREATE TABLE pending (id INTEGER PRIMARY KEY AUTOINCREMENT, text_hash BLOB NOT NULL UNIQUE, text TEXT NOT NULL);
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, text_hash BLOB NOT NULL, data BLOB NOT NULL,
    generation INTEGER NOT NULL, check_sum INTEGER NOT NULL, UNIQUE (model, text_hash));
CREATE INDEX vectors_generation ON vectors (generation);
CREATE TABLE skipped (path BLOB PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (name, doc, code, tokenize = 'unicode61');
"""
_STATEMENTS = tuple(statement.strip() for statement in TABLES.split(";\n") if statement.strip())

FILE_SUM = ("path", "content_hash", "language", "note", "left_out", "recipe")
SYMBOL_SUM = (
    *("id", "parent_id", "kind", "name", "container", "spans", "ascii", "preview", "detail", "text_hash", "bag"),
    "generation",
)
WORDS_SUM = ("name", "doc", "code")


def check_sum(rows: Iterable[Sequence[object]], before: int = 0) -> int:
    """Return a number of 32 bits by which rows of texts, bytes and numbers are known again, after those `before`."""
    total = before
    for row in rows:
        total = zlib.crc32("\0".join(map(str, row)).encode("utf-8", "surrogateescape"), total)
    return total


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error says that the content is wrong; else the file may be sound (full disk, I/O, locks)."""
    code = getattr(error, "sqlite_errorcode", None)
    if any(said in str(error) for said in _ODDITIES):
        return True
    if code is None:  # raised by us: foreign, of another version, replaced
        return type(error) is sqlite3.DatabaseError
    # What we add fits to what is there, unless that is not what we added.
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT)


def files_of(path: Path) -> tuple[Path, ...]:
    """Return a database and the files that SQLite keeps beside it."""
    return tuple(path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm", "-journal"))


def remove(path: Path) -> None:
    """Delete a store and the files that SQLite keeps beside it."""
    for file in files_of(path):
        file.unlink(missing_ok=True)


def copy_database(source: Path, target: Path) -> None:
    """Copy a database that others may be writing. Raises sqlite3.Error, OSError; then there is no copy."""
    made = target.with_name(f"{target.name}-copy")
    remove(made)
    try:
        with contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as read:
            made.touch(mode=0o600)
            with contextlib.closing(sqlite3.connect(made)) as write:
                read.backup(write)
        made.replace(target)
    finally:
        remove(made)


def clear_leftovers(path: Path) -> None:
    """Remove what SQLite kept beside a file that somebody deleted: it would be replayed into the new one."""
    for suffix in ("-wal", "-journal"):  # first this, then the file: nobody has just made both
        beside = path.with_name(path.name + suffix)
        if beside.exists() and not path.exists():
            with contextlib.suppress(OSError):
                remove(path)


def open_database(path: Path) -> sqlite3.Connection:
    """Open the file, make its tables if it is new; where nothing can be written, it is read as it lies there.

    Raises sqlite3.DatabaseError on one that is damaged or not ours.
    """
    make_way(*files_of(path))
    clear_leftovers(path)
    if not path.exists():
        with contextlib.suppress(OSError):
            path.touch(mode=0o600)  # SQLite gives the files beside it the same permissions
    try:
        return _open(str(path), uri=False)
    except sqlite3.OperationalError as error:
        writable = os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)
        # A full disk has no room for the files that SQLite keeps beside.
        full = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
        if not path.exists() or (writable and not full):
            raise
        try:
            return _open(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        except sqlite3.DatabaseError:  # nothing had been written yet, and now nothing can be
            raise error from None


def _open(name: str, *, uri: bool) -> sqlite3.Connection:
    # Our own BEGIN and COMMIT; the object moves between threads, one at a time.
    db = sqlite3.connect(name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=uri)
    try:
        if not uri:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            _make_tables(db)
        if (version := _version(db)) != SCHEMA:
            raise sqlite3.DatabaseError(f"made by another version: {version}, ours is {SCHEMA}")
        if not {row[0] for row in db.execute("SELECT sql FROM sqlite_master")}.issuperset(_STATEMENTS):
            raise sqlite3.DatabaseError("its schema is damaged")
    except UnicodeDecodeError as error:  # SQLite quotes a damaged schema, and Python cannot read the quotation
        db.close()
        raise sqlite3.DatabaseError("its schema is damaged") from error
    except BaseException:
        db.close()
        raise
    return db


def _make_tables(db: sqlite3.Connection) -> None:
    """Make the tables of an empty file."""
    db.execute("BEGIN IMMEDIATE")
    if _version(db) == 0:
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise sqlite3.DatabaseError("a foreign database")
        for statement in _STATEMENTS:
            db.execute(statement)
        # Ids of vectors start at the clock's microseconds: those of a store that was made anew are not in an old graph.
        db.execute("INSERT INTO sqlite_sequence VALUES ('vectors', ?)", (time.time_ns() // 1_000,))
        db.execute(f"PRAGMA user_version = {SCHEMA}")
    db.execute("COMMIT")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def explain(error: sqlite3.Error, path: Path) -> str:
    """Return a sentence for the user about an error that is no damage."""
    text = str(error)
    if "full" in text or "I/O" in text:
        return f"The disk is full or failing: {path} ({text}). Free some space, or choose another place: --cache-dir."
    if "readonly" in text or "unable to open" in text:
        return f"{path} cannot be written. Is the disk full, or is permission missing? Another place: --cache-dir."
    if "closed database" in text:  # after trouble, and opening it again has failed, too
        return f"{path} could not be opened again; that is tried anew by itself. Is the disk full or failing?"
    if "locked" in text:
        return f"{path} is in use by another process for too long. Close other editors on this folder, or try again."
    return f"{path} cannot be used: {text}. Delete it to build the index anew."
