"""Clients as they announce themselves: pytest-lsp warns of whatever one of them would not understand."""

import sys

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

pytestmark = pytest.mark.timeout(180)


@pytest_lsp.fixture(
    params=["visual_studio_code", "neovim@v0.11.0", "neovim@v0.10.0", "neovim@v0.6.1", "emacs"],
    config=ClientServerConfig(server_command=[sys.executable, "-m", "lsp_server"]),
)
async def known(request, lsp_client: LanguageClient, project, tmp_path):
    @lsp_client.feature("client/registerCapability")
    def register(params):
        return None

    @lsp_client.feature("semanticIndex/status")
    def status(params):
        return None

    await lsp_client.initialize_session(
        types.InitializeParams(
            capabilities=client_capabilities(request.param),
            workspace_folders=[types.WorkspaceFolder(project.as_uri(), "shop")],
            initialization_options={"cacheDir": str(tmp_path / "cache")},
        )
    )
    while (await lsp_client.wait_for_notification("semanticIndex/status")).folders[0].state != "ready":
        pass
    yield lsp_client
    await lsp_client.shutdown_session()


async def test_a_known_client_is_served(known, project):
    found = await known.workspace_symbol_async(types.WorkspaceSymbolParams(query="deliver a message"))
    assert "send_mail" in [symbol.name for symbol in found]
    assert all(symbol.location.range.end > symbol.location.range.start for symbol in found)
    result = await known.protocol.send_request_async("workspace/semanticSymbol", {"query": "load configuration"})
    symbols = result["symbols"] if isinstance(result, dict) else result.symbols
    assert symbols
    document = types.TextDocumentIdentifier((project / "src/mail.py").as_uri())
    actions = await known.text_document_code_action_async(
        types.CodeActionParams(
            document, types.Range(types.Position(0, 0), types.Position(0, 0)), types.CodeActionContext(diagnostics=[])
        )
    )
    assert [action.title for action in actions] == ["Find similar code"]
    shown = await known.workspace_execute_command_async(
        types.ExecuteCommandParams("meaning-ls.findAndShow", ["load configuration"])
    )
    assert (shown["uri"] if isinstance(shown, dict) else shown.uri).endswith("settings.py")
    assert known.messages == []
