"""Serving: which encoder makes the vectors of an index, and which one answers meanwhile.

Takes the setting `model` and what a store notes of the model that its vectors come from. An index that moves to another
model answers by the former one until every text has its new vector, so both may be loaded for a while. Loading waits
until the first use.
"""

import json
import threading
from dataclasses import dataclass
from pathlib import Path

from lsp_server.engine.encoder import Encoder, ModelError, bundled_model, load_encoder, read_card
from lsp_server.engine.errors import EngineError


@dataclass(frozen=True, slots=True)
class Model:
    """A model, as a store notes it."""

    id: str
    fingerprint: str
    dims: int
    folder: str  # "" when it was given as an object

    def note(self) -> str:
        """Return it as one line for the store."""
        return json.dumps([self.id, self.fingerprint, self.dims, self.folder])


class Models:
    """The model that is asked for, and others as they are needed. Any thread may ask.

    Raises EngineError for a setting that names no model.
    """

    def __init__(self, setting: str, encoder: Encoder | None = None) -> None:
        self._lock = threading.Lock()
        self._encoders: dict[str, Encoder] = {}
        self._given = encoder
        if encoder is not None:
            self.own = Model("custom", encoder.fingerprint, encoder.dim, "")
        else:
            folder = model_folder(setting)
            card = read_card(folder)
            self.own = Model(card.id, card.fingerprint(), card.dims, str(folder))
        self._known = {self.own.fingerprint: self.own}

    def serving(self, note: str) -> Model:
        """Return the model to answer by: the one that a store notes as complete, ours when it notes none."""
        try:
            model = Model(*json.loads(note))
        except (ValueError, TypeError):
            return self.own
        if model.fingerprint == self.own.fingerprint:
            return self.own
        self._known[model.fingerprint] = model
        return model

    def by_fingerprint(self, fingerprint: str) -> Model:
        """Return a model that `serving` has given."""
        return self._known[fingerprint]

    def encoder(self, model: Model) -> Encoder:
        """Return the encoder of a model, loaded on first use (0.2 s). Raises ModelError."""
        with self._lock:
            if self._given is not None and model == self.own:
                return self._given
            if model.fingerprint not in self._encoders:
                encoder = load_encoder(
                    Path(model.folder) if model.folder and Path(model.folder).is_dir() else model_folder(model.id)
                )
                if encoder.fingerprint != model.fingerprint:
                    raise ModelError(
                        f"The model {model.id} in {model.folder} is not the one that this index was made by."
                    )
                self._encoders[model.fingerprint] = encoder
            return self._encoders[model.fingerprint]

    def unload(self) -> None:
        """Give back what was loaded."""
        with self._lock:
            self._encoders.clear()


def model_folder(model: str) -> Path:
    """Return the folder of "auto", of a shipped model's id, or of a path. Raises EngineError."""
    if model in ("auto", bundled_model().name):
        return bundled_model()
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder.resolve()
    raise EngineError(
        f"There is no model {model!r}: give 'auto', '{bundled_model().name}', or a folder with model.onnx, "
        "tokenizer.json and model.toml."
    )
