"""The page, the code and the server say the same."""

import dataclasses
import json
import re
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from lsp_server import protocol, server
from lsp_server.engine.index import Options
from lsp_server.settings import NAMES, Settings, from_options, read_settings

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "protocol.md").read_text(encoding="utf-8")
INTERFACES = dict(re.findall(r"interface (\w+)[^{\n]*\{\n(.*?)\n\}", PAGE, re.DOTALL))
EXTENDS = {"FolderStatus": "IndexStatus"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["query", "limit", "kinds", "textDocument", "uri", "range", "start", "line", "character"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


def fields_on_page(name):
    """Give the fields of an interface on the page: their names, and which may be left out."""
    fields = dict(re.findall(r"^  (\w+)(\??):", INTERFACES[name], re.MULTILINE))
    return {**(fields_on_page(EXTENDS[name]) if name in EXTENDS else {}), **fields}


def wire_name(name):
    return re.sub(r"_([a-z])", lambda found: found.group(1).upper(), name)


def fields_in_code(cls):
    """Give the names on the wire of a params class, those of its filters laid among them."""
    for field in dataclasses.fields(cls):
        if field.type is protocol.Filters:
            yield from fields_in_code(protocol.Filters)
        else:
            yield wire_name(field.name)


@pytest.mark.parametrize("name", ["SemanticSymbolResult", "SemanticSymbol", "IndexStatus", "SemanticIndexResult",
                                  "FolderStatus", "Skipped"])  # fmt: skip
def test_results_on_the_page_are_those_in_code(name):
    cls = getattr(protocol, name)
    on_page = fields_on_page(name)
    assert set(on_page) == set(typing.get_type_hints(cls))
    assert {field for field, mark in on_page.items() if mark} == set(cls.__optional_keys__)


@pytest.mark.parametrize("name", ["SemanticSymbolParams", "SimilarSymbolParams"])
def test_params_on_the_page_are_those_in_code(name):
    tokens = {"partialResultToken", "workDoneToken"}  # of the interfaces that the page extends
    assert set(fields_in_code(getattr(protocol, name))) - tokens == set(fields_on_page(name))


@pytest.mark.parametrize("name", ["state", "mode", "match"])
def test_words_on_the_page_are_those_in_code(name):
    alias = getattr(protocol, name.capitalize())
    declared = re.search(rf"^  {name}: ('.*');", PAGE, re.MULTILINE).group(1)
    assert tuple(re.findall(r"'([\w-]+)'", declared)) == typing.get_args(alias)


def test_every_state_is_explained():
    table = PAGE.partition("### States")[2].partition("## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == typing.get_args(protocol.State)


def test_methods_and_commands_on_the_page_are_those_of_the_server():
    methods = {protocol.SEMANTIC_SYMBOL, protocol.SIMILAR_SYMBOL, protocol.SEMANTIC_INDEX, protocol.INDEX_STATUS}
    headings = set(re.findall(r"`([\w/]+)`", "\n".join(re.findall(r"^## .*", PAGE, re.MULTILINE))))
    assert headings == methods | {types.WORKSPACE_SYMBOL}
    assert methods - {protocol.INDEX_STATUS} < set(server.HANDLERS)
    table = PAGE.partition("## Commands")[2].partition("## ")[0]
    assert tuple(re.findall(r"^\| `([\w.-]+)` \|", table, re.MULTILINE)) == protocol.COMMANDS == tuple(server.COMMANDS)


def test_limits_on_the_page_are_those_in_code():
    assert f"1 to {protocol.MAX_LIMIT}, default {protocol.DEFAULT_LIMIT}" in PAGE
    assert f"At most {protocol.MAX_QUERY:,} characters" in PAGE
    assert f"at most {protocol.MAX_SYMBOLS}" in PAGE
    assert f"at most {protocol.MAX_SKIPPED}" in PAGE
    assert f"`{protocol.CODE_ACTION_KIND}`" in PAGE
    assert protocol.Filters().limit == protocol.DEFAULT_LIMIT


def test_settings_on_the_page_are_those_in_code():
    table = PAGE.partition("## Settings")[2]
    rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \|", table, re.MULTILINE)
    assert tuple(name for name, _ in rows) == NAMES
    fields = dataclasses.fields(Settings)
    assert [wire_name(field.name) for field in fields] == [name for name, _ in rows]
    shown = {"()": "[]"}
    defaults = [str(field.default) if isinstance(field.default, int) else f'"{field.default}"' for field in fields]
    defaults = [shown.get(default.strip('"'), default) for default in defaults]
    assert defaults == [default for _, default in rows]


@given(json_values)
def test_whatever_params_are_sent_they_are_read_or_refused(value):
    for read in (protocol.read_semantic_symbol, protocol.read_similar_symbol):
        try:
            read(value)
        except JsonRpcInvalidParams as error:
            assert re.match(r"[\w.\[\]]+: ", error.message)


def test_params_are_read():
    params = {
        "query": "x", "limit": 3, "kinds": [5, 6], "languages": ["python"], "include": ["a"], "exclude": ["b"],
        "folders": ["file:///c"], "textDocument": {"uri": "file:///d"}, "partialResultToken": 1, "workDoneToken": "w",
    }  # fmt: skip
    filters = protocol.Filters(3, frozenset({5, 6}), frozenset({"python"}), ("a",), ("b",), ("file:///c",))
    assert protocol.read_semantic_symbol(params) == protocol.SemanticSymbolParams("x", filters, "file:///d", 1, "w")


def test_halves_of_characters_are_replaced():
    assert protocol.read_query("a\ud83db") == "a\ufffdb"
    assert protocol.read_query("😀") == "😀"


# ---- settings


def test_settings_lie_over_those_of_the_command_line():
    base = from_options(Options(model="somewhere", threads=3))
    settings, troubles = read_settings({"meaning": {"threads": 2.0, "exclude": ["a"], "model": None}}, base)
    assert (settings.model, settings.threads, settings.exclude, troubles) == ("somewhere", 2, ("a",), [])
    assert settings.options() == Options(model="somewhere", threads=2, exclude=("a",))
    assert read_settings(None, base) == (base, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [("model", 1), ("threads", -1), ("threads", True), ("threads", "two"), ("threads", 1.5), ("exclude", "a"),
     ("exclude", [1]), ("maxFileBytes", 1), ("cacheDir", []), ("memoryLimit", -5), ("workspaceSymbols", "some"),
     ("index", True), ("rerank", []), ("trace", {}), ("device", 0)],
)  # fmt: skip
def test_a_bad_setting_is_named_and_its_default_used(name, value):
    settings, (trouble,) = read_settings({name: value}, Settings())
    assert settings == Settings()
    assert trouble.startswith(f"meaning.{name}: must be ")


def test_settings_that_are_none():
    settings, (trouble,) = read_settings(["a"], Settings())
    assert settings == Settings()
    assert "'meaning'" in trouble


@given(json_values)
def test_whatever_settings_are_sent_they_are_read(value):
    read_settings(value, Settings())
    read_settings(dict.fromkeys(NAMES, value), Settings())


def test_commands_of_the_extension_are_not_those_of_the_server():
    """vscode-languageclient registers each command of the server as one of VS Code, where a second one is an error."""
    package = json.loads((CHECKOUT / "vscode-client" / "package.json").read_text(encoding="utf-8"))
    own = {command["command"] for command in package["contributes"]["commands"]}
    assert own
    assert not own & set(server.COMMANDS)
