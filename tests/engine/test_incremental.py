"""Whatever happens to the files, in whatever order it is noticed: the index ends as one made from the final tree."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import BagEncoder, drain

from lsp_server.engine.index import Index, Options
from lsp_server.engine.query import Query

FOLDERS = ("", "lib/", "lib/deep/", "tests/")
NAMES = ("a.py", "b.py", "c.js", "d.md", "e.xyz")
CONTENTS = (
    "",
    "def send(item):\n    return item\n",
    "class Cart:\n    def total(self):\n        return 1\n",
    "function later() {\n  return 2\n}\n",
    "# Title\n\nwords about whales\n",
    "emoji = '\N{WHALE}'\r\ndef größe():\r\n    pass\r\n",
    "def broken(:\n  x = [\n",
    "\x00\x01binary",
)
IGNORES = ("", "b.py\n", "lib/\n", "*.py\n!a.py\n")

paths = st.tuples(st.sampled_from(FOLDERS), st.sampled_from(NAMES)).map("".join)
steps = st.one_of(
    st.tuples(st.just("write"), paths, st.sampled_from(CONTENTS)),
    st.tuples(st.just("delete"), paths),
    st.tuples(st.just("rename"), paths, paths),
    st.tuples(st.just("drop"), st.sampled_from(FOLDERS[1:])),
    st.tuples(st.just("ignore"), st.sampled_from(IGNORES)),
    st.tuples(st.just("touch back"), paths, st.sampled_from(CONTENTS)),
)


def take(root: Path, step: tuple[str, ...]) -> list[str]:
    """Do one thing to the tree; return the paths that an editor would report."""
    path = root / step[1]
    match step[0]:
        case "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(step[2].encode())
        case "touch back" if path.exists():
            # Other content, old time stamp, maybe the same size: what a restored backup looks like.
            status = path.stat()
            path.write_bytes(step[2].encode())
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        case "delete":
            path.unlink(missing_ok=True)
        case "rename" if path.exists():
            target = root / step[2]
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
            return [step[1], step[2]]
        case "drop":
            shutil.rmtree(path, ignore_errors=True)
        case "ignore":
            (root / ".gitignore").write_text(step[1])
            return [".gitignore"]
    return [step[1].rstrip("/")]


def contents(index: Index) -> set[tuple[object, ...]]:
    """Everything that can be found, with where it is."""
    index.catch_up()
    hits = index.search(Query("", limit=10_000)).hits
    embedded = index.status().embedded == index.status().symbols
    skipped = index.status().skipped
    return {(hit.path, hit.kind, hit.name, hit.container, hit.span, hit.preview) for hit in hits} | {embedded, skipped}  # type: ignore[arg-type]


def stored(index: Index) -> dict[str, object]:
    """What ranking goes by, under names that do not depend on the order of things: texts, vectors, words, postings."""
    with contextlib.closing(sqlite3.connect(index.store_path)) as db:
        db.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 0)")
        texts: dict[int, tuple[object, ...]] = {
            row[0]: row[1:]
            for row in db.execute(
                "SELECT s.id, f.path, s.kind, s.name, s.container, s.spans, s.ascii, s.detail, s.text_hash, s.bag, "
                "w.name, w.doc, w.code FROM symbols s JOIN files f ON f.id = s.file_id "
                "LEFT JOIN words w ON w.rowid = s.id"
            )
        }
        files = "SELECT path, size, content_hash, language, note, left_out, recipe FROM files ORDER BY path"
        vectors = "SELECT text_hash, model, data FROM vectors WHERE text_hash IN (SELECT text_hash FROM symbols)"
        # Each word of each text with its place (https://www.sqlite.org/fts5.html#the_fts5vocab_virtual_table_module).
        db.execute("CREATE VIRTUAL TABLE temp.postings USING fts5vocab(main, words, instance)")
        postings = db.execute("SELECT term, doc, col, offset FROM temp.postings").fetchall()
        return {
            "files": db.execute(files).fetchall(),
            "texts": sorted(texts.values(), key=repr),
            "vectors": sorted(db.execute(vectors)),
            "pending": db.execute("SELECT text FROM pending").fetchall(),
            "postings": sorted(((term, texts[doc], *place) for term, doc, *place in postings), key=repr),
        }


def scores(index: Index) -> dict[str, dict[tuple[object, ...], float]]:
    """What ranking makes of it: BM25 alone, and together with meaning."""
    index.catch_up()
    asks = {"words": index.search_words, "meaning": index.search}
    return {
        f"{how}: {text}": {
            (hit.path, hit.kind, hit.name, hit.span, hit.match): pytest.approx(hit.score, abs=1e-4)
            for hit in ask(Query(text, limit=10_000)).hits
        }
        for text in ("send an item", "total of the cart", "whales", "größe later")
        for how, ask in asks.items()
    }


@pytest.mark.timeout(300)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(steps, st.sampled_from(("full", "paths", "later"))), min_size=1, max_size=8))
def test_any_sequence_of_changes_ends_as_the_final_tree(changes: list[tuple[tuple[str, ...], str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        root.mkdir()
        index = Index(root, Options(cache_dir=f"{folder}/one", threads=1), BagEncoder())
        fresh = Index(root, Options(cache_dir=f"{folder}/two", threads=1), BagEncoder())
        unnoticed: list[str] = []
        for step, noticed in changes:
            unnoticed += take(root, step)
            if noticed == "full":
                drain(index.update())
                unnoticed = []
            elif noticed == "paths":
                drain(index.update_paths(unnoticed))
                unnoticed = []
            index.catch_up()
        drain(index.update_paths(unnoticed or [""]))
        drain(fresh.update())
        try:
            assert contents(index) == contents(fresh)
            assert stored(index) == stored(fresh)
            assert scores(index) == scores(fresh)
            index.close()
            index = Index(root, Options(cache_dir=f"{folder}/one", threads=1), BagEncoder())
            assert scores(index) == scores(fresh)
        finally:
            index.close()
            fresh.close()
