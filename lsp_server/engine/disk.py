"""Disk: reads plain files and nothing else, and makes text of their bytes.

A name in somebody's folder may be a link out of it, a pipe that blocks for ever or a device that acts when it is
opened. Here the kind is looked at first, the file is opened without following a link, and looked at again. Below a root
every folder on the way is opened in the same manner, each from the one above it: what is put in the place of a folder
meanwhile leads nowhere.
"""

import errno
import os
import stat
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Sequence
from pathlib import Path

# Not on every system: without O_NOFOLLOW (Windows) the look before has to do; O_BINARY exists there alone.
_FLAGS = (
    os.O_RDONLY
    | int(getattr(os, "O_NOFOLLOW", 0))
    | int(getattr(os, "O_NONBLOCK", 0))
    | int(getattr(os, "O_NOCTTY", 0))
    | int(getattr(os, "O_BINARY", 0))
)

# Whether a folder can be opened and gone on from; on Windows it cannot.
_HAS_WAYS = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW") and hasattr(os, "O_DIRECTORY")
_LINK_ERRORS = (errno.ELOOP, errno.ENOTDIR)  # which of them, systems do not agree on
_BEHIND_A_LINK = "behind a link (links are not followed)"

# Where git, too, looks for a zero byte (buffer_is_binary in its xdiff-interface.c, 8000 there).
_BINARY_LOOK = 8192
# What is no text in any encoding that Latin-1 stands in for: control characters but tab, line ends, form feed, escape.
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\b\x1b")) + b"\x7f"
_CONTROL_SHARE = 0.1

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (BOM_UTF32_LE, "utf-32-le"),
    (BOM_UTF32_BE, "utf-32-be"),
    (BOM_UTF16_LE, "utf-16-le"),
    (BOM_UTF16_BE, "utf-16-be"),
)


class NotPlain(OSError):
    """Not a plain file; the text says what it is."""


class NotText(ValueError):
    """Binary data; the text says by what it is known."""


def read_plain(path: str, most: int) -> tuple[bytes, os.stat_result]:
    """Read at most `most` bytes of a plain file; gives its status as of before the reading. Raises OSError."""
    return _read(path, most, None)


def read_below(root: str, steps: Sequence[str], most: int) -> tuple[bytes, os.stat_result]:
    """Read a file that is `steps` below a resolved root, as `read_plain` does; no link on the way is followed."""
    if not _HAS_WAYS:
        folder = Path(os.path.realpath(Path(root, *steps[:-1])))
        if not folder.is_relative_to(root):
            raise NotPlain(_BEHIND_A_LINK)
        return read_plain(str(folder / steps[-1]), most)
    folder_flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    here = os.open(root, folder_flags)
    try:
        for step in steps[:-1]:
            above = here
            try:
                here = os.open(step, folder_flags, dir_fd=above)
            except OSError as error:
                if error.errno in _LINK_ERRORS and stat.S_ISLNK(os.lstat(step, dir_fd=above).st_mode):
                    raise NotPlain(_BEHIND_A_LINK) from None
                raise
            os.close(above)
        return _read(steps[-1], most, here)
    finally:
        os.close(here)


def _read(path: str, most: int, folder: int | None) -> tuple[bytes, os.stat_result]:
    try:
        _refuse_odd(os.lstat(path, dir_fd=folder))
    except ValueError:  # a zero, or what the system's encoding cannot say
        raise NotPlain("a name that no file can have") from None
    handle = os.open(path, _FLAGS, dir_fd=folder)
    try:
        status = os.fstat(handle)
        _refuse_odd(status)
        parts = []
        while most > 0:
            part = os.read(handle, most)
            if not part:
                break
            parts.append(part)
            most -= len(part)
    finally:
        os.close(handle)
    return b"".join(parts), status


def decode(data: bytes) -> str:
    """Decode UTF-8, UTF-16 and UTF-32 with their mark, Latin-1 as a last resort. Raises NotText."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            try:
                return data.removeprefix(mark).decode(encoding)
            except UnicodeDecodeError:
                raise NotText(f"binary (not valid {encoding.upper()})") from None
    if b"\0" in data[:_BINARY_LOOK]:
        raise NotText("binary (a zero byte near its beginning)")
    try:
        return data.removeprefix(BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        look = data[:_BINARY_LOOK]
        if len(look) - len(look.translate(None, _CONTROL)) > len(look) * _CONTROL_SHARE:
            raise NotText("binary (control characters)") from None
        return data.decode("latin-1")


def odd_kind(status: os.stat_result) -> str:
    """Say what stands there that is neither a plain file nor a folder: "a link", "a pipe"... or ""."""
    mode = status.st_mode
    if stat.S_ISLNK(mode) or is_junction(status):
        return "a link"
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return ""
    if stat.S_ISFIFO(mode):
        return "a pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def is_junction(status: os.stat_result) -> bool:
    """Say whether this is Windows' link between folders, which is no symbolic link to `stat`."""
    return int(getattr(status, "st_reparse_tag", 0)) == 0xA0000003  # IO_REPARSE_TAG_MOUNT_POINT


def _refuse_odd(status: os.stat_result) -> None:
    kind = odd_kind(status) or ("a folder" if stat.S_ISDIR(status.st_mode) else "")
    if kind:
        raise NotPlain(f"{kind}, not a plain file")
