"""Choice: the best model that this machine runs well, and why.

Takes a Machine, the catalogue and what is installed, gives a Choice: every step of the ladder with its verdict, and the
one that was picked. The ladder is data; its steps come from what was measured for each model and each kind of machine
(docs/models.md). Nothing is downloaded, and an index that exists keeps its model: a choice is an offer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from lsp_server.engine.card import ModelError
from lsp_server.engine.devices import CPU, get_device, version_numbers
from lsp_server.models.accelerators import Accelerator
from lsp_server.models.catalogue import Catalogue, Entry, Model, Variant
from lsp_server.models.hardware import GB, Machine, gigabytes

FIRST_INDEX_SECONDS = 600  # a first index shall take no longer than this, or a lower step is taken
SYMBOLS = 10_000  # of a project of which nothing is known
# The bundled model reads 128 tokens, others up to 512. Our texts have up to 1,200 characters, about 300 tokens.
LONGER_TEXTS = 2.0
# float32 arithmetic against 8 bits, for MiniLM on AVX-512 VNNI: 32-54 ms against 16-20 ms for 256 tokens.
FLOAT_COST = 2.5
INTEGER = ("int8-static", "int8-everywhere", "int8")
NOT_ON_CPU = ("fp16",)  # it is calculated in float32 there, and overflows where a graph says otherwise
CARDS = ("cuda", "migraphx", "directml", "webgpu")


@dataclass(frozen=True, slots=True)
class Tier:
    """A step of the ladder: a model and the machine it takes; sizes are bytes, a little below the round ones."""

    number: int
    model: str
    variant: str = ""  # "": the first in the catalogue that suits processor and device
    memory: float = 0  # of the machine
    cores: int = 0
    card: float = 0  # memory of a graphics card
    devices: tuple[str, ...] = (CPU,)  # of which ONNX Runtime must open one
    wanted: Literal["by-itself", "on-request"] = "by-itself"


# From the best to the least: section 8 of the facts that docs/models.md sums up. A machine of "8 GB" has 7.5.
LADDER = (
    Tier(7, "qwen3-embedding-4b", "fp32", 24 * GB, card=22 * GB, devices=("cuda", "migraphx"), wanted="on-request"),
    Tier(6, "qwen3-embedding-0.6b", "fp32", 7 * GB, card=7 * GB, devices=("cuda", "migraphx"), wanted="on-request"),
    Tier(5, "embeddinggemma-2", "fp32", 7 * GB, card=3.5 * GB, devices=CARDS),
    Tier(4, "embeddinggemma-2", "q4", 14 * GB, cores=4, devices=("webgpu",)),  # Apple's, or another in the processor
    Tier(4, "embeddinggemma-2", "q4", 14 * GB, cores=8),
    Tier(3, "gte-modernbert", memory=7 * GB, cores=6),
    Tier(2, "granite-97m-r2", memory=3.5 * GB, cores=4),
    Tier(1, "minilm-l6", memory=0.6 * GB),
    Tier(0, "potion-code-16m-v2"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of one step."""

    tier: Tier
    model: Model
    variant: Variant | None
    device: str
    fits: bool
    why: str  # a clause for people
    installed: bool
    name: str  # what commands are told: ID, or ID:VARIANT where the id alone means another form
    texts_per_second: float = 0  # measured or expected; 0: nobody knows
    measured: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What was considered, best first, and what was picked."""

    machine: Machine
    considered: tuple[Verdict, ...]
    symbols: int
    base: float  # texts per second of the bundled model

    @property
    def picked(self) -> Verdict:
        """The best that fits; the bundled model where nothing does."""
        fitting = [verdict for verdict in self.considered if verdict.fits]
        return fitting[0] if fitting else next(verdict for verdict in self.considered if verdict.model.bundled)

    def better_than(self, id: str) -> Verdict | None:
        """Return what was picked if it stands above a model on the ladder; how good others are nobody knows."""
        steps = [verdict.model.id for verdict in self.considered]
        return self.picked if id in steps and self.picked.model.id in steps[: steps.index(id)] else None


@dataclass(frozen=True, slots=True)
class Known:
    """What a choice rests on beside the machine."""

    catalogue: Catalogue
    installed: frozenset[tuple[str, str]]  # id and variant
    devices: tuple[str, ...] = (CPU,)  # on which a session was opened
    runtime: str = ""  # the version of ONNX Runtime; "": not known
    base: float = 0  # texts per second of the bundled model here, by all cores; 0: not measured
    symbols: int = SYMBOLS  # of the project
    # Texts per second of an installed model on a device, ModelError for one that is no good here; called for the
    # candidates alone, a few seconds each.
    measure: Callable[[str, str, str], float] = field(default=lambda id, variant, device: 0.0)


def choose(machine: Machine, known: Known) -> Choice:
    """Go down the ladder until a step fits and is quick enough."""
    considered: list[Verdict] = []
    found = False
    for tier in LADDER:
        verdict = _judge(tier, machine, known)
        if verdict.fits and not found:
            verdict = _timed(verdict, machine, known)
            found = verdict.fits
        elif verdict.fits:
            verdict = replace(verdict, fits=True, why="would do as well, and is less good")
        considered.append(verdict)
    return Choice(machine, tuple(considered), known.symbols, known.base)


def _judge(tier: Tier, machine: Machine, known: Known) -> Verdict:
    """Say whether the machine has what a step takes."""
    model = known.catalogue.find(tier.model)
    assert isinstance(model, Model)
    device = next((name for name in tier.devices if name in known.devices), "")
    if tier.variant:
        variant: Variant | None = model.get(tier.variant)
    else:
        variant = pick_variant(model, machine, device or tier.devices[0])
    installed = variant is not None and (model.id, variant.name) in known.installed
    usual = variant is None or variant is pick_variant(model, machine, CPU)
    name = model.id if variant is None or usual else f"{model.id}:{variant.name}"
    why = too_old(model, known.runtime) or _lacking(tier, model, variant, machine, device)
    if not why and tier.wanted == "on-request" and not installed:
        why = f"on request only, for it costs much and adds little: meaning-ls models pull {name}"
    return Verdict(tier, model, variant, device or CPU, not why, why, installed, name)


def too_old(model: Entry, runtime: str) -> str:
    """Say that the installed ONNX Runtime cannot read a model; "" if it can."""
    least = model.min_onnxruntime
    if not least or not runtime or version_numbers(runtime) >= version_numbers(least):
        return ""
    return f"needs ONNX Runtime {least}, {runtime} is installed"


def _lacking(tier: Tier, model: Model, variant: Variant | None, machine: Machine, device: str) -> str:
    """Say what is missing for a step; "" for nothing."""
    if variant is None:
        return f"none of its files is for this processor ({machine.architecture})"
    if tier.card and (why := _card_lacking(tier.card, machine.accelerators)):
        return why
    if not device:
        return (
            f"needs ONNX Runtime to open one of {', '.join(tier.devices)}, and it opens none (see: meaning-ls doctor)"
        )
    if machine.memory < tier.memory:
        return f"needs {gigabytes(round(tier.memory))} of memory, there are {gigabytes(machine.memory)}"
    if machine.cores < tier.cores:
        return f"needs {tier.cores} cores, there {'is' if machine.cores == 1 else 'are'} {machine.cores}"
    needed = round(variant.ram_mb * 1e6)
    if not tier.card and needed > machine.free:
        return f"needs {gigabytes(needed)} of free memory, there are {gigabytes(machine.free)}"
    return ""


def _card_lacking(needed: float, accelerators: Iterable[Accelerator]) -> str:
    cards = [item for item in accelerators if item.kind == "card"]
    if not cards:
        return f"needs a graphics card with {gigabytes(round(needed))}, there is none"
    best = max(cards, key=lambda item: item.memory)
    if best.memory < needed:
        free = f"has {gigabytes(best.memory)} free" if best.memory else "does not say how much it has"
        return f"needs a graphics card with {gigabytes(round(needed))}, {best.name} {free}"
    return ""


def _timed(verdict: Verdict, machine: Machine, known: Known) -> Verdict:
    """Measure a candidate that is here, else expect its speed; refuse what would take too long."""
    assert verdict.variant is not None
    try:
        rate = known.measure(verdict.model.id, verdict.variant.name, verdict.device) if verdict.installed else 0.0
    except ModelError as error:
        return replace(verdict, fits=False, why=f"it is installed and does not work here. {error}")
    measured = rate > 0
    rate = rate or expected(verdict.model, verdict.variant, verdict.device, known.base)
    seconds = known.symbols / rate if rate else 0
    timed = replace(verdict, texts_per_second=rate, measured=measured)
    if seconds > FIRST_INDEX_SECONDS and not verdict.model.bundled:
        return replace(
            timed,
            fits=False,
            why=f"would need {minutes(seconds)} for a first index of {known.symbols:,} symbols, and no more than "
            f"{minutes(FIRST_INDEX_SECONDS)} are allowed",
        )
    said = f"{minutes(seconds)} for a first index of {known.symbols:,} symbols" if rate else "its speed is not known"
    on_battery = "; the machine is on battery: index when it is plugged in" if machine.on_battery else ""
    return replace(timed, why=f"{'measured' if measured else 'expected'}: {said}{on_battery}")


def pick_variant(model: Entry, machine: Machine, device: str) -> Variant | None:
    """Return the form of a model's weights for a device; None where none suits.

    The catalogue lists them in the order in which a CPU takes them; a card has room for exact weights, which found 27
    of 100 more at rank 1 than 8 bits for EmbeddingGemma 2.
    """
    provider = get_device(device).provider
    if provider in model.forbidden_providers or provider in model.avoided_providers:
        return None
    fitting = [
        variant
        for variant in model.usable
        if (not variant.processors or machine.architecture in variant.processors)
        and (device != CPU or variant.arithmetic not in NOT_ON_CPU)
        and (variant.arithmetic != "int8" or _multiplies_bytes(machine))
    ]
    exact = [variant for variant in fitting if device != CPU and variant.arithmetic == "fp32"]
    return next(iter(exact or fitting), None)


def _multiplies_bytes(machine: Machine) -> bool:
    """Without these instructions, sums of two products overflow 16 bits on x86 and vectors come out wrong."""
    return machine.architecture != "x86_64" or "vnni" in machine.instructions


def expected(model: Model, variant: Variant, device: str, base: float) -> float:
    """Return about how many texts a second a model will embed, by its size; 0 where nobody can know."""
    if model.bundled or not base:
        return base
    if device != CPU:
        return 0.0
    if model.kind == "static":
        return base * 20
    cost = model.cost * (1 if variant.arithmetic in INTEGER else FLOAT_COST)
    return base / (cost * (LONGER_TEXTS if model.document_tokens > 128 else 1))


def minutes(seconds: float) -> str:
    """Write a time to wait as people say it."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s" if seconds < 50 else "about a minute"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    return f"about {seconds / 3600:.0f} hours"


def explain(choice: Choice) -> Iterable[str]:
    """Give the lines that say what was found, considered and picked."""
    yield f"This machine: {choice.machine.describe()}."
    if choice.base:
        yield f"The bundled model embeds {choice.base:,.0f} texts a second here."
    yield "Considered, from the best down:"
    picked = choice.picked
    for verdict in choice.considered:
        variant = f" ({verdict.variant.name})" if verdict.variant and not verdict.variant.bundled else ""
        mark = "->" if verdict is picked else "  "
        state = "yes" if verdict.fits else "no"
        yield f" {mark} {verdict.tier.number}  {verdict.model.id}{variant}: {state}, {verdict.why}"
    yield advice(choice)


def advice(choice: Choice) -> str:
    """Return the sentence that says what was picked and what to do about it."""
    picked = choice.picked
    model, variant = picked.model, picked.variant
    if model.bundled:
        return f"Picked: {model.id}, which comes with the program. It is the best for this machine."
    assert variant is not None
    if picked.installed:
        how = f"To use it for a project: meaning-ls index --model {picked.name}"
        return f"Picked: {model.id}, which is installed. {how}"
    size = f"{variant.disk_mb:,.0f} MB, {model.licence}"
    return f"Picked: {model.id} ({size}). To have it: meaning-ls models pull {picked.name}"
