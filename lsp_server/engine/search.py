"""Search: from a question to rows, best first.

Takes a View of the corpus, a Question and its vector, gives Ranked rows with the reasons for their place. Candidates
come from meaning, words and names; each gets its exact cosine; the two scores are fused; priors that were measured to
pay are applied; an outer symbol is dropped once one inside it is listed. Does not read the store, does not embed.

The constants lie on a flat optimum of the tuning benchmark (`python -m benchmarks.quality`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lsp_server.engine.hnsw import Graph
from lsp_server.engine.query import Question, path_matcher
from lsp_server.engine.store import in_scope
from lsp_server.engine.text import query_terms, words_of
from lsp_server.engine.view import GRAPH_CANDIDATES, KIND_NAMES, View

CANDIDATES = 200  # from each of meaning and words; 100 loses .004 on hard questions, 400 gains nothing
WIDTH = 0.5  # a cosine this much below the best counts as no meaning in common
FILE_MEANING = 0.3  # weight of the cosine of a symbol's file beside its own; 0 loses .006, .5 gains nothing
MEANING_OF_PROSE = 0.5  # weight of meaning against words; .4 to .6 tie on repositories
MEANING_OF_NAMES = 0.3  # the same when one identifier is asked for
DEFINITION = 0.5  # of the best score, for the symbol of the very name asked for
TEST_FACTOR = 0.5
ASIDE_FACTOR = 0.6  # examples, documentation, data
FILE_TO_ALL = 0.2  # of the best score, to each symbol of a file whose symbols score together
FILE_TO_BEST = 0.4  # the same, to the best symbol of each file
FILE_TOP = 3  # how many symbols speak for their file
NEAR_FILE = 0.03  # of the best score, for the file where the user is
NEAR_FOLDER = 0.015
FROM_DISK = 500  # whole vectors that are read where codes say which; 200 lose .04 of recall@50, 1,000 gain .005
NARROW = 0.2  # a filter that leaves less than this share of the rows is searched exactly

# Probability that the best row is what was asked for, by logistic regression on the tuning benchmark (asked of the
# right repository and of a wrong one): see `python -m benchmarks.quality.calibrate`.
CALIBRATION = (-6.1, 8.3, 3.1)  # constant, cosine, share of the question's words
CONFIDENT = 0.15
SIMILAR = 0.5  # cosine from which code counts as like other code
MIDDLING = 0.4  # the cosine that is assumed while nothing is embedded

_FILE, _TEST = KIND_NAMES.index("file"), KIND_NAMES.index("test")

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows of a View, best first, with what placed them; all arrays are [n] in the same order."""

    rows: Rows
    scores: Floats  # 0..1, never rising
    cosines: Floats  # NaN where the row has no vector yet or nothing was embedded
    words: Floats  # share of the best BM25F score, 0..1
    definitions: Floats  # what the row got for its name
    factors: Floats  # tests, examples
    coherence: Floats  # what the row got for its file
    confident: bool
    evidence: tuple[float, float] = (0.0, 0.0)  # what confidence goes by: best cosine, best share of the words

    def matches(self) -> list[str]:
        """Return why each row was found: 'meaning', 'words', 'name' or 'mixed'."""
        known = self.cosines[~np.isnan(self.cosines)]
        best = float(known.max()) if len(known) else 0.0
        return [
            "name" if definition > 0 else _match(best, cosine, words)
            for definition, cosine, words in zip(
                self.definitions.tolist(), self.cosines.tolist(), self.words.tolist(), strict=True
            )
        ]


def _match(best: float, cosine: float, words: float) -> str:
    if np.isnan(cosine):
        return "words"
    meaning = max(0.0, 1 - (best - cosine) / WIDTH)
    if words <= 0.3 * meaning:  # none of either: it is there as one of the nearest vectors
        return "meaning"
    return "words" if meaning < 0.3 * words else "mixed"


def allowed_rows(view: View, question: Question, literal: Iterable[int] | None, changed: frozenset[str] | None) -> Mask:
    """Return which rows the filters of `question` leave, bool [n].

    `literal`: ids of the symbols that hold the quoted words, None without such; `changed`: likewise the changed files.
    """
    query = question.query
    allowed = view.alive.copy()
    if query.kinds:
        wanted = np.array([kind in query.kinds for kind in KIND_NAMES], np.bool_)
        allowed &= wanted[view.kinds]
    tests: list[Callable[[str], bool]] = []
    if query.include:
        tests.append(path_matcher(query.include))
    if query.exclude:
        excluded = path_matcher(query.exclude)
        tests.append(lambda path: not excluded(path))
    if query.without:
        tests.append(lambda path: not in_scope(path, query.without))
    if question.opened:
        tests.append(lambda path: path in query.open_paths)
    if changed is not None:
        tests.append(lambda path: path in changed)
    if tests or query.languages:
        places = np.array(
            [
                (not query.languages or place.language in query.languages) and all(test(place.path) for test in tests)
                for place in view.places
            ],
            np.bool_,
        )
        allowed &= places[view.files] if len(places) else False
    if question.names:
        matches = path_matcher(tuple(glob.lower() for glob in question.names))
        fitting = {name for name in view.rows_by_name.copy() if "/" not in name and name and matches(name)}
        allowed &= np.fromiter((name.lower() in fitting for name in view.names[: len(view)]), np.bool_, len(view))
    if literal is not None:
        allowed &= np.isin(view.ids, np.fromiter(literal, np.int64))
    return allowed


def rank(view: View, question: Question, vector: Floats | None, allowed: Mask) -> Ranked:
    """Rank the `allowed` rows for `question`; `vector` is its unit embedding, None to go by words and names alone."""
    found, share = view.words.score(query_terms(words_of(question.words)), view.alive, view.word_averages)
    found *= allowed
    named = _named(view, question, allowed)
    wanted = max(CANDIDATES, 2 * question.query.limit)
    candidates = [_best(found, wanted), np.fromiter(named, np.int64, len(named))]
    if vector is not None:
        candidates.append(nearest(view, vector, allowed, wanted))
    rows = np.unique(np.concatenate(candidates))
    if not len(rows):
        return _nothing()

    words = found[rows] / max(float(found.max()), 1e-9)
    cosines = np.full(len(rows), np.nan, np.float32)
    if vector is not None:
        embedded = view.vector_rows[rows] >= 0
        cosines[embedded] = view.vectors.cosines(vector, view.vector_rows[rows[embedded]])
    fused = _fuse(
        _in_context(view, rows, cosines, vector),
        words,
        MEANING_OF_NAMES if question.is_identifier else MEANING_OF_PROSE,
    )

    best = max(float(fused.max()), 1e-9)
    definitions = np.zeros(len(rows), np.float32)
    definitions[np.searchsorted(rows, list(named))] = [weight * DEFINITION * best for weight in named.values()]
    factors = _factors(view, rows, question)
    scores = (fused + definitions) * factors
    files = view.files[rows]
    before = scores.copy()
    best = max(float(scores.max()), 1e-9)
    is_file = view.kinds[rows] == _FILE
    scores = scores + FILE_TO_ALL * best * _coherence(np.where(is_file, 0, scores), files)
    lift = FILE_TO_BEST * best * _coherence(np.where(is_file, 0, scores), files)
    scores = np.where(_best_of_files(scores, files), scores + lift, scores)
    scores += best * _nearness(view, files, question.query.near)
    coherence = scores - before

    order = np.lexsort((rows, -scores))
    order = order[_unfolded(view, rows[order], question.query.limit)]
    evidence = _evidence(cosines, share[rows], order)
    sure = confidence(evidence)
    return Ranked(
        rows=rows[order],
        scores=(sure * scores[order] / max(float(scores[order[0]]), 1e-9)).astype(np.float32),
        cosines=cosines[order],
        words=words[order],
        definitions=definitions[order],
        factors=factors[order],
        coherence=coherence[order],
        confident=sure >= CONFIDENT or bool(definitions[order[0]] > 0),
        evidence=evidence,
    )


def rank_similar(view: View, vector: Floats, allowed: Mask, limit: int) -> Ranked:
    """Rank the `allowed` rows by meaning alone, nearest to `vector` first."""
    rows = nearest(view, vector, allowed, max(CANDIDATES, 2 * limit))
    cosines = view.vectors.cosines(vector, view.vector_rows[rows])
    order = np.lexsort((rows, -cosines))
    order = order[_unfolded(view, rows[order], limit)]
    none = np.zeros(len(order), np.float32)
    return Ranked(
        rows=rows[order],
        scores=np.clip(cosines[order], 0, 1),
        cosines=cosines[order],
        words=none,
        definitions=none,
        factors=none + 1,
        coherence=none,
        confident=bool(len(order) and cosines[order[0]] > SIMILAR),
    )


def reordered(ranked: Ranked, judged: Sequence[float]) -> Ranked:
    """Return the first rows of `ranked` in an order of which a reranker's scores [k, one for each of them] decide half.

    Both scores are spread from 0 to 1 over these rows. What is shown as score goes with the place, not with the row.
    """
    count = len(judged)
    own, others = _spread(ranked.scores[:count]), _spread(np.array(judged, np.float32))
    order = np.concatenate((np.argsort(-(own + others), kind="stable"), np.arange(count, len(ranked.rows))))
    return replace(
        ranked,
        rows=ranked.rows[order],
        cosines=ranked.cosines[order],
        words=ranked.words[order],
        definitions=ranked.definitions[order],
        factors=ranked.factors[order],
        coherence=ranked.coherence[order],
    )


def _spread(scores: Floats) -> Floats:
    least, most = float(scores.min()), float(scores.max())
    return (scores - least) / max(most - least, 1e-9)


def list_recent(view: View, allowed: Mask, limit: int) -> Ranked:
    """List the `allowed` rows without a question: newest file first, then by name."""
    rows = np.flatnonzero(allowed & (view.parents >= 0))
    age = np.array([-place.mtime_ns for place in view.places], np.int64)
    order = np.argsort(age[view.files[rows]], kind="stable")[: max(limit * 20, 2_000)]
    chosen = sorted((int(row) for row in rows[order]), key=lambda row: (age[view.files[row]], view.names[row].lower()))
    rows = np.array(chosen[:limit], np.int64)
    none = np.zeros(len(rows), np.float32)
    return Ranked(rows, none, none * np.nan, none, none, none + 1, none, confident=True)


def _nothing() -> Ranked:
    none = np.zeros(0, np.float32)
    return Ranked(np.zeros(0, np.int64), none, none, none, none, none, none, confident=False)


def _best(scores: Floats, count: int) -> Rows:
    """Return the `count` rows with the highest scores above zero."""
    rows = np.flatnonzero(scores > 0)
    if len(rows) <= count:
        return rows
    return rows[np.argpartition(scores[rows], len(rows) - count)[-count:]]


def nearest(view: View, vector: Floats, allowed: Mask, count: int) -> Rows:
    """Return about `count` allowed rows nearest to `vector`, never fewer than there are."""
    rows = np.flatnonzero(allowed & (view.vector_rows >= 0))
    if len(rows) <= count:
        return rows
    broad = len(rows) > NARROW * len(view)
    if view.graph is not None and broad and count <= GRAPH_CANDIDATES:
        proposed = _by_graph(view, view.graph, vector, allowed)
        if len(proposed) >= count // 2:
            return proposed
    if view.vectors.codes is not None and len(rows) > max(FROM_DISK, count):
        rows = rows[view.vectors.codes.likely(vector, view.vector_rows[rows], max(FROM_DISK, count))]
        broad = False
    cosines = (
        view.vectors.scan(vector)[view.vector_rows[rows]]
        if broad
        else view.vectors.cosines(vector, view.vector_rows[rows])
    )
    return rows[np.argpartition(cosines, len(cosines) - count)[-count:]]


def _by_graph(view: View, graph: Graph, vector: Floats, allowed: Mask) -> Rows:
    """Return allowed rows that the graph proposes, and those near among the vectors it does not hold yet."""
    tail = view.graph_tail
    if len(tail) > CANDIDATES:
        cosines = view.vectors.cosines(vector, tail)
        tail = tail[np.argpartition(cosines, len(tail) - CANDIDATES)[-CANDIDATES:]]
    proposed = view.vector_rows_of(graph.nearest(vector, view.graph_wanted))
    rows = view.rows_with_vectors(np.unique(np.concatenate((proposed, tail))))
    return rows[allowed[rows]]


def _named(view: View, question: Question, allowed: Mask) -> dict[int, float]:
    """Return the allowed rows whose name is asked for, with the share of DEFINITION that each gets."""
    whole = 1.0 if question.is_identifier else 0.5
    named: dict[int, float] = {}
    for name in question.identifiers:
        for row in tuple(view.rows_by_name.get(name.lower(), ())):
            if row < len(view) and allowed[row]:
                weight = whole if view.names[row] == name else whole / 2
                named[row] = max(named.get(row, 0.0), weight)
    return named


def _in_context(view: View, rows: Rows, cosines: Floats, vector: Floats | None) -> Floats:
    """Return the cosines of `rows` with that of each row's file added; a symbol alone in its file speaks for it."""
    if vector is None:
        return cosines
    units = view.units[view.files[rows]]
    shared = units >= 0
    files = cosines.copy()
    distinct, places = np.unique(units[shared], return_inverse=True)
    files[shared] = view.vectors.cosines(vector, distinct)[places]
    return cosines + FILE_MEANING * files


def _fuse(cosines: Floats, words: Floats, meaning: float) -> Floats:
    """Return the convex combination of meaning and words; rows that are not embedded yet go by their words."""
    known = ~np.isnan(cosines)
    if not known.any():
        return words
    near = np.maximum(0, 1 - (np.nanmax(cosines) - cosines) / WIDTH)
    return np.where(known, meaning * near + (1 - meaning) * words, words).astype(np.float32)


def _factors(view: View, rows: Rows, question: Question) -> Floats:
    """Return what each row's score is multiplied by for where it stands."""
    factors = np.ones(len(rows), np.float32)
    if not question.query.languages:
        factors[view.aside[view.files[rows]]] = ASIDE_FACTOR
    if not question.asks_for_tests:
        factors[view.tests[view.files[rows]] | (view.kinds[rows] == _TEST)] = TEST_FACTOR
    return factors


def _coherence(scores: Floats, files: Rows) -> Floats:
    """Return for each row the sum of its file's FILE_TOP best scores over that of the best file, 0..1.

    `scores` are 0 for rows that do not speak for their file: those that stand for the file itself.
    """
    order = np.lexsort((-scores, files))
    ordered = files[order]
    first = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    starts = np.flatnonzero(first)
    group = np.cumsum(first) - 1
    within = np.arange(len(order)) - starts[group]
    sums = np.bincount(group, weights=np.where(within < FILE_TOP, np.maximum(scores[order], 0), 0))
    out = np.empty(len(scores), np.float32)
    out[order] = (sums / max(float(sums.max()), 1e-9))[group]
    return out


def _best_of_files(scores: Floats, files: Rows) -> Mask:
    """Return which rows are the best of their file."""
    order = np.lexsort((-scores, files))
    ordered = files[order]
    best = np.zeros(len(scores), np.bool_)
    best[order[np.concatenate(([True], ordered[1:] != ordered[:-1]))]] = True
    return best


def _nearness(view: View, files: Rows, near: str) -> Floats:
    out = np.zeros(len(files), np.float32)
    if near:
        folder = near.rpartition("/")[0]
        for at, file in enumerate(files):
            path = view.places[file].path
            out[at] = NEAR_FILE if path == near else NEAR_FOLDER if path.rpartition("/")[0] == folder else 0.0
    return out


def _unfolded(view: View, rows: Rows, limit: int) -> list[int]:
    """Return the places in `rows` (best first) that stay when an outer symbol goes once one inside it is listed."""
    around: set[int] = set()
    kept: list[int] = []
    for place, row in enumerate(rows.tolist()):
        if len(kept) == limit:
            break
        if row in around:
            continue
        kept.append(place)
        parent = int(view.parents[row])
        while parent >= 0 and parent not in around:
            around.add(parent)
            parent = int(view.parents[parent])
    return kept


def _evidence(cosines: Floats, share: Floats, order: Rows) -> tuple[float, float]:
    top = order[:3]
    known = cosines[top][~np.isnan(cosines[top])]
    return float(known.max()) if len(known) else MIDDLING, float(share[top].max())


def confidence(evidence: tuple[float, float]) -> float:
    """Return the probability that the best rows answer the question (logistic, see CALIBRATION)."""
    constant, by_cosine, by_share = CALIBRATION
    return float(1 / (1 + np.exp(-(constant + by_cosine * evidence[0] + by_share * evidence[1]))))
