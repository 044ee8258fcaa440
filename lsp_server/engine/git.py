"""Git: which files differ from the last commit, asked of the git program.

Takes a root, gives paths. By plumbing that compares time stamps and never file contents, and with all transports shut:
a repository's own configuration could name programs that git would run (fsmonitor, filters, external diffs, lazy
fetches), and a folder that is opened must not run anything.
"""

import os
import subprocess
from pathlib import Path

GIT_SECONDS = 5.0  # a repository so large that it takes longer has no list of changed files

_QUIET = ("-c", "core.fsmonitor=false", "-c", "protocol.allow=never")
_SHUT = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none", "GIT_OPTIONAL_LOCKS": "0"}
_CHANGED = ("diff-index", "--name-only", "--relative", "-z", "HEAD", "--")
_UNTRACKED = ("ls-files", "-o", "--exclude-standard", "-z")


def marks(root: Path) -> tuple[Path, ...]:
    """Return the files of git that change when a commit, branch or stash is brought into the working tree.

    They are looked at, never read; where there is no git, there are none.
    """
    folder = root / ".git"
    try:
        if folder.is_file():  # a worktree or a submodule: "gitdir: <path>"
            text = folder.read_text("utf-8", "surrogateescape")[:4096]
            folder = root / text.removeprefix("gitdir:").strip()
    except (OSError, ValueError):
        return ()
    return (folder / "HEAD", folder / "index")


def changed_files(root: Path) -> frozenset[str]:
    """Return the files below `root` that differ from HEAD or are not tracked; none where there is no git."""
    paths: set[str] = set()
    for command in (_CHANGED, _UNTRACKED):
        try:
            done = subprocess.run(
                ["git", "-C", str(root), *_QUIET, *command],
                capture_output=True,
                env=os.environ | _SHUT,
                timeout=GIT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return frozenset()
        paths.update(name.decode("utf-8", "surrogateescape") for name in done.stdout.split(b"\0") if name)
    return frozenset(paths)
