"""Tree: the judgement of one entry of a folder.

Takes a folder that was reached from the root and the name and status of what stands in it; says which folders are gone
into and why the rest is left out. Whoever walks a tree and whoever asks for one path ask here, so both hear the same.
Git's own files, secrets, links and their like, and what is too large stay out whatever the rules say. Then the first of
these that knows the entry decides: the user's setting and `.meaningignore`, the other ignore files, the defaults.
"""

import os
import stat
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from lsp_server.engine import ignore, skips
from lsp_server.engine.disk import odd_kind
from lsp_server.engine.ignore import Layers

# The entries that decide about the folder that they are in.
INTERESTING = ignore.NAMES | skips.MARK_NAMES


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder on the way of a walk."""

    path: str  # "" for the root, else closed by '/'
    absolute: str  # not closed by a separator
    layers: Layers  # until `open_folder` those of the folder above
    closed: str  # the reason why only what a `!` line names is taken from here; "" for an ordinary folder
    wanted: bool  # a `!` line named this folder


@dataclass(frozen=True, slots=True)
class Refusal:
    """A folder that is left out, and why."""

    path: str  # closed by '/'; not, if it is no folder at all
    reason: str


def step_into(parent: Folder, name: str) -> Folder | Refusal:
    """Judge a folder by its name, its neighbours and the ignore files above it."""
    path, absolute = parent.path + name, parent.absolute + os.sep + name
    closed_path = path + "/"
    forbidden = skips.forbidden_folder(name)
    if forbidden:
        return Refusal(closed_path, forbidden)
    layers = parent.layers
    word = ignore.last_word_on_folder(layers.chosen, name, path)
    if word is not None and not word.pattern.negated:
        return Refusal(closed_path, word.reason())
    if word is not None:
        return Folder(closed_path, absolute, layers, "", True)
    reason = parent.closed
    if not reason:
        word = ignore.last_word_on_folder(layers.general, name, path)
        reason = word.reason() if word is not None and not word.pattern.negated else skips.folder(name, absolute)
    if reason and not ignore.reaches_below(layers.chosen, path):
        return Refusal(closed_path, reason)
    return Folder(closed_path, absolute, layers, reason, False)


def open_folder(folder: Folder, names: Set[str]) -> Folder | Refusal:
    """Read what a folder says about itself: marks of a build or an environment, ignore files. The root has no marks."""
    closed = folder.closed
    marked = "" if folder.wanted or closed else skips.marked(names)
    if marked and not ignore.reaches_below(folder.layers.chosen, folder.path[:-1]):
        return Refusal(folder.path, marked)
    layers = ignore.enter(folder.layers, folder.absolute, folder.path, names)
    return Folder(folder.path, folder.absolute, layers, closed or marked, folder.wanted)


def left_out(parent: Folder, name: str, status: os.stat_result, most: int) -> str:
    """Give the reason why something that is no folder is left out, or ""; `most` is the largest size in bytes."""
    forbidden = skips.forbidden_file(name)
    if forbidden:
        return forbidden
    if not stat.S_ISREG(status.st_mode):
        return _odd(parent, name, status)
    if status.st_size > most:
        return too_large(most)
    path = parent.path + name
    word = ignore.last_word_on_file(parent.layers.chosen, name, path)
    if word is not None:
        return "" if word.pattern.negated else word.reason()
    if parent.closed:
        return parent.closed
    word = ignore.last_word_on_file(parent.layers.general, name, path)
    if word is not None and not word.pattern.negated:
        return word.reason()
    return skips.file(name)


def too_large(most: int) -> str:
    """Give the reason for a file over the limit."""
    return f"larger than {most:,} bytes"


def _odd(parent: Folder, name: str, status: os.stat_result) -> str:
    kind = odd_kind(status)
    if kind != "a link":
        return f"{kind}, not a plain file"
    link = Path(parent.absolute, name)
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a loop, until Python 3.13
        return "a link that leads nowhere"
    root = Path(parent.absolute[: len(parent.absolute) - len(parent.path)] or os.sep)
    if not target.is_relative_to(root):
        return "a link that leads out of the folder"
    return f"a link to {target.relative_to(root).as_posix()} (links are not followed)"


def names_at(absolute: str) -> set[str]:
    """Give the entries of a folder that decide about it, without listing it."""
    return {name for name in INTERESTING if os.path.lexists(absolute + os.sep + name)}
