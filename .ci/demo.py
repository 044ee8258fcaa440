"""Demo: fetches a real project, indexes it and answers a question about it on the terminal.

    .venv/bin/python .ci/demo.py [QUESTION]

The project is the wheel of a well-known package: a wheel is an archive of its sources, and nothing in it is run or
installed. Without a network this repository itself serves.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PROJECT = "werkzeug==3.1.3"  # 52 files of Python, some JavaScript and CSS: read in seconds, large enough to get lost in
QUESTION = "how is a password compared with its stored hash"
OWN_QUESTION = "leave out files that git ignores"
CACHE = CHECKOUT / ".cache" / "demo"


def main() -> int:
    """Fetch, index, ask; return the exit code of the last step that matters."""
    folder = fetch()
    asked = sys.argv[1] if len(sys.argv) > 1 else QUESTION if folder else OWN_QUESTION
    folder = folder or CHECKOUT / "lsp_server"
    # A cache of its own: the demo shows a first index, and leaves nothing behind that `make clean` does not remove.
    cache = ["--cache-dir", str(CACHE / "index")]
    step("index", [str(folder), *cache])
    return step("search", [asked, str(folder), "--limit", "5", *cache])


def fetch() -> Path | None:
    """Return the folder of the example project, None when it cannot be downloaded."""
    folder = CACHE / PROJECT.replace("==", "-")
    if folder.is_dir():
        return folder
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    download = [*pip, "--no-deps", "--only-binary", ":all:", "--dest", str(CACHE), PROJECT]
    wheels = [] if subprocess.run(download).returncode else sorted(CACHE.glob("werkzeug-*.whl"))
    if not wheels:
        sys.stderr.write(f"{PROJECT} cannot be downloaded; showing this repository itself instead.\n")
        return None
    partial = folder.with_suffix(".partial")
    with zipfile.ZipFile(wheels[-1]) as archive:
        archive.extractall(partial)
    partial.rename(folder)
    return folder


def step(command: str, words: list[str]) -> int:
    """Show a command and run it."""
    sys.stdout.write(f"\n$ meaning-ls {command} {' '.join(repr(word) if ' ' in word else word for word in words)}\n")
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "lsp_server", command, *words], cwd=CHECKOUT).returncode


if __name__ == "__main__":
    sys.exit(main())
