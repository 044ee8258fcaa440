"""Config: what an editor has to be told to start this server, ready to be pasted.

Takes an editor's name, gives the text of its file in `editors/`, with the command that is installed filled in. What an
editor is told stands in those files alone; here is only where each is put, and how a path is quoted.
"""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "meaning-ls"

_TEMPLATES = Path(__file__).parent / "editors"
_COMMAND = "@command@"


@dataclass(frozen=True, slots=True)
class Editor:
    """One editor: its file in `editors/`, and where the user puts the text."""

    template: str
    where: str


EDITORS = {
    "agents": Editor("agents.json", ".mcp.json of a project, or wherever your coding agent keeps its MCP servers"),
    "ale": Editor("ale.vim", "your vimrc, for Vim with ALE; then :ALESymbolSearch"),
    "coc": Editor("coc.json", "coc-settings.json (:CocConfig); then :CocList -I symbols"),
    "emacs": Editor("emacs.el", "your init file"),
    "helix": Editor("helix.toml", "languages.toml in Helix's configuration folder; then Space S"),
    "kate": Editor("kate.json", "Settings, Configure Kate, LSP Client, User Server Settings"),
    "nvim": Editor("nvim.lua", "init.lua; then :lua vim.lsp.buf.workspace_symbol('a question')"),
    "sublime": Editor("sublime.json", "Preferences: LSP Settings; then LSP: Find Symbol in Workspace"),
    "vim-lsp": Editor("vim-lsp.vim", "your vimrc, for Vim with vim-lsp; then :LspWorkspaceSymbol"),
    "vscode": Editor("vscode.json", "settings.json; without it the extension starts the server that comes with it"),
    "zed": Editor("zed.json", "settings.json, for Zed's agent; its editor takes language servers from extensions only"),
}


def configuration(editor: str, command: str) -> str:
    """Return what `editor` has to be told to start `command`, a program's name or path without control characters."""
    text = (_TEMPLATES / EDITORS[editor].template).read_text(encoding="utf-8")
    # Without control characters a JSON string means the same in TOML, Lua, Emacs Lisp and Vim script.
    return text.replace(_COMMAND, json.dumps(command, ensure_ascii=False))


def installed_command() -> str | None:
    """Return the full path of the installed program: the one that runs, else what a shell finds, else None."""
    started = Path(sys.argv[0])
    beside = Path(sys.executable).with_name(PROGRAM)
    for candidate in (str(started) if started.stem == PROGRAM else "", str(beside), PROGRAM):
        found = shutil.which(candidate)
        if found and is_quotable(found):
            return str(Path(found).absolute())
    return None


def is_quotable(command: str) -> bool:
    """Say whether every format can hold this command."""
    return not any(ord(character) < 0x20 or ord(character) == 0x7F for character in command)
