"""Power: whether the system says that power is to be saved.

Takes nothing, gives a bool. Means the switch that the user (or the system, at a nearly empty battery) turned: battery
saver, power saver, low power mode. Running on battery alone is none. Asks as each system wants to be asked: Linux by
sysfs and power-profiles-daemon, macOS by `pmset`, Windows by one call.
"""

import ctypes
import os
import re
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FRESH_SECONDS = 60.0  # nobody notices a minute, and asking starts a process
COMMAND_SECONDS = 0.8  # for all programs together: asking never takes longer than a second

# Only where systems keep their own: a folder that a project put on the PATH must not be asked.
_PROGRAMS = ("/usr/bin", "/bin", "/usr/local/bin", "/run/current-system/sw/bin")
_PLATFORM_PROFILE = "sys/firmware/acpi/platform_profile"
# The daemon's name of today and the one it had before; nothing is started by asking (auto-start).
_SERVICES = (
    ("org.freedesktop.UPower.PowerProfiles", "/org/freedesktop/UPower/PowerProfiles"),
    ("net.hadess.PowerProfiles", "/net/hadess/PowerProfiles"),
)
# `pmset -g` of a MacBook, and of one whose energy mode has three steps (1 is low).
_PMSET = re.compile(r"^\s*(?:lowpowermode|powermode)\s+1\s*$", re.M)
_POWER_STATUS = struct.Struct("<BBBBII")  # Windows' SYSTEM_POWER_STATUS; the fourth byte is battery saver


def _run(command: Sequence[str], seconds: float) -> str:
    """Return what a program says, "" when it is not there, fails or takes too long."""
    program = next((path for home in _PROGRAMS if os.access(path := f"{home}/{command[0]}", os.X_OK)), "")
    if not program or seconds <= 0:
        return ""
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        done = subprocess.run(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            cwd="/",
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
    return ""


def _windows_status() -> bytes:
    """Return Windows' SYSTEM_POWER_STATUS, b"" when it does not tell."""
    buffer = ctypes.create_string_buffer(_POWER_STATUS.size)
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - mypy knows it on Windows alone
    return buffer.raw if kernel.GetSystemPowerStatus(buffer) else b""


@dataclass(frozen=True, slots=True)
class System:
    """Who is asked. Tests give what real systems said."""

    platform: str = sys.platform
    root: Path = Path("/")
    run: Callable[[Sequence[str], float], str] = _run
    windows_status: Callable[[], bytes] = _windows_status


def wants_saving(system: System) -> bool:
    """Ask a system whether power is to be saved; False when it does not say."""
    if system.platform == "win32":
        return _says_windows(system)
    if system.platform == "darwin":
        return bool(_PMSET.search(system.run(("pmset", "-g"), COMMAND_SECONDS)))
    return system.platform == "linux" and _says_linux(system)


def _says_windows(system: System) -> bool:
    with suppress(OSError, AttributeError):
        status = system.windows_status()
        return len(status) == _POWER_STATUS.size and _POWER_STATUS.unpack(status)[3] == 1
    return False


def _says_linux(system: System) -> bool:
    with suppress(OSError, ValueError):
        if (system.root / _PLATFORM_PROFILE).read_text("ascii").strip() == "low-power":
            return True
    end = time.monotonic() + COMMAND_SECONDS
    for name, path in _SERVICES:
        asked = ("busctl", "--system", "--auto-start=no", "get-property", name, path, name, "ActiveProfile")
        if answer := system.run(asked, end - time.monotonic()):
            return answer.split() == ["s", '"power-saver"']
    return system.run(("powerprofilesctl", "get"), end - time.monotonic()).strip() == "power-saver"


class Answer:
    """What the system said last, asked again after FRESH_SECONDS."""

    def __init__(self, system: System, clock: Callable[[], float] = time.monotonic) -> None:
        self._system = system
        self._clock = clock
        self._lock = threading.Lock()
        self._asked = float("-inf")
        self._value = False

    def __call__(self) -> bool:
        """Return whether power is to be saved, at most FRESH_SECONDS old."""
        with self._lock:
            if self._clock() - self._asked >= FRESH_SECONDS:
                self._value = wants_saving(self._system)
                self._asked = self._clock()
            return self._value


_of_this_machine = Answer(System())


def saving_power() -> bool:
    """Return whether this machine is to save power. Never raises; takes a second at most, once a minute."""
    return _of_this_machine()
