"""Cache: where a user's indexes lie, and which folder each of them belongs to.

Takes roots and the `cacheDir` setting, gives paths; makes folders that are readable by their owner alone. Beside the
indexes of all roots (`index/NAME-DIGEST/`) lie what they share and the log. Reads and writes nothing of an index but
the note that names its root.
"""

import contextlib
import hashlib
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from lsp_server.engine.errors import StoreError

NAME_LENGTH = 40  # of a root's name in that of its index: for people who look into the cache, the digest tells apart

_ROOT = "root"  # the file that names the root, for a digest does not

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


def index_folder(root: Path, cache_dir: str) -> Path:
    """Return where the index of a resolved root lies, whether there is one or not."""
    digest = hashlib.blake2b(str(root).encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
    name = root.name.encode("ascii", "replace").decode().replace("?", "_")[:NAME_LENGTH]
    return cache_home(cache_dir) / "index" / f"{name}-{digest}"


def make_index_folder(root: Path, cache_dir: str) -> Path:
    """Make and return the folder of this root's index: readable by its owner alone. Raises StoreError."""
    folder = index_folder(root, cache_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be made ({error.strerror}). Choose another place with --cache-dir."
        ) from error
    note = folder / _ROOT
    make_way(note)
    with contextlib.suppress(OSError):  # on a full disk the index still works; the next start tries again
        if not note.exists() or note.read_bytes() != os.fsencode(root):
            note.touch(mode=0o600)
            note.write_bytes(os.fsencode(root))
    return folder


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
    home = cache_home(cache_dir) / "index"
    if not home.is_dir():
        return
    for folder in sorted(home.iterdir()):
        if folder.is_dir() and not folder.is_symlink():
            yield Kept(folder, _root_of(folder), size_of(folder))


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
    return root if root.is_absolute() and index_folder(root, "").name == folder.name else None
