"""Fixtures of all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import BagEncoder, MakeIndex, drain, write_workspace

from lsp_server.engine.index import Index, Options


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
