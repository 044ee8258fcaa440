"""Hub: what the Hugging Face hub lists and gives, and what it says in sentences for the user.

Takes a model of the catalogue, gives the Listing of its files (one request); takes a file of it, gives its bytes from
some place on. huggingface_hub does the talking and heeds HTTPS_PROXY, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE; it is
imported when something is asked and not before. Its own hf_hub_download is not used: since version 1.20 or so it begins
a file anew that was interrupted. No telemetry is sent.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lsp_server import __version__
from lsp_server.engine.card import brief
from lsp_server.engine.errors import EngineError
from lsp_server.models.catalogue import Entry, File, Variant

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

# Read when the library is imported: it would tell the hub of the machine, and ask it which agents there are.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

TIMEOUT = 15.0  # seconds without a byte
_BUSY = frozenset((408, 429, 500, 502, 503, 504))


class DownloadError(EngineError):
    """A model's files cannot be had; the text is a sentence for the user. Nothing that was there is touched."""


class Interrupted(Exception):
    """Trouble that may pass; the text says what it was, `seconds` how long the hub asks to wait."""

    def __init__(self, said: str, seconds: float = 0) -> None:
        super().__init__(said)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Remote:
    """A file as the hub lists it."""

    path: str  # in the repository
    name: str  # in the model's folder
    size: int  # bytes
    sha256: str  # 64 hex digits, or "" for small files, of which the hub knows git's digest alone
    blob: str  # 40 hex digits: git's SHA-1

    @property
    def part(self) -> str:
        """The name while it is incomplete; another version of the file has another one."""
        return f"{self.name}.{(self.sha256 or self.blob)[:16]}.part"


@dataclass(frozen=True, slots=True)
class Listing:
    """What is to be fetched: files of one commit of a repository."""

    id: str
    variant: str
    repo: str
    commit: str
    files: tuple[Remote, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def look_up(entry: Entry, variant: Variant) -> Listing:
    """Ask the hub for the files of a model's variant: one request. Raises DownloadError."""
    from huggingface_hub import HfApi

    repo, revision = entry.place(variant)
    hub = HfApi(_endpoint(), library_name="meaning-ls", library_version=__version__)
    try:
        with _told(repo):
            info = hub.model_info(repo, revision=revision or None, files_metadata=True, timeout=TIMEOUT)
    except Interrupted as trouble:
        raise DownloadError(
            f"The hub at {_endpoint()} cannot be asked for {repo} ({trouble}). Check the connection, HTTPS_PROXY and "
            "HF_ENDPOINT, and try again; without a network the model that comes with meaning-ls does its work."
        ) from trouble
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # what huggingface_hub makes of another page
        raise _not_a_hub(error) from error
    listed = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    files: dict[str, Remote] = {}
    for wanted in (*variant.files, entry.tokenizer, *(File(path) for path in entry.more_files)):
        paths = sorted(path for path in listed if _matches(path, wanted.path))
        if not paths:
            raise DownloadError(
                f"{repo} holds no {wanted.path} at {info.sha}: the catalogue and the hub disagree. "
                "Update meaning-ls, or choose another model."
            )
        for path in paths:
            found = listed[path]
            digest = found.lfs.sha256 if found.lfs else ""
            if wanted.sha256 and digest and wanted.sha256 != digest:
                raise DownloadError(
                    f"{path} of {repo} is not the file that the catalogue knows (SHA-256 differs): somebody changed "
                    "it. Nothing is downloaded. Update meaning-ls, or choose another model."
                )
            name = File(path).name
            files[name] = Remote(path, name, found.size or 0, wanted.sha256 or digest, found.blob_id or "")
    return Listing(entry.id, variant.name, repo, info.sha or revision, tuple(files.values()))


def _matches(path: str, wanted: str) -> bool:
    return path.startswith(wanted[:-1]) if wanted.endswith("*") else path == wanted


def receive(listing: Listing, file: Remote, start: int) -> Iterator[bytes]:
    """Give the bytes of a file from `start` on; before them b"" if the hub begins at 0 whatever was asked for.

    Raises DownloadError, or Interrupted where trying again makes sense.
    """
    from huggingface_hub import get_session, get_token, hf_hub_url, hf_raise_for_status

    url = hf_hub_url(listing.repo, file.path, revision=listing.commit, endpoint=_endpoint())
    # identity: the rest of a compressed file cannot be asked for
    headers = {"user-agent": f"meaning-ls/{__version__}", "accept-encoding": "identity"}
    if token := get_token():
        headers["authorization"] = f"Bearer {token}"  # httpx drops it when the hub sends us to another host
    if start:
        headers["range"] = f"bytes={start}-"
    with (
        _told(listing.repo, file.path),
        get_session().stream("GET", url, headers=headers, timeout=TIMEOUT) as response,
    ):
        if response.status_code == 416:  # nothing is left of it: what is there is not this file
            raise Interrupted("what was there did not fit")
        hf_raise_for_status(response)
        anew = start > 0 and response.status_code != 206
        _check_length(response.headers, file.size if anew else file.size - start)
        if anew:
            yield b""
        yield from response.iter_bytes()


def _check_length(headers: Mapping[str, str], wanted: int) -> None:
    """Raise Interrupted for what cannot be the file, such as a page to log in: nothing gives way to that."""
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) != wanted and "content-encoding" not in headers:
        raise Interrupted(f"what came instead of {wanted:,} bytes has {int(length):,}")


def whole_repository(repo: str, revision: str, without: tuple[str, ...]) -> Path:
    """Fetch a repository into the hub's own cache, but for some patterns of files. Raises DownloadError."""
    from huggingface_hub import errors, snapshot_download

    try:
        with _told(repo):
            wanted = revision or None
            return Path(snapshot_download(repo, revision=wanted, ignore_patterns=list(without), endpoint=_endpoint()))
    except errors.LocalEntryNotFoundError as error:
        raise DownloadError(
            f"{repo} is no folder here, and the hub at {_endpoint()} does not answer "
            f"({str(error).splitlines()[0][:120]}). Check the name, the connection, HTTPS_PROXY and HF_ENDPOINT."
        ) from error
    except Interrupted as trouble:
        raise DownloadError(f"{repo} cannot be fetched ({trouble}). Check the connection, and try again.") from trouble
    except errors.HFValidationError as error:
        raise DownloadError(f"{repo!r} is neither a folder nor the name of a repository (OWNER/NAME).") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # as above
        raise _not_a_hub(error) from error


# ---- what the hub says, in sentences


def _not_a_hub(error: Exception) -> DownloadError:
    return DownloadError(
        f"What answers at {_endpoint()} is no hub of models ({brief(error)}): a page to log in, perhaps, of the "
        "network that you are in. Open that address in a browser, check HTTPS_PROXY and HF_ENDPOINT, and try again."
    )


@contextlib.contextmanager
def _told(repo: str, path: str = "") -> Iterator[None]:
    """Turn what huggingface_hub raises into a DownloadError, or into Interrupted where trying again makes sense."""
    from huggingface_hub import errors

    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise DownloadError(
            "HF_HUB_OFFLINE is set, so nothing is downloaded. Unset it, or copy the folder of the model from a machine "
            "that has it ('meaning-ls models --json' names it) and give it with --model."
        ) from error
    except errors.HfHubHTTPError as error:
        raise _answered(error, repo, path) from error
    # httpx's or its successor's, whichever huggingface_hub uses: no connection, one that broke, nothing for a while
    except errors.HTTPError as error:  # type: ignore[attr-defined]
        raise Interrupted(str(error) or type(error).__name__) from error


def _answered(error: HfHubHTTPError, repo: str, path: str) -> Exception:
    from huggingface_hub import errors

    status = error.response.status_code
    if status in _BUSY:
        return Interrupted(f"the hub answers {status}", _retry_after(error.response.headers))
    if isinstance(error, errors.RevisionNotFoundError):
        return DownloadError(f"{repo} has no such revision any more. Update meaning-ls, or choose another model.")
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return DownloadError(f"{repo} has no file {path} any more. Update meaning-ls, or choose another model.")
    if isinstance(error, errors.GatedRepoError) or status == 403:
        return DownloadError(
            f"{repo} is given only to accounts that have accepted its terms. Accept them at https://huggingface.co/{repo}"
            ", make a token at https://huggingface.co/settings/tokens, and set HF_TOKEN to it (or run: hf auth login)."
        )
    if isinstance(error, errors.RepositoryNotFoundError) or status == 401:
        # The hub says 401 for what does not exist, too.
        return DownloadError(
            f"The hub at {_endpoint()} shows no {repo}: it is gone, or shown only to those whose token is in HF_TOKEN "
            f"(or: hf auth login). See https://huggingface.co/{repo}."
        )
    return DownloadError(f"The hub at {_endpoint()} answers {status} for {repo}. Try again later: what is there stays.")


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds of a Retry-After header; a date or nonsense counts as none."""
    value = headers.get("retry-after") or ""
    return float(value) if value.isdigit() else 0.0


def _endpoint() -> str:
    from huggingface_hub import constants

    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
