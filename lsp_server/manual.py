"""Manual: what --help and the manual page say of the commands, where a line is not enough.

Text alone, in paragraphs; what begins with two blanks is shown as it stands.
"""

from lsp_server.config import EDITORS

EPILOG = """\
Without a command, meaning-ls is the language server on standard input and output.

  meaning-ls search "retry a request with growing pauses"
  meaning-ls search 'kind:class lang:python "deprecated" settings' src/
  meaning-ls similar lib/http.py:120
  meaning-ls COMMAND --help

Exit codes: 0 found, 1 nothing found, 2 bad usage or failure, 130 stopped with Ctrl-C."""

ROOTS = """\
DIR is the folder that is indexed. Without it that is the project around the current directory: the nearest folder
upwards that holds .git, else the current directory itself."""

SEARCH = f"""\
The index is brought up to date first; another process that is indexing is not waited for.

{ROOTS}

The question may hold filters: kind:function lang:python path:src/** -path:tests/** in:folder name:parse* changed:
and "quoted words" that must appear literally. A terminal gets snippets, a pipe gets one line a hit, with paths relative
to the current directory, always the best first. --json gives one JSON object a line, with paths relative to DIR and
lines counted from 1.

A line of --queries holds "query" and may hold "id", "limit", "kind", "lang", "include" and "exclude", of which the last
four are a text or a list. --include and --exclude may be given 100 times in all, in 10,000 characters."""

MCP = """\
The tools find_code, similar_code and index_status are offered on standard input and output. They see the folders DIR;
without any, those that the client calls its roots; without those, the project around the current directory. Needs the
extra mcp: pip install "meaning-ls[mcp]"."""

CONFIG = f"""\
EDITOR is one of {", ".join(EDITORS)}. The configuration goes to standard output; where it belongs is said on
standard error. With --command meaning-ls the program is looked for on the PATH, for a configuration that several
machines share."""

SHELLS = ("bash", "zsh", "fish")

COMPLETION = """\
Commands, options, files, languages and kinds are completed. Where the script belongs:

  bash   meaning-ls completion bash > ~/.local/share/bash-completion/completions/meaning-ls
  zsh    meaning-ls completion zsh > a folder of $fpath, as _meaning-ls
  fish   meaning-ls completion fish > ~/.config/fish/completions/meaning-ls.fish"""

DOCTOR = f"""\
Look at the machine, the model, the cache and the index of a folder, and tell what to do about each problem. Nothing is
changed. It takes some three seconds.

{ROOTS}

Exit codes: 0 all is well, 1 problems found, 2 it could not be run."""

MODELS = """\
The table says of each model whether it does well on this machine, how fast, and under which licence. Nothing is
downloaded unless `models pull` asks for it; HF_ENDPOINT, HF_TOKEN and HTTPS_PROXY are heeded."""

CONNECT = """\
The server gets the text of what is indexed with it, and of questions. You are asked once about each other machine, by
name; nothing is sent before. Only this command connects a server: no project and no setting of an editor can. The key
stays in its environment variable and is written nowhere. Then:

  meaning-ls index --model ID"""

EXPORT = """\
Write a model as a folder with model.onnx in 8 bits, tokenizer.json, model.toml and REPORT.md, which says how near its
vectors are to the original's. Pooling, prefixes and limits are read from the model's own files. Needs the extra export:
pip install "meaning-ls[export]"."""
