"""Advice: the choice of a model for this very machine, and the offer of a better one, in plain words.

Gathers what choice.py wants to know (hardware, devices, what is installed, how fast the bundled model is), measuring
what was never measured here, at most two seconds a model. The same words go to `meaning-ls models`, to the status and
to editors. Downloads nothing and changes no index.
"""

from pathlib import Path

from lsp_server.engine.agreement import open_encoder
from lsp_server.engine.card import ModelError, read_card
from lsp_server.engine.devices import CPU, installed_bases, openable, runtime_version
from lsp_server.engine.encoder import BUNDLED, bundled_model
from lsp_server.engine.installed import AUTO, find_installed, find_model, installed
from lsp_server.engine.remembered import measured_here
from lsp_server.engine.threads import all_threads
from lsp_server.models.catalogue import load_catalogue
from lsp_server.models.choice import SYMBOLS, Choice, Known, choose, minutes
from lsp_server.models.hardware import look
from lsp_server.models.measure import texts_of, texts_per_second
from lsp_server.models.selftest import self_test

RATE = "texts per second"  # what a measured speed is remembered as


def choose_here(cache_dir: str = "", root: Path | None = None, symbols: int = SYMBOLS) -> Choice:
    """Choose for this machine; `root` is a project whose texts are used for measuring, `symbols` how many it has."""
    texts = texts_of(root) if root else []

    def measure(id: str, variant: str, device: str) -> float:
        model = find_installed(id if id == BUNDLED else f"{id}:{variant}", cache_dir)
        return _speed(model.folder, device, texts, cache_dir) if model else 0.0

    try:
        base = _speed(bundled_model(), CPU, texts, cache_dir)
    except ModelError:
        base = 0.0
    return choose(
        look(),
        Known(
            catalogue=load_catalogue(),
            installed=frozenset((model.id, model.variant) for model in installed(cache_dir)),
            devices=openable(),
            runtime=runtime_version(),
            base=base,
            symbols=symbols,
            measure=measure,
        ),
    )


def _speed(folder: Path, device: str, texts: list[str], cache_dir: str) -> float:
    """Return the texts per second of a model here; tested and measured once, and again for a project's texts.

    Raises ModelError for a model that does not do here what it is there for.
    """
    memory, key = measured_here(cache_dir), _speed_key(folder, device)
    known = memory.get(key).get(RATE, 0.0)
    if known and not texts:
        return known
    if not known and folder != bundled_model() and not (tested := self_test(folder)).passed:
        raise ModelError(tested.complaint)
    rate = texts_per_second(open_encoder(folder, device, memory), texts, all_threads())
    memory.keep(key, {RATE: rate})
    return rate


def _speed_key(folder: Path, device: str) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in installed_bases().items())
    return f"speed | {device} | {versions} | {read_card(folder).fingerprint()} | {all_threads()} threads"


def doubts(name: str, cache_dir: str) -> str:
    """Return what the self-test has against a model that is named by its folder, "" for nothing; it is passed once.

    What is installed was tested when it came, and what cannot be loaded at all says so itself. Raises ModelError.
    """
    if name == AUTO or find_installed(name, cache_dir):
        return ""
    folder = find_model(name, cache_dir)
    memory, key = measured_here(cache_dir), f"tested | {runtime_version()} | {read_card(folder).fingerprint()}"
    if memory.get(key):
        return ""
    tested = self_test(folder)
    if tested.passed:
        memory.keep(key, {"milliseconds": tested.milliseconds})
    return "" if tested.checks[-1].name == "files" else tested.complaint


def known_choice(cache_dir: str, base: float, devices: tuple[str, ...] = (CPU,)) -> Choice:
    """Choose by what was measured before; measures and writes nothing. `base`: texts a second of the bundled model."""
    memory = measured_here(cache_dir)

    def measured(id: str, variant: str, device: str) -> float:
        model = find_installed(id if id == BUNDLED else f"{id}:{variant}", cache_dir)
        return memory.get(_speed_key(model.folder, device)).get(RATE, 0.0) if model else 0.0

    here = frozenset((model.id, model.variant) for model in installed(cache_dir))
    known = Known(load_catalogue(), here, devices, runtime_version(), base, measure=measured)
    return choose(look(), known)


def known_base(cache_dir: str) -> float:
    """Return how many texts a second the bundled model was measured to embed here, 0 while nobody did."""
    return measured_here(cache_dir).get(_speed_key(bundled_model(), CPU)).get(RATE, 0.0)


def known_offer(id: str, cache_dir: str = "") -> str:
    """Return the offer of a model that suits this machine better than `id`, "" where none is known.

    Nothing is measured or opened for it: it goes by what `meaning-ls models` has measured before, for the processor.
    """
    base = known_base(cache_dir)
    choice = known_choice(cache_dir, base) if base else None
    return offer(choice) if choice is not None and choice.better_than(id) else ""


def offer(choice: Choice) -> str:
    """Return the sentence that offers the picked model: size, licence, how long a first index takes, the command."""
    picked = choice.picked
    if picked.model.bundled or picked.variant is None:
        return f"The best for this machine is {picked.model.id}, which comes with the program."
    takes = f", {minutes(choice.symbols / picked.texts_per_second)} to index" if picked.texts_per_second else ""
    licence = picked.model.licence
    if picked.installed:
        how = f"it is installed: meaning-ls index --model {picked.name}"
    else:
        how = f"meaning-ls models pull {picked.name}"
    size = f"{picked.variant.disk_mb:,.0f} MB"
    return f"A better model fits this machine: {picked.model.id} ({size}, {licence}{takes}); {how}"
