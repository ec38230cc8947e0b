"""How often intervals at 95 % hold what playing a control would earn, over 1,000 campaigns of the world
`next_best_action` that a champion with levers decided for nine customers of ten, and whether estimates are
those of holdouts in which each policy is played. The surer the champion is of what it prefers, the less its
logs say of others.

Prints, for each value and each difference to the champion, the exact truth, the mean of estimates and of
holdouts, the median effective number of trajectories, the measured coverage by the delta method and by the
bootstrap, and the bias in standard deviations of the estimate. The Monte Carlo error of a coverage of 95 % is
0.7 points, that of a bias .03."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from tests.benchmarks.coverage.campaigns import (
    CONFIDENCE,
    INTERVALS,
    NAMES,
    TARGETS,
    figures_of_a_campaign,
    played,
    worth,
)

from nightslate.kernels.control_evaluation import CHAMPION

pytestmark = pytest.mark.timeout(7200)

CAMPAIGNS = 1000
AIM = (0.93, 0.97)
LEAST_ESS = 50.0
"""What the gate of the program asks for: with fewer effective trajectories nothing is promised."""

FAR = 4.0
"""Standard errors by which the means of estimates and of holdouts may be apart."""


@pytest.mark.parametrize("sureness", [0.3, 0.8])
def test_intervals_hold_what_playing_a_control_earns(sureness: float, pool: ProcessPoolExecutor) -> None:
    numbers = range(1, CAMPAIGNS + 1)
    found = np.array(list(pool.map(partial(figures_of_a_campaign, sureness), numbers, chunksize=10)))
    holdouts = {
        policy: np.array(list(pool.map(partial(played, sureness, policy), numbers, chunksize=50)))
        for policy in (CHAMPION, *NAMES)
    }
    table = Table(
        title=f"{CAMPAIGNS} campaigns of a champion of sureness {sureness}, coverage at {CONFIDENCE:.0%}"
        f" ({', '.join(INTERVALS)})",
        box=None,
        pad_edge=False,
    )
    for column in ("of", "truth", "estimates", "holdouts", "effective", "coverage", "bias / sd"):
        table.add_column(column, justify="left" if column == "of" else "right")
    outside = []
    for (one, other), of_target in zip(TARGETS, found.transpose(1, 3, 0, 2), strict=True):
        value, lower, upper, ess = of_target
        truth = worth(sureness, one) - (worth(sureness, other) if other else 0.0)
        held = ((lower <= truth) & (truth <= upper)).mean(axis=0)
        estimates, of_holdouts = value[:, 0], holdouts[one] - (holdouts[other] if other else 0.0)
        apart = estimates.mean() - of_holdouts.mean()
        error = np.sqrt((estimates.var() + of_holdouts.var()) / CAMPAIGNS)
        name = one if other is None else f"{one} - {other}"
        enough = np.median(ess) >= LEAST_ESS
        table.add_row(
            name,
            *(f"{figure:.3f}" for figure in (truth, estimates.mean(), of_holdouts.mean())),
            f"{np.median(ess):.0f}" if enough else f"!{np.median(ess):.0f}",
            " ".join(f"{100 * share:.1f}" for share in held),
            f"{(estimates.mean() - truth) / estimates.std():+.2f}",
        )
        if enough and not all(AIM[0] <= share <= AIM[1] for share in held):
            outside.append(f"{name} is not held as often as that")
        if abs(apart) > FAR * error:
            outside.append(f"{name} is not what holdouts earn")
    console = Console(width=120)
    console.print()
    console.print(table)
    console.print(
        f"! is under the {LEAST_ESS:.0f} effective trajectories that the gate asks for.", highlight=False
    )
    assert not outside
