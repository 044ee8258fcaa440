"""Projects: the folders that are indexed, put together from the tuning benchmark's packages.

They are copies, so that a run may add and change files. `restore` puts a project into its first state again.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import BenchError, fetch_workspaces, workspaces_folder

# Symbols as counted by the engine when this was written: they decide only that a project is large enough.
QUICK = ("click", "flask", "requests")  # 4,500
TEN_THOUSAND = ("pydantic", "click")  # 10,500
TWENTY_THOUSAND = ("pydantic", "fastapi", "zod")  # 20,700
# Indexed while queries are timed: long enough to ask a few hundred questions meanwhile.
ADDED = ("starlette", "httpx", "trpc")  # 5,000

# The file that the saving benchmark changes: this many functions.
SAVED = "bench_saved/orchard.py"
SAVED_SYMBOLS = 100


@dataclass(frozen=True, slots=True)
class Project:
    """A folder to index, and packages that can be put into it later."""

    root: Path
    workspaces: Path
    added: tuple[str, ...]

    def add_packages(self) -> list[Path]:
        """Copy the later packages in; their folders."""
        folders = [self.root / "added" / name for name in self.added]
        for name, folder in zip(self.added, folders, strict=True):
            shutil.copytree(self.workspaces / name, folder)
        return folders

    def restore(self) -> None:
        """Take out what was added and put the saved file back."""
        shutil.rmtree(self.root / "added", ignore_errors=True)
        write_saved(self.root, saved_text(""))


def build(bench: Path, name: str, packages: Sequence[str]) -> Project:
    """Build the project of this name with a copy of each package (copied once, then reused).

    Raises:
        BenchError: a package cannot be had.
    """
    workspaces = fetch_workspaces(bench, [*packages, *ADDED])
    root = workspaces_folder() / "projects" / name
    for package in packages:
        source = workspaces / package
        if not source.is_dir():
            raise BenchError(f"the package {package} could not be fetched")
        if not (root / package).is_dir():
            shutil.copytree(source, root / package)
    project = Project(root, workspaces, tuple(package for package in ADDED if (workspaces / package).is_dir()))
    project.restore()
    return project


def saved_text(extra: str) -> str:
    """Return a Python file of SAVED_SYMBOLS functions, with one more at the top if given."""
    functions = [
        f'def tree_{number}(rows, columns):\n    """Plant tree {number} of the orchard."""\n'
        f"    total = rows * {number} + columns\n    return [total % {number + 7} for _ in range({number % 9 + 1})]\n"
        for number in range(SAVED_SYMBOLS)
    ]
    return "\n\n".join(([extra] if extra else []) + functions)


def write_saved(root: Path, text: str) -> Path:
    """Write the saved file unless it holds this text already, so that its time stamp tells the truth."""
    path = root / SAVED
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path
