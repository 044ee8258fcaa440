"""A hostile workspace: what lies in a folder leads nowhere, runs nothing, and breaks no name, question or cache.

What single modules promise of this is held beside them (files, query, index, log); here it is the whole way, and what
somebody may do while it is gone.
"""

import contextlib
import ctypes
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lsp.editor import editor
from support import BagEncoder, MakeIndex, drain, write_workspace

from lsp_server.engine import files
from lsp_server.engine.errors import EngineError
from lsp_server.engine.files import Rules, Unreadable, read, walk
from lsp_server.engine.git import changed_files, marks
from lsp_server.engine.index import Index, Options
from lsp_server.engine.query import Query

RULES = Rules()
SECRET = "the crown jewels lie in the cellar"
CODE = """
//- shop/price.py
def total_price(cart):
    \"\"\"Add up what everything in the cart costs, with tax.\"\"\"
    return sum(item.price * 1.19 for item in cart)
"""
posix = pytest.mark.skipif(os.name != "posix", reason="this system has no such names, links or kinds of files")
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is what is asked")
needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the workspace that nobody opened."""
    folder = tmp_path / "outside"
    write_workspace(folder, f"//- price.py\ndef crown_jewels():\n    return {SECRET!r}\n")
    return folder


def paths(index: Index) -> set[str]:
    return {hit.path for hit in index.search(Query("", limit=1_000)).hits}


def everything_kept(index: Index) -> bytes:
    """Give all bytes of the cache."""
    index.close()
    cache = Path(index.options.cache_dir)
    return b"".join(path.read_bytes() for path in sorted(cache.rglob("*")) if path.is_file())


# ---- links and other ways out


@posix
@needs_proc
def test_nothing_of_what_is_linked_or_odd_is_kept(
    make_index: MakeIndex, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One pass over all at once: links out, in, round and to devices, pipes, sockets, and a link far down."""
    index = make_index(CODE)
    root = index.root
    for name, target in {
        "file.py": outside / "price.py",
        "folder": outside,
        "up": "..",
        "around": ".",
        "inner": "shop",
        "self.py": "self.py",
        "ping": "pong",
        "pong": "ping",
        "environ.py": "/proc/self/environ",
        "process": "/proc/self",
        "zero.py": "/dev/zero",
        "tty.py": "/dev/tty",
        "shop/deep.py": outside / "price.py",
        ".gitignore": outside / "price.py",
        ".meaningignore": "/dev/zero",
        "caf\udce9.py": outside / "price.py",
    }.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "pipe.py")
    monkeypatch.chdir(root)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("door.py")
        drain(index.update())
    index.catch_up()
    assert paths(index) == {"shop/price.py"}
    assert index.search(Query("crown jewels cellar")).confident is False
    assert SECRET.encode() not in everything_kept(index)


@posix
def test_a_hard_link_is_a_file_of_the_folder(make_index: MakeIndex, outside: Path) -> None:
    """Nothing tells it from one: whoever may link it may copy it. It is read like any other, and once per name."""
    (outside.parent / "workspace/shop").mkdir(parents=True)
    os.link(outside / "price.py", outside.parent / "workspace/shop/jewels.py")
    index = make_index()
    assert paths(index) == {"shop/jewels.py"}


@posix
def test_a_file_replaced_by_a_link_between_scan_and_read(make_index: MakeIndex, outside: Path) -> None:
    """The walk saw a plain file; what it has become since is found out when it is opened."""
    index = make_index(CODE)
    write_workspace(index.root, "//- shop/price.py\ndef changed_price():\n    pass\n//- shop/more.py\nMORE = 1\n")
    run = index.update()
    while next(run).phase == "scan":
        pass
    for name in ("price.py", "more.py"):
        (index.root / "shop" / name).unlink()
        (index.root / "shop" / name).symlink_to(outside / "price.py")
    drain(run)
    drain(index.update())
    index.catch_up()
    assert paths(index) == set()
    assert SECRET.encode() not in everything_kept(index)


@posix
def test_a_folder_replaced_by_a_link_is_not_gone_into(tmp_path: Path, outside: Path) -> None:
    root = write_workspace(tmp_path / "root", CODE)
    found = walk(root, RULES).files[0].path
    (root / "shop").rename(root / "shop2")
    (root / "shop").symlink_to(outside)
    with pytest.raises(Unreadable, match="link"):
        read(root, found, RULES)
    (root / "shop").unlink()
    (root / "shop").symlink_to(root / "shop2")
    with pytest.raises(Unreadable, match="link"):
        read(root, found, RULES)


@posix
@pytest.mark.parametrize("name", ["shop", "shop/price.py"], ids=["a folder", "a file"])
def test_swapping_while_it_is_read_gives_nothing_away(tmp_path: Path, outside: Path, name: str) -> None:
    """Another process changes places as fast as it can; every answer is the file's own text or a refusal."""
    if not hasattr(ctypes.CDLL(None), "renameat2"):
        pytest.skip("two names cannot change places at once here")
    root = write_workspace(tmp_path / "root", CODE)
    own = (root / "shop/price.py").read_text()
    (tmp_path / "link").symlink_to(outside if name == "shop" else outside / "price.py")
    swap = (
        "import ctypes, sys\n"
        "rename, words = ctypes.CDLL(None).renameat2, [word.encode() for word in sys.argv[1:]]\n"
        "print(rename(-100, words[0], -100, words[1], 2), flush=True)\n"  # AT_FDCWD, RENAME_EXCHANGE
        "while True: rename(-100, words[0], -100, words[1], 2)\n"
    )
    swapper = subprocess.Popen(
        [sys.executable, "-c", swap, str(root / name), str(tmp_path / "link")], stdout=subprocess.PIPE
    )
    try:
        assert swapper.stdout is not None
        assert swapper.stdout.readline() == b"0\n", "this file system cannot do that"
        seen = set()
        for _ in range(20_000):
            try:
                seen.add(read(root, "shop/price.py", RULES).text)
            except Unreadable as error:
                seen.add(type(error))
            assert seen <= {own, Unreadable, files.Unreachable}
        assert own in seen
        assert len(seen) > 1, "nothing was ever swapped: this test has seen nothing"
    finally:
        swapper.kill()
        swapper.communicate()


@posix
def test_a_root_that_is_a_link_is_the_folder_it_leads_to(make_index: MakeIndex, tmp_path: Path, outside: Path) -> None:
    index = make_index(CODE)
    (tmp_path / "way").symlink_to(index.root)
    again = Index(tmp_path / "way", index.options, BagEncoder())
    assert again.root == index.root
    assert again.store_path == index.store_path
    (tmp_path / "way").unlink()
    (tmp_path / "way").symlink_to(outside)  # what is open stays what was opened
    drain(again.update())
    again.catch_up()
    assert paths(again) == {"shop/price.py"}
    again.close()


@pytest.mark.parametrize("path", ["../outside/price.py", "shop/../../outside/price.py", "/etc/hosts", "..", "\0", ""])
def test_paths_that_are_asked_for_stay_inside(make_index: MakeIndex, outside: Path, path: str) -> None:
    index = make_index(CODE)
    drain(index.update_paths([path]))
    index.catch_up()
    assert paths(index) <= {"shop/price.py"}
    assert SECRET not in index.why(path)
    for ask in (lambda: index.similar(path, 0, 0, Query("")), lambda: index.explain(Query("jewels"), path, 0)):
        with pytest.raises(EngineError, match="Nothing is indexed"):
            ask()


# ---- what a repository may say


def plain_git(root: Path, *words: str) -> None:
    """Run git as if nobody had configured it."""
    nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", "-C", str(root), "-c", "user.name=A", "-c", "user.email=a@example.org", *words]
    subprocess.run(command, env=os.environ | nothing, check=True, capture_output=True, timeout=30)


def commit_all(root: Path) -> None:
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        plain_git(root, *command)


def set_a_trap(root: Path, made: Path, name: str = "trap") -> None:
    """Have everything that git could run for a file leave a mark; `name` is that of a filter."""
    for key in ("clean", "smudge", "process"):
        plain_git(root, "config", f"filter.{name}.{key}", f"touch '{made}'; cat")
    plain_git(root, "config", f"filter.{name}.required", "true")
    for key, value in {
        "core.fsmonitor": f"touch '{made}'; false",
        "core.hooksPath": str(root / "hooks"),
        "core.pager": f"touch '{made}'",
        "core.sshCommand": f"touch '{made}'",
        "diff.external": f"touch '{made}'",
        "diff.trap.command": f"touch '{made}'",
        "diff.trap.textconv": f"touch '{made}'; cat",
        "alias.diff-index": f"!touch '{made}'",
        "alias.ls-files": f"!touch '{made}'",
        "core.checkStat": "minimal",  # an archive that is unpacked keeps what this compares
        "core.trustctime": "false",
    }.items():
        plain_git(root, "config", key, value)
    write_workspace(root, f"//- hooks/post-index-change\n#!/bin/sh\ntouch '{made}'\n")
    (root / "hooks/post-index-change").chmod(0o755)


def make_racy(root: Path, *names: str) -> None:
    """Make files as old as git's index: then git compares what they hold, and that goes through the filters."""
    for name in names:
        os.utime(root / name, (1_000_000_000, 1_000_000_000))
    plain_git(root, "-c", "core.fsmonitor=false", "-c", "core.hooksPath=", "update-index", "-q", "--refresh")
    os.utime(root / ".git/index", (1_000_000_000, 1_000_000_000))


@posix
@needs_git
@pytest.mark.parametrize("attribute", ["* filter={} diff=trap", "[attr]all filter={} diff=trap\n* all"])
@pytest.mark.parametrize("name", ["trap", "a.b", "a=b", "=", "trap.clean=", "Größe"])
def test_no_filter_of_a_repository_runs(tmp_path: Path, name: str, attribute: str) -> None:
    made, root = tmp_path / "made", write_workspace(tmp_path / "root", CODE + "//- new.py\n")
    commit_all(root)
    make_racy(root, "shop/price.py", "new.py")
    set_a_trap(root, made, name)
    (root / ".git/info/attributes").write_text(attribute.format(name) + "\n", encoding="utf-8")
    os.utime(root / ".git/index", (1_000_000_000, 1_000_000_000))
    made.unlink(missing_ok=True)
    changed = changed_files(root)
    assert not made.exists(), "opening a folder has run a program that it names"
    # A filter whose name cannot be said on a command line cannot be switched off either: git is not asked at all.
    assert changed == (frozenset() if "=" in name else frozenset({"hooks/post-index-change"}))
    subprocess.run(
        ["git", "-C", str(root), "-c", "core.fsmonitor=false", "-c", "core.hooksPath=", "diff-index", "HEAD", "--"],
        capture_output=True,
        check=False,
    )
    assert made.exists(), "the trap would not have caught anything"


@posix
@needs_git
def test_nothing_runs_in_a_submodule(tmp_path: Path) -> None:
    made, root = tmp_path / "made", write_workspace(tmp_path / "root", CODE)
    inner = write_workspace(root / "vendored", "//- inner.py\nINNER = 1\n")
    commit_all(inner)
    commit_all(root)  # which records `vendored` as a submodule
    (inner / ".git/info/attributes").write_text("* filter=trap\n")
    set_a_trap(inner, made)
    made.unlink(missing_ok=True)
    (inner / "inner.py").touch()
    (root / "shop/price.py").write_text("PRICE = 2\n")
    assert changed_files(root) == {"shop/price.py"}
    assert not made.exists(), "opening a folder has run a program that it names"


@posix
@needs_git
def test_git_is_not_the_one_that_lies_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, root = tmp_path / "made", write_workspace(tmp_path / "root", CODE)
    commit_all(root)
    write_workspace(root, f"//- git\n#!/bin/sh\ntouch '{made}'\n")
    (root / "git").chmod(0o755)
    monkeypatch.chdir(root)
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", os.environ["PATH"]]))
    assert changed_files(root) == {"git"}
    assert not made.exists()


def test_what_points_to_git_is_read_as_far_as_a_path_goes(tmp_path: Path) -> None:
    (tmp_path / ".git").write_bytes(b"gitdir: " + b"x" * 10_000)
    os.truncate(tmp_path / ".git", 2**40)  # a hole: it takes no room on disk, and all memory
    assert marks(tmp_path) == ()


def test_settings_that_lie_in_a_folder_are_text_like_any_other(make_index: MakeIndex, tmp_path: Path) -> None:
    """Only the client's settings and the command line count; nothing is looked for in the tree, whatever its name."""
    elsewhere = tmp_path / "elsewhere"
    said = f'"cacheDir": "{elsewhere}", "model": "./evil", "server.path": "./evil.sh", "device": "evil", "index": "off"'
    index = make_index(
        CODE
        + f"//- .vscode/settings.json\n{{{said}}}\n//- settings.json\n{{{said}}}\n//- .neoconf.json\n{{{said}}}\n"
        + f'//- pyproject.toml\n[tool.meaning-ls]\ncache_dir = "{elsewhere}"\nmodel = "./evil"\n'
        + f'//- meaning-ls.toml\ncacheDir = "{elsewhere}"\n//- .env\nHF_ENDPOINT=http://127.0.0.1:9\n'
        + "//- sitecustomize.py\nraise SystemExit\n//- usercustomize.py\nraise SystemExit\n"
    )
    assert not elsewhere.exists()
    for name in (".vscode/settings.json", "settings.json", ".neoconf.json", "pyproject.toml", "meaning-ls.toml"):
        assert "is indexed" in index.why(name)
    assert index.status().state == "ready"
    assert ".env" in {path for path, _ in index.status().skipped}


def test_ignore_files_may_say_anything(make_index: MakeIndex) -> None:
    """They are matched and never run, whatever other programs take such lines for."""
    lines = ["$(touch made)", "`touch made`", "!include ../outside", "#!/bin/sh", "[", "[a-", "\\", "!" * 5_000,
             "*" * 5_000 + "b", "/" * 5_000, "a/" * 2_000, "[[:alpha:]", "**/" * 200 + "x", "\ud800", "\x00\x1b",
             "%2e"]  # fmt: skip
    index = make_index(CODE)
    for name in (".meaningignore", ".gitignore", ".ignore"):
        (index.root / name).write_bytes("\r\n".join(lines).encode("utf-8", "surrogatepass"))
    drain(index.update())
    index.catch_up()
    assert "shop/price.py" in paths(index)
    assert not list(index.root.rglob("made"))


# ---- names

NAMES = [
    "line\nfeed.py", "carriage\rreturn.py", "tab\there.py", "escape\x1b[2J\x1b]0;x\x07.py", "bell\x07.py", "del\x7f.py",
    "caf\udce9.py", "\udcff\udcfe.py", "half\udced\udca0\udc80.py", "\u202egpj.py", "\u2028.py",
    "-rf.py", "--help.py", " .py", "...py", "~.py", "$HOME.py", "%n%s.py", "a;b|c&d.py", "'\"`.py", "*.py", "[a].py",
    "?.py", "{a,b}.py", "!a.py", "#a.py", "a\\b.py", "C:a.py", "CON.py", "%2e%2e%2f.py", "'; DROP TABLE files;--.py",
    "\" OR name:x NEAR(a b).py", "é" * 126 + ".py", "n" * 252 + ".py", "a\u0301.py", "á.py",
]  # fmt: skip


@posix
def test_every_name_goes_there_and_back(make_index: MakeIndex) -> None:
    """Through the walk, the reading process, SQLite and the answer, and out again."""
    index = make_index()
    names = {}
    for number, name in enumerate(NAMES):
        with contextlib.suppress(OSError):  # macOS: names are Unicode
            (index.root / name).write_text(f"def number_{number}_of_all():\n    return {number}\n")
            names[name] = number
    drain(index.update())
    index.catch_up()
    assert paths(index) == set(names)
    for name, number in names.items():
        assert index.find_names(f"number_{number}_of_all", 1)[0].path == name
        assert index.why(name).endswith("is indexed with 2 symbols.")
        assert index.explain(Query(f"number_{number}_of_all"), name, 0)["place"] == 1
        assert index.similar(name, 0, 1, Query("", limit=3)).hits[0].path != name
        assert index.search(Query(f"number_{number}_of_all", near=name)).hits[0].path == name
    for name in names:
        (index.root / name).unlink()
    drain(index.update_paths(list(names)))
    index.catch_up()
    assert paths(index) == set()


@posix
def test_a_path_of_almost_4000_bytes(make_index: MakeIndex) -> None:
    """As long as Linux takes one in a single call; what is deeper still has a row or a reason, and ends nothing."""
    index = make_index(CODE)
    step = "é" * 100  # 200 bytes
    room = 4_000 - len(os.fsencode(index.root))
    deep = "/".join([step] * (room // 201)) + "/deep.py"
    here = os.open(index.root, os.O_RDONLY)
    for count in range(30):  # beyond what one path can say
        os.mkdir(step, dir_fd=here)
        here, above = os.open(step, os.O_RDONLY, dir_fd=here), here
        os.close(above)
        if count + 1 in (room // 201, 30):
            handle = os.open("deep.py", os.O_CREAT | os.O_WRONLY, dir_fd=here)
            os.write(handle, b"def very_deep():\n    return 1\n")
            os.close(handle)
    os.close(here)
    try:
        drain(index.update())
        index.catch_up()
        assert deep in paths(index)
        assert index.find_names("very_deep", 5)[0].path == deep
        assert "shop/price.py" in paths(index)
        assert index.why(deep).endswith("is indexed with 2 symbols.")
        assert read(index.root, deep, RULES).text.startswith("def very_deep")
    finally:
        subprocess.run(["rm", "-rf", step], cwd=index.root, check=True)  # too deep for shutil


# ---- questions

SYNTAX = [
    "'", '"', '""', '"""', "';--", "' OR '1'='1", "\"; DROP TABLE files; --", "%", "_", "%_%", "\\", "?", "?1", ":x",
    "@x", "$x", "NULL", "x'00'", "\x00", "a\x00b", "NEAR(a b, 5)", "a AND b", "a OR", "NOT a", "a NOT", "AND",
    "{name doc}: a", "name:", "name : a", "^a", "a*", "*", "**", "- a", "+", "a + b", "(", ")", "(((", "[", "[a",
    "[!a]", "[]", "[^]",
    "{a,b}", "!a", "/", "//", "..", "../..", "~", "#", "\ud800", "\U0010ffff", "\u202e", "a" * 9_000, "(" * 2_000,
    '"' * 2_001,
    "a OR " * 500, "kind:", "kind:'", "lang:*", "path:[", "path:**", "-path:*", "in:..", "in:/etc", "name:[", "name:*",
    'path:"', 'path:"a b', "changed:x", "open:", "rowid:1", "words MATCH 'a'", "a\nb", "\t", "\x1b[2J", "%s%n",
    "{0}", "${a}",
]  # fmt: skip
LINES = [line for line in SYNTAX if len(line) < 100 and line != "\ud800"]  # as they may stand in a file
TOKENS = st.sampled_from(["", "kind:", "lang:", "path:", "-path:", "in:", "name:", "changed:", "open:", '"', "-"])
questions = st.lists(st.builds("{}{}{}".format, TOKENS, st.sampled_from(SYNTAX) | st.text(max_size=12), st.sampled_from(
    ["", '"']))).map(" ".join)  # fmt: skip


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """An index whose code, names and files are written in the languages of its own store."""
    root = tmp_path_factory.mktemp("asked")
    text = CODE
    text += "".join(f"//- odd/{n}.md\n# {line!r}\n\n{line!r} whales\n" for n, line in enumerate(LINES))
    write_workspace(root, text)
    if os.name == "posix":
        (root / "'; DROP TABLE files;--.py").write_text("def after_the_semicolon():\n    pass\n")
        (root / "a*[b]?.py").write_text("def all_of_a_glob():\n    pass\n")
    index = Index(root, Options(cache_dir=str(tmp_path_factory.mktemp("cache")), threads=1), BagEncoder())
    drain(index.refresh())
    yield index
    index.close()


@given(questions, st.lists(st.sampled_from(SYNTAX) | st.text(max_size=12), max_size=3))
@example('"', [])
@example('"\x00" "\x00a"', ["\x00"])
@example('"a AND" "b* OR" "NEAR(" "^" "-" "\ud800"', ["["])
@settings(max_examples=100, deadline=None)
def test_no_syntax_is_anything_but_text(asked: Index, text: str, globs: list[str]) -> None:
    symbols, generation = asked.status().symbols, asked.status()
    asked.search(Query(text, include=tuple(globs)))
    asked.search_words(Query(text, exclude=tuple(globs), near=text, open_paths=frozenset(globs)))
    asked.find_names(text, 5)
    asked.similar("shop/price.py", 0, 1, Query(text, include=tuple(globs)))
    asked.explain(Query(text), "shop/price.py", 0)
    asked.why(text)
    asked.why("/".join(globs))
    assert not asked.catch_up(), "a question has changed the index"
    assert (asked.status().symbols, asked.status()) == (symbols, generation)


@posix
def test_what_is_asked_for_literally_is_found_literally(asked: Index) -> None:
    """Each is a pattern to somebody, and here it matches itself alone."""
    assert {hit.path for hit in asked.search(Query('path:"a\\*\\[b\\]\\?.py"')).hits} == {"a*[b]?.py"}
    assert {hit.path for hit in asked.search(Query('in:"\'; DROP TABLE files;--.py" semicolon')).hits} <= {
        "'; DROP TABLE files;--.py"
    }
    assert "after_the_semicolon" in [hit.name for hit in asked.search(Query("after the semicolon")).hits]
    for phrase in ("NEAR(a b, 5)", "' OR '1", "{name doc}: a", "words MATCH"):
        found = asked.search(Query(f'"{phrase}"', limit=100)).hits
        assert found, phrase
        assert {hit.path for hit in found} == {
            f"odd/{n}.md" for n, line in enumerate(LINES) if phrase.lower() in f"{line!r}".lower()
        }


# ---- the cache


def exposed(cache: Path) -> dict[str, str]:
    """Give what of a cache others could read: neither closed itself nor in a closed folder."""
    found = {}

    def look(folder: Path) -> None:
        for path in folder.iterdir():
            status = path.lstat()
            shut = not status.st_mode & 0o077
            if stat.S_ISDIR(status.st_mode):
                if not shut:
                    look(path)
            elif not shut:
                found[path.relative_to(cache).as_posix()] = oct(stat.S_IMODE(status.st_mode))

    look(cache)
    return found


@posix
def test_no_file_of_the_cache_can_be_read_by_others(tmp_path: Path) -> None:
    """After every command that writes there, by real processes under the most generous umask."""
    cache, root = tmp_path / "cache", write_workspace(tmp_path / "root", CODE)
    package = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": package, "HF_HUB_OFFLINE": "1"}

    def run(*words: str) -> None:
        """Run a command; a umask of 0 leaves every right that is not taken away on purpose."""
        line = ["sh", "-c", 'umask 0; exec "$0" "$@"', sys.executable, "-m", "lsp_server", *words]
        done = subprocess.run(line, cwd=root, env=environment, capture_output=True, text=True, timeout=100, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        assert exposed(cache) == {}, f"after {' '.join(words)}"

    run("index", "--cache-dir", str(cache), str(root))
    assert (cache / "vectors-1.db").exists()
    run("search", "--cache-dir", str(cache), "total price", str(root))
    run("pause", "--cache-dir", str(cache), str(root))
    run("models", "choose", "minilm-l6", "--cache-dir", str(cache))
    run("doctor", "--cache-dir", str(cache), str(root))
    kept = sorted(path.name for path in cache.rglob("*") if path.is_file())
    assert {"index.db", "vectors-1.db"} <= set(kept)
    assert list((cache / "paused").iterdir())


@posix
async def test_no_file_that_the_server_keeps_can_be_read_by_others(tmp_path: Path) -> None:
    cache, root = tmp_path / "cache", write_workspace(tmp_path / "root", CODE)
    before = os.umask(0)
    try:
        async with editor(cache) as client:
            await client.initialize(root)
            await client.ready()
            client.open(root / "shop/price.py", "def unsaved_price():\n    pass\n")
            await client.command("meaning-ls.pause")
            assert exposed(cache) == {}
            await client.command("meaning-ls.resume")
            await client.names("total price")
        assert exposed(cache) == {}
    finally:
        os.umask(before)
    assert {"index.db", "vectors-1.db"} <= {path.name for path in cache.rglob("*")}
    assert list((cache / "log").iterdir())
