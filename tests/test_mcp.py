"""Coding agents: the program over standard input and output, asked by the client of the protocol's own package."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import filelock
import psutil
import pytest

pytest.importorskip(
    "mcp", reason="the extra mcp is not installed, so no agent's client was driven; `make test` does it"
)

from mcp import Client, StdioServerParameters
from mcp.types import ErrorData, ListRootsResult, Root

from lsp_server.mcp import Projects, make_server
from lsp_server.settings import Settings

CHECKOUT = Path(__file__).parent.parent
SECONDS = 60  # for one answer; a busy machine loads the model in several

MAIL = '''\
"""Mail \N{PARTY POPPER}."""


def open_connection(host):
    """Connect to the mail server."""
    return connect(host, 25)


class Receipts:
    """What customers are told."""

    def send(self, customer, order):  # \N{PARTY POPPER}
        """Tell a customer by e-mail that the purchase is confirmed. More is not said."""
        open_connection("localhost").send(customer.address, order.text)
'''
RECEIPT = "confirm a purchase to the buyer by mail"


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    for path, text in {
        "src/mail.py": MAIL,
        "src/prices.py": "def gross(net, rate):\n    return net * (1 + rate)\n",
    }.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    (root / ".git").mkdir()
    (tmp_path / "elsewhere.py").write_text("def hidden_secret():\n    '''Lies outside.'''\n    return 1\n")
    return root


@asynccontextmanager
async def agent(project, *words, roots=(), cwd=None, mode="auto"):
    """A client that talks to the program, started in the project unless `cwd` says otherwise."""

    async def tell_roots(_):
        return ListRootsResult(roots=[Root(uri=path.as_uri()) for path in roots])

    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "lsp_server", "mcp", *map(str, words), "--cache-dir", str(project.parent / "cache")],
        env={"PYTHONPATH": str(CHECKOUT), "HOME": os.environ.get("HOME", "")},
        cwd=cwd or project,
    )
    answers = {"list_roots_callback": tell_roots} if roots else {}
    async with Client(server, mode=mode, read_timeout_seconds=SECONDS, **answers) as client:
        yield client


async def told(client, tool, **arguments):
    """Return what a tool says; it must not be an error."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content[0].text
    assert result.structured_content is None, "said twice, and paid for twice"
    return result.content[0].text


async def refused(client, tool, **arguments):
    """Return what a tool says that cannot answer."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.content[0].text
    return result.content[0].text


async def test_an_agent_finds_code_and_what_it_has_just_written(project):
    async with agent(project) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"find_code", "similar_code", "index_status"}
        assert all(tool.annotations.read_only_hint and tool.description for tool in tools.values())
        assert tools["find_code"].input_schema["required"] == ["query"]

        text = await told(client, "find_code", query=RECEIPT, limit=1)
        place, signature, sentence = text.splitlines()
        assert place.startswith("src/mail.py:12-14 method Receipts.send (")
        assert signature == "  def send(self, customer, order)"
        assert sentence == "  Tell a customer by e-mail that the purchase is confirmed."

        (project / "src" / "taxes.py").write_text(
            "def levy(x):\n    '''Work out how much the state gets.'''\n    return x\n"
        )
        assert "src/taxes.py:1-3 function levy" in await told(client, "find_code", query="how much the state gets")

        shown = await told(client, "find_code", query=RECEIPT, limit=1, lines=2)
        assert shown.splitlines()[1:] == [f"    {at} {line}" for at, line in enumerate(MAIL.split("\n")[11:13], 12)]

        similar = await told(client, "similar_code", path="src/taxes.py", line=1)
        assert "src/prices.py:1-2 function gross" in similar
        assert "levy" not in similar

        status = await told(client, "index_status")
        assert status.startswith(f"{project}: ready, 3 of 3 files, ")
        processes = psutil.Process().children(recursive=True)
        assert processes
    assert not psutil.wait_procs(processes, SECONDS)[1], "processes that outlive their client"


async def test_filters_stand_in_the_question_and_nothing_found_is_no_error(project):
    async with agent(project) as client:
        assert "Receipts " in await told(client, "find_code", query="customers kind:class")
        assert await told(client, "find_code", query="customers path:nowhere/**") == "Nothing found."


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_roots_of_the_client_are_what_is_asked(project, tmp_path, mode):
    """Clients of the older protocol are asked on the way, those of the newer one with the answer."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "list.py").write_text(
        "def reverse_list(items):\n    '''Turn the order around.'''\n    return items[::-1]\n"
    )
    async with agent(project, roots=[other], mode=mode) as client:
        assert "list.py:1-3 function reverse_list" in await told(client, "find_code", query="turn the order around")
        assert "mail.py" not in await told(client, "find_code", query=RECEIPT)
    async with agent(project, roots=[other, project], mode=mode) as client:
        text = await told(client, "find_code", query="turn the order around")
        assert f"{other / 'list.py'}:1-3 function reverse_list" in text, "with several folders paths are whole"
        assert "No file" not in await told(client, "index_status")


@pytest.mark.parametrize(("roots_are", "said"), [("kept back", "timed out"), ("refused", "not today")])
async def test_a_client_that_does_not_name_its_roots_is_told_what_to_do(project, monkeypatch, roots_are, said):
    """It is not waited for without end, and no other folder is shown in the place of its own."""
    monkeypatch.setattr("lsp_server.mcp.ROOTS_SECONDS", 0.2)

    async def name_none(_):
        if roots_are == "kept back":
            await asyncio.Event().wait()
        return ErrorData(code=-32603, message="not today")

    projects = Projects(Settings(cache_dir=str(project.parent / "cache")))
    server = make_server(projects, (), project)
    async with Client(server, mode="legacy", read_timeout_seconds=SECONDS, list_roots_callback=name_none) as client:
        text = await refused(client, "find_code", query=RECEIPT)
        assert said in text
        assert "after `mcp` in the arguments" in text
        assert "mail.py" not in text
        assert len((await client.list_tools()).tools) == 3
    await projects.close()


async def test_folders_on_the_command_line_come_before_roots(project, tmp_path):
    async with agent(project, project / "src", roots=[tmp_path], cwd=tmp_path) as client:
        text = await told(client, "find_code", query=RECEIPT)
        assert text.startswith("mail.py:12-14 ")
        assert "hidden_secret" not in await told(client, "find_code", query="hidden_secret")


async def test_nothing_leads_out_of_the_folders(project, tmp_path):
    (project / "link.py").symlink_to(tmp_path / "elsewhere.py")
    (project / "folder").symlink_to(tmp_path, target_is_directory=True)
    async with agent(project) as client:
        assert "hidden_secret" not in await told(client, "find_code", query="hidden_secret lies outside", lines=5)
        for path in (
            "../elsewhere.py",
            "link.py",
            "folder/elsewhere.py",
            str(tmp_path / "elsewhere.py"),
            "/etc/passwd",
        ):
            assert f"{path} is no file of {project}" in await refused(client, "similar_code", path=path, line=1)
        assert "mail.py:12-14 " not in await told(client, "similar_code", path="folder/project/src/mail.py", line=13)


async def test_errors_say_what_to_do(project, tmp_path):
    async with agent(project) as client:
        assert "say what the code does" in await refused(client, "find_code", query="  ")
        assert "limit" in await refused(client, "find_code", query="x", limit=0)
        assert f"meaning-ls why {project / 'src/mail.py'}" in await refused(
            client, "similar_code", path="src/mail.py", line=999
        )
    async with agent(project, tmp_path / "none") as client:
        assert "does not exist" in await refused(client, "find_code", query=RECEIPT)
        assert "does not exist" in await told(client, "index_status")
        (tmp_path / "none").mkdir()
        (tmp_path / "none" / "late.py").write_text("def late_arrival():\n    return 1\n")
        assert "late.py:1-2" in await told(client, "find_code", query="late_arrival")


async def test_while_another_process_writes_it_answers_from_what_is_there(project):
    async with agent(project) as client:
        await told(client, "find_code", query=RECEIPT)
    status = subprocess.run(
        [sys.executable, "-m", "lsp_server", "status", "--json", "--cache-dir", str(project.parent / "cache")],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        timeout=SECONDS,
    )
    with filelock.FileLock(Path(json.loads(status.stdout)["folder"]) / "lock"):
        async with agent(project) as client:
            text = await told(client, "find_code", query=RECEIPT)
    assert "Another process is indexing" in text.splitlines()[0]
    assert "src/mail.py:12-14 " in text


def run(program, **options):
    words = [sys.executable, "-c", program]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    return subprocess.run(words, env=environment, capture_output=True, timeout=SECONDS, text=True, **options)


def test_without_the_extra_one_sentence_says_what_to_install(tmp_path):
    done = run("import sys; sys.modules['mcp'] = None; from lsp_server.__main__ import main; sys.exit(main(['mcp']))")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("meaning-ls: mcp is missing; ")
    assert 'pip install "meaning-ls[mcp]"' in done.stderr
    assert done.stderr.count("\n") == 1


def test_it_ends_with_its_input_and_says_nothing_unasked(project):
    program = "import sys; from lsp_server.__main__ import main; sys.exit(main(['mcp']))"
    done = run(program, cwd=project, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C to a child is POSIX")
def test_ctrl_c_ends_it(project):
    import pty

    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "lsp_server", "mcp", "--cache-dir", str(project.parent / "cache")]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=project, env=environment)
    os.close(theirs)
    shown = b""
    while b"Ctrl-C ends it" not in shown:
        shown += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(SECONDS) in (130, -signal.SIGINT)
    os.close(ours)
