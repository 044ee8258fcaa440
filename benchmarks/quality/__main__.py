"""`python -m benchmarks.quality`: index the benchmark's projects, ask its questions, print and keep the figures.

The first run downloads the projects and embeds about 100,000 texts (a quarter of an hour); later runs embed only what
changed. To iterate on ranking: `--search-only --against benchmarks/results/quality-<commit>.json`.
Exit status 1 with --check when a figure lies below its floor, 2 when the benchmark cannot run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.common import (
    RESULTS,
    BenchError,
    bench_folder,
    commit,
    setting,
    table,
    workspaces_folder,
    write_results,
)
from benchmarks.quality import cosqa
from benchmarks.quality.bench import Repository, Scored, repositories, score_question, scorer
from benchmarks.quality.figures import (
    as_json,
    difference_text,
    differences,
    floor_rows,
    split_table,
    summary,
    summary_table,
)
from benchmarks.quality.remembered import RememberingEncoder
from benchmarks.quality.run import Setup, ask, opened, result_rows, write_run
from lsp_server.engine import reranker
from lsp_server.engine.encoder import bundled_model, load_encoder
from lsp_server.engine.errors import EngineError

SCOPES = ("root", "whole", *cosqa.VARIANTS)


def main() -> int:
    """Run what the command line asks for; the exit status."""
    arguments = _arguments()
    try:
        return _run(arguments)
    except (BenchError, EngineError) as error:
        print(f"benchmarks.quality: {error}", file=sys.stderr)
        return 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--bench", default="", help="folder of the tuning benchmark (default: $MEANING_BENCH or ../shared/bench)"
    )
    parser.add_argument("--repos", default="", help="only these repositories, separated by commas")
    parser.add_argument("--root", action="store_true", help="only the repositories' benchmark folders")
    parser.add_argument("--whole", action="store_true", help="only the whole repositories")
    parser.add_argument("--cosqa", action="store_true", help="only the web queries")
    parser.add_argument("--model", default="", help="the folder of a model (default: the bundled one)")
    parser.add_argument(
        "--cache", default="", help="where indexes and run files are kept (default: beside the workspaces)"
    )
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="threads for embedding (default: every core)"
    )
    parser.add_argument("--rerank", default="off", help="the folder of a reranker, which gets all the time it takes")
    parser.add_argument("--search-only", action="store_true", help="take the indexes as they are")
    parser.add_argument("--against", metavar="FILE", help="an earlier results file: print the paired differences to it")
    parser.add_argument(
        "--out", metavar="FILE", help="results file (default for a full run: benchmarks/results/quality-<commit>.json)"
    )
    parser.add_argument("--check", action="store_true", help="exit status 1 when a figure lies below its floor")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> int:
    bench = bench_folder(arguments.bench)
    cache = Path(arguments.cache) if arguments.cache else workspaces_folder()
    model = Path(arguments.model) if arguments.model else bundled_model()
    reranker.SECONDS = 600.0  # quality is measured here, and time elsewhere
    with closing(RememberingEncoder(load_encoder(model), cache)) as encoder:
        # Another model has indexes of its own: those of the bundled one are not to be embedded again and again.
        indexes = cache / (f"index-{encoder.fingerprint}" if arguments.model else "index")
        setup = Setup(indexes, encoder, arguments.threads, not arguments.search_only, arguments.rerank)
        scored, sizes = _ask(bench, arguments, setup)
    summaries = {scope: summary(rows) for scope, rows in scored.items()}
    floors = floor_rows(summaries)
    _print_tables(scored, summaries, sizes, floors)
    if arguments.against:
        before = json.loads(Path(arguments.against).read_text(encoding="utf-8"))["queries"]
        for scope, rows in scored.items():
            if scope in before:
                print("\n" + difference_text(scope, differences(rows, before[scope])))
    _keep(arguments, encoder.fingerprint, {"scored": scored, "summaries": summaries, "sizes": sizes, "floors": floors})
    return 1 if arguments.check and not all(reached for *_, reached in floors) else 0


def _ask(
    bench: Path, arguments: argparse.Namespace, setup: Setup
) -> tuple[dict[str, list[Scored]], dict[str, dict[str, int]]]:
    """Ask the questions of every scope; also the number of symbols of each project."""
    scored: dict[str, list[Scored]] = {}
    sizes: dict[str, dict[str, int]] = {}
    scopes = _scopes(arguments)
    names = [name for name in arguments.repos.split(",") if name]
    repos = repositories(bench, names) if {"root", "whole"} & {*scopes} else []
    for scope in scopes:
        started = time.perf_counter()
        run_file = setup.cache.parent / "runs" / f"{commit()}-{scope}.jsonl"
        if scope in cosqa.VARIANTS:
            scored[scope], sizes[scope] = _ask_cosqa(bench, scope, setup, run_file)
        else:
            scored[scope], sizes[scope] = _ask_repositories(scorer(bench), repos, (scope, setup, run_file))
        took = time.perf_counter() - started
        print(f"{scope}: {len(scored[scope])} questions, {took:.0f} s; {run_file}", file=sys.stderr)
    return scored, sizes


def _scopes(arguments: argparse.Namespace) -> list[str]:
    """Return the scopes asked for; all of them when none is named, only repositories when some of those are named."""
    asked = [scope for scope in ("root", "whole") if getattr(arguments, scope)]
    asked += cosqa.VARIANTS if arguments.cosqa else []
    if asked:
        return asked
    return ["root", "whole"] if arguments.repos else list(SCOPES)


def _ask_repositories(
    score: ModuleType, repos: list[Repository], what: tuple[str, Setup, Path]
) -> tuple[list[Scored], dict[str, int]]:
    """Every question of every repository; also the number of symbols per repository."""
    scope, setup, run_file = what
    scored: list[Scored] = []
    sizes: dict[str, int] = {}
    run: list[dict[str, Any]] = []
    for repo in repos:
        below = repo.benchmark_root if scope == "root" else ""
        with opened(repo.folder / below, setup) as index:
            sizes[repo.name] = index.status().symbols
            for target in repo.targets:
                _warn_unindexed(index.why, repo, target, below)
            for question in repo.questions:
                rows = result_rows(ask(index, question.text), below)
                run.append({"repo": repo.name, "id": question.id, "results": rows})
                scored.append(score_question(score, question, rows))
    write_run(run_file, run)
    return scored, sizes


def _warn_unindexed(why: Callable[[str], str], repo: Repository, target: str, below: str) -> None:
    """Say which labelled file cannot be found because it is not indexed: that is no matter of ranking."""
    inside = target.removeprefix(f"{below}/") if below else target
    if below and inside == target:
        return
    reason = why(inside)
    if " is indexed with " not in reason:
        print(f"{repo.name}: labelled file {target} is not indexed: {reason}", file=sys.stderr)


def _ask_cosqa(bench: Path, scope: str, setup: Setup, run_file: Path) -> tuple[list[Scored], dict[str, int]]:
    """Every web query; also the number of symbols."""
    score, right = scorer(bench), cosqa.labels(bench)
    scored: list[Scored] = []
    run: list[dict[str, Any]] = []
    with opened(cosqa.workspace(bench, scope, workspaces_folder() / "generated"), setup) as index:
        for asked in cosqa.questions(bench):
            found = cosqa.found_ids(ask(index, asked[1]))
            run.append({"id": asked[0], "results": found})
            scored.append(cosqa.score_question(score, asked, found, right[asked[0]]))
        size = index.status().symbols
    write_run(run_file, run)
    return scored, {"cosqa": size}


def _print_tables(
    scored: dict[str, list[Scored]],
    summaries: dict[str, dict[str, float]],
    sizes: dict[str, dict[str, int]],
    floors: list[tuple[str, float, float, bool]],
) -> None:
    repositories_only = {scope: rows for scope, rows in scored.items() if scope not in cosqa.VARIANTS}
    if repositories_only:
        print("\n" + split_table(repositories_only, lambda row: row.repo))
        print("\n" + split_table(repositories_only, lambda row: row.category))
    print("\n" + summary_table(summaries))
    print("symbols: " + ", ".join(f"{scope} {sum(size.values()):,}" for scope, size in sizes.items()) + "\n")
    rows = [[name, f"{figure:.3f}", f"{floor:.2f}", "ok" if ok else "below"] for name, figure, floor, ok in floors]
    print(table(("floor", "figure", "at least", ""), rows))


def _keep(arguments: argparse.Namespace, fingerprint: str, made: dict[str, Any]) -> None:
    """Write the results file: always where --out says, by default only for a run over everything."""
    complete = not arguments.repos and len(made["scored"]) == len(SCOPES)
    if not arguments.out and not complete:
        return
    path = Path(arguments.out) if arguments.out else RESULTS / f"quality-{commit()}.json"
    results = {
        "setting": {**setting(), "model": fingerprint},
        "figures": made["summaries"],
        "floors": [
            {"what": name, "figure": figure, "floor": floor, "ok": ok} for name, figure, floor, ok in made["floors"]
        ],
        "symbols": made["sizes"],
        "queries": {scope: as_json(rows) for scope, rows in made["scored"].items()},
    }
    write_results(path, results)
    print(f"\nwritten: {path}")


if __name__ == "__main__":
    sys.exit(main())
