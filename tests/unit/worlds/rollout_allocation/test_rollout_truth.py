"""The true effect of a first assignment, against paths that are walked one by one, and against readouts."""

import numpy as np
import pytest
from tests.unit.worlds.rollout_allocation.moving_shares import MovingShares

from nightslate.core.arrays import Floats, Ints
from nightslate.core.experiments import Difference, Moments, effect
from nightslate.worlds.rollout_allocation.app import CONTROL, NOBODY, TREATMENT
from nightslate.worlds.rollout_allocation.fixed_test import FixedReadout
from nightslate.worlds.rollout_allocation.population import DAY, Day, Population, share_by
from nightslate.worlds.rollout_allocation.truth import Counted, FirstAssignments
from nightslate.worlds.rollout_allocation.world import REGIONS, World

WINDOW = 4 * DAY
PURCHASES = Counted("purchase", WINDOW)


class Played:
    """Some days of a world whose shares move, and what logs would say of each user."""

    def __init__(self, users: int, seed: int, days: int) -> None:
        self.world = World(users, seed)
        self.assigns = MovingShares(self.world)
        population = Population(self.world, self.assigns)
        self.truth, self.days = FirstAssignments(self.world, sticky=True), list[Day]()
        self.variant, self.share = np.full(users, NOBODY), np.full(users, np.nan)
        for number in range(days):
            day = population.play(number)
            first = (self.variant == NOBODY) & day.assigned.known
            self.variant = np.where(first, day.assigned.variant, self.variant)
            self.share = np.where(first, self.assigns.shares(number), self.share)
            self.truth.add(day)
            self.days.append(day)

    def counted(self, counted: Counted) -> Floats:
        """(n,) of each user in the time since the first exposure."""
        found = np.zeros(self.world.users)
        for day in self.days:
            rows = day.happened[counted.kind]
            place = day.place[rows]
            at = (day.day * DAY + day.at + day.delays[counted.kind])[rows]
            since = self.truth.exposed[place]
            mine = (at >= since) & (at < since + counted.window)
            found += np.bincount(place[mine], minlength=self.world.users)
        return found

    def difference(self, counted: Counted, who: Ints, weighted: bool) -> Difference:
        chance = np.where(self.variant == TREATMENT, self.share, 1 - self.share)[who]
        weight = 1 / chance if weighted else np.ones(who.size)
        values = np.stack([self.counted(counted)[who] * weight, weight], axis=1)
        moments = Moments.initial((2,), 2).update(self.variant[who], values)
        return effect(moments.cell(CONTROL), moments.cell(TREATMENT), 0.95).difference


def walked(played: Played, user: int, first: int, draws: np.random.Generator, paths: int) -> float:
    """The mean of what is counted of a user over so many paths that begin in a variant."""
    world, since = played.world, played.truth.exposed[user]
    begins = int(played.truth.first_day[user])
    variant, treated_since = np.full(paths, first), np.full(paths, 1000)
    before, total = played.assigns.shares(begins)[user], 0.0
    for day in played.days[begins:]:
        share = played.assigns.shares(day.day)[user]
        had, has = (np.where(variant == TREATMENT, each, 1 - each) for each in (before, share))
        leaves = draws.random(paths) >= np.minimum(1.0, has / had)
        variant, before = np.where(leaves, 1 - variant, variant), share
        treated = variant == TREATMENT
        treated_since[treated] = np.minimum(treated_since[treated], day.day)
        for row in np.flatnonzero(day.place == user):
            control, lasting, incident = (part["purchase"][row] for part in vars(day.chances).values())
            times = world.novelty(day.day - treated_since)
            added = np.clip(control + lasting * times + incident, 0, 0.95) - control
            at = day.day * DAY + day.at[row]
            ends = share_by(world, "purchase", np.array(since + WINDOW - at))
            total += (added * treated).mean() * (ends - share_by(world, "purchase", np.array(since - at)))
    return float(total)


def test_the_truth_is_the_mean_over_paths() -> None:
    played = Played(400, 1, 12)
    effects, counts = played.truth.effects(PURCHASES), played.truth.counts(PURCHASES, 12)
    moved = [user for user in np.flatnonzero(counts) if played.truth.first_day[user] in (1, 4, 5)]
    lost = [
        user
        for user in moved
        for day in played.days[played.truth.first_day[user] :]
        if ((day.place == user) & ~day.logged & (day.day * DAY + day.at < played.truth.exposed[user])).any()
    ]
    draws, users, paths = np.random.default_rng(1), [*moved[::4], *lost], 4000
    assert len(moved[::4]) > 8
    assert lost
    for user in users:
        treatment, control = (walked(played, user, first, draws, paths) for first in (TREATMENT, CONTROL))
        assert effects[user] == pytest.approx(treatment - control, abs=0.008)
    assert np.abs(effects[users]).max() > 0.06


def test_a_user_who_stays_gains_what_the_treatment_adds_to_the_visits_of_the_window() -> None:
    """Of users at half from the first assignment on: nobody moves, so the way is one."""
    played = Played(2000, 2, 12)
    truth, effects = played.truth, played.truth.effects(PURCHASES)
    late = truth.counts(PURCHASES, 12) & (truth.first_day == 4)
    safe = late & ~played.assigns.records.at_risk(played.days[-1].morning, 11)
    safe &= (played.world.people.region != 0) & (played.world.people.changes_on > 12)
    assert safe.sum() > 20
    for user in np.flatnonzero(safe)[:10]:
        expected = 0.0
        for day in played.days[4:]:
            for row in np.flatnonzero(day.place == user):
                times = played.world.novelty(np.full(len(day.place), day.day - 4))
                at, since = day.day * DAY + day.at[row], truth.exposed[user]
                within = share_by(played.world, "purchase", np.array(since + WINDOW - at))
                within -= share_by(played.world, "purchase", np.array(since - at))
                expected += day.chances.added("purchase", times)[row] * within
        assert effects[user] == pytest.approx(expected)


def test_readouts_by_the_first_assignment_find_the_truth_and_the_naive_difference_does_not() -> None:
    off = []
    for seed in range(16):
        played = Played(2500, seed, 18)
        who = np.flatnonzero(played.truth.counts(PURCHASES, 18))
        true = played.truth.effects(PURCHASES)[who].mean()
        found = [played.difference(PURCHASES, who, weighted) for weighted in (True, False)]
        off.append([(each.effect - true) / each.stderr for each in found])
    weighted, naive = np.mean(off, axis=0)
    assert abs(weighted) < 3 / np.sqrt(len(off))
    assert np.std([each[0] for each in off]) < 1.6
    assert naive > 6 / np.sqrt(len(off))


def test_who_could_be_in_one_variant_only_is_not_spoken_of() -> None:
    played = Played(2000, 3, 16)
    counts = played.truth.counts(PURCHASES, 16)
    stopped = (played.truth.first_day == 8) & (played.world.people.region == 0)
    assert stopped.sum() > 10
    assert not counts[stopped].any()
    assert counts[(played.truth.first_day == 8) & ~stopped].any()


def test_cells_are_of_the_first_exposure() -> None:
    played = Played(1500, 4, 12)
    regions = played.truth.cells("region")
    assert {*regions} == {*REGIONS, None}
    assert (regions[None] == ~played.world.people.located).all()
    assert sum(cell.sum() for cell in regions.values()) == 1500
    seen = np.isfinite(played.truth.exposed)
    devices = played.truth.cells("device")
    assert (sum(cell.astype(int) for cell in devices.values()) == seen).all()


def test_the_fixed_test_reads_out_the_plain_difference_of_the_same_users() -> None:
    world = World(1500, 5)
    readout = FixedReadout(world, (0.5, 0.5))
    days = [readout.play(number) for number in range(12)]
    variant, exposed = np.full(1500, NOBODY), np.full(1500, np.inf)
    counted = np.zeros(1500)
    for day in days:
        variant = np.where(variant == NOBODY, day.assigned.variant, variant)
        shown = day.place[day.logged & (variant[day.place] != NOBODY)]
        at = np.full(1500, np.inf)
        at[day.place] = day.day * DAY + day.at
        exposed[shown] = np.minimum(exposed[shown], at[shown])
    for day in days:
        for row in np.flatnonzero(day.happened["purchase"]):
            at = day.day * DAY + day.at[row] + day.delays["purchase"][row]
            user = day.place[row]
            counted[user] += exposed[user] <= at < exposed[user] + WINDOW
    who = exposed + WINDOW <= 12 * DAY
    found = readout.effect(PURCHASES, 12, 0.95)
    treated, control = (counted[who & (variant == each)] for each in (TREATMENT, CONTROL))
    assert found.difference.effect == pytest.approx(treated.mean() - control.mean())
    expected = np.sqrt(treated.var(ddof=1) / treated.size + control.var(ddof=1) / control.size)
    assert found.difference.stderr == pytest.approx(expected)
    assert found.cuped is not None
    assert found.cuped.stderr < found.difference.stderr * 1.001
