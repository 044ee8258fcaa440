"""Settings: what a user may choose in an editor (section `meaning`) or on the command line, under the same names.

Takes whatever JSON a client sends, gives a frozen `Settings` and one sentence for every value that was no good; such a
value's default is used. Knows no client and no engine beyond its options.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from lsp_server.engine.index import Options

SECTION = "meaning"
MAX_THREADS = 256
MIN_FILE_BYTES = 1_000  # below this nothing worth reading is left


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, each with its default."""

    model: str = "auto"
    device: str = "auto"
    threads: int = 0  # 0: half the cores
    exclude: tuple[str, ...] = ()
    max_file_bytes: int = 1_000_000
    cache_dir: str = ""
    memory_limit: int = 0  # megabytes, 0: none
    workspace_symbols: Literal["names", "names-and-meaning", "off"] = "names-and-meaning"
    index: Literal["auto", "off"] = "auto"
    docs_model: str = "auto"
    rerank: str = "off"
    trace: Literal["off", "messages", "verbose"] = "off"

    def options(self) -> Options:
        """Return the part that the engine asks for; when it changes, an index has to be opened again."""
        return Options(
            model=self.model,
            device=self.device,
            threads=self.threads,
            exclude=self.exclude,
            max_file_bytes=self.max_file_bytes,
            cache_dir=self.cache_dir,
            memory_limit=self.memory_limit,
            docs_model=self.docs_model,
            rerank=self.rerank,
        )


def from_options(options: Options) -> Settings:
    """Give the settings that hold when a client says nothing: those of the command line."""
    return Settings(
        model=options.model,
        device=options.device,
        threads=options.threads,
        exclude=options.exclude,
        max_file_bytes=options.max_file_bytes,
        cache_dir=options.cache_dir,
        memory_limit=options.memory_limit,
        docs_model=options.docs_model,
        rerank=options.rerank,
    )


def read_settings(raw: object, base: Settings) -> tuple[Settings, list[str]]:
    """Lay a client's settings over `base`.

    `raw` may be the section itself or an object that holds it under "meaning"; null and unknown names are passed over.
    Returns the settings and a sentence for each value that was no good.
    """
    if isinstance(raw, dict) and isinstance(raw.get(SECTION), dict):
        raw = raw[SECTION]
    if raw is None:
        return base, []
    if not isinstance(raw, dict):
        return base, [f"The settings of section {SECTION!r} must be an object; the defaults are used."]
    settings, troubles = base, []
    for name, (field, read) in _FIELDS.items():
        if raw.get(name) is None:
            continue
        try:
            settings = replace(settings, **{field: read(raw[name])})
        except ValueError as error:
            default = getattr(base, field)
            troubles.append(f"{SECTION}.{name}: {error}; {_shown(default)} is used instead.")
    return settings, troubles


def _shown(default: object) -> str:
    return "none" if default in ((), "") else repr(default)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("must be a list of strings")
    return tuple(value)


def _number(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return read


def _one_of(*choices: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(map(repr, choices))}")
        return str(value)

    return read


# The name on the wire and on the command line: our field and how it is read.
_FIELDS: dict[str, tuple[str, Callable[[object], Any]]] = {
    "model": ("model", _text),
    "device": ("device", _text),
    "threads": ("threads", _number(0, MAX_THREADS)),
    "exclude": ("exclude", _texts),
    "maxFileBytes": ("max_file_bytes", _number(MIN_FILE_BYTES, 2**40)),
    "cacheDir": ("cache_dir", _text),
    "memoryLimit": ("memory_limit", _number(0, 2**30)),
    "workspaceSymbols": ("workspace_symbols", _one_of("names", "names-and-meaning", "off")),
    "index": ("index", _one_of("auto", "off")),
    "docsModel": ("docs_model", _text),
    "rerank": ("rerank", _text),
    "trace": ("trace", _one_of("off", "messages", "verbose")),
}
NAMES = tuple(_FIELDS)
