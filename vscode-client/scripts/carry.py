"""Carry: puts what the extension installs into `vscode-client/dist/server/`.

    python vscode-client/scripts/carry.py [--complete]

That is the server's own wheel, pip's, and `server.json`, which says what is there (see src/environment/carried.ts).
With `--complete` also every wheel that this Python on this machine needs, so that installing takes neither network nor
compiler; hnswlib among them is built for any processor of this architecture. Prints the name that `vsce` has for this
machine, for such a package is for machines like it alone.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
FOLDER = CHECKOUT / "vscode-client" / "dist" / "server"
# What was built once for this Python is not built again; nobody but us puts anything here.
BUILT = CHECKOUT / ".cache" / "wheels"
COMPILED = "hnswlib"
PYTHON = "{}.{}".format(*sys.version_info[:2])

ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64", "armv7l": "armhf"}


def main() -> int:
    """Fill the folder anew."""
    parser = argparse.ArgumentParser(description="Put what the extension installs into vscode-client/dist/server.")
    parser.add_argument("--complete", action="store_true", help="with all wheels for this Python on this machine")
    is_complete = parser.parse_args().complete
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [line for line in project["dependencies"] if not line.startswith(COMPILED)]
    optional = [line for line in project["dependencies"] if line.startswith(COMPILED)]
    wheel = fetch(f"{project['name'].replace('-', '_')}-*.whl", "wheel", "--no-deps", str(CHECKOUT))
    own_pip = fetch("pip-*.whl", "download", "--no-deps", "--only-binary", ":all:", "pip")
    if is_complete:
        fetch("*.whl", "download", "--only-binary", ":all:", *needed)
        build(optional)
    description = {
        "version": wheel.name.split("-")[1],
        "wheel": wheel.name,
        "pip": own_pip.name,
        "requirements": needed,
        "optional": optional,
        "complete": {"platform": machine(), "pythons": [PYTHON] if is_complete else []},
        # So that this description, and with it the environment that is made by it, changes with any wheel.
        "wheels": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(FOLDER.glob("*.whl"))},
    }
    (FOLDER / "server.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{target()}\n")
    return 0


def build(lines: list[str]) -> None:
    """Add wheels of what is on the package index as source only; what cannot be built is left out, and told."""
    BUILT.mkdir(parents=True, exist_ok=True)
    pattern = f"{COMPILED}-*-cp{PYTHON.replace('.', '')}-*.whl"
    if not list(BUILT.glob(pattern)):
        # No cache: pip would take a wheel that another build has left there for another processor.
        words = ("wheel", "--no-deps", "--no-cache-dir", "--wheel-dir", str(BUILT), *lines)
        if pip(*words, env={**os.environ, "HNSWLIB_NO_NATIVE": "1"}):
            sys.stderr.write(f"******** {COMPILED} could not be built; the extension goes without it ********\n")
    for wheel in BUILT.glob(pattern):
        shutil.copy2(wheel, FOLDER)


def fetch(pattern: str, command: str, *words: str) -> Path:
    """Have pip put wheels into the folder; one that fits the pattern. SystemExit when pip fails, which says why."""
    code = pip(command, "--wheel-dir" if command == "wheel" else "--dest", str(FOLDER), *words)
    if code:
        raise SystemExit(code)
    return next(iter(FOLDER.glob(pattern)))


def pip(*words: str, env: dict[str, str] | None = None) -> int:
    """Run this Python's pip, whatever it prints on standard error; its exit code."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    return subprocess.run(command, stdout=sys.stderr, env=env).returncode


def machine() -> str:
    """Return what wheels depend on beside Python's version, written as src/environment/python.ts does."""
    return f"{sys.platform}-{platform.machine().lower()}{'-musl' if is_musl() else ''}"


def target() -> str:
    """Return the name of this machine's kind for `vsce package --target`."""
    system = "alpine" if is_musl() else sys.platform
    return f"{system}-{ARCHITECTURES[platform.machine().lower()]}"


def is_musl() -> bool:
    """Return whether this Python was built against musl, as on Alpine."""
    return "musl" in str(sysconfig.get_config_var("HOST_GNU_TYPE"))


if __name__ == "__main__":
    sys.exit(main())
