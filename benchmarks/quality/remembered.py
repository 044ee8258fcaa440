"""Remembered vectors: an encoder that embeds a text once, however often the indexes are made anew.

The engine keeps vectors itself, but throws them away with an index whose layout has changed, and keeps one set per
folder. Here they survive in one file per model, so that a change of the engine costs a benchmark no new embedding.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lsp_server.engine.encoder import Encoder

# Vectors between two commits: losing a few seconds of work to a crash is fine, a commit per vector is not.
COMMIT_EVERY = 200


class RememberingEncoder:
    """The given encoder with a memory in the file `folder`/vectors-<fingerprint>.db; float32, nothing is rounded."""

    def __init__(self, inner: Encoder, folder: Path) -> None:
        self._inner = inner
        self.fingerprint = inner.fingerprint
        self.dim = inner.dim
        self.max_tokens = inner.max_tokens
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / f"vectors-{self.fingerprint}.db", check_same_thread=False, timeout=60)
        self._db.execute("CREATE TABLE IF NOT EXISTS vectors (hash BLOB PRIMARY KEY, data BLOB) WITHOUT ROWID")
        self._lock = threading.Lock()  # one connection for all threads
        self._new = 0

    def encode(self, text: str) -> NDArray[np.float32]:
        """As the inner encoder, from memory if it is there."""
        key = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
        with self._lock:
            row = self._db.execute("SELECT data FROM vectors WHERE hash = ?", (key,)).fetchone()
        if row is not None:
            return np.frombuffer(row[0], np.float32)
        vector = self._inner.encode(text)
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO vectors VALUES (?, ?)", (key, vector.tobytes()))
            self._new += 1
            if self._new % COMMIT_EVERY == 0:
                self._db.commit()
        return vector

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """As the inner encoder."""
        return self._inner.encode_query(text)

    def close(self) -> None:
        """Keep what is new."""
        self._db.commit()
        self._db.close()
