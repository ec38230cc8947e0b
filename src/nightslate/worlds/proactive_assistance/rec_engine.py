"""Who chooses what a visit ends with: the published slates, chance, a rule, or somebody who knows everything.

A decider takes the visits of a day, says who is shown which arm for which issue, and is asked once a day. One
that asks the app is in `served_app`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.hashing import mix, seed, uniform
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.programs import Program
from nightslate.worlds.proactive_assistance.activity import Events, Visits
from nightslate.worlds.proactive_assistance.troubles import ARMS, DISCOUNT, ISSUES, SIGNS
from nightslate.worlds.proactive_assistance.world import Lives, People, World
from nightslate.worlds.published_slates import slates_of_day

SUSPICIOUS: Mapping[str, Mapping[str, int]] = {
    "pricing": {"pricing": 1},
    "usability": {"error": 2},
    "support": {"help": 2, "contact": 1},
}
"""By issue: so many of one of these signs in a visit show whoever has never been here before that it concerns
them."""

AGAIN_AFTER = 7
"""The rule gives nobody a discount twice within so many days."""


class Moment(NamedTuple):
    """What a decider sees of a day: how users are (which only some may look at), who visits, what happens on
    visits, whom which issue concerns by what was known the night before (v, issues), and who is here for the
    first day (v,)."""

    day: int
    lives: Lives
    visits: Visits
    events: Events
    concerned: Bools
    fresh: Bools

    @property
    def visitors(self) -> Lives:
        return self.lives.take(self.visits.place)


class Decisions(NamedTuple):
    """What is shown on a day, one decision a row: the `place` of the subscription, when the visit began in
    seconds of the day (its end is when it is shown), places of issue and arm, and how it came about:
    `propensity` where the engine drew, with `issue_probability` as a factor, both NaN where a slate did,
    whose id and variant then stand beside it. What the app decided has a `decision_id`, and the app lands
    it."""

    place: Ints
    at: Floats
    issue: Ints
    arm: Ints
    propensity: Floats
    issue_probability: Floats
    slate_id: pa.Array
    variant: pa.Array
    decision_id: pa.Array


class Decider(Protocol):
    """Chooses for the visits of a day."""

    def __call__(self, moment: Moment) -> Decisions:
        """At most one decision for each visit."""


def arms_of(program: Program) -> Bools:
    """(issues, arms): which arms each issue of the program chooses among."""
    return np.array([[arm in program.issue(issue).arms.ids for arm in ARMS] for issue in ISSUES])


@dataclass(frozen=True)
class PublishedSlates:
    """Shows the first arm of the newest slate; should a user have slates of several issues, of that of the
    lowest hash. Whoever has just come gets help by chance if the first visit is a suspicious one.

    `folder`: of the table of slates."""

    world: World
    program: Program
    folder: Path
    pseudonymise: Pseudonymiser

    def __call__(self, moment: Moment) -> Decisions:
        """The newest slates of the day, read as any reader does."""
        visitors = moment.visitors
        today: date = self.program.start_date + timedelta(days=moment.day)
        users = self.pseudonymise(pa.array(visitors.people.ids, pa.string()))
        slates = slates_of_day(self.folder, today)
        row = pc.index_in(slates["user_id"].combine_chunks(), users)
        slates = slates.append_column("row", row).filter(row.is_valid())
        row = slates["row"].to_numpy().astype(np.int64)
        issue = pc.index_in(slates["issue"].combine_chunks(), pa.array(ISSUES)).to_numpy().astype(np.int64)
        first = pc.list_element(slates["ranking"].combine_chunks(), 0)
        arm = pc.index_in(first, pa.array(ARMS)).to_numpy().astype(np.int64)
        mine = lowest_hash(self.world, visitors.people, moment.day, row, issue)
        slates = slates.take(pa.array(mine))
        by_slate = Decisions(
            place=moment.visits.place[row[mine]],
            at=moment.visits.at[row[mine]],
            issue=issue[mine],
            arm=arm[mine],
            propensity=np.full(len(mine), np.nan),
            issue_probability=np.full(len(mine), np.nan),
            slate_id=slates["slate_id"].combine_chunks(),
            variant=slates["variant"].combine_chunks(),
            decision_id=pa.nulls(len(mine), pa.string()),
        )
        has_slate = np.isin(np.arange(len(visitors)), row)
        return both(by_slate, by_chance(self.world, self.program, moment, ~has_slate))


@dataclass(frozen=True)
class Chance:
    """Any arm of an issue that concerns the user, as everybody gets before anything is learnt."""

    world: World
    program: Program

    def __call__(self, moment: Moment) -> Decisions:
        """As slates of equal weights would."""
        concerns = moment.concerned | suspicious(moment)
        return _at_random(self.world, arms_of(self.program), moment, concerns)


@dataclass
class DiscountRule:
    """A discount for everyone who looks at the pricing page, but for those who got one in the week before."""

    last: dict[int, int] = field(default_factory=dict, init=False)

    def __call__(self, moment: Moment) -> Decisions:
        """By what is seen on the visit itself."""
        looks = np.flatnonzero(moment.visits.signs[:, SIGNS.index("pricing")])
        numbers = moment.visitors.people.number
        shown = [
            row
            for row in looks.tolist()
            if moment.day - self.last.get(int(numbers[row]), -AGAIN_AFTER) >= AGAIN_AFTER
        ]
        self.last |= {int(numbers[row]): moment.day for row in shown}
        rows = np.array(shown, dtype=np.int64)
        return chosen(moment, rows, np.full(len(rows), ISSUES.index("pricing")), np.full(len(rows), DISCOUNT))


def by_chance(world: World, program: Program, moment: Moment, among: Bools) -> Decisions:
    """Help by chance for those of some visits (v,) that are first ones and suspicious."""
    return _at_random(world, arms_of(program), moment, suspicious(moment) & among[:, None])


def suspicious(moment: Moment) -> Bools:
    """(v, issues): new users whose first visit shows that an issue concerns them."""
    signs = moment.visits.signs
    found = [
        np.any([signs[:, SIGNS.index(sign)] >= least for sign, least in SUSPICIOUS[issue].items()], axis=0)
        for issue in ISSUES
    ]
    return np.asarray(np.stack(found, axis=1) & moment.fresh[:, None])


def lowest_hash(world: World, people: People, day: int, row: Ints, issue: Ints) -> Ints:
    """Of pairs (user, issue) (p,) the places of those that are chosen, one for each user: which issue it is
    depends on nothing that anybody knows."""
    of_issues = np.array([seed(name) for name in ISSUES], dtype=np.uint64)
    drawn = uniform(mix(world.keys(people, "issue", day)[row], of_issues[issue]))
    order = np.lexsort((drawn, row))
    first = np.flatnonzero(np.diff(row[order], prepend=-1))
    return np.asarray(order[first])


def _at_random(world: World, arms: Bools, moment: Moment, concerns: Bools) -> Decisions:
    """Each arm of an issue with equal probability; one issue for each visit that any concerns (v, issues)."""
    people = moment.visitors.people
    row, issue = np.nonzero(concerns)
    mine = lowest_hash(world, people, moment.day, row, issue)
    row, issue = row[mine], issue[mine]
    among = arms[issue]
    drawn = uniform(world.keys(people, "arm", moment.day)[row])
    place = (drawn * among.sum(axis=1)).astype(np.int64)
    arm = np.argmax(np.cumsum(among, axis=1) > place[:, None], axis=1)
    of_issue = 1 / concerns.sum(axis=1)[row]
    return chosen(moment, row, issue, arm)._replace(
        propensity=of_issue / among.sum(axis=1), issue_probability=of_issue
    )


def chosen(moment: Moment, row: Ints, issue: Ints, arm: Ints) -> Decisions:
    """Decisions for some visits that no slate made."""
    nobody = pa.nulls(len(row), pa.string())
    visits = moment.visits
    sure = np.ones(len(row))
    return Decisions(visits.place[row], visits.at[row], issue, arm, sure, sure, nobody, nobody, nobody)


def both(some: Decisions, others: Decisions) -> Decisions:
    """The decisions of two deciders."""
    return Decisions(
        *(
            pa.concat_arrays(pair) if isinstance(pair[0], pa.Array) else np.concatenate(pair)
            for pair in zip(some, others, strict=True)
        )
    )
