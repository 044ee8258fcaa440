"""Download: a model's files, into a folder of their own.

Takes the hub's Listing and a folder, gives Progress while files arrive. A file is begun under another name, goes on
where an earlier run stopped, and gets its own name only when size and digest are right, so that one that was
interrupted or changed is never used. Nothing is installed or loaded here. Closing the generator cancels; what has
arrived stays for the next time.
"""

import contextlib
import hashlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lsp_server.models.hub import DownloadError, Interrupted, Listing, Remote, receive

TRIES = 5  # to reach the hub without a single new byte arriving in between
WAITS = (0.5, 1.0, 2.0, 4.0)  # seconds between them
LONGEST_WAIT = 60.0  # seconds that the hub may ask for; more is told instead of waited for
SPARE_BYTES = 200_000_000  # to leave free on the disk: a full one harms more than us


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is."""

    done: int  # bytes, those of earlier runs too
    total: int
    note: str = ""  # for people, while something else than bytes is waited for


def fetch(listing: Listing, folder: Path) -> Iterator[Progress]:
    """Bring the files into `folder`; what lies there of an earlier run is used. Raises DownloadError.

    The disk is looked at first: a download that cannot end is not begun.
    """
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _drop_strangers(listing, folder)
        there = sum(_size(folder / file.part) or _size(folder / file.name) for file in listing.files)
        _check_space(listing, folder, listing.size - there)
        done = 0
        for file in listing.files:
            for progress in _fetch_one(listing, file, folder):
                yield Progress(done + progress.done, listing.size, progress.note)
            done += file.size
        yield Progress(listing.size, listing.size)


def digests(listing: Listing, folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each fetched file by its name."""
    return {file.name: _sha256(folder / file.name) for file in listing.files}


def _drop_strangers(listing: Listing, folder: Path) -> None:
    """Remove what is left of other versions: it would only fill the disk."""
    known = {name for file in listing.files for name in (file.name, file.part)}
    for path in folder.iterdir():
        if path.name not in known and path.is_file():
            path.unlink()


def _check_space(listing: Listing, folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        raise DownloadError(
            f"{listing.id} needs {needed / 1e6:,.0f} MB more in {folder}, and {free / 1e6:,.0f} MB are free there "
            f"({SPARE_BYTES / 1e6:.0f} are left alone). Make room, or choose another place with --cache-dir."
        )


def _fetch_one(listing: Listing, file: Remote, folder: Path) -> Iterator[Progress]:
    """Bring one file; Progress counts its own bytes."""
    whole, part = folder / file.name, folder / file.part
    if whole.exists() and not _wrong(whole, file):
        return
    failures, farthest = 0, _size(part)
    while _size(part) < file.size or not part.exists():
        yield Progress(_size(part), file.size)
        try:
            for done in _append(listing, file, part):
                if done > farthest:  # what was there before and came again is no step forward
                    failures, farthest = 0, done
                yield Progress(done, file.size)
            if _size(part) < file.size:
                raise Interrupted("the connection ended early")
        except Interrupted as trouble:
            failures += 1
            if failures == TRIES:
                raise DownloadError(
                    f"{listing.repo} could not be fetched: {trouble}, {TRIES} times. Try again later: what is there "
                    f"stays, and 'meaning-ls models pull {listing.id}' goes on from it."
                ) from trouble
            yield from _wait(trouble.seconds or WAITS[failures - 1], Progress(_size(part), file.size, f"{trouble}"))
    if wrong := _wrong(part, file):
        part.unlink()
        raise DownloadError(
            f"{file.path} of {listing.repo} arrived wrong ({wrong}) and was removed. Try again; if it happens again, "
            "something between here and the hub changes files."
        )
    part.replace(whole)


def _append(listing: Listing, file: Remote, part: Path) -> Iterator[int]:
    """Append to `part` what one request gives; yields how many bytes are there."""
    with part.open("ab") as out:
        if out.tell() > file.size:
            out.truncate(0)
        for chunk in receive(listing, file, out.tell()):
            if not chunk:
                out.truncate(0)
                out.seek(0)
            out.write(chunk)
            yield out.tell()
            if out.tell() > file.size:
                break  # more than the hub lists: the digest cannot be right


def _wait(seconds: float, progress: Progress) -> Iterator[Progress]:
    """Wait in short steps, so that a cancel is heeded."""
    if seconds > LONGEST_WAIT:
        raise DownloadError(
            f"The hub asks to wait {seconds:,.0f} seconds ({progress.note}). Try again later: what is there stays."
        )
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        yield progress
        time.sleep(min(0.1, left))


def _wrong(path: Path, file: Remote) -> str:
    """Say what is wrong with a whole file; "" when it is what the hub lists."""
    if _size(path) != file.size:
        return f"{_size(path):,} bytes instead of {file.size:,}"
    if file.sha256:
        return "" if _sha256(path) == file.sha256 else "SHA-256 differs"
    return "" if _git_digest(path) == file.blob else "git's digest differs"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_digest(path: Path) -> str:
    """Return git's name of a file's content (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects)."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DownloadError(
            f"{folder} cannot be written ({error.strerror or error}). What was installed before is untouched. "
            "Make room, or choose another place with --cache-dir."
        ) from error
