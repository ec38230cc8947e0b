"""A stand-in for the nights: shares that follow who is at risk, and move by the day."""

import numpy as np

from nightslate.core.allocation import drawn, sticky_probabilities
from nightslate.core.arrays import Floats
from nightslate.worlds.rollout_allocation.app import NOBODY, VARIANTS, Assigned
from nightslate.worlds.rollout_allocation.daily_records import DailyRecords
from nightslate.worlds.rollout_allocation.world import World

WORTHS = {"purchase": 1.0, "trouble": -0.5}


class MovingShares:
    """A ramp of 10 % and then half; from the fifth day on an eighth of users at risk; on the eighth a stop in
    one region."""

    def __init__(self, world: World) -> None:
        self.world, self.records = world, DailyRecords(world, WORTHS, 0.5)
        self.variant = np.full(world.users, NOBODY)
        self.before = np.full((world.users, len(VARIANTS)), np.nan)

    def shares(self, day: int) -> Floats:
        """(n,) of the treatment."""
        world = self.world
        found = np.full(world.users, 0.1 if day < 3 else 0.5)
        if day >= 5:
            found[self.records.at_risk(world.morning(day - 1), day)] = 0.125
        if day == 8:
            found[world.people.region == 0] = 0.0
        return found

    def __call__(self, day: int) -> Assigned:
        known = self.world.people.joins < day
        treatment = self.shares(day)
        now = np.stack([1 - treatment, treatment], axis=1)
        chances = sticky_probabilities(self.before, now, self.variant)
        found = drawn(chances, self.world.draws(day, "stand-in"))
        self.variant = np.where(known, found, NOBODY)
        self.before = np.where(known[:, None], now, np.nan)
        probability = np.where(known, chances[np.arange(len(known)), found], 1.0)
        return Assigned(self.variant, probability, self.before)
