"""Installed: the models that are on this machine, and which of them a name means.

Takes a name as in the setting `model`, gives the folder of a model. Downloaded models lie in the cache, each in
`models/ID/VARIANT/`; one comes with the program; servers that the user connected are written down in the user's
configuration. Knows no catalogue and no network: what is not here cannot be meant.
`auto` means the model that an index was made with, for another one would have to embed everything again; for a new
index it means what `meaning-ls models choose` wrote down, else the bundled model.
"""

import difflib
import logging
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lsp_server.engine.cache import cache_home, size_of
from lsp_server.engine.card import CARD, ENDPOINT, RERANKERS, ModelError, check_files, read_card
from lsp_server.engine.encoder import BUNDLED, bundled_model
from lsp_server.engine.endpoint import endpoints_home, is_connected

AUTO = "auto"
RESERVED = (AUTO, "off")  # that settings understand otherwise
_CHOSEN = "chosen"  # the file that says what `auto` means for a new index
_NAME = re.compile(r"\w[\w.-]*(?::[\w.-]+)?")  # ID or ID:VARIANT

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Installed:
    """A model that is here."""

    id: str
    variant: str
    folder: Path

    @property
    def name(self) -> str:
        """What the setting `model` may say to mean exactly this one."""
        return self.id if self.folder == bundled_model() else f"{self.id}:{self.variant}"

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return size_of(self.folder)


def models_home(cache_dir: str) -> Path:
    """Return the folder that holds the downloaded models; "" is the user's own cache."""
    return cache_home(cache_dir) / "models"


def installed(cache_dir: str) -> tuple[Installed, ...]:
    """Return the models that are here: the bundled one first, then by id, then those of connected servers."""
    return (Installed(BUNDLED, "bundled", bundled_model()), *_downloaded(cache_dir), *_connected())


def _connected() -> Iterator[Installed]:
    for card in sorted(endpoints_home().glob(f"*/{CARD}")):
        if not card.parent.name.startswith("."):
            yield Installed(card.parent.name, ENDPOINT, card.parent)


def _downloaded(cache_dir: str) -> Iterator[Installed]:
    for card in sorted(models_home(cache_dir).glob(f"*/*/{CARD}")):
        variant, id = card.parent.name, card.parent.parent.name
        if not id.startswith(".") and not variant.startswith("."):  # what is being fetched, or replaced
            yield Installed(id, variant, card.parent)


def find_installed(name: str, cache_dir: str) -> Installed | None:
    """Return the model that ID or ID:VARIANT means; of several variants the one that `auto` means, else the first."""
    id, _, variant = name.partition(":")
    found = [model for model in installed(cache_dir) if model.id == id and variant in ("", model.variant)]
    chosen = chosen_for_auto(cache_dir)
    return next((model for model in found if model.name == chosen), found[0] if found else None)


def find_model(name: str, cache_dir: str, fingerprint: str = "") -> Path:
    """Return the folder of the model that the setting `model` means.

    `fingerprint` is that of the model an index was made with, "" for a new one. Raises ModelError.
    """
    if name == AUTO:
        return _auto(cache_dir, fingerprint)
    if found := find_installed(name, cache_dir):
        return found.folder
    folder = Path(name).expanduser()
    if not is_bare(name) and folder.is_dir():
        return folder.resolve()
    names = list(dict.fromkeys(model.id for model in installed(cache_dir)))
    near = difflib.get_close_matches(name, names, n=1)
    if is_bare(name):
        raise ModelError(
            f"There is no model {name!r} on this machine; {', '.join(names)} {'are' if len(names) > 1 else 'is'} here. "
            + (f"Did you mean {near[0]}? " if near else "")
            + (f"For the folder of this name say .{os.sep}{name}. " if folder.is_dir() else "")
            + f"To fetch it: meaning-ls models pull {name}"
        )
    raise ModelError(
        f"There is no model {name!r}: give 'auto', the id of a model (see: meaning-ls models), or a folder with "
        "model.onnx, tokenizer.json and model.toml."
    )


def is_bare(name: str) -> bool:
    """Return whether this is a name as of an installed model. It never means a folder: a server runs in any folder."""
    return bool(_NAME.fullmatch(name))


def is_elsewhere(name: str, cache_dir: str) -> bool:
    """Return whether a name, or a folder, means a model on a server: texts would be sent there."""
    found = find_installed(name, cache_dir)
    if found is None and is_bare(name):
        return False
    folder = found.folder if found else Path(name).expanduser()
    try:
        return tomllib.loads((folder / CARD).read_text(encoding="utf-8")).get("kind") == ENDPOINT
    except (OSError, ValueError):
        return False


def find_reranker(name: str, cache_dir: str) -> Path:
    """Return the folder of the reranker that the setting `rerank` means; "auto" is one that is installed.

    Raises ModelError.
    """
    if name != AUTO:
        return find_model(name, cache_dir)
    for model in installed(cache_dir):
        with suppress(ModelError):
            if read_card(model.folder).kind in RERANKERS:
                return model.folder
    raise ModelError("No reranker is installed. To fetch one: meaning-ls models pull lateon-code-edge")


def find_by_fingerprint(fingerprint: str, cache_dir: str) -> Path | None:
    """Return the folder of the model that is here and has this fingerprint, if there is one."""
    for model in installed(cache_dir) if fingerprint else ():
        with suppress(ModelError):
            if read_card(model.folder).fingerprint() == fingerprint:
                return model.folder
    return None


def _auto(cache_dir: str, fingerprint: str) -> Path:
    if fingerprint:
        if (folder := find_by_fingerprint(fingerprint, cache_dir)) is not None:
            return folder
        _log.info("The model that this index was made with is not here any more")
    chosen = find_installed(chosen_for_auto(cache_dir), cache_dir)
    # A server is named for each index, or it is none: a cache folder may be one that a project has brought along.
    if chosen is None or chosen.variant == ENDPOINT:
        return bundled_model()
    try:
        check_files(chosen.folder, read_card(chosen.folder))
    except ModelError as error:
        _log.warning("%s The model that comes with the program is used", error)
        return bundled_model()
    return chosen.folder


def chosen_for_auto(cache_dir: str) -> str:
    """Return what `auto` means for a new index, as ID:VARIANT; "" while nobody chose."""
    with suppress(OSError, ValueError):
        text = (models_home(cache_dir) / _CHOSEN).read_text(encoding="utf-8").strip()
        return text if _NAME.fullmatch(text) else ""
    return ""


def choose_for_auto(model: Installed, cache_dir: str) -> None:
    """Let `auto` mean this model for every new index. Raises ModelError when that cannot be written down."""
    path = models_home(cache_dir) / _CHOSEN
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_name(f".{_CHOSEN}")
        written.write_text(f"{model.name}\n", encoding="utf-8")
        written.replace(path)
    except OSError as error:
        raise ModelError(
            f"{path} cannot be written ({error.strerror}). Choose another place with --cache-dir."
        ) from error


def remove_installed(model: Installed, cache_dir: str) -> None:
    """Delete a downloaded model. Raises ModelError."""
    if model.folder == bundled_model():
        raise ModelError(f"{model.id} comes with the program and stays: it is what everything falls back to.")
    try:
        # Out of the way first: a folder that is half deleted must not be taken for a model.
        place = model.folder.parent if is_connected(model.folder) else models_home(cache_dir)
        trash = place / f".{model.id}-{model.variant}-removed"
        shutil.rmtree(trash, ignore_errors=True)
        model.folder.replace(trash)
        shutil.rmtree(trash, ignore_errors=True)
        with suppress(OSError):
            model.folder.parent.rmdir()  # the last variant takes the folder of its id along
    except OSError as error:
        raise ModelError(
            f"{model.folder} cannot be removed ({error.strerror}). Close the editors that use it, then try again."
        ) from error
