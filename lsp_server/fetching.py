"""Fetching: models as an editor asks for them: what would suit this machine, and one that is downloaded meanwhile.

Takes ids, gives advice as JSON and, for a download, a progress bar that can be cancelled. The work is done on threads;
what is fetched, and how, stands in models/pull.py. Nothing is fetched that was not asked for.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable

from pygls.exceptions import JsonRpcRequestCancelled
from pygls.lsp.server import LanguageServer

from lsp_server.announce import Bar, knows_bars
from lsp_server.engine.card import EMBEDDERS, ModelError, read_card
from lsp_server.engine.installed import Installed, installed
from lsp_server.protocol import ModelAdvice

SHOW_SECONDS = 0.2  # between two movements of the bar


class Fetching:
    """The downloads of one client."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._running: dict[threading.Event, Bar | None] = {}

    async def advise(self, cache_dir: str) -> ModelAdvice:
        """Say which model suits this machine; measures for a second or two what was never measured here."""
        return await asyncio.to_thread(_advice, cache_dir)

    async def pull(self, name: str, cache_dir: str) -> str:
        """Fetch and install ID or ID:VARIANT. Returns what the setting `model` may say. Raises EngineError."""
        stop = threading.Event()
        bar = Bar(self._server, f"Fetching {name}") if knows_bars(self._server.client_capabilities) else None
        self._running[stop] = bar
        loop = asyncio.get_running_loop()

        def show(percentage: int, message: str) -> None:
            if bar is not None:
                loop.call_soon_threadsafe(bar.move, percentage, message)

        try:
            found = await asyncio.to_thread(_pull, name, cache_dir, stop, show)
        finally:
            stop.set()
            del self._running[stop]
            if bar is not None:
                bar.end()
        if not found:
            raise JsonRpcRequestCancelled(f"The download of {name} was stopped; the next one goes on from there.")
        return found

    def cancel(self, token: int | str) -> None:
        """Stop the download whose bar has this token."""
        for stop, bar in self._running.items():
            if bar is not None and bar.token == token:
                stop.set()

    def close(self) -> None:
        """Stop all downloads."""
        for stop in self._running:
            stop.set()


def _advice(cache_dir: str) -> ModelAdvice:
    from lsp_server.models.advice import choose_here, offer
    from lsp_server.models.choice import explain

    choice = choose_here(cache_dir)
    return {
        "picked": choice.picked.model.id,
        # What is on a server is not chosen by a setting, and a reranker is none to embed with.
        "installed": [model.name for model in installed(cache_dir) if _embeds_here(model)],
        "offer": offer(choice),
        "explanation": list(explain(choice)),
    }


def _embeds_here(model: Installed) -> bool:
    try:
        return read_card(model.folder).kind in EMBEDDERS
    except ModelError:
        return False


def _pull(name: str, cache_dir: str, stop: threading.Event, show: Callable[[int, str], None]) -> str:
    from lsp_server.models.catalogue import load_catalogue
    from lsp_server.models.hardware import look
    from lsp_server.models.pull import pull, wanted

    model, variant = wanted(load_catalogue(), name, look())
    shown = 0.0
    with contextlib.closing(pull(model, variant, cache_dir)) as steps:
        for step in steps:
            if stop.is_set():
                return ""
            if step.note or time.monotonic() - shown > SHOW_SECONDS:
                shown = time.monotonic()
                said = step.note or f"{step.done / 1e6:,.1f} of {step.total / 1e6:,.1f} MB"
                show(100 * step.done // step.total if step.total else 0, said)
    return f"{model.id}:{variant.name}"
