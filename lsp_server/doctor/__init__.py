"""Doctor: looks at everything that the program needs, and says what to do about what is wrong.

Takes folders and options, gives a Report. The parts: `machine` (program, hardware, libraries, disk, log), `model`
(which, why, right, fast), `cache` (what is kept, who may read it), `index` (sound, written by whom, findable);
`report` puts it into words and `apart` asks for it in a process of its own, for the server. Nothing is repaired here.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lsp_server.doctor.cache import check_cache
from lsp_server.doctor.index import check_index, made_with
from lsp_server.doctor.machine import check_machine
from lsp_server.doctor.model import Model, check_model, check_reranker
from lsp_server.doctor.report import Check, Report
from lsp_server.engine.cache import cache_home
from lsp_server.engine.index import Options


def examine(roots: Sequence[Path], options: Options) -> Report:
    """Look at the machine and at the indexes of these folders: some three seconds, one of them for the speed."""
    with suppress(OSError, RuntimeError):  # there is no current directory, or no home; who needs it says so
        options = replace(options, cache_dir=str(cache_home(options.cache_dir).absolute()))
    return Report(tuple(_checks(roots, options)))


def _checks(roots: Sequence[Path], options: Options) -> Iterator[Check]:
    yield from check_machine(options.cache_dir)
    models: dict[str, Model] = {}
    for used in dict.fromkeys(made_with(root, options) for root in roots) or {"": None}:
        models[used], checks = check_model(options, used)
        yield from checks
    yield from check_reranker(options)
    yield from check_cache(options.cache_dir)
    for root in roots:
        yield from check_index(root, options, models[made_with(root, options)])
