"""The command line, run as a program: on a small real tree, with the real model."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import filelock
import pytest
from support import without_privileges

from lsp_server.engine.update import Progress
from lsp_server.terminal import COLOURED, PLAIN, Meter, clean, duration, expected_texts

PROGRAM = [sys.executable, "-m", "lsp_server"]
SECONDS = 60  # for one run; a busy machine loads the model in several
posix = pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals and Ctrl-C to a child are POSIX")

FILES = {
    "shop/prices.py": '''\
"""Prices of things."""


def discount(price, percent):
    """Take a share off what a customer has to pay."""
    return price * (100 - percent) / 100


class Basket:
    """What a customer is about to buy."""

    def total(self):
        """Add up all that has to be paid."""
        return sum(item.price for item in self.items)
''',
    "shop/mail.py": '''\
def send_receipt(customer, order):
    """Write an e-mail that confirms the purchase \N{PARTY POPPER}."""
    text = render("receipt.txt", order=order)
    smtp.send(customer.address, text)
''',
    "web/retry.js": """\
// Ask again after a failed request, waiting longer every time.
export async function retryWithBackoff(request, attempts) {
  for (let n = 0; n < attempts; n++) {
    try { return await request(); } catch { await sleep(2 ** n * 100); }
  }
}
""",
    "odd/crlf.py": 'def crlf_ends():\r\n    """Lines that end in two characters."""\r\n    return 1\r\n',
    "odd/feed.py": 'A = 1\n\x0c\ndef after_form_feed():\n    """Comes after a form feed."""\n    return 2\n',
    "odd/empty.py": "",
    "odd/broken.py": "def still_whole():\n    return 'this one is fine'\n\n\ndef half_written(argument:\n    pass\n",
    "odd/sneaky.py": 'def paints_screen():\n    """Red \x1b[31m alert\x07 \u202e and backwards."""\n    return 3\n',
    ".gitignore": "build/\n",
    "build/made.py": "def generated():\n    return 4\n",
}
RECEIPT = "confirm a purchase to the buyer by mail"


# What the terminal of whoever runs the tests says of itself.
OTHERS = ("NO_COLOR", "CI", "STY", "TERM_PROGRAM", "VTE_VERSION", "KONSOLE_VERSION", "DOMTERM", "WT_SESSION")


class Shop:
    """A project with its own index."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.cache = folder / "cache"
        for path, text in FILES.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode())
        (self.root / "odd" / "latin.py").write_bytes("# caf\xe9\ndef in_latin_1():\n    return 5\n".encode("latin-1"))
        (self.root / ".git").mkdir()

    def start(self, *words, cwd="", **options):
        environment = {name: value for name, value in os.environ.items() if name not in OTHERS}
        environment |= {"PYTHONPATH": str(Path(__file__).parent.parent), "TERM": "xterm"} | options.pop("env", {})
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        words = [*words, "--cache-dir", str(self.cache)]
        return subprocess.Popen([*PROGRAM, *words], cwd=self.root / cwd, env=environment, **pipes)

    def run(self, *words, cwd="", stdin="", **options):
        process = self.start(*words, cwd=cwd, **options)
        out, err = process.communicate(stdin.encode(), timeout=SECONDS)
        return process.returncode, out.decode().replace("\r\n", "\n"), err.decode().replace("\r\n", "\n")

    def run_into(self, output, *words):
        """Run with the output going elsewhere."""
        process = self.start(*words, stdout=output)
        _, err = process.communicate(timeout=SECONDS)
        return process.returncode, "", err.decode()

    def find(self, *words):
        """Return the rows of a search as JSON; it must leave no complaint."""
        code, out, err = self.run("search", *words, "--json")
        assert code == (0 if out else 1), err
        return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A shop that is indexed and not changed any more."""
    shop = Shop(tmp_path_factory.mktemp("shop"))
    code, _, err = shop.run("index")
    assert code == 0, err
    return shop


@pytest.fixture
def new_shop(tmp_path):
    return Shop(tmp_path)


# ---- words that make sense, and words that do not


def test_options_stand_between_question_and_folder(shop):
    assert shop.find("customer", "--limit", "2", "shop") == shop.find("customer", "shop", "--limit", "2") != []


def test_help_costs_no_engine():
    script = "import sys, lsp_server.__main__ as m\ntry: m.main(['--help'])\nfinally: print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=SECONDS)
    assert done.stdout.endswith("False\n")
    assert "explain" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serch", "x"], "serch"),
        (["search"], "no QUERY"),
        (["search", "two", "words", "more"], "in quotes"),
        (["search", "x", "no/such/folder"], "no/such/folder"),
        (["search", "x", "--limit", "3", "no/such/folder"], "no/such/folder"),
        (["search", "x", "--limit", "3", "shop", "odd"], "unrecognized arguments: "),
        (["search", "x", "--recusive"], "unrecognized arguments: --recusive"),
        (["search", "x", "--kind", "functoin"], "functoin"),
        (["search", "x", "--lang", "klingon"], "klingon"),
        (["search", "x", "--limit", "0"], "at least 1"),
        (["search", "x", "--model", "no-such-model"], "no-such-model"),
        (["search", "--queries", "none.jsonl"], "none.jsonl"),
        (["search", "x", "--include", "*a" * 6_000], "12,000 characters"),
        (["similar", "shop/mail.py"], "FILE:LINE"),
        (["similar", "shop/mail.py:0"], "from 1"),
        (["similar", "../outside.py:1", "--root", "."], "--root"),
        (["index", "shop/mail.py"], "mail.py"),
        (["serve", "--tcp", "nowhere"], "HOST:PORT"),
        (["search", "x", "--json", "--vimgrep"], "--vimgrep"),
        (["search", "--queries", "-", "--heading"], "JSON"),
        (["completion", "tcl"], "tcl"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_told_in_a_sentence(shop, words, said):
    code, out, err = shop.run(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("meaning-ls: ")
    assert err.count("\n") == 1, err


# ---- searching


def test_a_question_finds_the_function(shop):
    rows = shop.find(RECEIPT)
    assert rows[0] == {
        "path": "shop/mail.py",
        "start": 1,
        "end": 4,
        "name": "send_receipt",
        "kind": "function",
        "container": "",
        "language": "python",
        "score": rows[0]["score"],
        "match": rows[0]["match"],
        "preview": "def send_receipt(customer, order)",
    }
    assert 0 < rows[0]["score"] <= 1
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)


@pytest.mark.parametrize(
    ("question", "name", "path", "start"),
    [
        ("wait longer after each failed request", "retryWithBackoff", "web/retry.js", 1),
        ("add up what has to be paid", "total", "shop/prices.py", 12),
        ("crlf_ends", "crlf_ends", "odd/crlf.py", 1),
        ("after_form_feed", "after_form_feed", "odd/feed.py", 3),
        ("still_whole", "still_whole", "odd/broken.py", 1),
        ("in_latin_1", "in_latin_1", "odd/latin.py", 1),
    ],
)
def test_lines_are_those_of_the_file(shop, question, name, path, start):
    row = shop.find(question)[0]
    assert (row["name"], row["path"], row["start"]) == (name, path, start)


def test_filters(shop):
    assert {row["kind"] for row in shop.find("customer", "--kind", "class")} == {"class"}
    assert {row["language"] for row in shop.find("request", "--lang", "js")} == {"javascript"}
    assert {row["path"].split("/")[0] for row in shop.find("customer", "--include", "shop/**")} == {"shop"}
    assert "shop/mail.py" not in {row["path"] for row in shop.find(RECEIPT, "--exclude", "mail.py")}
    assert len(shop.find("customer", "--limit", "2")) == 2
    assert shop.find("customer kind:class") == shop.find("customer", "--kind", "class")


def test_nothing_found_is_exit_code_1(shop):
    assert shop.run("search", "customer", "--include", "nowhere/**") == (1, "", "meaning-ls: nothing found.\n")


def test_nothing_is_written_into_the_project(shop):
    written = {path.relative_to(shop.root).as_posix() for path in shop.root.rglob("*") if path.is_file()}
    assert written == {*FILES, "odd/latin.py"}


def test_what_git_ignores_is_not_found(shop):
    assert "build/made.py" not in {row["path"] for row in shop.find("generated")}


def test_a_pipe_gets_a_line_a_hit_with_paths_from_here(shop):
    code, out, _ = shop.run("search", RECEIPT, cwd="web")
    assert code == 0
    where = os.path.join("..", "shop", "mail.py")  # noqa: PTH118 - as the system writes it
    assert out.splitlines()[0] == f"{where}:1: function send_receipt: def send_receipt(customer, order)"


def test_a_folder_of_its_own(shop, tmp_path):
    """A folder that is named is the root, whatever project it lies in."""
    rows = Shop.find(shop, RECEIPT, "shop")
    assert rows[0]["path"] == "mail.py"


@posix
def test_a_folder_that_is_removed_while_one_stands_in_it(shop, tmp_path):
    def leave():
        os.chdir(tmp_path)
        tmp_path.rmdir()

    code, _, err = shop.run("search", RECEIPT, preexec_fn=leave)
    assert (code, err) == (2, "meaning-ls: the current directory is gone; go to another one, or name the folder.\n")


def test_a_change_is_found_unless_the_index_is_to_stay(new_shop):
    assert new_shop.find(RECEIPT)[0]["name"] == "send_receipt"
    (new_shop.root / "shop" / "mail.py").unlink()
    (new_shop.root / "shop" / "post.py").write_text('def mail_invoice():\n    """Mail the invoice to the buyer."""\n')
    assert new_shop.find(RECEIPT, "--no-update")[0]["name"] == "send_receipt"
    assert new_shop.find(RECEIPT)[0]["name"] == "mail_invoice"


def test_no_index_and_none_wanted(new_shop):
    code, out, err = new_shop.run("search", "anything", "--no-update")
    assert (code, out) == (2, "")
    assert "meaning-ls index" in err


# ---- many questions


def test_a_file_of_questions(shop, tmp_path):
    file = tmp_path / "questions.jsonl"
    questions = [
        {"id": "mail", "query": RECEIPT},
        {"query": "wait longer", "limit": 1, "languages": ["javascript"]},
        {"id": 7, "query": "customer", "kinds": ["class"], "include": ["nowhere/**"]},
        {"query": "customer", "kind": "class", "lang": ["py", "js"]},
    ]
    file.write_text("\n\n".join(json.dumps(question) for question in questions), encoding="utf-8")
    code, out, _ = shop.run("search", "--queries", str(file), ".")
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [answer["id"] for answer in answers] == ["mail", 3, 7, 7]
    assert answers[0]["results"] == shop.find(RECEIPT)
    assert [row["name"] for row in answers[1]["results"]] == ["retryWithBackoff"]
    assert answers[2]["results"] == []
    assert [row["name"] for row in answers[3]["results"]] == ["Basket"]


def test_each_question_on_a_pipe_is_answered_at_once(shop):
    process = shop.start("search", "--queries", "-")
    for question in (RECEIPT, "caf\xe9 \N{PARTY POPPER}"):
        process.stdin.write(json.dumps({"id": question, "query": question}, ensure_ascii=False).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == question
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0


@pytest.mark.parametrize(
    "line",
    [
        *("{", "[]", '{"id": 1}', '{"query": "x", "limit": "3"}', '{"query": "x", "limit": 0}'),
        '{"query": "x", "limit": true}',
        *('{"query": "x", "kinds": ["no"]}', '{"query": "x", "kind": "no"}', '{"query": "x", "knid": "class"}'),
        json.dumps({"query": "x", "include": ["a"] * 101}),
    ],
)
def test_a_bad_question_ends_it_with_its_number(shop, line):
    code, _, err = shop.run("search", "--queries", "-", stdin=f'{{"query": "customer"}}\n{line}\n')
    assert code == 2
    assert "question 2" in err


def test_questions_that_are_no_utf8_are_told(shop):
    process = shop.start("search", "--queries", "-")
    _, err = process.communicate(b'{"query": "caf\xe9"}\n', timeout=SECONDS)
    assert process.returncode == 2
    assert err == b"meaning-ls: the questions must be UTF-8, and hold the byte 0xe9.\n"


# ---- the other commands


def test_similar(shop):
    code, out, err = shop.run("similar", "shop/prices.py:5", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0, err
    assert "discount" not in {row["name"] for row in rows}
    assert "total" in {row["name"] for row in rows[:3]}


def test_similar_where_nothing_is(shop):
    code, _, err = shop.run("similar", "build/made.py:1")
    assert code == 2
    whole = shop.root / "build" / "made.py"
    assert f"{whole}:1. See: meaning-ls why {whole}" in err


def test_why(shop):
    code, out, _ = shop.run("why", "mail.py", cwd="shop")
    assert code == 0
    assert out.startswith("shop/mail.py is indexed with")
    code, out, _ = shop.run("why", "build/made.py", "--json")
    assert code == 1
    assert json.loads(out)["indexed"] is False
    assert ".gitignore" in json.loads(out)["reason"]
    assert shop.run("why", "shop/none.py")[0] == 1
    assert shop.run("why", "odd/empty.py")[1] == "odd/empty.py is indexed with 1 symbol.\n"


def test_why_makes_nothing(new_shop, tmp_path):
    code, out, _ = new_shop.run("why", "shop/mail.py")
    assert (code, out) == (1, f"shop/mail.py is not indexed yet. Run: meaning-ls index {new_shop.root}\n")
    assert ".gitignore" in new_shop.run("why", "build/made.py")[1]
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "a.py").touch()
    code, out, err = new_shop.run("why", "../alone/a.py")
    assert (code, out) == (2, "")
    assert "lies in no project" in err
    assert f"meaning-ls index {tmp_path / 'alone'}" in err
    assert not new_shop.cache.exists()
    assert new_shop.run("index", str(tmp_path / "alone"))[0] == 0
    assert "is indexed with" in new_shop.run("why", str(tmp_path / "alone" / "a.py"))[1]


@posix
@pytest.mark.parametrize("file", ["closed", "closed/a.py", "closed/deep/a.py"])
@pytest.mark.parametrize("git", [True, False])
def test_why_of_what_is_closed(new_shop, file, git):
    if not git:
        (new_shop.root / ".git").rmdir()
    closed = new_shop.root / "closed"
    (closed / "deep").mkdir(parents=True)
    closed.chmod(0)
    try:
        code, out, err = new_shop.run("why", file, preexec_fn=without_privileges)
    finally:
        closed.chmod(0o700)
    assert code in (1, 2)
    assert "cannot be read (Permission denied)" in out + err
    assert "mistake" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a file that is always full")
@pytest.mark.parametrize("words", [("search", RECEIPT, "--json"), ("status", "--json"), ("models",)])
def test_an_output_that_is_full(shop, words):
    with Path("/dev/full").open("wb") as full:
        code, _, err = shop.run_into(full, *words)
    assert code == 2
    assert err.endswith("meaning-ls: the output cannot be written (No space left on device).\n")
    assert err.count("cannot be written") == 1
    assert "Exception" not in err


@posix
@pytest.mark.parametrize(
    ("stream", "code", "out", "err"),
    [
        (0, 0, "send_receipt", ""),
        (1, 2, "", "meaning-ls: the output cannot be written (Bad file descriptor).\n"),
        (2, 0, "send_receipt", ""),
    ],
)
def test_a_stream_that_is_closed(shop, stream, code, out, err):
    ended, found, said = shop.run("search", RECEIPT, "--limit", "1", preexec_fn=partial(os.close, stream))
    assert (ended, said) == (code, err)
    assert out in found
    assert bool(out) == bool(found)


@posix
@pytest.mark.parametrize("stream", [0, 1])
def test_a_server_whose_client_is_not_there_ends(shop, stream):
    assert shop.run(preexec_fn=partial(os.close, stream))[0] == 1


@pytest.mark.parametrize(
    ("folder", "code", "said"),
    [
        ("shop", 0, "shop is indexed with 2 files."),
        ("web", 0, "web is indexed with 1 file."),
        (".", 0, ". is indexed with "),
        ("build", 1, ".gitignore"),
        ("none", 1, "none is left out"),
    ],
)
def test_why_of_a_folder(shop, folder, code, said):
    shown, out, _ = shop.run("why", folder)
    assert shown == code
    assert said in out
    assert json.loads(shop.run("why", folder, "--json")[1])["indexed"] is (code == 0)


def test_explain(shop):
    code, out, _ = shop.run("explain", RECEIPT, "shop/mail.py:3", "--json")
    reasons = json.loads(out)
    assert code == 0
    assert (reasons["name"], reasons["place"]) == ("send_receipt", 1)
    assert 0 < reasons["cosine"] < 1
    code, out, _ = shop.run("explain", RECEIPT, "shop/mail.py:3", "--kind", "class")
    assert code == 1
    assert "filter" in out


def test_status(shop):
    code, out, _ = shop.run("status", "--json")
    status = json.loads(out)
    assert code == 0
    assert (status["state"], status["mode"]) == ("ready", "hybrid")
    assert status["embedded"] == status["symbols"] > 10
    assert Path(status["root"]) == shop.root.resolve()
    assert time.time() - 3600 < status["lastUpdate"] < time.time() + 1
    assert "symbols" in shop.run("status")[1]


def test_status_of_what_was_never_indexed(new_shop):
    code, out, _ = new_shop.run("status", "--json")
    assert code == 1
    assert json.loads(out)["symbols"] == 0


def test_who_comes_second_answers_from_what_is_there(shop):
    folder = json.loads(shop.run("status", "--json")[1])["folder"]
    with filelock.FileLock(Path(folder) / "lock"):
        code, out, err = shop.run("search", RECEIPT, "--json")
        assert code == 0
        assert json.loads(out.splitlines()[0])["name"] == "send_receipt"
        assert "Another process is indexing" in err
        assert shop.run("index")[0] == 2


def test_a_model_that_cannot_be_loaded_leaves_the_words(shop, tmp_path):
    """What meaning is lost is told; what the words find is there."""
    from lsp_server.engine.encoder import bundled_model

    for name in ("model.toml", "tokenizer.json"):
        (tmp_path / name).write_bytes((bundled_model() / name).read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    code, out, err = shop.run("search", "confirms the purchase", "--json", "--model", str(tmp_path))
    assert code == 0, err
    assert json.loads(out.splitlines()[0])["name"] == "send_receipt"
    assert "model.onnx" in err
    assert "words and names" in err


# ---- layouts


def test_vimgrep_is_a_line_a_hit_with_the_column_of_the_name(shop):
    code, out, _ = shop.run("search", RECEIPT, "--vimgrep")
    assert code == 0
    assert out.splitlines()[0] == f"{os.path.join('shop', 'mail.py')}:1:5:def send_receipt(customer, order):"  # noqa: PTH118
    assert "paints_screen" in (out := shop.run("search", "paints_screen", "--vimgrep", "-n", "1")[1])
    assert not {"\x1b", "\x07", "\u202e"} & set(out)


def test_heading_and_files_group_by_file_and_keep_the_order(shop):
    rows = shop.find("customer")
    files = list(dict.fromkeys(row["path"] for row in rows))
    assert len(files) < len(rows), "no file is there twice, so nothing is grouped"
    out = shop.run("search", "customer", "-l")[1]
    assert [Path(line).as_posix() for line in out.splitlines()] == files
    groups = [group.splitlines() for group in shop.run("search", "customer", "--heading")[1].split("\n\n")]
    assert [Path(group[0]).as_posix() for group in groups] == files
    assert sum(len(group) - 1 for group in groups) == len(rows)
    assert all(re.match(r"\d+: \w+ ", line) for group in groups for line in group[1:])


def test_links_are_made_when_they_are_wished(shop):
    link = f"\x1b]8;;{(shop.root / 'shop' / 'mail.py').as_uri()}\x1b\\"
    for layout in ([], ["--heading"], ["-l"], ["--color", "always"]):
        assert link in shop.run("search", RECEIPT, *layout, "--hyperlink", "always")[1]
        assert "\x1b]8" not in shop.run("search", RECEIPT, *layout)[1]


@posix
@pytest.mark.parametrize(
    ("env", "linked"),
    [
        ({"TERM_PROGRAM": "WezTerm"}, True),
        ({"TERM": "xterm-kitty"}, True),
        ({"VTE_VERSION": "7600"}, True),
        ({"VTE_VERSION": "4500"}, False),
        ({"TERM_PROGRAM": "WezTerm", "STY": "1.pts"}, False),
        ({"TERM_PROGRAM": "WezTerm", "TERM": "dumb"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_terminals_that_are_known_to_show_links_get_them(shop, env, linked):
    _, shown = in_terminal(shop, "search", RECEIPT, "--no-update", "-n", "1", env=env)
    assert ("\x1b]8;;file://" in shown) is linked


# ---- terminals, pipes that close, Ctrl-C


@posix
def test_a_reader_that_leaves_is_no_trouble(shop):
    read, write = os.pipe()
    process = shop.start("search", RECEIPT, stdout=write)
    os.close(write)
    os.close(read)
    _, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (0, b"")


def in_terminal(shop, *words, columns=0, **options):
    """Run in a pseudo-terminal, return the exit code and all that was shown there."""
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    process = shop.start(*words, **({"stdin": theirs, "stdout": theirs, "stderr": theirs} | options))
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65_536):
            shown += part
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    return process.wait(SECONDS), shown.decode()


@posix
def test_a_terminal_gets_colour_and_snippets(shop):
    code, shown = in_terminal(shop, "search", RECEIPT, "--limit", "1")
    assert code == 0
    assert "\x1b[1msend_receipt\x1b[0m" in shown
    assert 'text = render("receipt.txt", order=order)' in shown


@posix
def test_a_narrow_terminal_gets_lines_that_fit(shop, new_shop):
    _, shown = in_terminal(shop, "search", RECEIPT, "--no-update", "--color", "never", columns=50)
    assert max(len(line) for line in shown.splitlines() if " │ " in line) == 50
    (new_shop.root / "many.py").write_text("\n\n".join(f"def count_{n}(x):\n    return x" for n in range(300)))
    # The bar is where the terminal is, whatever the answer is written to.
    _, shown = in_terminal(new_shop, "index", "--threads", "1", columns=40, stdout=subprocess.DEVNULL)
    bars = [line.partition("\x1b")[0] for line in shown.split("\r") if "%" in line]
    assert max(map(len, bars)) == 39


@posix
@pytest.mark.parametrize(
    ("words", "env"), [([], {"NO_COLOR": "1"}), (["--color", "never"], {}), ([], {"TERM": "dumb"})], ids=str
)
def test_no_colour_where_none_is_wanted(shop, words, env):
    code, shown = in_terminal(shop, "search", RECEIPT, "--no-update", *words, env=env)
    assert code == 0, shown
    assert "send_receipt" in shown
    assert "\x1b" not in shown


@posix
def test_source_text_cannot_play_with_the_terminal(shop):
    _, shown = in_terminal(shop, "search", "paints_screen", "--limit", "1", "--color", "never", "--no-update")
    assert "paints_screen" in shown
    assert "alert" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


@posix
def test_ctrl_c_leaves_an_index_that_the_next_run_completes(tmp_path):
    import pty

    shop = Shop(tmp_path)
    for number in range(30):
        verbs = ("read", "write", "drop", "sort", "count", "merge", "split", "print", "hash", "pack")
        text = "\n\n".join(f'def {verb}_{number}(x):\n    """{verb} item {number}."""\n    return x' for verb in verbs)
        (shop.root / f"part{number}.py").write_text(text)
    ours, theirs = pty.openpty()
    process = shop.start("index", "--threads", "1", stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while b"symbols" not in shown:
        shown += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        pass
    os.close(ours)
    assert process.wait(SECONDS) == 130
    assert "stopped" in shown.decode()
    assert "Traceback" not in shown.decode()
    before = json.loads(shop.run("status", "--json")[1])
    assert before["symbols"] > 0
    assert shop.run("search", "merge_0", "--no-update")[0] == 0
    code, out, _ = shop.run("index", "--json")
    after = json.loads(out)
    assert code == 0
    assert before["embedded"] <= after["embedded"] == after["symbols"]
    assert after["symbols"] >= 300


# ---- the server


def rpc(message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def read_answer(stream, id):
    while True:
        length = 0
        while (header := stream.readline().strip()) != b"":
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the server has ended"
        message = json.loads(stream.read(length))
        if message.get("id") == id and "method" not in message:
            return message


def initialize(shop):
    root = {"uri": shop.root.as_uri(), "name": "shop"}
    return rpc({"id": 1, "method": "initialize", "params": {"capabilities": {}, "workspaceFolders": [root]}})


@pytest.mark.parametrize("words", [[], ["--stdio"], ["serve", "--stdio", "--clientProcessId", "1"]], ids=" ".join)
def test_without_a_command_it_is_the_server(shop, words):
    process = shop.start(*words, stderr=subprocess.DEVNULL)
    process.stdin.write(initialize(shop))
    process.stdin.flush()
    assert read_answer(process.stdout, 1)["result"]["serverInfo"]["name"] == "meaning-ls"
    process.stdin.write(rpc({"id": 2, "method": "shutdown"}))
    process.stdin.flush()
    read_answer(process.stdout, 2)
    process.communicate(rpc({"method": "exit"}), timeout=SECONDS)
    assert process.returncode == 0


def test_the_server_on_a_port(shop):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = shop.start("serve", "--tcp", f"127.0.0.1:{port}", stderr=subprocess.DEVNULL)
    try:
        with connected(port) as connection, connection.makefile("rwb") as stream:
            stream.write(initialize(shop))
            stream.flush()
            assert read_answer(stream, 1)["result"]["serverInfo"]["name"] == "meaning-ls"
    finally:
        process.kill()
        process.communicate()


def connected(port):
    end = time.monotonic() + SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        except ConnectionRefusedError:
            assert time.monotonic() < end, "nobody listens"


# ---- what waiting looks like


def test_the_line_of_progress():
    now = iter([0.0, 1.0, 2.0, 3.0])
    meter = Meter(lambda: next(now))
    assert meter.line(Progress("scan")) == "Looking for files"
    assert meter.line(Progress("read", files_done=3, files_total=1200)) == "Reading files: 3 of 1,200"
    half = Progress("embed", 10, 10, texts_done=300, texts_total=600)
    assert meter.line(half, "#-") == f"{'#' * 12}{'-' * 12}   50%  300 of 600 symbols  150/s  0:02 left"
    assert meter.line(Progress("graph")).startswith("Building")


def test_the_rate_forgets_what_was_long_ago():
    now = iter([0.0, 100.0, 101.0])
    meter = Meter(lambda: next(now))
    for done in (0, 10_000, 10_100):
        line = meter.line(Progress("embed", 1, 1, texts_done=done, texts_total=10_200))
    assert line.endswith("100/s  0:01 left")


def test_unread_files_count_in_the_time_left():
    assert expected_texts(Progress("read", 10, 40, texts_done=5, texts_total=100), 0) == 400
    assert expected_texts(Progress("embed", 40, 40, texts_done=5, texts_total=100), 0) == 100
    meter = Meter()
    meter.line(Progress("scan", texts_total=0))
    meter.line(Progress("read", 0, 40, texts_total=1000))  # left by a run that was stopped
    assert "of 1,400 symbols" in meter.line(Progress("read", 10, 40, texts_total=1100))


def test_words_on_a_terminal():
    assert [duration(seconds) for seconds in (-1, 5, 65, 3725)] == ["0:00", "0:05", "1:05", "1:02:05"]
    assert clean("a\tb\x1b[2J\x9b\u202e") == "a    b\N{REPLACEMENT CHARACTER}[2J" + "\N{REPLACEMENT CHARACTER}" * 2
    assert (PLAIN.bold("x"), COLOURED.bold("x")) == ("x", "\x1b[1mx\x1b[0m")


def test_a_pause_keeps_searches_from_indexing_until_resume(new_shop):
    new_shop.run("index")
    assert new_shop.run("pause")[0] == 0
    (new_shop.root / "added.py").write_text("def added_while_paused():\n    pass\n")
    _, out, err = new_shop.run("search", "added_while_paused")
    assert "added_while_paused" not in out
    code, _, said = new_shop.run("index")
    assert code == 2
    assert "meaning-ls resume" in said
    assert "meaning-ls resume" in err
    assert new_shop.run("resume")[0] == 0
    assert "added_while_paused" in new_shop.run("search", "added_while_paused")[1]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("path:a " * 101, "hold 101 globs; at most 100"),
        (f"x path:{'a' * 20_000}", "hold 20,000 characters; at most 10,000"),
    ],
)
def test_the_filters_in_a_question_are_bounded(new_shop, question, said):
    code, _, err = new_shop.run("search", question)
    assert code == 2
    assert f"the filters of the question {said}" in err
    file = new_shop.root.parent / "questions.jsonl"
    file.write_text(json.dumps({"query": question}))
    code, _, err = new_shop.run("search", "--queries", str(file))
    assert code == 2
    assert f"question 1: the filters in 'query' {said}" in err


def test_cancelling_stops_an_indexing_in_another_terminal(new_shop, tmp_path):
    for number in range(400):
        (new_shop.root / f"more_{number}.py").write_text(f"def number_{number}():\n    return {number}\n" * 5)
    running = new_shop.start("index")
    while not list((new_shop.cache).glob("index-*/*/writer.json")):
        assert running.poll() is None
        time.sleep(0.01)
    assert new_shop.run("cancel")[0] == 0
    _, err = running.communicate(timeout=60)
    assert running.returncode == 2
    assert "cancelled" in err.decode()
    assert new_shop.run("index")[0] == 0
