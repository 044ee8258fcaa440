"""Hardware: this machine as psutil sees it, and other machines by the files that their kernels write."""

import ctypes
import os
import sys
from pathlib import Path

import psutil
import pytest

from lsp_server.models.accelerators import Accelerator, nvidia_accelerators
from lsp_server.models.hardware import GB, Probe, gigabytes, look
from tests.models import machines
from tests.models.machines import desktop, linux, meminfo, raspberry_pi_5, with_files, x86


def test_this_machine_is_the_one_that_psutil_sees():
    machine = look()
    assert machine.system == sys.platform
    assert 1 <= machine.cores <= psutil.cpu_count()
    assert 0 < machine.memory <= psutil.virtual_memory().total
    assert 0 < machine.free <= machine.memory
    assert machine.describe().startswith(f"{machine.cores} core")


@pytest.mark.skipif(sys.platform != "linux", reason="two ways to know the instruction sets exist on Linux alone")
def test_the_kernel_and_numpy_agree_on_the_instruction_sets():
    """NumPy asks the processor itself; it knows no AVX-VNNI, the 256-bit one."""
    kernel, numpy = look(), look(Probe(system="other"))
    assert kernel.instructions - {"vnni"} == numpy.instructions - {"vnni"}
    assert numpy.instructions <= kernel.instructions


def test_raspberry_pi(tmp_path):
    machine = look(raspberry_pi_5(tmp_path))
    assert (machine.architecture, machine.cores) == ("arm64", 4)
    assert machine.processor == "Raspberry Pi 5 Model B Rev 1.0"
    assert machine.instructions == {"dotprod"}
    assert machine.memory == 8 * GB
    assert not machine.container
    assert machine.accelerators == ()
    older = with_files(raspberry_pi_5(tmp_path), {"proc/cpuinfo": machines.arm(4, machines.RASPBERRY_4_FEATURES)})
    assert look(older).instructions == frozenset()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (machines.HASWELL_FLAGS, {"avx2"}),
        (machines.ALDER_LAKE_FLAGS, {"avx2", "vnni"}),
        (machines.EPYC_FLAGS, {"avx2", "avx512", "vnni"}),
        ("fpu vme sse2", set()),
    ],
)
def test_instruction_sets(tmp_path, flags, expected):
    assert look(desktop(tmp_path, 4, 16, flags=flags)).instructions == expected


# ---- cores


def test_threads_of_a_core_count_once(tmp_path):
    assert look(desktop(tmp_path, 6, 16)).cores == 6


def test_the_topology_is_believed_before_cpuinfo(tmp_path):
    """A hybrid processor: two cores with two threads, four with one."""
    lists = ["0-1", "0-1", "2-3", "2-3", "4", "5", "6", "7"]
    files = {
        f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list": f"{text}\n"
        for number, text in enumerate(lists)
    }
    assert look(with_files(desktop(tmp_path, 4, 16), files)).cores == 6


def test_no_more_cores_than_we_may_run_on(tmp_path):
    files = {"proc/cpuinfo": x86(16, 32, "Xeon", machines.EPYC_FLAGS), "proc/meminfo": meminfo(64, 60)}
    assert look(linux(tmp_path, files, 3)).cores == 3


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"sys/fs/cgroup/cpu.max": "200000 100000"}, 2),
        ({"sys/fs/cgroup/cpu.max": "50000 100000"}, 1),
        ({"sys/fs/cgroup/cpu.max": "max 100000"}, 8),
        ({"sys/fs/cgroup/cpu.max": "rubbish"}, 8),
    ],
)
def test_share_of_time_in_a_container(tmp_path, files, cores):
    """Docker with cgroup v2: the path is "/" inside."""
    assert look(with_files(desktop(tmp_path, 8, 32), {"proc/self/cgroup": "0::/\n", **files})).cores == cores


def test_share_of_time_with_version_1(tmp_path):
    files = {
        "proc/self/cgroup": "11:cpu,cpuacct:/docker/1a2b\n4:memory:/docker/1a2b\n1:name=systemd:/docker/1a2b\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000",  # "cpu" is a link to "cpu,cpuacct"
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    }
    assert look(with_files(desktop(tmp_path, 8, 32), files)).cores == 3


# ---- memory


def test_limit_of_a_container(tmp_path):
    """Pages of files that nobody needs are counted as free, as Kubernetes does."""
    files = {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": str(2 * GB),
        "sys/fs/cgroup/memory.current": str(GB + GB // 2),
        "sys/fs/cgroup/memory.stat": f"anon 1000\nfile 2000\ninactive_file {GB}\nactive_file 5\n",
    }
    machine = look(with_files(desktop(tmp_path, 8, 32), files))
    assert (machine.memory, machine.free, machine.container) == (2 * GB, 2 * GB - GB // 2, True)
    assert "in a container" in machine.describe()


def test_the_limit_of_an_outer_group_holds_too(tmp_path):
    files = {
        "proc/self/cgroup": "0::/user.slice/user-1000.slice/app.scope\n",
        "sys/fs/cgroup/user.slice/memory.max": str(4 * GB),
        "sys/fs/cgroup/user.slice/user-1000.slice/app.scope/memory.max": "max",
    }
    assert look(with_files(desktop(tmp_path, 8, 32), files)).memory == 4 * GB


def test_limit_with_version_1(tmp_path):
    """The path is the host's and does not exist inside; the mount's root is the container's own group."""
    files = {
        "proc/self/cgroup": "4:memory:/kubepods/burstable/pod12/34\n0::/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": str(GB),
        "sys/fs/cgroup/memory/memory.usage_in_bytes": str(GB // 4),
    }
    machine = look(with_files(desktop(tmp_path, 8, 32), files))
    assert (machine.memory, machine.free) == (GB, GB - GB // 4)
    without = {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}
    assert look(with_files(desktop(tmp_path, 8, 32), files | without)).memory == 32 * GB


def test_a_limit_above_what_there_is_is_none(tmp_path):
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": str(64 * GB)}
    machine = look(with_files(desktop(tmp_path, 8, 32), files))
    assert (machine.memory, machine.container) == (32 * GB, False)


def test_a_machine_that_says_nothing(tmp_path):
    """No /proc, no /sys: a small machine is assumed, nothing fails."""
    machine = look(linux(tmp_path, {}, 1))
    assert (machine.cores, machine.memory, machine.accelerators) == (1, 0, ())


# ---- graphics


def drm(number: int, **values: str) -> dict[str, str]:
    return {f"sys/class/drm/card{number}/device/{name}": f"{text}\n" for name, text in values.items()}


def test_amd_card_and_apu(tmp_path):
    files = drm(
        0, vendor="0x1002", device="0x744c", mem_info_vram_total=str(24 * GB), product_name="Radeon RX 7900 XTX"
    )
    files |= drm(1, vendor="0x1002", device="0x15bf", mem_info_vram_total=str(GB // 2))
    files["sys/class/drm/card0-HDMI-A-1/status"] = "connected\n"
    found = look(with_files(desktop(tmp_path, 8, 32), files)).accelerators
    assert found == (
        Accelerator("amd", "Radeon RX 7900 XTX", 24 * GB, "card"),
        Accelerator("amd", "AMD graphics 0x15bf", GB // 2, "shared"),
    )


def test_intel_graphics(tmp_path):
    files = drm(0, vendor="0x8086", device="0x46a6") | drm(1, vendor="0x8086", device="0x56a0")
    files["sys/class/drm/card1/lmem_total_bytes"] = str(16 * GB)
    found = look(with_files(desktop(tmp_path, 8, 32), files)).accelerators
    assert [(item.vendor, item.memory, item.kind) for item in found] == [
        ("intel", 16 * GB, "card"),
        ("intel", 0, "shared"),
    ]


def test_graphics_of_a_virtual_machine_do_not_compute(tmp_path):
    files = drm(0, vendor="0x1af4", device="0x1050") | drm(1, vendor="0x1234", device="0x1111") | drm(2, vendor="junk")
    assert look(with_files(desktop(tmp_path, 8, 32), files)).accelerators == ()


def test_nvidia_by_the_driver_alone(tmp_path):
    """In a container without the management library."""
    information = "Model: \t\t NVIDIA GeForce RTX 4090\nIRQ:   \t\t 120\nGPU UUID: \t GPU-1\n"
    files = {"proc/driver/nvidia/gpus/0000:01:00.0/information": information} | drm(0, vendor="0x10de", device="0x2684")
    found = look(with_files(desktop(tmp_path, 8, 32), files)).accelerators
    assert found == (Accelerator("nvidia", "NVIDIA GeForce RTX 4090", 0),)


class Nvml:
    """Answers as NVIDIA's library does: by codes, and into what it is given a pointer to."""

    def __init__(self, cards: list[tuple[bytes, int | None]], started: int = 0) -> None:
        self.cards, self.started, self.ended = cards, started, False

    def nvmlInit_v2(self):
        return self.started

    def nvmlShutdown(self):
        self.ended = True

    def nvmlDeviceGetCount_v2(self, count):
        count._obj.value = len(self.cards)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, number, handle):
        handle._obj.value = number + 1
        return 0

    def nvmlDeviceGetName(self, handle, name, length):
        name.value = self.cards[handle.value - 1][0]
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle, memory):
        free = self.cards[handle.value - 1][1]
        if free is None:
            return 3  # NVML_ERROR_NOT_SUPPORTED
        memory._obj.total, memory._obj.free = free + GB, free
        return 0


def test_nvidia_by_its_library():
    library = Nvml([(b"NVIDIA RTX A2000", 5 * GB), (b"NVIDIA GB10", None)])
    assert nvidia_accelerators(library) == [
        Accelerator("nvidia", "NVIDIA RTX A2000", 5 * GB, "card"),
        Accelerator("nvidia", "NVIDIA GB10", 0, "shared"),
    ]
    assert library.ended
    assert nvidia_accelerators(Nvml([], started=9)) == []  # the driver is not loaded


def test_nvidia_here():
    """Whatever is here, asking harms nothing; without the driver there is none."""
    found = nvidia_accelerators()
    if not Path("/proc/driver/nvidia").exists() and os.name != "nt":
        assert found == []


def test_structure_of_nvml_has_its_size():
    from lsp_server.models.accelerators import _NvmlMemory

    assert ctypes.sizeof(_NvmlMemory) == 24  # nvmlMemory_t of nvml.h: three 64-bit numbers


# ---- other systems


def test_apple(tmp_path):
    probe = Probe(
        tmp_path,
        "darwin",
        "arm64",
        usable_cpus=lambda: 10,
        features=lambda: {"ASIMDDP": True, "NEON": True, "SVE": False},
        memory=lambda: (16 * GB, 9 * GB),
        physical=lambda: 10,
        plugged=lambda: False,
        sysctl=lambda name: {"machdep.cpu.brand_string": "Apple M4"}[name],
    )
    machine = look(probe)
    assert machine.instructions == {"dotprod"}
    assert machine.on_battery
    assert [(item.vendor, item.kind) for item in machine.accelerators] == [("apple", "shared")]
    assert machine.describe() == (
        "10 cores (Apple M4, dotprod); 16 GB of memory, 9.0 GB free; Apple M4 graphics with 11 GB; on battery"
    )


def test_windows(tmp_path):
    adapters = [
        {
            "DriverDesc": "NVIDIA GeForce RTX 3060",
            "MatchingDeviceId": "pci\\ven_10de&dev_2504",
            "HardwareInformation.qwMemorySize": 12 * GB,
        },
        {
            "DriverDesc": "AMD Radeon(TM) Graphics",
            "MatchingDeviceId": "PCI\\VEN_1002&DEV_1638",
            "HardwareInformation.qwMemorySize": (GB // 2).to_bytes(8, "little"),
        },
        {"DriverDesc": "Microsoft Basic Display Adapter"},
    ]
    probe = Probe(
        tmp_path,
        "win32",
        "AMD64",
        usable_cpus=lambda: 16,
        features=lambda: {"AVX2": True, "AVX512VNNI": False},
        nvidia=list,
        adapters=lambda: adapters,
        memory=lambda: (32 * GB, 20 * GB),
        physical=lambda: 8,
        plugged=lambda: True,
    )
    machine = look(probe)
    assert (machine.architecture, machine.cores, machine.instructions) == ("x86_64", 8, {"avx2"})
    assert machine.accelerators == (
        Accelerator("nvidia", "NVIDIA GeForce RTX 3060", 12 * GB, "card"),
        Accelerator("amd", "AMD Radeon(TM) Graphics", GB // 2, "shared"),
    )


# ---- battery


def supply(name: str, **values: str) -> dict[str, str]:
    return {f"sys/class/power_supply/{name}/{key}": f"{value}\n" for key, value in values.items()}


@pytest.mark.parametrize(
    ("supplies", "on_battery"),
    [
        ([], False),
        ([supply("BAT0", type="Battery", status="Discharging"), supply("AC", type="Mains", online="0")], True),
        ([supply("BAT0", type="Battery", status="Discharging"), supply("AC", type="Mains", online="1")], False),
        ([supply("BAT0", type="Battery", status="Charging")], False),
        ([supply("hidpp_0", type="Battery", status="Discharging", scope="Device")], False),  # a mouse
    ],
)
def test_battery(tmp_path, supplies, on_battery):
    files = {key: value for files in supplies for key, value in files.items()}
    assert look(with_files(desktop(tmp_path, 4, 16), files)).on_battery == on_battery


def test_a_machine_in_json(tmp_path):
    written = look(desktop(tmp_path, 4, 16)).as_object()
    assert written["instructions"] == ["avx2", "vnni"]
    assert written["memory"] == 16 * GB


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 MB"), (512 << 20, "512 MB"), (int(7.6 * GB), "7.6 GB"), (24 * GB, "24 GB")]
)
def test_sizes_for_people(count, text):
    assert gigabytes(count) == text
