"""Attempts that stand still before a commit, and wake up when a later one has long been through."""

import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from nightslate.errors import CommitConflictError, SupersededError
from tests.integration.pipeline import world

from . import days, processes
from .conftest import Tell

pytestmark = pytest.mark.timeout(3600)

COMMIT = ("nightslate.tables.commits.DayLog", "commit")
SEAL = ("nightslate.tables.staging.Attempt", "seal")
# What stands still, in the order in which they start: (step, the last thing it does before, the command).
ZOMBIES = {
    "ingest": (COMMIT, processes.step("ingest", days.LAST)),
    "attribute": (COMMIT, processes.step("attribute", days.LAST)),
    "score": (SEAL, processes.step("score", days.LAST)),
    "publish": (COMMIT, processes.night(days.LAST)),
}


def test_zombies_commit_late(home: Path, clean: Path, tell: Tell) -> None:
    """They have seen other outcomes than the night that overtakes them."""
    days.land_other_outcomes(home)
    with ExitStack() as stack:
        zombies = {}
        for step, (moment, command) in ZOMBIES.items():
            zombies[step] = stack.enter_context(
                processes.struck(home, signal.SIGSTOP, (step, "before", *moment), *command)
            )
            zombies[step].wait_until_stopped()
        days.land_outcomes(home)
        processes.run(home, *processes.night(days.LAST))
        assert days.mixed(home, clean) == []
        for zombie in zombies.values():
            zombie.go_on()
        codes = {step: zombie.wait() for step, zombie in zombies.items()}
        said = {step: zombie.said[-2000:] for step, zombie in zombies.items()}

    # Where nights meet, an overtaken one is told to look again: what it finds then is what is there.
    look_again = dict.fromkeys(("ingest", "attribute"), CommitConflictError.exit_code)
    assert codes == {**dict.fromkeys(ZOMBIES, SupersededError.exit_code), **look_again}, said
    assert world.rows(home) == days.rows(clean)
    tell(f"stopped in {', '.join(ZOMBIES)}, overtaken, woken: each was turned away, nothing was undone")
