"""Has inputs read by the process that reads files in earnest, and tells what became of each and of the process.

Nothing here is replaced: the files are on disk, the child is that of the engine, with its limits and its way of finding
out which of several files was the deadly one.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lsp_server.engine.commits import FileRecord
from lsp_server.engine.files import Rules
from lsp_server.engine.reading import FILE_SECONDS, ReadingProcess, Wanted

from .ugly import Input

BROKEN = "its parser crashed or hung"  # how a file is named that broke the child
HEALTHY = b"def healthy():\n    return 1\n"


@dataclass(slots=True)
class Tally:
    """What came of the inputs so far, by language."""

    read: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)  # binary, minified: told by their content, never parsed
    failed: dict[str, list[Input]] = field(default_factory=dict)  # an exception in the child, which lives on
    crashes: dict[str, list[Input]] = field(default_factory=dict)
    hangs: dict[str, list[Input]] = field(default_factory=dict)
    slowest: dict[str, float] = field(default_factory=dict)  # seconds
    worst: dict[str, Input] = field(default_factory=dict)

    @property
    def inputs(self) -> int:
        """How many were given to the child."""
        found = (self.failed, self.crashes, self.hangs)
        return self.read.total() + self.left_out.total() + sum(len(row) for one in found for row in one.values())


class Reader:
    """A child that reads a folder of inputs. Raises AssertionError when it breaks its word."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._process = ReadingProcess(self._folder, Rules())
        self.tally = Tally()

    def read(self, inputs: Sequence[Input]) -> None:
        """Have these read: each must come back once, in order and under its own name, and a sound file behind them."""
        wanted = [self._written(number, one.name, one.data) for number, one in enumerate(inputs)]
        wanted.append(self._written(len(inputs), "healthy.py", HEALTHY))
        records = []
        before = time.monotonic()
        for record in self._process.records(wanted):
            records.append((record, time.monotonic() - before))
            before = time.monotonic()
        assert [record.path for record, _ in records] == [one.path for one in wanted]
        last = records.pop()[0]
        assert isinstance(last, FileRecord)
        assert [symbol.name for symbol in last.symbols or ()][1:] == ["healthy"]
        suspects = []
        for one, file, (record, seconds) in zip(inputs, wanted[:-1], records, strict=True):
            assert isinstance(record, FileRecord), f"a plain file could not be read: {record}"
            if record.left_out == BROKEN:
                kind = self.tally.hangs if seconds > FILE_SECONDS / 2 else self.tally.crashes
                kind.setdefault(one.language, []).append(one)
            elif record.left_out.startswith("reading it failed"):
                self.tally.failed.setdefault(one.language, []).append(one)
            else:
                (self.tally.left_out if record.left_out else self.tally.read)[one.language] += 1
            suspects.append((one, file))
            if seconds > self.tally.slowest.get(one.language, 0.0) and record.left_out != BROKEN:
                self._time(suspects)  # it came with those before it, so any of them may be the slow one
                suspects = []
            elif seconds > 0.001:  # the first of the next answer
                suspects = []

    def _time(self, suspects: Iterable[tuple[Input, Wanted]]) -> None:
        for one, file in suspects:
            before = time.monotonic()
            list(self._process.records([file]))
            seconds = time.monotonic() - before
            if seconds > self.tally.slowest.get(one.language, 0.0):
                self.tally.slowest[one.language], self.tally.worst[one.language] = seconds, one

    def _written(self, number: int, name: str, data: bytes) -> Wanted:
        path = f"{number}{name}"
        (self._folder / path).write_bytes(data)
        return Wanted(path, (0, 0, 0), b"")

    def close(self) -> None:
        """End the child."""
        self._process.close()
