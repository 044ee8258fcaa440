"""What tests of the engine share: a workspace from one string, and an encoder that embeds words in microseconds."""

import ctypes
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lsp_server.engine.index import Index
from lsp_server.engine.text import terms_of, words_of

MakeIndex = Callable[..., Index]


class BagEncoder:
    """Texts that share words have near vectors: each stem adds a fixed random direction."""

    fingerprint = "bag-of-words-1"
    dim = 64
    max_tokens = 128

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, text: str) -> NDArray[np.float32]:
        self.texts.append(text)
        return self._embed(text)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        return self._embed(text)

    def _embed(self, text: str) -> NDArray[np.float32]:
        vector = np.zeros(self.dim, np.float32)
        for word in words_of(text):
            for term in terms_of(word):
                vector += np.random.default_rng(term).standard_normal(self.dim).astype(np.float32)
        if not vector.any():
            vector[zlib.crc32(text.encode("utf-8", "replace")) % self.dim] = 1
        return vector / np.linalg.norm(vector)


def write_workspace(root: Path, text: str) -> Path:
    """Write the files of `text`: each begins with a line `//- path`, and holds the lines up to the next."""
    for part in text.split("//- ")[1:]:
        name, _, content = part.partition("\n")
        path = root / name.strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    return root


def without_privileges() -> None:
    """Make permissions count for a process that is begun by us, even where it is root's: its `preexec_fn`."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP: counts from the next program on


def drain(passes: Iterator[object]) -> None:
    """Run a pass to its end."""
    for _ in passes:
        pass
