"""Pair: one model for code and another for the sections of documentation, as one encoder.

Takes two encoders, gives vectors of both spaces beside each other: code stands in the first numbers, a section in those
behind, and a question in both. So their product is that of one model alone, and all that knows vectors (store, graph,
scan) knows nothing of two. Cosines of different models say different things: what the second one gives is stretched
and shifted to what the first one would have given, by questions whose answers are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lsp_server.engine.encoder import Encoder
from lsp_server.engine.remembered import Remembered

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECTION = "section "  # how the text of a section begins: see `text.describe`
# The last number of a section's vector, by which a question shifts its cosines. The smaller it is, the finer are the
# others in 8 bits; at .3 an error of .001 in a cosine.
SHIFT = 0.3
STRETCH = (0.2, 5.0)  # more or less than that is no model of meaning

# A question, and the sentence of a manual that answers it.
PROSE = (
    ("how do I install it", "Download the archive, unpack it into a folder of your choice and run the setup script."),
    ("what does it cost", "The program is free for private use; companies buy a licence for each seat."),
    ("my password is lost", "Choose Forgot password on the sign-in page, and a link to a new one arrives by mail."),
    (
        "change the language of the menus",
        "Under Preferences, Appearance, every label can be shown in French or German.",
    ),
    ("it does not start", "When nothing happens after a double click, look into the log file for the last error."),
    ("keep a copy of my data", "Backups are made nightly; the export command writes everything to one file."),
    ("which versions of the system are supported", "It runs on Windows 10 and newer, macOS 12, and current Linux."),
    ("who wrote this", "The authors are listed in the file CONTRIBUTORS, in the order of their first commit."),
)


class PairEncoder:
    """Two encoders as one. `memory` keeps what was measured of the pair."""

    def __init__(self, code: Encoder, docs: Encoder, memory: Remembered) -> None:
        self.code, self.docs = code, docs
        self.fingerprint = pair_fingerprint(code.fingerprint, docs.fingerprint)
        self.dim = pair_dims(code.dim, docs.dim)
        self.max_tokens = code.max_tokens
        key = f"pair | {self.fingerprint}"
        known = memory.get(key)
        if not known:
            known = compare(code, docs)
            memory.keep(key, known)
        self._stretch, self._offset = known["stretch"], known["offset"]

    def encode(self, text: str) -> NDArray[np.float32]:
        """Embed a document by the model for its kind: float32 [dim], unit length."""
        vector = np.zeros(self.dim, np.float32)
        if text.startswith(SECTION):
            vector[self.code.dim : -1] = self.docs.encode(text) * np.float32(np.sqrt(1 - SHIFT**2))
            vector[-1] = SHIFT
        else:
            vector[: self.code.dim] = self.code.encode(text)
        return vector

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed a question by both: float32 [dim], of no particular length; its products are cosines of the first."""
        vector = np.empty(self.dim, np.float32)
        vector[: self.code.dim] = self.code.encode_query(text)
        vector[self.code.dim : -1] = self.docs.encode_query(text) * np.float32(self._stretch / np.sqrt(1 - SHIFT**2))
        vector[-1] = self._offset / SHIFT
        return vector


def pair_fingerprint(code: str, docs: str) -> str:
    """Return the fingerprint of a pair, of which those of both models can be read."""
    return f"{code}+{docs}"


def pair_dims(code: int, docs: int) -> int:
    """Return the length of a pair's vectors."""
    return code + docs + 1


def compare(code: Encoder, docs: Encoder) -> dict[str, float]:
    """Return by what cosines of `docs` become those that `code` gives for prose: "stretch" times, "offset" more."""
    (right, wrong), (docs_right, docs_wrong) = _cosines(code), _cosines(docs)
    stretch = float(np.clip((right - wrong) / max(docs_right - docs_wrong, 1e-3), *STRETCH))
    return {"stretch": stretch, "offset": wrong - stretch * docs_wrong}


def _cosines(encoder: Encoder) -> tuple[float, float]:
    """Return the mean cosine of questions with their answers, and with those of others."""
    asked = np.stack([encoder.encode_query(question) for question, _ in PROSE])
    told = np.stack([encoder.encode(f"{SECTION}{answer}") for _, answer in PROSE])
    cosines, count = asked @ told.T, len(PROSE)
    right = float(cosines.trace()) / count
    return right, (float(cosines.sum()) - right * count) / (count * (count - 1))
