"""VS Code: from a keystroke to rows in a driven workbench, and what activating the extension costs.

Takes the folder to index and a packaged extension (`make vsix`), gives rows. Needs Node.js and Chromium; VS Code itself
is installed below `.cache` by what drives it, `vscode-client/e2e/measure.ts`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.common import CHECKOUT, BenchError, percentile
from benchmarks.speed.rows import Row, at_most, spread

FIRST, FINAL, ACTIVATION = 150.0, 400.0, 50.0  # ms


def measure(root: Path, cache: Path) -> list[Row]:
    """Type questions into the list of a real VS Code; ten minutes, and the first index where `cache` has none.

    Raises:
        BenchError: something is not installed, or the workbench could not be driven.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium or not shutil.which("npx"):
        raise BenchError("to drive VS Code, Node.js and Chromium are needed")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "samples.json"
        done = subprocess.run(
            ["npx", "tsx", "e2e/measure.ts", str(root), str(cache), str(out)],
            cwd=CHECKOUT / "vscode-client",
            env=os.environ | {"CHROMIUM": chromium, "MEANING_TEST_PYTHON": sys.executable},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchError(done.stderr.strip().splitlines()[-1] if done.stderr else "VS Code could not be driven")
        samples = json.loads(out.read_text(encoding="utf-8"))
    rows = []
    for how, name in (
        ("put", "VS Code: a question put in"),
        ("typed", "VS Code: a question typed, after the last key"),
    ):
        for moment, target, what in (("first", FIRST, "first row"), ("last", FINAL, "final rows")):
            times = [sample[moment] for sample in samples[how]]
            rows.append(at_most(f"{name}: {what}, median", percentile(times, 0.5), (target, "ms"), spread(times)))
    times = samples["activation"]
    rows.append(at_most("VS Code: activation, median", percentile(times, 0.5), (ACTIVATION, "ms"), spread(times)))
    return rows
