"""Cache: what is kept for this user, which folder each index belongs to, and who may read it.

Takes the `cacheDir` setting, gives checks. Removes nothing.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lsp_server.doctor.report import Check, counted, listed, megabytes
from lsp_server.engine.cache import Kept, cache_home, kept_indexes
from lsp_server.engine.vector_cache import NAME as VECTORS

SHOWN = 5  # rows of each kind; JSON has them all


def check_cache(cache_dir: str) -> Iterator[Check]:
    """Look at everything that is kept."""
    home = cache_home(cache_dir)
    try:
        kept = sorted(kept_indexes(cache_dir), key=lambda each: -each.bytes)
    except OSError as error:
        yield Check("cache", "fail", f"{home} cannot be read ({error.strerror})", (), (_rights(home),))
        return
    yield _sizes(home, kept)
    if os.name != "nt":  # there, what lies in a user's profile is the user's alone
        yield _permissions(home, kept)


def _sizes(home: Path, kept: list[Kept]) -> Check:
    orphans = [each for each in kept if each.root is not None and not each.root.is_dir()]
    shared = _size(home / VECTORS)
    total = sum(each.bytes for each in kept) + shared
    details = {
        "path": str(home),
        "bytes": total,
        "sharedVectorsBytes": shared,
        "indexes": [
            {
                "folder": str(each.folder),
                "root": str(each.root) if each.root else None,
                "bytes": each.bytes,
                "orphaned": each in orphans,
            }
            for each in kept
        ],
    }
    summary = f"{megabytes(total)} in {home}: {counted(len(kept), 'index', 'indexes')}"
    summary += f", vectors shared by all {megabytes(shared)}" if shared else ""
    rows = [f"{megabytes(each.bytes):>9}  {each.root or f'unknown ({each.folder.name})'}" for each in kept]
    remedies = [
        f"{each.root} is gone. If for good, delete {each.folder} ({megabytes(each.bytes)})." for each in orphans
    ]
    return Check("cache", "ok", summary, listed(rows, SHOWN), listed(remedies, SHOWN), details)


def _size(path: Path) -> int:
    return sum(_plain_size(path.with_name(path.name + suffix)) for suffix in ("", "-wal"))


def _plain_size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _permissions(home: Path, kept: list[Kept]) -> Check:
    foreign, exposed = [], []
    for path in (home, home / VECTORS, home / "log", *(each.folder for each in kept)):
        with suppress(OSError):
            status = path.lstat()
            if status.st_uid != os.geteuid():
                foreign.append(str(path))
            # The home itself holds names alone; whoever may not enter a folder cannot read what is in it.
            elif path != home and stat.S_IMODE(status.st_mode) & 0o077 and not _is_shut(path.parent):
                exposed.append(str(path))
    details = {"foreign": foreign, "exposed": exposed}
    if not foreign and not exposed:
        return Check("permissions", "ok", "readable by you alone", (), (), details)
    remedies = [f"chmod -R go= '{path}'   (others may read what is indexed there)" for path in exposed]
    remedies += [f"sudo chown -R {os.geteuid()} '{path}'   (it belongs to another user)" for path in foreign]
    summary = f"{len(exposed)} can be read by others, {len(foreign)} belong to others"
    return Check("permissions", "fail", summary, (), listed(remedies, SHOWN), details)


def _is_shut(folder: Path) -> bool:
    with suppress(OSError):
        return not stat.S_IMODE(folder.stat().st_mode) & 0o077
    return False


def _rights(home: Path) -> str:
    return f"Give yourself the right to read {home}, or choose another place with --cache-dir (meaning.cacheDir)."
