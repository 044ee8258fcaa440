"""Writer: a process that indexes again and again, and notes when it was the one that writes.

    python writer.py ROOT CACHE NOTES SECONDS

Each line of NOTES is `PID HOLD TIME`, written while the folder's lock is held: a hold has two lines or more, its first
and its last are the ends of an interval in which nobody else may write. Times are those of the system's monotonic
clock, which all processes share. Embeds words, not meaning: it is the lock that is tried here.
"""

import contextlib
import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support import BagEncoder

from lsp_server.engine.errors import Busy
from lsp_server.engine.index import Index, Options


def main() -> None:
    root, cache, notes, seconds = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), float(sys.argv[4])
    chance = random.Random(os.getpid())
    log = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    index = Index(root, Options(cache_dir=cache, threads=1), BagEncoder())
    end, hold = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        hold += 1
        (root / f"mine_{os.getpid()}.py").write_text(f"def mine_{os.getpid()}_{hold}():\n    pass\n")
        with contextlib.suppress(Busy), contextlib.closing(index.update()) as steps:
            for _ in steps:
                os.write(log, f"{os.getpid()} {hold} {time.monotonic_ns()}\n".encode())
                time.sleep(chance.uniform(0, 0.003))  # so that others have their chance to break in
            continue
        time.sleep(chance.uniform(0, 0.01))
    index.close()


if __name__ == "__main__":
    main()
