"""`python -m benchmarks.models`: quality, speed and memory of every model that is installed here, in one table.

Quality is NDCG@10 on the tuning benchmark, asked through the engine as benchmarks/quality does; speed is texts a second
by all cores, of the benchmark's own code; memory is that of a process that has loaded the model and embedded.
The first run with a model embeds the benchmark's projects: with `--repos click,flask` some of them are enough.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.common import RESULTS, BenchError, bench_folder, commit, fetch_workspaces, setting, table, write_results
from lsp_server.engine.agreement import open_encoder
from lsp_server.engine.errors import EngineError
from lsp_server.engine.installed import Installed, installed
from lsp_server.engine.remembered import measured_here
from lsp_server.engine.threads import all_threads
from lsp_server.models.measure import texts_of, texts_per_second

SECONDS = 5.0  # of measuring a model's speed: long enough for a figure that is written down
PROJECT = "flask"  # whose texts are embedded for it


def main() -> int:
    """Measure what is asked for; the exit status."""
    arguments = _arguments()
    try:
        if arguments.measure:
            print(json.dumps(_measure(Path(arguments.measure), Path(arguments.texts), arguments.device)))
            return 0
        return _compare(arguments)
    except (BenchError, EngineError) as error:
        print(f"benchmarks.models: {error}", file=sys.stderr)
        return 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models", description=__doc__.splitlines()[0])
    parser.add_argument("--bench", default="", help="folder of the tuning benchmark")
    parser.add_argument("--repos", default="", help="only these repositories, separated by commas")
    parser.add_argument("--models", default="", help="only these models, separated by commas (default: all installed)")
    parser.add_argument("--device", default="cpu", help="what computes (default: cpu)")
    parser.add_argument("--cache-dir", default="", help="where models are installed (default: the user's cache)")
    parser.add_argument("--out", metavar="FILE", help="results file (default: benchmarks/results/models-<commit>.json)")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # the folder of a model, in a process of its own
    parser.add_argument("--texts", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _compare(arguments: argparse.Namespace) -> int:
    bench = bench_folder(arguments.bench)
    project = fetch_workspaces(bench, [PROJECT]) / PROJECT
    wanted = [name for name in arguments.models.split(",") if name]
    models = [model for model in installed(arguments.cache_dir) if not wanted or {model.id, model.name} & {*wanted}]
    if not models:
        raise BenchError(f"none of {', '.join(wanted)} is installed; see: meaning-ls models")
    rows = []
    for model in models:
        print(f"{model.name} ...", file=sys.stderr)
        speed = _in_child("--measure", str(model.folder), "--texts", str(project), "--device", arguments.device)
        rows.append({"model": model.name, **speed, "ndcg10": _quality(model, arguments)})
    heads = ("model", "device", "NDCG@10", "hard", "texts/s", "texts/CPU s", "memory MB")
    shown = [
        [
            str(row["model"]),
            str(row["device"]),
            f"{row['ndcg10'].get('semble', 0):.3f}",
            f"{row['ndcg10'].get('hard_semble', 0):.3f}",
            f"{row['textsPerSecond']:,.0f}",
            f"{row['textsPerCpuSecond']:,.0f}",
            f"{row['megabytes']:,.0f}",
        ]
        for row in rows
    ]
    print("\n" + table(heads, shown))
    path = Path(arguments.out) if arguments.out else RESULTS / f"models-{commit()}.json"
    asked = {"repos": arguments.repos or "all", "threads": all_threads(), "project": PROJECT}
    write_results(path, {"setting": {**setting(), **asked}, "models": rows})
    print(f"\nwritten: {path}")
    return 0


def _measure(folder: Path, project: Path, device: str) -> dict[str, Any]:
    """Load a model, embed for some seconds; the figures."""
    encoder, texts = open_encoder(folder, device, measured_here("")), texts_of(project)
    started, used = time.perf_counter(), time.process_time()
    rate = texts_per_second(encoder, texts, all_threads(), SECONDS)
    per_cpu = rate * (time.perf_counter() - started) / (time.process_time() - used)
    memory = psutil.Process().memory_info().rss / 1e6
    return {
        "device": getattr(encoder, "device", "table"),
        "textsPerSecond": round(rate, 1),
        "textsPerCpuSecond": round(per_cpu, 1),  # says more where others use the machine meanwhile: see `load`
        "load": psutil.getloadavg()[0],
        "megabytes": round(memory),
    }


def _in_child(*words: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "benchmarks.models", *words], capture_output=True, text=True)
    if done.returncode:
        raise BenchError(done.stderr.strip() or f"{' '.join(words)} failed")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _quality(model: Installed, arguments: argparse.Namespace) -> dict[str, float]:
    """Ask the benchmark's questions with a model; its figures by name."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "quality.json"
        words = ["--model", str(model.folder), "--root", "--out", str(out), "--repos", arguments.repos]
        words += ["--bench", arguments.bench] if arguments.bench else []
        done = subprocess.run([sys.executable, "-m", "benchmarks.quality", *words], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise BenchError(f"the questions could not be asked with {model.name}")
        figures: dict[str, float] = json.loads(out.read_text(encoding="utf-8"))["figures"]["root"]
    return figures


if __name__ == "__main__":
    sys.exit(main())
