"""`python -m benchmarks.quality.calibrate`: fit the confidence of an answer.

Each question of the benchmark is asked of its own repository (right, when the best hit is a target) and of three others
(wrong by construction). A logistic regression on the evidence that `search.Ranked` carries gives CALIBRATION in
`lsp_server/engine/search.py`; printed with it: how often answers of each kind come out as confident. Takes the indexes
that `python -m benchmarks.quality --root` left.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import bench_folder, workspaces_folder
from benchmarks.quality.bench import Repository, repositories, score_question, scorer
from benchmarks.quality.run import Setup, ask, opened, result_rows
from lsp_server.engine.encoder import OnnxEncoder, bundled_model
from lsp_server.engine.index import Index
from lsp_server.engine.query import Query
from lsp_server.engine.search import CALIBRATION, CONFIDENT

OTHERS = 3  # foreign repositories that each question is asked of
STEPS = 50  # of Newton's method; it converges in about ten
RIDGE = 1e-3  # keeps the step defined when the classes can be parted


def main() -> int:
    """Ask, fit, print."""
    bench = bench_folder("")
    found = repositories(bench, sys.argv[1:])
    setup = Setup(workspaces_folder() / "index", OnnxEncoder(bundled_model()), threads=2, update=False)
    score = scorer(bench)
    rows: list[tuple[float, float]] = []
    right: list[bool] = []
    kinds: list[str] = []
    for place, repository in enumerate(found):
        with opened(repository.folder / repository.benchmark_root, setup) as index:
            for question in repository.questions:
                hits = result_rows(ask(index, question.text), repository.benchmark_root)
                rows.append(_evidence(index, question.text))
                right.append(score_question(score, question, hits).values["hit1"] > 0)
                kinds.append("own, found" if right[-1] else "own, missed")
            for other in _others(found, place):
                for question in other.questions:
                    rows.append(_evidence(index, question.text))
                    right.append(False)
                    kinds.append("foreign")
    evidence, labels = np.array(rows), np.array(right)
    # A foreign question counts as much as an own one, however many were asked.
    weights = np.where(np.array(kinds) == "foreign", 1 / OTHERS, 1.0)
    fitted = fit(evidence, labels, weights)
    print(f"asked {len(rows)}; CALIBRATION = ({', '.join(f'{value:.2f}' for value in fitted)})")
    for name, constants in (("fitted", fitted), ("in use", np.array(CALIBRATION))):
        sure = _probability(evidence, constants)
        for kind in sorted(set(kinds)):
            of_kind = sure[np.array(kinds) == kind]
            confident = (of_kind >= CONFIDENT).mean()
            print(f"{name:7} {kind:12} n {len(of_kind):5}  mean {of_kind.mean():.2f}  confident {confident:.2f}")
    return 0


def fit(evidence: NDArray[np.float64], right: NDArray[np.bool_], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (constant, weights of the evidence) of a logistic regression, by Newton's method. evidence: [n, k]."""
    design = np.column_stack((np.ones(len(evidence)), evidence))
    constants = np.zeros(design.shape[1])
    for _ in range(STEPS):
        sure = 1 / (1 + np.exp(-design @ constants))
        slope = design.T @ (weights * (right - sure)) - RIDGE * constants
        curve = (design * (weights * sure * (1 - sure))[:, None]).T @ design + RIDGE * np.eye(len(constants))
        constants = constants + np.linalg.solve(curve, slope)
    return constants


def _probability(evidence: NDArray[np.float64], constants: NDArray[np.float64]) -> NDArray[np.float64]:
    probability: NDArray[np.float64] = 1 / (1 + np.exp(-(constants[0] + evidence @ constants[1:])))
    return probability


def _evidence(index: Index, text: str) -> tuple[float, float]:
    return index.ranked(Query(text)).evidence


def _others(found: list[Repository], place: int) -> list[Repository]:
    """Return the next repositories round the list that are written in other words: not the neighbour of its kind."""
    return [found[(place + 1 + 2 * step) % len(found)] for step in range(min(OTHERS, len(found) - 1))]


if __name__ == "__main__":
    sys.exit(main())
