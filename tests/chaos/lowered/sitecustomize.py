"""What Python runs first in every process that is started with this folder on PYTHONPATH: server, indexer, reader, CLI.

Takes the folder named in CHAOS. Lowers the constants that `numbers.json` there names, so that graphs, compaction and
trimming happen at small sizes; writes the hash of every text that is embedded to `embedded`; and ends this process with
SIGKILL at the call of the storing code whose number stands in `strike-PROGRAM`, once. A number counts each call of a
function, ours or SQLite's, and each return: so a process can be killed between any two steps of a commit, however fast
the machine. Nothing of it is known to the product.
"""

import atexit
import json
import os
import signal
import sys
import threading
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path

PROGRAMS = {"reading.serve": "reader", "lsp_server.indexer": "indexer", "index": "cli"}  # by a word of the command
STORING = ("commits", "store", "database", "vector_cache", "vectors", "hnsw", "home", "update")
READING = ("reading", "files", "symbols", "text")  # what counts in the reader, which stores nothing
ENCODER, LAST = "lsp_server.engine.encoder", ("lsp_server.engine.update", "lsp_server.engine.reading")


class Lowering(MetaPathFinder):
    """Has modules of the engine changed as soon as they are there."""

    def __init__(self, folder):
        self.folder = folder
        self.numbers = json.loads((folder / "numbers.json").read_text("utf-8"))

    def find_spec(self, name, path, target=None):
        if name not in self.numbers and name not in (ENCODER, *LAST):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None:
            execute = spec.loader.exec_module
            spec.loader.exec_module = lambda module: (execute(module), self.change(name, module))
        return spec

    def change(self, name, module):
        for path, value in self.numbers.get(name, {}).items():
            *owners, last = path.split(".")
            owner = module
            for one in owners:
                owner = getattr(owner, one)
            assert hasattr(owner, last), f"{name} has no {path}"
            setattr(owner, last, tuple(value) if isinstance(value, list) else value)
        if name == ENCODER:
            self.count_embeddings(module)
        if name in LAST:
            self.strike(Path(module.__file__).parent, name)

    def count_embeddings(self, module):
        from lsp_server.engine.text import text_hash

        encode = module.OnnxEncoder.encode
        log = os.open(self.folder / "embedded", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

        def counted(self, text):
            vector = encode(self, text)
            os.write(log, text_hash(text).hex().encode() + b"\n")
            return vector

        module.OnnxEncoder.encode = counted

    def strike(self, engine, name):
        program = next((name for word, name in PROGRAMS.items() if word in " ".join(sys.orig_argv)), "server")
        if (program == "reader") != name.endswith("reading"):
            return
        order = self.folder / f"strike-{program}"
        try:
            last = int(order.read_text())
            order.unlink()
        except OSError:
            return
        storing = {str(engine / f"{name}.py") for name in (READING if program == "reader" else STORING)}
        done = 0

        def count(frame, event, argument):
            nonlocal done
            if frame.f_code.co_filename in storing:
                done += 1
                if done == last:
                    os.kill(os.getpid(), signal.SIGKILL)

        atexit.register(lambda: (self.folder / f"calls-{program}").write_text(str(done)))
        threading.setprofile(count)
        sys.setprofile(count)


sys.meta_path.insert(0, Lowering(Path(os.environ["CHAOS"])))
