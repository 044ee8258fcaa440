"""`python -m benchmarks.speed`: what indexing, asking, opening, saving and memory cost here, against targets.

A full run takes about half an hour on two cores, most of it embedding; `--quick` uses a small project and says
little about the targets, but shows that everything works. Exit status 1 with --check when a target is missed,
2 when the benchmark cannot run.
"""

from __future__ import annotations

import argparse
import compileall
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import (
    CHECKOUT,
    RESULTS,
    BenchError,
    bench_folder,
    commit,
    questions,
    setting,
    workspaces_folder,
    write_results,
)
from benchmarks.speed import first_index, life, projects, queries, server, vectors, vscode
from benchmarks.speed.client import ServerError
from benchmarks.speed.rows import Row, as_json, report
from lsp_server.engine.encoder import OnnxEncoder, bundled_model
from lsp_server.engine.errors import EngineError
from lsp_server.engine.threads import all_threads

PARTS = ("first", "server", "queries", "vectors", "life")
LONG = ("saves", "vscode")  # only when named: half an hour each, and a packaged extension


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    name: str
    first: tuple[str, ...]  # packages of the first-index comparison
    large: tuple[str, ...]  # packages of everything else
    rounds: int
    vectors: tuple[int, ...]


FULL = Size("full", projects.TEN_THOUSAND, projects.TWENTY_THOUSAND, 3, (20_000, 100_000))
QUICK = Size("quick", projects.QUICK, projects.QUICK, 1, (20_000,))


def main() -> int:
    """Run what the command line asks for; the exit status."""
    arguments = _arguments()
    try:
        rows = _measure(arguments, QUICK if arguments.quick else FULL)
    except (BenchError, EngineError, ServerError) as error:
        print(f"benchmarks.speed: {error}", file=sys.stderr)
        return 2
    print("\n" + report(rows))
    _keep(arguments, rows)
    return 1 if arguments.check and not all(row.ok for row in rows) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--bench", default="", help="folder of the tuning benchmark (default: $MEANING_BENCH or ../shared/bench)"
    )
    parser.add_argument("--quick", action="store_true", help="a small project and one round")
    parser.add_argument(
        "--only",
        default=",".join(PARTS),
        help=f"parts to run, of {','.join(PARTS + LONG)}; all but first share one index",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=0,
        help="threads for the first index (default: every core, as `meaning-ls index` does)",
    )
    parser.add_argument(
        "--out", metavar="FILE", help="results file (default for a full run: benchmarks/results/speed-<commit>.json)"
    )
    parser.add_argument("--check", action="store_true", help="exit status 1 when a target is missed")
    return parser.parse_args()


def _measure(arguments: argparse.Namespace, size: Size) -> list[Row]:
    compileall.compile_dir(CHECKOUT / "lsp_server", quiet=1)  # as pip does when it installs, whatever the environment
    bench = bench_folder(arguments.bench)
    asked = questions(bench)
    cache = workspaces_folder() / "speed" / size.name
    parts = arguments.only.split(",")
    large = projects.build(bench, f"{size.name}-large", size.large)

    def first() -> list[Row]:
        root = projects.build(bench, f"{size.name}-first", size.first).root
        return first_index.measure(root, arguments.threads or all_threads(), size.rounds)

    def through_server() -> list[Row]:
        shutil.rmtree(cache, ignore_errors=True)
        return server.measure(server.Bench(large, cache, asked))

    def in_engine() -> list[Row]:
        return queries.measure(large.root, cache, asked)

    def of_vectors() -> list[Row]:
        encoder = OnnxEncoder(bundled_model())
        return vectors.measure(vectors.stored(large.root, cache), vectors.encoded(encoder, asked[:200]), size.vectors)

    steps: dict[str, Callable[[], list[Row]]] = {
        "first": first, "server": through_server, "queries": in_engine, "vectors": of_vectors,
        "life": lambda: life.measure(large.root), "saves": life.measure_saves,
        "vscode": lambda: vscode.measure(large.root, cache),
    }  # fmt: skip
    rows: list[Row] = []
    for part in parts:
        if part not in steps:
            raise BenchError(f"unknown part {part!r}; there are {', '.join(PARTS + LONG)}")
        started = time.perf_counter()
        made = steps[part]()
        print(f"\n{report(made)}\n{part}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
        rows += made
    return rows


def _keep(arguments: argparse.Namespace, rows: list[Row]) -> None:
    """Write the results file: always where --out says, by default only for a full run."""
    complete = not arguments.quick and arguments.only == ",".join(PARTS)
    if not arguments.out and not complete:
        return
    path = Path(arguments.out) if arguments.out else RESULTS / f"speed-{commit()}.json"
    write_results(path, {"setting": setting(), "rows": as_json(rows)})
    print(f"\nwritten: {path}")


if __name__ == "__main__":
    sys.exit(main())
