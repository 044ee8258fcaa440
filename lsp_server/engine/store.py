"""Store: the only truth about an index, one SQLite file per workspace folder, as it is read.

Gives rows by the generation they changed in: every commit (see `commits`) raises the generation, and a reader at
generation g asks for what changed since and is up to date again. Everything else that we keep (arrays in memory, the
graph file) can be thrown away and is made again from here. Does not rank, does not read source files.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lsp_server.engine.database import check_sum, explain, is_damage, open_database
from lsp_server.engine.errors import StoreError
from lsp_server.engine.files import Stamp
from lsp_server.engine.text import text_hash

PENDING_PAGE = 256  # texts read at a time while embedding


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the store knows of a file, enough to see whether it changed."""

    id: int
    size: int
    mtime_ns: int
    ctime_ns: int
    content_hash: bytes
    recipe: str

    @property
    def stamp(self) -> Stamp:
        """What a change of the file changes."""
        return self.size, self.mtime_ns, self.ctime_ns


class SymbolRow(NamedTuple):
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
    unsaved: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """What is not as it was written: ids of files, with all that is stored of them, and of vectors."""

    files: tuple[int, ...] = ()
    vectors: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.vectors)


class Store:
    """One connection to the file. Use each object in one thread at a time; open another for another thread.

    Raises StoreError when the file cannot be used now, sqlite3.DatabaseError when it is damaged or of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._db = open_database(path)
            self._db.create_function("lower", 1, str.lower, deterministic=True)  # SQLite's own knows ASCII alone
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                raise
            raise StoreError(explain(error, path)) from error

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def meta(self, key: str) -> str:
        """Return a remembered value, "" when there is none."""
        row = self._db.execute("SELECT value, check_sum FROM meta WHERE key = ?", (key,)).fetchone()
        if row and check_sum([(key, row[0])]) != row[1]:
            raise sqlite3.DatabaseError(f"{key!r} is not what was written")
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
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def known_files(self) -> dict[str, KnownFile]:
        """Return every stored file by its path."""
        rows = self._db.execute("SELECT path, id, size, mtime_ns, ctime_ns, content_hash, recipe FROM files")
        return {path_text(row[0]): KnownFile(*row[1:]) for row in rows}

    def files_since(self, generation: int) -> list[tuple[int, str, str, int]]:
        """Return (id, path, language, mtime in ns) of the files that changed after `generation`."""
        rows = self._db.execute("SELECT id, path, language, mtime_ns FROM files WHERE generation > ?", (generation,))
        return [(row[0], path_text(row[1]), row[2], row[3]) for row in rows]

    def symbols_since(self, generation: int, model: str) -> list[SymbolRow]:
        """Return the symbols added after `generation`, by ascending id, with the ids of `model`'s vectors."""
        rows = self._db.execute(
            "SELECT s.id, s.file_id, s.parent_id, s.kind, s.name, s.text_hash, s.bag, coalesce(v.id, 0) FROM symbols s "
            "LEFT JOIN vectors v ON v.model = ? AND v.text_hash = s.text_hash WHERE s.generation > ? ORDER BY s.id",
            (model, generation),
        )
        return list(map(SymbolRow._make, rows))

    def deleted_since(self, generation: int) -> list[int]:
        """Return the ids of the symbols deleted after `generation`."""
        return [row[0] for row in self._db.execute("SELECT symbol_id FROM deleted WHERE generation > ?", (generation,))]

    def vectors_since(self, generation: int, model: str) -> Iterable[tuple[int, bytes, bytes]]:
        """Return (id, text hash, 8-bit vector) of the vectors of `model` added after `generation`."""
        return self._db.execute(
            "SELECT id, text_hash, data FROM vectors WHERE generation > ? AND model = ?", (generation, model)
        )

    def vectors_in_use(self, model: str) -> Iterable[tuple[int, bytes]]:
        """Return (id, 8-bit vector) of the vectors of `model` that a stored symbol has."""
        return self._db.execute(
            # Not by the index of models, which would have all of them sorted: 23 instead of 71 ms for 20,000.
            "SELECT id, data FROM vectors v NOT INDEXED WHERE model = ? "
            "AND EXISTS (SELECT 1 FROM symbols s WHERE s.text_hash = v.text_hash) ORDER BY id",
            (model,),
        )

    def vector_count(self, model: str) -> int:
        """Return how many vectors of `model` are stored."""
        return int(self._db.execute("SELECT count(*) FROM vectors WHERE model = ?", (model,)).fetchone()[0])

    def vectors_of(self, text_hashes: Sequence[bytes], model: str) -> Iterable[tuple[int, bytes, bytes]]:
        """Return (id, text hash, 8-bit vector) of those of these texts that `model` has embedded."""
        return self._by_id("SELECT id, text_hash, data FROM vectors", "model = ? AND text_hash", text_hashes, model)

    def newest_vector(self) -> int:
        """Return the highest id of a vector, 0 for none."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM vectors").fetchone()[0])

    def vectors_by_id(self, ids: Sequence[int]) -> Iterable[tuple[int, bytes]]:
        """Return (id, 8-bit vector) of the vectors with these ids."""
        return self._by_id("SELECT id, data FROM vectors", "id", ids)

    def details(self, ids: Sequence[int]) -> dict[int, Details]:
        """Return what is shown of the symbols `ids`, by id; those deleted meanwhile are missing."""
        rows = self._by_id(
            "SELECT s.id, f.path, f.language, s.kind, s.name, s.container, s.spans, s.ascii, s.preview, s.detail "
            "FROM symbols s JOIN files f ON f.id = s.file_id",
            "s.id",
            ids,
        )
        return {
            symbol: Details(path_text(path), language, kind, name, container, _read_spans(spans), bool(ascii), *shown)
            for symbol, path, language, kind, name, container, spans, ascii, *shown in rows
        }

    def texts(self, ids: Sequence[int]) -> dict[int, str]:
        """Return documentation and code of the symbols `ids`; those deleted meanwhile are missing."""
        rows = self._by_id("SELECT rowid, doc, code FROM words", "rowid", ids)
        return {symbol: f"{doc}\n{code}".strip() for symbol, doc, code in rows}

    def symbols_of(self, path: str) -> list[tuple[int, tuple[int, ...]]]:
        """Return (id, spans) of a file's symbols, parents first."""
        rows = self._db.execute(
            "SELECT s.id, s.spans FROM symbols s JOIN files f ON f.id = s.file_id WHERE f.path = ? ORDER BY s.id",
            (path_bytes(path),),
        )
        return [(row[0], _read_spans(row[1])) for row in rows]

    def literal(self, phrase: str) -> set[int]:
        """Return the symbols in whose name, documentation or code `phrase` stands, letter case aside.

        It begins where a word begins; its last word may be the beginning of a longer one.
        """
        tokens = "".join(c if c.isalnum() else " " for c in phrase).split()
        where = "(instr(lower(name), ?1) OR instr(lower(doc), ?1) OR instr(lower(code), ?1))"
        if not tokens:
            rows = self._db.execute(f"SELECT rowid FROM words WHERE {where}", (phrase.lower(),))
        else:
            match = '"' + " ".join(tokens) + '" *'
            rows = self._db.execute(
                f"SELECT rowid FROM words WHERE words MATCH ?2 AND {where}", (phrase.lower(), match)
            )
        return {row[0] for row in rows}

    def file_note(self, path: str) -> tuple[int, str, str] | None:
        """Return (number of symbols, note, why it is left out) of a stored file, None when it is not stored."""
        row: tuple[int, str, str] | None = self._db.execute(
            "SELECT (SELECT count(*) FROM symbols s WHERE s.file_id = f.id), f.note, f.left_out FROM files f "
            "WHERE f.path = ?",
            (path_bytes(path),),
        ).fetchone()
        return row

    def files_below(self, folder: str) -> int:
        """Return how many files below a folder are indexed; "" is the root."""
        below = path_bytes(f"{folder}/") if folder else b""
        return int(
            self._db.execute(
                "SELECT count(*) FROM files WHERE left_out = '' AND substr(path, 1, ?) = ?", (len(below), below)
            ).fetchone()[0]
        )

    def has_content(self, path: str, content_hash: bytes) -> bool:
        """Return whether a file is stored with this content."""
        found = self._db.execute(
            "SELECT 1 FROM files WHERE path = ? AND content_hash = ?", (path_bytes(path), content_hash)
        )
        return found.fetchone() is not None

    def skipped(self, limit: int) -> tuple[int, tuple[tuple[str, str], ...]]:
        """Return how many files and folders were left out, and the first `limit` with their reasons."""
        every = "SELECT path, reason FROM skipped UNION SELECT path, left_out FROM files WHERE left_out != ''"
        total = self._db.execute(f"SELECT count(*) FROM ({every})").fetchone()[0]
        rows = self._db.execute(f"{every} ORDER BY path LIMIT ?", (limit,))
        return int(total), tuple((path_text(path), reason) for path, reason in rows)

    def pending_count(self, after: int = 0) -> int:
        """Return how many texts wait to be embedded, of those behind the position `after`."""
        return int(self._db.execute("SELECT count(*) FROM pending WHERE id > ?", (after,)).fetchone()[0])

    def last_pending(self) -> int:
        """Return the position of the last text that waits, 0 when none does."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM pending").fetchone()[0])

    def pending_after(self, after: int) -> list[tuple[int, bytes, str]]:
        """Return the next texts to embed, at most PENDING_PAGE: (position, hash, text)."""
        rows = self._db.execute(
            "SELECT id, text_hash, text FROM pending WHERE id > ? ORDER BY id LIMIT ?", (after, PENDING_PAGE)
        ).fetchall()
        if any(text_hash(text) != known for _, known, text in rows):  # its vector would stay, for every index
            raise sqlite3.DatabaseError("a text to embed is not what was written")
        return rows

    def _by_id(self, select: str, column: str, ids: Sequence[int] | Sequence[bytes], *before: str) -> Iterator[tuple]:  # type: ignore[type-arg]
        step = 500  # below SQLite's smallest limit of parameters
        for start in range(0, len(ids), step):
            part = ids[start : start + step]
            yield from self._db.execute(f"{select} WHERE {column} IN ({','.join('?' * len(part))})", (*before, *part))


def _read_spans(text: str) -> tuple[int, ...]:
    """Read the eight numbers of a symbol's places. Raises sqlite3.DatabaseError when they are not."""
    try:
        spans = tuple(map(int, json.loads(text)))
    except (ValueError, TypeError):
        spans = ()
    if len(spans) != 8:
        raise sqlite3.DatabaseError(f"{text!r} are no places")
    return spans


def model_of(path: Path) -> str:
    """Return the fingerprint of the model that an index was last completed with; "" where none says so."""
    if not path.exists():
        return ""
    try:
        with closing(Store(path)) as store:
            note, recipe = store.meta("model"), store.meta("complete")
    except sqlite3.Error:  # whoever opens it to use it deals with that
        return ""
    try:
        return str(json.loads(note)[1])
    except (ValueError, IndexError, TypeError):
        return recipe.rpartition("-")[2]  # of a version that noted nothing else


def path_bytes(path: str) -> bytes:
    """Return a path as it is stored: names on disk need not be UTF-8."""
    return path.encode("utf-8", "surrogateescape")


def path_text(path: bytes) -> str:
    """Return a stored path as Python has it."""
    return path.decode("utf-8", "surrogateescape")


def in_scope(path: str, scope: frozenset[str]) -> bool:
    """Return whether a path (a folder's may end in '/') is one of `scope` or in a folder that is; "" is the root."""
    if not scope or "" in scope:
        return bool(scope)
    steps = path.rstrip("/").split("/")
    return any("/".join(steps[:end]) in scope for end in range(1, len(steps) + 1))
