"""What both benchmarks share: where things lie, which machine this is, the bench's questions, tables and results files.

The tuning benchmark (questions, labels, scorer, downloader) is not part of this repository; `bench_folder` says where
it is looked for. Its workspaces are other people's packages, downloaded on demand into `workspaces_folder`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from lsp_server.engine.index import Options

CHECKOUT = Path(__file__).resolve().parent.parent
RESULTS = CHECKOUT / "benchmarks" / "results"

# What a figure may depend on besides our own code.
LIBRARIES = ("onnxruntime", "tokenizers", "numpy", "hnswlib", "tree-sitter", "pygls")
# And of our own code: what must be as it is in the commit that figures are named after.
MEASURED = ("lsp_server", "models", "benchmarks/*.py", "vscode-client/src")


class BenchError(Exception):
    """A sentence that says why a benchmark cannot run here."""


def bench_folder(given: str) -> Path:
    """Return the folder of the tuning benchmark: the given one, $MEANING_BENCH, or ../shared/bench beside the checkout.

    The benchmark's own scripts read $MEANING_BENCH as the folder of the workspaces, so it counts as
    the benchmark itself only when the scorer lies in it.
    """
    for folder in (given, os.environ.get("MEANING_BENCH", ""), str(CHECKOUT.parent / "shared" / "bench")):
        if folder and (Path(folder) / "score.py").is_file():
            return Path(folder).resolve()
    raise BenchError(
        "no tuning benchmark found: give its folder (the one with score.py) with --bench or $MEANING_BENCH"
    )


def workspaces_folder() -> Path:
    """Where the benchmark's packages are unpacked, and where our own scratch folders go beside them."""
    named = os.environ.get("MEANING_BENCH", "")
    if named and not (Path(named) / "score.py").is_file():
        return Path(named).expanduser().resolve()
    return Path.home() / ".cache" / "meaning-bench"


def load_script(path: Path) -> ModuleType:
    """Load a script of the benchmark as a module, so that figures are formed by the benchmark's own code."""
    spec = importlib.util.spec_from_file_location(f"bench_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BenchError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_lines(path: Path) -> list[dict[str, object]]:
    """Read a JSON-lines file as a list of objects."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def fetch_workspaces(bench: Path, repos: Sequence[str]) -> Path:
    """Have these repositories unpacked (a minute and 30 MB the first time, nothing afterwards); gives their folder.

    Raises:
        BenchError: no repository could be had at all. Single ones that are missing are for the caller to notice.
    """
    folder = workspaces_folder()
    command = [sys.executable, str(bench / "get_workspaces.py"), str(folder)]
    for repo in repos:
        command += ["--repo", repo]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode and "0 fetched, 0 already there" in done.stdout:
        raise BenchError(f"the benchmark's packages could not be fetched:\n{done.stdout}")
    return folder


def questions(bench: Path) -> list[str]:
    """All of the benchmark's questions about repositories and its web queries: real wording for timing."""
    asked = [str(q["query"]) for path in sorted((bench / "queries").glob("*.jsonl")) for q in read_lines(path)]
    asked += [str(q["query"]) for q in read_lines(bench / "cosqa" / "queries.jsonl")]
    return list(dict.fromkeys(asked))


def commit() -> str:
    """Return the short commit, with "-dirty" when what is measured differs from it; "unknown" without git."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", *MEASURED)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name}-dirty" if changed else name


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(CHECKOUT), *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def setting() -> dict[str, object]:
    """When, on what and with which versions the figures came about."""
    return {
        "commit": commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"},
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in LIBRARIES}},
        "defaults": {"model": Options().model, "threads": Options().threads},
    }


def _cpu() -> str:
    try:
        rows = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    named = [row.split(":", 1)[1].strip() for row in rows if row.startswith("model name")]
    return named[0] if named else platform.machine()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` (0..1) of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns: the first to the left, the others to the right."""
    everything = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in everything) for column in range(len(header))]
    lines = []
    for row in everything:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def write_results(path: Path, results: dict[str, object]) -> None:
    """Write a results file: indented for people, but innermost lists and per-query figures on one line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f" {json.dumps(key)}: {_compact(value)}" for key, value in results.items()]
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def _compact(value: object) -> str:
    """JSON with one line per entry of the outermost dict or list below a top-level key."""
    if isinstance(value, dict) and value:
        return "{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()) + "\n }"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"  {json.dumps(v)}" for v in value) + "\n ]"
    return json.dumps(value)
