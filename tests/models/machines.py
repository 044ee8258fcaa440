"""Machines that tests can look at: the files of /proc and /sys as kernels write them, cut to what is read."""

from dataclasses import replace
from pathlib import Path

from lsp_server.models.hardware import Probe

GB = 1 << 30

EPYC_FLAGS = (
    "fpu vme sse2 ssse3 fma sse4_1 sse4_2 avx f16c avx2 avx512f avx512dq avx512bw avx512vl avx512_bf16 avx512_vnni"
)
HASWELL_FLAGS = "fpu vme sse2 ssse3 fma sse4_1 sse4_2 avx f16c rdrand bmi1 avx2 smep bmi2 erms invpcid"
ALDER_LAKE_FLAGS = "fpu vme sse2 ssse3 fma sse4_1 sse4_2 avx f16c bmi1 avx2 bmi2 sha_ni avx_vnni vaes"
RASPBERRY_4_FEATURES = "fp asimd evtstrm crc32 cpuid"
RASPBERRY_5_FEATURES = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
)


def x86(cores: int, threads: int, name: str, flags: str) -> str:
    """/proc/cpuinfo of a PC: `threads` processors on `cores` cores."""
    parts = [
        f"processor\t: {number}\nvendor_id\t: GenuineIntel\nmodel name\t: {name}\ncache size\t: 1024 KB\n"
        f"physical id\t: 0\nsiblings\t: {threads}\ncore id\t\t: {number % cores}\ncpu cores\t: {cores}\n"
        f"flags\t\t: {flags}\nbugs\t\t: spectre_v1\n"
        for number in range(threads)
    ]
    return "\n".join(parts)


def arm(cores: int, features: str) -> str:
    """/proc/cpuinfo of an ARM board: no word of cores."""
    part = "processor\t: {}\nBogoMIPS\t: 108.00\nFeatures\t: {}\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n"
    return "\n".join(part.format(number, features) for number in range(cores)) + "\nRevision\t: d04170\n"


def meminfo(total: float, free: float) -> str:
    """/proc/meminfo with so many gigabytes."""
    return (
        f"MemTotal:       {int(total * GB) // 1024} kB\nMemFree:         {int(free * GB / 2) // 1024} kB\n"
        f"MemAvailable:   {int(free * GB) // 1024} kB\nBuffers:           32944 kB\nSwapTotal:             0 kB\n"
    )


def linux(root: Path, files: dict[str, str], cpus: int, architecture: str = "x86_64") -> Probe:
    """A Linux machine with these files; no NVIDIA library."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return Probe(root, "linux", architecture, usable_cpus=lambda: cpus, nvidia=list)


def raspberry_pi_5(root: Path, memory: float = 8) -> Probe:
    files = {
        "proc/cpuinfo": arm(4, RASPBERRY_5_FEATURES),
        "proc/meminfo": meminfo(memory, memory * 0.85),
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "proc/self/cgroup": "0::/user.slice/user-1000.slice/session-3.scope\n",
        "sys/class/drm/card0/device/uevent": "DRIVER=v3d\nOF_NAME=v3d\n",
    }
    return linux(root, files, 4, "aarch64")


def desktop(
    root: Path, cores: int, memory: float, *, flags: str = ALDER_LAKE_FLAGS, free: float | None = None
) -> Probe:
    """A PC with two threads a core and no graphics that compute."""
    files = {
        "proc/cpuinfo": x86(cores, 2 * cores, "12th Gen Intel(R) Core(TM)", flags),
        "proc/meminfo": meminfo(memory, memory * 0.8 if free is None else free),
        "proc/self/cgroup": "0::/user.slice/user-1000.slice/app.slice\n",
    }
    return linux(root, files, 2 * cores)


def with_files(probe: Probe, files: dict[str, str]) -> Probe:
    """The same machine with more files, which replace those of the same name."""
    for path, text in files.items():
        (probe.root / path).parent.mkdir(parents=True, exist_ok=True)
        (probe.root / path).write_text(text, encoding="utf-8")
    return replace(probe)
