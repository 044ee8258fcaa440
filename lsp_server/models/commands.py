"""Commands: `meaning-ls models` and what stands after it, for terminals and, as JSON, for programs.

Takes an argparse Namespace, prints, gives an exit code. What is decided is decided in choice.py and advice.py, what is
fetched in pull.py; here are tables and sentences.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import SplitResult

from lsp_server.engine.card import EMBEDDERS, RERANKERS, ModelError, read_card
from lsp_server.engine.devices import CPU, openable, runtime_version
from lsp_server.engine.installed import (
    Installed,
    choose_for_auto,
    chosen_for_auto,
    find_installed,
    installed,
    models_home,
    remove_installed,
)
from lsp_server.engine.remembered import measured_here
from lsp_server.models.advice import choose_here
from lsp_server.models.catalogue import Catalogue, CatalogueError, Excluded, Model, Reranker, load_catalogue
from lsp_server.models.choice import SYMBOLS, Choice, advice, expected, explain, minutes, pick_variant, too_old
from lsp_server.models.connect import Wish, connect, warning
from lsp_server.models.hardware import Machine, gigabytes, look
from lsp_server.models.pull import pull, wanted
from lsp_server.models.runtime import disagreements
from lsp_server.terminal import style_for, watch_transfer

SLOW_SECONDS = 3600  # a first index that takes longer is told in the table


@dataclass(frozen=True, slots=True)
class Row:
    """A model of the catalogue, or one that is installed, as this machine sees it."""

    id: str
    variant: str
    megabytes: float
    licence: str
    gated: bool
    dims: int
    coir: float  # NDCG@10 over nine code tasks, in per cent; 0: nobody knows
    fits: bool
    why: str
    texts_per_second: float
    measured: bool
    installed: tuple[str, ...]  # folders
    picked: bool


def run(arguments: argparse.Namespace) -> int:
    """Run one of the commands. Raises EngineError."""
    actions = {"choose": _choose, "pull": _pull, "connect": _connect, "remove": _remove, "export": _export}
    return actions[arguments.action](arguments) if arguments.action else _table(arguments)


# ---- the table


def _table(arguments: argparse.Namespace) -> int:
    catalogue, choice = load_catalogue(), choose_here(arguments.cache_dir)
    rows = list(_rows(catalogue, choice, arguments.cache_dir))
    if arguments.json:
        _print_json(_table_object(rows, catalogue, choice, arguments.cache_dir))
        return 0
    style = style_for(sys.stdout, arguments.color)
    _print(f"This machine: {choice.machine.describe()}.", f"Computes on: {', '.join(openable())}.")
    _print(*disagreements(choice.machine))
    head = f"  {'model':<24}{'MB':>7}  {'licence':<13}{'CoIR':>5}{'texts/s':>9}  here"
    _print("", style.bold(head))
    for row in rows:
        line = (
            f"{'*' if row.picked else ' '} {row.id:<24}{row.megabytes:>7,.0f}  {row.licence:<13.13}"
            f"{f'{row.coir:.1f}' if row.coir else '':>5}{_speed(row):>9}  {_here(row)}"
        )
        _print(line if row.fits else style.dim(line))
    _print("", "* the best for this machine. texts/s: measured, or ~expected. CoIR: NDCG@10 of code search, per cent.")
    for entry in catalogue.reranker:
        _print(_reranker_line(entry, choice.machine, arguments.cache_dir))
    for group in catalogue.excluded:
        _print(style.dim(f"  Left out: {', '.join(group.sources)}: {group.why}"))
    _print("", advice(choice))
    return 0


def _reranker_line(entry: Reranker, machine: Machine, cache_dir: str) -> str:
    """Say of a reranker whether it can be used here; none is used unless the setting `rerank` asks for it."""
    variant = pick_variant(entry, machine, CPU)
    if entry.kind not in RERANKERS:
        return f"  Not used: {entry.id}, a reranker: {entry.note}"
    state = "installed" if find_installed(entry.id, cache_dir) else f"{variant.disk_mb:,.0f} MB" if variant else "no"
    return f"  Reorders answers (--rerank): {entry.id}, {entry.licence}, {state}"


def _speed(row: Row) -> str:
    if not row.texts_per_second:
        return "?"
    return f"{'' if row.measured else '~'}{row.texts_per_second:,.0f}"


def _here(row: Row) -> str:
    state = "installed" if row.installed else "yes" if row.fits else "no"
    gated = "; terms to accept at the hub" if row.gated else ""
    return f"{state}{': ' if row.why else ''}{row.why}{gated}"


def _rows(catalogue: Catalogue, choice: Choice, cache_dir: str) -> Iterator[Row]:
    here = installed(cache_dir)
    verdicts = {verdict.model.id: verdict for verdict in reversed(choice.considered) if verdict.measured}
    verdicts[choice.picked.model.id] = choice.picked  # it may be for a graphics card, in a form for it
    for model in catalogue.model:
        judged = verdicts.get(model.id)
        variant = judged.variant if judged else pick_variant(model, choice.machine, CPU)
        mine = [found for found in here if found.id == model.id]
        rate = judged.texts_per_second if judged else expected(model, variant, CPU, choice.base) if variant else 0
        picked = judged is choice.picked
        why = "" if picked else _trouble(model, choice.machine, rate)
        yield Row(
            id=model.id,
            variant=variant.name if variant else "",
            megabytes=variant.disk_mb if variant else 0,
            licence=model.licence,
            gated=model.gated,
            dims=model.dims,
            coir=model.quality.get("coir", 0),
            fits=not why,
            why=why,
            texts_per_second=rate,
            measured=bool(judged and judged.measured) or (model.bundled and rate > 0),
            installed=tuple(str(found.folder) for found in mine),
            picked=picked,
        )
    known = {entry.id for entry in (*catalogue.model, *catalogue.reranker)}
    for found in here:
        if found.id not in known:  # exported by the user
            yield _own_row(found)


def _own_row(found: Installed) -> Row:
    dims, trouble = 0, ""
    try:
        dims = read_card(found.folder).dims
    except ModelError as error:  # one that is damaged must not hide the others
        trouble = str(error)
    size, place = found.bytes / 1e6, (str(found.folder),)
    return Row(found.id, found.variant, size, "", False, dims, 0, not trouble, trouble, 0, False, place, False)


def _trouble(model: Model, machine: Machine, rate: float) -> str:
    """Say why a model does not do well on this machine's processor; "" if it does."""
    variant = pick_variant(model, machine, CPU)
    if variant is None:
        return "none of its files suits this processor"
    if old := too_old(model, runtime_version()):
        return old
    needed = round(variant.ram_mb * 1e6)
    if needed > machine.free:
        return f"needs {gigabytes(needed)} of free memory"
    seconds = SYMBOLS / rate if rate else 0
    return f"{minutes(seconds)} for {SYMBOLS:,} symbols" if seconds > SLOW_SECONDS else ""


def _table_object(rows: list[Row], catalogue: Catalogue, choice: Choice, cache_dir: str) -> dict[str, object]:
    def reranker(entry: Reranker) -> dict[str, object]:
        here = find_installed(entry.id, cache_dir)
        usable = entry.kind in RERANKERS
        return {
            "id": entry.id,
            "kind": entry.kind,
            "licence": entry.licence,
            "fits": usable and pick_variant(entry, choice.machine, CPU) is not None,
            "why": "" if usable else entry.note,
            "installed": [str(here.folder)] if here else [],
        }

    def excluded(entry: Excluded) -> dict[str, object]:
        return {"sources": entry.sources, "licence": entry.licence, "why": entry.why}

    return {
        "machine": choice.machine.as_object(),
        "devices": openable(),
        "notes": disagreements(choice.machine),
        "picked": choice.picked.model.id,
        "chosen": chosen_for_auto(cache_dir),
        "models": [_camel(asdict(row)) for row in rows],
        "rerankers": [reranker(entry) for entry in catalogue.reranker],
        "excluded": [excluded(entry) for entry in catalogue.excluded],
    }


def _camel(values: dict[str, object]) -> dict[str, object]:
    """Write names as they are written on the wire."""

    def spell(name: str) -> str:
        first, *rest = name.split("_")
        return first + "".join(part.capitalize() for part in rest)

    return {spell(name): value for name, value in values.items()}


# ---- what changes something


def _choose(arguments: argparse.Namespace) -> int:
    """Choose anew, whatever was measured before; what is picked and here is what `auto` means for new indexes."""
    measured_here(arguments.cache_dir).forget()
    root = arguments.dir.absolute() if arguments.dir else None
    choice = choose_here(arguments.cache_dir, root, _symbols(root, arguments.cache_dir) or SYMBOLS)
    picked = choice.picked
    name = f"{picked.model.id}:{picked.variant.name}" if picked.variant else picked.model.id
    found = find_installed(picked.model.id if picked.model.bundled else name, arguments.cache_dir)
    if found:
        choose_for_auto(found, arguments.cache_dir)
    if arguments.json:
        considered = [
            {
                "tier": verdict.tier.number,
                "id": verdict.model.id,
                "variant": verdict.variant.name if verdict.variant else "",
                "device": verdict.device,
                "fits": verdict.fits,
                "why": verdict.why,
                "installed": verdict.installed,
                "textsPerSecond": verdict.texts_per_second,
                "measured": verdict.measured,
            }
            for verdict in choice.considered
        ]
        machine = choice.machine.as_object()
        _print_json({"machine": machine, "considered": considered, "picked": name, "installed": bool(found)})
        return 0
    _print(*(explain(choice) if arguments.explain else [advice(choice)]))
    if found:
        _print("New indexes use it from now on; those that exist keep the model they were made with.")
    return 0


def _symbols(root: Path | None, cache_dir: str) -> int:
    """Return how many symbols the index of a folder holds, 0 where there is none."""
    from lsp_server.engine.index import Index, Options

    if root is None:
        return 0
    index = Index(root, Options(cache_dir=cache_dir))
    try:
        return index.status().symbols
    finally:
        index.close()


def _pull(arguments: argparse.Namespace) -> int:
    model, variant = wanted(load_catalogue(), arguments.id, look())
    note = f" {model.licence_note}" if model.licence_note else ""
    if not arguments.json:
        _say(f"{model.title}, {variant.name}: {variant.disk_mb:,.0f} MB, licence {model.licence}.{note}")
    watch_transfer(pull(model, variant, arguments.cache_dir), sys.stderr)
    found = find_installed(f"{model.id}:{variant.name}", arguments.cache_dir)
    assert found is not None
    if arguments.json:
        _print_json({"id": found.id, "variant": found.variant, "folder": str(found.folder), "bytes": found.bytes})
        return 0
    _print(
        f"{found.name} is installed and passed its test ({found.bytes / 1e6:,.0f} MB in {found.folder}).",
        *_how_to_use(model),
    )
    return 0


def _connect(arguments: argparse.Namespace) -> int:
    wish = Wish(
        url=arguments.url,
        model=arguments.served,
        id=arguments.id or "",
        key_variable=arguments.key_variable,
        query_prefix=arguments.query_prefix,
        document_prefix=arguments.document_prefix,
        batch=arguments.batch,
    )

    def consent(place: SplitResult) -> bool:
        _say(warning(place))
        if arguments.yes:
            return True
        if not sys.stdin.isatty():
            raise ModelError(f"Nothing was sent to {place.netloc}. To allow it without being asked: --yes")
        sys.stderr.write(f"Allow {place.hostname} on this machine from now on? [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    found = connect(wish, load_catalogue(), consent)
    card = read_card(found.folder)
    if arguments.json:
        _print_json({"id": found.id, "folder": str(found.folder), "dims": card.dims})
        return 0
    _print(
        f"{found.id} is connected and passed its test ({card.dims} dimensions).",
        f"To use it for a project: meaning-ls index --model {found.id}",
        f"To forget it: meaning-ls models remove {found.id}",
    )
    return 0


def _how_to_use(model: Model | Reranker) -> tuple[str, ...]:
    if isinstance(model, Reranker):
        return ("To have it reorder answers: --rerank auto, or the setting meaning.rerank",)
    return (
        f"To use it for a project: meaning-ls index --model {model.id}",
        "To use it for new projects, if it is the best for this machine: meaning-ls models choose",
    )


def _remove(arguments: argparse.Namespace) -> int:
    id, _, variant = arguments.id.partition(":")
    mine = [found for found in installed(arguments.cache_dir) if found.id == id and variant in ("", found.variant)]
    if not mine:
        names = ", ".join(found.name for found in installed(arguments.cache_dir))
        raise CatalogueError(f"{arguments.id} is not installed; here are: {names}.")
    freed = 0
    for found in mine:
        size = found.bytes
        remove_installed(found, arguments.cache_dir)
        freed += size
    if arguments.json:
        _print_json({"removed": [found.name for found in mine], "bytes": freed})
    else:
        _print(f"{', '.join(found.name for found in mine)}: removed, {freed / 1e6:,.0f} MB are free again.")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    try:
        from lsp_server.models.export import ExportOptions, export, name_of
    except ImportError as error:
        raise ModelError(
            f'To export a model {error.name} is needed, and more: pip install "meaning-ls[export]"'
        ) from error
    options = ExportOptions(
        id=arguments.id or name_of(arguments.source),
        precision=arguments.precision,
        pooling=arguments.pooling,
        query_prefix=arguments.query_prefix,
        document_prefix=arguments.document_prefix,
        eos_token=arguments.eos_token,
        max_tokens=arguments.max_tokens,
        dims=arguments.dims,
        trust_remote_code=arguments.trust_remote_code,
        revision=arguments.revision,
    )
    out = arguments.out or models_home(arguments.cache_dir) / options.id / "export"
    export(arguments.source, out, options, _say)
    card = read_card(out)
    name = card.id if arguments.out is None else out.absolute()  # a bare name would be an id
    if arguments.json:
        _print_json({"id": card.id, "kind": card.kind, "folder": str(out)})
        return 0
    _print(f"{card.id} lies in {out}; REPORT.md there says how near it is to the original.")
    if card.kind not in EMBEDDERS:
        _print(f"It reorders answers. To use it: meaning-ls search --rerank {name} QUERY")
    else:
        _print(f"To use it for a project: meaning-ls index --model {name}")
    return 0


def _print(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _print_json(value: object) -> None:
    _print(json.dumps(value))


def _say(sentence: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"{sentence}\n")
