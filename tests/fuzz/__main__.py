"""`make fuzz`: 100,000 ugly inputs over all languages through the process that reads files; results in benchmarks/.

Exit status 1 when an input took more with it than its own file. Crashes, hangs and exceptions of the child are counted
and shown with the input that did it; they cost that file alone, and are there to be repaired.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from benchmarks.common import RESULTS, commit, setting, write_results

from .reading import Reader
from .ugly import LANGUAGE_NAMES, Input, inputs

ROUND = 20  # batches: Hypothesis remembers a whole run, so long ones are made of short ones
BATCH = 64
SHOWN = 20  # inputs that broke something, in the results


def main() -> int:
    """Run as many inputs as are asked for; return an exit status."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this long, done or not")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32), help="repeat a run")
    parser.add_argument("--out", type=Path, default=RESULTS / f"fuzz-{commit()}.json")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        reader, number = Reader(Path(folder)), 0
        try:
            while reader.tally.inputs < arguments.inputs and time.monotonic() - began < arguments.seconds:
                play(reader, arguments.seed + number)
                number += 1
                print(f"\r{reader.tally.inputs:,} inputs", end="", flush=True)
            sound = True
        except AssertionError as error:
            print(f"\nthe reading process broke its word: {error}", file=sys.stderr)
            sound = False
        finally:
            reader.close()
    write(arguments.out, reader, arguments.seed, time.monotonic() - began)
    return 0 if sound else 1


def play(reader: Reader, number: int) -> None:
    """Have a round of batches read."""

    @seed(number)
    @settings(
        max_examples=ROUND,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(inputs, min_size=BATCH, max_size=BATCH))
    def read(spoilt: list[Input]) -> None:
        reader.read([*dict.fromkeys(spoilt)])  # Hypothesis likes to say things twice

    read()


def write(path: Path, reader: Reader, began_with: int, seconds: float) -> None:
    """Write the results file, and say the sums."""
    tally = reader.tally
    troubles = {"exceptions": tally.failed, "crashes": tally.crashes, "hangs": tally.hangs}
    sums = {name: sum(map(len, found.values())) for name, found in troubles.items()}
    slowest = max(tally.slowest, key=lambda language: tally.slowest[language], default="")
    rows = {
        language: {
            "read": tally.read[language],
            "left out": tally.left_out[language],
            **{name: len(found.get(language, ())) for name, found in troubles.items()},
            "slowest s": round(tally.slowest.get(language, 0.0), 3),
        }
        for language in LANGUAGE_NAMES
    }
    broke = [f"{name}: {one}" for name, found in troubles.items() for row in found.values() for one in row]
    results = {
        "setting": setting(),
        "seed": began_with,
        "seconds": round(seconds),
        "inputs": tally.inputs,
        **sums,
        "slowest": {"seconds": round(tally.slowest.get(slowest, 0.0), 3), "input": str(tally.worst.get(slowest, ""))},
        "languages": rows,
        "inputs that broke something": broke[:SHOWN],
    }
    write_results(path, results)
    print(
        f"\r{tally.inputs:,} inputs in {seconds:.0f} s; " + ", ".join(f"{count} {name}" for name, count in sums.items())
    )
    print(f"slowest: {results['slowest']}\n{path}")


if __name__ == "__main__":
    sys.exit(main())
