"""What models choose for all users of a day, gone through again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats
from nightslate.engines.engine import Engine
from nightslate.engines.exchange import Rows
from nightslate.kernels import exposure, systematic_draws
from nightslate.kernels.first_groups import Groups
from nightslate.kernels.lists import matrix
from nightslate.kernels.scoring import CHOICES, Scoring

_WRAPS = 2**64


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

    def begins(self, scoring: Scoring, groups: Groups) -> list[list[int]]:
        """Where the users of each unit begin on the line of each group of a systematic draw: behind those of
        all units before. One pass a group."""
        begins: list[list[int]] = [[] for _ in self.units]
        for start in systematic_draws.starts(scoring, groups):

            def length(item: tuple[Rows, list[int]]) -> pa.Table:
                rows, begun = item
                found = systematic_draws.length_of_next(rows.read(CHOICES), scoring, groups, begun)
                return pa.table({"length": pa.array([found], pa.uint64())})

            items = list(zip(self.units, map(list, begins), strict=True))
            found = self.engine.run(length, items, sum(rows.count for rows in self.units))
            for begun, of in zip(begins, list(found), strict=True):
                begun.append(start)
                start = (start + of["length"][0].as_py()) % _WRAPS
        return begins

    def _summed(self, of_choices: Callable[[pa.Table], Floats]) -> Floats:
        def totals(rows: Rows) -> pa.Table:
            return pa.table({"totals": [of_choices(rows.read(CHOICES))]})

        found = self.engine.run(totals, self.units, sum(rows.count for rows in self.units))
        nothing = np.zeros(len(self.arms))
        return np.asarray(sum((matrix(of["totals"])[0] for of in found), nothing))
