"""Pull: a model of the catalogue becomes one that is installed.

Looks it up at the hub, fetches its files, writes its model.toml, tests it, and then, with one rename, puts it where
models are found. Whatever goes wrong before that leaves everything as it was. Gives Progress meanwhile, so that a
terminal and an editor can show it; closing the generator cancels.
"""

import contextlib
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import filelock

from lsp_server.engine.card import CARD, card_text
from lsp_server.engine.devices import runtime_version
from lsp_server.engine.installed import models_home
from lsp_server.models.catalogue import Catalogue, Model, Variant
from lsp_server.models.choice import pick_variant, too_old
from lsp_server.models.download import Progress, digests, fetch
from lsp_server.models.hardware import Machine
from lsp_server.models.hub import DownloadError, Listing, look_up
from lsp_server.models.selftest import self_test

_WORK = ".fetching"  # its models are not complete


def wanted(catalogue: Catalogue, name: str, machine: Machine) -> tuple[Model, Variant]:
    """Return what ID or ID:VARIANT means to fetch. Raises EngineError: unknown, left out, not for this machine."""
    id, _, form = name.partition(":")
    entry = catalogue.find(id)
    if not isinstance(entry, Model):
        raise DownloadError(f"{entry.id} reorders answers; this version uses models that embed. See: meaning-ls models")
    variant = entry.get(form) if form else pick_variant(entry, machine, "cpu")
    if variant is None:
        names = ", ".join(variant.name for variant in entry.usable)
        raise DownloadError(f"None of {entry.id}'s files suits this processor; to insist, name one: {names}.")
    if old := too_old(entry, runtime_version()):
        raise DownloadError(f"{entry.id} {old}. Update it: pip install -U onnxruntime")
    if variant.bundled:
        raise DownloadError(f"{entry.id} comes with the program: there is nothing to fetch.")
    return entry, variant


def pull(model: Model, variant: Variant, cache_dir: str) -> Generator[Progress, None, None]:
    """Install a model. Raises EngineError; what was installed before is then untouched, and what arrived is kept."""
    home = models_home(cache_dir)
    work = home / _WORK / f"{model.id}-{variant.name}"
    yield Progress(0, 0, "asking the hub")
    listing = look_up(model, variant)
    with _alone(work):
        yield from fetch(listing, work)
        yield Progress(listing.size, listing.size, "testing the model")
        card = model.card(digests(listing, work))
        about = {"name": f"{model.title}, {variant.name}", "source": model.source, "licence": model.licence}
        origin = {"repository": listing.repo, "revision": listing.commit}
        (work / CARD).write_text(card_text(card, about | origin), encoding="utf-8")
        _refuse_unfit(listing, work)
        _put(work, home / model.id / variant.name)


def _refuse_unfit(listing: Listing, work: Path) -> None:
    """Test what arrived; a model that fails is removed, for its files are what the hub has and would fail again."""
    found = self_test(work)
    if not found.passed:
        shutil.rmtree(work, ignore_errors=True)
        said = found.complaint.replace(str(work), listing.id)
        raise DownloadError(f"{listing.id} ({listing.variant}) does not work here and was not installed. {said}")


def _put(work: Path, target: Path) -> None:
    """Move a complete model to where it is found; one that is there already makes room."""
    former = target.with_name(f".{target.name}-former")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(former, ignore_errors=True)
        if target.exists():
            target.replace(former)
        work.replace(target)
    except OSError as error:
        if former.exists() and not target.exists():
            with contextlib.suppress(OSError):
                former.replace(target)
        raise DownloadError(
            f"{target} cannot be written ({error.strerror}). Close the editors that use the model, then try again."
        ) from error
    shutil.rmtree(former, ignore_errors=True)


@contextlib.contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Be the only process that fetches this model."""
    try:
        work.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(work.with_name(f"{work.name}.lock"), thread_local=False)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise DownloadError("Another process is fetching this model. Wait for it, or end it.") from None
    except OSError as error:
        raise DownloadError(
            f"{work.parent} cannot be written ({error.strerror}). Choose another place with --cache-dir."
        ) from error
    try:
        yield
    finally:
        lock.release()
