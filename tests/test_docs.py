"""The documents say what is so: commands, options, settings and links of the README are held against the program."""

import argparse
import importlib.util
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from benchmarks.vectors.__main__ import page
from benchmarks.vectors.forms import CODES, WHOLE
from lsp_server import __version__
from lsp_server.arguments import UsageError, make_parser, read_arguments
from lsp_server.engine.index import Options
from lsp_server.engine.query import Query, parse
from lsp_server.models.catalogue import load_catalogue
from lsp_server.models.choice import LADDER
from lsp_server.settings import NAMES

CHECKOUT = Path(__file__).parent.parent
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
MODELS = (CHECKOUT / "docs" / "models.md").read_text(encoding="utf-8")  # of `meaning-ls models` alone
MAKEFILE = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
PAGES = [CHECKOUT / name for name in ("README.md", "CHANGELOG.md")] + sorted((CHECKOUT / "docs").glob("*.md"))


def commands():
    """Return the parsers of all commands by name."""
    found = {}
    for action in make_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            found = dict(action.choices)
    return found


def options():
    """Return every option of every command, and of what stands after it."""
    parsers, found = list(commands().values()), set()
    while parsers:
        for action in parsers.pop()._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()
            if action.help != argparse.SUPPRESS:
                found |= {option for option in action.option_strings if option.startswith("--")}
    return found


def shell_lines(page):
    """Return the commands in the shell blocks of a page, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", page, re.S)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_the_ladder_is_the_one_that_is_climbed():
    catalogue = load_catalogue()
    told = [[cell.strip() for cell in line.split("|")] for line in MODELS.splitlines() if re.match(r"\| \d[ ,]", line)]
    for tier in LADDER:
        model = catalogue.find(tier.model)
        variant = model.get(tier.variant) if tier.variant else model.variant[0]
        row = next(row for row in told if row[1][0] == str(tier.number) and row[3].startswith(f"`{tier.model}`"))
        size = f"{variant.disk_mb / 1000:.1f} GB" if variant.disk_mb > 1000 else f"{variant.disk_mb:.0f} MB"
        cost = f"{model.cost:.0f}" if model.cost > 9 or model.cost == 1 else f"{model.cost:.1f}"
        assert (row[4], row[7]) == (size, model.licence)
        assert row[5] == (cost if model.cost else "almost nothing")
        assert row[6] == str(model.quality["coir"]) if "coir" in model.quality else "coir" not in row[6]
        assert (tier.wanted == "on-request") == ("on request" in row[1])


def test_figures_of_smaller_vectors_are_those_of_the_run_that_is_named():
    (name,) = re.findall(r"\(\.\./benchmarks/results/(vectors-[\w-]+\.json)\)", MODELS)
    rows = json.loads((CHECKOUT / "benchmarks" / "results" / name).read_text(encoding="utf-8"))["rows"]
    told = [line for line in MODELS.splitlines() if re.match(r"\| [\d,]+ \| .* B \|", line)]
    assert told == page(rows).splitlines()
    whole = sorted(f"{row['ndcg10']:.3f}" for row in rows if row["form"] == WHOLE)
    assert f"({whole[1]} and {whole[0]})" in MODELS
    (codes,) = (row for row in rows if row["form"] == CODES and row["symbols"] == 1_000_000)
    assert f"{codes['bytes']:.0f} bytes of memory" in README and codes["bytes"] <= 128 and codes["share"] >= 0.97


@pytest.mark.parametrize("line", [line for line in shell_lines(README + MODELS) if line.startswith("meaning-ls")])
def test_command_lines_are_understood(line):
    words = shlex.split(line, comments=True)[1:]
    try:
        arguments = read_arguments(words)
    except UsageError as error:
        pytest.fail(f"{line}: {error}")
    assert arguments.command == (words[0] if words else "serve")


def test_make_targets_exist():
    targets = set(re.findall(r"\bmake ([a-z][a-z-]*)", README))
    assert targets >= {"demo", "test"}
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, re.M), f"make {target} is not in the Makefile"


def test_commands_and_options_are_those_of_the_program():
    for command in commands().keys() - {"serve"}:
        assert f"meaning-ls {command}" in README, f"README does not show {command}"
    others = {"--no-cache-dir", "--no-deps", "--install"}  # of pip and xcode-select
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) - others <= options()
    unsaid = options() - {"--help", "--verbose", "--color", "--root", "--stdio", "--tcp"}
    assert {option for option in unsaid if option not in README + MODELS} == set()


def test_table_of_options_is_that_of_the_settings():
    rows = re.findall(r"^\| `--([a-z-]+)` \| `meaning\.(\w+)` \|", README, re.M)
    assert {setting for _, setting in rows} <= set(NAMES)
    for option, setting in rows:
        assert setting == re.sub(r"-(\w)", lambda match: match[1].upper(), option)
    fields = {setting for _, setting in rows}
    assert fields == {re.sub(r"_(\w)", lambda match: match[1].upper(), field) for field in Options.__dataclass_fields__}


def test_defaults_are_those_of_the_engine():
    given = read_arguments(["search", "x"])
    assert given.max_file_bytes == Options().max_file_bytes == int(re.search(r"left out; default (\d+)", README)[1])
    assert (given.model, given.cache_dir, given.threads) == (Options().model, Options().cache_dir, Options().threads)
    assert given.limit == Query("x").limit


@pytest.mark.parametrize(
    "token", ["kind:function", "lang:python", "path:src/**", "-path:tests/**", "in:folder", "changed:"]
)
def test_filters_are_understood(token):
    assert f"`{token}`" in README
    assert not parse(Query(token)).words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_exit_codes_are_those_of_the_help():
    codes = "0 found, 1 nothing found, 2 bad usage or failure, 130 stopped with Ctrl-C"
    assert codes in README
    assert codes in make_parser().format_help()


def test_versions_agree():
    newest = re.search(r"^## (\S+)", (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)[1]
    assert newest == __version__


def test_the_model_is_the_one_described():
    card = tomllib.loads((CHECKOUT / "models" / "minilm-l6" / "model.toml").read_text(encoding="utf-8"))
    assert card["source"].rpartition("/")[2] in README
    assert f"reads {card['max_tokens']} tokens" in README
    megabytes = (CHECKOUT / "models" / "minilm-l6" / "model.onnx").stat().st_size / 1e6
    assert f"{megabytes:.0f} MB" in README


def test_the_picture_shows_what_the_demo_asks():
    """It is painted from a real run by docs/picture.py; a question that was changed leaves it behind."""
    picture = (CHECKOUT / "docs" / "terminal.svg").read_text(encoding="utf-8")
    demo = (CHECKOUT / ".ci" / "demo.py").read_text(encoding="utf-8")
    assert re.search(r'^QUESTION = "(.*)"$', demo, re.M)[1] in picture, "run: make picture"


@pytest.mark.parametrize("screen", sorted((CHECKOUT / "docs" / "screens").glob("*.svg")), ids=lambda path: path.stem)
def test_screens_show_what_the_demo_asks(screen):
    """They are painted from real runs by docs/screens.py."""
    demo = (CHECKOUT / ".ci" / "demo.py").read_text(encoding="utf-8")
    question = re.search(r'^QUESTION = "(.*)"$', demo, re.M)[1]
    assert question in screen.read_text(encoding="utf-8"), "run: make screens"
    assert f"screens/{screen.name}" in (CHECKOUT / "docs" / "editors.md").read_text(encoding="utf-8")


TEST = re.compile(r"`([\w/.]+)::(\w+)`")  # as pages name one


def test_every_rule_for_editors_is_held_by_a_test():
    """The tables of docs/editors.md name a test for each rule; a rule or a test that was lost is missed here."""
    page = (CHECKOUT / "docs" / "editors.md").read_text(encoding="utf-8")
    rules = re.findall(r"^\| (\d+) \| .* \| (.+) \|$", page, re.M)
    assert [int(number) for number, _ in rules] == list(range(1, 16))  # as many as were learnt from the editors
    for number, held in rules:
        assert re.search(TEST, held), f"rule {number} is held by nothing"
    for path, test in re.findall(TEST, page):
        text = (CHECKOUT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {test}\(", text, re.M), f"{path} has no {test}"


def written_page():
    spec = importlib.util.spec_from_file_location("manpage", CHECKOUT / "docs" / "manpage.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.page()


def test_the_manual_page_is_that_of_the_program():
    assert (CHECKOUT / "docs" / "meaning-ls.1").read_text(encoding="utf-8") == written_page(), "run: make man"
