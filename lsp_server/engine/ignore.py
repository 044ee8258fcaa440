"""Ignore files: which of them speak for a folder, and which of them has the last word.

From the strongest to the weakest: the user's `exclude` setting, `.meaningignore`, `.ignore`, `.gitignore`, git's
info/exclude. Within one kind the nearest file wins, within one file the last line that matches. A root inside a larger
git repository also hears the files of the folders above it, up to the repository's top, but not of a repository that
is the home folder (one that keeps dotfiles ignores everything else). A repository inside the tree begins afresh: no
`.gitignore` from outside reaches in. Files that git tracks although a rule ignores them are left out like others: the
rules are what a person can read; `!name` in `.meaningignore` brings them in. The user's global git ignores are not
heard, so that two users of one checkout find the same.
"""

import logging
import os
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from lsp_server.engine.disk import read_plain
from lsp_server.engine.patterns import Pattern, Patterns, parse
from lsp_server.engine.repository import GIT, git_folder, is_top

log = logging.getLogger(__name__)

MEANINGIGNORE, IGNORE, GITIGNORE = ".meaningignore", ".ignore", ".gitignore"
NAMES = frozenset({MEANINGIGNORE, IGNORE, GITIGNORE, GIT})  # what `enter` asks a folder for

# The longest ignore files of public repositories have some 10 KB; what is longer is read up to here.
_MAX_BYTES = 256_000


@dataclass(frozen=True, slots=True)
class Source:
    """The patterns of one ignore file in its place. Paths that it is asked about are relative to the root."""

    label: str  # how the user is told of it: "src/.gitignore"; "" for the setting
    patterns: Patterns
    lead: str  # put before a path, for a file above the root
    cut: int  # characters cut off a path, for a file below the root

    def relative(self, path: str) -> str:
        """Give the path as seen from the ignore file's folder."""
        return self.lead + path[self.cut :]


@dataclass(frozen=True, slots=True)
class Layers:
    """The sources that speak for what is directly in one folder, the strongest first."""

    settings: tuple[Source, ...]
    meaning: tuple[Source, ...]
    dot: tuple[Source, ...]
    git: tuple[Source, ...]
    chosen: tuple[Source, ...]  # settings and meaning: made for this program, so they overrule its defaults
    general: tuple[Source, ...]  # dot and git


@dataclass(frozen=True, slots=True)
class Word:
    """The line that has the last word on a path."""

    source: Source
    pattern: Pattern

    def reason(self) -> str:
        """Give "ignored by src/.gitignore:3 (*.log)"."""
        if not self.source.label:
            return f"left out by the exclude setting ({self.pattern.text})"
        return f"ignored by {self.source.label}:{self.pattern.line} ({self.pattern.text})"


def last_word_on_file(sources: tuple[Source, ...], name: str, path: str) -> Word | None:
    """Give the strongest source's last pattern that matches a file."""
    for source in sources:
        pattern = source.patterns.last_for_file(name, source.lead + path[source.cut :])
        if pattern is not None:
            return Word(source, pattern)
    return None


def last_word_on_folder(sources: tuple[Source, ...], name: str, path: str) -> Word | None:
    """Give the strongest source's last pattern that matches a folder; `path` has no closing '/'."""
    for source in sources:
        pattern = source.patterns.last_for_folder(name, source.lead + path[source.cut :])
        if pattern is not None:
            return Word(source, pattern)
    return None


def reaches_below(sources: tuple[Source, ...], path: str) -> bool:
    """Say whether a `!` line names something inside the folder `path`."""
    return any(source.patterns.reaches_below(source.relative(path)) for source in sources)


def layers_above(root: Path, exclude: tuple[str, ...]) -> Layers:
    """Give what speaks for a root before its own files are read: the setting, and the folders above it."""
    settings = (Source("", parse("\n".join(exclude)), "", 0),) if exclude else ()
    layers = _layers(settings, (), (), ())
    top = None if is_top(root) else _top_above(root)
    if top is None:
        return layers
    above = [folder for folder in root.parents if folder.is_relative_to(top)]
    for folder in reversed(above):
        lead = root.relative_to(folder).as_posix() + "/"
        place = _Place(str(folder), "../" * (lead.count("/")), lead, 0)
        layers = _add_files(layers, place, NAMES if folder == top else NAMES - {GIT})
    return layers


def enter(layers: Layers, absolute: str, path: str, names: Set[str]) -> Layers:
    """Give what speaks for the contents of a folder: `path` is "" or ends in '/', `names` are (some of) its entries."""
    return _add_files(layers, _Place(absolute, path, "", len(path)), names)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where ignore files stand."""

    absolute: str
    shown: str  # how their folder is called: "src/", "../"
    lead: str
    cut: int


def _add_files(layers: Layers, place: _Place, names: Set[str]) -> Layers:
    """Put the ignore files of one folder before those of the folders above it."""
    if NAMES.isdisjoint(names):
        return layers
    git = layers.git
    if GIT in names and is_top(Path(place.absolute)):
        folder = git_folder(Path(place.absolute))  # worktrees share one info/exclude
        git = _source(place, str(folder.shared / "info" / "exclude"), ".git/info/exclude") if folder else ()
    return _layers(
        layers.settings,
        _named(place, MEANINGIGNORE, names) + layers.meaning,
        _named(place, IGNORE, names) + layers.dot,
        _named(place, GITIGNORE, names) + git,
    )


def _layers(
    settings: tuple[Source, ...], meaning: tuple[Source, ...], dot: tuple[Source, ...], git: tuple[Source, ...]
) -> Layers:
    return Layers(settings, meaning, dot, git, settings + meaning, dot + git)


def _named(place: _Place, name: str, names: Set[str]) -> tuple[Source, ...]:
    return _source(place, f"{place.absolute}{os.sep}{name}", name) if name in names else ()


def _source(place: _Place, file: str, shown: str) -> tuple[Source, ...]:
    """Read one ignore file; none, when it is not there, cannot be read, or says nothing.

    A link is not followed: git does not follow one either, and it may lead out of the root.
    """
    try:
        data, _ = read_plain(file, _MAX_BYTES + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        log.warning("the ignore file %s cannot be read, so it is not obeyed: %s", file, error)
        return ()
    if len(data) > _MAX_BYTES:
        log.warning("the ignore file %s is obeyed up to byte %d only", file, _MAX_BYTES)
        data = data[:_MAX_BYTES].rpartition(b"\n")[0]
    patterns = parse(data.decode("utf-8", "surrogateescape"))
    return (Source(place.shown + shown, patterns, place.lead, place.cut),) if patterns.all else ()


def _top_above(root: Path) -> Path | None:
    """Give the top of the repository that a root is inside of, unless that is the home folder or holds it."""
    for folder in root.parents:
        if is_top(folder):
            return None if home_is_in(folder) else folder
    return None


def home_is_in(folder: Path) -> bool:
    """Say whether a resolved folder is the user's home or holds it."""
    try:
        return Path.home().resolve().is_relative_to(folder)
    except (RuntimeError, OSError):  # a user without a home
        return False
