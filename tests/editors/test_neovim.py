"""Neovim, headless and real, with the real server and the real model: asks, and jumps to the right line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent.parent
SECONDS = 60  # for all of it; a busy machine needs ten
QUESTION = "write an e-mail that confirms what was bought"
MAIL = '''\
"""Mail \N{PARTY POPPER}."""


def open_connection(host):
    """Connect to the mail server."""
    return connect(host, 25)


def send_receipt(customer, order):  # \N{PARTY POPPER}
    """Tell a customer by e-mail that the purchase is confirmed."""
    open_connection("localhost").send(customer.address, order.text)
'''


@pytest.fixture(scope="module")
def neovim():
    """The editor; where it is missing the test is skipped, but fails on CI if it could have been installed."""
    found = shutil.which("nvim")
    if found:
        return found
    installable = shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0
    reason = "Neovim is not installed, so no editor was driven. On Debian: apt-get install neovim"
    if installable and os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (`make test` does it)")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def seen(neovim, tmp_path_factory):
    """What happened in the editor."""
    folder = tmp_path_factory.mktemp("neovim")
    root = folder / "project"
    (root / "src").mkdir(parents=True)
    (root / "src" / "mail.py").write_text(MAIL, encoding="utf-8")
    (root / "src" / "prices.py").write_text("def gross(net, rate):\n    return net * (1 + rate)\n", encoding="utf-8")
    facts = {
        "root": str(root),
        "file": str(root / "src" / "prices.py"),
        "command": [sys.executable, "-m", "lsp_server", "--cache-dir", str(folder / "cache")],
        "question": QUESTION,
        "report": str(folder / "report.json"),
        "milliseconds": SECONDS * 1000,
    }
    # A home of its own: no configuration, no log of the user's editor is touched.
    homes = {name: str(folder / name) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")}
    environment = os.environ | homes | {"MEANING_FACTS": json.dumps(facts), "PYTHONPATH": str(CHECKOUT)}
    command = [neovim, "--headless", "--clean", "-n", "-S", str(Path(__file__).with_name("neovim.lua"))]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, timeout=SECONDS + 30)
    report = Path(facts["report"])
    assert report.exists(), done.stderr.decode()
    seen = json.loads(report.read_text(encoding="utf-8"))
    assert "trouble" not in seen, seen["trouble"]
    return seen | {"root": root}


def test_it_is_told_what_it_may_ask(seen):
    assert seen["capabilities"]["experimental"]["semanticSymbolProvider"]["version"] == 1
    assert seen["capabilities"]["workspaceSymbolProvider"]


def test_workspace_symbol_jumps(seen):
    assert "send_receipt" in seen["quickfix"][0]
    assert Path(seen["standard"]["path"]).samefile(seen["root"] / "src" / "mail.py")
    assert seen["standard"]["line"].startswith("def send_receipt")


def test_semantic_symbol_jumps(seen):
    best = seen["answer"]["symbols"][0]
    assert (best["name"], best["languageId"]) == ("send_receipt", "python")
    assert seen["answer"]["index"]["mode"] == "hybrid"
    assert Path(seen["own"]["path"]).samefile(seen["root"] / "src" / "mail.py")
    assert seen["own"]["line"].startswith("def send_receipt")


def test_the_index_says_when_it_is_ready(seen):
    states = [status["folders"][0]["state"] for status in seen["status"] if status["folders"]]
    assert states[-1] == "ready"
