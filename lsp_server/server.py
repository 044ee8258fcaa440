"""Server: what a client may ask for and tell, and how the server is started.

A table of contents: each handler parses (protocol.py), asks (answers.py, workspace.py) and converts. Handlers are
async, the only form in which pygls honours a cancel, and none touches SQL, a model, a parser or a file: that happens on
threads of answers.py and folder.py, and in the process of indexer.py.
"""

import asyncio
import logging
import platform
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from lsp_server import __version__, protocol
from lsp_server.convert import KINDS_OF_LSP_1, to_path
from lsp_server.doctor.apart import consult
from lsp_server.engine.cache import is_ours
from lsp_server.engine.errors import EngineError
from lsp_server.engine.index import Options
from lsp_server.engine.log import log_to_file, log_to_stderr
from lsp_server.folder import Folder
from lsp_server.guard import Author
from lsp_server.jsonrpc import MAX_HEADER, ThreadedWriter, read_stream
from lsp_server.protocol import Location, ModelAdvice, SemanticIndexResult, SemanticSymbolResult, WorkspaceSymbol
from lsp_server.session import Session, set_level
from lsp_server.settings import SECTION
from lsp_server.stdout import claim_stdout

REQUEST_FAILED = -32803  # LSP: the request was right, but cannot be answered
SIMILAR_TITLE = "Find similar code"

_ALL_FILES = types.FileOperationRegistrationOptions(
    filters=[types.FileOperationFilter(types.FileOperationPattern(glob="**"), scheme="file")]
)
# A string, not a RelativePattern, which Helix ignores. VS Code then tells of renamed folders by their own event alone.
_WATCHED = types.DidChangeWatchedFilesRegistrationOptions(watchers=[types.FileSystemWatcher(glob_pattern="**/*")])

_log = logging.getLogger(__name__)


# ---- life


async def initialize(ls: Session, params: types.InitializeParams) -> None:
    """Learn who the client is and what it has open."""
    encoding = ls.workspace.position_encoding
    ls.documents.encoding = encoding.value if isinstance(encoding, types.PositionEncodingKind) else str(encoding)
    root = ls.workspace.root_uri  # rootUri or rootPath; both may be missing, and then nothing is indexed
    folders = params.workspace_folders or []
    ls.named = tuple(folder.uri for folder in folders) or ((root,) if root else ())
    options = params.initialization_options
    ls.base, troubles = ls.read_settings(options, Author.USER)
    ls.troubles += troubles
    if isinstance(options, dict) and options.get(protocol.MACHINE_SCOPE) is True:
        ls.author = Author.USER
    if params.process_id is not None:
        ls.spawn(ls.follow(params.process_id))


async def initialized(ls: Session, params: types.InitializedParams) -> None:
    """Open the folders; what a client cannot register, it goes without."""
    ls.spawn(ls.start())
    workspace = ls.client_capabilities.workspace
    if workspace and workspace.did_change_watched_files and workspace.did_change_watched_files.dynamic_registration:
        ls.spawn(ls.register(types.WORKSPACE_DID_CHANGE_WATCHED_FILES, _WATCHED))
    if workspace and workspace.did_change_configuration and workspace.did_change_configuration.dynamic_registration:
        ls.spawn(ls.register(types.WORKSPACE_DID_CHANGE_CONFIGURATION, {"section": SECTION}))


async def shutdown(ls: Session, params: None) -> None:
    """Let go of everything."""
    await ls.close()


async def set_trace(ls: Session, params: types.SetTraceParams) -> None:
    """Write more or less to the log."""
    set_level(str(params.value.value))


async def cancel_progress(ls: Session, params: types.WorkDoneProgressCancelParams) -> None:
    """Stop the indexing or the download that a progress bar shows."""
    if (folder := ls.announcer.folder_of(params.token)) is not None:
        folder.cancel()
    ls.fetching.cancel(params.token)


# ---- what changes


async def did_open(ls: Session, params: types.DidOpenTextDocumentParams) -> None:
    """Take the text of a document."""
    ls.documents.open(params.text_document.uri, params.text_document.text)
    _edited(ls, params.text_document.uri)


async def did_change(ls: Session, params: types.DidChangeTextDocumentParams) -> None:
    """Take edits."""
    ls.documents.change(params.text_document.uri, params.content_changes)
    _edited(ls, params.text_document.uri)


async def did_close(ls: Session, params: types.DidCloseTextDocumentParams) -> None:
    """Forget the text of a document."""
    ls.documents.close(params.text_document.uri)
    _edited(ls, params.text_document.uri)


async def did_open_notebook(ls: Session, params: types.DidOpenNotebookDocumentParams) -> None:
    """Take the cells of a notebook."""
    ls.documents.open_notebook(params.notebook_document, params.cell_text_documents)


async def did_change_notebook(ls: Session, params: types.DidChangeNotebookDocumentParams) -> None:
    """Take edits of a notebook."""
    ls.documents.change_notebook(params.notebook_document.uri, params.change)
    _edited(ls, params.notebook_document.uri)


async def did_close_notebook(ls: Session, params: types.DidCloseNotebookDocumentParams) -> None:
    """Forget the cells of a notebook."""
    ls.documents.close_notebook(params.notebook_document.uri)
    _edited(ls, params.notebook_document.uri)


async def did_save(ls: Session, params: types.DidSaveTextDocumentParams) -> None:
    """Have a file looked at."""
    ls.folders.touch([params.text_document.uri])


async def did_save_notebook(ls: Session, params: types.DidSaveNotebookDocumentParams) -> None:
    """Have a notebook looked at; what is open answers until the file was read."""
    ls.documents.save_notebook(params.notebook_document.uri)
    ls.folders.saved(params.notebook_document.uri)
    ls.folders.touch([params.notebook_document.uri])


async def did_change_files(ls: Session, params: types.DidChangeWatchedFilesParams) -> None:
    """Have files and folders looked at that anybody changed."""
    cache_dir = ls.folders.settings.cache_dir  # which may lie in the workspace, and indexing writes there
    uris = [change.uri for change in params.changes]
    ls.folders.touch(uri for uri in uris if (path := to_path(uri)) is None or not is_ours(Path(path), cache_dir))


async def did_create_files(ls: Session, params: types.CreateFilesParams) -> None:
    """Have new files looked at."""
    ls.folders.touch(file.uri for file in params.files)


async def did_delete_files(ls: Session, params: types.DeleteFilesParams) -> None:
    """Have places looked at where files were."""
    ls.folders.touch(file.uri for file in params.files)


async def did_rename_files(ls: Session, params: types.RenameFilesParams) -> None:
    """Have places looked at where files were and are."""
    ls.folders.touch(uri for file in params.files for uri in (file.old_uri, file.new_uri))


async def did_change_folders(ls: Session, params: types.DidChangeWorkspaceFoldersParams) -> None:
    """Open and close folders."""
    for folder in params.event.removed:
        await ls.folders.remove(folder.uri)
    for folder in params.event.added:
        ls.folders.add(folder.uri, ls.documents)
    ls.search_what_is_open()


async def did_change_configuration(ls: Session, params: types.DidChangeConfigurationParams) -> None:
    """Take new settings."""
    await ls.configure(params.settings)


# ---- questions


async def semantic_symbol(ls: Session, params: object) -> SemanticSymbolResult:
    """Find code by meaning; rows found by words are sent ahead to a client that wants them."""
    asked = protocol.read_semantic_symbol(params)
    with ls.reporting(asked.work_done_token, "Searching"):
        if asked.partial_result_token is not None:
            ls.send_partial(asked.partial_result_token, (await ls.answers.search_words(asked))["symbols"])
        return await ls.answers.search(asked)


async def similar_symbol(ls: Session, params: object) -> SemanticSymbolResult:
    """Find code like a selection."""
    asked = protocol.read_similar_symbol(params)
    with ls.reporting(asked.work_done_token, "Searching"):
        return await ls.answers.similar(asked)


async def semantic_index(ls: Session, params: object) -> SemanticIndexResult:
    """Say what is indexed."""
    return ls.folders.status()


async def workspace_symbol(ls: Session, params: types.WorkspaceSymbolParams) -> list[WorkspaceSymbol]:
    """Find symbols the standard way."""
    workspace = ls.client_capabilities.workspace
    kinds = workspace.symbol.symbol_kind if workspace and workspace.symbol else None
    known = frozenset(map(int, kinds.value_set)) if kinds and kinds.value_set else KINDS_OF_LSP_1
    return await ls.answers.symbols(protocol.read_query(params.query), known)


async def code_action(ls: Session, params: types.CodeActionParams) -> list[dict[str, Any]]:
    """Offer "Find similar code", but not to light a bulb at every place."""
    only = params.context.only
    wanted = only is None or any(_is_kind(protocol.CODE_ACTION_KIND, str(getattr(o, "value", o))) for o in only)
    automatic = params.context.trigger_kind == types.CodeActionTriggerKind.Automatic
    if not wanted or automatic or ls.folders.owner(params.text_document.uri) is None:
        return []
    start, end = params.range.start, params.range.end
    place: Location = {
        "uri": params.text_document.uri,
        "range": {
            "start": {"line": start.line, "character": start.character},
            "end": {"line": end.line, "character": end.character},
        },
    }
    command = {"title": SIMILAR_TITLE, "command": protocol.SIMILAR, "arguments": [place, {"show": True}]}
    document = ls.client_capabilities.text_document
    if not (document and document.code_action and document.code_action.code_action_literal_support):
        return [command]
    return [{"title": SIMILAR_TITLE, "kind": protocol.CODE_ACTION_KIND, "command": command}]


# ---- commands


async def find(ls: Session, *arguments: object) -> SemanticSymbolResult:
    """[query, filters?]: find code by meaning."""
    return await ls.answers.search(protocol.read_find(arguments))


async def find_and_show(ls: Session, *arguments: object) -> Location | None:
    """[query, filters?]: open the best hit; its place is the result."""
    return await _show_best(ls, await find(ls, *arguments))


async def similar(ls: Session, *arguments: object) -> SemanticSymbolResult:
    """[location, filters?]: find code like what stands there; with `show` in the filters, open the best hit."""
    asked, show = protocol.read_similar(arguments)
    result = await ls.answers.similar(asked)
    if show:
        await _show_best(ls, result)
    return result


def for_folders(act: Callable[[Folder], None]) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return the command [folder?] that does something with a folder, or with all."""

    async def command(ls: Session, *arguments: object) -> None:
        for folder in _folders(ls, arguments):
            act(folder)

    return command


async def status(ls: Session, *arguments: object) -> SemanticIndexResult:
    """[]: say what is indexed."""
    return ls.folders.status()


async def explain(ls: Session, *arguments: object) -> dict[str, float | str]:
    """[query, location]: say why a row stands where it stands."""
    query = protocol.read_query(protocol.argument(arguments, 0, "query"))
    location = protocol.read_location(protocol.argument(arguments, 1, "location"), "location")
    with _trouble_as_answer():
        return await ls.answers.explain(query, location)


async def why(ls: Session, *arguments: object) -> str:
    """[uri]: say whether a file is indexed, or which rule leaves it out."""
    uri = protocol.read_uri(protocol.argument(arguments, 0, "uri"), "uri")
    with _trouble_as_answer():
        return await ls.answers.why(uri)


async def doctor(ls: Session, *arguments: object) -> str:
    """[folder?]: look at everything; what to do about what is wrong, as Markdown."""
    roots = [Path(folder.path) for folder in _folders(ls, arguments)]
    with _trouble_as_answer():
        return await consult(roots, ls.folders.settings.options())


async def models(ls: Session, *arguments: object) -> ModelAdvice:
    """[]: say which model suits this machine, and why."""
    with _trouble_as_answer():
        return await ls.fetching.advise(ls.folders.settings.cache_dir)


async def pull_model(ls: Session, *arguments: object) -> str:
    """[id]: fetch and install a model."""
    name = protocol.read_model(arguments)
    with _trouble_as_answer():
        return await ls.fetching.pull(name, ls.folders.settings.cache_dir)


HANDLERS: dict[str, Callable[..., Any]] = {
    types.INITIALIZE: initialize,
    types.INITIALIZED: initialized,
    types.SHUTDOWN: shutdown,
    types.SET_TRACE: set_trace,
    types.WINDOW_WORK_DONE_PROGRESS_CANCEL: cancel_progress,
    types.TEXT_DOCUMENT_DID_OPEN: did_open,
    types.TEXT_DOCUMENT_DID_CHANGE: did_change,
    types.TEXT_DOCUMENT_DID_CLOSE: did_close,
    types.TEXT_DOCUMENT_DID_SAVE: did_save,
    types.NOTEBOOK_DOCUMENT_DID_OPEN: did_open_notebook,
    types.NOTEBOOK_DOCUMENT_DID_CHANGE: did_change_notebook,
    types.NOTEBOOK_DOCUMENT_DID_CLOSE: did_close_notebook,
    types.NOTEBOOK_DOCUMENT_DID_SAVE: did_save_notebook,
    types.WORKSPACE_DID_CHANGE_WATCHED_FILES: did_change_files,
    types.WORKSPACE_DID_CREATE_FILES: did_create_files,
    types.WORKSPACE_DID_DELETE_FILES: did_delete_files,
    types.WORKSPACE_DID_RENAME_FILES: did_rename_files,
    types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: did_change_folders,
    types.WORKSPACE_DID_CHANGE_CONFIGURATION: did_change_configuration,
    protocol.SEMANTIC_SYMBOL: semantic_symbol,
    protocol.SIMILAR_SYMBOL: similar_symbol,
    protocol.SEMANTIC_INDEX: semantic_index,
    types.WORKSPACE_SYMBOL: workspace_symbol,
    types.TEXT_DOCUMENT_CODE_ACTION: code_action,
}
OPTIONS: dict[str, object] = {
    types.WORKSPACE_SYMBOL: types.WorkspaceSymbolOptions(work_done_progress=True),
    types.TEXT_DOCUMENT_CODE_ACTION: types.CodeActionOptions(code_action_kinds=[protocol.CODE_ACTION_KIND]),
    types.TEXT_DOCUMENT_DID_SAVE: types.SaveOptions(include_text=False),
    types.WORKSPACE_DID_CREATE_FILES: _ALL_FILES,
    types.WORKSPACE_DID_DELETE_FILES: _ALL_FILES,
    types.WORKSPACE_DID_RENAME_FILES: _ALL_FILES,
}
COMMANDS: dict[str, Callable[..., Any]] = {
    protocol.FIND: find,
    protocol.FIND_AND_SHOW: find_and_show,
    protocol.SIMILAR: similar,
    protocol.REINDEX: for_folders(Folder.reindex),
    protocol.CANCEL: for_folders(Folder.cancel),
    protocol.PAUSE: for_folders(Folder.pause),
    protocol.RESUME: for_folders(Folder.resume),
    protocol.STATUS: status,
    protocol.EXPLAIN: explain,
    protocol.WHY: why,
    protocol.DOCTOR: doctor,
    protocol.MODELS: models,
    protocol.PULL_MODEL: pull_model,
}


def _edited(ls: Session, uri: str) -> None:
    ls.folders.edited(uri, ls.documents.get(uri))


async def _show_best(ls: Session, result: SemanticSymbolResult) -> Location | None:
    best = next(iter(result["symbols"]), None)
    if best is None:
        return None
    await ls.show(best["location"], best["selectionRange"])
    return best["location"]


def _folders(ls: Session, arguments: tuple[object, ...]) -> tuple[Folder, ...]:
    """Return the folder that a command names, or all."""
    if not arguments or arguments[0] is None:
        return ls.folders.folders
    folders = ls.folders.named((protocol.read_uri(arguments[0], "folder"),))
    if not folders:
        raise protocol.invalid("folder", "is not open")
    return folders


def _is_kind(kind: str, wanted: str) -> bool:
    """Return whether a code action's kind is `wanted` or one of its subkinds."""
    return not wanted or kind == wanted or kind.startswith(f"{wanted}.")


@contextmanager
def _trouble_as_answer() -> Iterator[None]:
    try:
        yield
    except EngineError as error:
        raise JsonRpcException(str(error), REQUEST_FAILED) from None


# ---- starting


def make_session(options: Options) -> Session:
    """Make the server of one client; to be called on a running event loop."""
    session = Session(options)
    for method, handler in HANDLERS.items():
        session.feature(method, OPTIONS.get(method))(handler)
    for command, handler in COMMANDS.items():
        session.command(command)(handler)
    return session


def serve_stdio(options: Options) -> None:
    """Serve the client at the other end of stdin and stdout.

    Ends by SystemExit: 0 after a proper shutdown, 1 when the client just left.
    """
    output = claim_stdout()

    async def run() -> int:
        loop, conversation = asyncio.get_running_loop(), asyncio.current_task()
        assert conversation is not None
        writer = ThreadedWriter(output, partial(loop.call_soon_threadsafe, conversation.cancel))
        return await make_session(options).converse(read_stream(sys.stdin.buffer), writer)

    _run(run, options)


def serve_tcp(host: str, port: int, options: Options) -> None:
    """Serve the first client that connects. Ends by SystemExit, as `serve_stdio`."""

    async def run() -> int:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        connections: list[asyncio.Task[int]] = []

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if connections:
                writer.close()  # one server, one client
                return
            connections.append(asyncio.create_task(make_session(options).converse(reader, writer)))
            done.set_result(await connections[0])

        async with await asyncio.start_server(connected, host, port, limit=MAX_HEADER) as server:
            address = server.sockets[0].getsockname()
            _log.info("listening on %s:%d", address[0], address[1])
            return await done

    _run(run, options)


def _run(conversation: Callable[[], Coroutine[Any, Any, int]], options: Options) -> NoReturn:
    """Run a conversation and keep a log of it."""
    log_to_stderr(logging.INFO)
    log_to_file(options.cache_dir, "server")
    set_level("off")
    _log.info("meaning-ls %s, Python %s, %s", __version__, platform.python_version(), platform.platform())
    with suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(conversation()))
    sys.exit(130)  # as shells say for Ctrl-C
