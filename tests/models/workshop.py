"""Workshop: twins made once and exported once, and graphs that ask for more than our exporter's do."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import torch
import twins
from numpy.typing import NDArray
from transformers import AutoModel, DynamicCache

from lsp_server.engine.card import file_digest
from lsp_server.models.export import ExportOptions, export

torch.set_num_threads(1)  # two threads on a tiny model mostly wait for each other

TOLERANCE = 1e-4
TEXTS = (
    "def read_lines(path):\n    return path.read_text().splitlines()",
    "sort",
    "turn text into a date, whatever the format",
    "for each token: keep what is known " * 30,  # beyond every limit
    "naïve café 🦊 中文 x = y ** 2;",
)


def said(_: str) -> None:
    """Progress that nobody looks at."""


class Twins:
    """Makes each twin once, and ours of it in float32 once: writing a graph takes seconds."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def theirs(self, name: str) -> Path:
        folder = self.place / name
        return folder if folder.exists() else getattr(twins, name)(folder)

    def ours(self, name: str) -> Path:
        folder = self.place / f"{name}-ours"
        options = ExportOptions(precision="fp32", trust_remote_code=name == "jinabert")
        return folder if folder.exists() else export(str(self.theirs(name)), folder, options, said)

    def copy(self, name: str, place: Path) -> Path:
        return Path(shutil.copytree(self.ours(name), place / "copy"))


def nearness(ours: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    return float(np.abs(ours - others).max())


def change_card(folder: Path, *pairs: str) -> None:
    card = (folder / "model.toml").read_text(encoding="utf-8")
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in card
        card = card.replace(old, new)
    (folder / "model.toml").write_text(card, encoding="utf-8")


def trace(folder: Path, model: torch.nn.Module, inputs: dict[str, tuple[object, object]], outputs: list[str]) -> None:
    """Put the graph of `model` into a model's folder; `inputs` are examples, and their sizes that vary."""
    program = torch.onnx.export(
        model,
        tuple(example for example, _ in inputs.values()),
        input_names=list(inputs),
        output_names=outputs,
        dynamic_shapes=(tuple(sizes for _, sizes in inputs.values()),),
        opset_version=18,
        dynamo=True,
        verbose=False,
    )
    put_graph(folder, program.model_proto)


def put_graph(folder: Path, graph: onnx.ModelProto) -> None:
    old = file_digest(folder / "model.onnx")
    onnx.save(graph, folder / "model.onnx")
    change_card(folder, old, file_digest(folder / "model.onnx"))


TEXTS_, TOKENS, PAST = torch.export.Dim("texts"), torch.export.Dim("tokens"), torch.export.Dim("past")


class WithMemory(torch.nn.Module):
    """Qwen3 as a decoder is exported: it takes the keys and values of what came before."""

    def __init__(self, source: Path) -> None:
        super().__init__()
        self.model = AutoModel.from_pretrained(source, dtype=torch.float32)

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        ids, mask, positions, *past = given
        cache = DynamicCache()
        for layer in range(twins.LAYERS):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        found = self.model(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache)
        return found.last_hidden_state

    @staticmethod
    def inputs() -> dict[str, tuple[object, object]]:
        ones = torch.ones(2, 8, dtype=torch.int64)  # torch takes two inputs that are one tensor for one input
        memory = torch.zeros(2, 2, 3, 8)
        plain = {0: TEXTS_, 1: TOKENS}
        names = [f"past_key_values.{n}.{part}" for n in range(twins.LAYERS) for part in ("key", "value")]
        return {
            "input_ids": (ones, plain),
            "attention_mask": (torch.ones(2, 11, dtype=torch.int64), {0: TEXTS_, 1: torch.export.Dim("all")}),
            "position_ids": (ones.cumsum(1) - 1, plain),
            **{name: (memory.clone(), {0: TEXTS_, 2: PAST}) for name in names},
        }


class WithPictures(torch.nn.Module):
    """EmbeddingGemma 2 as exported for all it can read: features take the place of their tokens."""

    def __init__(self, source: Path) -> None:
        super().__init__()
        self.model = AutoModel.from_pretrained(source, dtype=torch.float32)

    def forward(self, *given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        ids, mask, *features = given
        state = self.model.embed_tokens(ids.clamp(min=0))  # tokens below 0 stand for pictures and sounds
        for token, some in zip((-1, -2, -3), features, strict=True):
            place = (ids == token).unsqueeze(-1)
            rows = torch.cat([some, torch.zeros(1, twins.WIDTH)])
            number = ((ids == token).flatten().cumsum(0).reshape(ids.shape) - 1).clamp(0, some.shape[0])
            state = torch.where(place, rows[number], state)
        hidden = self.model(inputs_embeds=state, attention_mask=mask).last_hidden_state
        present = mask.unsqueeze(-1).float()
        mean = (hidden * present).sum(1) / present.sum(1)
        return hidden, torch.nn.functional.normalize(mean, dim=-1)

    @staticmethod
    def inputs() -> dict[str, tuple[object, object]]:
        ones = torch.ones(2, 8, dtype=torch.int64)
        kinds = {
            f"{kind}_features": (torch.zeros(3, twins.WIDTH), {0: torch.export.Dim(f"{kind}s")})
            for kind in ("image", "video", "audio")
        }
        plain = {0: TEXTS_, 1: TOKENS}
        return {"input_ids": (ones, plain), "attention_mask": (ones.clone(), plain), **kinds}
