"""Killed at any moment, an index ends as if nothing had happened. `make chaos` is the long form of this."""

import os
import random

import pytest

from .kills import VICTIMS, WORK, Chaos

SEED = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
ON_CLI = ("cli at a step", "cli at a step", "cli's reader", "cli")
ON_SERVER = VICTIMS[3:]


@pytest.fixture(scope="module")
def chaos(tmp_path_factory):
    return Chaos(tmp_path_factory.mktemp("chaos"), SEED)


def told(work, chaos, choice, rounds, kills):
    """Run rounds; a failure names the seed that repeats them."""
    try:
        for number in range(rounds):
            victims = [choice[(number * kills + one) % len(choice)] for one in range(kills)]
            chaos.round(work, victims)
    except BaseException as error:
        error.add_note(f"CHAOS_SEED={SEED} repeats this; after {dict(chaos.kills)} kills")
        raise


@pytest.mark.timeout(300)
@pytest.mark.parametrize("work", WORK)
def test_the_command_line_is_killed(chaos, work):
    told(work, chaos, ON_CLI, rounds=1, kills=4)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("work", "victims"), [("first", ON_SERVER[:3]), ("branch", ON_SERVER[3:])])
def test_server_and_indexer_are_killed(chaos, work, victims):
    told(work, chaos, victims, rounds=1, kills=len(victims))
