"""The same users, with the same luck, in a test whose shares never change: how precisely it reads out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.core.experiments import Effect, Moments, effect
from nightslate.kernels.user_totals import Done
from nightslate.worlds.rollout_allocation.app import CONTROL, NOBODY, TREATMENT, VARIANTS, FixedTest
from nightslate.worlds.rollout_allocation.population import DAY, Day, Population
from nightslate.worlds.rollout_allocation.truth import Counted
from nightslate.worlds.rollout_allocation.world import DEVICES, KINDS, REGIONS, World

_BEFORE = 14
"""Days of what users bought before the first exposure, which is a covariate."""


@dataclass
class FixedReadout:
    """A readout of it, from what its own logs would have: the days come in order."""

    world: World
    shares: tuple[float, ...]
    _population: Population = field(init=False)
    _exposed: Floats = field(init=False)
    _variant: Ints = field(init=False)
    _device: Ints = field(init=False)
    _outcomes: dict[str, list[tuple[Ints, Floats]]] = field(init=False)

    def __post_init__(self) -> None:
        self._population = Population(self.world, FixedTest(self.world, self.shares))
        self._exposed = np.full(self.world.users, np.inf)
        self._variant = np.full(self.world.users, NOBODY)
        self._device = np.full(self.world.users, NOBODY)
        self._outcomes = {kind: [] for kind in KINDS}

    def play(self, day: int) -> Day:
        """A day of it."""
        played = self._population.play(day)
        at = day * DAY + played.at
        variant = played.assigned.variant
        self._variant = np.where(variant == NOBODY, self._variant, variant)
        shown = played.logged & (variant[played.place] != NOBODY)
        place = played.place[shown]
        first = np.isinf(self._exposed[place])
        self._exposed[place[first]] = at[shown][first]
        self._device[place[first]] = played.morning.device[place[first]]
        for kind in KINDS:
            rows = played.happened[kind]
            self._outcomes[kind].append((played.place[rows], (at + played.delays[kind])[rows]))
        return played

    def effect(self, counted: Counted, days: int, confidence: float) -> Effect:
        """Of the treatment after so many days, with what a readout knows of users before as covariates: what
        they bought, where they are, and with what."""
        who = np.flatnonzero(self._exposed + counted.window <= days * DAY)
        first = _microseconds(self._exposed[who])
        until, since = first + _microseconds(counted.window), first - _microseconds(_BEFORE * DAY)
        values = self._done(counted.kind, who).totals(first, first, until)
        earlier = self._done("purchase", who).totals(since, since, first)
        told_apart = (self.world.people.region[who], REGIONS), (self._device[who], DEVICES)
        known = [place == each for place, names in told_apart for each in range(1, len(names))]
        columns = [each for column in (values, earlier, *known) for each in (column, np.ones(who.size))]
        moments = Moments.initial((len(VARIANTS),), len(columns))
        moments = moments.update(self._variant[who], np.stack(columns, axis=1))
        return effect(moments.cell(CONTROL), moments.cell(TREATMENT), confidence)

    def _done(self, kind: str, who: Ints) -> Done:
        """What some users (m,) did."""
        place = np.concatenate([place for place, _ in self._outcomes[kind]])
        at = np.concatenate([at for _, at in self._outcomes[kind]])
        number = np.full(self.world.users, NOBODY)
        number[who] = np.arange(who.size)
        mine = number[place] != NOBODY
        moments = _microseconds(at[mine])
        return Done(number[place[mine]], moments, moments, np.ones(moments.size))


def _microseconds(seconds: Floats | float) -> Ints:
    return np.asarray(np.rint(np.multiply(seconds, 1e6)), dtype=np.int64)
