"""What the tests share: a whole workspace from one string, and an encoder that embeds words in microseconds."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lsp_server.engine.index import Index, Options
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


def drain(passes: Iterator[object]) -> None:
    """Run a pass to its end."""
    for _ in passes:
        pass


@pytest.fixture
def encoder() -> BagEncoder:
    return BagEncoder()


@pytest.fixture
def make_index(tmp_path: Path, encoder: BagEncoder) -> Iterator[MakeIndex]:
    """A function from the text of a workspace (or none, for the one already there) to its index, up to date."""
    opened: list[Index] = []

    def make(text: str = "", **options: object) -> Index:
        root = tmp_path / "workspace"
        root.mkdir(exist_ok=True)
        write_workspace(root, text)
        index = Index(root, Options(cache_dir=str(tmp_path / "cache"), threads=1, **options), encoder)  # type: ignore[arg-type]
        opened.append(index)
        drain(index.update())
        index.catch_up()
        return index

    yield make
    for index in opened:
        index.close()
