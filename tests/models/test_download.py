"""Download: real files from a hub on the loopback interface that is slow, broken, wrong or not there at all."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server.engine.encoder import bundled_model
from lsp_server.models import download
from lsp_server.models.catalogue import Model, load_catalogue
from lsp_server.models.download import Progress, digests, fetch
from lsp_server.models.hub import DownloadError, look_up
from tests.models.hub_server import COMMIT, Fault, Hub

posix = pytest.mark.skipif(os.name == "nt", reason="modes of files and killing a process are POSIX")
CHECKOUT = Path(__file__).parents[2]
ID = "granite-small-en-r2"
GRAPH, DATA, TOKENIZER = "onnx/model_quantized.onnx", "onnx/model_quantized.onnx_data", "tokenizer.json"


@pytest.fixture(scope="session")
def files():
    """A part of the bundled graph, its tokenizer, and what would be weights in a file of their own."""
    folder = bundled_model()
    return {
        "README.md": b"# a model\n",
        GRAPH: (folder / "model.onnx").read_bytes()[:5_000_000],
        DATA: hashlib.shake_256(b"weights").digest(300_001),
        TOKENIZER: (folder / "tokenizer.json").read_bytes(),
    }


@pytest.fixture
def entry():
    found = load_catalogue().find(ID)
    assert isinstance(found, Model)
    return found


@pytest.fixture
def hub(files, entry, monkeypatch):
    with Hub() as hub:
        hub.repos[entry.repo] = dict(files)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setattr(download, "WAITS", (0.01, 0.01, 0.01, 0.01))
        yield hub


def drain(entry, folder):
    """Fetch to the end; returns all that was told meanwhile."""
    return list(fetch(look_up(entry, entry.get("q8")), folder))


def assert_whole(folder, files):
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "model.onnx": files[GRAPH],
        "model_quantized.onnx_data": files[DATA],
        "tokenizer.json": files[TOKENIZER],
    }


# ---- all is well


def test_listing(hub, entry, files):
    listing = look_up(entry, entry.get("q8"))
    assert (listing.repo, listing.commit) == (entry.repo, COMMIT)
    assert [file.name for file in listing.files] == ["model.onnx", "model_quantized.onnx_data", "tokenizer.json"]
    assert listing.size == sum(len(files[path]) for path in (GRAPH, DATA, TOKENIZER))


def test_files_arrive_whole(hub, entry, files, tmp_path):
    told = drain(entry, tmp_path / "new")
    assert_whole(tmp_path / "new", files)
    assert told[0] == Progress(0, told[-1].total)
    assert told[-1].done == told[-1].total
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert len(told) > 20
    listing = look_up(entry, entry.get("q8"))
    assert digests(listing, tmp_path / "new")["model.onnx"] == hashlib.sha256(files[GRAPH]).hexdigest()


def test_only_what_is_needed_is_asked_for(hub, entry, tmp_path):
    """One listing, one request a file; nothing that counts, recognises or recommends."""
    drain(entry, tmp_path)
    asked = [(host, path) for host, path, _ in hub.requests]
    resolved = [f"/{entry.repo}/resolve/{COMMIT}/{path}" for path in (GRAPH, DATA, TOKENIZER)]
    assert [path for host, path in asked if host == "hub"] == [f"/api/models/{entry.repo}", *resolved]
    assert len(asked) == 7


def test_what_is_there_is_not_fetched_again(hub, entry, files, tmp_path):
    drain(entry, tmp_path)
    hub.requests.clear()
    drain(entry, tmp_path)
    assert_whole(tmp_path, files)
    assert [path for host, path, _ in hub.requests if host == "storage"] == []


def test_damage_to_what_is_there_is_noticed(hub, entry, files, tmp_path):
    drain(entry, tmp_path)
    data = bytearray(files[GRAPH])
    data[-1] ^= 1
    (tmp_path / "model.onnx").write_bytes(data)
    drain(entry, tmp_path)
    assert_whole(tmp_path, files)


def test_several_files_of_data(hub, entry, files, tmp_path):
    """A catalogue may say "all that begin so"."""
    hub.repos[entry.repo][DATA + "_1"] = b"more weights"
    variant = entry.get("q8")
    variant = replace(variant, files=(variant.files[0], replace(variant.files[1], path=DATA + "*")))
    list(fetch(look_up(entry, variant), tmp_path))
    assert (tmp_path / "model_quantized.onnx_data_1").read_bytes() == b"more weights"


# ---- broken connections


def test_a_connection_that_ends_early_is_taken_up_where_it_ended(hub, entry, files, tmp_path):
    hub.faults[GRAPH].extend([Fault(cut=2_000_000), Fault(cut=0), Fault(cut=1_000_000)])
    told = drain(entry, tmp_path)
    assert_whole(tmp_path, files)
    starts = [headers.get("range", "bytes=0-") for headers in hub.asked(GRAPH)]
    assert starts == ["bytes=0-", "bytes=2000000-", "bytes=2000000-", "bytes=3000000-"]
    assert any(each.note for each in told)


def test_a_hub_that_ignores_where_to_go_on(hub, entry, files, tmp_path):
    hub.faults[GRAPH].extend([Fault(cut=2_000_000), Fault(ignores_range=True)])
    drain(entry, tmp_path)
    assert_whole(tmp_path, files)


def test_a_hub_that_never_gets_anywhere(hub, entry, files, tmp_path):
    hub.faults[GRAPH].append(Fault(cut=2_000_000))
    hub.faults[GRAPH].extend([Fault(cut=0)] * download.TRIES)
    with pytest.raises(DownloadError, match=r"5 times.*what is there stays.*models pull granite-small-en-r2"):
        drain(entry, tmp_path)
    assert not (tmp_path / "model.onnx").exists()
    hub.faults[GRAPH].clear()
    drain(entry, tmp_path)
    assert hub.asked(GRAPH)[-1]["range"] == "bytes=2000000-"
    assert_whole(tmp_path, files)


def test_a_hub_that_begins_anew_and_breaks_each_time(hub, entry, tmp_path):
    """What comes once more is no step forward, or this would never end."""
    hub.faults[GRAPH].append(Fault(cut=2_000_000))
    hub.faults[GRAPH].extend([Fault(cut=2_000_000, ignores_range=True)] * 50)
    with pytest.raises(DownloadError, match=r"received 2000000 bytes, expected 5000000.*, 5 times"):
        drain(entry, tmp_path)
    assert len(hub.asked(GRAPH)) <= 1 + download.TRIES


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_trouble_that_passes(hub, entry, files, tmp_path, status):
    hub.faults[""].append(Fault(status))
    with pytest.raises(DownloadError, match=f"answers {status}"):  # nothing has begun: the user may as well try again
        look_up(entry, entry.get("q8"))
    hub.faults[GRAPH].extend([Fault(status)] * 3)
    drain(entry, tmp_path)
    assert_whole(tmp_path, files)


def test_a_hub_that_asks_to_wait_is_waited_for(hub, entry, tmp_path):
    hub.faults[GRAPH].append(Fault(429, {"Retry-After": "1"}))
    started = time.monotonic()
    told = drain(entry, tmp_path)
    assert time.monotonic() - started >= 1
    assert "429" in next(each.note for each in told if each.note)


def test_a_hub_that_asks_to_wait_too_long(hub, entry, tmp_path):
    hub.faults[GRAPH].append(Fault(429, {"Retry-After": "3600"}))
    with pytest.raises(DownloadError, match=r"wait 3,600 seconds"):
        drain(entry, tmp_path)


def test_a_connection_that_goes_silent(hub, entry, files, tmp_path, monkeypatch):
    monkeypatch.setattr("lsp_server.models.hub.TIMEOUT", 0.3)
    hub.faults[GRAPH].append(Fault(slow=1.5, cut=100_000))
    drain(entry, tmp_path)
    assert_whole(tmp_path, files)


def test_nobody_there(entry, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody listens
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9 cannot be asked .* HTTPS_PROXY"):
        look_up(entry, entry.get("q8"))


@pytest.mark.parametrize("page", [b"<html>Welcome to our hotel</html>", b"[1, 2]", b"{}", b"null", b""])
def test_a_page_to_log_in_instead_of_a_hub(hub, entry, tmp_path, page):
    hub.pages[""] = page
    with pytest.raises(
        DownloadError, match=r"What answers at http://127.* is no hub of models .* in a browser"
    ) as caught:
        drain(entry, tmp_path / "new")
    assert "\n" not in str(caught.value) and not (tmp_path / "new").exists()


def test_a_page_to_log_in_instead_of_a_file(hub, entry, files, tmp_path):
    """In the middle: what has arrived is not given up for it."""
    hub.faults[GRAPH].append(Fault(cut=2_000_000))
    fetching = fetch(look_up(entry, entry.get("q8")), tmp_path)
    while next(fetching).done < 2_000_000:
        pass
    hub.pages[GRAPH] = b"<html>Your time is up</html>"
    with pytest.raises(DownloadError, match=r"what came instead of 5,000,000 bytes has 28, 5 times"):
        list(fetching)
    hub.pages.clear()
    drain(entry, tmp_path)
    assert hub.asked(GRAPH)[-1]["range"] == "bytes=2000000-"
    assert_whole(tmp_path, files)


# ---- wrong files


def test_a_file_with_a_wrong_bit_is_never_used(hub, entry, tmp_path):
    hub.faults[DATA].append(Fault(flip=True))
    with pytest.raises(DownloadError, match="SHA-256 differs"):
        drain(entry, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx"}


def test_a_small_file_with_a_wrong_bit(hub, entry, tmp_path):
    """Of files that are not kept with Git LFS, the hub says git's digest."""
    hub.faults[TOKENIZER].append(Fault(flip=True))
    with pytest.raises(DownloadError, match="git's digest differs"):
        drain(entry, tmp_path)
    assert not (tmp_path / "tokenizer.json").exists()


@pytest.mark.parametrize("size", [1000, 40_000_000])
def test_a_file_of_another_size_than_listed(hub, entry, tmp_path, size):
    hub.sizes[GRAPH] = size
    with pytest.raises(DownloadError):
        drain(entry, tmp_path)
    assert not (tmp_path / "model.onnx").exists()


def test_a_file_that_the_catalogue_knows_otherwise(hub, entry):
    variant = entry.get("q8")
    variant = replace(variant, files=(replace(variant.files[0], sha256="0" * 64), *variant.files[1:]))
    with pytest.raises(DownloadError, match=r"SHA-256 differs.*Nothing is downloaded"):
        look_up(entry, variant)


def test_a_file_that_changed_between_two_runs_is_begun_anew(hub, entry, files, tmp_path):
    hub.faults[GRAPH].append(Fault(cut=2_000_000))
    hub.faults[GRAPH].extend([Fault(cut=0)] * download.TRIES)
    with pytest.raises(DownloadError):
        drain(entry, tmp_path)
    hub.faults[GRAPH].clear()
    hub.repos[entry.repo][GRAPH] = changed = files[GRAPH][::-1]
    drain(entry, tmp_path)
    assert "range" not in hub.asked(GRAPH)[-1]
    assert (tmp_path / "model.onnx").read_bytes() == changed
    assert not list(tmp_path.glob("*.part"))


# ---- not there, not allowed


def test_no_such_file(hub, entry):
    del hub.repos[entry.repo][DATA]
    with pytest.raises(DownloadError, match=r"holds no onnx/model_quantized.onnx_data .* Update meaning-ls"):
        look_up(entry, entry.get("q8"))


def test_a_file_that_is_gone_after_the_listing(hub, entry, tmp_path):
    listing = look_up(entry, entry.get("q8"))
    del hub.repos[entry.repo][DATA]
    with pytest.raises(DownloadError, match=r"has no file onnx/model_quantized\.onnx_data any more"):
        list(fetch(listing, tmp_path))


def test_no_such_repository(hub, entry):
    hub.repos.clear()
    with pytest.raises(DownloadError, match=r"shows no .*HF_TOKEN"):
        look_up(entry, entry.get("q8"))


def test_no_such_revision(hub, entry):
    with pytest.raises(DownloadError, match="no such revision"):
        look_up(replace(entry, revision="abandoned"), entry.get("q8"))


def test_terms_that_nobody_accepted(hub, entry, tmp_path, monkeypatch):
    hub.gated.add(entry.repo)
    for token in ("", "hf_wrong"):
        monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(DownloadError, match=r"accepted its terms.*settings/tokens.*HF_TOKEN"):
            drain(entry, tmp_path)


def test_a_token_opens_and_goes_nowhere_else(hub, entry, files, tmp_path, monkeypatch):
    hub.gated.add(entry.repo)
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    drain(entry, tmp_path)
    assert_whole(tmp_path, files)
    carried = {host for host, _, headers in hub.requests if "hf_right" in headers.get("authorization", "")}
    assert carried == {"hub"}


# ---- disks


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(hub, entry, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage._replace(free=205_000_000))
    with pytest.raises(DownloadError, match=r"needs 6 MB more in .*205 MB are free"):
        drain(entry, tmp_path)
    assert hub.asked(GRAPH) == []


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0 and not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_disk_that_fills_up_meanwhile(hub, entry, tmp_path):
    """/dev/full says of every write that there is no space left."""
    listing = look_up(entry, entry.get("q8"))
    (tmp_path / listing.files[0].part).symlink_to("/dev/full")
    with pytest.raises(DownloadError, match=r"cannot be written \(No space left on device\)"):
        list(fetch(listing, tmp_path))


def test_a_folder_that_cannot_be_made(hub, entry, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match=r"cannot be written .*--cache-dir"):
        drain(entry, tmp_path / "file" / "inside")


# ---- stopped


def test_cancelled(hub, entry, files, tmp_path):
    hub.faults[GRAPH].append(Fault(slow=0.005))
    fetching = fetch(look_up(entry, entry.get("q8")), tmp_path)
    while next(fetching).done < 2_000_000:
        pass
    fetching.close()
    part = next(tmp_path.glob("*.part"))
    assert 2_000_000 <= part.stat().st_size < len(files[GRAPH])
    assert not (tmp_path / "model.onnx").exists()
    drain(entry, tmp_path)
    assert_whole(tmp_path, files)


FETCH = """
import sys
from pathlib import Path
from lsp_server.models.catalogue import load_catalogue
from lsp_server.models.download import fetch
from lsp_server.models.hub import look_up
entry = load_catalogue().find(sys.argv[1])
for progress in fetch(look_up(entry, entry.get("q8")), Path(sys.argv[2])):
    print(progress.done, flush=True)
"""


def start(hub, folder, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, ID, str(folder)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "HF_ENDPOINT": hub.url, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@posix
def test_killed_and_taken_up(hub, entry, files, tmp_path):
    hub.faults[GRAPH].append(Fault(slow=0.01))
    process = start(hub, tmp_path)
    while int(process.stdout.readline()) < 3_000_000:
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "model.onnx").exists()
    size = next(tmp_path.glob("*.part")).stat().st_size
    assert size >= 2_000_000
    drain(entry, tmp_path)
    assert hub.asked(GRAPH)[-1]["range"] == f"bytes={size}-"
    assert_whole(tmp_path, files)


def test_offline(hub, entry, tmp_path):
    """huggingface_hub reads this when it is imported."""
    process = start(hub, tmp_path, HF_HUB_OFFLINE="1")
    _, err = process.communicate(timeout=60)
    assert "HF_HUB_OFFLINE is set, so nothing is downloaded" in err
    assert hub.requests == []


def test_through_a_proxy(hub, entry, files, tmp_path):
    """The hub's name exists nowhere but behind the proxy, which is asked for the whole address."""
    proxy = {"HTTP_PROXY": hub.url, "HF_ENDPOINT": "http://hub.example", "NO_PROXY": "127.0.0.1"}
    process = start(hub, tmp_path, **proxy)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert_whole(tmp_path, files)
    assert {headers["host"] for host, _, headers in hub.requests if host == "hub"} == {"hub.example"}
