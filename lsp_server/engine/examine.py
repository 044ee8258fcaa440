"""Examine: what state an index is in, asked without changing anything.

Takes the folder of an index, gives what is wrong with its store and who writes it. Repairs nothing: that is done by
whoever writes next.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import filelock

from lsp_server.engine.cache import SCHEMA
from lsp_server.engine.database import FILE_SUM, STEPS, SYMBOL_SUM, WORDS_SUM, check_sum, explain, is_damage
from lsp_server.engine.errors import StoreError
from lsp_server.engine.store import Broken, path_text

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
    spoilt: int = 0  # files, with all that is stored of them, and vectors that are not what was written


def examine_store(path: Path, model: str, dim: int) -> Findings:
    """Look through the store at `path` for vectors of `model`, `dim` long. Raises StoreError when it cannot be read."""
    try:
        with closing(_open_to_read(path)) as db:
            if damage := _damage(db):
                return Findings(damage)
            broken = _compare(db)
            db.execute("BEGIN")  # one state, whatever is committed meanwhile
            return replace(_look_through(db, model, dim), spoilt=len(broken.files) + len(broken.vectors))
    except sqlite3.Error as error:
        if is_damage(error):
            return Findings((str(error),))
        raise StoreError(explain(error, path)) from error


def find_broken(path: Path, is_wanted: Callable[[], bool]) -> Broken | None:
    """Compare everything in the store at `path` with its check sums; None when that is not wanted any more.

    Half a second of a core for 20,000 symbols. Raises sqlite3.DatabaseError on a store that cannot be mended row by
    row, StoreError when it cannot be read now.
    """
    try:
        with closing(_connect(path)) as db:
            db.set_progress_handler(lambda: not is_wanted(), STEPS)
            return _compare(db)
    except sqlite3.Error as error:
        if is_damage(error):
            raise
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            return None
        raise StoreError(explain(error, path)) from error


def _compare(db: sqlite3.Connection) -> Broken:
    text_factory, db.text_factory = db.text_factory, lambda raw: raw.decode("utf-8", "surrogateescape")
    db.execute("BEGIN")  # one state, whatever is committed meanwhile
    try:
        return _compare_all(db)
    finally:
        db.text_factory = text_factory
        if db.in_transaction:
            db.execute("ROLLBACK")


def _compare_all(db: sqlite3.Connection) -> Broken:
    (said,) = db.execute("PRAGMA integrity_check(1)").fetchone()  # what stands in tables stands in their indexes, too
    if said != "ok":
        raise sqlite3.DatabaseError(said)
    noted = {}
    for key, value, known in db.execute("SELECT key, value, check_sum FROM meta"):
        noted[key] = value
        if check_sum([(key, value)]) != known:
            raise sqlite3.DatabaseError(f"{key!r} is not what was written")
    for table in ("files", "symbols", "vectors"):
        (newest,) = db.execute(f"SELECT coalesce(max(generation), 0) FROM {table}").fetchone()
        if newest > int(noted.get("generation", 0)):
            raise sqlite3.DatabaseError(f"some {table} are newer than the last commit")
    wanted, found = {}, {}
    for file_id, known, *row in db.execute(f"SELECT id, check_sum, {', '.join(FILE_SUM)} FROM files"):
        wanted[file_id], found[file_id] = known, check_sum([row])
    columns = ", ".join((*(f"s.{name}" for name in SYMBOL_SUM), *(f"w.{name}" for name in WORDS_SUM)))
    symbols = f"SELECT s.file_id, {columns} FROM symbols s LEFT JOIN words w ON w.rowid = s.id ORDER BY s.id"
    for file_id, *row in db.execute(symbols):
        if file_id not in found:
            raise sqlite3.DatabaseError("a symbol belongs to no file")
        found[file_id] = check_sum([row], found[file_id])
    vectors = db.execute("SELECT id, check_sum, text_hash, data FROM vectors")
    return Broken(
        tuple(file_id for file_id, known in wanted.items() if found[file_id] != known),
        tuple(vector_id for vector_id, known, *row in vectors if check_sum([row]) != known),
    )


def _connect(path: Path, more: str = "") -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{more}", uri=True, timeout=5.0, isolation_level=None)


def _open_to_read(path: Path) -> sqlite3.Connection:
    db = _connect(path)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        db.close()
        if is_damage(error):
            raise
        # Where nothing can be written beside the file, SQLite cannot share it; as it lies there it can be read.
        db = _connect(path, "&immutable=1")
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
