"""Examine: what state an index is in, asked without changing anything.

Takes the folder of an index, gives what is wrong with its store and who writes it. Repairs nothing: that is done by
whoever writes next.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import filelock

from lsp_server.engine.cache import SCHEMA
from lsp_server.engine.database import explain, is_damage
from lsp_server.engine.errors import StoreError
from lsp_server.engine.store import path_text

SQLITE = sqlite3.sqlite_version
SAMPLES = 5  # symbols that a search shall find
SAMPLE_CHARACTERS = 300  # of a symbol's text: more than a model reads of a question adds nothing
MOST_TROUBLES = 10  # of a damaged file; the first says enough


@dataclass(frozen=True, slots=True)
class Sample:
    """A symbol, with words of its own by which it must be found."""

    path: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What a store holds, and what it should hold and does not."""

    damage: tuple[str, ...] = ()  # what SQLite says of the file; the rest is not known then
    completed: bool = False  # every file was read at least once
    files: int = 0
    symbols: int = 0
    embedded: int = 0
    pending: int = 0  # symbols whose text waits to be embedded
    lost: int = 0  # symbols whose text is neither embedded nor waits
    wordless: int = 0  # symbols that no word finds
    misfits: int = 0  # vectors of another length than the model's
    samples: tuple[Sample, ...] = ()


def examine_store(path: Path, model: str, dim: int) -> Findings:
    """Look through the store at `path` for vectors of `model`, `dim` long. Raises StoreError when it cannot be read."""
    try:
        with closing(_open_to_read(path)) as db:
            if damage := _damage(db):
                return Findings(damage)
            db.execute("BEGIN")  # one state, whatever is committed meanwhile
            return _look_through(db, model, dim)
    except sqlite3.Error as error:
        if is_damage(error):
            return Findings((str(error),))
        raise StoreError(explain(error, path)) from error


def _open_to_read(path: Path) -> sqlite3.Connection:
    address = path.absolute().as_uri()
    db = sqlite3.connect(f"{address}?mode=ro", uri=True, timeout=5.0, isolation_level=None)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        db.close()
        if is_damage(error):
            raise
        # Where nothing can be written beside the file, SQLite cannot share it; as it lies there it can be read.
        db = sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True, isolation_level=None)
    return db


def _damage(db: sqlite3.Connection) -> tuple[str, ...]:
    said = tuple(str(row[0]) for row in db.execute(f"PRAGMA quick_check({MOST_TROUBLES})"))
    if said != ("ok",):
        return said
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    return () if version == SCHEMA else (f"it is of version {version}, this program's is {SCHEMA}",)


def _look_through(db: sqlite3.Connection, model: str, dim: int) -> Findings:
    def count(sql: str, *values: object) -> int:
        return int(db.execute(f"SELECT count(*) FROM {sql}", values).fetchone()[0])

    has_vector = "EXISTS (SELECT 1 FROM vectors v WHERE v.model = ? AND v.text_hash = s.text_hash)"
    waits = "EXISTS (SELECT 1 FROM pending p WHERE p.text_hash = s.text_hash)"
    return Findings(
        completed=count("meta WHERE key = 'last_update'") > 0,
        files=count("files"),
        symbols=count("symbols"),
        embedded=count(f"symbols s WHERE {has_vector}", model),
        pending=count(f"symbols s WHERE NOT {has_vector} AND {waits}", model),
        lost=count(f"symbols s WHERE NOT {has_vector} AND NOT {waits}", model),
        wordless=count("symbols s WHERE NOT EXISTS (SELECT 1 FROM words_docsize d WHERE d.id = s.id)"),
        misfits=count("vectors WHERE model = ? AND length(data) != ?", model, dim),
        samples=_samples(db, model),
    )


def _samples(db: sqlite3.Connection, model: str) -> tuple[Sample, ...]:
    """Take embedded symbols from all over the store."""
    chosen = (
        "FROM symbols s JOIN vectors v ON v.model = ? AND v.text_hash = s.text_hash "
        "WHERE length(s.name) > 2 AND s.kind IN ('function', 'method', 'class')"
    )
    total = int(db.execute(f"SELECT count(*) {chosen}", (model,)).fetchone()[0])
    found = []
    for number in range(min(SAMPLES, total)):
        row = db.execute(
            f"SELECT s.id, s.file_id, s.name {chosen} ORDER BY s.id LIMIT 1 OFFSET ?",
            (model, number * total // min(SAMPLES, total)),
        ).fetchone()
        doc, code = db.execute("SELECT doc, code FROM words WHERE rowid = ?", row[:1]).fetchone() or ("", "")
        (path,) = db.execute("SELECT path FROM files WHERE id = ?", row[1:2]).fetchone() or (b"",)
        found.append(Sample(path_text(path), row[2], f"{row[2]} {doc} {code}"[:SAMPLE_CHARACTERS]))
    return tuple(found)


def is_held(folder: Path) -> bool:
    """Return whether any process holds the lock of the index in `folder`. Raises OSError when it cannot be tried."""
    path = folder / "lock"
    if not path.exists():  # trying would make it
        return False
    try:
        with filelock.FileLock(path, timeout=0):
            return False
    except filelock.Timeout:
        return True


def reasons(skipped: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Group what is left out by the reason, the commonest first; what stands in brackets is of one file alone."""
    groups: dict[str, list[str]] = {}
    for path, reason in skipped:
        groups.setdefault(reason.partition(" (")[0], []).append(path)
    return dict(sorted(groups.items(), key=lambda group: -len(group[1])))
