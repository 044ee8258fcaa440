"""Power: what real systems say when they are asked, and what happens when they say nothing or something odd."""

import stat
import struct
import sys
import time

import pytest

from lsp_server import power
from lsp_server.power import Answer, System, saving_power, wants_saving

# `pmset -g` of a MacBook Air on battery, low power mode on; of a MacBook Pro whose mode has three steps.
PMSET = """\
System-wide power settings:
Currently in use:
 standby              1
 Sleep On Power Button 1
 hibernatefile        /var/vm/sleepimage
 powernap             0
 networkoversleep     0
 disksleep            10
 sleep                1 (sleep prevented by powerd)
 hibernatemode        3
 ttyskeepawake        1
 displaysleep         2
 tcpkeepalive         1
 {}
 womp                 0
"""
NEW, OLD = "org.freedesktop.UPower.PowerProfiles", "net.hadess.PowerProfiles"


def linux(root, **said):
    """A Linux machine: what its services and programs answer, by name."""

    def run(command, seconds):
        assert seconds <= power.COMMAND_SECONDS
        return said.get(command[4] if command[0] == "busctl" else command[0], "")

    return System("linux", root, run)


def windows(saver, on_battery=True):
    return System("win32", windows_status=lambda: struct.pack("<BBBBII", not on_battery, 2, 61, saver, 7200, 2**32 - 1))


def mac(line):
    return System("darwin", run=lambda command, seconds: PMSET.format(line) if command == ("pmset", "-g") else "")


@pytest.mark.parametrize(
    ("said", "saving"),
    [
        ({NEW: 's "power-saver"\n'}, True),
        ({NEW: 's "balanced"\n'}, False),
        ({NEW: 's "performance"\n', OLD: 's "power-saver"\n'}, False),
        ({OLD: 's "power-saver"\n'}, True),
        ({"powerprofilesctl": "power-saver\n"}, True),
        ({"powerprofilesctl": "balanced\n"}, False),
        ({}, False),
        ({NEW: "something else altogether"}, False),
    ],
    ids=str,
)
def test_linux_says_so_by_its_daemon(tmp_path, said, saving):
    assert wants_saving(linux(tmp_path, **said)) is saving


@pytest.mark.parametrize(
    ("profile", "saving"),
    [(b"low-power\n", True), (b"balanced\n", False), (b"performance\n", False), (b"", False), (b"\xff\xfe", False)],
)
def test_linux_says_so_by_its_firmware(tmp_path, profile, saving):
    file = tmp_path / "sys" / "firmware" / "acpi" / "platform_profile"
    file.parent.mkdir(parents=True)
    file.write_bytes(profile)
    assert wants_saving(linux(tmp_path)) is saving


def test_windows_says_so_by_battery_saver():
    assert wants_saving(windows(saver=1))
    assert not wants_saving(windows(saver=0)), "running on battery is no wish to save"
    assert not wants_saving(System("win32", windows_status=lambda: b""))


@pytest.mark.parametrize(
    ("line", "saving"),
    [
        ("lowpowermode         1", True),
        ("lowpowermode         0", False),
        ("powermode            1", True),
        ("powermode            2", False),
        ("womp                 1", False),
    ],
)
def test_a_mac_says_so_by_low_power_mode(line, saving):
    assert wants_saving(mac(line)) is saving


def test_other_systems_say_nothing():
    assert not wants_saving(System("freebsd14"))


@pytest.mark.skipif(sys.platform == "win32", reason="programs that are shell scripts")
def test_a_program_that_hangs_fails_or_is_missing_costs_less_than_a_second(tmp_path, monkeypatch):
    monkeypatch.setattr(power, "_PROGRAMS", (str(tmp_path),))
    system = System("linux", tmp_path)
    assert not wants_saving(system), "there is none"
    program = tmp_path / "powerprofilesctl"
    for script, saving in (("echo power-saver", True), ("echo power-saver; exit 1", False), ("exec sleep 30", False)):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        begun = time.monotonic()
        assert wants_saving(system) is saving
        assert time.monotonic() - begun < 20, "it was waited for"


def test_an_answer_is_kept_for_a_minute(tmp_path):
    file = tmp_path / "sys" / "firmware" / "acpi" / "platform_profile"
    file.parent.mkdir(parents=True)
    now = 1000.0
    answer = Answer(linux(tmp_path), lambda: now)
    assert not answer()
    file.write_text("low-power\n")
    now += power.FRESH_SECONDS - 1
    assert not answer()
    now += 2
    assert answer()


def test_this_machine_answers():
    assert saving_power() in (True, False)
