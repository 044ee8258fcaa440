"""The folder of git for a work tree: for some it is elsewhere, and not every `.git` file tells the truth."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lsp_server.engine.files import Rules, why
from lsp_server.engine.git import changed_files, marks
from lsp_server.engine.repository import GitFolder, git_folder

RULES = Rules()
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


def git(folder: Path, *words: str) -> None:
    command = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@example.org", *words]
    subprocess.run([*command], check=True, capture_output=True, timeout=30)


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """A repository with a file, and a line in its info/exclude."""
    folder = tmp_path / "main"
    folder.mkdir()
    (folder / "a.py").write_text("A = 1\n")
    git(folder, "init", "-q")
    git(folder, "add", "a.py")
    git(folder, "commit", "-q", "-m", "a")
    (folder / ".git/info/exclude").write_text("*.tmp\n")
    return folder


def own(top: Path) -> Path | None:
    """Return git's folder as found, after what is found with it was compared."""
    found = git_folder(top)
    assert marks(top) == ((found.own / "HEAD", found.own / "index") if found else ())
    return found.own if found else None


@needs_git
def test_worktrees_and_submodules(main: Path, tmp_path: Path) -> None:
    git(main, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(main), "deep/sub")
    git(main, "commit", "-q", "-m", "sub")
    side = tmp_path / "with spaces" / "side"
    git(main, "worktree", "add", "-q", str(side))
    git(side, "-c", "protocol.file.allow=always", "submodule", "update", "--init", "-q")
    dot = main / ".git"
    assert git_folder(main) == GitFolder(dot, dot)
    assert git_folder(side) == GitFolder(dot / "worktrees/side", dot)
    assert own(main / "deep/sub") == dot / "modules/deep/sub"
    assert own(side / "deep/sub") == dot / "worktrees/side/modules/deep/sub"
    for top in (main, side, main / "deep/sub", side / "deep/sub"):
        (top / "new.py").write_text("")
        assert changed_files(top) >= {"new.py"}, top
        assert all(mark.is_file() for mark in marks(top))


@needs_git
@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights there")
def test_a_worktree_that_is_reached_through_a_link(main: Path, tmp_path: Path) -> None:
    git(main, "worktree", "add", "-q", str(tmp_path / "side"))
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    assert own(tmp_path / "link/side") == main / ".git/worktrees/side"


@needs_git
def test_a_worktree_with_relative_paths(main: Path, tmp_path: Path) -> None:
    git(main, "worktree", "add", "-q", str(tmp_path / "side"))
    (tmp_path / "side/.git").write_text("gitdir: ../main/.git/worktrees/side\n")
    (main / ".git/worktrees/side/gitdir").write_text("../../../../side/.git\n")
    assert own(tmp_path / "side") == main / ".git/worktrees/side"


@needs_git
@pytest.mark.parametrize("said", ["{}/.git", "../main/.git", "{}/.git/worktrees/side", "{}/.git/modules/sub"])
def test_a_folder_of_somebody_else(main: Path, tmp_path: Path, said: str) -> None:
    git(main, "worktree", "add", "-q", str(tmp_path / "side"))
    shutil.copytree(main / ".git", main / ".git/modules/sub", ignore=shutil.ignore_patterns("modules"))
    root = tmp_path / "unpacked"
    root.mkdir()
    (root / ".git").write_text(f"gitdir: {said.format(main)}\n")
    (root / "x.tmp").write_text("")
    assert own(root) is None
    assert "info/exclude" not in why(root, "x.tmp", RULES)
    assert changed_files(root) == frozenset()


@needs_git
def test_a_worktree_that_is_made_up_reads_nothing_elsewhere(main: Path, tmp_path: Path) -> None:
    """It points back, for it came along; what it says of the repository is not believed."""
    root = tmp_path / "unpacked"
    worktree = root / "in/worktrees/side"
    worktree.mkdir(parents=True)
    (root / ".git").write_text("gitdir: in/worktrees/side\n")
    (worktree / "gitdir").write_text("../../../.git\n")
    (worktree / "HEAD").write_text("ref: refs/heads/main\n")
    (worktree / "commondir").write_text(f"{main}/.git\n")
    (root / "x.tmp").write_text("")
    assert own(root) is None
    (root / "in/HEAD").write_text("ref: refs/heads/main\n")
    assert git_folder(root) == GitFolder(worktree, root / "in")
    assert "info/exclude" not in why(root, "x.tmp", RULES)


@needs_git
@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights there")
def test_a_place_for_submodules_that_leads_elsewhere(main: Path, tmp_path: Path) -> None:
    root = tmp_path / "unpacked"
    (root / ".git/modules").mkdir(parents=True)
    (root / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (root / ".git/modules/sub").symlink_to(main / ".git", target_is_directory=True)
    (root / "sub").mkdir()
    (root / "sub/.git").write_text("gitdir: ../.git/modules/sub\n")
    assert own(root / "sub") is None


@pytest.mark.parametrize(
    "said",
    [r"\\host\share\repo", "//host/share/repo", r"\/host/share", r"/\host\share", r"\\?\UNC\host\share", r"\\.\pipe\x"],
)
def test_no_other_machine_is_asked(tmp_path: Path, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the name is a folder here, as such names are on POSIX."""
    looked: list[str] = []
    (tmp_path / ".git").write_text(f"gitdir: {said}\n")
    real = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path, **more: looked.append(str(path)) or real(path, **more))
    assert own(tmp_path) is None
    assert changed_files(tmp_path) == frozenset()
    assert not [path for path in looked if "host" in path or "pipe" in path]


@pytest.mark.parametrize(
    "said", [b"", b"gitdir:", b"gitdir: \0", b"\xff" * 5000, b"gitdir: " + b"../" * 2000, b"gitdir: ."]
)
def test_nonsense(tmp_path: Path, said: bytes) -> None:
    (tmp_path / ".git").write_bytes(said)
    assert own(tmp_path) is None


def test_many_in_each_other(tmp_path: Path) -> None:
    top = tmp_path
    for _ in range(60):
        top /= "d"
        top.mkdir()
        (top / ".git").write_text("gitdir: ../.git/modules/d\n")
    assert own(top) is None
