"""Whether intervals hold the truth through the closed loop, over 1,000 small worlds of `rollout_allocation`:
users come in, scores learn from what came of those before, shares follow the scores, a ramp goes on to 60 %
and is taken back by what was seen, and signals reduce and stop the treatment by region.

The truth is exact for each user: what it does to it to be assigned the treatment first. Prints by method the
coverage of the interval of one look on the last day, how often that of every look was ever wrong, and by how
much effects are off: in their own standard errors, and in those of the mean over worlds."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from tests.benchmarks.coverage.closed_loop_figures import played
from tests.benchmarks.coverage.contextual_readouts import ALPHA, error, told

pytestmark = pytest.mark.timeout(7200)

WORLDS = 1_000
LEAST, MOST = 0.93, 0.97
"""Of worlds whose truth an interval of 95 % holds."""


def test_intervals_hold_through_the_closed_loop(pool: ProcessPoolExecutor) -> None:
    worlds = list(pool.map(played, range(1, WORLDS + 1), chunksize=10))
    figures = np.array([[*world.figures.values()] for world in worlds], dtype=np.float64)
    of_all = {
        name: np.mean([getattr(world, name) for world in worlds])
        for name in ("rolled_back", "scored_from", "old_phones", "others")
    }
    title = (
        "{worlds:,} worlds; {rolled_back:.0%} rolled back; scores from day {scored_from:.1f} on; on the last"
        " day {old_phones:.0%} of users with old phones are treated, {others:.0%} of others"
    ).format(worlds=WORLDS, **of_all)
    for name, line in told(title, worlds[0].figures, figures).items():
        if name == "naive":
            assert line.coverage < LEAST
            continue
        assert LEAST <= line.coverage <= MOST, name
        assert line.ever <= ALPHA + 2 * error(ALPHA, WORLDS), name
        assert abs(line.off) < 0.2, name
