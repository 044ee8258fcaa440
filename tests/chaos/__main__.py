"""The long form of the kills: `make chaos`, or PYTHONPATH=tests python -m chaos [--kills N] [--seconds N] [--seed N].

Goes on until so many processes were killed amid their work; each project gets a seed of its own, all follow from the
first. What happened is kept in benchmarks/results/chaos-<commit>.json;
a difference ends it with the seed that shows it.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.common import RESULTS, commit, percentile, setting, write_results

from .kills import VICTIMS, WORK, Chaos

ROUNDS = 12  # on one project


def main() -> int:
    parser = argparse.ArgumentParser(description="Kills indexing processes at random moments and compares the index.")
    parser.add_argument("--kills", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this long, done or not")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    done: list[Chaos] = []
    began, seed = time.monotonic(), arguments.seed
    try:
        while _total(done) < arguments.kills and time.monotonic() - began < arguments.seconds:
            seed = chance.randrange(10**6)
            with tempfile.TemporaryDirectory() as folder:
                chaos = Chaos(Path(folder), seed, files=chance.randint(10, 40))
                done.append(chaos)
                for number in range(ROUNDS):
                    work = WORK[number % len(WORK)]
                    chaos.round(work, chance.choices(VICTIMS, k=chance.randint(1, 4)))
                    _say(f"{_total(done)} kills, seed {seed}, {work}: the same index")
                    if _total(done) >= arguments.kills or time.monotonic() - began >= arguments.seconds:
                        break
    except BaseException:
        _say(f"begun with --seed {arguments.seed}; the project's seed is {seed}")
        raise
    lost = [count for chaos in done for count in chaos.lost]
    seconds = [one for chaos in done for one in chaos.seconds]
    path = RESULTS / f"chaos-{commit()}.json"
    write_results(
        path,
        {
            "setting": setting(),
            "seed": arguments.seed,
            "kills": dict(sum((chaos.kills for chaos in done), Counter())),
            "too late": dict(sum((chaos.missed for chaos in done), Counter())),
            "rounds, each with the same index": dict(sum((chaos.rounds for chaos in done), Counter())),
            "texts embedded in vain by a kill": {"mean": round(sum(lost) / len(lost), 2), "most": max(lost)},
            "texts embedded again that were kept": 0,
            "seconds to the whole index": {"median": percentile(seconds, 0.5), "most": max(seconds)},
            "minutes": round((time.monotonic() - began) / 60, 1),
        },
    )
    _say(f"{_total(done)} kills, always the same index: {path}")
    return 0


def _total(done: list[Chaos]) -> int:
    return sum(chaos.kills.total() for chaos in done)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
