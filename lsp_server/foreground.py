"""Foreground: a pass that somebody waits for at a terminal.

Takes an index, gives the progress of bringing it up to date. A command that a person typed waits for no battery saver
and for no other folder's turn, and uses every core; but it rests while other programs need the machine, and while it
embeds much, the editors of the same user wait for it with theirs.
"""

from collections.abc import Iterator
from functools import partial

import psutil

from lsp_server.courtesy import MUCH, Courtesy, measure
from lsp_server.engine.errors import Busy
from lsp_server.engine.home import Turn
from lsp_server.engine.index import Index
from lsp_server.engine.update import Progress


def refresh(index: Index) -> Iterator[Progress]:
    """Bring an index up to date, as `Index.refresh`. Raises Busy when somebody pauses or cancels it."""
    cores = psutil.cpu_count() or 1
    index.writing.pace = Courtesy(partial(measure, index.writing.children), cores, cores)
    turn = Turn(index.home.cache)
    cancelled = index.home.cancelled()
    try:
        for progress in index.refresh():
            if index.home.is_paused:
                raise Busy(f"Indexing of {index.root} was paused. Go on with: meaning-ls resume.")
            if index.home.cancelled() != cancelled:
                raise Busy(
                    f"Indexing of {index.root} was cancelled. What is there stays; the next run goes on from there."
                )
            if progress.texts_total - progress.texts_done > MUCH:
                turn.take()
            yield progress
    finally:
        turn.close()
