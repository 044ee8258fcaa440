"""Apart: the doctor in a process of its own, so that a server neither waits nor loads a second model.

`consult` is the server's side: takes folders and options, gives Markdown. `main` is the other: takes JSON on standard
input, writes Markdown to standard output.
"""

import asyncio
import contextlib
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lsp_server.engine.errors import EngineError
from lsp_server.engine.index import Options
from lsp_server.stdout import claim_stdout

PATIENCE_SECONDS = 120.0  # a large index on a slow disk; after that something hangs, and that is an answer, too

_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from lsp_server.doctor.apart import main; main()"


async def consult(roots: Sequence[Path], options: Options) -> str:
    """Have everything looked at, and return the report as Markdown. Raises EngineError when there is none."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", _CHILD, json.dumps(sys.path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # on Windows a console would pop up
    )
    asked = json.dumps({"roots": [str(root) for root in roots], "options": asdict(options)})
    try:
        said, _ = await asyncio.wait_for(process.communicate(asked.encode()), PATIENCE_SECONDS)
    except TimeoutError:
        raise EngineError("The doctor takes too long. Try in a terminal: meaning-ls doctor") from None
    finally:
        if process.returncode is None:  # too slow, or no longer wanted
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        raise EngineError(f"The doctor ended with code {process.returncode}. Try in a terminal: meaning-ls doctor")
    return said.decode("utf-8")


def main() -> None:
    """Answer the process at the other end of stdin and stdout."""
    output = claim_stdout()
    asked = json.load(sys.stdin.buffer)
    options = Options(**asked["options"] | {"exclude": tuple(asked["options"]["exclude"])})

    from lsp_server.doctor import examine
    from lsp_server.engine.log import log_to_file, log_to_stderr

    log_to_stderr(logging.WARNING)
    log_to_file(options.cache_dir, "doctor")
    report = examine([Path(root) for root in asked["roots"]], options)
    output.write(report.markdown().encode("utf-8", "replace"))
    output.flush()
