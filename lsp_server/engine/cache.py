"""Cache: where a user's indexes lie, and which folder each of them belongs to.

Takes roots and the `cacheDir` setting, gives paths; makes folders that are readable by their owner alone. Beside the
indexes of all roots (`index-SCHEMA/NAME-DIGEST/`) lie what they share and the log. A program with another schema keeps
its indexes beside ours, so that two that are in use at once do not take them from each other. Reads and writes nothing
of an index but the note that names its root.
"""

import contextlib
import glob
import hashlib
import logging
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from lsp_server.engine.errors import StoreError

NAME_LENGTH = 40  # of a root's name in that of its index: for people who look into the cache, the digest tells apart

SCHEMA = 4  # of an index's files; raised when a program cannot read what the one before has written
UNUSED_SECONDS = 30 * 86_400.0  # after which the indexes of another schema are removed

_ROOT = "root"  # the file that names the root, for a digest does not
_TAG = "CACHEDIR.TAG"  # bford.info/cachedir: by it walks of ours and other people's backups leave a cache out
_TAG_TEXT = """Signature: 8a477f597d28d172789f06886806bc55
# This folder is a cache of meaning-ls: it may be deleted at any time, and is made again.
# What this file is for: https://bford.info/cachedir/
"""
_OURS = re.compile(  # what stands in `cache_home`
    r"index-\d+|paused|models|log|turn|measured\.json|offers\.json|vectors-\d+\.db(?:-wal|-shm|-journal)?|CACHEDIR\.TAG"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """One index of the cache. `root` is None where nothing says what it belongs to."""

    folder: Path
    root: Path | None
    bytes: int


def cache_home(cache_dir: str) -> Path:
    """Return the folder below which everything is kept; "" is the user's own cache."""
    if cache_dir:
        return Path(cache_dir).expanduser()
    return Path(platformdirs.user_cache_dir("meaning-ls", appauthor=False))


def config_home() -> Path:
    """Return the folder of what the user has set up for good; no setting moves it, so that no project can."""
    return Path(platformdirs.user_config_dir("meaning-ls", appauthor=False))


def index_folder(root: Path, cache_dir: str, rules: str = "") -> Path:
    """Return where the index of a resolved root lies, whether there is one or not.

    `rules` tells apart the indexes of one root that hold other files, see `files.Rules.key`.
    """
    name = _name(root) + (f"-{rules}" if rules else "")
    return cache_home(cache_dir) / f"index-{SCHEMA}" / name


def pause_mark(root: Path, cache_dir: str) -> Path:
    """Return the file that says that indexing of a root is paused, whatever the schema and the rules of an index."""
    return cache_home(cache_dir) / "paused" / _name(root)


def _name(root: Path) -> str:
    digest = hashlib.blake2b(str(root).encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
    return f"{root.name.encode('ascii', 'replace').decode().replace('?', '_')[:NAME_LENGTH]}-{digest}"


def make_private(folder: Path) -> None:
    """Make a folder that its owner alone can read, and the folders above it. Raises StoreError."""
    try:
        for part in (folder.parent, folder):
            part.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be made ({error.strerror}). Choose another place with --cache-dir."
        ) from error


def is_ours(path: Path, cache_dir: str) -> bool:
    """Return whether an absolute path is of something that we keep, wherever the cache lies. The disk is not asked."""
    try:
        inside = path.relative_to(cache_home(cache_dir).absolute()).parts
    except (ValueError, OSError):  # OSError: no current directory
        return False
    return not inside or bool(_OURS.fullmatch(inside[0]))


def _tag(home: Path) -> None:
    """Mark a cache as one, in case it lies in a folder that is indexed.

    A folder that holds other things beside ours is not marked, lest backups leave those out: the parts of ours are.
    """
    with contextlib.suppress(OSError):
        if (home / _TAG).exists():
            return
        alone = all(_OURS.fullmatch(part.name) for part in home.iterdir())
        for folder in [home] if alone else [part for part in home.iterdir() if _OURS.fullmatch(part.name)]:
            if folder.is_dir() and not (folder / _TAG).exists():
                (folder / _TAG).touch(mode=0o600)
                (folder / _TAG).write_text(_TAG_TEXT, "utf-8")


def siblings(root: Path, cache_dir: str) -> list[Path]:
    """Return the folders of all indexes of a root that we can read, by name."""
    home = cache_home(cache_dir) / f"index-{SCHEMA}"
    return sorted(folder for folder in home.glob(f"{glob.escape(_name(root))}*") if _root_of(folder) == root)


def note_root(folder: Path, root: Path) -> None:
    """Write down in an index's folder which root it belongs to, and in the cache that it is one."""
    note = folder / _ROOT
    make_way(note)
    _tag(folder.parent.parent)
    with contextlib.suppress(OSError):  # on a full disk the index still works; the next start tries again
        if not note.exists() or note.read_bytes() != os.fsencode(root):
            note.touch(mode=0o600)
            note.write_bytes(os.fsencode(root))


def make_way(*paths: Path) -> None:
    """Have these files of ours be readable and writable, or not there at all, as far as that is in our hands.

    A folder in the place of one is removed; permissions that one has lost are given back. Each is told in the log.
    """
    for path in paths:
        with contextlib.suppress(OSError):
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                shutil.rmtree(path)
                _log.warning("%s was a folder and is made anew", path)
            # Where the whole folder is not to be written, that is what its owner wants.
            elif stat.S_ISREG(mode) and not os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK):
                path.chmod(0o600)
                _log.warning("%s could not be read or written; its permissions are given back", path)


def kept_indexes(cache_dir: str) -> Iterator[Kept]:
    """Give every index of the cache, by name. Raises OSError when the cache cannot be read."""
    home = cache_home(cache_dir)
    if not home.is_dir():
        return
    for indexes in sorted(home.iterdir()):
        if indexes.name.startswith("index-") and indexes.is_dir() and not indexes.is_symlink():
            for folder in sorted(indexes.iterdir()):
                if folder.is_dir() and not folder.is_symlink():
                    yield Kept(folder, _root_of(folder), size_of(folder))


def sweep(cache_dir: str) -> None:
    """Remove the indexes of other schemas, and those of ours with rules of their own, that nobody used for long."""
    with contextlib.suppress(OSError):
        for kept in kept_indexes(cache_dir):
            if kept.root is None or kept.folder == index_folder(kept.root, cache_dir):  # not known as ours, or wanted
                continue
            used = max((file.stat().st_mtime for file in kept.folder.iterdir()), default=time.time())
            if time.time() - used > UNUSED_SECONDS:
                shutil.rmtree(kept.folder)
                _log.info("%s was not used for a month and is removed", kept.folder)


def size_of(folder: Path) -> int:
    """Return how many bytes the plain files of a folder have; those that go meanwhile have none."""
    total = 0
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                total += path.stat().st_size if path.is_file() else 0
    return total


def _root_of(folder: Path) -> Path | None:
    """Return what the note in an index says, if it is the right one: the folder's own name proves it."""
    try:
        root = Path(os.fsdecode((folder / _ROOT).read_bytes()))
    except (OSError, ValueError):
        return None
    name, rules = _name(root), folder.name.removeprefix(_name(root))
    return root if root.is_absolute() and folder.name.startswith(name) and rules[:1] in ("", "-") else None
