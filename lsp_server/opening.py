"""Opening: an index as a server opens and closes it, on a thread of its own."""

import gc
import threading
from contextlib import suppress
from pathlib import Path

from lsp_server.engine.errors import EngineError
from lsp_server.engine.index import Index, Options
from lsp_server.engine.memory import give_back


def open_index(root: Path, options: Options) -> Index:
    """Open an index and read what it holds. Raises EngineError."""
    index = Index(root, options)
    if index.status().last_update:  # there will be something to ask: the model is loaded beside
        # No daemon: a process that ends while ONNX Runtime is being loaded is aborted by it.
        threading.Thread(target=_load_quietly, args=(index,), name="model").start()
    index.catch_up()
    return index


def close_index(index: Index) -> None:
    """Close an index and give its memory back."""
    index.close()
    gc.collect()  # a large index holds itself in circles
    give_back()


def _load_quietly(index: Index) -> None:
    with suppress(EngineError):  # the first search says what is wrong
        index.encoder()
