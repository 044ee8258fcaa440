"""The plugin for Neovim, loaded from a folder of packages as users do: commands, pickers, status, health, help."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import CHECKOUT, MAIL, NAME, QUESTION, UNPACKED
from .test_neovim import PLUGIN, VERSIONS, column_of, drive, in_mail, neovim_of

pytestmark = pytest.mark.timeout(300)

INIT = "require('meaning').setup({ cmd = vim.fn.json_decode(os.getenv('MEANING_FACTS')).command })\n"
MISSING = "require('meaning').setup({ cmd = { '/nowhere/meaning-ls' } })\n"


def install(household, setup=INIT):
    """Put the plugin into Neovim's own packages as docs/editors.md says; return options for Neovim, and packages."""
    home, data = Path(household.environment["HOME"]), Path(household.environment["XDG_DATA_HOME"])
    (home / ".local").mkdir()
    (home / ".local" / "share").symlink_to(data)
    page = (CHECKOUT / "docs" / "editors.md").read_text(encoding="utf-8")
    lines = re.search(r"```sh\n# Neovim's own packages\n(.*?)```", page, re.S)[1]
    command = ["sh", "-ec", lines.replace("CHECKOUT", shlex.quote(str(CHECKOUT)))]
    subprocess.run(command, env=household.environment, check=True)
    packages = data / "nvim" / "site" / "pack" / "meaning" / "start"
    assert [path.resolve() for path in packages.iterdir()] == [PLUGIN]
    init = household.folder / "init.lua"
    init.write_text(setup, encoding="utf-8")
    return ("-u", str(init)), packages


@pytest.fixture(scope="module", params=VERSIONS)
def seen(request, make_household):
    """What happened in the editor."""
    neovim, household = neovim_of(request.param), make_household()
    options, packages = install(household)
    if request.param == "sid":  # the only one that has other plugins
        for installed in (UNPACKED / "sid" / "root" / "usr/share/nvim/site/pack/dist-bundle/start").iterdir():
            (packages / installed.name).symlink_to(installed.resolve())
    return drive(household, neovim, "plugin.lua", *options) | {"others": request.param == "sid"}


@pytest.mark.parametrize("way", ["select", "asked", "quickfix"])
def test_a_question_jumps_to_the_line_and_the_column(seen, way):
    assert NAME in seen[way]["rows"][0]
    assert in_mail(seen, seen[way]["place"])
    assert seen[way]["place"]["column"] == column_of(NAME)


@pytest.mark.parametrize("way", ["select", "quickfix"])
def test_rows_stand_as_they_were_served(seen, way):
    rows = seen[way]["rows"]
    assert len(rows) == (len(seen["served"]) if way == "quickfix" else 20)  # as many as fit on a screen of 24 lines
    assert all(name[:40] in row for row, name in zip(rows, seen["served"], strict=False))


def test_lists_say_what_they_show(seen):
    assert seen["select"]["prompt"] == "Find by meaning"
    assert "src/mail.js:1" in seen["select"]["rows"][0]
    assert seen["quickfix"]["title"] == QUESTION


def test_similar_code_is_found_for_the_cursor_and_for_a_range(seen):
    for way in ("similar", "similar_range"):
        assert seen[way]["rows"]
        assert not any("gross" in row for row in seen[way]["rows"])


def test_ctrl_bracket_goes_to_what_has_the_name_and_to_nothing_like_it(seen):
    assert in_mail(seen, seen["tag"])
    assert seen["tag"]["column"] == column_of(NAME)
    assert re.search("E433|E426|E257", seen["no_tag"]["trouble"])


def test_what_was_saved_is_found(seen):
    assert "postage" in seen["second"]["rows"][0]
    assert seen["second"]["place"]["line"] == "def postage(parcel):"


def test_the_server_is_started_once_and_its_status_shown(seen):
    assert seen["before"] == ""
    assert seen["clients"] == 1
    assert seen["status"] == "meaning"


def test_health_says_what_is_so(seen):
    assert "ready" in seen["health"]
    assert "minilm-l6" in seen["health"]
    assert "ERROR" not in seen["health"]


def test_telescope_shows_rows_as_they_were_served(seen):
    if not seen["others"]:
        assert "telescope" not in seen
        return
    for way in ("telescope", "telescope_quickfix"):
        assert seen[way]["rows"] == seen["served_later"]
        assert seen[way]["preview"] == MAIL.rstrip("\n")
    assert in_mail(seen, seen["telescope"]["place"])
    # Telescope counts on the cursor's step to the left when insert mode ends, in which this driver is not.
    assert seen["telescope"]["place"]["column"] - 1 == column_of(NAME)
    rows = seen["telescope_quickfix"]["quickfix"]
    assert all(name in row for row, name in zip(rows, seen["served_later"], strict=True))


def test_lualine_shows_the_status(seen):
    if seen["others"]:
        assert "meaning" in seen["lualine"]


def test_it_is_silent_until_something_cannot_be_done(seen):
    assert seen["complaints"] == []
    assert seen["idle"] == 0
    assert [bool(re.search(part, " ".join(seen["messages"]))) for part in ("no option", "picker", "no project")] == [
        True,
        True,
        True,
    ]
    assert seen["errmsg"] == ""


def test_a_question_that_is_overtaken_is_not_answered(seen):
    assert seen["answers"] == {"wanted": 1}


def test_no_process_is_left_behind(seen):
    assert seen["left behind"] == []


def test_sources_of_pickers_that_cannot_be_had_give_rows_as_they_were_served(make_household):
    """The pickers are stand-ins: see neovim/others.lua for what this holds and what it does not."""
    household = make_household()
    options, _ = install(household)
    seen = drive(household, neovim_of("installed"), "others.lua", *options)
    column = column_of(NAME)
    for fzf_lua in seen["fzf_lua"]:
        assert fzf_lua["lines"][0].startswith(f"src/mail.js:1:{column + 1}:{NAME}  ")
        assert all(name in line for line, name in zip(fzf_lua["lines"], seen["served"], strict=True))
        assert (fzf_lua["query"], fzf_lua["overtaken"], fzf_lua["enter"]) == (QUESTION, 0, "file_edit_or_qf")
    best = seen["snacks"]["items"][0]
    assert in_mail(seen, {"path": best["file"]})
    assert (best["line"], best["column"]) == (1, column)
    assert all(name in item["text"] for item, name in zip(seen["snacks"]["items"], seen["served"], strict=True))
    assert seen["snacks"]["live"] is True
    assert seen["left behind"] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_program_that_is_missing_is_told_to_whoever_asks_for_it(make_household, version):
    household = make_household()
    options, _ = install(household, MISSING)
    seen = drive(household, neovim_of(version), "missing.lua", *options)
    assert seen["unasked"] == []
    assert seen["status"] == ""
    (told,) = seen["messages"]
    assert "/nowhere/meaning-ls" in told
    assert ":checkhealth" in told
    assert re.search("ERROR.*/nowhere/meaning-ls", seen["health"])
    assert seen["errmsg"] == ""


def test_help_is_found(tmp_path):
    """Every tag that the help page and the code point to is defined, and every command and option has one."""
    neovim = neovim_of("installed")
    copied = tmp_path / "doc"
    shutil.copytree(PLUGIN / "doc", copied)
    subprocess.run([neovim, "--headless", "--clean", "-c", f"helptags {copied}", "-c", "qall!"], check=True)
    tags = {line.split("\t")[0] for line in (copied / "tags").read_text(encoding="utf-8").splitlines()}
    page = (copied / "meaning.txt").read_text(encoding="utf-8")
    code = "\n".join(path.read_text(encoding="utf-8") for path in PLUGIN.rglob("*.lua"))
    wanted = set(re.findall(r"\|(meaning[\w.-]*|:[A-Z]\w+)\|", page)) | set(re.findall(r":help (meaning[\w-]*)", code))
    wanted |= {f":{name}" for name in re.findall(r"create_user_command\('(\w+)'", code)}
    options = (PLUGIN / "lua" / "meaning" / "options.lua").read_text(encoding="utf-8")
    wanted |= {f"meaning-{name}" for name in re.findall(r"^  (\w+) = ", options, re.M)}
    assert wanted <= tags
