"""The exporter's command where the extra `export` is not installed, and what it costs those who do not use it."""

import socket
import subprocess
import sys

import pytest
from hub_server import Hub

from lsp_server.models.hub import DownloadError, whole_repository


def run(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)


def test_without_the_extra_the_command_says_how_to_get_it() -> None:
    code = "import sys; sys.modules['torch'] = None; from lsp_server.__main__ import main; sys.exit(main())"
    done = run(code, "models", "export", "any")
    assert done.returncode == 2 and 'pip install "meaning-ls[export]"' in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_exporter_is_loaded_by_its_command_alone() -> None:
    libraries = ("torch", "onnx", "transformers")
    code = f"import sys, lsp_server.__main__, lsp_server.models.commands; print(set({libraries}) & set(sys.modules))"
    assert run(code).stdout.strip() == "set()"


def test_a_name_that_is_no_model_id() -> None:
    code = "import sys; from lsp_server.__main__ import main; sys.exit(main())"
    done = run(code, "models", "export", "any", "--id", "Not An Id")
    assert done.returncode == 2 and "must be made of a-z, 0-9" in done.stderr


@pytest.mark.parametrize(
    ("name", "expected"),
    [("owner/model", "does not answer"), ("a b c/d/e", "neither a folder nor the name of a repository")],
)
def test_a_hub_that_is_not_there_and_a_name_that_cannot_be(
    name: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:  # bound, and not listening
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(DownloadError) as caught:
            whole_repository(name, "", ())
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_a_repository_that_the_hub_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    with Hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(DownloadError, match="shows no owner/none"):
            whole_repository("owner/none", "", ())
