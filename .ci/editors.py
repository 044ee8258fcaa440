"""Editors: unpacks newer editors than this Debian has, for the tests to drive. Nothing is installed.

    python3 .ci/editors.py sid neovim hx neovim-telescope

Takes a suite of Debian and names of packages, gives `.cache/editors/SUITE/root`, in which they lie with all that they
need, down to the C library, and `.cache/editors/SUITE/bin` with a script for each program, which runs it by that root's
own loader. Uses apt-get with a state of its own and whatever mirror this machine has, so no rights are needed and
nothing of the system changes. Says why, and fails, where there is no apt-get or no network.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = CHECKOUT / ".cache" / "editors"
# What a program has to be told because it does not lie where it was built to lie.
ENVIRONMENT = {
    "nvim": {"VIMRUNTIME": "usr/share/nvim/runtime", "LUA_CPATH": "usr/lib/{libraries}/lua/5.1/?.so;;"},
    "hx": {"HELIX_RUNTIME": "usr/lib/hx/runtime"},
    "emacs-nox": {
        "EMACSLOADPATH": "usr/share/emacs/{emacs}/lisp:usr/share/emacs/site-lisp",
        "EMACSDATA": "usr/share/emacs/{emacs}/etc",
        "EMACSPATH": "usr/libexec/emacs/{emacs}/{libraries}",
    },
}


class Trouble(Exception):
    """Why the editors cannot be had, in one sentence."""


def main() -> int:
    """Unpack what is not there yet, and return an exit code."""
    if len(sys.argv) < 3:
        sys.stderr.write("usage: python3 .ci/editors.py SUITE PACKAGE...\n")
        return 1
    try:
        unpack(sys.argv[1], sorted(sys.argv[2:]))
    except (Trouble, OSError) as error:
        sys.stderr.write(f"editors: {error}\n")
        return 1
    return 0


def unpack(suite: str, packages: list[str]) -> None:
    """Unpack packages of a suite and what they need, unless these very ones are there."""
    folder, wanted = CACHE / suite, " ".join(packages)
    stamp, root = folder / "unpacked", folder / "root"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Trouble("newer editors are taken from Debian's packages, and this machine has no apt-get")
    shutil.rmtree(folder, ignore_errors=True)
    apt = folder / "apt"
    environment = make_state(apt, suite)
    sys.stderr.write(f"unpacking {wanted} from Debian {suite}\n")
    run(["apt-get", "update", "-qq"], environment)
    run(["apt-get", "install", "-qq", "--yes", "--download-only", *packages], environment)
    root.mkdir(parents=True)
    for archive in sorted((apt / "cache" / "archives").glob("*.deb")):
        run(["dpkg-deb", "--extract", str(archive), str(root)], environment)
    shutil.rmtree(apt)
    write_programs(root, folder / "bin")
    stamp.write_text(wanted, encoding="utf-8")


def make_state(folder: Path, suite: str) -> dict[str, str]:
    """Make an apt that knows this machine's mirror and no installed package; return the environment that selects it."""
    for name in ("state/lists/partial", "cache/archives/partial", "none"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"deb {mirror()} {suite} main\n", encoding="utf-8")
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": folder / "none",
        "Dir::Etc::preferencesparts": folder / "none",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",  # the user `_apt` may not be let into this folder
        "Acquire::Languages": "none",
        "Debug::NoLocking": "true",
    }
    lines = (f'{name} "{value}";\n' for name, value in settings.items())
    (folder / "apt.conf").write_text("".join(lines), encoding="utf-8")
    return {**os.environ, "APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C"}


def mirror() -> str:
    """Return where this machine's Debian packages come from."""
    listed = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"]
    for line in run(listed, dict(os.environ)).splitlines():
        origin, label, uri = line.rsplit(" ", 2)
        if (origin, label) == ("Debian", "Debian"):
            return uri
    raise Trouble("newer editors are taken from Debian's packages, and this machine has none (try: apt-get update)")


def write_programs(root: Path, folder: Path) -> None:
    """Write a script for every program of the root that can be told how to run there."""
    (loader,) = root.glob("usr/lib/*/ld-linux*.so*")
    emacs = ""
    for dump in root.glob("usr/libexec/emacs/*/*/emacs-*.pdmp"):
        # Emacs takes its Lisp from a dump, which it looks for where it was built to lie, and beside itself.
        (root / "usr" / "bin" / "emacs-nox.pdmp").symlink_to(dump)
        emacs = dump.parent.parent.name
    if (root / "usr/share/emacs/site-lisp/elpa-src").is_dir():
        (root / "usr/share/emacs/site-lisp/elpa").symlink_to("elpa-src")  # where Debian would compile packages to
    folder.mkdir()
    for name, variables in ENVIRONMENT.items():
        program = root / "usr" / "bin" / name
        if not program.exists():
            continue
        places = {"libraries": loader.parent.name, "emacs": emacs}
        values = {
            key: ":".join(str(root / path) for path in value.format(**places).split(":"))
            for key, value in variables.items()
        }
        script = folder / name
        script.write_text(
            "#!/bin/sh\n"
            + "".join(f"export {key}='{value}'\n" for key, value in values.items())
            + f"exec '{loader}' --library-path '{loader.parent}' '{program.resolve()}' \"$@\"\n",
            encoding="utf-8",
        )
        script.chmod(0o755)


def run(command: list[str], environment: dict[str, str]) -> str:
    """Run a command and return what it prints; raise Trouble with its complaint when it fails."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise Trouble(f"{' '.join(command[:2])} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
