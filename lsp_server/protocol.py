"""The wire: what crosses it beyond the standard messages.

Takes the params of our own requests and the arguments of our commands as plain JSON, gives frozen values or an
InvalidParams error that names the field. Results are TypedDicts: exactly the JSON that is sent. docs/protocol.md and
vscode-client/src/protocol.ts are the other two forms of this page, and tests hold the three together.
Does not convert positions, paths or kinds; that is convert.py. Settings are in settings.py.
"""

import math
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from lsp_server.engine.query import filter_trouble, glob_trouble

SEMANTIC_SYMBOL = "workspace/semanticSymbol"
SIMILAR_SYMBOL = "workspace/similarSymbol"
SEMANTIC_INDEX = "workspace/semanticIndex"
INDEX_STATUS = "semanticIndex/status"
MACHINE_SCOPE = "machineScope"  # of a client's initializationOptions: true where folders come from the user alone
TAKES_STATUS = "semanticIndexStatus"  # of a client's experimental capabilities: false declines the notification

FIND = "meaning-ls.find"
FIND_AND_SHOW = "meaning-ls.findAndShow"
SIMILAR = "meaning-ls.similar"
REINDEX = "meaning-ls.reindex"
CANCEL = "meaning-ls.cancel"
PAUSE = "meaning-ls.pause"
RESUME = "meaning-ls.resume"
STATUS = "meaning-ls.status"
EXPLAIN = "meaning-ls.explain"
WHY = "meaning-ls.why"
DOCTOR = "meaning-ls.doctor"
MODELS = "meaning-ls.models"
PULL_MODEL = "meaning-ls.pullModel"
COMMANDS = (
    *(FIND, FIND_AND_SHOW, SIMILAR, REINDEX, CANCEL, PAUSE, RESUME, STATUS, EXPLAIN, WHY),
    *(DOCTOR, MODELS, PULL_MODEL),
)

CAPABILITY = {"semanticSymbolProvider": {"version": 1, "similar": True, "status": True}}
CODE_ACTION_KIND = "meaning-ls.similar"

DEFAULT_LIMIT = 20
MAX_LIMIT = 200
MAX_SYMBOLS = 128  # of one `workspace/symbol` answer
MAX_QUERY = 10_000  # characters: far beyond what a model reads (256 tokens); a pasted file is a mistake worth telling
MAX_SKIPPED = 100  # rows of files that were left out

State = Literal["starting", "indexing", "ready", "paused", "reading", "failed"]
Mode = Literal["words", "hybrid"]
Match = Literal["meaning", "words", "name", "mixed"]
Token = int | str  # of progress, chosen by the client


# ---- what is sent


class Position(TypedDict):
    """A place in a text; `character` counts units of the negotiated encoding."""

    line: int
    character: int


class Range(TypedDict):
    """From one place to another; the end is not included."""

    start: Position
    end: Position


class Location(TypedDict):
    """A range of a document."""

    uri: str
    range: Range


class SemanticSymbol(TypedDict):
    """One row of an answer."""

    name: str
    kind: int  # LSP's SymbolKind
    containerName: NotRequired[str]
    location: Location  # the whole symbol, doc comment included
    selectionRange: Range  # its name
    score: float  # 0..1
    match: Match
    languageId: str
    preview: str
    detail: NotRequired[str]


class IndexStatus(TypedDict):
    """What an answer rests on."""

    state: State
    mode: Mode
    filesDone: int
    filesTotal: int
    symbols: int
    embedded: int
    model: str
    message: NotRequired[str]


class SemanticSymbolResult(TypedDict):
    """Answer of `workspace/semanticSymbol` and `workspace/similarSymbol`."""

    symbols: list[SemanticSymbol]
    index: IndexStatus
    confident: bool


class Skipped(TypedDict):
    """A file or folder (with a trailing '/') that was left out, and why."""

    path: str
    reason: str


class FolderStatus(IndexStatus):
    """The index of one workspace folder."""

    uri: str
    vectors: str  # how they are held and searched, for people; "" while there are none
    bytes: int
    lastUpdate: float  # when the last whole look began, since when all is current: seconds since 1970, 0 for never
    skipped: list[Skipped]
    skippedTotal: int
    writer: str  # program and process that write this index while the state is "reading"
    reranker: NotRequired[str]  # id of the model that reorders the best rows, where there is one


class ModelAdvice(TypedDict):
    """The result of `meaning-ls.models`."""

    picked: str  # the id of the model that suits this machine best
    installed: list[str]
    offer: str  # a sentence for people: size, licence, how long a first index takes
    explanation: list[str]  # lines for people: what was found, considered and picked


class SemanticIndexResult(TypedDict):
    """Answer of `workspace/semanticIndex` and params of `semanticIndex/status`."""

    folders: list[FolderStatus]
    log: str  # path of the folder that holds the logs


class WorkspaceSymbol(TypedDict):
    """The standard SymbolInformation with a score, by which eglot and Kate sort."""

    name: str
    kind: int
    containerName: NotRequired[str]
    location: Location
    score: float


# ---- what is received


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rows are wanted. An empty collection filters nothing."""

    limit: int = DEFAULT_LIMIT
    kinds: frozenset[int] = frozenset()
    languages: frozenset[str] = frozenset()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SemanticSymbolParams:
    """A question. `text_document` is the URI of the document where the user is, "" when unknown."""

    query: str
    filters: Filters = Filters()
    text_document: str = ""
    partial_result_token: Token | None = None
    work_done_token: Token | None = None


@dataclass(frozen=True, slots=True)
class SimilarSymbolParams:
    """A selection, or an empty range at the cursor."""

    text_document: str
    range: Range
    filters: Filters = Filters()
    partial_result_token: Token | None = None
    work_done_token: Token | None = None


class Fields:
    """A JSON object whose fields are read one by one; what does not fit raises InvalidParams with the field's name."""

    def __init__(self, value: object, name: str = "") -> None:
        if not isinstance(value, dict):
            raise invalid(name or "params", "must be an object")
        self._value = value
        self._prefix = f"{name}." if name else ""

    def name(self, field: str) -> str:
        """Return the full name of a field, for messages."""
        return self._prefix + field

    def raw(self, field: str) -> object:
        """Return a field as it came, None when it is absent."""
        return self._value.get(field)

    def nested(self, field: str) -> "Fields":
        """Return a nested object that must be there."""
        return Fields(self.raw(field), self.name(field))

    def text(self, field: str) -> str:
        """Return a string that must be there; halves of UTF-16 pairs are replaced, for no index can hold them."""
        return _text(self.raw(field), self.name(field))

    def integer(self, field: str, low: int, high: int) -> int:
        """Return a whole number between `low` and `high`."""
        return _integer(self.raw(field), self.name(field), low, high)

    def texts(self, field: str) -> tuple[str, ...]:
        """Return a list of strings, empty when it is absent."""
        return tuple(_text(item, f"{self.name(field)}[{i}]") for i, item in enumerate(self._list(field)))

    def kinds(self, field: str) -> frozenset[int]:
        """Return a list of SymbolKinds, empty when it is absent."""
        last = int(max(types.SymbolKind))  # as a number, for messages
        return frozenset(
            _integer(item, f"{self.name(field)}[{i}]", 1, last) for i, item in enumerate(self._list(field))
        )

    def token(self, field: str) -> Token | None:
        """Return a progress token: a number or a string."""
        value = self.raw(field)
        if value is None or (isinstance(value, int | str) and not isinstance(value, bool)):
            return value
        raise invalid(self.name(field), "must be a number or a string")

    def range(self, field: str) -> Range:
        """Return a range."""
        value = self.nested(field)
        return {"start": value._position("start"), "end": value._position("end")}

    def _position(self, field: str) -> Position:
        value = self.nested(field)
        largest = 2**31 - 1  # LSP's uinteger
        return {"line": value.integer("line", 0, largest), "character": value.integer("character", 0, largest)}

    def _list(self, field: str) -> list[object]:
        value = self.raw(field)
        if value is not None and not isinstance(value, list):
            raise invalid(self.name(field), "must be a list")
        return value or []


def invalid(field: str, trouble: str) -> JsonRpcInvalidParams:
    """Make the error of a malformed request."""
    return JsonRpcInvalidParams(f"{field}: {trouble}")


def read_semantic_symbol(params: object) -> SemanticSymbolParams:
    """Read the params of `workspace/semanticSymbol`. Raises JsonRpcInvalidParams."""
    fields = Fields(params)
    document = fields.raw("textDocument")
    return SemanticSymbolParams(
        query=read_query(fields.raw("query"), fields.name("query")),
        filters=read_filters(fields),
        text_document="" if document is None else fields.nested("textDocument").text("uri"),
        partial_result_token=fields.token("partialResultToken"),
        work_done_token=fields.token("workDoneToken"),
    )


def read_similar_symbol(params: object) -> SimilarSymbolParams:
    """Read the params of `workspace/similarSymbol`. Raises JsonRpcInvalidParams."""
    fields = Fields(params)
    return SimilarSymbolParams(
        text_document=fields.nested("textDocument").text("uri"),
        range=fields.range("range"),
        filters=read_filters(fields),
        partial_result_token=fields.token("partialResultToken"),
        work_done_token=fields.token("workDoneToken"),
    )


def read_query(value: object, name: str = "query") -> str:
    """Read the words of a question. Raises JsonRpcInvalidParams."""
    query = _text(value, name)
    if len(query) > MAX_QUERY:
        raise invalid(name, f"is {len(query):,} characters long; at most {MAX_QUERY:,} are read")
    if trouble := filter_trouble(query):
        raise invalid(name, f"its filters {trouble}")
    return query


def read_filters(fields: Fields) -> Filters:
    """Read the filter fields of an object. Raises JsonRpcInvalidParams."""
    include, exclude = fields.texts("include"), fields.texts("exclude")
    if trouble := glob_trouble((*include, *exclude)):
        raise invalid(f"{fields.name('include')} and {fields.name('exclude')}", trouble)
    return Filters(
        limit=DEFAULT_LIMIT if fields.raw("limit") is None else fields.integer("limit", 1, MAX_LIMIT),
        kinds=fields.kinds("kinds"),
        languages=frozenset(fields.texts("languages")),
        include=include,
        exclude=exclude,
        folders=fields.texts("folders"),
    )


def read_location(value: object, name: str) -> Location:
    """Read where a command shall look: a Location, or a document with a `position` or `range`.

    Raises JsonRpcInvalidParams.
    """
    fields = Fields(value, name)
    owner = fields if fields.raw("textDocument") is None else fields.nested("textDocument")
    if fields.raw("position") is not None:
        position = fields._position("position")
        return {"uri": owner.text("uri"), "range": {"start": position, "end": position}}
    return {"uri": owner.text("uri"), "range": fields.range("range")}


def argument(arguments: tuple[object, ...], place: int, name: str) -> object:
    """Return an argument of a command. Raises JsonRpcInvalidParams when it is missing."""
    if place >= len(arguments):
        raise invalid(name, "is missing")
    return arguments[place]


def read_find(arguments: tuple[object, ...]) -> SemanticSymbolParams:
    """Read the arguments [query, filters?] of a command. Raises JsonRpcInvalidParams."""
    query = read_query(argument(arguments, 0, "query"))
    filters = arguments[1] if len(arguments) > 1 and arguments[1] is not None else {}
    return SemanticSymbolParams(query, read_filters(Fields(filters, "filters")))


def read_similar(arguments: tuple[object, ...]) -> tuple[SimilarSymbolParams, bool]:
    """Read the arguments [location, filters?] of a command, and whether the best hit is to be shown.

    Raises JsonRpcInvalidParams.
    """
    location = read_location(argument(arguments, 0, "location"), "location")
    fields = Fields(arguments[1] if len(arguments) > 1 and arguments[1] is not None else {}, "filters")
    return SimilarSymbolParams(location["uri"], location["range"], read_filters(fields)), fields.raw("show") is True


def read_model(arguments: tuple[object, ...]) -> str:
    """Read the argument [id] of a command. Raises JsonRpcInvalidParams."""
    return _text(argument(arguments, 0, "id"), "id")


def read_uri(value: object, name: str) -> str:
    """Read a document or folder: its URI, or an object that holds it. Raises JsonRpcInvalidParams."""
    return Fields(value, name).text("uri") if isinstance(value, dict) else _text(value, name)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise invalid(name, "must be a string")
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _integer(value: object, name: str, low: int, high: int) -> int:
    # JSON has one kind of number, and some clients (Lua, Emacs) write 20 as 20.0.
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise invalid(name, f"must be a whole number from {low} to {high}")
    return value
