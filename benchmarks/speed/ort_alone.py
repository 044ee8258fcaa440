"""ONNX Runtime and nothing else: the least time in which these texts can be embedded.

    python -m benchmarks.speed.ort_alone GRAPH TOKENS.npz THREADS

A process of its own: loads the graph with the session options that the engine uses, runs the token ids one text at a
time on so many threads, prints seconds as JSON. Imports nothing of the engine.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time

import numpy as np
import onnxruntime
from numpy.typing import NDArray


def main() -> None:
    """Run the texts and print {"load", "run", "cpu"} in seconds."""
    graph, tokens, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    started = time.perf_counter()
    session = _session(graph)
    with np.load(tokens) as stored:
        texts = np.split(stored["ids"], np.cumsum(stored["lengths"])[:-1])
    loaded = time.perf_counter()
    _run(session, texts, threads)
    ended = time.perf_counter()
    print(json.dumps({"load": loaded - started, "run": ended - loaded, "cpu": time.process_time()}))


def _session(graph: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _run(session: onnxruntime.InferenceSession, texts: list[NDArray[np.int64]], threads: int) -> None:
    """Every text once, each by whichever thread is free."""
    wanted = {node.name for node in session.get_inputs()}
    output = [session.get_outputs()[0].name]
    numbers = itertools.count()

    def work() -> None:
        while (number := next(numbers)) < len(texts):
            ids = texts[number][np.newaxis]
            feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
            session.run(output, {name: feeds[name] for name in wanted})

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()
