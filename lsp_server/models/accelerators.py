"""Accelerators: the graphics processors of this machine, each with its memory.

Takes a Probe's root (for /proc and /sys), gives Accelerators, the one with most memory first. Asks drivers and the
system, never a program: NVIDIA's management library through ctypes, sysfs on Linux, the registry on Windows. Whether
ONNX Runtime can compute on one is another question: see engine/devices.py.
"""

import ctypes
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Vendor = Literal["nvidia", "amd", "intel", "apple"]

_VENDORS: dict[int, Vendor] = {0x10DE: "nvidia", 0x1002: "amd", 0x8086: "intel"}  # PCI ids
_MAKERS: dict[Vendor, str] = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel", "apple": "Apple"}
_NVML = ("nvml.dll",) if sys.platform == "win32" else ("libnvidia-ml.so.1", "libnvidia-ml.so")
# An APU's own share of the RAM is set in the firmware, 4 GB at most; a card has more.
_AMD_CARD_BYTES = 4 << 30
# Metal's recommended working set is about three quarters of the memory on machines of 32 GB and more, two thirds below.
_APPLE_SHARE = 2 / 3
_DISPLAY_CLASS = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"


@dataclass(frozen=True, slots=True)
class Accelerator:
    """A graphics processor."""

    vendor: Vendor
    name: str
    memory: int  # bytes of its own, or of the RAM that it may use (Apple); 0: none of its own, or not known
    kind: Literal["card", "shared"] = "card"  # shared: computes in the machine's RAM


def ordered(found: Iterable[Accelerator]) -> tuple[Accelerator, ...]:
    """Return accelerators, cards before shared ones, the one with most memory first."""
    return tuple(sorted(found, key=lambda item: (item.kind != "card", -item.memory)))


def linux_accelerators(root: Path) -> list[Accelerator]:
    """Read the AMD and Intel ones, and NVIDIA's by name, from /sys and /proc below `root`."""
    found = [_drm_accelerator(device) for device in sorted(root.glob("sys/class/drm/card[0-9]*/device"))]
    names = [_nvidia_name(path) for path in sorted(root.glob("proc/driver/nvidia/gpus/*/information"))]
    # The driver's own list says more than sysfs; both would be one too many.
    others = [item for item in found if item and not (names and item.vendor == "nvidia")]
    return others + [Accelerator("nvidia", name, 0) for name in names]


def _drm_accelerator(device: Path) -> Accelerator | None:
    vendor = _VENDORS.get(_number(device / "vendor"))
    if vendor is None or re.search(r"card\d+-", device.parent.name):  # card0-HDMI-A-1 is a socket, not a card
        return None
    name = _text(device / "product_name") or f"{_MAKERS[vendor]} graphics {_text(device / 'device')}"
    if vendor == "amd":
        memory = _number(device / "mem_info_vram_total")
        return Accelerator(vendor, name, memory, "card" if memory > _AMD_CARD_BYTES else "shared")
    if vendor == "intel":
        memory = _number(device.parent / "lmem_total_bytes") or _number(device / "lmem_total_bytes")
        return Accelerator(vendor, name, memory, "card" if memory else "shared")
    return Accelerator(vendor, name, 0)


def _nvidia_name(information: Path) -> str:
    match = re.search(r"^Model:\s*(.+?)\s*$", _text(information), re.M)
    return match[1] if match else "NVIDIA graphics"


def nvidia_accelerators(library: ctypes.CDLL | None = None) -> list[Accelerator]:
    """Ask NVIDIA's management library (NVML), which comes with the driver; nothing where there is none.

    Counted is the memory that is free: a card that another program fills is of no use.
    """
    nvml = library or _load_nvml()
    if nvml is None or nvml.nvmlInit_v2() != 0:
        return []
    try:
        count = ctypes.c_uint()
        if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return []
        return [item for number in range(count.value) if (item := _nvml_device(nvml, number))]
    finally:
        nvml.nvmlShutdown()


class _NvmlMemory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def _nvml_device(nvml: ctypes.CDLL, number: int) -> Accelerator | None:
    handle, name, memory = ctypes.c_void_p(), ctypes.create_string_buffer(96), _NvmlMemory()
    if nvml.nvmlDeviceGetHandleByIndex_v2(number, ctypes.byref(handle)) != 0:
        return None
    nvml.nvmlDeviceGetName(handle, name, len(name))
    known = nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0  # some shared ones do not say
    text = name.value.decode("utf-8", "replace") or "NVIDIA graphics"
    return Accelerator("nvidia", text, memory.free if known else 0, "card" if known else "shared")


def _load_nvml() -> ctypes.CDLL | None:
    for name in _NVML:
        with suppress(OSError):
            return ctypes.CDLL(name)
    return None


def apple_accelerator(name: str, memory: int) -> Accelerator:
    """Return the graphics part of an Apple chip in a machine with `memory` bytes."""
    return Accelerator("apple", f"{name or 'Apple'} graphics", int(memory * _APPLE_SHARE), "shared")


def windows_accelerators(adapters: Iterable[Mapping[str, object]]) -> list[Accelerator]:
    """Understand the values of display adapters as `registry_adapters` gives them."""
    found = []
    for values in adapters:
        match = re.search(r"ven_([0-9a-f]{4})", str(values.get("MatchingDeviceId", "")), re.I)
        vendor = _VENDORS.get(int(match[1], 16)) if match else None
        if vendor is None:
            continue
        memory = _bytes(values.get("HardwareInformation.qwMemorySize"))
        name = str(values.get("DriverDesc") or f"{_MAKERS[vendor]} graphics")
        # The registry gives an integrated one a few hundred MB that the firmware set aside.
        found.append(Accelerator(vendor, name, memory, "card" if memory > 1 << 30 else "shared"))
    return found


def _bytes(value: object) -> int:
    """Drivers write a size as a number, or as eight bytes."""
    return int.from_bytes(value, "little") if isinstance(value, bytes) else value if isinstance(value, int) else 0


def registry_adapters() -> list[dict[str, object]]:
    """Read the display adapters from Windows' registry; nothing on other systems."""
    if sys.platform != "win32":
        return []
    import winreg

    found = []
    with suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _DISPLAY_CLASS) as key:
        for number in range(winreg.QueryInfoKey(key)[0]):
            with suppress(OSError), winreg.OpenKey(key, winreg.EnumKey(key, number)) as adapter:
                rows = (winreg.EnumValue(adapter, at) for at in range(winreg.QueryInfoKey(adapter)[1]))
                found.append({name: value for name, value, _ in rows})
    return found


def _text(path: Path) -> str:
    """Read a small file of the kernel's; "" where there is none or it may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    try:
        return int(_text(path), 0)
    except ValueError:
        return 0
