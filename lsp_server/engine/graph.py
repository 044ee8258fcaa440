"""Graph: an ONNX graph in ONNX Runtime, fed with what it asks for.

Takes a model's folder and rows of token ids, gives the wanted output as an array. The graph is asked and not the
catalogue: its inputs by name, type and shape, its outputs by name and rank. Threads may call at once: one session
serves all of them as fast as a session each, and the weights are in memory once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lsp_server.engine.card import GRAPH, POOLED, Card, ModelError
from lsp_server.engine.devices import Session
from lsp_server.engine.tokens import Tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

FED = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
# Inputs that a text alone leaves empty: a decoder's memory of earlier tokens, pictures and sounds of a model for all.
EMPTY = ("past_key_values.", "_features")
TYPES = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


class Graph:
    """A loaded graph. Raises ModelError if it cannot be loaded or wants what nobody can feed."""

    def __init__(self, folder: Path, card: Card, threads: int, device: str) -> None:
        self.path = folder / GRAPH
        self._pad_left = card.padding_side == "left"
        self._session = Session(self.path, device, threads)
        self._inputs = {node.name: node for node in self._session.get_inputs()}
        self._check_inputs()
        self._output = self._choose_output(card)

    @property
    def device(self) -> str:
        """What it really runs on now."""
        return self._session.device.id

    def run(self, rows: Sequence[Tokens]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Give the output for texts [texts, ...], and the mask int64 [texts, tokens] of what is no padding."""
        width = max(len(row.ids) for row in rows)
        ids, types, mask = (np.zeros((len(rows), width), np.int64) for _ in range(3))
        for number, row in enumerate(rows):
            place = slice(width - len(row.ids), None) if self._pad_left else slice(len(row.ids))
            ids[number, place], types[number, place] = row.ids, row.types
            mask[number, place] = [1] * (len(row.ids) - row.unseen) + [0] * row.unseen
        positions = np.maximum(mask.cumsum(axis=1) - 1, 0)
        feeds = dict(zip(FED, (ids, mask, types, positions), strict=True))
        wanted = {
            name: feeds[name].astype(TYPES[node.type], copy=False) if name in feeds else _empty(node, len(rows))
            for name, node in self._inputs.items()
        }
        output = self._session.run([self._output], wanted)[0]
        return np.asarray(output, dtype=np.float32), mask

    def _check_inputs(self) -> None:
        for name, node in self._inputs.items():
            known = name in FED or name.startswith(EMPTY[0]) or name.endswith(EMPTY[1])
            if not known or node.type not in TYPES:
                wanted = sorted(self._inputs) if not known else f"{name} as {node.type}"
                raise ModelError(
                    f"{self.path} wants inputs {wanted}; this program feeds {sorted(FED)}. Choose another model."
                )
        if "input_ids" not in self._inputs:
            raise ModelError(
                f"{self.path} wants inputs {sorted(self._inputs)} and no input_ids, so it does not read text. "
                "Choose another model."
            )

    def _choose_output(self, card: Card) -> str:
        """Take the card's; else the pooled vector; else the first with one vector per token; else the first.

        What compares token by token has no use for the pooled one.
        """
        ranks = {node.name: len(node.shape or ()) for node in self._session.get_outputs()}
        if card.output and card.output not in ranks:
            raise ModelError(
                f"{self.path} has no output {card.output!r}, it gives {', '.join(ranks)}. Correct output in model.toml."
            )
        if card.output:
            return card.output
        wanted = 2 if card.pooling == "in-graph" else 3
        fitting = [name for name, rank in ranks.items() if rank == wanted]
        return POOLED if POOLED in ranks and card.kind == "graph" else (fitting or list(ranks))[0]


def _empty(node: Any, count: int) -> NDArray[Any]:  # noqa: ANN401 (onnxruntime's NodeArg has no types)
    """Nothing, in the shape the graph asks for: past tokens per text, features for none."""
    sizes = [size if isinstance(size, int) else 0 for size in node.shape]
    if node.name.startswith(EMPTY[0]):
        sizes[0] = count
    return np.zeros(sizes, TYPES[node.type])
