"""Model: which one is used and why, whether it computes what it should here, and how fast.

Takes options and the fingerprint of the model that an index was made with, gives checks and, where it works, the loaded
model. What is expected of a model stands in models/selftest.py, which one suits a machine in models/choice.py.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from lsp_server.doctor.report import Check
from lsp_server.engine.card import ModelError, read_card
from lsp_server.engine.devices import openable
from lsp_server.engine.encoder import PROBE, Encoder, bundled_model, load_encoder
from lsp_server.engine.errors import EngineError
from lsp_server.engine.index import Options
from lsp_server.engine.installed import AUTO, chosen_for_auto, find_reranker
from lsp_server.engine.reranker import OFF
from lsp_server.engine.serving import Asked, Models
from lsp_server.engine.threads import all_threads, default_threads
from lsp_server.models.advice import known_base, known_choice
from lsp_server.models.choice import Choice, advice, explain
from lsp_server.models.measure import texts_per_second
from lsp_server.models.selftest import self_test

SPEED_SECONDS = 1.0  # of measuring; longer is no more exact while others use the machine
SLOW_TEXTS = 3.0  # a second; below it, a first index of 10,000 symbols takes an hour
QUERIES = 15


@dataclass(frozen=True, slots=True)
class Model:
    """What an index is asked for; no encoder and no dimensions where the model cannot be used."""

    encoder: Encoder | None = None
    fingerprint: str = ""
    dim: int = 0


def check_model(options: Options, used: str) -> tuple[Model, list[Check]]:
    """Look at the model that an index is searched with; `used` is the one it was made with, "" for a new one."""
    try:
        models = Models(Asked(options.model, options.device, options.cache_dir, used, options.docs_model))
        encoder = models.encoder(models.own)
    except EngineError as error:
        return Model(), [_no_model(options.model, error)]
    speed = _speed(encoder, options.threads or default_threads())
    folders = [Path(folder) for folder in (models.own.folder, models.own.docs) if folder]
    found = [_picked(options, used.partition("+")[0], folders[0]), *map(_self_test, folders), speed]
    return Model(encoder, encoder.fingerprint, encoder.dim), found


def check_reranker(options: Options) -> Iterator[Check]:
    """Look at the model that reorders answers; nothing is said where none is asked for."""
    if options.rerank == OFF:
        return
    try:
        folder = find_reranker(options.rerank, options.cache_dir)
    except EngineError as error:
        remedies = (str(error), "Or leave the setting meaning.rerank (--rerank) at 'off'.")
        yield Check("reranker", "fail", f"{options.rerank} cannot be used", (), remedies, {"wish": options.rerank})
        return
    tested = self_test(folder)
    details = {"folder": str(folder), "milliseconds": round(tested.milliseconds, 2)}
    if tested.passed:
        said = f"{read_card(folder).id} reorders the best hits, {tested.milliseconds:.1f} ms for a long one"
        yield Check("reranker", "ok", said, (str(folder),), (), details)
    else:
        yield Check("reranker", "fail", "the reranker does not work here", (), (tested.complaint,), details)


def _no_model(wish: str, error: EngineError) -> Check:
    remedies = [str(error)]
    if wish != AUTO:
        remedies.append("Or leave the setting meaning.model (--model) at 'auto', which always means one that is here.")
    remedies.append("Until then answers come by words and names alone.")
    return Check("model", "fail", f"{wish} cannot be used", (), tuple(remedies), {"wish": wish})


def _picked(options: Options, used: str, folder: Path) -> Check:
    card = read_card(folder)
    why = _why(options, used, card.fingerprint(), card.id)
    choice = _choice(options.cache_dir)
    _, *considered, _ = explain(choice)  # the machine has a check of its own, and who has a better one needs no advice
    details = {
        "id": card.id,
        "folder": str(folder),
        "wish": options.model,
        "why": why,
        "device": options.device,
        "dims": card.dims,
        "maxTokens": card.max_tokens,
        "fingerprint": card.fingerprint(),
        "advised": choice.picked.model.id,
        "considered": list(explain(choice)),
    }
    more = (str(folder), *considered, *_offer(choice, card.id))
    return Check("model", "ok", f"{card.id}: {why}", more, (), details)


def _why(options: Options, used: str, fingerprint: str, id: str) -> str:
    if options.model != AUTO:
        return f"the setting names {options.model}"
    if used == fingerprint:
        return "the index was made with it"
    if chosen_for_auto(options.cache_dir).partition(":")[0] == id:
        return "it was chosen for new indexes"
    return "it comes with the program, and no other one was chosen"


def _choice(cache_dir: str) -> Choice:
    """Choose as `meaning-ls models choose` does; keeps nothing, and measures the bundled model alone, if nobody did."""
    base = known_base(cache_dir)
    if not base:
        with suppress(ModelError):
            base = texts_per_second(load_encoder(bundled_model()), (), all_threads(), SPEED_SECONDS)
    return known_choice(cache_dir, base, openable())


def _offer(choice: Choice, id: str) -> tuple[str, ...]:
    """Say which model would be better for this machine, if one would."""
    return (f"A better one for this machine. {advice(choice)}",) if choice.better_than(id) else ()


def _self_test(folder: Path) -> Check:
    tested = self_test(folder, load_encoder)
    findings = {check.name: check.finding for check in tested.checks}
    details = {"passed": tested.passed, "findings": findings}
    if tested.passed:
        return Check("self-test", "ok", findings["meaning"], (), (), details)
    return Check("self-test", "fail", "the model does not work here", (), (tested.complaint,), details)


def _speed(encoder: Encoder, threads: int) -> Check:
    long = f"{PROBE} " * encoder.max_tokens  # cut off at what the model reads: the slowest text there is
    rate = texts_per_second(encoder, [long], threads, SPEED_SECONDS)
    milliseconds = 1000 * median(_seconds(encoder, f"where is number {number} read") for number in range(QUERIES))
    summary = (
        f"{rate:,.0f} texts of {encoder.max_tokens} tokens a second with {threads} threads, "
        f"a question in {milliseconds:.1f} ms"
    )
    details = {"textsPerSecond": round(rate, 1), "threads": threads, "queryMilliseconds": round(milliseconds, 2)}
    if rate >= SLOW_TEXTS:
        return Check("speed", "ok", summary, (), (), details)
    remedy = "Something else may use the processor now; a smaller model (meaning.model) or more threads are quicker."
    return Check("speed", "warn", summary, (), (remedy,), details)


def _seconds(encoder: Encoder, question: str) -> float:
    begun = perf_counter()
    encoder.encode_query(question)
    return perf_counter() - begun
