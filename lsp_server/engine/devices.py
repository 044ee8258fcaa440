"""Devices: what ONNX Runtime computes on, and sessions that survive the loss of it.

Takes a graph and the name of a device, gives a Session that answers as onnxruntime's own does. A list of providers says
nothing: a session is built and asked what it really got. A device that fails in the middle of a run (unplugged, out of
memory, a driver that was updated) is given up for the CPU, and the run is done again there: no text is lost. ONNX
Runtime is imported when something is opened, not before.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lsp_server.engine.card import REINSTALL, ModelError, brief

if TYPE_CHECKING:
    import onnxruntime

CPU = "cpu"
AUTO = "auto"
START_SECONDS = 60.0  # for a device to begin: a first start may build kernels; after that its driver hangs
QUIET, ERRORS = 4, 3  # of ONNX Runtime's log: nothing but the fatal; errors, for warnings help nobody

# relu(x @ [[1, 2], [3, 4]]) of x float32 [1, 2]: little, and still a calculation. Made with onnx.helper, opset 17.
TINY_GRAPH = bytes.fromhex(
    "08083a6b0a110a01780a017712016d22064d61744d756c0a0c0a016d120179220452656c751201742a1b0802080210012210"
    "0000803f0000004000004040000080404201775a130a0178120e0a0c080112080a0208010a02080262130a0179120e0a0c08"
    "0112080a0208010a02080242040a001011"
)

_log = logging.getLogger(__name__)


class DeviceError(ModelError):
    """A device that cannot be used; the text is a sentence for the user."""


class DeviceCrashError(DeviceError):
    """A device that ends or holds up the process that starts it; `process` is the id of one that tried."""

    def __init__(self, said: str, process: int) -> None:
        super().__init__(said)
        self.process = process


@dataclass(frozen=True, slots=True)
class Device:
    """Something to compute on, and what it takes."""

    id: str  # as in the setting `device`
    provider: str  # its name in ONNX Runtime
    package: str  # what brings it; a `base` replaces the package onnxruntime, a plugin stands beside it
    hardware: str  # what it needs, for people
    plugin: str = ""  # the module of a plugin
    options: Mapping[str, str] = field(default_factory=dict)
    session: Mapping[str, bool] = field(default_factory=dict)  # attributes of SessionOptions
    at_once: int = 0  # runs at a time; 0: as many as one likes


# In the order in which `auto` tries them. TensorRT takes minutes to build a graph, CoreML has to build one for every
# length of text: both are for those who ask for them.
DEVICES = (
    Device("cuda", "CUDAExecutionProvider", "onnxruntime-gpu[cuda,cudnn]", "an NVIDIA card"),
    Device("migraphx", "MIGraphXExecutionProvider", "onnxruntime-migraphx", "an AMD card and ROCm"),
    Device(
        "directml",
        "DmlExecutionProvider",
        "onnxruntime-directml",
        "Windows and a DirectX 12 card",
        # https://onnxruntime.ai/docs/execution-providers/DirectML-ExecutionProvider.html#configuration-options
        session={"enable_mem_pattern": False},
        at_once=1,
    ),
    Device(
        "openvino",
        "OpenVINOExecutionProvider",
        "onnxruntime-ep-openvino",
        "Intel graphics or an Intel processor",
        plugin="onnxruntime_ep_openvino",
    ),
    Device(
        "webgpu",
        "WebGpuExecutionProvider",
        "onnxruntime-ep-webgpu",
        "any graphics processor",
        plugin="onnxruntime_ep_webgpu",
        at_once=1,  # it is not safe for threads
    ),
    Device(
        "rtx",
        "NvTensorRTRTXExecutionProvider",
        "onnxruntime-ep-nv-tensorrt-rtx",
        "an NVIDIA RTX card (30 series or newer)",
        plugin="onnxruntime_ep_nv_tensorrt_rtx",
    ),
    Device("tensorrt", "TensorrtExecutionProvider", "onnxruntime-gpu[cuda,cudnn]", "an NVIDIA card and TensorRT"),
    Device("coreml", "CoreMLExecutionProvider", "onnxruntime", "a Mac with an Apple chip"),
    Device(CPU, "CPUExecutionProvider", "onnxruntime", "any processor"),
)
ON_REQUEST = frozenset(("rtx", "tensorrt", "coreml"))
BASES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-migraphx", "onnxruntime-directml", "onnxruntime-openvino",
         "onnxruntime-rocm", "onnxruntime-windowsml", "onnxruntime-qnn", "onnxruntime-silicon")  # fmt: skip


def get_device(name: str) -> Device:
    """Return the device of that name. Raises DeviceError."""
    for device in DEVICES:
        if device.id == name:
            return device
    known = ", ".join((AUTO, *(device.id for device in DEVICES)))
    raise DeviceError(f"There is no device {name!r}; known are {known}.")


def offered() -> tuple[Device, ...]:
    """Return the devices that the installed packages offer, whether or not this machine has one; the CPU is last."""
    names = _onnxruntime().get_available_providers()
    return tuple(
        device
        for device in DEVICES
        if device.provider in names or (device.plugin and importlib.util.find_spec(device.plugin))
    )


def openable() -> tuple[str, ...]:
    """Return the devices on which a session could really be opened, by building one on each. The CPU is last."""
    open_raw(TINY_GRAPH, get_device(CPU), 1)
    found = []
    for device in offered():
        with contextlib.suppress(DeviceError):
            try_apart(device)
            found.append(device.id)
    return tuple(found)


def try_apart(device: Device) -> None:
    """Build a session on a device in a process of its own, where a driver that is broken ends nothing else.

    Raises DeviceError. What was found holds for this process: a start takes a second or two.
    """
    if device.id != CPU:
        said, process = _start_apart(device.id)
        if said:
            raise DeviceCrashError(said, process) if process else DeviceError(said)


@functools.cache
def _start_apart(name: str) -> tuple[str, int]:
    """Return why a device does not start, "" if it does, and the id of the process that it ended, 0 for none."""
    # -P: the folder that the user works in must never provide a module.
    code = "import sys; sys.path[:] = sys.argv[2:]; from lsp_server.engine.devices import start; start(sys.argv[1])"
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code, name, *sys.path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # drivers talk a lot
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # on Windows a console would pop up
    )
    try:
        said, _ = process.communicate(timeout=START_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        what = f"does not start within {START_SECONDS:.0f} seconds"
    else:
        if said and process.returncode in (0, 1):  # it came to its end
            return said.decode("utf-8", "replace") if process.returncode else "", 0
        what = f"ends the program that starts it (code {process.returncode})"
    return f"The device {name} {what}. {_needs(get_device(name))}", process.pid


def start(name: str) -> None:
    """Build a session on a device, in the process that `try_apart` starts: exit status 0, or 1 and the reason."""
    said = "started"
    try:
        open_raw(TINY_GRAPH, get_device(name), 1)
    except DeviceError as error:
        said = str(error)
    sys.stdout.buffer.write(said.encode())
    sys.stdout.buffer.flush()
    sys.exit(said != "started")


def installed_bases() -> dict[str, str]:
    """Return the packages that bring the module onnxruntime, with their versions. Two of them overwrite each other."""
    import importlib.metadata  # 20 ms, and most processes never ask

    found = {}
    for name in BASES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def open_raw(graph: Path | bytes, device: Device, threads: int) -> onnxruntime.InferenceSession:
    """Open a graph on one device. Raises DeviceError when it does not run there, ModelError when it runs nowhere."""
    runtime = _onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = ERRORS if device.id == CPU else QUIET
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads must not burn a battery
    for name, value in device.session.items():
        setattr(options, name, value)
    source = graph if isinstance(graph, bytes) else str(graph)
    try:
        if device.provider not in runtime.get_available_providers():
            options.add_provider_for_devices(_plugin_devices(device), dict(device.options))
            session = runtime.InferenceSession(source, options)
        else:
            providers: list[Any] = [(device.provider, dict(device.options))]
            if device.id != CPU:
                providers.append("CPUExecutionProvider")  # for what a provider cannot calculate
            session = runtime.InferenceSession(source, options, providers=providers)
    except DeviceError:
        raise
    except Exception as error:  # the runtime's exceptions share no public base
        if device.id == CPU:
            raise ModelError(
                f"{graph!s} is not a graph that ONNX Runtime loads ({brief(error)}). {REINSTALL}"
            ) from error
        raise DeviceError(
            f"The device {device.id} does not start: {brief(error).rstrip('.')}. {_needs(device)}"
        ) from error
    if device.provider not in session.get_providers():
        raise DeviceError(f"The device {device.id} is offered by ONNX Runtime and does not start. {_needs(device)}")
    return session


def _needs(device: Device) -> str:
    return f"It needs {device.hardware}, its driver and what this brings: {how_to_get(device)}."


def version_of(package: str) -> str:
    """Return the version of an installed package."""
    import importlib.metadata

    return importlib.metadata.version(package)


def runtime_version() -> str:
    """Return the version of the packages that bring ONNX Runtime, the newest; "" where there is none."""
    return max(installed_bases().values(), key=version_numbers, default="")


def version_numbers(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with, to compare it by."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def how_to_get(device: Device) -> str:
    """Return the command that brings what a device needs of Python's packages."""
    if device.plugin:
        return f"pip install 'meaning-ls[{device.id}]'"
    if device.package in BASES[:1]:
        return "pip install onnxruntime"
    # pip cannot replace one package by another: both would be installed, one's files over the other's.
    return f"pip uninstall -y {' '.join(installed_bases())}, then pip install '{device.package}'"


_registered: set[str] = set()
_registering = threading.Lock()


def _plugin_devices(device: Device) -> list[Any]:
    """Load a plugin's library, once a process, and return the hardware that it can use (one, as all of them advise)."""
    runtime = _onnxruntime()
    if not device.plugin or not importlib.util.find_spec(device.plugin):
        raise DeviceError(f"The device {device.id} is not installed. {_needs(device)}")
    with _registering:
        if device.id not in _registered:
            plugin = importlib.import_module(device.plugin)
            runtime.register_execution_provider_library(device.id, plugin.get_library_path())
            _registered.add(device.id)
    found = [each for each in runtime.get_ep_devices() if each.ep_name == device.provider]
    if not found:
        raise DeviceError(f"The device {device.id} finds nothing here to compute on. {_needs(device)}")
    return found[:1]


class Session:
    """A graph on a device; on the CPU from then on when the device is lost. Any thread may call.

    Raises DeviceError when the graph does not run on that device to begin with, ModelError when it runs nowhere.
    """

    def __init__(self, graph: Path, device: str = CPU, threads: int = 1) -> None:
        self._graph, self._threads = graph, threads
        self.device = get_device(device)
        self._session = open_raw(graph, self.device, threads)
        self._turns = threading.BoundedSemaphore(self.device.at_once) if self.device.at_once else None
        self._losing = threading.Lock()

    def get_inputs(self) -> Sequence[Any]:
        """Return what the graph wants, as onnxruntime says it."""
        return self._session.get_inputs()  # type: ignore[no-any-return]

    def get_outputs(self) -> Sequence[Any]:
        """Return what the graph gives, as onnxruntime says it."""
        return self._session.get_outputs()  # type: ignore[no-any-return]

    def get_providers(self) -> list[str]:
        """Return what it runs on, ONNX Runtime's names, the first choice first."""
        return list(self._session.get_providers())

    def run(self, outputs: Sequence[str], feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Run the graph; when its device fails, once more on the CPU. Raises what the CPU's session raises."""
        session = self._session
        try:
            with self._turn():
                return session.run(outputs, feeds)  # type: ignore[no-any-return]
        except Exception as error:  # whatever a driver makes of its loss
            if self.device.id == CPU:
                raise
            return self._on_cpu(session, error).run(outputs, feeds)  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if self._turns is None:
            yield
            return
        with self._turns:
            yield

    def _on_cpu(self, failed: onnxruntime.InferenceSession, error: Exception) -> onnxruntime.InferenceSession:
        """Return the session on the CPU; the first thread that notices opens it, the others wait."""
        with self._losing:
            if self._session is failed:
                _log.warning("%s is lost (%s); going on with the CPU", self.device.id, brief(error))
                self._session = open_raw(self._graph, get_device(CPU), self._threads)
                self.device, self._turns = get_device(CPU), None
            return self._session


def _onnxruntime() -> Any:  # noqa: ANN401 (it ships no types)
    try:
        import onnxruntime
    except ImportError as error:
        hint = "Install onnxruntime again; on Windows it needs the Visual C++ runtime"
        raise ModelError(f"ONNX Runtime cannot be loaded ({brief(error)}). {hint}.") from error
    onnxruntime.disable_telemetry_events()
    return onnxruntime
