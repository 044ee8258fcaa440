"""Repository: where git keeps what belongs to a work tree.

Takes the top of a work tree, gives git's folder for it. In a worktree or a submodule `.git` is a file that names a
folder elsewhere, and such a file comes with whatever is unpacked or cloned by other means than git. So the folder
counts only where it belongs to this work tree by its own word or by its place; of another one nothing but that word is
read, and no other machine is asked for one.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from lsp_server.engine.disk import read_plain

GIT = ".git"

_MAX_BYTES = 4096  # of git's files of one line: a path
_POINTER = "gitdir:"


@dataclass(frozen=True, slots=True)
class GitFolder:
    """git's folder for one work tree, and the one that all worktrees of the repository share (often the same)."""

    own: Path
    shared: Path


def is_top(folder: Path) -> bool:
    """Say whether a folder is the top of a work tree; in worktrees and submodules `.git` is a file."""
    dot = folder / GIT
    return dot.is_file() or (dot / "HEAD").is_file()


def git_folder(top: Path) -> GitFolder | None:
    """Return git's folder for the work tree `top`, whether it is there or not; None where it would be another's."""
    dot = top / GIT
    if not dot.is_file():
        return GitFolder(dot, dot)
    said = _line_of(dot).removeprefix(_POINTER).strip()
    if not said or "\0" in said or _is_share(said):
        return None
    own = Path(os.path.normpath(top / said))
    if _names(own, dot):
        shared = own.parent.parent  # gitrepository-layout(5); `commondir`, which says the same, might say anything
        return GitFolder(own, shared) if own.parent.name == "worktrees" and (shared / "HEAD").is_file() else None
    return GitFolder(own, own) if _is_of_submodule(own, top) and (own / "HEAD").is_file() else None


def _names(worktree: Path, dot: Path) -> bool:
    """Say whether git's folder for a worktree names the `.git` that it is for. What it names is not looked at."""
    said = _line_of(worktree / "gitdir")
    return bool(said) and _same(worktree / said, dot)


def _same(one: Path, other: Path) -> bool:
    known = {os.path.normcase(path) for path in (os.path.normpath(other), os.path.realpath(other))}
    return os.path.normcase(os.path.normpath(one)) in known


def _is_of_submodule(folder: Path, top: Path) -> bool:
    """Say whether a folder is where the repository around `top` keeps its submodules."""
    around = next((parent for parent in top.parents if is_top(parent)), None)
    git = git_folder(around) if around is not None else None
    if git is None:
        return False
    modules = git.own / "modules"
    return folder.is_relative_to(modules) and Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(modules))


def _is_share(path: str) -> bool:
    r"""Say whether a path names another machine, as `\\host\share` and `//host/share` do on Windows."""
    return len(path) > 1 and path[0] in "/\\" and path[1] in "/\\"


def _line_of(file: Path) -> str:
    """Return the text of one of git's files of one line, "" if it cannot be read."""
    try:
        return os.fsdecode(read_plain(str(file), _MAX_BYTES)[0]).strip()
    except OSError:
        return ""
