"""What the help of learners does against an arm that stands for doing nothing, by the gain that they predict.

What was shown on a day is ranked by the models of the night before it, and its effects are corrected by
reward models that were fitted on other users: no row judges what it taught."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import ArrayRecord, Floats
from nightslate.core.hashing import deal, seed
from nightslate.core.policies.learner import RewardModel
from nightslate.core.uplift import Grid, RankedSums, effects, help_shares, per_cost
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.cross_fitting import Evaluator, by_users
from nightslate.kernels.folds import Key
from nightslate.kernels.progressive import Cohort, Cohorts, expected_among, shown_on_days
from nightslate.kernels.rewards import Costs, eligible_arms
from nightslate.kernels.units import Impressions

GAIN, GAIN_BY_COST = RANKINGS = ("gain", "gain by cost")
"""What units are ranked by."""


@dataclass(frozen=True, eq=False)
class Priorities(ArrayRecord):
    """What some units are ranked by (n,)."""

    values: Floats

    def merge(self, other: Self) -> Self:
        """Of those of both."""
        return type(self)(np.concatenate([self.values, other.values]))


@dataclass(frozen=True, eq=False)
class _Predicted:
    """Of n units: what help is expected to gain, less what it costs, and that cost, both against the
    baseline; and how help is chosen among A arms (n, A)."""

    gain: Floats
    cost: Floats
    shares: Floats

    @property
    def priorities(self) -> dict[str, Floats]:
        """(n,) by what units are ranked by."""
        return {GAIN: self.gain, GAIN_BY_COST: per_cost(self.gain + self.cost, self.cost)}


@dataclass(frozen=True)
class Uplift:
    """How cohorts of impressions that stand in one slot are looked at. `baseline`: the arm that help is held
    against, which costs nothing; `costs`: what showing others does."""

    cohorts: Cohorts
    evaluator: Evaluator
    baseline: str
    costs: Costs
    program: str

    @cached_property
    def days_of(self) -> dict[str, list[date]]:
        """By learner that predicts rewards the days that it can be judged on, in order; none of others."""
        found: dict[str, list[date]] = {}
        for day, cohort in sorted(self._cohorts.by_day.items()):
            for name, model in cohort.models.items():
                if isinstance(model.policy, RewardModel):
                    found.setdefault(name, []).append(day)
        return dict(sorted(found.items()))

    @cached_property
    def _cohorts(self) -> Cohorts:
        """Those whose models know the baseline."""
        by_day = {day: each for day, each in self.cohorts.by_day.items() if self.baseline in each.arms}
        return Cohorts(self.cohorts.learners, by_day, self.cohorts.tilted)

    def no_priorities(self) -> dict[Key, Priorities]:
        """Of no units, by learner and ranking."""
        return {key: Priorities(np.empty(0)) for name in self.days_of for key in _keys(name).values()}

    def priorities(self, rows: pa.Table, of_one_in: int) -> Iterator[tuple[Key, Priorities]]:
        """Those of some users: of one in so many, by a hash of the user."""
        sampled = deal(user_keys(rows), seed(self.program, "uplift sample"), of_one_in) == 0
        for mine in by_users(rows.filter(pa.array(sampled))):
            for cohort, units in self._units(mine):
                for name, predicted in self._predicted(cohort, units):
                    for ranking, values in predicted.priorities.items():
                        yield _keys(name)[ranking], Priorities(values)

    def initial(self, grids: Mapping[Key, Grid]) -> dict[Key, Any]:
        """What no rows say, by learner and ranking, of grids by the same."""
        return {key: RankedSums.initial(grid) for key, grid in grids.items()}

    def update(self, rows: pa.Table, grids: Mapping[Key, Grid]) -> Iterator[tuple[Key, Any]]:
        """What all rows of some users say."""
        states, bins = self.initial(grids), seed(self.program, "uplift")
        for mine in by_users(rows):
            for cohort, units in self._units(mine):
                expected, _ = expected_among(units.first, units, cohort.arms, self.evaluator, self.program)
                at = self._place(cohort)
                for name, predicted in self._predicted(cohort, units):
                    net = effects(predicted.shares, units.shown, units.propensity, units.reward, expected, at)
                    for ranking, values in predicted.priorities.items():
                        key, before_costs = _keys(name)[ranking], net + predicted.cost
                        states[key] = states[key].update(
                            grids[key], values, before_costs, predicted.cost, units.users, bins
                        )
        yield from states.items()

    def found(self, states: Mapping[Key, Any]) -> dict[str, tuple[RankedSums, RankedSums]]:
        """By learner the sums by gain, and by gain by cost."""
        return {name: (states[_keys(name)[GAIN]], states[_keys(name)[GAIN_BY_COST]]) for name in self.days_of}

    def _units(self, rows: pa.Table) -> Iterator[tuple[Cohort, Impressions]]:
        """Of each cohort the impressions of which there was a choice between help and the baseline."""
        in_first_slot = rows.filter(pc.equal(rows["slot"], 1))
        for _, cohort, shown in shown_on_days(in_first_slot, self._cohorts):
            eligible = eligible_arms(shown, cohort.arms)
            choosable = eligible[:, self._place(cohort)] & (eligible.sum(axis=1) > 1)
            yield cohort, Impressions.of(shown.filter(pa.array(choosable)), cohort.arms)

    def _predicted(self, cohort: Cohort, units: Impressions) -> Iterator[tuple[str, _Predicted]]:
        at = self._place(cohort)
        costs = np.array([self.costs.get(arm, 0.0) for arm in cohort.arms])
        for name, model in cohort.models.items():
            expected = model.expected_rewards(units.first)
            if expected is not None:
                weights = self.evaluator.weights_of(model, units)
                shares = help_shares(weights, units.eligible, at)
                gain = (shares * expected).sum(axis=1) - expected[:, at]
                yield name, _Predicted(gain, shares @ costs, shares)

    def _place(self, cohort: Cohort) -> int:
        return cohort.arms.index(self.baseline)


def _keys(learner: str) -> dict[str, Key]:
    """By ranking what the states of a learner are called."""
    return {ranking: (f"uplift of {learner} by {ranking}", 0) for ranking in RANKINGS}
