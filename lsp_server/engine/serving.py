"""Serving: which encoder makes the vectors of an index, and which one answers meanwhile.

Takes the setting `model` and what a store notes of the model that its vectors come from. An index that moves to another
model answers by the former one until every text has its new vector, so both may be loaded for a while. Where programs
ask for different models, the last that moved the index decides, and the others go along. Loading waits until the first
use.
"""

import json
import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from lsp_server.engine.agreement import open_encoder
from lsp_server.engine.card import CARD, ModelError, read_card
from lsp_server.engine.devices import AUTO, get_device
from lsp_server.engine.encoder import Encoder
from lsp_server.engine.installed import find_by_fingerprint, find_installed, find_model
from lsp_server.engine.pair import PairEncoder, pair_dims, pair_fingerprint
from lsp_server.engine.remembered import measured_here

OFF = "off"

_log = logging.getLogger(__name__)

_loaded: WeakValueDictionary[tuple[str, str, int], Encoder] = WeakValueDictionary()  # as long as an index uses them
_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class Model:
    """A model, as a store notes it."""

    id: str
    fingerprint: str
    dims: int
    folder: str  # "" when it was given as an object
    cuts: tuple[int, ...] = ()  # see `Card.cuts`
    docs: str = ""  # folder of the model for sections of documentation, "" where one model reads all

    def note(self) -> str:
        """Return it as one line for the store."""
        place = [self.folder, self.docs] if self.docs else self.folder
        return json.dumps([self.id, self.fingerprint, self.dims, place, *self.cuts])


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asks for, and what an index has: see installed.py for `model`, devices.py for `device`."""

    model: str
    device: str
    cache_dir: str
    used: str  # the fingerprint of the model that the index was made with; "" for a new one
    docs: str = AUTO  # the model for sections of documentation: "auto" (as the index has it), "off", or as `model`
    wished: str = ""  # a model that the user accepted for this index, where `model` is "auto"


class Models:
    """The model that is asked for, and others as they are needed. Any thread may ask.

    Raises EngineError for a setting that names no model.
    """

    def __init__(self, asked: Asked, encoder: Encoder | None = None) -> None:
        self._asked = asked
        self._lock = threading.Lock()
        self._encoders: dict[str, Encoder] = {}
        self._given = encoder
        if encoder is not None:
            self.own = Model("custom", encoder.fingerprint, encoder.dim, "")
        else:
            if asked.device != AUTO:
                get_device(asked.device)  # an unknown one is told now
            wished = find_installed(asked.wished, asked.cache_dir) if asked.model == AUTO and asked.wished else None
            name = asked.wished if wished else asked.model
            folder = find_model(name, asked.cache_dir, asked.used.partition("+")[0])
            card = read_card(folder)
            self.own = Model(card.id, card.fingerprint(), card.dims, str(folder), card.cuts)
            if (docs := _find_docs(asked)) is not None:
                self.own = _joined(self.own, docs)
        self._known = {self.own.fingerprint: self.own}
        self._was_ours = False

    def is_own(self, name: str) -> bool:
        """Return whether a name means the model that is asked for."""
        found = find_installed(name, self._asked.cache_dir) if name else None
        return found is not None and str(found.folder) == self.own.folder

    def serving(self, note: str) -> Model:
        """Return the model to answer by: the one that a store notes as complete, ours when it notes none."""
        try:
            name, fingerprint, dims, place, *cuts = json.loads(note)
            folder, docs = place if isinstance(place, list) else (place, "")
            model = Model(name, fingerprint, dims, folder, tuple(cuts), docs)
        except (ValueError, TypeError):
            return self.own
        if model.fingerprint == self.own.fingerprint:
            return self.own
        self._known[model.fingerprint] = model
        return model

    def follow(self, note: str) -> None:
        """Make another model ours, if the index was complete by ours and another process has moved it on since.

        Two processes that ask for different models would else move an index to and fro for ever.
        """
        noted = self.serving(note)
        if noted is not self.own and self._was_ours:
            _log.info("another process has moved the index to the model %s, and this one goes along", noted.id)
            self.own = noted
        self._was_ours = self._was_ours or (bool(note) and noted is self.own)

    def by_fingerprint(self, fingerprint: str) -> Model:
        """Return a model that `serving` has given."""
        return self._known[fingerprint]

    def encoder(self, model: Model) -> Encoder:
        """Return the encoder of a model, loaded on first use (0.2 s). Raises ModelError."""
        with self._lock:
            if self._given is not None and model == self.own:
                return self._given
            if model.fingerprint not in self._encoders:
                folder = Path(model.folder)
                if not model.folder or not folder.is_dir():
                    folder = find_model(model.id, self._asked.cache_dir)
                encoder = self._open(folder)
                if model.docs:
                    memory = measured_here(self._asked.cache_dir)
                    encoder = PairEncoder(encoder, self._open(Path(model.docs)), memory)
                if encoder.fingerprint != model.fingerprint:
                    raise ModelError(
                        f"The model {model.id} in {model.folder} is not the one that this index was made by."
                    )
                self._encoders[model.fingerprint] = encoder
            return self._encoders[model.fingerprint]

    def _open(self, folder: Path) -> Encoder:
        key = (str(folder), self._asked.device, (folder / CARD).stat().st_mtime_ns)
        with _loading:  # indexes of several roots share it
            if (encoder := _loaded.get(key)) is None:
                encoder = open_encoder(folder, self._asked.device, measured_here(self._asked.cache_dir))
                _loaded[key] = encoder
            return encoder

    def unload(self) -> None:
        """Give back what was loaded."""
        with self._lock:
            self._encoders.clear()


def _find_docs(asked: Asked) -> Path | None:
    """Return the folder of the model for sections of documentation; None where one model reads all."""
    if asked.docs == OFF:
        return None
    if asked.docs == AUTO:
        return find_by_fingerprint(asked.used.partition("+")[2], asked.cache_dir)
    return find_model(asked.docs, asked.cache_dir)


def _joined(code: Model, folder: Path) -> Model:
    card = read_card(folder)
    if card.fingerprint() == code.fingerprint:  # one model for both is one model
        return code
    fingerprint, dims = pair_fingerprint(code.fingerprint, card.fingerprint()), pair_dims(code.dims, card.dims)
    return Model(f"{code.id}+{card.id}", fingerprint, dims, code.folder, docs=str(folder))
