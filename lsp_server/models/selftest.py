"""Self-test: whether a model does on this machine what it is there for.

Takes a model's folder, gives a `SelfTest`: each check with what was found, and one sentence for each that failed. There
are no vectors to compare with for most models, so relations are tested: files and shapes as the model's card says,
finite unit vectors, the same vector twice and in company, and questions that find their function. What is wrong with
pooling, prefix, end token or arithmetic shows in one of these. Takes a second or two; decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lsp_server.engine.card import RERANKERS, ModelError, brief, read_card
from lsp_server.engine.encoder import EndpointEncoder, OnnxEncoder, StaticEncoder, load_encoder
from lsp_server.engine.reranker import Reranker

if TYPE_CHECKING:
    from numpy.typing import NDArray

LENGTH_TOLERANCE = 1e-3  # of a vector's length to 1
SAME = 0.9999  # cosine of a text to itself, encoded again
# Cosine of a text alone to itself beside a longer one. Float arithmetic reaches .9999; 8-bit activations share a scale,
# .985 at worst for the bundled model; below this the mask is not used, or steps are too coarse.
TOGETHER = 0.95
BATCH_SAFE = 0.999
# Of the pairs. Chance gives 1, the bundled model 8. The word embeddings of the bundled model alone, as a table, give 4
# with a margin of .17, and tables of random numbers 1 to 4 with .01 to .09, for some words stand in both texts.
RANKED_FIRST = {"graph": 7, "static": 4, "endpoint": 7}
# The same for a reranker, which reads question and document together; chance gives 1.
JUDGED_FIRST = 6
# How far pairs are nearer than strangers, of what there is to gain: E5 keeps all cosines above .7, so no difference
# as such says anything. Random vectors have 0, the bundled model .5.
MARGIN = 0.1
TIMED_TOKENS = 256
TIMED_ROUNDS = 5

# A question and the function it asks for: several languages, hardly a word in common.
PAIRS = (
    ("try sending the file again", "def upload_retry(client, path, attempts=3): client.put(path)"),
    ("turn text into a date", "function parseDate(value: string): Date { return new Date(Date.parse(value)); }"),
    ("check whether the password is right", "fn verify_credentials(user: &User, secret: &str) -> bool"),
    ("remove duplicates from a list", "def unique(items): return list(dict.fromkeys(items))"),
    ("open a connection to the database", "class ConnectionPool: def acquire(self): return psycopg.connect(self.dsn)"),
    ("how large is the picture", "public Dimension getImageSize(BufferedImage image)"),
    ("stop the server cleanly", "func (web *Web) Shutdown(ctx context.Context) error { return web.listener.Close() }"),
    (
        "read settings from a file",
        "Config load_config(const std::string &path) { return YAML::LoadFile(path).as<Config>(); }",
    ),
)
UGLY = ("", " \t\n", "x", "{}();", "naïve café 中文 🦊", "def f():\n\treturn 1\n" * 400)

Encoder = OnnxEncoder | StaticEncoder | EndpointEncoder
Load = Callable[[Path], Encoder]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    passed: bool
    finding: str  # a few words with figures if it passed, else a sentence for the user


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What was found; the checks end with the first that failed."""

    folder: Path
    checks: tuple[Check, ...]
    seconds: float  # that the whole test took
    milliseconds: float = 0  # for a text of TIMED_TOKENS tokens, or as many as the model reads; 0: not reached
    batch_safe: bool = False  # whether texts may be encoded together

    @property
    def passed(self) -> bool:
        """Whether the model may be used."""
        return all(check.passed for check in self.checks)

    @property
    def complaint(self) -> str:
        """The sentence of the check that failed; "" if none did."""
        return next((check.finding for check in self.checks if not check.passed), "")


class _FailedError(Exception):
    """A check failed; the text is the sentence for the user."""


def self_test(folder: Path, load: Load = load_encoder) -> SelfTest:
    """Test the model in `folder`; `load` decides threads and device. Never raises for what is wrong with the model."""
    started = time.perf_counter()
    run = _JudgeRun(folder) if _is_reranker(folder) else _Run(folder, load)
    checks: list[Check] = []
    for name, look in run.plan():
        try:
            checks.append(Check(name, True, _attempt(look, folder)))
        except (ModelError, _FailedError) as error:
            checks.append(Check(name, False, str(error)))
            break
    return SelfTest(folder, tuple(checks), time.perf_counter() - started, run.milliseconds, run.together >= BATCH_SAFE)


def _is_reranker(folder: Path) -> bool:
    try:
        return read_card(folder).kind in RERANKERS
    except ModelError:  # told by the first check
        return False


def _attempt(look: Callable[[], str], folder: Path) -> str:
    try:
        return look()
    except (ModelError, _FailedError):
        raise
    except Exception as error:  # whatever a runtime raises in the middle: the model is unusable
        raise _FailedError(f"The model in {folder} fails here ({brief(error)}). {_OTHER}") from error


_OTHER = "Choose another model, or fetch this one again."


class _Run:
    """The checks in their order; each returns what it found or raises."""

    def __init__(self, folder: Path, load: Load) -> None:
        self.folder = folder
        self.load = load
        self.milliseconds = 0.0
        self.together = 0.0

    def plan(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """Name the checks."""
        yield "files", self.files
        yield "vectors", self.vectors
        yield "repeatable", self.repeatable
        yield "padding", self.padding
        yield "meaning", self.meaning
        yield "speed", self.speed

    def files(self) -> str:
        """Check digests, the graph's inputs and outputs, dimensions, and a known vector where there is one."""
        self.encoder = self.load(self.folder)
        return f"{self.encoder.card.id}, {self.encoder.dim} dimensions, digests right"

    def vectors(self) -> str:
        """Check that odd texts, too, have finite vectors of length 1 and of the promised size."""
        texts = [*UGLY, *(text for pair in PAIRS for text in pair)]
        for encode, what in ((self.encoder.encode, "document"), (self.encoder.encode_query, "question")):
            for text in texts:
                self._check_vector(encode(text), f"the {what} {text[:30]!r}")
        return f"{2 * len(texts)} texts have finite vectors of length 1"

    def _check_vector(self, vector: NDArray[np.float32], what: str) -> None:
        if vector.shape != (self.encoder.dim,):
            wanted = self.encoder.dim
            raise _FailedError(f"{self._model} gives {vector.size} numbers for {what}, not {wanted}. {_OTHER}")
        if not np.isfinite(vector).all():
            raise _FailedError(f"{self._model} gives a vector that is not a number for {what}. {_OTHER}")
        length = float(np.linalg.norm(vector))
        if abs(length - 1) > LENGTH_TOLERANCE:
            raise _FailedError(f"{self._model} gives a vector of length {length:.3f} for {what}, not 1. {_OTHER}")

    def repeatable(self) -> str:
        """Check that a text has the same vector twice."""
        for _, document in PAIRS:
            cosine = float(self.encoder.encode(document) @ self.encoder.encode(document))
            if cosine < SAME:
                raise _FailedError(
                    f"{self._model} gives another vector for the same text (cosine {cosine:.4f}). {_OTHER}"
                )
        return "the same text has the same vector"

    def padding(self) -> str:
        """Check that a text beside a longer one has the vector that it has alone."""
        short, long = PAIRS[0][1], UGLY[-1]
        alone = self.encoder.encode(short)
        self.together = float(alone @ self.encoder.encode_batch([short, long])[0])
        if not self.together >= TOGETHER:
            raise _FailedError(
                f"{self._model} gives a text beside a longer one another vector than alone "
                f"(cosine {self.together:.3f}). {_OTHER}"
            )
        return f"beside a longer text cosine {self.together:.4f}"

    def meaning(self) -> str:
        """Check that questions find their functions."""
        questions = np.stack([self.encoder.encode_query(question) for question, _ in PAIRS])
        documents = np.stack([self.encoder.encode(document) for _, document in PAIRS])
        cosines = questions @ documents.T
        first = int((cosines.argmax(axis=1) == np.arange(len(PAIRS))).sum())
        pairs = float(cosines.trace()) / len(PAIRS)
        strangers = float(cosines.sum() - cosines.trace()) / (len(PAIRS) * (len(PAIRS) - 1))
        margin = (pairs - strangers) / max(1 - strangers, 1e-6)
        figures = f"{first} of {len(PAIRS)} questions find their function, pairs {pairs:.2f}, others {strangers:.2f}"
        if first < RANKED_FIRST[self.encoder.card.kind] or margin < MARGIN:
            raise _FailedError(f"{self._model} does not tell what belongs together ({figures}). {_OTHER}")
        return figures

    def speed(self) -> str:
        """Time a long text; a figure and no verdict."""
        text = "value = total + count * 2\n" * TIMED_TOKENS  # cut to what the model reads
        tokens = min(TIMED_TOKENS, self.encoder.max_tokens)
        text = text[: tokens * 3]  # about 3 characters a token
        self.encoder.encode(text)
        times = []
        for _ in range(TIMED_ROUNDS):
            before = time.perf_counter()
            self.encoder.encode(text)
            times.append(time.perf_counter() - before)
        self.milliseconds = 1000 * sorted(times)[len(times) // 2]
        return f"{self.milliseconds:.1f} ms for {len(text)} characters"

    @property
    def _model(self) -> str:
        return f"The model {self.encoder.card.id} in {self.folder}"


class _JudgeRun:
    """The checks of a reranker."""

    together = 0.0  # nothing is read together

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.milliseconds = 0.0

    def plan(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """Name the checks."""
        yield "files", self.files
        yield "scores", self.scores
        yield "meaning", self.meaning
        yield "speed", self.speed

    def files(self) -> str:
        """Check digests, and the graph's inputs and outputs."""
        self.reranker = Reranker(self.folder)
        list(self.reranker.scores(PAIRS[0][0], [PAIRS[0][1]]))
        return f"{self.reranker.card.id}, digests right"

    def scores(self) -> str:
        """Check that odd texts have scores that are numbers, and the same ones twice."""
        for question in (PAIRS[0][0], *UGLY[:4]):
            scores = list(self.reranker.scores(question, UGLY))
            again = list(self.reranker.scores(question, UGLY))
            if not np.isfinite(scores).all():
                raise _FailedError(f"{self._model} gives a score that is not a number for {question[:30]!r}. {_OTHER}")
            if not np.allclose(scores, again, atol=1e-3):
                raise _FailedError(f"{self._model} gives another score for the same texts. {_OTHER}")
        return "odd texts have scores"

    def meaning(self) -> str:
        """Check that questions find their functions."""
        documents = [document for _, document in PAIRS]
        found = [np.argmax(list(self.reranker.scores(question, documents))) for question, _ in PAIRS]
        first = int((np.array(found) == np.arange(len(PAIRS))).sum())
        figures = f"{first} of {len(PAIRS)} questions find their function"
        if first < JUDGED_FIRST:
            raise _FailedError(f"{self._model} does not tell what belongs together ({figures}). {_OTHER}")
        return figures

    def speed(self) -> str:
        """Time a long document; a figure and no verdict."""
        times = []
        for number in range(TIMED_ROUNDS):
            text = f"value = total + count * {number}\n" * TIMED_TOKENS
            before = time.perf_counter()
            list(self.reranker.scores("add the count to the total", [text[: TIMED_TOKENS * 3]]))
            times.append(time.perf_counter() - before)
        self.milliseconds = 1000 * sorted(times)[len(times) // 2]
        return f"{self.milliseconds:.1f} ms for {TIMED_TOKENS * 3} characters"

    @property
    def _model(self) -> str:
        return f"The reranker {self.reranker.card.id} in {self.folder}"
