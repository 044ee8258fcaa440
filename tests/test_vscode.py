"""The extension and the server say the same: messages, commands, settings, filters, versions."""

import json
import re
import typing
from pathlib import Path

import pytest

from lsp_server import __version__, protocol
from lsp_server.engine.languages import LANGUAGES
from lsp_server.engine.symbols import KINDS
from lsp_server.settings import NAMES, SECTION, Settings, read_settings

CLIENT = Path(__file__).parents[1] / "vscode-client"
PROTOCOL = (CLIENT / "src" / "protocol.ts").read_text(encoding="utf-8")
FILTERS = (CLIENT / "src" / "filters.ts").read_text(encoding="utf-8")
MANIFEST = json.loads((CLIENT / "package.json").read_text(encoding="utf-8"))
INTERFACES = {
    name: (bases, body)
    for name, bases, body in re.findall(
        r"^export interface (\w+)(?: extends ([\w, ]+))? \{\n(.*?)\n\}", PROTOCOL, re.M | re.S
    )
}
OF_THE_EXTENSION = {"server.path"}  # settings that the server is not told of


def fields(name):
    """Give the fields of an interface, those of its bases among them, and which may be left out."""
    bases, body = INTERFACES[name]
    found = {}
    for base in filter(None, (base.strip() for base in bases.split(","))):
        found |= fields(base) if base in INTERFACES else {}
    return found | dict(re.findall(r"^  (\w+)(\??):", body, re.M))


def words(source, constant):
    """Give the words of a list in TypeScript."""
    declared = re.search(rf"^export const {constant}\b.*?= \[(.*?)\]", source, re.M | re.S)[1]
    return re.findall(r"'([^']*)'", declared)


def wire_name(name):
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


@pytest.mark.parametrize("name", ["SemanticSymbol", "SemanticSymbolResult", "IndexStatus", "FolderStatus", "Skipped",
                                  "SemanticIndexResult", "ModelAdvice"])  # fmt: skip
def test_results_have_the_same_fields(name):
    cls = getattr(protocol, name)
    assert set(fields(name)) == set(typing.get_type_hints(cls))
    assert {field for field, mark in fields(name).items() if mark} == set(cls.__optional_keys__)


@pytest.mark.parametrize("name", ["Filters", "SemanticSymbolParams", "SimilarSymbolParams"])
def test_params_have_the_same_fields(name):
    own = {wire_name(field) for field in getattr(protocol, name).__dataclass_fields__}
    laid_among = {wire_name(field) for field in protocol.Filters.__dataclass_fields__} if "filters" in own else set()
    tokens = {"partialResultToken", "workDoneToken"}  # of vscode-languageclient's interfaces
    assert set(fields(name)) == (own | laid_among) - {"filters"} - tokens


@pytest.mark.parametrize("name", ["State", "Mode", "Match"])
def test_words_are_the_same(name):
    declared = re.search(rf"^export type {name} = (.*);", PROTOCOL, re.M)[1]
    assert tuple(re.findall(r"'([\w-]+)'", declared)) == typing.get_args(getattr(protocol, name))


def test_methods_commands_and_limits_are_the_same():
    for name in ("SEMANTIC_SYMBOL", "SIMILAR_SYMBOL", "SEMANTIC_INDEX", "INDEX_STATUS", "CODE_ACTION_KIND"):
        assert f"export const {name} = '{getattr(protocol, name)}';" in PROTOCOL
    for name in ("DEFAULT_LIMIT", "MAX_LIMIT", "MAX_QUERY"):
        assert int(re.search(rf"^export const {name} = ([\d_]+);", PROTOCOL, re.M)[1]) == getattr(protocol, name)
    assert re.findall(r"^  \w+: '(meaning-ls\.\w+)',", PROTOCOL, re.M) == list(protocol.COMMANDS)


def test_commands_of_the_extension_have_names_of_their_own():
    own = {command["command"] for command in MANIFEST["contributes"]["commands"]}
    assert own.isdisjoint(protocol.COMMANDS)


def test_settings_are_the_same():
    declared = MANIFEST["contributes"]["configuration"]["properties"]
    names = {name.removeprefix(f"{SECTION}."): setting for name, setting in declared.items()}
    assert set(names) - OF_THE_EXTENSION == set(NAMES)
    defaults = {wire_name(field): getattr(Settings(), field) for field in Settings.__dataclass_fields__}
    for name in NAMES:
        default = names[name]["default"]
        assert (tuple(default) if isinstance(default, list) else default) == defaults[name], name


def test_whatever_the_settings_editor_lets_through_is_taken():
    for name, setting in MANIFEST["contributes"]["configuration"]["properties"].items():
        for value in setting.get("enum", []) + [setting[key] for key in ("minimum", "maximum") if key in setting]:
            assert read_settings({name.removeprefix(f"{SECTION}."): value}, Settings())[1] == [], (name, value)


def test_filters_are_completed_to_what_the_engine_knows():
    assert set(words(FILTERS, "KINDS")) == KINDS
    assert words(FILTERS, "LANGUAGES") == sorted(id for id, language in LANGUAGES.items() if language.grammar)


def test_versions_agree():
    assert MANIFEST["version"] == __version__
