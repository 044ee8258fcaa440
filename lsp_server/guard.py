"""Guard: which of a client's settings are taken, for some clients take them from the project that is open.

Takes settings as they were read and who may have written them, gives those that hold and a sentence for each that does
not. Whoever writes a project may not choose where our files lie, which folder is loaded as a model, or that text is
sent to a server. The command line may say all that; what the user alone writes may name folders outside of projects.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from enum import Enum
from pathlib import Path, PurePath

from lsp_server.engine.installed import is_bare, is_elsewhere
from lsp_server.settings import SECTION, Settings

# The setting: our field. The first comes first: models lie in the cache.
_GUARDED = {"cacheDir": "cache_dir", "model": "model", "docsModel": "docs_model", "rerank": "rerank"}
_OPTIONS = {"cacheDir": "--cache-dir", "docsModel": "--docs-model"}
_SHARES = ("\\\\", "//", "\\/", "/\\")  # how the name of another machine begins on Windows


class Author(Enum):
    """Who may have written settings."""

    USER = "user"
    ANYBODY = "anybody"  # a project, too


def guard(
    settings: Settings, base: Settings, author: Author, projects: Iterable[PurePath]
) -> tuple[Settings, list[str]]:
    """Lay over `base` what an author may choose of `settings`; `projects` are the folders that are open."""
    roots = [Path(os.path.realpath(root)) for root in projects]
    troubles = []
    for name, field in _GUARDED.items():
        wish, held = getattr(settings, field), getattr(base, field)
        if wish == held:
            continue
        trouble = _trouble(name, wish, settings.cache_dir, author, roots)
        if trouble or (not wish and author is Author.ANYBODY):  # "" is what many clients send for nothing
            settings = replace(settings, **{field: held})
        if trouble:
            used = repr(held) if held else "the user's own"
            troubles.append(
                f"{SECTION}.{name}: {wish} {trouble}; {used} is used instead. {_advice(name, wish, trouble)}"
            )
    return settings, troubles


_SERVER = "computes on a server, and no setting of an editor sends text there"


def _trouble(name: str, wish: str, cache_dir: str, author: Author, roots: list[Path]) -> str:
    if wish and (name == "cacheDir" or not is_bare(wish)):
        if author is Author.ANYBODY:
            return "is a folder, and settings that a project may bring along choose none"
        folder = Path(wish).expanduser()
        if not folder.is_absolute():
            return "is not a full path"
        # Another machine is not asked what its links lead to.
        place = Path(os.path.normpath(folder) if wish.startswith(_SHARES) else os.path.realpath(folder))
        if any(place.is_relative_to(root) for root in roots):
            return "lies in the project, which does not choose it"
    return _SERVER if name != "cacheDir" and is_elsewhere(wish, cache_dir) else ""


def _advice(name: str, wish: str, trouble: str) -> str:
    option = _OPTIONS.get(name, f"--{name}")
    if trouble == _SERVER:
        return f"To use it here: meaning-ls index {option} {wish}"
    return f"To use it all the same, start the server with {option} {wish}"
