"""VS Code in a real browser: the extension is packaged, installed and used with the real server and the real model.

The story is told in vscode-client/e2e; here it is run once and reported step by step, as are the extension's own tests.
Pictures of what was seen are left in .cache/vscode-pictures.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.editors.conftest import find_editor

CHECKOUT = Path(__file__).parent.parent.parent
CLIENT = CHECKOUT / "vscode-client"
STORY = CLIENT / "e2e" / "story.test.ts"
CHAPTERS = [STORY.parent / f"{name}.ts" for name in re.findall(r"'./(chapters/\w+)", STORY.read_text(encoding="utf-8"))]
STEPS = [
    step
    for chapter in CHAPTERS
    for _, step in re.findall(r"""^test\(\s*(['"])(.+?)\1,""", chapter.read_text(encoding="utf-8"), re.M)
]
# Packaging with all wheels, VS Code itself, and the story: on a busy machine minutes each.
INSTALL_SECONDS, TEST_SECONDS = 600, 900


@dataclass(frozen=True)
class Told:
    """What node's test runner said of one test."""

    trouble: str  # empty when it passed
    skipped: bool


def node_tests(files: list[str], report: Path, environment: dict[str, str]) -> dict[str, Told]:
    """Run tests of node's own runner; what became of each."""
    reporters = ["--test-reporter=junit", f"--test-reporter-destination={report}"]
    command = ["node", "--import", "tsx", "--test", *reporters, *files]
    done = subprocess.run(
        command, cwd=CLIENT, env=os.environ | environment, capture_output=True, text=True, timeout=TEST_SECONDS
    )
    assert report.exists() and report.stat().st_size, done.stdout + done.stderr
    told = {}
    # Colours of a terminal are in it, which XML does not allow.
    text = re.sub("\x1b\\[[0-9;]*m|[^\\t\\n\\r\x20-\U0010ffff]", "", report.read_text(encoding="utf-8"))
    for case in ElementTree.fromstring(text).iter("testcase"):
        failure = case.find("failure")
        trouble = "" if failure is None else f"{failure.get('message', '')}\n{failure.text or ''}"
        told[case.get("name", "")] = Told(trouble, case.find("skipped") is not None)
    return told


@pytest.fixture(scope="module")
def client():
    """The extension's folder with its packages; skipped, or failing on CI, where there is no Node to have them with."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            reason = f"{program} is not installed, so the VS Code extension was not tested. Install Node.js 20 or newer"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
    stamp = CLIENT / "node_modules" / ".package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < (CLIENT / "package-lock.json").stat().st_mtime:
        run(["npm", "ci", "--no-audit", "--no-fund"])
        stamp.touch()
    return CLIENT


def run(command: list[str]) -> str:
    """Run a command in the extension's folder; what it printed."""
    done = subprocess.run(command, cwd=CLIENT, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    assert not done.returncode, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def package(client):
    """The extension as it is installed, with everything for this machine."""
    target = run([sys.executable, str(CLIENT / "scripts" / "carry.py"), "--complete"]).split()[-1]
    for old in client.glob("*.vsix"):
        old.unlink()
    said = run(["npm", "run", "--silent", "package", "--", "--target", target])
    (built,) = client.glob("*.vsix")
    return built, said


@pytest.fixture(scope="module")
def story(package, make_household, tmp_path_factory):
    """What became of each step of the story."""
    chromium = find_editor("chromium", "chromium")
    household = make_household()
    environment = {"MEANING_TEST_PYTHON": sys.executable, "MEANING_TEST": household.mark, "CHROMIUM": chromium}
    told = node_tests([str(STORY)], tmp_path_factory.mktemp("vscode") / "report.xml", environment)
    return told, household.left_behind()


@pytest.fixture(scope="module")
def units(client, tmp_path_factory):
    """What became of the extension's own tests: everything that has logic, without an editor."""
    files = [str(path.relative_to(CLIENT)) for path in sorted((CLIENT / "test").rglob("*.test.ts"))]
    environment = {"MEANING_TEST_PYTHON": sys.executable, "MEANING_TEST_UV": uv()}
    return node_tests(files, tmp_path_factory.mktemp("units") / "report.xml", environment)


def uv() -> str:
    """Return where uv is: beside this Python, or anywhere else; empty without one."""
    return shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv") or ""


@pytest.mark.timeout(INSTALL_SECONDS + TEST_SECONDS)
def test_units(units):
    assert units
    assert not {name: case.trouble for name, case in units.items() if case.trouble}


@pytest.mark.timeout(INSTALL_SECONDS + TEST_SECONDS)
def test_no_unit_is_skipped(units):
    skipped = [name for name, case in units.items() if case.skipped]
    reason = f"{len(skipped)} tests of the extension were skipped: {', '.join(skipped)}. uv is at {uv() or 'no place'}"
    if skipped and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if skipped:
        pytest.skip(reason)


@pytest.mark.timeout(INSTALL_SECONDS)
def test_package(package):
    """It is packaged without a warning, carries what it installs, and is small beside that."""
    built, said = package
    assert "WARN" not in said
    described = json.loads((CLIENT / "dist" / "server" / "server.json").read_text(encoding="utf-8"))
    assert described["complete"]["pythons"] == ["{}.{}".format(*sys.version_info[:2])]
    assert described["wheel"] in described["wheels"] and described["pip"] in described["wheels"]
    assert (CLIENT / "dist" / "extension.js").stat().st_size < 300_000
    assert built.stat().st_size < 200e6  # what marketplaces take


@pytest.mark.timeout(2 * INSTALL_SECONDS + TEST_SECONDS)
@pytest.mark.parametrize("step", STEPS)
def test_story(story, step):
    told, _ = story
    assert step in told, f"not told; told were {list(told)}"
    assert not told[step].trouble, told[step].trouble
    assert not told[step].skipped


def test_nothing_is_left_behind(story):
    _, left = story
    assert not left
