"""The architecture, read from the imports: what docs/architecture.md says must stay true."""

import ast
import re
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from lsp_server.engine.languages import LANGUAGES

CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "lsp_server"
ENGINE = "lsp_server.engine"
MODULES = {".".join(path.relative_to(CHECKOUT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
MODULES = {name.removesuffix(".__init__"): path for name, path in MODULES.items()}

# From the first to the last, each may use those before it.
ENGINE_ORDER = (
    *("errors", "threads", "memory", "cache", "log", "languages"),
    *("patterns", "disk", "repository", "ignore", "skips", "tree", "files"),
    *("lines", "comments", "macros", "syntax", "outline", "blocks", "symbols", "cells", "notebooks"),
    *("text", "card", "devices", "tokens", "pooling", "graph", "static", "endpoint", "encoder"),
    *("remembered", "agreement", "installed", "pair", "serving"),
    *("database", "home", "vector_cache", "store", "commits"),
    *("rows", "keys", "reduction", "codes", "vectors", "hnsw"),
    *("words", "places", "view", "corpus", "names", "query", "search", "reranker", "git", "hits", "examine"),
    *("reading", "overlay", "update", "writing", "index"),
)

# Who speaks SQL, as docs/architecture.md says.
SQL = ("database", "store", "commits", "vector_cache", "examine")

# Where a library may be imported; everywhere else it is a mistake.
HOMES = {
    "tree_sitter": {"engine.syntax"},
    "onnxruntime": {"engine.devices", "models.quantise"},
    "huggingface_hub": {"models.hub"},
    "tokenizers": {"engine.tokens"},
    "hnswlib": {"engine.hnsw"},
    "sqlite3": {f"engine.{name}" for name in (*SQL, "home", "writing", "index")},  # the last three catch its errors
    "filelock": {"engine.home", "engine.examine", "models.pull"},
    "platformdirs": {"engine.cache"},
    "urllib.parse": {"convert", "engine.endpoint", "models.connect", "models.commands"},
    "http": {"engine.endpoint"},
    "urllib.request": {"engine.endpoint"},
    "pygls": {"protocol", "jsonrpc", "announce", "fetching", "offering", "session", "server"},
    "lsprotocol": {"protocol", "jsonrpc", "convert", "documents", "announce", "offering", "session", "server"},
    "cattrs": {"jsonrpc"},
    "mcp": {"mcp"},
    "torch": {"models.export"},
    "transformers": {"models.export"},
    "onnx": {"models.export", "models.quantise"},
}
NETWORK = {"socket", "ssl", "http.server", "ftplib", "smtplib", "requests", "httpx", "httpx2", "aiohttp"}


def imports(path):
    """Return the names of all modules that a file imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in whole}
    return found


IMPORTS = {name: imports(path) - {name} for name, path in MODULES.items()}


def holders(library):
    """Return the modules that import a library, without the package's name."""
    return {
        module.removeprefix("lsp_server.")
        for module, names in IMPORTS.items()
        if any(name == library or name.startswith(f"{library}.") for name in names)
    }


def test_engine_knows_no_protocol_and_no_event_loop():
    for module, names in IMPORTS.items():
        if module.startswith(ENGINE):
            foreign = {name for name in names if name.startswith("lsp_server") and not name.startswith(ENGINE)}
            foreign |= {name for name in names if name.split(".")[0] in ("asyncio", "pygls", "lsprotocol", "argparse")}
            assert not foreign, f"{module} imports {foreign}"


def test_arrows_in_the_engine_point_one_way():
    named = {name.removeprefix(f"{ENGINE}.") for name in MODULES if name.startswith(f"{ENGINE}.")}
    assert named == set(ENGINE_ORDER), "a new module takes its place in ENGINE_ORDER and docs/architecture.md"
    for at, module in enumerate(ENGINE_ORDER):
        used = {name.removeprefix(f"{ENGINE}.") for name in IMPORTS[f"{ENGINE}.{module}"] if name.startswith(ENGINE)}
        assert used - {ENGINE} <= set(ENGINE_ORDER[:at]), f"{module} imports what comes after it"


def test_there_are_no_circles():
    graph = {module: {name for name in names if name in MODULES} for module, names in IMPORTS.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("library", HOMES)
def test_libraries_stay_at_home(library):
    assert holders(library) == HOMES[library]


def test_who_speaks_sql_is_told():
    speaks = {
        module.removeprefix(f"{ENGINE}.")
        for module, path in MODULES.items()
        if "sqlite3" in IMPORTS[module] and re.search(r"\.execute(many|script)?\(", path.read_text(encoding="utf-8"))
    }
    assert speaks == set(SQL)
    page = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
    *first, last = SQL
    assert f"SQL in {', '.join(f'`{name}`' for name in first)} and `{last}`" in page


def test_there_is_no_network():
    """But for models from the hub (models.hub) and servers that a user has connected (engine.endpoint): see HOMES."""
    for library in sorted(NETWORK):
        assert not holders(library), f"{library} is imported"


def test_no_client_is_known_by_its_name():
    for module, path in MODULES.items():
        assert not re.search(r"client_?info", path.read_text(encoding="utf-8"), re.I), (
            f"{module} asks who the client is"
        )


def test_the_command_line_needs_no_protocol():
    """Nor does the server need the command line: both are faces of the engine, and neither looks at the other."""
    command_line = {
        f"lsp_server.{name}"
        for name in ("arguments", "completion", "config", "manual", "questions", "terminal", "listing")
    }
    command_line.add("lsp_server.models.commands")
    for module in command_line:
        assert not {name for name in IMPORTS[module] if name.split(".")[0] in ("pygls", "lsprotocol")}
        ours = {name for name in IMPORTS[module] if name.startswith("lsp_server.") and not name.startswith(ENGINE)}
        assert {name for name in ours if not name.startswith("lsp_server.models")} <= command_line
    for module in set(MODULES) - command_line - {"lsp_server.__main__"}:
        assert not IMPORTS[module] & command_line, f"{module} imports a part of the command line"


def test_every_module_is_on_the_map():
    page = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for module, path in MODULES.items():
        if path.name != "__init__.py":
            assert f"`{module.rpartition('.')[2]}`" in page, f"docs/architecture.md does not name {module}"


def test_every_module_says_what_it_does():
    for module, path in MODULES.items():
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{module} has no docstring"


def test_no_module_does_two_jobs():
    """Past 400 lines a file has two jobs, but for those named here, which have one each; none has more than 500."""
    lines = {module: len(path.read_text("utf-8").splitlines()) for module, path in MODULES.items()}
    assert {module.removeprefix("lsp_server.") for module, many in lines.items() if many > 400} <= LONG
    assert max(lines.values()) <= 500


# One job that takes more: a table of what each request or command does, the grammar of all commands, the face of the
# engine, the states of a folder, a pass, a model made into one of ours.
LONG = {"server", "__main__", "arguments", "engine.index", "folder", "engine.update", "models.export"}


# Modules that only run where an extra is installed.
EXTRAS = {
    "lsp_server.mcp": "mcp",
    "lsp_server.models.export": "export",
    "lsp_server.models.quantise": "export",
}


def required(extra=""):
    """Return the names of the packages that are required, by an extra too, as they are imported."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])
    return {re.match(r"[\w.-]+", line)[0].replace("-", "_").lower() for line in lines}


def test_imported_packages_are_required():
    """A package that comes with another one may leave with it; cattrs alone is lsprotocol's own converter."""
    for module, names in IMPORTS.items():
        used = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"lsp_server", "cattrs"}
        assert used <= required(EXTRAS.get(module, "")), f"{module} imports what is not required"


def test_grammars_are_required():
    assert {language.grammar.split(":")[0] for language in LANGUAGES.values() if language.grammar} <= required()
