"""Install: makes a virtual environment with meaning-ls in it, on a machine that has Python and little else.

    python3 .ci/install.py .venv test dev

Takes the environment's folder and the extras of pyproject.toml that are wanted; uses the standard library alone. All
packages come from wherever this machine's pip is told to look. hnswlib is the one that has to be compiled: it is built
for any CPU of this architecture (its own default is this very CPU, and such a build, kept in pip's cache, kills the
process elsewhere), and where it cannot be built everything works without it.
"""

import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
COMPILED = "hnswlib"
BUILT = CHECKOUT / ".cache" / "wheels"


def main() -> int:
    """Install, and return an exit code."""
    if sys.version_info < OLDEST:
        return fail(f"this is Python {sys.version.split()[0]}; meaning-ls needs 3.11 or newer")
    if len(sys.argv) < 2:
        return fail("usage: python3 .ci/install.py FOLDER [EXTRA...]")
    folder, extras = Path(sys.argv[1]), sys.argv[2:]
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists() and not make_environment(folder):
        return 1
    needed = requirements(extras)
    compiled = [line for line in needed if line.startswith(COMPILED)]
    pip(python, *(line for line in needed if line not in compiled))
    if not is_importable(python, COMPILED):
        build_compiled(python, compiled)
    # Last, and without looking at its requirements: pip would insist on the one that could not be built.
    pip(python, "--no-deps", "--editable", str(CHECKOUT))
    return 0


def make_environment(folder: Path) -> bool:
    """Make a virtual environment with pip in it; say what is missing where that is not possible."""
    say(f"making {folder} with Python {sys.version.split()[0]}")
    try:
        venv.EnvBuilder(with_pip=True, symlinks=os.name != "nt", clear=True).create(folder)
    except (subprocess.CalledProcessError, OSError) as error:
        fail(f"the virtual environment could not be made ({error}). On Debian and Ubuntu: apt-get install python3-venv")
        return False
    return True


def requirements(extras: list[str]) -> list[str]:
    """Return the requirements of the program and of its extras, and of the extras that those name."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        for line in project["optional-dependencies"][extra]:
            own = re.fullmatch(rf"{re.escape(project['name'])}\[([\w,-]+)\]", line)
            lines += requirements(own[1].split(","))[len(project["dependencies"]) :] if own else [line]
    return lines


def build_compiled(python: Path, lines: list[str]) -> None:
    """Build hnswlib for any CPU, or say in one line what is different without it."""
    say(f"building {COMPILED} (half a minute)")
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    # No cache: pip would take a wheel that another build has left there for another CPU. Ours is kept for `make vsix`.
    for words in (
        ["wheel", "--no-deps", "--no-cache-dir", "--wheel-dir", str(BUILT), *lines],
        ["install", "--no-deps", "--no-index", "--find-links", str(BUILT), *lines],
    ):
        built = subprocess.run(
            [*command, *words], env={**os.environ, "HNSWLIB_NO_NATIVE": "1"}, capture_output=True, text=True
        )
        if built.returncode:
            break
    if built.returncode:
        say(
            f"******** {COMPILED} could not be built (is a C++ compiler there?). Going on without "
            "it: everything works by exact scan, and only searches among more than 100,000 symbols are slower. ********"
        )
    elif not is_importable(python, COMPILED):
        say(f"******** {COMPILED} was built but cannot be loaded; everything works by exact scan. ********")


def is_importable(python: Path, module: str) -> bool:
    """Return whether `module` can be loaded; in a process of its own, for a build for another CPU kills the process."""
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0


def pip(python: Path, *words: str) -> None:
    """Run `pip install`; raises SystemExit with pip's exit code when it fails, after pip has said why."""
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words])
    if done.returncode:
        raise SystemExit(done.returncode)


def say(sentence: str) -> None:
    """Tell the user on standard error."""
    sys.stderr.write(f"{sentence}\n")


def fail(sentence: str) -> int:
    """Tell the user what is wrong and return the exit code for it."""
    say(f"install: {sentence}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
