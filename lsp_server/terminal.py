"""Terminal: colours, a line of progress, and text that cannot play tricks on the screen.

Takes plain words and the engine's Progress, gives strings and, for a pass, what a person wants to see while waiting.
Knows nothing of what is searched; listing.py lays out answers.
"""

import contextlib
import errno
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:  # --help must not wait for the engine
    from lsp_server.engine.update import Progress
    from lsp_server.models.download import Progress as Transfer

_T = TypeVar("_T")

RATE_SECONDS = 10.0  # the rate and the time left go by so many seconds: shorter jumps about, longer is stale
BAR_SECONDS = 0.1  # between two drawings of the bar
LOG_SECONDS = 15.0  # between two lines where no terminal listens: a build log shall show life, not fill up
BAR_CELLS = 24

_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EBADF, getattr(errno, "EDQUOT", errno.ENOSPC))

# Source text is other people's text: an escape sequence in it could clear the screen or retitle the window, and a
# change of writing direction could show code that is not there (CVE-2021-42574).
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SAFE = dict.fromkeys(_CONTROLS, "\N{REPLACEMENT CHARACTER}") | {ord("\t"): "    "}


@dataclass(frozen=True, slots=True)
class Style:
    """Paints words: with escape sequences or, when `start` is empty, not at all. Links them when it is `linked`.

    `columns` are those of the terminal, 0 where none shows the text.
    """

    start: str
    linked: bool = False
    columns: int = 0

    def paint(self, codes: str, text: str) -> str:
        """Return `text` painted by `codes` (SGR parameters, "1;34" for example)."""
        return f"{self.start}{codes}m{text}{self.start}0m" if self.start else text

    def link(self, uri: str, text: str) -> str:
        """Return `text` as a link (OSC 8, https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda)."""
        return f"\x1b]8;;{uri}\x1b\\{text}\x1b]8;;\x1b\\" if self.linked else text

    def bold(self, text: str) -> str:
        """Return `text` as what the eye shall find first."""
        return self.paint("1", text)

    def dim(self, text: str) -> str:
        """Return `text` as what may be overlooked."""
        return self.paint("2", text)


PAINTS = {"ok": "32", "warn": "33", "fail": "31"}  # green, yellow, red
# Terminals that name themselves and show links (https://github.com/Alhadis/OSC8-Adoption).
_LINKING_PROGRAMS = frozenset({"iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "rio", "WarpTerminal", "zed"})
_LINKING_TERMS = frozenset({"kitty", "foot", "alacritty", "ghostty", "wezterm", "contour"})
_LINKING_MARKS = ("WT_SESSION", "KONSOLE_VERSION", "DOMTERM")
_LINKING_VTE = 5002  # 0.50.2: 0.50.0 crashed on some links

COLOURED, PLAIN = Style("\x1b["), Style("")


def style_for(stream: TextIO, color: str, hyperlink: str = "never") -> Style:
    """Return how to paint on `stream`; each wish is 'always', 'never' or 'auto' (see https://no-color.org)."""
    live = stream.isatty() and _understands()
    painted = color == "always" or (color == "auto" and live and not os.environ.get("NO_COLOR"))
    linked = hyperlink == "always" or (hyperlink == "auto" and live and _shows_links(os.environ))
    return Style("\x1b[" if painted else "", linked, columns_of(stream) if stream.isatty() else 0)


def _shows_links(environment: Mapping[str, str]) -> bool:
    """Say whether the terminal is known to show links; most of the others drop them, but some print them."""
    if "STY" in environment:  # GNU screen lets nothing through
        return False
    vte = environment.get("VTE_VERSION", "")
    return (
        environment.get("TERM_PROGRAM") in _LINKING_PROGRAMS
        or environment.get("TERM", "").removeprefix("xterm-").split("-")[0] in _LINKING_TERMS
        or (vte.isdigit() and int(vte) >= _LINKING_VTE)
        or any(name in environment for name in _LINKING_MARKS)
    )


def clean(text: str) -> str:
    """Return one line of text that moves no cursor: tabs become four blanks, other control characters a mark."""
    return text.translate(_SAFE)


def prepare_streams() -> None:
    """Let any text be written to standard output and error, whatever encoding they have."""
    _replace_closed()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if sys.platform == "win32":
        os.system("")  # a known way to switch a Windows console to escape sequences


def _replace_closed() -> None:
    """Have something stand where a standard stream is closed: else the next file that is opened takes its number.

    From input nothing comes, what is told on standard error goes nowhere, and output is refused, as by other programs.
    """
    for number, (name, way) in enumerate((("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, way)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", closefd=False))  # noqa: SIM115 - the process ends with it


class Rate:
    """How fast something went of late."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks: deque[tuple[float, int]] = deque()

    def note(self, count: int) -> None:
        """Note that so much is done now."""
        now = self._clock()
        self._marks.append((now, count))
        while now - self._marks[0][0] > RATE_SECONDS:
            self._marks.popleft()

    def per_second(self) -> float:
        """Return the speed, 0 while nothing can be said."""
        (first, before), (last, after) = self._marks[0], self._marks[-1]
        return (after - before) / (last - first) if last - first >= 0.5 else 0.0


class Meter:
    """Turns the progress of a pass into a line for people: how far, how fast, how long still."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = Rate(clock)
        self._before = 0  # texts that an earlier run left to be embedded

    def line(self, progress: "Progress", bar: str = "") -> str:
        """Return the line for `progress`; `bar` holds the characters of a bar (full, empty), "" for none."""
        self._rate.note(progress.texts_done)
        if not progress.files_done:
            self._before = progress.texts_total
        if progress.phase == "scan":
            return "Looking for files"
        if progress.phase == "graph":
            return "Building the graph for approximate search"
        if not progress.texts_total:
            return f"Reading files: {progress.files_done:,} of {progress.files_total:,}"
        return self._embedding(progress, bar)

    def _embedding(self, progress: "Progress", bar: str) -> str:
        total = self._before + expected_texts(progress, self._before)
        share = min(1.0, progress.texts_done / total)
        parts = [f"{share:4.0%}", f"{progress.texts_done:,} of {total:,} symbols"]
        if bar:
            parts.insert(0, _bar(share, bar))
        rate = self._rate.per_second()
        if rate > 0:
            parts += [f"{rate:,.0f}/s", f"{duration((total - progress.texts_done) / rate)} left"]
        return "  ".join(parts)


class TransferMeter:
    """Turns the progress of a download into a line for people."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = Rate(clock)

    def line(self, transfer: "Transfer", bar: str = "") -> str:
        """Return the line for `transfer`; `bar` holds the characters of a bar (full, empty), "" for none."""
        self._rate.note(transfer.done)
        if transfer.note:
            return transfer.note[0].upper() + transfer.note[1:]
        share = transfer.done / transfer.total if transfer.total else 1.0
        parts = [f"{share:4.0%}", f"{transfer.done / 1e6:,.1f} of {transfer.total / 1e6:,.1f} MB"]
        if bar:
            parts.insert(0, _bar(share, bar))
        rate = self._rate.per_second()
        if rate > 0:
            parts += [f"{rate / 1e6:,.1f} MB/s", f"{duration((transfer.total - transfer.done) / rate)} left"]
        return "  ".join(parts)


def _bar(share: float, characters: str) -> str:
    full = int(share * BAR_CELLS)
    return characters[0] * full + characters[1] * (BAR_CELLS - full)


def expected_texts(progress: "Progress", before: int) -> int:
    """Return how many texts the files of a pass hold, judged by those read so far; `before` are not from them."""
    texts = progress.texts_total - before
    return texts * progress.files_total // progress.files_done if progress.files_done else texts


def duration(seconds: float) -> str:
    """Return a time to wait as 0:05, 2:30 or 1:02:03."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def watch(passing: Iterator["Progress"], stream: TextIO) -> None:
    """Drive a pass to its end and show how it goes: a bar on a terminal, else a line now and then.

    However this ends, the pass is closed and the line of the bar is empty again.
    """
    _show(passing, Meter().line, stream)


def watch_transfer(fetching: Iterator["Transfer"], stream: TextIO) -> None:
    """Drive a download to its end and show how it goes, as `watch` does."""
    _show(fetching, TransferMeter().line, stream)


def _show(steps: Iterator[_T], line_of: Callable[[_T, str], str], stream: TextIO) -> None:
    live = stream.isatty() and _understands()
    bar = ("█░" if "utf" in (stream.encoding or "").lower() else "#-") if live else ""
    shown = time.monotonic()
    try:
        for step in steps:
            line = line_of(step, bar)
            if time.monotonic() - shown < (BAR_SECONDS if live else LOG_SECONDS):
                continue
            shown = time.monotonic()
            stream.write(f"\r{line[: columns_of(stream) - 1]}\x1b[K" if live else f"{line}\n")
            stream.flush()
    finally:
        steps.close()  # type: ignore[attr-defined]  # a generator; closing it commits what is done
        if live:
            stream.write("\r\x1b[K")
            stream.flush()


def _understands() -> bool:
    return os.environ.get("TERM") != "dumb"


def columns_of(stream: TextIO) -> int:
    """Return how many columns a terminal has: the one that `stream` writes to, for the other stream may be a pipe."""
    with contextlib.suppress(OSError, ValueError):
        if columns := os.get_terminal_size(stream.fileno()).columns:
            return columns
    return shutil.get_terminal_size().columns


def refusal(error: OSError) -> str:
    """Return what the system does not let us do, for people."""
    said = error.strerror or str(error)
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)} cannot be used ({said})"
    return f"the output cannot be written ({said})" if error.errno in _NO_ROOM else said


def close_stdout() -> None:
    """Let Python's last flush go nowhere (https://docs.python.org/3/library/signal.html#note-on-sigpipe)."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
