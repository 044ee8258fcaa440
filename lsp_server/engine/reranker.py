"""Reranker: a model that reads question and document together and says how well they belong together.

Takes the setting `rerank` and ranked rows, gives the rows with the best ones reordered. A model of this kind costs as
much for one document as an encoder for one text, so it reads the first few rows alone, for a bounded time, and has half
a say: general ones lower the scores of code search when they have all of it. Off unless asked for. Whatever is wrong
with it is told once, and the rows stay as they are.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lsp_server.engine.card import RERANKERS, ModelError, brief, check_files, read_card
from lsp_server.engine.devices import CPU
from lsp_server.engine.errors import EngineError
from lsp_server.engine.graph import Graph
from lsp_server.engine.installed import find_reranker
from lsp_server.engine.pooling import unit
from lsp_server.engine.query import Question
from lsp_server.engine.search import Ranked, reordered
from lsp_server.engine.threads import default_threads
from lsp_server.engine.tokens import Tokenizer, Tokens

OFF = "off"
ROWS = 20  # that are read: what stands below them nobody looks at, and each costs as much as a text that is embedded
SECONDS = 0.3  # for all of them; what was not read until then keeps its place. A question typed waits no longer
CHARACTERS = 1_200  # of a document, as of a text that is embedded
KEPT = 256  # documents whose tokens' vectors are kept: 15 MB with 48 numbers a token

_log = logging.getLogger(__name__)

Vectors = NDArray[np.float32]


class Reranker:
    """A cross-encoder or a late-interaction model. Raises ModelError if the folder does not hold one that works here.

    Several threads may ask at once.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.card = read_card(folder)
        if self.card.kind not in RERANKERS:
            raise ModelError(f"{folder} holds a model that embeds ({self.card.kind}), not a reranker.")
        check_files(folder, self.card)
        self._tokenizer = Tokenizer(folder, self.card)
        self._graph = Graph(folder, self.card, threads, CPU)
        self._skipped = [id for token in self.card.skipped_tokens if (id := self._tokenizer.id(token)) is not None]
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Vectors] = OrderedDict()

    def scores(self, question: str, documents: Iterable[str]) -> Iterator[float]:
        """Give a score for each document as it is asked for, higher is better; of one question alone comparable."""
        if self.card.kind == "cross-encoder":
            yield from (self._judge(question, document) for document in documents)
            return
        wanted = self._vectors(self._tokenizer.query(question))
        for document in documents:
            # For each token of the question the best product with a token of the document, summed up: section 3.2 of
            # Khattab and Zaharia, ColBERT (https://arxiv.org/abs/2004.12832).
            yield float((wanted @ self._document(document).T).max(axis=1).sum())

    def _judge(self, question: str, document: str) -> float:
        output, _ = self._graph.run([self._tokenizer.pair(question, document)])
        if output.size != 1:
            raise ModelError(f"{self._graph.path} gives {output.size} scores for a pair; a reranker gives one.")
        return float(output.ravel()[0])

    def _document(self, text: str) -> Vectors:
        with self._lock:
            if text in self._kept:
                self._kept.move_to_end(text)
                return self._kept[text]
        tokens = self._tokenizer.document(text)
        vectors = self._vectors(tokens)
        counted = ~np.isin(tokens.ids, self._skipped)
        vectors = vectors[counted] if counted.any() else vectors
        with self._lock:
            self._kept[text] = vectors
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return vectors

    def _vectors(self, tokens: Tokens) -> Vectors:
        """Return the unit vectors of a text's tokens [tokens, dims]."""
        output, _ = self._graph.run([tokens])
        if output.ndim != 3 or output.shape[-1] != self.card.dims:
            raise ModelError(
                f"{self._graph.path} gives {output.shape[-1]} numbers for each token, its model.toml says "
                f"{self.card.dims}. Choose another reranker."
            )
        return unit(output[0])


class Reranking:
    """What the setting `rerank` asks for: "off", "auto" (whichever is installed), an id or a folder."""

    def __init__(self, wish: str, cache_dir: str) -> None:
        self.id = ""  # of the model that reorders, "" for none
        self.trouble = ""  # a sentence for people: why it does not
        self._folder: Path | None = None
        self._reranker: Reranker | None = None
        self._lock = threading.Lock()
        if wish == OFF:
            return
        try:
            self._folder = find_reranker(wish, cache_dir)
            self.id = read_card(self._folder).id
        except EngineError as error:
            self._give_up(error)

    def reorder(self, question: Question, ranked: Ranked, texts: Callable[[Sequence[int]], Sequence[str]]) -> Ranked:
        """Return `ranked` with its best rows reordered; `texts` gives what stands in rows.

        A question that is one name is answered by names, and a bare filter by time: neither is reordered.
        """
        if not self.id or not question.words or question.is_identifier or len(ranked.rows) < 2:
            return ranked
        try:
            reranker = self._loaded()
            end = time.monotonic() + SECONDS
            documents = [text[:CHARACTERS] for text in texts(ranked.rows[:ROWS].tolist())]
            judged = []
            for score in reranker.scores(question.words, documents):
                judged.append(score)
                if time.monotonic() > end:
                    break
            if not np.isfinite(judged).all():
                raise ModelError(f"The reranker {self.id} gives scores that are no numbers. Choose another one.")
        except ModelError as error:
            self._give_up(error)
            return ranked
        except Exception as error:  # noqa: BLE001 - whatever a runtime raises amid it: the rows are there without it
            self._give_up(ModelError(f"The reranker {self.id} fails here ({brief(error)}). Choose another one."))
            return ranked
        return reordered(ranked, judged)

    def prepare(self) -> None:
        """Load it before the first question needs it."""
        try:
            if self.id:
                self._loaded()
        except ModelError as error:
            self._give_up(error)

    def _loaded(self) -> Reranker:
        with self._lock:
            if self._reranker is None:
                assert self._folder is not None
                self._reranker = Reranker(self._folder, default_threads())
            return self._reranker

    def _give_up(self, error: EngineError) -> None:
        """Go without it from now on; loading it again for every question would only cost time."""
        self.id, self.trouble, self._reranker = "", f"Answers are not reordered. {error}", None
        _log.warning("%s", self.trouble)
