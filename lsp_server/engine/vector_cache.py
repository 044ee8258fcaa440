"""Vector cache: what was embedded once, in whatever workspace, is not embedded again.

One SQLite file for all indexes of a user, addressed by content: the model's fingerprint and the hash of the text. It is
no truth of any index: it may be deleted or damaged at any time, several processes read and write it at once, and
whatever goes wrong with it costs only the embedding of a text. Bounded in size; what was not asked for longest goes.
"""

import contextlib
import logging
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from lsp_server.engine.cache import make_way
from lsp_server.engine.database import clear_leftovers, files_of, is_damage, remove

MOST_BYTES = 512 * 2**20  # 1.1 million vectors of 384 dimensions
KEPT_SHARE = 0.8  # of MOST_BYTES, when it was exceeded
USED_SECONDS = 86_400  # a vector's last use is noted once a day: reading stays reading
BUSY_SECONDS = 2.0  # waiting for another process's commit; after that it goes without
SCHEMA = 1  # a program with another one has a file of its own
NAME = f"vectors-{SCHEMA}.db"
STEP = 400  # hashes a question, below SQLite's smallest limit of parameters

_TABLES = (
    "CREATE TABLE vectors (model TEXT NOT NULL, text_hash BLOB NOT NULL, used INTEGER NOT NULL, check_sum INTEGER NOT "
    "NULL, data BLOB NOT NULL, PRIMARY KEY (model, text_hash)) WITHOUT ROWID",
    "CREATE INDEX vectors_used ON vectors (used)",
)

_log = logging.getLogger(__name__)


class VectorCache:
    """The cache at `path`, for one thread at a time. Nothing here raises for the state of the file."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self.path = path
        self._most_bytes = most_bytes
        self._db: sqlite3.Connection | None = None
        with self._forgiving():
            self._db = _open(path)

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def get(self, model: str, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return those of the vectors of these texts that are here, by the hash of the text."""
        found: dict[bytes, bytes] = {}
        with self._forgiving():
            if self._db is None or not hashes:
                return found
            now = int(time.time())
            stale: list[tuple[int, str, bytes]] = []
            for start in range(0, len(hashes), STEP):
                part = hashes[start : start + STEP]
                rows = self._db.execute(
                    "SELECT text_hash, used, check_sum, data FROM vectors "
                    f"WHERE model = ? AND text_hash IN ({','.join('?' * len(part))})",
                    (model, *part),
                )
                for text_hash, used, check_sum, data in rows:
                    if zlib.crc32(data) != check_sum:
                        continue  # it is embedded again, and replaced
                    found[text_hash] = data
                    if abs(now - used) > USED_SECONDS:
                        stale.append((now, model, text_hash))
            if stale:
                with self._db:
                    self._db.executemany("UPDATE vectors SET used = ? WHERE model = ? AND text_hash = ?", stale)
        return found

    def put(self, model: str, vectors: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep vectors: the hash of the text, and the bytes."""
        with self._forgiving():
            if self._db is not None and vectors:
                now = int(time.time())
                with self._db:
                    self._db.executemany(
                        "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?)",
                        ((model, text_hash, now, zlib.crc32(data), data) for text_hash, data in vectors),
                    )

    def trim(self) -> None:
        """Drop what was not asked for longest while the file is larger than it may be."""
        with self._forgiving():
            if self._db is None:
                return
            page, free, pages = (
                int(self._db.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_size", "freelist_count", "page_count")
            )
            size = (pages - free) * page
            if size <= self._most_bytes:
                return
            count = int(self._db.execute("SELECT count(*) FROM vectors").fetchone()[0])
            surplus = int(count * (1 - KEPT_SHARE * self._most_bytes / size))
            for start in range(0, surplus, 10_000):  # in pieces: others want to write meanwhile
                with self._db:
                    self._db.execute(
                        "DELETE FROM vectors WHERE (model, text_hash) IN "
                        "(SELECT model, text_hash FROM vectors ORDER BY used LIMIT ?)",
                        (min(10_000, surplus - start),),
                    )
            self._db.executescript("PRAGMA incremental_vacuum")  # `execute` would stop after the first page
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextlib.contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Go on without the cache when it cannot be used; a damaged one is removed and begun anew next time."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.DatabaseError) and is_damage(error):
                _log.warning("the vector cache %s is damaged (%s) and is begun anew", self.path, error)
                self.close()
                with contextlib.suppress(OSError):  # Windows: another process has it open
                    remove(self.path)
            elif "locked" not in str(error):  # another process is trimming it: this once it goes without
                _log.warning("the vector cache %s is not used: %s", self.path, error)
                self.close()


def _open(path: Path) -> sqlite3.Connection:
    """Open the file, making its tables. Raises sqlite3.Error, OSError."""
    make_way(*files_of(path))
    clear_leftovers(path)
    if not path.exists():
        path.touch(mode=0o600)
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        with db:
            db.execute("BEGIN IMMEDIATE")
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            if version == 0:
                if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise sqlite3.DatabaseError("a foreign database")
                for statement in _TABLES:
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {SCHEMA}")
        if version not in (0, SCHEMA):
            raise sqlite3.DatabaseError(f"made by another version: {version}, ours is {SCHEMA}")
        db.execute("SELECT model, text_hash, used, check_sum, data FROM vectors LIMIT 1").fetchone()
    except BaseException:
        db.close()
        raise
    return db
