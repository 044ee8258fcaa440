"""Remembered: small facts that were measured on this machine, in a JSON file of the cache.

Takes a key and a few numbers, gives them back later, in other processes too. A file that is missing or damaged holds
nothing: whatever was measured is measured again. Written whole, under another name first.
"""

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lsp_server.engine.cache import cache_home, make_way

FORMAT = 1

_log = logging.getLogger(__name__)


class Remembered:
    """Facts by key. Two processes that write at once lose one's fact, never the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, key: str) -> dict[str, float]:
        """Return the numbers kept under `key`; none for what was never measured."""
        return self._read().get(key, {})

    def keep(self, key: str, facts: Mapping[str, float]) -> None:
        """Keep numbers under `key`. Where nothing can be written, nothing is remembered."""
        self._write(self._read() | {key: dict(facts)})

    def forget(self, begins: str = "") -> None:
        """Forget what is kept under keys that begin so."""
        kept = self._read()
        left = {key: facts for key, facts in kept.items() if not key.startswith(begins)}
        if len(left) < len(kept):
            self._write(left)

    def _write(self, kept: Mapping[str, Mapping[str, float]]) -> None:
        text = json.dumps({"format": FORMAT, "facts": kept}, indent=1)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            make_way(self.path)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                Path(name).replace(self.path)
            except OSError:
                with suppress(OSError):
                    Path(name).unlink()
                raise
        except OSError as error:
            _log.info("%s cannot be written (%s)", self.path, error)

    def _read(self) -> dict[str, dict[str, float]]:
        try:
            table = json.loads(self.path.read_text(encoding="utf-8"))
            if table["format"] != FORMAT:
                return {}
            return {
                str(key): {str(name): float(number) for name, number in facts.items()}
                for key, facts in table["facts"].items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            _log.info("%s is not used (%s)", self.path, error)
            return {}


def measured_here(cache_dir: str) -> Remembered:
    """Return what was measured of models and devices on this machine; it lies in the cache, "" is the user's own."""
    return Remembered(cache_home(cache_dir) / "measured.json")
