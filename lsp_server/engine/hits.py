"""Hits: what an answer is made of, and what placed a row of it."""

from dataclasses import dataclass

import numpy as np

from lsp_server.engine.search import Ranked
from lsp_server.engine.store import Details
from lsp_server.engine.symbols import Span


@dataclass(frozen=True, slots=True)
class Status:
    """What an answer rests on; the fields are those of IndexStatus in the protocol."""

    state: str  # 'ready' or 'starting'; who drives passes knows the others
    mode: str  # 'words' or 'hybrid'
    files_done: int
    files_total: int
    symbols: int
    embedded: int
    model: str
    vectors: str  # how they are held and searched, for people; "" while there are none
    message: str
    bytes: int
    last_update: float  # when the last whole look began, in seconds since the epoch; 0 for never
    skipped: tuple[tuple[str, str], ...]
    skipped_total: int
    reranker: str = ""  # id of the model that reorders the best rows, "" for none


@dataclass(frozen=True, slots=True)
class Hit:
    """A symbol that was found."""

    path: str
    language: str
    kind: str
    name: str
    container: str
    span: Span
    name_span: Span
    ascii: bool  # columns are the same in every encoding
    score: float  # 0..1, never rising down a list
    match: str  # 'meaning', 'words', 'name', 'mixed'
    preview: str
    detail: str
    unsaved: bool  # the spans are those of a text that is open, not of the file


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits, best first; when not `confident`, they are the nearest misses."""

    hits: tuple[Hit, ...]
    confident: bool
    status: Status


def make_hit(details: Details, score: float, match: str) -> Hit:
    """Return a stored symbol as a hit."""
    spans = details.spans
    return Hit(
        path=details.path,
        language=details.language,
        kind=details.kind,
        name=details.name,
        container=details.container,
        span=Span(*spans[:4]),
        name_span=Span(*spans[4:]),
        ascii=details.ascii,
        score=score,
        match=match,
        preview=details.preview,
        detail=details.detail,
        unsaved=details.unsaved,
    )


def explanation(ranked: Ranked, row: int) -> dict[str, float | str]:
    """Return what placed a row in a ranking, by name."""
    places = np.flatnonzero(ranked.rows == row)
    if not len(places):
        return {"place": "not among the candidates, or an inner symbol is listed instead"}
    at = int(places[0])
    cosine = float(ranked.cosines[at])
    compared: dict[str, float | str] = {} if np.isnan(cosine) else {"cosine": round(cosine, 4)}
    return compared | {
        "place": at + 1,
        "score": round(float(ranked.scores[at]), 4),
        "match": ranked.matches()[at],
        "words": round(float(ranked.words[at]), 4),
        "definition": round(float(ranked.definitions[at]), 4),
        "factor": round(float(ranked.factors[at]), 4),
        "file": round(float(ranked.coherence[at]), 4),
    }
