"""Offering: a better model for this machine, proposed where the user works, and used if it is accepted.

Takes word of folders that are ready, asks the client once for each model and version, whatever the answer; "Never" ends
all offers. Nothing is downloaded unasked. An accepted model is fetched with a bar that can be cancelled, then the open
folders move to it in the background while the old one answers. Where the editor ends before that, it is offered again.
What suits a machine is decided in models/choice.py.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import psutil
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from lsp_server.engine.cache import cache_home
from lsp_server.engine.devices import CPU
from lsp_server.engine.errors import EngineError
from lsp_server.engine.remembered import Remembered
from lsp_server.fetching import Fetching
from lsp_server.folder import Folder
from lsp_server.workspace import Workspace

AUTO = "auto"
NOT_NOW, NEVER = "Not now", "Never"
_NEVER = "never"  # the key under which that is kept

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that is better here than the one in use."""

    name: str  # ID:VARIANT
    version: str  # of its files, "" where nobody has pinned one
    sentence: str
    accept: str  # what the button says

    @property
    def key(self) -> str:
        """What it is remembered by."""
        return f"{self.name} | {self.version}"


class Offering:
    """The offers to one client. `reopen` opens the folders anew."""

    def __init__(
        self, server: LanguageServer, folders: Workspace, fetching: Fetching, reopen: Callable[[], Awaitable[None]]
    ) -> None:
        self._server = server
        self._folders = folders
        self._fetching = fetching
        self._reopen = reopen
        self._looked = False

    def is_due(self, folder: Folder) -> bool:
        """Return whether now is the time to look for an offer: once, when a folder's first index is there."""
        settings = self._folders.settings
        due = (
            not self._looked
            and folder.state == "ready"
            and folder.index is not None
            and folder.index.status().embedded > 0
            and settings.model == AUTO
            and settings.index != "off"
            and not os.environ.get("HF_HUB_OFFLINE")
            and knows_questions(self._server.client_capabilities)
        )
        self._looked = self._looked or due
        return due

    async def make(self, folder: Folder) -> None:
        """Look for an offer, make it, and do what is answered."""
        index, cache_dir = folder.index, self._folders.settings.cache_dir
        if index is None:
            return
        memory = Remembered(cache_home(cache_dir) / "offers.json")
        if memory.get(_NEVER):
            return
        model, symbols = index.model, index.status().symbols
        offer = await asyncio.to_thread(find_offer, model, symbols, cache_dir)
        if offer is None or ((facts := memory.get(offer.key)) and not _was_interrupted(facts)):
            return
        memory.keep(offer.key, {"offered": time.time()})
        answer = await self._ask(offer)
        if answer == NEVER:
            memory.keep(_NEVER, {"answered": time.time()})
        if answer != offer.accept:
            return
        memory.keep(offer.key, {"process": os.getpid(), "began": psutil.Process().create_time()})
        try:
            name = await self._fetching.pull(offer.name, cache_dir)
        except JsonRpcException as stopped:
            _log.info("%s", stopped)
            memory.keep(offer.key, {"stopped": time.time()})
            return
        except EngineError as error:
            memory.forget(offer.key)  # to be offered again, when the hub is back
            self._tell(types.MessageType.Error, str(error))
            return
        measured = await asyncio.to_thread(find_offer, model, symbols, cache_dir)
        if measured is None or measured.name != name:
            said = f"{name} is installed, and is slower here than a model of its size should be: the one in use stays."
            self._tell(types.MessageType.Warning, f"{said} To move to it all the same: meaning-ls index --model {name}")
        else:
            for each in self._folders.folders:
                await each.move_to(name)
            await self._reopen()
        memory.keep(offer.key, {"installed": time.time()})

    def _tell(self, type: types.MessageType, said: str) -> None:
        self._server.window_show_message(types.ShowMessageParams(type, f"meaning-ls: {said}"))

    async def _ask(self, offer: Offer) -> str:
        actions = [types.MessageActionItem(title) for title in (offer.accept, NOT_NOW, NEVER)]
        params = types.ShowMessageRequestParams(types.MessageType.Info, f"meaning-ls: {offer.sentence}", actions)
        try:
            answer = await self._server.window_show_message_request_async(params)
        except JsonRpcException as error:
            _log.info("the client asks no questions: %s", error)
            return ""
        return answer.title if answer is not None else ""


def find_offer(model: str, symbols: int, cache_dir: str) -> Offer | None:
    """Return the offer of a model that is better on this machine than `model`, for a project of so many symbols.

    Measures the bundled model where that was never done here: for a second and a half, once.
    """
    from lsp_server.models.advice import choose_here
    from lsp_server.models.choice import minutes

    picked = choose_here(cache_dir, symbols=max(symbols, 1)).better_than(model)
    if picked is None or picked.variant is None or picked.model.gated:
        return None
    rate = picked.texts_per_second
    if not rate and picked.device == CPU:
        return None
    takes = f"{minutes(symbols / rate)} to re-index" if rate else f"re-indexed on {picked.device}"
    size = f"{picked.variant.disk_mb:,.0f} MB"
    return Offer(
        name=f"{picked.model.id}:{picked.variant.name}",
        version=picked.model.place(picked.variant)[1],
        sentence=f"A better model fits this machine: {picked.model.title}, {size}, {picked.model.licence}, {takes}. "
        "The one in use answers meanwhile.",
        accept="Use it" if picked.installed else f"Download {size}",
    )


def _was_interrupted(facts: Mapping[str, float]) -> bool:
    """Say whether a process that was to fetch a model has ended without a word."""
    if "process" not in facts:
        return False
    try:
        return bool(psutil.Process(int(facts["process"])).create_time() != facts.get("began"))
    except psutil.Error:
        return True


def knows_questions(capabilities: types.ClientCapabilities) -> bool:
    """Say whether a client shows messages with answers to choose from."""
    window = capabilities.window
    return bool(window and window.show_message and window.show_message.message_action_item)
