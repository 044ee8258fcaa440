"""Files: on real trees, with git as the judge of what its ignore files mean."""

import errno
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.engine.files import (
    FilesError,
    Rules,
    Unreadable,
    Walk,
    check_root,
    read,
    walk,
    walk_paths,
    why,
)

RULES = Rules()
posix = pytest.mark.skipif(os.name != "posix", reason="this system has no such names or kinds of files")
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is the judge of this test")


def plant(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write a tree; a path closed by '/' is an empty folder."""
    for path, content in files.items():
        target = root / path
        if path.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"))
    return root


def paths(found: Walk) -> list[str]:
    return [entry.path for entry in found.files]


def git(root: Path, *words: str) -> bytes:
    """Run git as if nobody had configured it."""
    nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    nothing |= {"HOME": str(root), "XDG_CONFIG_HOME": str(root / "none")}
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.excludesFile=", *words]
    return subprocess.run(command, cwd=root, env=os.environ | nothing, check=True, capture_output=True).stdout


def git_files(root: Path) -> list[str]:
    listed = git(root, "ls-files", "-co", "--exclude-standard", "-z")
    return sorted(os.fsdecode(path) for path in listed.split(b"\0") if path)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any user may enter (pytest's own ones are their owner's alone)."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o777)
        yield Path(made).resolve()


@pytest.fixture
def nobody() -> Iterator[None]:
    """Run as a user whom permissions bind: they do not bind the administrator."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# --- what is found -------------------------------------------------------------------------------------------------


def test_files_come_in_order_with_size_and_time(tmp_path: Path) -> None:
    plant(tmp_path, {"b/x.py": "12345", "a.py": "", "b/a/z.rs": "1", ".github/ci.yml": "on: push\n"})
    found = walk(tmp_path, RULES)
    assert paths(found) == [".github/ci.yml", "a.py", "b/a/z.rs", "b/x.py"]
    assert [entry.size for entry in found.files] == [9, 0, 1, 5]
    assert found.files[3].mtime_ns == (tmp_path / "b/x.py").stat().st_mtime_ns
    assert found.skipped == {}


@posix
def test_strange_names_are_kept(tmp_path: Path) -> None:
    names = ["new\nline.py", "🎉.go", "back\\slash.c", " blank ", "caf\udce9.py", "-rf", "a'b\"c.js"]
    plant(tmp_path, dict.fromkeys(names, "x = 1\n"))
    assert paths(walk(tmp_path, RULES)) == sorted(names)
    for name in names:
        assert why(tmp_path, name, RULES) == ""
        assert read(tmp_path, name, RULES).text == "x = 1\n"


def test_a_folder_of_many_files(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*7.py\n")
    for number in range(20_000):
        (tmp_path / f"f{number}.py").touch()
    found = walk(tmp_path, RULES)
    assert (len(found.files), len(found.skipped)) == (18_001, 2_000)


@posix
def test_a_tree_of_great_depth(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1050):  # 2,100 characters, more steps than Python's stack has frames
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("x.py", os.O_CREAT, dir_fd=here))
    os.close(here)
    deep = "d/" * 1050 + "x.py"
    try:
        assert paths(walk(tmp_path, RULES)) == [deep]
        assert why(tmp_path, deep, RULES) == ""
    finally:
        subprocess.run(["rm", "-rf", "d"], cwd=tmp_path, check=True)  # too deep for shutil


# --- ignore files --------------------------------------------------------------------------------------------------


def test_a_rule_is_named_by_file_and_line(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "# logs\n*.log\n", "src/.gitignore": "/gen/\n", "a.log": "", "src/gen/x.py": ""})
    found = walk(tmp_path, RULES)
    assert found.skipped == {
        "a.log": "ignored by .gitignore:2 (*.log)",
        "src/gen/": "ignored by src/.gitignore:1 (/gen/)",
    }
    assert why(tmp_path, "a.log", RULES) == "ignored by .gitignore:2 (*.log)"
    assert why(tmp_path, "src/gen", RULES) == "ignored by src/.gitignore:1 (/gen/)"
    assert why(tmp_path, "src/gen/x.py", RULES) == "in src/gen/: ignored by src/.gitignore:1 (/gen/)"


def test_a_tree_that_is_wholly_ignored_says_so(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "*.o\n/*\n", "src/a.py": "", "b.py": ""})
    found = walk(tmp_path, RULES)
    assert found.files == ()
    assert found.skipped["src/"] == "ignored by .gitignore:2 (/*)"


def test_the_nearest_file_and_the_last_line_win(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "*.txt\n!b.txt\n", "s/.gitignore": "!a.txt\nb.txt\n", "a.txt": "", "b.txt": ""})
    plant(tmp_path, {"s/a.txt": "", "s/b.txt": ""})
    assert paths(walk(tmp_path, RULES)) == [".gitignore", "b.txt", "s/.gitignore", "s/a.txt"]


def test_kinds_of_ignore_files_have_an_order(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "a\nb\nc\nd\n", ".ignore": "!b\n!c\n!d\n", ".meaningignore": "c\nd\n"})
    plant(tmp_path, dict.fromkeys("abcde", ""))
    rules = Rules(exclude=("!d", "e"))
    assert paths(walk(tmp_path, rules)) == [".gitignore", ".ignore", ".meaningignore", "b", "d"]
    assert why(tmp_path, "c", rules) == "ignored by .meaningignore:1 (c)"
    assert why(tmp_path, "e", rules) == "left out by the exclude setting (e)"


def test_a_root_inside_a_repository_hears_the_folders_above(tmp_path: Path) -> None:
    plant(tmp_path, {".git/HEAD": "", ".git/info/exclude": "secretive\n", ".gitignore": "*.log\n/p/q/gen\nx.py\n"})
    plant(tmp_path, {"p/.gitignore": "/q/*.tmp\n!x.py\n", "p/.meaningignore": "dull\n"})
    root = plant(tmp_path / "p/q", dict.fromkeys(["a.log", "b.tmp", "gen/z.py", "x.py", "secretive", "dull", "ok"], ""))
    found = walk(root, RULES)
    assert paths(found) == ["ok", "x.py"]
    assert found.skipped == {
        "a.log": "ignored by ../../.gitignore:1 (*.log)",
        "b.tmp": "ignored by ../.gitignore:1 (/q/*.tmp)",
        "gen/": "ignored by ../../.gitignore:2 (/p/q/gen)",
        "secretive": "ignored by ../../.git/info/exclude:1 (secretive)",
        "dull": "ignored by ../.meaningignore:1 (dull)",
    }


def test_a_root_that_its_repository_ignores_was_chosen_all_the_same(tmp_path: Path) -> None:
    plant(tmp_path, {".git/HEAD": "", ".gitignore": "try/\n", "try/a.py": ""})
    assert paths(walk(tmp_path / "try", RULES)) == ["a.py"]


def test_outside_a_repository_the_folders_above_are_not_heard(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "*\n", "p/a.py": ""})
    assert paths(walk(tmp_path / "p", RULES)) == ["a.py"]


def test_a_home_folder_that_is_a_repository_does_not_silence_its_projects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    plant(tmp_path, {".git/HEAD": "", ".gitignore": "*\n", "p/a.py": ""})
    assert paths(walk(tmp_path / "p", RULES)) == ["a.py"]


@needs_git
def test_worktrees_and_submodules_find_their_exclude_file(tmp_path: Path) -> None:
    main = plant(tmp_path / "main", {"a.py": "", "x.tmp": ""})
    git(main, "init", "-q")
    git(main, "add", "a.py")
    git(main, "commit", "-q", "-m", "a")
    (main / ".git/info/exclude").write_text("*.tmp\n")
    git(main, "worktree", "add", "-q", "../side")
    plant(tmp_path / "side", {"x.tmp": "", "y.py": ""})
    assert paths(walk(tmp_path / "side", RULES)) == ["a.py", "y.py"]
    assert why(tmp_path / "side", "x.tmp", RULES) == "ignored by .git/info/exclude:1 (*.tmp)"
    git(main, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tmp_path / "main"), "sub")
    plant(main / ".git/modules/sub", {"info/exclude": "*.skip\n"})
    plant(main, {"sub/z.skip": "", "sub/z.tmp": "", "sub/z.py": ""})
    # What the outer repository ignores does not reach into the inner one.
    assert [path for path in paths(walk(main, RULES)) if path.startswith("sub/")] == [
        "sub/a.py", "sub/z.py", "sub/z.tmp",
    ]  # fmt: skip


def test_a_broken_pointer_to_git_is_no_error(tmp_path: Path) -> None:
    plant(tmp_path, {".git": "gitdir: /nowhere/at/all\n", ".gitignore": "*.o\n", "a.o": "", "a.py": ""})
    assert paths(walk(tmp_path, RULES)) == [".gitignore", "a.py"]
    (tmp_path / ".git").write_bytes(b"\xff\x00\n" * 9000)
    assert paths(walk(tmp_path, RULES)) == [".gitignore", "a.py"]


@needs_git
def test_a_tracked_file_that_a_rule_ignores_is_left_out(tmp_path: Path) -> None:
    git(plant(tmp_path, {"a.gen": "", ".gitignore": "*.gen\n"}), "init", "-q")
    git(tmp_path, "add", "-f", "a.gen")
    assert "a.gen" in git_files(tmp_path)
    assert paths(walk(tmp_path, RULES)) == [".gitignore"]
    plant(tmp_path, {".meaningignore": "!a.gen\n"})
    assert "a.gen" in paths(walk(tmp_path, RULES))


@posix
def test_an_ignore_file_that_is_no_plain_file_is_not_obeyed(tmp_path: Path) -> None:
    plant(tmp_path, {"rules": "*.py\n", "a.py": "", "b/a.py": "", "c/a.py": "", "c/.gitignore/": ""})
    (tmp_path / ".gitignore").symlink_to("rules")
    os.mkfifo(tmp_path / "b/.gitignore")
    assert paths(walk(tmp_path, RULES)) == ["a.py", "b/a.py", "c/a.py", "rules"]


def test_a_huge_ignore_file_is_obeyed_as_far_as_it_is_read(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "a.py\n" + "# filler\n" * 40_000 + "b.py\n", "a.py": "", "b.py": ""})
    assert paths(walk(tmp_path, RULES)) == [".gitignore", "b.py"]


# --- what stays out by default -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "row", "reason"),
    [
        (["node_modules/x/i.js"], "node_modules/", "dependency folder (node_modules)"),
        (["target/a.rs", "Cargo.toml"], "target/", "build folder (target)"),
        (["build/CMakeCache.txt"], "build/", "build folder (build)"),
        (["cmake-debug/CMakeCache.txt"], "cmake-debug/", "build folder (CMakeCache.txt)"),
        (["dist/a.js", "package.json"], "dist/", "build folder (dist)"),
        (["vendor/modules.txt", "go.mod"], "vendor/", "dependency folder (vendor)"),
        (["env/pyvenv.cfg"], "env/", "Python environment (env)"),
        (["my/own/pyvenv.cfg"], "my/own/", "Python environment (pyvenv.cfg)"),
        ([".venv/x.py"], ".venv/", "Python environment (.venv)"),
        (["c/CACHEDIR.TAG"], "c/", "cache folder (CACHEDIR.TAG)"),
        (["fixture.git/HEAD", "fixture.git/objects/x", "fixture.git/refs/y"], "fixture.git/", "bare git repository"),
        (["p.egg-info/PKG-INFO"], "p.egg-info/", "dependency folder (p.egg-info)"),
        ([".git/config"], ".git/", "git's own folder"),
        (["sub/.git"], "sub/.git", "git's own file"),
        ([".ssh/config"], ".ssh/", "may hold secrets (.ssh)"),
        ([".env"], ".env", "may hold secrets"),
        ([".env.production"], ".env.production", "may hold secrets"),
        (["prod.env"], "prod.env", "may hold secrets"),
        (["server.pem"], "server.pem", "may hold secrets"),
        (["id_ed25519"], "id_ed25519", "may hold secrets"),
        ([".netrc"], ".netrc", "may hold secrets"),
        (["client_secret_12.json"], "client_secret_12.json", "may hold secrets"),
        (["package-lock.json"], "package-lock.json", "lock file (package-lock.json)"),
        (["a.min.js"], "a.min.js", "minified"),
        (["a.js.map"], "a.js.map", "source map"),
        (["logo.PNG"], "logo.PNG", "image (.PNG)"),
        (["x.tar.gz"], "x.tar.gz", "archive (.gz)"),
    ],
)
def test_left_out_by_default(tmp_path: Path, files: list[str], row: str, reason: str) -> None:
    plant(tmp_path, dict.fromkeys(files, "x"))
    assert walk(tmp_path, RULES).skipped == {row: reason}
    assert why(tmp_path, row, RULES) == reason


@pytest.mark.parametrize(
    "path",
    ["build/main.go", "dist/a.py", "out/b.c", "target/c.rs", "vendor/lib/d.cpp", "env/e.py", "bin/tool", "obj/o.cs",
     ".env.example", "config/.env.sample", "secrets.py", "credentials.go", "png", "keys/key.ts", "lib/env.rs",
     "CMakeLists.txt", "Cargo.toml", "lock.py", ".vscode/settings.json"],
)  # fmt: skip
def test_ordinary_names_stay_in(tmp_path: Path, path: str) -> None:
    plant(tmp_path, {path: "x"})
    assert paths(walk(tmp_path, RULES)) == [path]
    assert why(tmp_path, path, RULES) == ""


def test_a_build_in_place_leaves_its_source_in(tmp_path: Path) -> None:
    plant(tmp_path, {"lib/CMakeCache.txt": "", "lib/CMakeLists.txt": "", "lib/a.c": ""})
    assert "lib/a.c" in paths(walk(tmp_path, RULES))


def test_the_root_is_never_left_out_by_its_own_marks(tmp_path: Path) -> None:
    plant(tmp_path / "node_modules", {"CACHEDIR.TAG": "", "a.js": ""})
    assert "a.js" in paths(walk(tmp_path / "node_modules", RULES))


def test_a_line_brings_back_what_the_defaults_leave_out(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {".meaningignore": "!node_modules/mine/\n!logo.svg\n!own/\n!.env\n!.git\n!.ssh\n", "logo.svg": "<svg/>"},
    )
    plant(tmp_path, {"node_modules/mine/a.js": "", "node_modules/mine/b.png": "", "node_modules/other/a.js": ""})
    plant(
        tmp_path,
        {"node_modules/top.js": "", "own/pyvenv.cfg": "", "own/x.py": "", ".env": "", ".git/a": "", ".ssh/b": ""},
    )
    found = walk(tmp_path, RULES)
    assert paths(found) == [".meaningignore", "logo.svg", "node_modules/mine/a.js", "own/pyvenv.cfg", "own/x.py"]
    assert found.skipped == {
        ".env": "may hold secrets",
        ".git/": "git's own folder",
        ".ssh/": "may hold secrets (.ssh)",
        "node_modules/mine/b.png": "image (.png)",
        "node_modules/other/": "dependency folder (node_modules)",
        "node_modules/top.js": "dependency folder (node_modules)",
    }


def test_the_setting_brings_back_a_file_deep_in_an_ignored_folder(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "gen/\n", "gen/a/keep.py": "", "gen/a/no.py": "", "gen/b/no.py": ""})
    rules = Rules(exclude=("!gen/a/keep.py",))
    found = walk(tmp_path, rules)
    assert paths(found) == [".gitignore", "gen/a/keep.py"]
    assert set(found.skipped) == {"gen/a/no.py", "gen/b/"}
    assert why(tmp_path, "gen/b/no.py", rules) == "in gen/b/: ignored by .gitignore:1 (gen/)"


def test_a_line_of_gitignore_does_not_open_the_defaults(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {".gitignore": "*\n!*/\n!*.js\n!.gitignore\n", "node_modules/a.js": "", "src/a.js": "", "src/a.py": ""},
    )
    assert paths(walk(tmp_path, RULES)) == [".gitignore", "src/a.js"]


def test_the_largest_file_is_a_setting(tmp_path: Path) -> None:
    plant(tmp_path, {"a.txt": "x" * 10, "b.txt": "x" * 11})
    rules = Rules(max_file_bytes=10)
    assert paths(walk(tmp_path, rules)) == ["a.txt"]
    assert why(tmp_path, "b.txt", rules) == "larger than 10 bytes"
    with pytest.raises(Unreadable, match="larger than 10 bytes"):
        read(tmp_path, "b.txt", rules)


# --- links and their like ------------------------------------------------------------------------------------------


def link(place: Path, target: Path | str) -> None:
    try:
        place.symlink_to(target, target_is_directory=Path(target).is_dir())
    except OSError as error:
        if getattr(error, "winerror", 0) == 1314:
            pytest.skip("this user may not make links")
        raise


def test_links_are_not_followed(tmp_path: Path) -> None:
    plant(tmp_path, {"out/secret.py": "s", "in/real/a.py": "a", "in/deep/": ""})
    root = tmp_path / "in"
    link(root / "alias.py", root / "real/a.py")
    link(root / "folder", root / "real")
    link(root / "deep/loop", root)
    link(root / "self", root / "self")
    link(root / "away.py", tmp_path / "out/secret.py")
    link(root / "away", tmp_path / "out")
    link(root / "gone.py", root / "none")
    found = walk(root, RULES)
    assert paths(found) == ["real/a.py"]
    assert found.skipped == {
        "alias.py": "a link to real/a.py (links are not followed)",
        "folder": "a link to real (links are not followed)",
        "deep/loop": "a link to . (links are not followed)",
        "self": "a link that leads nowhere",
        "away.py": "a link that leads out of the folder",
        "away": "a link that leads out of the folder",
        "gone.py": "a link that leads nowhere",
    }
    assert why(root, "away/secret.py", RULES) == "in away: a link that leads out of the folder"
    assert walk_paths(root, ["away/secret.py"], RULES).skipped == {"away": "a link that leads out of the folder"}
    for path in ("away/secret.py", "away.py", "alias.py", "../out/secret.py", "self", "folder/../../out/secret.py"):
        with pytest.raises(Unreadable):
            read(root, path, RULES)


def test_a_root_may_be_reached_through_a_link(tmp_path: Path) -> None:
    plant(tmp_path, {"real/a.py": "x"})
    link(tmp_path / "way", tmp_path / "real")
    assert paths(walk(tmp_path / "way", RULES)) == ["a.py"]
    assert read(tmp_path / "way", "a.py", RULES).text == "x"
    assert why(tmp_path / "way", "a.py", RULES) == ""


@posix
@pytest.mark.timeout(20)
def test_pipes_and_sockets_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("door.py")
        assert walk(tmp_path, RULES).skipped == {
            "pipe.py": "a pipe, not a plain file",
            "door.py": "a socket, not a plain file",
        }
        for path in ("pipe.py", "door.py"):
            assert why(tmp_path, path, RULES).endswith("not a plain file")
            with pytest.raises(Unreadable, match="not a plain file"):
                read(tmp_path, path, RULES)


@posix
def test_what_may_not_be_read_has_a_row(folder: Path, nobody: None) -> None:
    plant(folder, {"shut/a.py": "", "listed/a.py": "", "entered/a.py": "", "b.py": "x", "ok.py": ""})
    modes = {"shut": 0o000, "listed": 0o444, "entered": 0o111, "b.py": 0o000}
    for path, mode in modes.items():
        (folder / path).chmod(mode)
    try:
        found = walk(folder, RULES)
        denied = f"cannot be read ({os.strerror(errno.EACCES)})"
        assert paths(found) == ["b.py", "ok.py"]
        assert found.skipped == {"shut/": denied, "listed/a.py": denied, "entered/": denied}
        assert why(folder, "b.py", RULES) == denied
        assert why(folder, "entered/a.py", RULES) == f"in entered/: {denied}"
        assert why(folder, "listed/a.py", RULES) == denied
        assert why(folder, "shut", RULES) == denied
        with pytest.raises(Unreadable, match="cannot be read"):
            read(folder, "b.py", RULES)
        with pytest.raises(FilesError, match="cannot be read"):
            check_root(folder / "shut")
    finally:
        for path in modes:
            (folder / path).chmod(0o777)


def test_what_is_gone_has_none(tmp_path: Path) -> None:
    plant(tmp_path, {"a.py": "", "d/x.py": ""})
    for path in ("none.py", "no/ne.py", "a.py/x", "d/none", "nul\0.py", "\ud800.py"):
        assert why(tmp_path, path, RULES) == "there is no such file"
        assert walk_paths(tmp_path, [path], RULES) == Walk((), {})
        with pytest.raises(Unreadable):
            read(tmp_path, path, RULES)


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "/etc/passwd", "d/../a.py"])
def test_no_path_leads_out(tmp_path: Path, path: str) -> None:
    plant(tmp_path, {"a.py": "", "d/": ""})
    assert why(tmp_path, path, RULES) == "outside the folder"
    assert walk_paths(tmp_path, [path], RULES) == Walk((), {})
    with pytest.raises(Unreadable, match="outside the folder"):
        read(tmp_path, path, RULES)


# --- roots ---------------------------------------------------------------------------------------------------------


def test_roots_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, {"me/file.py": "", "me/project/": "", "other/": ""})
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "me"))
    for root, says in [
        (Path(tmp_path.anchor), "whole file system"),
        (tmp_path / "me", "home folder"),
        (tmp_path, "home folder"),
        (tmp_path / "me/file.py", "not a folder"),
        (tmp_path / "none", "does not exist"),
        (tmp_path / "me/project/..", "home folder"),
    ]:
        with pytest.raises(FilesError, match=says):
            check_root(root)
        with pytest.raises(FilesError, match=says):
            walk(root, RULES)
    assert check_root(tmp_path / "me/project") == (tmp_path / "me/project").resolve()
    assert check_root(tmp_path / "me/../other") == (tmp_path / "other").resolve()


# --- text ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"a\r\nb\r\n", "a\r\nb\r\n"),
        (b"a\rb\x0cc\n", "a\rb\x0cc\n"),
        ("\ufeffx = '🎉'\n".encode(), "x = '🎉'\n"),
        ("\ufeffé🎉\r\n".encode("utf-16-le"), "é🎉\r\n"),
        ("\ufeffé🎉\n".encode("utf-16-be"), "é🎉\n"),
        ("\ufeffé🎉\n".encode("utf-32-le"), "é🎉\n"),
        ("naïve café\n".encode("latin-1"), "naïve café\n"),
        (b"caf\xe9 \x93quoted\x94", "caf\xe9 \x93quoted\x94"),
        (b"x" * 9000 + b"\0", "x" * 9000 + "\0"),
        (b"one long line " * 60_000, "one long line " * 60_000),
    ],
    ids=lambda data: repr(data[:24]),
)
def test_decodes(tmp_path: Path, data: bytes, text: str) -> None:
    plant(tmp_path, {"a.txt": data})
    source = read(tmp_path, "a.txt", RULES)
    assert source.text == text
    assert (source.path, source.language, source.size) == ("a.txt", "plaintext", len(data))
    assert source.content_hash == blake2b(data, digest_size=16).digest()
    assert source.mtime_ns == walk(tmp_path, RULES).files[0].mtime_ns
    assert why(tmp_path, "a.txt", RULES) == ""


@pytest.mark.parametrize(
    "data",
    [b"MZ\0\0", b"\xff\xfe\x00", b"\xff\xfea\x00\x00\xd8", bytes(range(1, 32)) * 20 + b"\xff", b"x" * 8000 + b"\0"],
    ids=lambda data: repr(data[:24]),
)
def test_binaries_are_told_by_their_content(tmp_path: Path, data: bytes) -> None:
    plant(tmp_path, {"tool": data})
    assert paths(walk(tmp_path, RULES)) == ["tool"]  # which opens no file
    assert why(tmp_path, "tool", RULES).startswith("binary")
    with pytest.raises(Unreadable, match="binary"):
        read(tmp_path, "tool", RULES)


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("a.go", "// Code generated by protoc-gen-go. DO NOT EDIT.\npackage a\n", "generated (// Code generated by"),
        ("a.py", "# -*- coding: utf-8 -*-\n# Generated by the compiler.  DO NOT EDIT!\n", "generated (# Generated by"),
        ("a.js", "/**\n * @generated SignedSource<<0>>\n */\n", "generated (* @generated"),
        ("a.rs", "// This file is @generated by prost-build.\n", "generated (// This file is @generated"),
        ("a.cs", "// <auto-generated>\n", "generated (// <auto-generated"),
        ("a.dart", "// GENERATED CODE - DO NOT MODIFY BY HAND\n", "generated (// GENERATED CODE"),
        (
            "a.c",
            "/*\n * A licence.\n */\n\n/* THIS IS A GENERATED FILE\n *\n * Do not change! */\n",
            "generated (/* THIS IS",
        ),
        (
            "a.h",
            "/*\n * Please do not edit this file.\n * It was generated using rpcgen.\n */\n",
            "generated (* Please do",
        ),
        (
            "a.py",
            "# This file is automatically generated by tools/data.py\n",
            "generated (# This file is automatically",
        ),
        ("a.xml", '<?xml version="1.0"?>\n<!--\n  Generated by x; do not edit.\n-->\n', "generated (Generated by x"),
        ("a.py", "# Of today.\r# Generated by x. DO NOT EDIT.\rx = 1\r", "generated (# Generated by x"),
        ("a.php", "<?php\n// DO NOT EDIT! Generated by x.\n", "generated (// DO NOT EDIT"),
        ("a.css", "a{b:c}" * 2000, "minified"),
        ("a.js", "var a;" * 2000, "minified"),
        ("a.json", '{"a":1},' * 2000, "minified"),
        ("a", "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n", "may hold secrets (a private key)"),
    ],
)
def test_what_no_person_wrote(tmp_path: Path, path: str, text: str, reason: str) -> None:
    plant(tmp_path, {path: text})
    assert paths(walk(tmp_path, RULES)) == [path]
    assert why(tmp_path, path, RULES).startswith(reason)
    with pytest.raises(Unreadable):
        read(tmp_path, path, RULES)
    plant(tmp_path, {".meaningignore": f"!{path}\n"})
    assert (why(tmp_path, path, RULES) == "") is ("secrets" not in reason)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", '"""Finds files that hold "@generated" or "DO NOT EDIT" near their top, generated or not."""\n'),
        ("a.md", "# Generated files: do not edit them\n"),
        ("a.py", "# Writes what is generated.\n\nX = 'do not edit'\n"),
        ("a.py", "x = 1\n" * 2000 + "# @generated\n"),
        ("a.py", "#!/usr/bin/env python\n# Writes the generated parser tables; do not edit them by hand, run this.\n"),
        ("a.py", "# Do not edit the generated files in build/, run this.\n# Generated files: do not edit them.\n"),
        ("a.py", 'import re\n\nTOP = """\\\n# This is a generated file!  Do not edit.\n"""\n'),
        ("a.pl", "use strict;\n# Generated by x. DO NOT EDIT.\n"),
        ("a.js", "var a = 1;\n" * 2000),
        ("a.js", "var a = 1;\r" * 2000),
        ("a.py", "# Written by hand.\rx = 1\r# @generated\r"),
        ("a.js", "short();" * 40),
        ("a.py", "x" * 9000),
    ],
)
def test_what_a_person_may_have_written(tmp_path: Path, path: str, text: str) -> None:
    plant(tmp_path, {path: text})
    assert why(tmp_path, path, RULES) == ""


def test_the_language_comes_from_name_or_first_line(tmp_path: Path) -> None:
    plant(tmp_path, {"a.py": "", "tool": "#!/usr/bin/env node\n1\n", "bare": "#!/bin/sh", "old": "#!/bin/sh\rexit 1\r"})
    assert [read(tmp_path, path, RULES).language for path in ("a.py", "tool", "bare", "old")] == [
        "python", "javascript", "shellscript", "shellscript",
    ]  # fmt: skip


# --- properties ----------------------------------------------------------------------------------------------------

NAMES = [
    "a",
    "b",
    "ab",
    "foo",
    "foo.py",
    "x.ox",
    "keep.ox",
    "a b",
    "#c",
    "!d",
    "[e]",
    "g*",
    "🎉party",
    "caf\u00e9latte",
]
if os.name != "posix":
    NAMES.remove("g*")
ATOMS = [
    "a",
    "b",
    "foo",
    "*",
    "**",
    "?",
    "[ab]",
    "[!a]",
    ".ox",
    ".py",
    "/",
    "\\#c",
    "\\!d",
    "keep",
    " ",
    "\\[e]",
    "caf\u00e9",
]
# `?` and `[!a]` stand for one byte in git; the names here that are not ASCII are long enough not to matter.
lines = st.builds(
    lambda negated, anchored, atoms, folder: negated + anchored + "".join(atoms) + folder,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(st.sampled_from(ATOMS), min_size=1, max_size=4),
    st.sampled_from(["", "", "/"]),
)
ignore_texts = st.lists(lines, max_size=5).map("\n".join)


def trees(names: list[str], ignore_names: list[str]) -> st.SearchStrategy[dict[str, str]]:
    folders = st.lists(st.sampled_from(names), max_size=3).map(lambda steps: "".join(step + "/" for step in steps))
    files = st.dictionaries(st.tuples(folders, st.sampled_from(names)).map("".join), st.just("x\n"), max_size=20)
    ignores = st.dictionaries(st.tuples(folders, st.sampled_from(ignore_names)).map("".join), ignore_texts, max_size=4)
    return st.builds(lambda plain, rules: plain | rules, files, ignores)


def plant_what_fits(root: Path, files: Mapping[str, str]) -> None:
    """Write a tree; where one path needs a folder and another a file, the first has it."""
    for path, content in sorted(files.items(), key=lambda item: -item[0].count("/")):
        if not (root / path).exists():
            plant(root, {path: content})


@needs_git
@given(trees(NAMES, [".gitignore"]), ignore_texts, st.sampled_from(["", "a", "foo"]))
@settings(max_examples=60, deadline=None)
def test_git_finds_the_same(files: dict[str, str], exclude: str, below: str) -> None:
    with tempfile.TemporaryDirectory() as made:
        root = Path(made).resolve()
        git(root, "init", "-q")
        plant_what_fits(root, files | {".git/info/exclude": ""})
        (root / ".git/info/exclude").write_text(exclude, encoding="utf-8")
        assert paths(walk(root, RULES)) == git_files(root)
        inner = root / below
        if below and inner.is_dir() and why(root, below, RULES) == "":
            assert paths(walk(inner, RULES)) == git_files(inner)


DEFAULTS = [
    "node_modules",
    "target",
    "Cargo.toml",
    ".env",
    "a.min.js",
    "b.png",
    "pyvenv.cfg",
    "go.sum",
    "build",
    "foo",
    "a",
]


@given(
    trees(DEFAULTS + NAMES[:5], [".gitignore", ".ignore", ".meaningignore"]),
    st.lists(lines, max_size=2).map(tuple),
)
@settings(max_examples=100, deadline=None)
def test_walk_and_why_agree(files: dict[str, str], exclude: tuple[str, ...]) -> None:
    rules = Rules(exclude=exclude, max_file_bytes=40)
    with tempfile.TemporaryDirectory() as made:
        root = Path(made).resolve()
        plant_what_fits(root, files)
        found = walk(root, rules)
        entries = {entry.path: entry for entry in found.files}
        rows = dict(found.skipped)
        for path in sorted(each.relative_to(root).as_posix() for each in root.rglob("*")):
            is_folder = (root / path).is_dir()
            row = path + "/" if is_folder else path
            above = next((each for each in rows if each.endswith("/") and row.startswith(each) and row != each), "")
            some = walk_paths(root, [path], rules)
            if above:
                assert why(root, path, rules) == f"in {above}: {rows[above]}"
                assert some == Walk((), {above: rows[above]})
                continue
            assert why(root, path, rules) == rows.get(row, "")
            assert is_folder or (path in entries) is (row not in rows)
            inside = tuple(entry for entry in found.files if (entry.path + "/").startswith(path + "/"))
            assert some == Walk(inside, {each: rows[each] for each in rows if (each + "/").startswith(path + "/")})


def test_paths_that_overlap_give_each_row_once(tmp_path: Path) -> None:
    plant(tmp_path, {"d/a.py": "", "d/e/b.py": "", "d/x.png": "", "c.py": ""})
    everything = walk(tmp_path, RULES)
    assert walk_paths(tmp_path, ["d/e", "d", "d/a.py", "./d//e/", "c.py"], RULES) == everything
    assert walk_paths(tmp_path, [""], RULES) == everything
