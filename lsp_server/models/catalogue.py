"""The catalogue: every model and reranker that is known, and those that are left out, each with its facts.

Takes catalogue.toml, gives frozen dataclasses. Strict: a key that is unknown, missing or of the wrong type, an id that
appears twice, a rule that makes no sense is a CatalogueError that names the place. Nothing here looks at this machine,
downloads or chooses.
"""

from __future__ import annotations

import difflib
import functools
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from lsp_server.engine.card import CUTS, EMBEDDERS, POOLINGS, SIDES, Card
from lsp_server.engine.errors import EngineError

CATALOGUE = "catalogue.toml"
SCHEMA = 1
BUNDLED = "minilm-l6"
TIERS = range(8)
# How a graph calculates. Only int8 is in doubt: on x86 without VNNI it may be wrong, which int8-everywhere avoids (7
# bits, or pairs that cannot overflow). q4 and q8 hold small weights and calculate in float32; int8-static has its steps
# fixed when it is made, so that a text's vector does not depend on its neighbours, as it does with both int8 before.
ARITHMETICS = ("fp32", "fp16", "q8", "q4", "int8", "int8-everywhere", "int8-static")
DEPENDS_ON_NEIGHBOURS = ("int8", "int8-everywhere")
RERANKER_KINDS = ("late-interaction", "cross-encoder", "generative")
TRUST_GROUPS = frozenset(("identity", "recipe", "graph", "files"))
DOCUMENT_TOKENS = 512  # more is read by no model unless the catalogue says so: time and memory grow with it
QUERY_TOKENS = 256
BASE_MEMORY_MB = 60  # Python, ONNX Runtime, a tokenizer; with 1.2 times the weights, measured for the bundled model


class CatalogueError(EngineError):
    """The catalogue cannot be used, or has no such model; the text is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a repository."""

    path: str  # in the repository, with `/`; `*` at the end: all that begin so, to be listed
    bytes: int | None = None  # exact, where somebody has seen it
    sha256: str = ""  # 64 hex digits; "": nobody has seen it, the hub's own digest has to do

    @property
    def name(self) -> str:
        """What it is called in a model's folder. External data keeps its name, for the graph refers to it by that."""
        name = PurePosixPath(self.path).name
        return "model.onnx" if name.endswith(".onnx") else name


@dataclass(frozen=True, slots=True)
class Variant:
    """One form of a model's weights."""

    name: str
    arithmetic: str  # of ARITHMETICS
    files: tuple[File, ...]  # the graph or table first, then its data
    mb: float = 0  # about, of all files; 0: their bytes say it
    memory_mb: float = 0  # measured by somebody; 0: by the rule
    processors: tuple[str, ...] = ()  # "x86_64", "arm64"; none: all
    bundled: bool = False  # comes with the program
    forbidden: str = ""  # a reason: never to be used
    repo: str = ""  # where it is not the model's own
    revision: str = ""
    note: str = ""

    @property
    def disk_mb(self) -> float:
        """Megabytes on disk, without the tokenizer; 0 where nobody knows."""
        return self.mb or sum(file.bytes or 0 for file in self.files) / 1e6

    @property
    def ram_mb(self) -> float:
        """Megabytes of a process that has loaded it and embeds one text at a time; 0 where nobody knows."""
        return self.memory_mb or (BASE_MEMORY_MB + 1.2 * self.disk_mb if self.disk_mb else 0)

    @property
    def batch_safe(self) -> bool:
        """Whether a text's vector is the same alone and among others."""
        return self.arithmetic not in DEPENDS_ON_NEIGHBOURS


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another repository that holds the model."""

    repo: str
    revision: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What models and rerankers have in common."""

    id: str
    title: str
    source: str  # the original repository on the hub
    licence: str
    params_m: float  # millions of parameters
    working_params_m: float  # those outside the embedding table: what time goes with
    max_tokens: int  # that the model can read
    repo: str  # where the files are
    trust: Mapping[str, str]  # group of facts: "V", "T", "M", "U", or two of them
    variant: tuple[Variant, ...]
    tiers: tuple[int, ...] = ()  # none: known, never picked by itself
    licence_note: str = ""
    gated: bool = False  # the hub asks for an account that has accepted the terms
    official: bool = True  # the files come from the vendor, or from the hub's own ONNX community
    revision: str = ""  # full commit; "": nobody has pinned it
    revision_begins: str = ""  # where only the beginning was seen
    query_tokens: int = QUERY_TOKENS
    query_prefix: str = ""
    document_prefix: str = ""
    inputs: tuple[str, ...] = ()  # that the graph is said to want; the loader asks the graph itself
    tokenizer: File = File("tokenizer.json")
    more_files: tuple[str, ...] = ()
    min_onnxruntime: str = ""
    forbidden_providers: Mapping[str, str] = field(default_factory=dict)  # provider: reason
    avoided_providers: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    alternative: tuple[Alternative, ...] = ()

    @property
    def cost(self) -> float:
        """Computing time for a text, in that of the bundled model."""
        return self.working_params_m / 11.0

    @property
    def bundled(self) -> bool:
        """Whether it comes with the program."""
        return any(variant.bundled for variant in self.variant)

    @property
    def usable(self) -> tuple[Variant, ...]:
        """The variants that are not forbidden."""
        return tuple(variant for variant in self.variant if not variant.forbidden)

    def get(self, name: str) -> Variant:
        """Return the variant of that name. Raises CatalogueError, with the names there are."""
        for variant in self.variant:
            if variant.name == name:
                if variant.forbidden:
                    raise CatalogueError(f"{self.id} must not be used as {name}: {variant.forbidden}")
                return variant
        known = ", ".join(variant.name for variant in self.usable)
        raise CatalogueError(f"{self.id} has no variant {name!r}; there are {known}.")

    def place(self, variant: Variant) -> tuple[str, str]:
        """Return the repository of a variant, and its revision or "" where none is pinned."""
        return (variant.repo, variant.revision) if variant.repo else (self.repo, self.revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Entry):
    """A model that embeds."""

    dims: int
    pooling: str  # of POOLINGS
    kind: str = "graph"  # of EMBEDDERS
    truncations: tuple[int, ...] = ()  # to which a vector may be cut (Matryoshka)
    truncation_rule: str = "plain"  # of the card's CUTS: what comes before the cut
    store_dims: int = 0  # what to store where it is not `dims`
    document_tokens: int = DOCUMENT_TOKENS
    eos_token: str = ""  # must end a text: appended where the tokenizer does not
    padding_side: str = "right"
    output: str = ""  # of the graph; "": the loader chooses
    quality: Mapping[str, float] = field(default_factory=dict)  # coir, python: NDCG@10 in per cent

    def card(self, digests: Mapping[str, str]) -> Card:
        """Return what model.toml has to say in a folder with these files (name: SHA-256, hex)."""
        dims = self.store_dims or self.dims
        return Card(
            id=self.id,
            dims=dims,
            pooling=self.pooling,
            max_tokens=self.document_tokens,
            max_query_tokens=self.query_tokens,
            document_prefix=self.document_prefix,
            query_prefix=self.query_prefix,
            digests=digests,
            kind=self.kind,
            full_dims=self.dims if self.truncations else 0,
            truncations=self.truncations,
            cut=self.truncation_rule,
            eos_token=self.eos_token,
            padding_side=self.padding_side,
        )  # and no output: the loader looks at the graph, of which the catalogue may be mistaken


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranker(Entry):
    """A model that reorders what was found."""

    kind: str  # of RERANKER_KINDS
    token_dims: int = 0  # late interaction: the length of a token's vector
    expansion_token: str = ""  # late interaction: what a question is filled up with

    def card(self, digests: Mapping[str, str]) -> Card:
        """Return what model.toml has to say in a folder with these files (name: SHA-256, hex)."""
        return Card(
            id=self.id,
            dims=self.token_dims or 1,
            pooling="mean",  # of nothing: a vector for each token, or a score
            max_tokens=min(self.max_tokens, DOCUMENT_TOKENS),
            max_query_tokens=self.query_tokens,
            document_prefix=self.document_prefix,
            query_prefix=self.query_prefix,
            digests=digests,
            kind=self.kind,
            expansion_token=self.expansion_token,
        )


@dataclass(frozen=True, slots=True)
class Excluded:
    """Models that are known and left out."""

    sources: tuple[str, ...]
    licence: str
    why: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that is known of models."""

    schema: int
    checked: date
    model: tuple[Model, ...]
    reranker: tuple[Reranker, ...]
    excluded: tuple[Excluded, ...]

    def find(self, name: str) -> Model | Reranker:
        """Return the entry of that id, source or repository. Raises CatalogueError: left out and why, or near names."""
        wanted = name.strip().lower()
        entries: tuple[Model | Reranker, ...] = (*self.model, *self.reranker)
        for entry in entries:
            if wanted in (entry.id, entry.source.lower(), entry.repo.lower()):
                return entry
        for group in self.excluded:
            for source in group.sources:
                if wanted in (source.lower(), source.lower().rpartition("/")[2]):
                    raise CatalogueError(f"{source} is not offered ({group.licence}). {group.why}")
        known = {name.lower(): entry.id for entry in entries for name in (entry.id, entry.title, entry.source)}
        near = list(dict.fromkeys(known[key] for key in difflib.get_close_matches(wanted, known, n=6, cutoff=0.5)))[:3]
        hint = f"Did you mean {' or '.join(near)}?" if near else "'meaning-ls models' lists them."
        raise CatalogueError(f"There is no model {name!r} in the catalogue. {hint}")


def catalogue_path() -> Path:
    """Find the catalogue that comes with the program. Raises CatalogueError if the installation lacks it."""
    package = Path(__file__).resolve().parents[1]
    for home in (package, package.parent):  # in a wheel; in a checkout
        if (home / "models" / CATALOGUE).is_file():
            return home / "models" / CATALOGUE
    raise CatalogueError(f"The catalogue of models is missing from {package}. Reinstall meaning-ls.")


@functools.cache
def load_catalogue() -> Catalogue:
    """Return the catalogue that comes with the program; read once."""
    return read_catalogue(catalogue_path())


def read_catalogue(path: Path) -> Catalogue:
    """Read and check a catalogue. Raises CatalogueError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogueError(f"{path} cannot be read ({error}). Reinstall meaning-ls.") from error
    if table.get("schema") != SCHEMA:
        raise CatalogueError(f"{path} has schema {table.get('schema')}, this program reads {SCHEMA}.")
    try:
        catalogue = _read(Catalogue, table, "the file")
        _check(catalogue)
    except (TypeError, ValueError) as error:
        raise CatalogueError(f"{path}: {error}.") from error
    return catalogue


# ---------------------------------------------------------------- from tables to dataclasses
T = TypeVar("T")


def _read(kind: type[T], table: object, where: str) -> T:
    """Make a dataclass of a table. Raises TypeError or ValueError, saying what is wrong `where`."""
    if not isinstance(table, dict):
        raise TypeError(f"{where} must be a table")
    where = f"{where} {table['id']!r}" if isinstance(table.get("id"), str) else where
    known = {found.name: found for found in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(table) - set(known)):
        raise ValueError(f"{where} has the unknown key {unknown[0]!r}")
    for name, found in known.items():
        if found.default is MISSING and found.default_factory is MISSING and name not in table:
            raise ValueError(f"{where} lacks {name!r}")
    hints = typing.get_type_hints(kind)
    return kind(**{name: _value(hints[name], value, f"{where}, {name}") for name, value in table.items()})


def _value(hint: Any, value: object, where: str) -> object:  # noqa: ANN401 (a type hint is anything)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        if not isinstance(value, list):
            raise TypeError(f"{where} must be a list")
        return tuple(_value(inner[0], item, where) for item in value)
    if origin is Mapping:
        if not isinstance(value, dict):
            raise TypeError(f"{where} must be a table")
        return types.MappingProxyType({key: _value(inner[1], item, where) for key, item in value.items()})
    if origin is types.UnionType:  # a value that may be absent: here it is present
        return _value(inner[0], value, where)
    if hasattr(hint, "__dataclass_fields__"):
        return _read(hint, value, where)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise TypeError(f"{where} must be of type {hint.__name__}, not {type(value).__name__}")
    return value


# ---------------------------------------------------------------- what has to make sense
def _check(catalogue: Catalogue) -> None:
    """Raise ValueError at the first fact that contradicts another."""
    entries: Sequence[Entry] = (*catalogue.model, *catalogue.reranker)
    ids = [entry.id for entry in entries]
    for id in ids:
        _require(ids.count(id) == 1, f"the id {id!r} appears twice")
    for entry in entries:
        _check_entry(entry)
    for model in catalogue.model:
        _check_model(model)
    for reranker in catalogue.reranker:
        _require(reranker.kind in RERANKER_KINDS, f"{reranker.id}: kind must be one of {', '.join(RERANKER_KINDS)}")
        whole = reranker.kind != "late-interaction" or reranker.token_dims > 0
        _require(whole, f"{reranker.id}: late interaction needs token_dims")
    _require(BUNDLED in {model.id for model in catalogue.model if model.bundled}, f"{BUNDLED} must be there, bundled")


def _check_entry(entry: Entry) -> None:
    where = f"{entry.id}: "
    _require(all(tier in TIERS for tier in entry.tiers), f"{where}tiers go from {TIERS[0]} to {TIERS[-1]}")
    _require(set(entry.trust) == TRUST_GROUPS, f"{where}trust must be given for {', '.join(sorted(TRUST_GROUPS))}")
    marks = all(0 < len(marks) <= 2 and set(marks) <= set("VTMU") for marks in entry.trust.values())
    _require(marks, f"{where}a trust mark is one or two of V, T, M, U")
    _require(0 <= entry.working_params_m <= entry.params_m, f"{where}working_params_m is no part of params_m")
    _require(0 < entry.query_tokens <= entry.max_tokens, f"{where}query_tokens must be from 1 to max_tokens")
    _require(bool(entry.usable), f"{where}no variant may be used")
    names = [variant.name for variant in entry.variant]
    _require(len(set(names)) == len(names), f"{where}two variants have the same name")
    for variant in entry.variant:
        _check_variant(f"{where}variant {variant.name}", variant)


def _check_variant(where: str, variant: Variant) -> None:
    _require(variant.arithmetic in ARITHMETICS, f"{where}: arithmetic must be one of {', '.join(ARITHMETICS)}")
    _require(bool(variant.files), f"{where}: no files")
    _require(bool(variant.disk_mb or variant.forbidden), f"{where}: its size must be given, as bytes or mb")
    for file in variant.files:
        safe = not PurePosixPath(file.path).is_absolute() and ".." not in PurePosixPath(file.path).parts
        _require(safe and "\\" not in file.path, f"{where}: {file.path!r} is no path inside a repository")
        hex64 = len(file.sha256) == 64 and set(file.sha256) <= set("0123456789abcdef")
        _require(hex64 or not file.sha256, f"{where}: the sha256 of {file.path} has not 64 hex digits")


def _check_model(model: Model) -> None:
    where = f"{model.id}: "
    _require(model.kind in EMBEDDERS, f"{where}kind must be one of {', '.join(EMBEDDERS)}")
    _require(model.pooling in POOLINGS, f"{where}pooling must be one of {', '.join(POOLINGS)}")
    _require(model.padding_side in SIDES, f"{where}padding_side must be left or right")
    _require(all(0 < cut < model.dims for cut in model.truncations), f"{where}truncations must be less than dims")
    _require(model.truncation_rule in CUTS, f"{where}truncation_rule must be one of {', '.join(CUTS)}")
    stored = model.store_dims in (0, model.dims, *model.truncations)
    _require(stored, f"{where}store_dims must be dims or one of truncations")
    _require(0 < model.document_tokens <= model.max_tokens, f"{where}document_tokens must be from 1 to max_tokens")
    graph = model.variant[0].files[0].path.endswith(".onnx")
    _require(graph == (model.kind == "graph"), f"{where}a graph is an .onnx file, a static table is none")


def _require(held: bool, complaint: str) -> None:
    if not held:
        raise ValueError(complaint)
