"""Pull: a model of the catalogue becomes one that is installed.

Looks it up at the hub, fetches its files, writes its model.toml, tests it, and then, with one rename, puts it where
models are found. Whatever goes wrong before that leaves everything as it was. Gives Progress meanwhile, so that a
terminal and an editor can show it; closing the generator cancels.
"""

import contextlib
import json
import shutil
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import filelock

from lsp_server.engine.card import CARD, RERANKERS, Card, card_text
from lsp_server.engine.devices import runtime_version
from lsp_server.engine.installed import models_home
from lsp_server.models.catalogue import Catalogue, Model, Reranker, Variant
from lsp_server.models.choice import pick_variant, too_old
from lsp_server.models.download import Progress, digests, fetch
from lsp_server.models.hardware import Machine
from lsp_server.models.hub import DownloadError, Listing, look_up
from lsp_server.models.selftest import self_test

_WORK = ".fetching"  # its models are not complete
_LATE = "onnx_config.json"  # what exporters of late-interaction models write beside the graph


def wanted(catalogue: Catalogue, name: str, machine: Machine) -> tuple[Model | Reranker, Variant]:
    """Return what ID or ID:VARIANT means to fetch. Raises EngineError: unknown, left out, not for this machine."""
    id, _, form = name.partition(":")
    entry = catalogue.find(id)
    if isinstance(entry, Reranker) and entry.kind not in RERANKERS:
        raise DownloadError(f"{entry.id} cannot be used. {entry.note}")
    variant = entry.get(form) if form else pick_variant(entry, machine, "cpu")
    if variant is None:
        names = ", ".join(variant.name for variant in entry.usable)
        raise DownloadError(f"None of {entry.id}'s files suits this processor; to insist, name one: {names}.")
    if old := too_old(entry, runtime_version()):
        raise DownloadError(f"{entry.id} {old}. Update it: pip install -U onnxruntime")
    if variant.bundled:
        raise DownloadError(f"{entry.id} comes with the program: there is nothing to fetch.")
    return entry, variant


def pull(model: Model | Reranker, variant: Variant, cache_dir: str) -> Generator[Progress, None, None]:
    """Install a model. Raises EngineError; what was installed before is then untouched, and what arrived is kept."""
    home = models_home(cache_dir)
    work = home / _WORK / f"{model.id}-{variant.name}"
    yield Progress(0, 0, "asking the hub")
    listing = look_up(model, variant)
    target = home / model.id / variant.name
    with _alone(work):
        _take_over(listing, target, work)
        yield from fetch(listing, work)
        yield Progress(listing.size, listing.size, "testing the model")
        card = _as_configured(model.card(digests(listing, work)), work)
        about = {"name": f"{model.title}, {variant.name}", "source": model.source, "licence": model.licence}
        origin = {"repository": listing.repo, "revision": listing.commit}
        (work / CARD).write_text(card_text(card, about | origin), encoding="utf-8")
        _refuse_unfit(listing, work)
        _put(work, target)


def _take_over(listing: Listing, installed: Path, work: Path) -> None:
    """Lay what is installed where files are fetched: those that are still right do not come again."""
    with contextlib.suppress(OSError):  # a file system without links, or nothing there: then they come
        work.mkdir(parents=True, exist_ok=True)
        for file in listing.files:
            if not (work / file.name).exists():
                (work / file.name).hardlink_to(installed / file.name)


def _as_configured(card: Card, work: Path) -> Card:
    """Return the card with what the file beside a late-interaction model says of questions and documents."""
    if card.kind != "late-interaction" or not (work / _LATE).is_file():
        return card
    try:
        said = json.loads((work / _LATE).read_text(encoding="utf-8"))
        if said.get("attend_to_expansion_tokens") and said.get("do_query_expansion", True):
            raise DownloadError(f"{card.id} reads the tokens that fill up a question, which our loader does not.")
        return replace(
            card,
            max_tokens=int(said.get("document_length", card.max_tokens)),
            max_query_tokens=int(said.get("query_length", card.max_query_tokens)),
            document_prefix=str(said.get("document_prefix", card.document_prefix)),
            query_prefix=str(said.get("query_prefix", card.query_prefix)),
            expansion_token=card.expansion_token if said.get("do_query_expansion", True) else "",
            skipped_tokens=tuple(map(str, said.get("skiplist_words", ()))),
            lower_case=bool(said.get("do_lower_case", False)),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise DownloadError(f"{_LATE} of {card.id} cannot be understood ({error}). Choose another model.") from error


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
