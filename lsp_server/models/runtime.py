"""Runtime: whether the installed ONNX Runtime fits this machine's hardware, in sentences that say what to do.

Takes a Machine, the packages that are installed and the devices on which a session was opened; gives one sentence for
each thing that could be better or is wrong. pip cannot exchange one package for another, so wrong mixes are noticed
here: two packages that both bring the module `onnxruntime` lie over each other, and the last one installed runs.
"""

from collections.abc import Iterator, Mapping, Sequence

from lsp_server.engine.devices import CPU, Device, get_device, how_to_get, installed_bases, offered, openable
from lsp_server.models.accelerators import Vendor
from lsp_server.models.hardware import Machine

# What makes use of whose graphics, the best first.
SERVES: dict[Vendor, tuple[str, ...]] = {
    "nvidia": ("cuda", "rtx", "webgpu", "directml", "tensorrt"),
    "amd": ("migraphx", "webgpu", "directml"),
    "intel": ("openvino", "webgpu", "directml"),
    "apple": ("webgpu", "coreml"),
}
_NAMES = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel", "apple": "Apple"}


def disagreements(machine: Machine) -> tuple[str, ...]:
    """Return what does not fit on this machine as it is now; empty where all is well."""
    return tuple(_disagreements(machine, installed_bases(), [each.id for each in offered()], openable()))


def _disagreements(
    machine: Machine, bases: Mapping[str, str], there: Sequence[str], opened: Sequence[str]
) -> Iterator[str]:
    if len(bases) > 1:
        names = " and ".join(f"{name} {version}" for name, version in bases.items())
        yield (
            f"{names} are installed over each other; the last one installed is what runs. Remove all of them "
            f"(pip uninstall -y {' '.join(bases)}) and install the one you want."
        )
    vendors = list(dict.fromkeys(item.vendor for item in machine.accelerators))
    for name in there:
        device = get_device(name)
        if name not in opened and name != CPU:
            yield _not_started(device, vendors)
    for item in machine.accelerators:
        useful = [name for name in SERVES[item.vendor] if _exists_for(get_device(name), machine)]
        if not useful or set(useful) & {*opened, *there}:
            continue
        yield (
            f"There is {item.name}, and the installed ONNX Runtime computes on the processor alone. "
            f"To use it: {how_to_get(get_device(useful[0]))}."
        )
        break


def _not_started(device: Device, vendors: Sequence[Vendor]) -> str:
    wants = [vendor for vendor, names in SERVES.items() if device.id in names]
    if not set(wants) & set(vendors):
        found = f"only {' and '.join(_NAMES[vendor] for vendor in vendors)} graphics" if vendors else "no graphics"
        return (
            f"{device.package.partition('[')[0]} is installed and needs {device.hardware}; there is {found} here. "
            "The processor does the work; the package can go."
        )
    return (
        f"{device.package.partition('[')[0]} is installed and does not start. It needs {device.hardware}, its driver, "
        f"and the libraries that come with: pip install '{device.package}'."
    )


def _exists_for(device: Device, machine: Machine) -> bool:
    """Say whether there is a package for this system (facts of PyPI, 2026-11-20)."""
    systems = {
        "cuda": ("linux x86_64", "win32 x86_64"),
        "tensorrt": ("linux x86_64", "win32 x86_64"),
        "rtx": ("linux x86_64", "win32 x86_64"),
        "migraphx": ("linux x86_64",),
        "directml": ("win32 x86_64",),
        "openvino": ("linux x86_64", "win32 x86_64"),
        "webgpu": ("linux x86_64", "linux arm64", "win32 x86_64", "win32 arm64", "darwin arm64"),
        "coreml": ("darwin arm64",),
    }
    return f"{machine.system} {machine.architecture}" in systems.get(device.id, ())
