"""Devices: sessions on what there is, on what only claims to be there, and on what goes away in the middle."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from lsp_server.engine import agreement, devices
from lsp_server.engine.agreement import TEXTS, compare, open_encoder
from lsp_server.engine.card import ModelError
from lsp_server.engine.devices import (
    DEVICES,
    TINY_GRAPH,
    DeviceError,
    Session,
    get_device,
    how_to_get,
    installed_bases,
    offered,
    open_raw,
    openable,
)
from lsp_server.engine.encoder import OnnxEncoder, bundled_model
from lsp_server.engine.remembered import Remembered

GRAPH = bundled_model() / "model.onnx"
FEEDS = {"input_ids": np.array([[101, 2000, 102]]), "attention_mask": np.ones((1, 3), np.int64)}
CUDA = "CUDAExecutionProvider"


@pytest.fixture
def memory(tmp_path):
    return Remembered(tmp_path / "measured.json")


class Lost:
    """A session whose device goes away after so many runs; what ONNX Runtime gives, seen from outside."""

    def __init__(self, session, runs, wrong):
        self._session, self.left, self._wrong = session, runs, wrong

    def __getattr__(self, name):
        return getattr(self._session, name)

    def run(self, outputs, feeds):
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("CUDA error 999: the device went away")
        found = self._session.run(outputs, feeds)
        # Noise that leaves a cosine of about .95, as too few bits do; turned round, nothing is left.
        noise = {"": 0, "noisy": 0.0165, "turned": 0}[self._wrong]
        found = [array + noise * np.random.default_rng(array.size).standard_normal(array.shape) for array in found]
        return [array[..., ::-1] for array in found] if self._wrong == "turned" else found


@pytest.fixture
def cuda(monkeypatch):
    """ONNX Runtime offers CUDA and opens it: in truth on the CPU, lost after `cuda["runs"]` runs."""
    state = {"runs": 10**9, "wrong": "", "opened": []}
    real = devices.open_raw

    def open_there(graph, device, threads):
        state["opened"].append(device.id)
        session = real(graph, get_device("cpu"), threads)
        return session if device.id == "cpu" else Lost(session, state["runs"], state["wrong"])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])
    monkeypatch.setattr(devices, "open_raw", open_there)
    monkeypatch.setattr(agreement, "try_apart", lambda device: None)  # another process would see what is really there
    return state


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A plugin is installed that does `broken("...")` when it is loaded, in any process; gives how often it was."""
    site, loaded = tmp_path / "site", tmp_path / "loaded"
    about = site / "onnxruntime_ep_webgpu-0.4.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-ep-webgpu\nVersion: 0.4.0\n")
    monkeypatch.syspath_prepend(site)
    devices._start_apart.cache_clear()

    def make(does):
        note = f"open({str(loaded)!r}, 'a').write('x')"
        (site / "onnxruntime_ep_webgpu.py").write_text(
            f"import os, sys, time\n\n\ndef get_library_path():\n    {note}\n    {does}\n"
        )
        return lambda: len(loaded.read_text()) if loaded.exists() else 0

    yield make
    devices._start_apart.cache_clear()


# ---- opening


def test_the_tiny_graph_calculates():
    session = open_raw(TINY_GRAPH, get_device("cpu"), 1)
    assert session.run(None, {"x": np.array([[1, -3]], np.float32)})[0].tolist() == [[0.0, 0.0]]
    assert session.run(None, {"x": np.array([[1, 1]], np.float32)})[0].tolist() == [[4.0, 6.0]]


def test_the_processor_can_always_be_opened():
    assert openable()[-1] == "cpu"
    assert set(openable()) <= {device.id for device in offered()}
    assert "onnxruntime" in next(iter(installed_bases()))


def test_a_provider_that_is_listed_and_not_there(monkeypatch):
    """What ONNX Runtime lists is what it was built with. This is the real runtime, which opens the CPU instead."""
    listed = [CUDA, *onnxruntime.get_available_providers()]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    assert [device.id for device in offered()][:1] == ["cuda"]
    assert openable() == ("cpu",)
    with pytest.raises(DeviceError, match=r"device cuda .*NVIDIA card.*pip uninstall.*'onnxruntime-gpu\[cuda,cudnn\]'"):
        open_raw(GRAPH, get_device("cuda"), 1)


@pytest.mark.parametrize("name", ["webgpu", "openvino", "rtx"])
def test_a_plugin_that_is_not_installed(name):
    device = get_device(name)
    if devices.importlib.util.find_spec(device.plugin):
        pytest.skip(f"{device.package} is installed")
    with pytest.raises(DeviceError, match=rf"device {name} is not installed.*pip install 'meaning-ls\[{name}\]'"):
        Session(GRAPH, name)


def test_a_name_that_nobody_knows():
    with pytest.raises(DeviceError, match=r"no device 'cudda'; known are auto, cuda"):
        get_device("cudda")


def test_how_to_get_what_replaces_the_runtime():
    """pip cannot exchange one package for another by itself: both would lie over each other."""
    assert how_to_get(get_device("cuda")).startswith("pip uninstall -y onnxruntime")
    assert how_to_get(get_device("webgpu")) == "pip install 'meaning-ls[webgpu]'"


def test_extras_are_those_of_the_plugins():
    """Plugins stand beside the runtime and beside each other; a package that replaces it must not be an extra."""
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    for device in DEVICES:
        assert (device.id in extras) == bool(device.plugin)
        if device.plugin:
            assert any(line.startswith(device.package) for line in extras[device.id])
    named = {line.split(">")[0].split("[")[0] for lines in extras.values() for line in lines}
    assert not named & (set(devices.BASES) - {"onnxruntime"})


def test_a_broken_graph_is_no_trouble_of_the_device(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelError, match="not a graph that ONNX Runtime loads") as caught:
        Session(tmp_path / "model.onnx")
    assert not isinstance(caught.value, DeviceError)


# ---- drivers that are broken


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("os.abort()", r"webgpu ends the program that starts it \(code .*\)\. It needs any graphics processor"),
        ("os._exit(0)", r"ends the program that starts it \(code 0\)"),
        ("sys.exit('no Vulkan')", "ends the program that starts it"),
        ("time.sleep(600)", "does not start within 5 seconds"),
        ("return '/nowhere/libwebgpu.so'", "does not start|nowhere"),
    ],
)
def test_a_provider_that_crashes_on_load_ends_nothing(broken, memory, monkeypatch, caplog, does, said):
    monkeypatch.setattr(devices, "START_SECONDS", 5.0)
    loaded = broken(does)
    assert [device.id for device in offered()] == ["webgpu", "cpu"]
    assert openable() == ("cpu",) == openable()
    assert loaded() == 1  # tried once
    assert open_encoder(bundled_model(), "webgpu", memory).device == "cpu"
    assert re.search(said, caplog.text) and "The CPU is used" in caplog.text


def test_a_provider_that_crashed_is_not_tried_by_the_next_process(broken, memory, caplog):
    loaded = broken("os.abort()")
    for _ in range(3):
        assert open_encoder(bundled_model(), "webgpu", memory).device == "cpu"
        devices._start_apart.cache_clear()
    assert loaded() == 1 and "ended the program when it was tried" in caplog.text
    memory.forget()  # as `models choose` does
    assert open_encoder(bundled_model(), "webgpu", memory).device == "cpu"
    assert loaded() == 2


@pytest.mark.parametrize("words", [("models",), ("models", "choose", "--explain"), ("doctor",), ("index",)])
def test_commands_survive_a_provider_that_crashes(broken, tmp_path, words):
    broken("os.abort()")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "a.py").write_text("def drop(path):\n    path.unlink()\n")
    path = os.pathsep.join([str(tmp_path / "site"), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-m", "lsp_server", *words, "--cache-dir", str(tmp_path / "cache")],
        cwd=tmp_path / "project",
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr and done.stdout
    if words[0] in ("models", "doctor") and len(words) == 1:
        assert "onnxruntime-ep-webgpu is installed and" in done.stdout


# ---- loss


def test_a_device_that_is_lost_costs_no_text(cuda):
    cuda["runs"] = 3
    session = Session(GRAPH, "cuda")
    first = [session.run(["sentence_embedding"], FEEDS)[0] for _ in range(6)]
    assert session.device.id == "cpu"
    assert cuda["opened"] == ["cuda", "cpu"]
    assert all((each == first[0]).all() for each in first)


def test_many_threads_notice_the_loss_and_one_deals_with_it(cuda):
    cuda["runs"] = 5
    session = Session(GRAPH, "cuda")
    found = []

    def work():
        found.extend(session.run(["sentence_embedding"], FEEDS)[0] for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert cuda["opened"] == ["cuda", "cpu"]


def test_what_the_processor_refuses_is_the_callers_mistake(cuda):
    with pytest.raises(Exception, match="input_ids"):
        Session(GRAPH, "cpu").run(["sentence_embedding"], {})


def test_an_index_goes_on_when_its_device_is_lost(cuda, tmp_path, monkeypatch, caplog):
    from lsp_server.engine.index import Index, Options
    from lsp_server.engine.query import Query

    monkeypatch.setattr(agreement, "WORTH", 0.0)
    cuda["runs"] = 20
    (tmp_path / "project").mkdir()
    for number in range(12):
        text = (
            f"def read_{number}(path):\n    return open(path).read()\n\n\ndef drop_{number}(path):\n    path.unlink()\n"
        )
        (tmp_path / "project" / f"part{number}.py").write_text(text)
    index = Index(tmp_path / "project", Options(cache_dir=str(tmp_path / "cache"), threads=2))
    try:
        list(index.refresh())
        status = index.status()
        assert status.embedded == status.symbols >= 24
        assert "is lost" in caplog.text
        assert any(hit.name.startswith("drop_") for hit in index.search(Query("delete a file")).hits)
    finally:
        index.close()


# ---- agreement


def test_a_device_that_agrees_is_used_and_tried_once(cuda, memory):
    encoder = open_encoder(bundled_model(), "cuda", memory)
    assert encoder.device == "cuda"
    assert cuda["opened"] == ["cpu", "cuda"]
    assert open_encoder(bundled_model(), "cuda", memory).device == "cuda"
    assert cuda["opened"] == ["cpu", "cuda", "cuda"]
    [(key, facts)] = memory._read().items()
    assert key.startswith("cuda | onnxruntime ")
    assert facts["cosine"] > 0.999


@pytest.mark.parametrize("wrong", ["noisy", "turned"])
def test_a_device_that_calculates_something_else_is_refused_for_good(cuda, memory, caplog, wrong):
    cuda["wrong"] = wrong
    assert open_encoder(bundled_model(), "cuda", memory).device == "cpu"
    assert "calculates something else than the CPU" in caplog.text
    opened = list(cuda["opened"])
    assert open_encoder(bundled_model(), "cuda", memory).device == "cpu"
    assert cuda["opened"] == [*opened, "cpu"]


def test_a_device_of_no_use_is_not_taken_by_itself(cuda, memory, monkeypatch):
    """The same processor cannot be 100 times as fast as itself."""
    monkeypatch.setattr(agreement, "WORTH", 100.0)
    assert open_encoder(bundled_model(), "auto", memory).device == "cpu"
    assert open_encoder(bundled_model(), "cuda", memory).device == "cuda"
    monkeypatch.setattr(agreement, "WORTH", 0.0)
    assert open_encoder(bundled_model(), "auto", memory).device == "cuda"


def test_a_device_that_ends_the_process_is_not_tried_again(cuda, memory, caplog):
    key = agreement._key(bundled_model(), get_device("cuda"))
    memory.keep(key, {"process": 2**22 + 1})  # more than Linux gives out: somebody began, and is no more
    assert open_encoder(bundled_model(), "cuda", memory).device == "cpu"
    assert "ended the program when it was tried" in caplog.text
    memory.forget()
    assert open_encoder(bundled_model(), "cuda", memory).device == "cuda"


def test_a_device_that_does_not_start_is_tried_again_next_time(memory, monkeypatch, caplog):
    listed = [CUDA, *onnxruntime.get_available_providers()]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    assert open_encoder(bundled_model(), "cuda", memory).device == "cpu"
    assert "The CPU is used" in caplog.text
    assert memory._read() == {}


def test_nothing_is_remembered_where_nothing_can_be_written(cuda, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert open_encoder(bundled_model(), "cuda", Remembered(tmp_path / "file" / "x.json")).device == "cuda"


def test_vectors_of_one_encoder_agree_with_themselves():
    encoder = OnnxEncoder(bundled_model())
    facts = compare(encoder, encoder)
    assert facts["cosine"] == pytest.approx(1, abs=1e-5)
    assert facts["speed"] > 0
    assert len(TEXTS) == 8


# ---- what is remembered


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 2, "facts": {}}', '{"format": 1, "facts": {"a": 3}}', "\0\0"]
)
def test_a_damaged_file_holds_nothing(memory, text):
    memory.keep("a", {"cosine": 1.0})
    memory.path.write_text(text)
    assert memory.get("a") == {}
    memory.keep("b", {"cosine": 0.5})
    assert memory.get("b") == {"cosine": 0.5}
    assert [path.name for path in memory.path.parent.iterdir()] == ["measured.json"]
