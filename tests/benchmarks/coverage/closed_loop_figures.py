"""What a rollout in small reads out, beside what is true of the very users that it speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from tests.benchmarks.coverage.closed_loop import (
    DAYS,
    FIRST,
    MICROSECONDS,
    USERS,
    WINDOW,
    ClosedLoop,
    salt_of,
)
from tests.benchmarks.coverage.contextual_readouts import ALPHA, Readout, Users, misses, of_world

from nightslate.core.arrays import Bools, Floats, Ints, Keys
from nightslate.core.experiments import Difference, Moments, effect
from nightslate.core.experiments.effect import difference_of
from nightslate.core.uplift import Grid, RankedSums, figures_by_gain
from nightslate.core.uplift.figures import AUTOC
from nightslate.core.uplift.ranked import BINS
from nightslate.kernels.experiment_users import EPOCH, SHOWN_COLUMNS, Allocated, ExperimentUsers
from nightslate.kernels.lists import place_in
from nightslate.kernels.readout_paths import Paths
from nightslate.kernels.user_totals import Done
from nightslate.programs.readouts import Metric
from nightslate.records.instants import INSTANT
from nightslate.worlds.rollout_allocation.app import TREATMENT, VARIANTS
from nightslate.worlds.rollout_allocation.population import DAY, Day, Population, share_by
from nightslate.worlds.rollout_allocation.truth import Counted, FirstAssignments
from nightslate.worlds.rollout_allocation.world import OLD, World

LOOKS = range(12, DAYS + 1, 2)
COUNTED = Counted("purchase", WINDOW * DAY)
PATH_WINDOW = 7


@dataclass(frozen=True)
class Played:
    """What is told of a world: by method a row of `contextual_readouts.told`; whether the ramp was rolled
    back, the first day with scores, and on the last one the shares of users with old phones, and of others,
    who are treated."""

    figures: dict[str, list[float]]
    rolled_back: bool
    scored_from: int
    old_phones: float
    others: float


def played(seed: int) -> Played:
    """The world of a seed to its end, looked at on every other of its last days."""
    world = World(USERS, seed)
    loop, first = ClosedLoop(world), FirstAssignments(world, sticky=True)
    population, days = Population(world, loop), list[Day]()
    ever, found, right = dict[str, bool](), dict[str, Difference](), dict[str, float]()
    for number in range(DAYS):
        day = population.play(number)
        first.add(day)
        loop.night(day)
        days.append(day)
        if number + 1 in LOOKS:
            found, right = looked_at(loop, first, number + 1)
            ever = {name: ever.get(name, False) | misses(each, right[name]) for name, each in found.items()}
    path, truth = by_path(loop, days)
    found, right, ever = {**found, "path": path}, {**right, "path": truth}, {**ever, "path": False}
    old, known = days[-1].morning.device == OLD, days[-1].assigned.known
    treated = [float(days[-1].assigned.treated[known & group].mean()) for group in (old, ~old)]
    return Played(
        dict(zip(found, of_world(found, right, ever), strict=True)),
        loop.rolled_back,
        loop.scored_from or DAYS,
        *treated,
    )


def looked_at(
    loop: ClosedLoop, first: FirstAssignments, days: int
) -> tuple[dict[str, Difference], dict[str, float]]:
    """After so many days what readouts say, and what is true of the same users."""
    who, users = loop.users(COUNTED.kind, days)
    groups = {"old phones": users.risk == 1, "others": users.risk == 0}
    readout, effects, keys = Readout(users), first.effects(COUNTED)[who], loop.world.people.key[who]
    found = readout.by_method(groups)
    gains = readout.crossfitted[:, [0, 2]] @ np.array([-1.0, 1.0])
    value, stderr = autoc(users.x, gains, keys)
    n, effective = [len(who)], [float(len(who))]
    found["autoc"] = difference_of(value, stderr**2, BINS - 1, n, effective, 1 - ALPHA)
    return found, {**truths(users, effects, groups, found), "autoc": autoc(users.x, effects, keys)[0]}


def truths(
    users: Users, effects: Floats, groups: Mapping[str, Bools], found: Mapping[str, Difference]
) -> dict[str, float]:
    """What each method is about, by the effects (u,) on users."""
    right = dict.fromkeys(found, float(effects.mean()))
    for name, mine in groups.items():
        right |= {each: float(effects[mine].mean()) for each in found if each.endswith(f", {name}")}
    return right | {"policy": float(((users.treated - users.share) * effects).mean())}


def autoc(priority: Floats, gains: Floats, keys: Keys) -> tuple[float, float]:
    """AUTOC of gains (u,) by a priority (u,), and its standard error."""
    grid = Grid.of_quantiles(priority)
    sums = RankedSums.initial(grid).update(grid, priority, gains, np.zeros(len(gains)), keys, 0)
    (found,) = (each for each in figures_by_gain(sums.ranked, 1 - ALPHA) if each.figure == AUTOC)
    return found.value, found.stderr or 0.0


def by_path(loop: ClosedLoop, days: list[Day]) -> tuple[Difference, float]:
    """What it does a day to be in the treatment and stay there, as the night tells it, and in truth."""
    allocated = Allocated(salt_of(loop.world), VARIANTS, loop.shares, by_user=True)
    nothing = pa.table(
        {name: pa.array([], INSTANT if name == "occurred_at" else pa.string()) for name in SHOWN_COLUMNS}
    )
    assignments = pa.concat_tables(
        rows.append_column("slate_date", pa.repeat(day, rows.num_rows))
        for day, rows in zip([*loop.shares][: DAYS - 1], loop.assignments, strict=False)
    )
    users = ExperimentUsers.of(allocated, assignments, nothing)
    paths = Paths.of(allocated, assignments, users)
    user, at = loop.outcomes(COUNTED.kind)
    place = place_in(loop.ids, users.ids)[user]
    moment = ((FIRST - EPOCH).days * DAY + at[place >= 0]) * MICROSECONDS
    done = Done(place[place >= 0], moment.astype(np.int64), moment.astype(np.int64), np.ones(moment.size))
    metric = Metric(source="outcomes", where={"kind": COUNTED.kind}, window=f"{PATH_WINDOW}d")
    values, could = paths.sums(metric, [done], users.assigned), users.could.all(axis=1)
    sums = Moments.initial((len(VARIANTS),), 2).update(users.variant[could], values[could])
    found = effect(sums.cell(0), sums.cell(TREATMENT), 1 - ALPHA).difference
    return found, _of_staying(loop, days, place_in(users.ids, loop.ids)[could])


def _of_staying(loop: ClosedLoop, days: list[Day], who: Ints) -> float:
    """Of some users (m,), by place in the world."""
    begin, gained = loop.first_day, np.zeros(loop.world.users)
    until = np.minimum(begin + PATH_WINDOW, DAYS)
    for day in days:
        mine = begin[day.place] <= day.day
        place = day.place[mine]
        added = day.chances.added(COUNTED.kind, loop.world.novelty(day.day - begin[day.place]))[mine]
        left = until[place] * DAY - (day.day * DAY + day.at[mine])
        gained[place] += added * share_by(loop.world, COUNTED.kind, left)
    return float(gained[who].sum() / (until - begin)[who].sum())
