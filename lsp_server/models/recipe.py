"""Recipe: how a published model wants to be used, read from the files that lie beside its weights.

Takes a folder as transformers or sentence-transformers write it, gives a `Recipe`. What the files do not say is
assumed, and every assumption is named, for the report. Reads no weights and needs no library.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsp_server.engine.errors import EngineError
from lsp_server.models.catalogue import DOCUMENT_TOKENS, QUERY_TOKENS

POOLINGS = {"mean": "mean", "cls": "cls", "lasttoken": "last"}  # sentence-transformers' name: ours
OLD_POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
}
# Their activations do not bear 8 bits: cosines of .9 and less were seen with the usual dynamic quantisation.
DECODERS = ("qwen", "llama", "mistral", "gemma", "embedding_gemma", "phi", "gpt", "opt", "starcoder", "olmo", "smollm")
UNLIMITED = 1_000_000  # tokens: what tokenizers call "no limit" is more than that


class ExportError(EngineError):
    """A model that cannot be exported; the text is a sentence for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How texts become vectors."""

    kind: str  # of the card's kinds
    pooling: str
    max_tokens: int  # that the model can read
    document_tokens: int  # that are to be read
    query_tokens: int
    query_prefix: str
    document_prefix: str
    eos_token: str
    padding_side: str
    expansion_token: str
    skipped_tokens: tuple[str, ...]  # late interaction: those of a document that count for nothing
    decoder: bool
    dense: tuple[str, ...]  # folders of linear layers after pooling, or per token with late interaction
    licence: str
    own_code: bool  # the model brings Python code of its own
    assumed: tuple[str, ...]  # sentences


def read_recipe(folder: Path) -> Recipe:
    """Read what a model's folder says. Raises ExportError."""
    config = _json(folder / "config.json")
    if not config:
        raise ExportError(f"{folder} holds no config.json, so it is no model of transformers. Give another folder.")
    modules = _modules(folder)
    special = _json(folder / "config_sentence_transformers.json")
    tokens = _json(folder / "tokenizer_config.json")
    assumed: list[str] = []
    decoder = str(config.get("model_type", "")).startswith(DECODERS)
    kind = _kind(config, modules)
    limit = _limit(folder, config, tokens, assumed)
    query, document = _prefixes(special, kind)
    late = kind == "late-interaction"
    return Recipe(
        kind=kind,
        pooling=_pooling(folder, modules, decoder, assumed) if kind == "graph" else "mean",
        max_tokens=limit,
        document_tokens=min(limit, int(special.get("document_length", DOCUMENT_TOKENS)) if late else DOCUMENT_TOKENS),
        query_tokens=min(limit, int(special.get("query_length", QUERY_TOKENS)) if late else QUERY_TOKENS),
        query_prefix=query,
        document_prefix=document,
        eos_token=_token(tokens, "eos_token") if tokens.get("add_eos_token") else "",
        padding_side=str(tokens.get("padding_side", "right")),
        expansion_token=_expansion(folder, special, tokens) if late else "",
        skipped_tokens=tuple(map(str, special.get("skiplist_words", ()))) if late else (),
        decoder=decoder,
        dense=tuple(path for type, path in modules if type == "Dense"),
        licence=_licence(folder, assumed),
        own_code="auto_map" in config,
        assumed=tuple(assumed),
    )


def _kind(config: Mapping[str, Any], modules: list[tuple[str, str]]) -> str:
    types = [type for type, _ in modules]
    if "Pooling" in types:
        return "graph"
    if "Dense" in types:
        return "late-interaction"
    architectures = config.get("architectures") or [""]
    return "cross-encoder" if str(architectures[0]).endswith("ForSequenceClassification") else "graph"


def _modules(folder: Path) -> list[tuple[str, str]]:
    """Return sentence-transformers' modules in order, as (class, folder). Raises ExportError at one that is unknown."""
    listed = _json(folder / "modules.json", [])
    modules = [(str(module["type"]).rpartition(".")[2], str(module.get("path", ""))) for module in listed]
    for type, _ in modules:
        if type not in ("Transformer", "Pooling", "Dense", "Normalize"):
            raise ExportError(f"{folder} uses the module {type}, which cannot be exported. Choose another model.")
    return modules


def _pooling(folder: Path, modules: list[tuple[str, str]], decoder: bool, assumed: list[str]) -> str:
    places = [path for type, path in modules if type == "Pooling"]
    if not places:
        pooling = "last" if decoder else "mean"
        assumed.append(f"Its files do not say how to pool; '{pooling}' was assumed, --pooling says otherwise.")
        return pooling
    config = _json(folder / places[0] / "config.json")
    modes = config.get("pooling_mode") or [ours for theirs, ours in OLD_POOLINGS.items() if config.get(theirs)]
    modes = [modes] if isinstance(modes, str) else list(modes)
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise ExportError(f"{folder} pools by {' and '.join(modes) or 'nothing'}; known are {', '.join(POOLINGS)}.")
    if config.get("include_prompt") is False:
        raise ExportError(f"{folder} leaves the prompt out when it pools, which our loader does not do.")
    return POOLINGS[modes[0]]


def _limit(folder: Path, config: Mapping[str, Any], tokens: Mapping[str, Any], assumed: list[str]) -> int:
    text = config.get("text_config") or {}
    limits = (
        _json(folder / "sentence_bert_config.json").get("max_seq_length"),
        tokens.get("model_max_length"),
        *(each.get(key) for each in (config, text) for key in ("max_position_embeddings", "n_positions")),
    )
    known = [int(limit) for limit in limits if isinstance(limit, int | float) and 4 <= limit < UNLIMITED]
    if not known:
        assumed.append(f"Its files do not say how much it reads; {DOCUMENT_TOKENS} tokens were assumed.")
    return min(known, default=DOCUMENT_TOKENS)


def _prefixes(special: Mapping[str, Any], kind: str) -> tuple[str, str]:
    """Return the prefixes of questions and of documents."""
    if kind == "late-interaction":
        return str(special.get("query_prefix", "")), str(special.get("document_prefix", ""))
    prompts = special.get("prompts") or {}
    query = prompts.get("query", prompts.get("search_query", ""))
    document = prompts.get("document", prompts.get("passage", prompts.get("search_document", "")))
    return str(query or ""), str(document or "")


def _expansion(folder: Path, special: Mapping[str, Any], tokens: Mapping[str, Any]) -> str:
    """Return what a question of late interaction is filled up with, "" for nothing."""
    if not special.get("do_query_expansion"):
        return ""
    if special.get("attend_to_expansion_tokens"):
        raise ExportError(f"{folder} reads the tokens that fill up a question, which our loader does not do.")
    return _token(tokens, "mask_token")


def _token(tokens: Mapping[str, Any], name: str) -> str:
    token = tokens.get(name) or ""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token)


def _licence(folder: Path, assumed: list[str]) -> str:
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    found = re.search(r"\A---\n.*?^license:\s*(\S+)", text, re.DOTALL | re.MULTILINE)
    if not found:
        assumed.append("Its files name no licence: find out whether you may use it.")
    return found[1] if found else "unknown"


def _json(path: Path, absent: Any = None) -> Any:  # noqa: ANN401 (JSON is anything)
    if not path.is_file():
        return {} if absent is None else absent
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} cannot be read ({error}). Fetch the model again.") from error
