"""Files: which files of a root are read, which text they hold, and why the others are left out.

Takes a root and the user's rules. `walk` gives the files and a reason for everything left out, `walk_paths` the same
for parts of the tree, `why` the reason for one path, `read` the text of one file. The first three judge an entry by the
same functions (`_take`, `_open`), so they cannot disagree. They open no file but ignore files: what only the content
tells (binary, minified, generated, a private key) is found by `read`, and by `why`, which reads last.

Paths are relative to the root, with '/'. A name that is not valid in the system's encoding keeps its bytes as surrogate
escapes (`os.fsdecode`): such a path cannot be encoded as UTF-8 without `errors="surrogateescape"`. Names may hold line
feeds. Links are never followed: what they lead to inside the root is found under its own name.
"""

import errno
import json
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from operator import attrgetter
from pathlib import Path

from lsp_server.engine import ignore, skips
from lsp_server.engine.disk import NotPlain, NotText, decode, is_junction, read_below
from lsp_server.engine.errors import EngineError
from lsp_server.engine.languages import language_of
from lsp_server.engine.tree import Folder, Refusal, left_out, names_at, open_folder, step_into, too_large

_OUTSIDE = "outside the folder"
# Errors that say what is so; others, as of a disk or a network, may be gone the next time.
_FOR_GOOD = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL)
_GONE = "there is no such file"


class FilesError(EngineError):
    """A root that cannot be used; the text is a sentence for the user."""


class Unreadable(FilesError):
    """A file that is not read; the text is the reason, as in `Walk.skipped`."""


class Unreachable(Unreadable):
    """A file that could not be read this time: it is gone, or the system refused it."""


Stamp = tuple[int, int, int]
"""Of a file: its size in bytes, mtime and ctime in nanoseconds."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that the walk found worth reading. `path` is relative to the root, with '/'."""

    path: str
    size: int  # bytes
    mtime_ns: int
    ctime_ns: int  # where the system has it, nobody can set it back: a restored time stamp does not hide a change

    @property
    def stamp(self) -> Stamp:
        """What a change of the file changes."""
        return self.size, self.mtime_ns, self.ctime_ns


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The decoded text of one file."""

    path: str
    text: str
    language: str  # an LSP language id, "plaintext" when none is known
    content_hash: bytes  # blake2b, 16 bytes, of the bytes on disk
    size: int
    mtime_ns: int
    ctime_ns: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What the user decides: patterns in the language of `.gitignore` (`!` brings back), and the largest file."""

    exclude: tuple[str, ...] = ()
    max_file_bytes: int = 1_000_000

    def key(self) -> str:
        """Return what tells these rules from others, in 8 characters; "" for the rules that nobody has changed."""
        if self == Rules():
            return ""
        return blake2b(json.dumps([self.exclude, self.max_file_bytes]).encode(), digest_size=4).hexdigest()


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk found: files in order of their paths, and a reason for each path left out.

    A folder that is left out is one row, its path closed by '/'; the root itself, when it cannot be listed, is "./".
    """

    files: tuple[FileEntry, ...]
    skipped: dict[str, str]
    unsure: frozenset[str] = frozenset()  # of these, files or folders, nothing is known: a disk or network failed


@dataclass(frozen=True, slots=True)
class _Scan:
    """One call of `walk`, `walk_paths` or `why`, and what it found so far."""

    root: str
    rules: Rules
    files: list[FileEntry] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    opened: dict[str, Folder | Refusal] = field(default_factory=dict)  # by path, not closed by '/'
    unsure: set[str] = field(default_factory=set)

    def top(self) -> Folder:
        return Folder("", self.root, ignore.layers_above(Path(self.root), self.rules.exclude), "", True)

    def result(self) -> Walk:
        return Walk(tuple(sorted(self.files, key=attrgetter("path"))), self.skipped, frozenset(self.unsure))

    def refused(self, path: str, error: Exception) -> None:
        """Note what could not be looked at, a folder's path closed by '/'."""
        self.skipped[path or "./"] = _no_access(error)
        if isinstance(error, OSError) and error.errno not in _FOR_GOOD:
            self.unsure.add(path.rstrip("/"))


def check_root(root: Path) -> Path:
    """Give the resolved root; raises FilesError for what is no folder of a project."""
    try:
        resolved = root.resolve(strict=True)
        if not resolved.is_dir():
            raise FilesError(f"{root} is not a folder. Open the folder that it is in.")
        os.scandir(resolved).close()
    except FileNotFoundError:
        raise FilesError(f"{root} does not exist. Open a folder that does.") from None
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links, ValueError: a zero in a name
        raise FilesError(f"{root} cannot be read ({_said(error)}). Open a folder that can be.") from None
    if resolved == Path(resolved.anchor):
        raise FilesError(f"{resolved} is a whole file system. Open a project folder inside it.")
    if ignore.home_is_in(resolved):
        raise FilesError(f"{resolved} is your home folder or holds it. Open a project folder inside it.")
    return resolved


def walk(root: Path, rules: Rules, glance: Callable[[], None] = lambda: None) -> Walk:
    """Find all files of a root that are worth reading. Raises FilesError as `check_root` does.

    `glance` is called for every folder; what it raises ends the walk.
    """
    scan = _Scan(str(check_root(root)), rules)
    _walk_below(scan, scan.top(), glance)
    return scan.result()


def walk_paths(root: Path, paths: Iterable[str], rules: Rules) -> Walk:
    """Give the rows of `walk` that concern these files and folders and what is below them, without walking the rest.

    A path inside a folder that is left out gives that folder's row; a path that does not exist gives none.
    """
    scan = _Scan(str(check_root(root)), rules)
    for path in paths:
        steps = _steps(path)
        if steps is not None:
            _walk_at(scan, steps)
    unique = {entry.path: entry for entry in scan.files}  # one of the paths may be inside another
    return _Scan(scan.root, rules, list(unique.values()), scan.skipped, unsure=scan.unsure).result()


def why(root: Path, path: str, rules: Rules) -> str:
    """Say why a file or folder is left out; "" if it is not. Reads a file that only its content can leave out."""
    steps = _steps(path)
    if steps is None:
        return _OUTSIDE
    scan = _Scan(os.path.realpath(root), rules)
    parent = _reach(scan, steps[:-1])
    if isinstance(parent, Refusal):
        return parent.reason if parent.reason == _GONE else f"in {parent.path}: {parent.reason}"
    if not steps:
        return ""
    folder = _visit(scan, parent, steps[-1])
    if folder is not None:
        opened = _open_unlisted(folder)
        return opened.reason if isinstance(opened, Refusal) else ""
    for reason in scan.skipped.values():
        return reason
    if not scan.files:
        return _GONE
    try:
        read(root, path, rules)
    except Unreadable as error:
        return str(error)
    return ""


def read(root: Path, path: str, rules: Rules) -> SourceFile:
    """Read and decode one file, keeping its line ends. Raises Unreadable with the reason.

    Whether ignore files leave the path out is not asked (`walk` and `why` do that): only what the path must never be
    (a link, a way out of the root, a secret) and what its content tells.
    """
    steps = _steps(path)
    if not steps:
        raise Unreadable(_OUTSIDE)
    forbidden = next(filter(None, map(skips.forbidden_folder, steps[:-1])), "") or skips.forbidden_file(steps[-1])
    if forbidden:
        raise Unreadable(forbidden)
    data, status = _bytes(root, steps, rules)
    try:
        text = decode(data)
    except NotText as error:
        raise Unreadable(str(error)) from None
    language = _judge_content(root, steps, text, rules)
    return SourceFile(path, text, language, content_hash(data), len(data), status.st_mtime_ns, status.st_ctime_ns)


def from_text(root: Path, path: str, text: str, rules: Rules) -> SourceFile:
    """Return what a file would be that holds `text`, whether it is on disk or not. Raises Unreadable with the reason.

    Unlike `read`, this asks the ignore files too.
    """
    steps = _steps(path)
    if not steps:
        raise Unreadable(_OUTSIDE)
    parent = _reach(_Scan(os.path.realpath(root), rules), steps[:-1])
    if isinstance(parent, Refusal):
        raise Unreadable(parent.reason)
    data = text.encode("utf-8", "surrogatepass")
    plain = os.stat_result((stat.S_IFREG, 0, 0, 1, 0, 0, len(data), 0, 0, 0))
    if reason := left_out(parent, steps[-1], plain, rules.max_file_bytes):
        raise Unreadable(reason)
    language = _judge_content(root, steps, text, rules)
    return SourceFile(path, text, language, content_hash(data), len(data), 0, 0)


def content_hash(data: bytes) -> bytes:
    """Return the 16 bytes that stand for a file's content (BLAKE2b)."""
    return blake2b(data, digest_size=16).digest()


def _judge_content(root: Path, steps: list[str], text: str, rules: Rules) -> str:
    """Return the language of a text; raises Unreadable when it is one that is left out."""
    language = language_of("/".join(steps), text.partition("\n")[0].partition("\r")[0])
    if secret := skips.secret_content(text):
        raise Unreadable(secret)
    reason = skips.content(language, text)
    if reason and not _is_wanted(root, steps, rules):
        raise Unreadable(reason)
    return language


def _walk_below(scan: _Scan, start: Folder, glance: Callable[[], None] = lambda: None) -> None:
    stack = [start]
    while stack:
        glance()
        folder = stack.pop()
        try:
            with os.scandir(folder.absolute) as listing:
                entries = list(listing)
        except OSError as error:
            if folder.path == "" or not isinstance(error, FileNotFoundError):
                scan.refused(folder.path, error)
            continue
        opened = open_folder(folder, {entry.name for entry in entries})
        if isinstance(opened, Refusal):
            scan.skipped[opened.path] = opened.reason
            continue
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError as error:
                _note(scan, folder.path + entry.name, error)
                continue
            inner = _take(scan, opened, entry.name, status)
            if inner is not None:
                stack.append(inner)


def _walk_at(scan: _Scan, steps: list[str]) -> None:
    """Walk one file or folder, reached by its path."""
    parent = _reach(scan, steps[:-1])
    if isinstance(parent, Folder):
        folder = _visit(scan, parent, steps[-1]) if steps else scan.top()
        if folder is not None:
            _walk_below(scan, folder)
    elif parent.reason != _GONE:
        scan.skipped[parent.path] = parent.reason


def _reach(scan: _Scan, steps: list[str]) -> Folder | Refusal:
    """Open the folders that lead to a path, from the root down; a refusal says which of them is left out."""
    if "" not in scan.opened:
        scan.opened[""] = _open_unlisted(scan.top())
    here, path = scan.opened[""], ""
    for step in steps:
        if isinstance(here, Refusal):
            break
        path += ("/" if path else "") + step
        if path not in scan.opened:
            scan.opened[path] = _open_inside(scan, here, step)
        here = scan.opened[path]
    return here


def _open_inside(scan: _Scan, parent: Folder, name: str) -> Folder | Refusal:
    inner = _Scan(scan.root, scan.rules)  # what is found on the way is not asked for
    folder = _visit(inner, parent, name)
    if folder is not None:
        return _open_unlisted(folder)
    return Refusal(*next(iter(inner.skipped.items()), (parent.path + name, _GONE)))


def _open_unlisted(folder: Folder) -> Folder | Refusal:
    """Open a folder as a walk would, without going through its entries, of which there may be 100,000."""
    try:
        os.scandir(folder.absolute).close()
    except OSError as error:
        return Refusal(folder.path or "./", _no_access(error))
    return open_folder(folder, names_at(folder.absolute))


def _visit(scan: _Scan, parent: Folder, name: str) -> Folder | None:
    """Judge one entry as a walk would; gives the folder to go on with, if it is one."""
    try:
        status = os.lstat(parent.absolute + os.sep + name)
    except (OSError, ValueError) as error:  # ValueError: a name that this system cannot have
        _note(scan, parent.path + name, error)
        return None
    return _take(scan, parent, name, status)


def _take(scan: _Scan, parent: Folder, name: str, status: os.stat_result) -> Folder | None:
    """Judge one entry of an open folder: a row for a file or for what is left out, a folder to be gone into."""
    path = parent.path + name
    if stat.S_ISDIR(status.st_mode) and not is_junction(status):
        inner = step_into(parent, name)
        if isinstance(inner, Folder):
            return inner
        scan.skipped[inner.path] = inner.reason
        return None
    reason = left_out(parent, name, status, scan.rules.max_file_bytes)
    if reason:
        scan.skipped[path] = reason
    else:
        scan.files.append(FileEntry(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return None


def _is_wanted(root: Path, steps: list[str], rules: Rules) -> bool:
    """Say whether a `!` line names this file, which overrules what its content says of its origin."""
    parent = _reach(_Scan(os.path.realpath(root), rules), steps[:-1])
    if isinstance(parent, Refusal):
        return False
    word = ignore.last_word_on_file(parent.layers.chosen, steps[-1], parent.path + steps[-1])
    return word is not None and word.pattern.negated


def _bytes(root: Path, steps: list[str], rules: Rules) -> tuple[bytes, os.stat_result]:
    """Read at most as many bytes as the rules allow, of a plain file that really is inside the root."""
    try:
        data, status = read_below(os.path.realpath(root), steps, rules.max_file_bytes + 1)
    except FileNotFoundError:
        raise Unreachable(_GONE) from None
    except NotPlain as error:
        raise Unreadable(str(error)) from None
    except (OSError, ValueError) as error:
        raise Unreachable(_no_access(error)) from None
    if len(data) > rules.max_file_bytes:
        raise Unreadable(too_large(rules.max_file_bytes))
    return data, status


def _steps(path: str) -> list[str] | None:
    """Cut a path into its steps, [] for the root; None if it leads out of the root."""
    if os.sep != "/":
        path = path.replace(os.sep, "/")
    steps = [step for step in path.split("/") if step not in ("", ".")]
    if path.startswith("/") or os.path.splitdrive(path)[0] or ".." in steps:
        return None
    return steps


def _note(scan: _Scan, path: str, error: Exception) -> None:
    """Give an entry that could not be looked at its row; one that is gone has none."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError, ValueError)):
        scan.refused(path, error)


def _no_access(error: Exception) -> str:
    return f"cannot be read ({_said(error)})"


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
