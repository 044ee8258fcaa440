"""Machine: the program, what it runs on, the libraries it needs, and room to write.

Takes the `cacheDir` setting, gives checks. Starts nothing, writes nothing.
"""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lsp_server import __version__
from lsp_server.doctor.report import Check, Verdict, counted, listed, megabytes
from lsp_server.engine.cache import cache_home
from lsp_server.engine.examine import SQLITE
from lsp_server.engine.hnsw import load_hnswlib
from lsp_server.engine.languages import LANGUAGES
from lsp_server.engine.log import log_folder
from lsp_server.models.hardware import look
from lsp_server.models.runtime import disagreements
from lsp_server.power import saving_power

MEMORY_LEAST = 400_000_000  # bytes: what all processes together need while a project is indexed
DISK_LEAST = 50_000_000  # bytes: below it no index of any size can be written
DISK_FEW = 500_000_000  # bytes: a large project with a graph takes about as much

_LIBRARIES = (
    *(
        "onnxruntime",
        "tokenizers",
        "numpy",
        "hnswlib",
        "tree-sitter",
        "pygls",
        "lsprotocol",
        "filelock",
        "platformdirs",
    ),
    "psutil",
)


def check_machine(cache_dir: str) -> Iterator[Check]:
    """Look at everything that is the same for every folder."""
    yield _program()
    yield _hardware()
    yield _libraries()
    yield _disk(cache_home(cache_dir))
    yield _log(log_folder(cache_dir))


def _program() -> Check:
    where = str(Path(__file__).resolve().parents[1])
    return Check(
        "program",
        "ok",
        f"meaning-ls {__version__}, Python {platform.python_version()}, {platform.platform()}",
        (f"{where}, run by {sys.executable}",),
        details={
            "version": __version__,
            "python": platform.python_version(),
            "system": platform.platform(),
            "executable": sys.executable,
            "package": where,
        },
    )


def _hardware() -> Check:
    machine, saving = look(), saving_power()
    details = machine.as_object() | {"savingPower": saving}
    more = ("The system asks to save power.",) if saving else ()
    misfits = disagreements(machine)
    if machine.free < MEMORY_LEAST:
        remedy = f"Close other programs, or leave out parts of the project: {megabytes(MEMORY_LEAST)} should be free."
        return Check("machine", "warn", machine.describe(), more, (remedy, *misfits), details)
    return Check("machine", "warn" if misfits else "ok", machine.describe(), more, misfits, details)


def _libraries() -> Check:
    versions = {name: _version(name) for name in _LIBRARIES} | {"sqlite": SQLITE}
    grammars = sorted(
        {
            language.grammar.partition(":")[0]
            for language in LANGUAGES.values()
            if language.grammar and not _is_there(language.grammar.partition(":")[0])
        }
    )
    missing = sorted(name for name, version in versions.items() if not version and name != "hnswlib")
    summary = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    remedies = []
    if missing:
        remedies.append(f"Install meaning-ls again: {', '.join(missing)} cannot be found.")
    if load_hnswlib() is None:
        remedies.append(
            "hnswlib cannot be used, so every search is exact: slower above 100,000 symbols. "
            "The README says how to install it, with and without a compiler."
        )
    if grammars:
        names = ", ".join(grammars)
        remedies.append(f"Install meaning-ls again: without {names} files of these languages are plain blocks.")
    details = {"versions": versions, "missingGrammars": grammars, "hnswlib": load_hnswlib() is not None}
    verdict: Verdict = "fail" if missing else "warn" if remedies else "ok"
    return Check("libraries", verdict, summary, (), tuple(remedies), details)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _is_there(module: str) -> bool:
    with suppress(ImportError, ValueError):
        return importlib.util.find_spec(module) is not None
    return False


def _disk(home: Path) -> Check:
    try:
        place = next(folder for folder in (home.absolute(), *home.absolute().parents) if folder.is_dir())
        free = shutil.disk_usage(place).free
    except (OSError, StopIteration) as error:
        return Check("disk", "fail", f"{home} cannot be looked at ({error})", (), ("Choose another --cache-dir.",))
    details = {"path": str(home), "freeBytes": free}
    remedy = ("Free some space, or choose a place on another disk with --cache-dir (setting meaning.cacheDir).",)
    if not os.access(place, os.W_OK):
        return Check("disk", "fail", f"{home} cannot be written", (), ("Choose another --cache-dir.",), details)
    verdict: Verdict = "fail" if free < DISK_LEAST else "warn" if free < DISK_FEW else "ok"
    return Check("disk", verdict, f"{megabytes(free)} free for {home}", (), remedy * (verdict != "ok"), details)


def _log(folder: Path) -> Check:
    files: list[tuple[float, str]] = []
    with suppress(OSError):
        files = sorted(((path.stat().st_mtime, str(path)) for path in folder.iterdir()), reverse=True)
    names = [path for _, path in files]
    details = {"folder": str(folder), "files": names}
    return Check("log", "ok", f"{counted(len(files), 'file', 'files')} in {folder}", listed(names, 3), (), details)
