"""Git: which files differ from the last commit, asked of the git program.

Takes a root, gives paths. A folder that is opened must not run anything, and a repository's own configuration names
programs: fsmonitor, filters, hooks, external diffs, lazy fetches, and all of them once more in each submodule. So git
is asked by plumbing, with all transports shut, submodules passed over and every configured filter switched off: of a
file as old as git's index the content is compared, and that goes through the filters. Where one cannot be switched off,
and where `.git` leads to a folder that knows nothing of the work tree, git is not asked at all.
"""

import os
import shutil
import subprocess
from pathlib import Path

from lsp_server.engine.repository import git_folder, is_top

GIT_SECONDS = 5.0  # a repository so large that it takes longer has no list of changed files

_QUIET = ("-c", "core.fsmonitor=false", "-c", "protocol.allow=never")
_SHUT = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none", "GIT_OPTIONAL_LOCKS": "0"}
_FILTERS = ("config", "-z", "--name-only", "--get-regexp", r"^filter\.")
_CHANGED = ("diff-index", "--ignore-submodules=all", "--name-only", "--relative", "-z", "HEAD", "--")
_UNTRACKED = ("ls-files", "-o", "--exclude-standard", "-z")
_NONE_FOUND = 1  # exit code of `git config`


def marks(root: Path) -> tuple[Path, ...]:
    """Return the files of git that change when a commit, branch or stash is brought into the working tree.

    They are looked at, never read; where there is no git, there are none.
    """
    folder = git_folder(root)
    return () if folder is None else (folder.own / "HEAD", folder.own / "index")


def changed_files(root: Path) -> frozenset[str]:
    """Return the files below `root` that differ from HEAD or are not tracked; none where there is no git."""
    top = next((folder for folder in (root, *root.parents) if is_top(folder)), None)
    if top is None or git_folder(top) is None:
        return frozenset()
    program = _program()
    try:
        filters = _ask(program, root, _FILTERS)
        names = _names(filters.stdout)
        # git takes what stands before the first "=" for the name: such a filter would stay as it is.
        if filters.returncode not in (0, _NONE_FOUND) or any("=" in name for name in names):
            return frozenset()
        off = [word for name in names for word in ("-c", _switched_off(name))]
        asked = [_ask(program, root, (*off, *command)) for command in (_CHANGED, _UNTRACKED)]
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return frozenset()
    return frozenset(name for done in asked for name in _names(done.stdout))


def _program() -> str:
    """Return the git on the PATH; not one in the current folder, which may be somebody else's. "" for none."""
    places = [place for place in os.get_exec_path() if Path(place).is_absolute()]
    found = shutil.which("git", path=os.pathsep.join(places)) or ""
    return found if Path(found).is_absolute() else ""  # Windows looks into the current folder whatever the path says


def _ask(program: str, root: Path, words: tuple[str, ...]) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [program, "-C", str(root), *_QUIET, *words],
        capture_output=True,
        env=os.environ | _SHUT,
        timeout=GIT_SECONDS,
        check=False,
    )


def _switched_off(name: str) -> str:
    """Return a setting of a filter as it is when the filter does nothing."""
    return f"{name}={'false' if name.endswith('.required') else ''}"


def _names(output: bytes) -> list[str]:
    return [name.decode("utf-8", "surrogateescape") for name in output.split(b"\0") if name]
