"""Files: which files of a root are read, which text they hold, and why the others are left out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that the walk found worth reading. `path` is relative to the root, with '/'."""

    path: str
    size: int  # bytes
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The decoded text of one file."""

    path: str
    text: str
    language: str  # an LSP language id, "plaintext" when none is known
    content_hash: bytes  # blake2b, 16 bytes, of the bytes on disk
    size: int
    mtime_ns: int
