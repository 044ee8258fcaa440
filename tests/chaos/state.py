"""State: everything that an index says of its folder, to be compared with what one says that was built undisturbed.

Read from copies of the files, so that looking repairs nothing: the program itself meets what the kill has left.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lsp_server.engine import hnsw
from lsp_server.engine.cache import index_folder
from lsp_server.engine.encoder import bundled_model, load_encoder
from lsp_server.engine.index import Index, Options
from lsp_server.engine.query import Query

QUESTIONS = (
    "send a letter over the network",
    "sort tickets in the queue",
    "merge_basket",
    "how to open the archive",
    '"came from the disk"',
    "kind:function count",
)

NOISE = 1e-4  # of a score

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What an index holds. Ids, generations and time stamps are left out: they differ by right."""

    files: dict[bytes, Row]
    symbols: dict[bytes, list[Row]]  # with the words of each, and the position of its parent
    vectors: dict[bytes, bytes]  # of the texts of these symbols
    skipped: dict[bytes, str]
    answers: dict[str, dict[Row, float]]  # scores by hit, best first, without a graph


def alike(found: object, wanted: object) -> bool:
    """Return whether two parts of states say the same. The last digits of a score follow the order of additions."""
    if not isinstance(found, dict) or not isinstance(wanted, dict) or not wanted:
        return found == wanted
    last = min(wanted.values()) + NOISE  # what has the last one's score may have been cut off here or there
    sure = {hit for hit in {*found, *wanted} if max(found.get(hit, 0), wanted.get(hit, 0)) > last}
    return all(hit in found and hit in wanted and abs(found[hit] - wanted[hit]) < NOISE for hit in sure)


class Remembering:
    """The real encoder, which embeds a text once for all the indexes that are built to compare with."""

    def __init__(self) -> None:
        self._real = load_encoder(bundled_model())
        self.fingerprint, self.dim, self.max_tokens = (
            self._real.fingerprint, self._real.dim, self._real.max_tokens,
        )  # fmt: skip
        self._known: dict[tuple[str, str], object] = {}

    def encode(self, text):
        return self._once(self._real.encode, text)

    def encode_query(self, text):
        return self._once(self._real.encode_query, text)

    def _once(self, encode, text):
        key = (encode.__name__, text)
        if key not in self._known:
            self._known[key] = encode(text)
        return self._known[key]


@contextmanager
def copied(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy of a database as the last process left it."""
    with tempfile.TemporaryDirectory() as folder:
        for name in (path.name, f"{path.name}-wal"):
            if path.with_name(name).exists():
                shutil.copyfile(path.with_name(name), Path(folder, name))
        with closing(sqlite3.connect(Path(folder, path.name))) as db:
            yield db


def embedded(root: Path, cache: Path) -> set[bytes]:
    """Return the hashes of the texts that never have to be embedded again: the store or the vector cache has them."""
    known: set[bytes] = set()
    for path in (index_folder(root.resolve(), str(cache)) / "index.db", cache / "vectors-1.db"):
        if path.exists() and path.stat().st_size:
            with copied(path) as db:
                if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'vectors'").fetchone():
                    known |= {row[0] for row in db.execute("SELECT text_hash FROM vectors")}
    return known


def read(root: Path, cache: Path, encoder: Remembering) -> State:
    """Read the state of an index that has recovered. Fails where it is not whole in itself."""
    folder = index_folder(root.resolve(), str(cache))
    with copied(folder / "index.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        db.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 0)")
        assert db.execute("SELECT count(*) FROM pending").fetchone() == (0,), "texts wait to be embedded"
        assert db.execute("SELECT count(*) FROM symbols WHERE file_id NOT IN (SELECT id FROM files)").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM words WHERE rowid NOT IN (SELECT id FROM symbols)").fetchone() == (0,)
        files = {
            row[0]: row[1:]
            for row in db.execute("SELECT path, size, content_hash, language, note, left_out, recipe FROM files")
        }
        symbols: dict[bytes, list[Row]] = {path: [] for path in files}
        first: dict[bytes, int] = {}
        rows = db.execute(
            "SELECT f.path, s.id, s.parent_id, s.kind, s.name, s.container, s.spans, s.ascii, s.preview, s.detail, "
            "s.text_hash, s.bag, w.name, w.doc, w.code FROM symbols s JOIN files f ON f.id = s.file_id "
            "LEFT JOIN words w ON w.rowid = s.id ORDER BY s.id"
        )
        for path, symbol, parent, *rest in rows:
            start = first.setdefault(path, symbol)
            symbols[path].append((symbol - start, parent - start if parent else -1, *rest))
        held = dict(
            db.execute(
                "SELECT text_hash, data FROM vectors WHERE model = ? AND text_hash IN (SELECT text_hash FROM symbols)",
                (encoder.fingerprint,),
            )
        )
        missing = db.execute(
            "SELECT count(*) FROM symbols WHERE text_hash NOT IN (SELECT text_hash FROM vectors WHERE model = ?)",
            (encoder.fingerprint,),
        )
        assert missing.fetchone() == (0,), "a symbol has no vector"
        skipped = dict(db.execute("SELECT path, reason FROM skipped"))
    return State(files, symbols, held, skipped, answers(root, cache, encoder))


def answers(root: Path, cache: Path, encoder: Remembering) -> dict[str, dict[Row, float]]:
    """Ask the index as it stands; through its graph where `corpus.GRAPH_MINIMUM` lets it."""
    with closing(Index(root, Options(cache_dir=str(cache)), encoder)) as index:
        index.catch_up()
        index.catch_up()  # the graph is read after the first answers
        status = index.status()
        assert (status.state, status.embedded) == ("ready", status.symbols)
        return {
            question: {
                (hit.path, hit.name, hit.span.start_line, hit.match): hit.score
                for hit in index.search(Query(question, limit=30)).hits
            }
            for question in QUESTIONS
        }


def build(root: Path, cache: Path, encoder: Remembering) -> State:
    """Build an index from nothing, undisturbed, and read it."""
    with closing(Index(root, Options(cache_dir=str(cache)), encoder)) as index:
        for _ in index.refresh():
            pass
    return read(root, cache, encoder)


def graph_is_whole(root: Path, cache: Path, encoder: Remembering) -> None:
    """Fail where the graph file is damaged."""
    path = index_folder(root.resolve(), str(cache)) / "graph.hnsw"
    _, trouble = hnsw.examine_graph(path, encoder.fingerprint, encoder.dim)
    assert not trouble, trouble
