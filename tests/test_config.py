"""What editors are told: every configuration is read by a real parser of its format, with paths that need quoting."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lsp_server.config import EDITORS, configuration
from lsp_server.engine.languages import LANGUAGES, language_named

CHECKOUT = Path(__file__).parent.parent
SECONDS = 60
AWKWARD = (
    '/opt/of "Zo\N{LATIN SMALL LETTER E WITH DIAERESIS}" o\'clock\\<tab>/%USER% $HOME @x@ \N{PARTY POPPER}/meaning-ls'
)

# What Helix calls languages that neither we nor people call so.
HELIX_NAMES = {
    **{"c-sharp": "csharp", "ocaml-interface": "ocaml.interface", "git-ignore": "ignore", "matlab": "objective-c"},
    **{"metamath": "objective-cpp", "basic": "vb"},
}
# For these Helix has no language, or counts their files to another one (a notebook is its JSON).
NOT_IN_HELIX = {
    *("apacheconf", "apex", "asciidoc", "cobol", "coffeescript", "cuda-cpp", "go.sum", "handlebars", "hlsl", "jsonl"),
    *("jupyter", "liquid", "mdx", "ninja", "perl6", "razor", "sass", "shaderlab", "stylus", "xsl"),
    *("properties", "puppet", "systemverilog"),  # newer than Helix 25.01: commented out
}
BESIDE = {"name": "meaning-ls", "only-features": ["workspace-symbols", "workspace-command"]}


def run(*words, **options):
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)} | options.pop("env", {})
    done = subprocess.run(
        [sys.executable, "-m", "lsp_server", "config", *words], env=environment, capture_output=True, timeout=SECONDS
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def helix():
    return tomllib.loads(configuration("helix", AWKWARD))


def strings(value):
    """Return all strings in a JSON value."""
    if isinstance(value, str):
        return {value}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(strings, parts))


@pytest.mark.parametrize("editor", EDITORS)
def test_it_is_printed_and_where_it_belongs_is_said_beside(editor):
    code, out, err = run(editor, "--command", AWKWARD)
    assert (code, out) == (0, configuration(editor, AWKWARD))
    assert EDITORS[editor].where.rstrip(".") in err
    assert "@command@" not in out


def test_every_template_is_an_editors():
    files = {path.name for path in (CHECKOUT / "lsp_server" / "editors").iterdir()}
    assert files == {editor.template for editor in EDITORS.values()}


@pytest.mark.parametrize("editor", [name for name, editor in EDITORS.items() if editor.template.endswith(".json")])
def test_json_holds_the_command(editor):
    assert AWKWARD in strings(json.loads(configuration(editor, AWKWARD)))


def test_vscode_knows_the_setting():
    package = json.loads((CHECKOUT / "vscode-client" / "package.json").read_text(encoding="utf-8"))
    contributed = package["contributes"]["configuration"]
    groups = contributed if isinstance(contributed, list) else [contributed]
    known = {name for group in groups for name in group["properties"]}
    assert json.loads(configuration("vscode", AWKWARD)).keys() <= known


# ---- Helix


def test_helix_starts_the_command_beside_what_it_starts_by_itself():
    told = helix()
    assert told["language-server"] == {"meaning-ls": {"command": AWKWARD}}
    servers = {language["name"]: language["language-servers"] for language in told["language"]}
    assert len(servers) == len(told["language"]), "a language stands there twice"
    assert all(row[-1] == BESIDE and BESIDE not in row[:-1] for row in servers.values())
    assert servers["python"][:-1] == ["ty", "ruff", "jedi", "pylsp", "zuban"]
    assert servers["rust"][:-1] == ["rust-analyzer"]
    assert servers["scheme"] == [BESIDE]


def test_helix_is_told_of_every_language_that_is_indexed():
    told = {HELIX_NAMES.get(row["name"]) or language_named(row["name"]) for row in helix()["language"]}
    assert set(LANGUAGES) - told == NOT_IN_HELIX


# ---- formats that are languages: read by the editor itself


def editor(name):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed, so its configuration was not read by it")
    return found


def written(text, suffix, tmp_path):
    """Return a file with the literal of the command alone, as the template quotes it, and one with all of it."""
    literal = re.search(r'"/opt(?:[^"\\]|\\.)*meaning-ls"', text)[0]
    whole = tmp_path / f"whole{suffix}"
    whole.write_text(text, encoding="utf-8")
    return literal, whole


def test_neovim_reads_the_path_as_it_is(tmp_path):
    literal, whole = written(configuration("nvim", AWKWARD), ".lua", tmp_path)
    script = tmp_path / "read.lua"
    script.write_text(
        f"assert(loadfile({json.dumps(str(whole))}))\nio.stdout:write({literal})\nvim.cmd('qall!')", encoding="utf-8"
    )
    done = subprocess.run([editor("nvim"), "--headless", "--clean", "-S", script], capture_output=True, timeout=SECONDS)
    assert done.stdout.decode() == AWKWARD, done.stderr.decode()


def test_neovim_takes_it_or_says_what_it_needs(tmp_path):
    """Whatever its version: opening a file raises nothing."""
    _, whole = written(configuration("nvim", AWKWARD), ".lua", tmp_path)
    (tmp_path / "file.py").write_text("x = 1\n")
    words = [editor("nvim"), "--headless", "--clean", "-c", f"luafile {whole}", "-c", "edit file.py", "-c", "qall!"]
    done = subprocess.run(words, capture_output=True, timeout=SECONDS, cwd=tmp_path, text=True)
    assert done.returncode == 0
    assert "rror" not in done.stderr
    assert done.stderr.strip() in ("", "meaning-ls: an older Neovim needs the plugin in editors/nvim of its repository")


def test_emacs_reads_the_path_as_it_is(tmp_path):
    literal, whole = written(configuration("emacs", AWKWARD), ".el", tmp_path)
    show = tmp_path / "show.el"
    show.write_text(f"(set-language-environment 'utf-8)\n(princ {literal})", encoding="utf-8")
    words = [editor("emacs"), "--batch", "-Q", "-l", str(whole), "-l", str(show)]
    done = subprocess.run(words, capture_output=True, timeout=SECONDS)
    assert (done.returncode, done.stdout.decode()) == (0, AWKWARD), done.stderr.decode()


@pytest.mark.parametrize("name", ["ale", "vim-lsp"])
def test_vim_reads_the_path_as_it_is(name, tmp_path):
    literal, whole = written(configuration(name, AWKWARD), ".vim", tmp_path)
    shown = tmp_path / "shown"
    show = tmp_path / "show.vim"
    show.write_text(
        f"scriptencoding utf-8\nsource {whole}\ncall writefile([{literal}], '{shown}')\nqall!", encoding="utf-8"
    )
    words = [editor("vim"), "-es", "-N", "-u", "NONE", "-i", "NONE", "--cmd", "set encoding=utf-8", "-S", str(show)]
    done = subprocess.run(words, capture_output=True, timeout=SECONDS)
    assert shown.read_text(encoding="utf-8") == f"{AWKWARD}\n", done.stdout.decode()


# ---- which program


def installed(folder):
    """A program of our name, as pip writes one: it runs the checkout."""
    program = folder / "meaning-ls"
    folder.mkdir()
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom lsp_server.__main__ import main\nsys.exit(main())\n")
    program.chmod(0o755)
    return program


@pytest.mark.skipif(os.name == "nt", reason="a script with a first line is POSIX")
def test_the_program_that_runs_is_the_one_that_is_named(tmp_path):
    program = installed(tmp_path / "with a blank")
    done = subprocess.run(
        [program, "config", "vscode"], env=os.environ | {"PYTHONPATH": str(CHECKOUT)}, capture_output=True
    )
    assert json.loads(done.stdout) == {"meaning.server.path": str(program)}


@pytest.mark.skipif(os.name == "nt", reason="a script with a first line is POSIX")
def test_run_as_a_module_it_names_what_a_shell_would_find(tmp_path):
    if Path(sys.executable).with_name("meaning-ls").exists():
        program = Path(sys.executable).with_name("meaning-ls")
    else:
        program = installed(tmp_path / "bin")
    code, out, err = run("vscode", env={"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"})
    assert (code, json.loads(out)) == (0, {"meaning.server.path": str(program)}), err


@pytest.mark.parametrize(
    ("words", "said"), [(["ed"], "ed"), ([], "EDITOR"), (["nvim", "--command", "a\nb"], "program")], ids=str
)
def test_what_makes_no_sense_is_told_in_a_sentence(words, said):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
