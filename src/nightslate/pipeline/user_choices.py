"""What models choose for all users of a day, gone through again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats
from nightslate.engines.engine import Engine
from nightslate.engines.exchange import Rows
from nightslate.kernels import budget_draws, exposure
from nightslate.kernels.first_groups import Groups
from nightslate.kernels.lists import matrix
from nightslate.kernels.scoring import CHOICES, Scoring


@dataclass(frozen=True)
class UserChoices:
    """`CHOICES` by unit of users, over these arms; sums are merged in the order of units."""

    engine: Engine
    units: Sequence[Rows]
    arms: tuple[str, ...]
    slots: int

    def exposures(self, scoring: Scoring, variants: frozenset[str]) -> Floats:
        """(arms,) how often each is expected to be shown to the users of some variants."""
        arms, slots = self.arms, self.slots
        return self._summed(lambda choices: exposure.exposures(choices, scoring, variants, arms, slots))

    def floor_exposures(self, scoring: Scoring, variants: frozenset[str]) -> Floats:
        """(arms,) how often because of the floor alone, in the first slot."""
        arms = self.arms
        return self._summed(lambda choices: exposure.floor_exposures(choices, scoring, variants, arms))

    def expected_reward(self, scoring: Scoring, variants: frozenset[str]) -> float:
        """What models expect the users of some variants to earn; NaN where one has no view."""
        slots = self.slots

        def reward(rows: Rows) -> pa.Table:
            found = exposure.expected_reward(rows.read(CHOICES), scoring, variants, slots)
            return pa.table({"reward": [found]})

        found = self.engine.run(reward, self.units, sum(rows.count for rows in self.units))
        return float(sum(of["reward"][0].as_py() for of in found))

    def first_groups(self, scoring: Scoring, groups: Groups) -> pa.Table:
        """`SETTLED` of the users whose group of arms does not follow from their unit alone: a few of each
        unit."""

        def left_open(rows: Rows) -> pa.Table:
            return budget_draws.left_open(rows.read(CHOICES), scoring, groups)

        found = self.engine.run(left_open, self.units, sum(rows.count for rows in self.units))
        left = pa.concat_tables([budget_draws.OPEN.empty_table(), *found])
        return budget_draws.settle(left, scoring, groups)

    def _summed(self, of_choices: Callable[[pa.Table], Floats]) -> Floats:
        def totals(rows: Rows) -> pa.Table:
            return pa.table({"totals": [of_choices(rows.read(CHOICES))]})

        found = self.engine.run(totals, self.units, sum(rows.count for rows in self.units))
        nothing = np.zeros(len(self.arms))
        return np.asarray(sum((matrix(of["totals"])[0] for of in found), nothing))
