"""Export: a model of transformers or sentence-transformers becomes a folder that meaning-ls loads.

Takes an id on the hub or a folder, gives a folder with model.onnx in 8 bits, tokenizer.json, model.toml and REPORT.md.
The graph is compared with torch before and after quantisation, and the result is tested by the loader that ships; a
model that fails is not written, and nothing that exists is overwritten. Needs the extra `export` (torch, transformers,
onnx); this module is imported by nothing but its command.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import torch
import transformers
from numpy.typing import NDArray
from torch.nn import functional

from lsp_server.engine.card import CARD, GRAPH, TOKENIZER, Card, brief, card_text, file_digest
from lsp_server.engine.devices import CPU
from lsp_server.engine.encoder import PROBE, OnnxEncoder
from lsp_server.engine.graph import Graph
from lsp_server.engine.pooling import cut, pool, unit
from lsp_server.engine.tokens import Tokenizer, Tokens
from lsp_server.models.hub import whole_repository
from lsp_server.models.quantise import dynamic, weights_only, without_traces
from lsp_server.models.recipe import ExportError, Recipe, read_recipe
from lsp_server.models.selftest import PAIRS, self_test

PRECISIONS = ("auto", "int8", "q8", "fp32")
OPSET = 18
REPORT = "REPORT.md"
PROBE_SIZE = 32  # numbers of a vector, as in the bundled model's card
# Cosine of a graph's vectors to torch's over the sample: the least in float32, which differs by rounding alone, and the
# mean in 8 bits, where the bundled model has .994.
EXACT = 0.9999
GOOD = {"int8": 0.97, "q8": 0.99, "fp32": EXACT}
PROTOBUF_LIMIT = 2_000_000_000  # bytes that one file of the format holds; beyond, weights lie beside the graph
# What of a repository is not needed: other frameworks' weights, and ONNX files, of which we make our own.
IGNORED = ("*.onnx*", "onnx/*", "openvino/*", "*.h5", "*.msgpack", "*.ot", "*.gguf", "*.tflite", "coreml/*")
ACTIVATIONS = {
    "Identity": torch.nn.Identity,
    "Tanh": torch.nn.Tanh,
    "GELU": torch.nn.GELU,
    "ReLU": torch.nn.ReLU,
    "SiLU": torch.nn.SiLU,
}
SAMPLE = (*(text for pair in PAIRS for text in pair), PROBE, "x", "def f():\n\treturn 1\n" * 60)

# Progress bars and advice on their own behalf; what matters is said by `say`.
transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
logging.getLogger("torch.onnx").setLevel(logging.ERROR)

Say = Callable[[str], None]
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What the user says otherwise than the model's files; "" and 0: as they say."""

    id: str = ""
    precision: str = "auto"  # of PRECISIONS
    pooling: str = ""
    query_prefix: str | None = None
    document_prefix: str | None = None
    eos_token: str = ""
    max_tokens: int = 0
    dims: int = 0  # Matryoshka: to cut to
    trust_remote_code: bool = False
    revision: str = ""


def name_of(source: str) -> str:
    """Return the id of a model that is given none: the last part of its name, in what an id may be made of."""
    return re.sub(r"[^\w.-]+", "-", Path(source).expanduser().resolve().name.lower()).strip(".-") or "model"


def export(source: str, out: Path, options: ExportOptions, say: Say) -> Path:
    """Export a model to the folder `out`, which must not exist; `say` is told each step. Raises ExportError."""
    if out.exists():
        raise ExportError(f"{out} exists already. Remove it, or name another folder with --out.")
    folder = _fetch(source, options.revision, say)
    recipe = _adjusted(read_recipe(folder), options)
    if recipe.own_code and not options.trust_remote_code:
        raise ExportError(f"{source} brings Python code of its own. Read it, then repeat with --trust-remote-code.")
    say(f"Loading {source}")
    reference = Reference(folder, recipe)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as place:
        work = Path(place) / out.name
        work.mkdir()
        _write_tokenizer(folder, recipe, work)
        card = _card(source, recipe, options, reference)
        lines = _write_graph(work, card, reference, options.precision, say)
        _write_report(work, source, recipe, lines)
        work.rename(out)
    return out


def _fetch(source: str, revision: str, say: Say) -> Path:
    """Return the folder of a model: the user's own, or the hub's files in the hub's cache."""
    if Path(source).expanduser().is_dir():
        return Path(source).expanduser().resolve()
    say(f"Fetching {source}")
    return whole_repository(source, revision, IGNORED)


def _adjusted(recipe: Recipe, options: ExportOptions) -> Recipe:
    limit = min(recipe.max_tokens, options.max_tokens) if options.max_tokens else recipe.document_tokens
    return replace(
        recipe,
        pooling=options.pooling or recipe.pooling,
        query_prefix=recipe.query_prefix if options.query_prefix is None else options.query_prefix,
        document_prefix=recipe.document_prefix if options.document_prefix is None else options.document_prefix,
        eos_token=options.eos_token or recipe.eos_token,
        document_tokens=limit,
        query_tokens=min(recipe.query_tokens, limit) if options.max_tokens else recipe.query_tokens,
    )


# ---------------------------------------------------------------- the model in torch
class Reference(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    """A model in float32, and all that comes between its tokens and what our loader wants from a graph."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        kind = transformers.AutoModel
        if recipe.kind == "cross-encoder":
            kind = transformers.AutoModelForSequenceClassification
        try:
            self.model = kind.from_pretrained(folder, dtype=torch.float32, trust_remote_code=recipe.own_code).eval()
        except Exception as error:  # transformers raises whatever its parts raise
            raise ExportError(f"transformers cannot load {folder} ({brief(error)}).") from error
        self.model.config.use_cache = False
        self.dense = torch.nn.Sequential(*(_read_dense(folder / path) for path in recipe.dense))
        self.takes_types = recipe.kind == "cross-encoder" and _has_types(folder, recipe)
        self.in_graph = recipe.kind == "graph" and bool(recipe.dense)
        for parameter in self.parameters():
            parameter.requires_grad_(False)

    @property
    def inputs(self) -> list[str]:
        """Names of the graph's inputs."""
        return ["input_ids", "attention_mask", *(["token_type_ids"] if self.takes_types else [])]

    @property
    def output(self) -> str:
        """Name of the graph's output."""
        if self.recipe.kind == "cross-encoder":
            return "logits"
        return "sentence_embedding" if self.in_graph else "last_hidden_state"

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Give logits [n, labels], unit vectors [n, dims], or a vector for each token [n, tokens, dims]."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        found = self.model(input_ids=input_ids, attention_mask=attention_mask, **types)
        if self.recipe.kind == "cross-encoder":
            return found.logits
        hidden = found[0]
        if self.recipe.kind == "late-interaction":
            return functional.normalize(self.dense(hidden), dim=-1)
        if not self.in_graph:
            return hidden
        return functional.normalize(self.dense(pooled(hidden, attention_mask, self.recipe.pooling)), dim=-1)

    def run(self, rows: Sequence[Tokens]) -> list[Array]:
        """Give the output for each text, one at a time, without any padding."""
        with torch.inference_mode():
            results = []
            for row in rows:
                given = [torch.tensor([row.ids]), torch.ones(1, len(row.ids), dtype=torch.int64)]
                given += [torch.tensor([row.types])] if self.takes_types else []
                results.append(self(*given).numpy()[0])
            return results


def pooled(hidden: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Pool [n, tokens, dims] by [n, tokens] as engine/pooling.py does, inside the graph."""
    if pooling == "mean":
        present = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * present).sum(dim=1) / present.sum(dim=1)
    first = mask.argmax(dim=1)
    chosen = first if pooling == "cls" else first + mask.sum(dim=1) - 1
    return hidden.gather(1, chosen[:, None, None].expand(-1, 1, hidden.shape[-1])).squeeze(1)


def _read_dense(folder: Path) -> torch.nn.Module:
    """Read a linear layer of sentence-transformers (or PyLate), with its activation."""
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if (folder / "model.safetensors").is_file():
            weights = load_file(folder / "model.safetensors")
        else:
            weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
        activation = ACTIVATIONS[str(config.get("activation_function", "Identity")).rpartition(".")[2]]()
        layer = torch.nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
        layer.load_state_dict({name.removeprefix("linear."): weight.float() for name, weight in weights.items()})
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ExportError(f"{folder} is no linear layer that can be exported ({brief(error)}).") from error
    return torch.nn.Sequential(layer, activation)


# ---------------------------------------------------------------- the files
def _write_tokenizer(folder: Path, recipe: Recipe, work: Path) -> None:
    if (folder / TOKENIZER).is_file():
        shutil.copyfile(folder / TOKENIZER, work / TOKENIZER)
        return
    try:
        _read_tokenizer(folder, recipe).backend_tokenizer.save(str(work / TOKENIZER))
    except AttributeError as error:
        raise ExportError(f"The tokenizer of {folder} is Python code: it cannot be written as {TOKENIZER}.") from error


def _has_types(folder: Path, recipe: Recipe) -> bool:
    """Return whether the two texts of a pair are told apart by types: the tokenizer decides, not the model."""
    return "token_type_ids" in _read_tokenizer(folder, recipe).model_input_names


def _read_tokenizer(folder: Path, recipe: Recipe) -> transformers.PreTrainedTokenizerBase:
    try:
        return transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=recipe.own_code)
    except Exception as error:  # as above
        raise ExportError(f"transformers cannot load the tokenizer of {folder} ({brief(error)}).") from error


def _card(source: str, recipe: Recipe, options: ExportOptions, reference: Reference) -> Card:
    """Return the card, still without digests and probe."""
    output = reference.run([Tokens([1, 2, 3], [0, 0, 0])])[0]
    full = 1 if recipe.kind == "cross-encoder" else output.shape[-1]
    if recipe.kind == "cross-encoder" and output.shape != (1,):
        raise ExportError(f"{source} gives {output.size} scores for a pair; a reranker gives one.")
    if options.dims and not 4 <= options.dims <= full:
        raise ExportError(f"{source} gives {full} dimensions; --dims must be from 4 to {full}.")
    cut = bool(options.dims) and options.dims != full
    return Card(
        id=options.id or name_of(source),
        dims=options.dims or full,
        full_dims=full if cut else 0,
        truncations=(options.dims,) if cut else (),
        kind=recipe.kind,
        pooling="in-graph" if reference.in_graph else recipe.pooling,
        max_tokens=recipe.document_tokens,
        max_query_tokens=recipe.query_tokens,
        query_prefix=recipe.query_prefix,
        document_prefix=recipe.document_prefix,
        eos_token=recipe.eos_token,
        padding_side=recipe.padding_side,
        output=reference.output,
        expansion_token=recipe.expansion_token,
        skipped_tokens=recipe.skipped_tokens,
        digests={},
    )


def _write_graph(work: Path, card: Card, reference: Reference, precision: str, say: Say) -> list[str]:
    """Write the graph in the wanted precision and the card; give the report's lines."""
    say("Writing the graph")
    exact = without_traces(_trace(reference))
    rows = _rows(work, card)
    wanted = reference.run(rows)
    lines = []
    exact = save_graph(exact, work)
    least, mean = _compare(_run(work, card, rows), wanted, card)
    if least < EXACT:
        raise ExportError(f"The graph does not calculate what the model does (cosine {least:.4f}): it was not written.")
    lines.append(f"Cosine, float32 graph to torch: mean {mean:.6f}, least {least:.6f} ({len(rows)} texts).")
    for choice in _choices(precision, reference.recipe):
        if choice != "fp32":
            say(f"Rounding to 8 bits ({choice})")
            save_graph((dynamic if choice == "int8" else weights_only)(exact), work)
            least, mean = _compare(_run(work, card, rows), wanted, card)
            lines.append(f"Cosine, {choice} to torch: mean {mean:.5f}, least {least:.5f} ({len(rows)} texts).")
        if mean >= GOOD[choice]:
            break
    else:
        raise ExportError(f"Rounded to {choice} the vectors are too far off (cosine {mean:.3f}): use --precision fp32.")
    digests = {path.name: file_digest(path) for path in sorted(work.iterdir())}
    card = replace(card, digests=digests, probe=_probe(reference, work, card) if card.kind == "graph" else ())
    about = {"precision": choice, "licence": reference.recipe.licence}
    (work / CARD).write_text(card_text(card, about), encoding="utf-8")
    return [*lines, *_tested(work, card, say), *_files(work, digests)]


def _choices(precision: str, recipe: Recipe) -> tuple[str, ...]:
    """Return what to try, in this order, until one is near enough."""
    if precision != "auto":
        return (precision,)
    return ("q8",) if recipe.decoder else ("int8", "q8")


def _trace(reference: Reference) -> onnx.ModelProto:
    """Have torch write the graph, for any number of texts and tokens."""
    sizes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens")}
    given = tuple(torch.ones(2, 8, dtype=torch.int64) for _ in reference.inputs)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, on torch
            program = torch.onnx.export(
                reference,
                given,
                input_names=reference.inputs,
                output_names=[reference.output],
                dynamic_shapes=dict.fromkeys(reference.inputs, sizes),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        model: onnx.ModelProto = program.model_proto
    except Exception as error:  # torch's own, of many kinds
        raise ExportError(f"torch cannot write this model as a graph ({brief(error)}).") from error
    return model


def save_graph(model: onnx.ModelProto, work: Path) -> onnx.ModelProto:
    """Write a graph, and give it back whole: writing weights beside it takes them out of it."""
    data = work / f"{GRAPH}_data"
    data.unlink(missing_ok=True)
    if model.ByteSize() < PROTOBUF_LIMIT:
        onnx.save(model, work / GRAPH)
        return model
    onnx.save(model, work / GRAPH, save_as_external_data=True, location=data.name)
    return onnx.load(work / GRAPH)


def _rows(work: Path, card: Card) -> list[Tokens]:
    tokenizer = Tokenizer(work, card)
    if card.kind == "cross-encoder":
        return [tokenizer.pair(query, document) for query, document in PAIRS]
    return [tokenizer.document(text) for text in SAMPLE]


def _run(work: Path, card: Card, rows: Sequence[Tokens]) -> list[Array]:
    graph = Graph(work, card, os.cpu_count() or 1, CPU)
    return [graph.run([row])[0][0] for row in rows]


def _compare(some: Sequence[Array], others: Sequence[Array], card: Card) -> tuple[float, float]:
    """Return the least and the mean cosine of what is made of the outputs; of a reranker's scores, one over all."""
    if card.kind == "cross-encoder":
        some, others = [np.concatenate(some)], [np.concatenate(others)]
    pairs = zip(*([_finished(output, card) for output in outputs] for outputs in (some, others)), strict=True)
    cosines = [float(a @ b) / float(np.linalg.norm(a) * np.linalg.norm(b)) for a, b in pairs]
    return min(cosines), sum(cosines) / len(cosines)


def _finished(output: Array, card: Card) -> Array:
    """Return a text's vector [dims], or all that there is, flat."""
    if card.kind == "graph" and output.ndim == 2:
        output = pool(output[np.newaxis], np.ones((1, len(output)), np.int64), card.pooling)
    return output.ravel()


def _probe(reference: Reference, work: Path, card: Card) -> tuple[float, ...]:
    """Return how the vector of the loader's test text begins, calculated by torch."""
    vector = _finished(reference.run([Tokenizer(work, card).document(PROBE)])[0], card)
    return tuple(unit(cut(vector[np.newaxis], card.dims, card.cut))[0, :PROBE_SIZE].tolist())


def _tested(work: Path, card: Card, say: Say) -> list[str]:
    """Test the folder as it will be used. A model without meaning is told, not refused: the user asked for it."""
    if card.kind != "graph":
        return []
    say("Testing")
    OnnxEncoder(work)  # whatever is wrong with the folder is an error
    result = self_test(work)
    if not result.passed:
        say(result.complaint.replace(str(work), "here"))
    return [
        f"Self-test, {check.name}{'' if check.passed else ', FAILED'}: {check.finding.replace(str(work), 'here')}"
        for check in result.checks
    ]


def _files(work: Path, digests: Mapping[str, str]) -> list[str]:
    return [
        f"`{name}`: {(work / name).stat().st_size:,} bytes, SHA-256 `{digest}`." for name, digest in digests.items()
    ]


def _write_report(work: Path, source: str, recipe: Recipe, lines: Sequence[str]) -> None:
    named = {"Licence": recipe.licence, "Kind": recipe.kind, "Pooling": recipe.pooling}
    named |= {"Prefix of questions": repr(recipe.query_prefix), "Prefix of documents": repr(recipe.document_prefix)}
    named |= {"Tokens of a document": str(recipe.document_tokens), "Tokens of a question": str(recipe.query_tokens)}
    used = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "onnx", "onnxruntime"))
    name = source if not Path(source).exists() else Path(source).name
    text = [f"# {name}, exported for meaning-ls", "", *(f"- {key}: {value}." for key, value in named.items())]
    text += ["", "## Figures", "", *(f"- {line}" for line in lines), f"- Made with {used}."]
    if recipe.assumed:
        text += ["", "## Assumed", "", *(f"- {sentence}" for sentence in recipe.assumed)]
    (work / REPORT).write_text("\n".join([*text, ""]), encoding="utf-8")
