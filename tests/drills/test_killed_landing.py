"""What lands messages is killed at every change of a file and at any time, and run again until it is done."""

import itertools
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.landing import broker, landed

from .conftest import Tell

MESSAGES, BATCH = 6000, 1500
STRUCK = {-signal.SIGKILL, -signal.SIGALRM}

pytestmark = pytest.mark.timeout(3600)


def test_landing_is_killed_at_every_change_of_a_file_and_at_any_time(tmp_path: Path, tell: Tell) -> None:
    """Each warehouse once at a moment of its own, then at random ones; then it is run to its end."""
    messages = landed.outcomes(MESSAGES)
    expected = Counter(value for _, value, _ in messages)
    chance = random.Random(1)  # noqa: S311 (no secret)
    kills = Counter[int]()
    with broker.running(broker.tansu(), broker.free_port()) as address:
        broker.create(address, "outcomes", 3)
        broker.produce(address, "outcomes", messages)
        options = ("--flush-size", str(BATCH), "--close", str(landed.FIRST), *landed.impatient(tmp_path))
        with landed.forking() as process:
            runs = landed.Runs(process, f"kafka://{address}/outcomes", options)
            for moment in itertools.count(1):
                home = tmp_path / str(moment)
                first = runs.run(home, str(moment))
                if not first:
                    break
                again = [str(chance.randrange(1, 60)), f"{chance.uniform(0.01, 0.5):.3f}s"]
                for code in (first, *(runs.run(home, other) for other in again)):
                    assert code in STRUCK | {0}
                    kills[code] += 1
                    if landed.closed(home):
                        assert landed.lines(home) == expected, moment
                assert runs.run(home) == 0
                assert landed.lines(home) == expected, moment
                assert landed.closed(home) == [f"ds={landed.FIRST}"]
    struck = kills[-signal.SIGKILL] + kills[-signal.SIGALRM]
    tell(
        f"{MESSAGES:,} messages, {moment - 1} warehouses, killed {struck} times ({kills[-signal.SIGALRM]} by"
        " the clock), run again until done: no message lost, none doubled, a closed day always whole"
    )
