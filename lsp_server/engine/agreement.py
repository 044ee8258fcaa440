"""Agreement: a device is used only after its vectors turned out to be those of the CPU.

Takes a model's folder and the setting `device`, gives an encoder on the first device that starts, agrees with the CPU
(cosine of eight texts) and, for `auto`, is worth it; else one on the CPU. What was found is remembered for the model's
file, the runtime's version and the device, so that it is tried once and not at every start. A device on which this
process died is not tried again.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import psutil

from lsp_server.engine.card import ModelError, read_card
from lsp_server.engine.devices import (
    AUTO,
    CPU,
    ON_REQUEST,
    Device,
    DeviceCrashError,
    DeviceError,
    get_device,
    installed_bases,
    offered,
    try_apart,
    version_of,
)
from lsp_server.engine.encoder import Encoder, load_encoder
from lsp_server.engine.remembered import Remembered

LEAST_COSINE = 0.99  # float32 and its like reach .9999; .835 was seen where a provider read a graph wrongly
WORTH = 1.2  # times the CPU's speed: below that a device only costs memory and current

# Short and long, prose and code, words that some tokenizers take apart: what goes wrong on a device differs by length.
TEXTS = (
    "",
    "sort",
    "Reads a file and returns its lines.",
    "function retry with backoff, file net client. Ask again after a failed request, waiting longer every time.",
    "def add(a: int, b: int) -> int:\n    return a + b",
    "SELECT name, count(*) FROM orders WHERE paid = 0 GROUP BY name HAVING count(*) > 3",
    "für jede Zeile: prüfe, ob `größe` ≥ 0 ist // 検索する",
    "class LruCache: keeps the most recently used entries and drops the others. " * 6,
)

_log = logging.getLogger(__name__)


def open_encoder(folder: Path, device: str, memory: Remembered) -> Encoder:
    """Load a model on the device that the setting asks for. Raises ModelError when the model itself is no good.

    A device that cannot be used is told in the log, and the CPU does its work.
    """
    if read_card(folder).kind != "graph":  # a table is looked up, a server computes on its own devices
        return load_encoder(folder)
    least_speed = WORTH if device == AUTO else 0.0
    for candidate in _candidates(device):
        try:
            if (encoder := _proven(folder, candidate, memory, least_speed)) is not None:
                _log.info("%s computes on %s", folder.name, candidate.id)
                return encoder
        except ModelError as error:
            _log.log(logging.INFO if device == AUTO else logging.WARNING, "%s The CPU is used", error)
    return load_encoder(folder)


def _candidates(wish: str) -> Iterator[Device]:
    if wish == AUTO:
        yield from (device for device in offered() if device.id != CPU and device.id not in ON_REQUEST)
    elif get_device(wish).id != CPU:
        yield get_device(wish)


def _proven(folder: Path, device: Device, memory: Remembered, least_speed: float) -> Encoder | None:
    """Return an encoder that agrees with the CPU, None if it is too slow. Raises DeviceError, ModelError."""
    key = _key(folder, device)
    facts, encoder = memory.get(key), None
    if _died(facts):
        raise DeviceError(
            f"The device {device.id} ended the program when it was tried. 'meaning-ls models choose' tries it again."
        )
    if "cosine" not in facts:
        on_cpu = load_encoder(folder)
        memory.keep(key, {"process": os.getpid()})
        try:
            try_apart(device)
            encoder = load_encoder(folder, device=device.id)
            facts = compare(encoder, on_cpu)
        except DeviceCrashError as error:
            memory.keep(key, {"process": error.process})
            raise
        except DeviceError:  # it does not start: another driver or package may make it start tomorrow
            memory.forget(key)
            raise
        except ModelError:  # its first vector was wrong, and the CPU's was not
            facts = {"cosine": 0.0, "speed": 0.0}
        except BaseException:  # stopped by the user: it did not die of the device
            memory.forget(key)
            raise
        memory.keep(key, facts)
    if facts["cosine"] < LEAST_COSINE:
        raise DeviceError(
            f"The device {device.id} calculates something else than the CPU for this model (cosine "
            f"{facts['cosine']:.3f})."
        )
    if facts["speed"] < least_speed:
        return None
    return encoder or load_encoder(folder, device=device.id)


def _died(facts: Mapping[str, float]) -> bool:
    """Say whether a process began to try a device and is gone without a word."""
    process = int(facts.get("process", 0))
    return process > 0 and process != os.getpid() and not psutil.pid_exists(process)


def compare(encoder: Encoder, on_cpu: Encoder) -> dict[str, float]:
    """Return the least cosine between two encoders' vectors of a text, and how many times as fast the first is."""
    took = []
    vectors = []
    for each in (encoder, on_cpu):
        each.encode(TEXTS[-1])  # the first text builds and copies what later ones find ready
        started = time.perf_counter()
        vectors.append(np.array([each.encode(text) for text in TEXTS], dtype=np.float64))
        took.append(time.perf_counter() - started)
    ours, theirs = vectors
    if not np.isfinite(ours).all() or ours.shape != theirs.shape:
        return {"cosine": 0.0, "speed": 0.0}
    return {"cosine": float((ours * theirs).sum(axis=1).min()), "speed": took[1] / max(took[0], 1e-9)}


def _key(folder: Path, device: Device) -> str:
    versions = [f"{name} {version}" for name, version in installed_bases().items()]
    if device.plugin:
        versions.append(f"{device.package} {version_of(device.package)}")
    return f"{device.id} | {', '.join(versions)} | {read_card(folder).fingerprint()}"
