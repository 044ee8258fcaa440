"""`python -m benchmarks.vectors`: what smaller vectors cost in quality, and what they save in memory and time.

All projects of the tuning benchmark lie in one folder, and each question is asked of all of them together. To make a
million symbols of them, half of the projects are copied, with a vector beside each copied one that differs from it by
noise of the data's own shape, and the other half are asked for; then the other way round. Copies keep what stands
together in a file, and have no words and names. Every form of the vectors answers the same questions, through the
engine's own ranking; the form that compares all whole vectors is what the others are measured by.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from statistics import fmean
from types import ModuleType
from typing import Any

import numpy as np
import psutil

from benchmarks.common import (
    RESULTS,
    BenchError,
    bench_folder,
    commit,
    percentile,
    setting,
    table,
    workspaces_folder,
    write_results,
)
from benchmarks.quality.bench import Repository, Scored, repositories, score_question, scorer
from benchmarks.quality.figures import summary
from benchmarks.quality.remembered import RememberingEncoder
from benchmarks.quality.run import LIMIT, Setup, opened, result_rows
from benchmarks.vectors.crowd import Asked, Crowd, Integers, enlarged, whole_bytes
from benchmarks.vectors.forms import CODES, LARGE, SMALL, WHOLE, Form, memory_of
from lsp_server.engine.corpus import Corpus
from lsp_server.engine.encoder import Encoder, bundled_model, load_encoder
from lsp_server.engine.errors import EngineError
from lsp_server.engine.hits import make_hit
from lsp_server.engine.memory import give_back
from lsp_server.engine.query import Query, parse
from lsp_server.engine.search import CANDIDATES, allowed_rows, nearest, rank
from lsp_server.engine.serving import Model
from lsp_server.engine.store import Store
from lsp_server.engine.threads import all_threads
from lsp_server.engine.view import View

SYMBOLS = 1_000_000
K = 50  # of recall: the nearest among the candidates of a question
SHARE = 0.97  # of the whole vectors' NDCG@10 that the form for very many vectors has to reach
MOST_BYTES = 128  # of memory that it may take for a symbol


def main() -> int:
    """Measure; the exit status is 1 with --check when the form for very many vectors misses its targets."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vectors", description=__doc__.splitlines()[0])
    parser.add_argument("--bench", default="", help="folder of the tuning benchmark")
    parser.add_argument("--symbols", type=int, default=SYMBOLS, help="how many the large project has (1,000,000)")
    parser.add_argument("--repos", default="", help="only these repositories, separated by commas")
    parser.add_argument("--out", metavar="FILE", help="results file (default: benchmarks/results/vectors-COMMIT.json)")
    parser.add_argument("--check", action="store_true", help="exit status 1 when a target is missed")
    arguments = parser.parse_args()
    try:
        rows = measure(arguments)
    except (BenchError, EngineError) as error:
        print(f"benchmarks.vectors: {error}", file=sys.stderr)
        return 2
    path = Path(arguments.out) if arguments.out else RESULTS / f"vectors-{commit()}.json"
    write_results(path, {"setting": {**setting(), "large": arguments.symbols}, "rows": rows})
    print(f"\n{report(rows)}\n\nwritten: {path}\n\nfor docs/models.md:\n\n{page(rows)}")
    large = [row for row in rows if row["form"] == CODES and row["symbols"] == arguments.symbols]
    reached = all(float(row["share"]) >= SHARE and float(row["bytes"]) <= MOST_BYTES for row in large)  # type: ignore[arg-type]
    return 1 if arguments.check and not reached else 0


def measure(arguments: argparse.Namespace) -> list[dict[str, object]]:
    """Return a row for each form and size."""
    bench = bench_folder(arguments.bench)
    repos = repositories(bench, [name for name in arguments.repos.split(",") if name])
    root = workspaces_folder() / "projects" / (arguments.repos.replace(",", "-") or "everything")
    for repo in repos:
        if not (root / repo.name).is_dir():
            shutil.copytree(repo.folder, root / repo.name)
    score = scorer(bench)
    with closing(RememberingEncoder(load_encoder(bundled_model()), workspaces_folder())) as encoder:
        with opened(root, Setup(workspaces_folder() / "index", encoder, all_threads(), update=True)) as index:
            path = index.store_path
        asked = tuple(_questions(repos, encoder))
        store = Store(path)
        model = Model("", encoder.fingerprint, encoder.dim, "")
    with closing(store), tempfile.TemporaryDirectory(prefix="bench-vectors-") as folder:
        corpus = Corpus(store, Path(folder) / "none.hnsw", model)
        corpus.catch_up()
        view = corpus.view
        real = whole_bytes(view.vectors)
        names = sorted({repo.name for repo in repos})
        rows = _compare([Crowd(view, real, store, asked)], SMALL, score, Path(folder))
        crowds = (
            Crowd(*enlarged(view, real, half, arguments.symbols), store, _of(asked, half))
            for half in ({*names[::2]}, {*names[1::2]})  # is copied; the other is asked for
        )
        rows += _compare(crowds, LARGE, score, Path(folder))
    return rows


def _questions(repos: Sequence[Repository], encoder: Encoder) -> Iterator[Asked]:
    for repo in repos:
        for number, one in enumerate(repo.questions):
            question = parse(Query(one.text, limit=LIMIT))
            yield Asked(repo, number, question, encoder.encode_query(question.words))


def _of(asked: Sequence[Asked], copied: set[str]) -> tuple[Asked, ...]:
    return tuple(one for one in asked if one.repo.name not in copied)


def _compare(
    crowds: Iterable[Crowd], forms: Sequence[Form], score: ModuleType, folder: Path
) -> list[dict[str, object]]:
    answers: dict[str, list[Scored]] = {form.name: [] for form in forms}
    measured: dict[str, list[tuple[float, float, float]]] = {form.name: [] for form in forms}
    memory: dict[str, float] = {}
    resident: dict[str, float] = {}
    size = 0
    for crowd in crowds:
        size = len(crowd.view)
        exact: dict[int, Integers] = {}
        made: dict[str, View] = {}
        for form in forms:
            give_back()
            before = psutil.Process().memory_info().rss
            view = form.make(crowd, made, folder)
            give_back()
            memory[form.name] = memory_of(view)
            resident[form.name] = (psutil.Process().memory_info().rss - before) / len(view)
            if form.name in (WHOLE, CODES):
                made[form.name] = view  # others rest on it
            for number, one in enumerate(crowd.asked):
                scored, best, times = _ask(view, one, crowd.store, score)
                exact.setdefault(number, best[:K])  # the first form is exact
                recall = len(np.intersect1d(exact[number], best)) / K
                answers[form.name].append(scored)
                measured[form.name].append((recall, *times))
            print(f"{size:,}: {form.name}, {len(answers[form.name])} questions", file=sys.stderr)
            del view
    rows = []
    full = summary(answers[forms[0].name])["semble"]
    for form in forms:
        figures, samples = summary(answers[form.name]), measured[form.name]
        meaning, total = [sample[1] for sample in samples], [sample[2] for sample in samples]
        rows.append({
            "symbols": size, "form": form.name, "bytes": round(memory[form.name], 1),
            "resident": round(resident[form.name], 1), "ndcg10": figures["semble"], "hard": figures["hard_semble"],
            "share": round(figures["semble"] / full, 4), "recall50": round(fmean(sample[0] for sample in samples), 4),
            "meaningMs": round(percentile(meaning, 0.5), 2), "meaningP95": round(percentile(meaning, 0.95), 2),
            "rankMs": round(percentile(total, 0.5), 2), "rankP95": round(percentile(total, 0.95), 2),
        })  # fmt: skip
    print(f"\n{report(rows)}\n", file=sys.stderr)
    return rows


def _ask(view: View, asked: Asked, store: Store, score: ModuleType) -> tuple[Scored, Integers, tuple[float, float]]:
    """Return the figures of a question, the candidates by meaning, best first, and CPU milliseconds: theirs, of all."""
    allowed = allowed_rows(view, asked.question, None, None)
    started = time.thread_time()
    rows = nearest(view, asked.vector, allowed, CANDIDATES)
    between = time.thread_time()
    ranked = rank(view, asked.question, asked.vector, allowed)
    ended = time.thread_time()
    best = rows[np.argsort(-view.vectors.cosines(asked.vector, view.vector_rows[rows]), kind="stable")]
    details = store.details([one for one in view.ids[ranked.rows].tolist() if one > 0])
    hits = [details.get(int(view.ids[row])) for row in ranked.rows]
    found = [
        {"path": ":copy", "start": 1, "end": 1, "name": ""} if hit is None else result_rows([make_hit(hit)], "")[0]
        for hit in hits
    ]
    inside = f"{asked.repo.name}/"
    for one in found:
        path = str(one["path"])
        one["path"] = path.removeprefix(inside) if path.startswith(inside) else f":{path}"
    question = asked.repo.questions[asked.number]
    scored = score_question(score, question, found)
    return scored, best, ((between - started) * 1000, (ended - between) * 1000)


def report(rows: Sequence[dict[str, object]]) -> str:
    """Return the table that is printed."""
    heads = (
        "symbols, form",
        "bytes each",
        "NDCG@10",
        "of whole",
        f"recall@{K}",
        "found in CPU ms",
        "p95",
        "ranked in",
    )
    keys = ("bytes", "ndcg10", "share", "recall50", "meaningMs", "meaningP95", "rankMs")
    return table(heads, [[f"{row['symbols']:,} {row['form']}", *(f"{row[key]:g}" for key in keys)] for row in rows])


def page(rows: Iterable[dict[str, Any]]) -> str:
    """Return the lines of the table in docs/models.md."""
    return "\n".join(
        f"| {row['symbols']:,} | {row['form']} | {row['bytes']:,.0f} B | {100 * row['share']:.1f} % "
        f"| {row['recall50']:.3f} | {row['meaningMs']:.0f} ms |"
        for row in rows
    )


if __name__ == "__main__":
    sys.exit(main())
