"""Hardware: what this machine has to compute with, and how much of it we may use.

Takes a Probe (the places to look at), gives a frozen Machine: memory and cores within the limits of a container,
instruction sets, graphics processors, battery. Linux is read from /proc and /sys below the probe's root, other systems
through psutil and NumPy; no program is run. What ONNX Runtime can do with it is asked in engine/devices.py.
"""

import ctypes
import ctypes.util
import importlib
import os
import platform
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from lsp_server.models.accelerators import (
    Accelerator,
    apple_accelerator,
    linux_accelerators,
    nvidia_accelerators,
    ordered,
    registry_adapters,
    windows_accelerators,
)

GB = 1 << 30
INSTRUCTIONS = ("avx2", "avx512", "vnni", "dotprod")
_NO_LIMIT = 1 << 60  # cgroup v1 writes "no limit" as a number near 2**63
# Ours, as the kernel's list or NumPy calls them. Any of a row will do.
_FLAGS = {
    "avx2": {"avx2", "AVX2"},
    "avx512": {"avx512bw", "AVX512BW"},
    "vnni": {"avx512_vnni", "avx_vnni", "AVX512VNNI"},
    "dotprod": {"asimddp", "ASIMDDP"},
}


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is, as far as this process may use it."""

    system: str  # as sys.platform: "linux", "darwin", "win32"
    architecture: str  # "x86_64" or "arm64", or what the system says
    processor: str
    cores: int  # physical, no more than this process may use
    memory: int  # bytes: the RAM, or the limit of the container
    free: int  # bytes that can be had now without swapping
    container: bool  # whether a container's limit is lower than what the machine has
    instructions: frozenset[str]  # of INSTRUCTIONS
    accelerators: tuple[Accelerator, ...]
    on_battery: bool

    def describe(self) -> str:
        """Return the machine in one phrase for people."""
        sets = [name for name in INSTRUCTIONS if name in self.instructions]
        parts = [
            f"{self.cores} core{'s' * (self.cores != 1)} ({self.processor or self.architecture}"
            f"{', ' + ' '.join(sets) if sets else ''})",
            f"{gigabytes(self.memory)} of memory{' in a container' if self.container else ''}, "
            f"{gigabytes(self.free)} free",
        ]
        parts += [
            f"{item.name}{f' with {gigabytes(item.memory)}' if item.memory else ''}" for item in self.accelerators
        ] or ["no graphics processor that could compute"]
        return "; ".join(parts) + ("; on battery" if self.on_battery else "")

    def as_object(self) -> dict[str, object]:
        """Return the machine as it stands in JSON."""
        return asdict(self) | {"instructions": sorted(self.instructions)}


def _numpy_features() -> Mapping[str, bool]:
    """NumPy asks the processor itself (cpuid and its like), on every system. The name is private but 7 years old."""
    try:
        return dict(importlib.import_module("numpy._core._multiarray_umath").__cpu_features__)
    except (ImportError, AttributeError):
        return {}


def _usable_cpus() -> int:
    """Count the logical processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else psutil.cpu_count() or 1


def _plugged() -> bool:
    """Say whether the machine has a mains supply or no battery at all."""
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    return battery is None or battery.power_plugged is not False


@dataclass(frozen=True, slots=True)
class Probe:
    """Where to look. The defaults are this machine; tests put other machines' files and answers here."""

    root: Path = Path("/")
    system: str = sys.platform
    architecture: str = field(default_factory=platform.machine)
    usable_cpus: Callable[[], int] = _usable_cpus
    features: Callable[[], Mapping[str, bool]] = _numpy_features
    nvidia: Callable[[], list[Accelerator]] = nvidia_accelerators
    adapters: Callable[[], list[dict[str, object]]] = registry_adapters
    memory: Callable[[], tuple[int, int]] = lambda: psutil.virtual_memory()[:2]  # total, available; not on Linux
    physical: Callable[[], int | None] = lambda: psutil.cpu_count(logical=False)  # not on Linux
    plugged: Callable[[], bool] = _plugged  # not on Linux
    sysctl: Callable[[str], str] = lambda name: _sysctl(name)  # macOS

    def text(self, path: str) -> str:
        """Read a file of the kernel's below the root; "" where there is none."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").replace("\0", "").strip()
        except OSError:
            return ""


def look(probe: Probe | None = None) -> Machine:
    """Look at the machine: some milliseconds."""
    probe = probe or Probe()
    return _linux(probe) if probe.system == "linux" else _elsewhere(probe)


def gigabytes(count: int) -> str:
    """Write bytes as people say them: "7.6 GB", "24 GB", "512 MB"."""
    if count < GB:
        return f"{count / 2**20:.0f} MB"
    return f"{count / GB:.1f} GB" if count < 10 * GB else f"{count / GB:.0f} GB"


def _elsewhere(probe: Probe) -> Machine:
    total, free = probe.memory()
    architecture = _architecture(probe.architecture)
    found = probe.nvidia() if probe.system == "win32" else []
    listed = windows_accelerators(probe.adapters())
    found += [item for item in listed if not (found and item.vendor == "nvidia")]
    processor = probe.sysctl("machdep.cpu.brand_string") if probe.system == "darwin" else platform.processor()
    if probe.system == "darwin" and architecture == "arm64":
        found = [apple_accelerator(processor, total)]
    features = probe.features()
    return Machine(
        probe.system,
        architecture,
        processor,
        max(1, min(probe.physical() or probe.usable_cpus(), probe.usable_cpus())),
        total,
        free,
        False,
        _instructions(name for name, there in features.items() if there),
        ordered(found),
        not probe.plugged(),
    )


def _linux(probe: Probe) -> Machine:
    info = probe.text("proc/cpuinfo")
    memory = {name: int(kb) for name, kb in re.findall(r"^(\w+):\s+(\d+) kB", probe.text("proc/meminfo"), re.M)}
    total = 1024 * memory.get("MemTotal", 0)
    free = 1024 * memory.get("MemAvailable", memory.get("MemFree", 0))
    limit, used = _container_memory(probe)
    limited = 0 < limit < total
    flags = re.findall(r"^(?:flags|Features)\s*:\s*(.*)$", info, re.M)
    nvidia = probe.nvidia()
    others = [item for item in linux_accelerators(probe.root) if not (nvidia and item.vendor == "nvidia")]
    return Machine(
        "linux",
        _architecture(probe.architecture),
        _processor(probe, info),
        _cores(probe, info),
        limit if limited else total,
        max(0, min(free, limit - used)) if limited else free,
        limited,
        _instructions(flags[0].split() if flags else ()),
        ordered(nvidia + others),
        _on_battery(probe),
    )


def _architecture(machine: str) -> str:
    return {"amd64": "x86_64", "x64": "x86_64", "aarch64": "arm64"}.get(machine.lower(), machine.lower())


def _processor(probe: Probe, info: str) -> str:
    match = re.search(r"^model name\s*:\s*(.+)$", info, re.M)
    return match[1].strip() if match else probe.text("proc/device-tree/model")  # a Raspberry Pi says what it is there


def _cores(probe: Probe, info: str) -> int:
    """Physical cores: threads that share one count once, and a container's share of time counts whole."""
    siblings = {
        text
        for path in probe.root.glob("sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list")
        if (text := probe.text(str(path.relative_to(probe.root))))
    }
    listed = set(re.findall(r"^physical id\s*:\s*(\d+)$.*?^core id\s*:\s*(\d+)$", info, re.M | re.S))
    physical = len(siblings) or len(listed) or len(re.findall(r"^processor\s*:", info, re.M)) or 1
    limits = [quota for folder in _groups(probe, "cpu") if (quota := _quota(probe, folder)) > 0]
    return max(1, int(min([physical, probe.usable_cpus(), *limits])))


def _quota(probe: Probe, folder: str) -> float:
    """Return how many processors' time a control group may use, 0 for any."""
    both = probe.text(f"{folder}/cpu.max") or " ".join(
        probe.text(f"{folder}/cpu.cfs_{name}_us") for name in ("quota", "period")
    )
    quota, _, period = both.partition(" ")
    if not (quota.isdigit() and period.isdigit()):  # "max" or -1
        return 0
    return max(1.0, int(quota) / int(period))


def _container_memory(probe: Probe) -> tuple[int, int]:
    """Return the least memory limit of our control groups and what is used of it, in bytes; zeros for none."""
    found = []
    for folder in _groups(probe, "memory"):
        limit = probe.text(f"{folder}/memory.max") or probe.text(f"{folder}/memory.limit_in_bytes")
        if limit.isdigit() and 0 < int(limit) < _NO_LIMIT:
            used = probe.text(f"{folder}/memory.current") or probe.text(f"{folder}/memory.usage_in_bytes")
            # File pages that nobody used of late are given up under pressure; Kubernetes counts the same way.
            idle = re.findall(r"^(?:total_)?inactive_file (\d+)", probe.text(f"{folder}/memory.stat"), re.M)
            found.append((int(limit), max(0, int(used or 0) - int(idle[-1] if idle else 0))))
    return min(found, default=(0, 0))


def _groups(probe: Probe, controller: str) -> list[str]:
    """Return the folders of our control groups, the innermost first: a limit of any of them holds.

    Version 1 has a tree for each controller, version 2 one for all. Inside a container the path in /proc/self/cgroup
    may be that of the host; its folder is then not there, and the root of the mount is the container's own.
    """
    folders = []
    for line in probe.text("proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = Path("sys/fs/cgroup", *([controller] if controllers else []))
        inner = base / path.lstrip("/")
        folders += [str(folder) for folder in (inner, *inner.parents) if folder == base or base in folder.parents]
    return folders


def _instructions(names: object) -> frozenset[str]:
    given = set(names)  # type: ignore[call-overload]
    return frozenset(name for name, known in _FLAGS.items() if known & given)


def _on_battery(probe: Probe) -> bool:
    """Say whether a battery of the machine itself (not of a mouse) is being emptied."""
    supplies = [f"sys/class/power_supply/{path.name}" for path in probe.root.glob("sys/class/power_supply/*")]
    if any(probe.text(f"{folder}/online") == "1" for folder in supplies):
        return False
    return any(
        (probe.text(f"{folder}/type"), probe.text(f"{folder}/status")) == ("Battery", "Discharging")
        and probe.text(f"{folder}/scope") != "Device"
        for folder in supplies
    )


def _sysctl(name: str) -> str:
    """Ask macOS' kernel for a text, as the program sysctl does."""
    library = ctypes.CDLL(ctypes.util.find_library("c"))
    size, buffer = ctypes.c_size_t(256), ctypes.create_string_buffer(256)
    done = library.sysctlbyname(name.encode(), buffer, ctypes.byref(size), None, ctypes.c_size_t(0))
    return buffer.value.decode("utf-8", "replace") if done == 0 else ""
