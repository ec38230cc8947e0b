"""What a simulation records of the days of its populations, and how it becomes figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.programs import Program
from nightslate.worlds.lift import Lift, lift
from nightslate.worlds.proactive_assistance.full_knowledge import Worths
from nightslate.worlds.proactive_assistance.population import Day
from nightslate.worlds.proactive_assistance.troubles import DISCOUNT, ISSUES, NOTHING
from nightslate.worlds.results import HEADLINE_DAYS, PERSONALISED, RANDOMISED, Row

CHANCE, RULE, BEST = "chance", "rule", "best"
GROUPS = (PERSONALISED, RANDOMISED, CHANCE, RULE, BEST)
"""Users whom the program personalises help for, and those whom it randomises; and what the subscriptions of
the former would be worth by chance, by the rule and with full knowledge."""


@dataclass(frozen=True, eq=False)
class _DayOfGroup:
    """Users of a group on a day, all (n,): `number`, `net` reward as the world expects it and as it was
    `drawn`, whether they were shown `help` and a `discount`; and how many are `left` of the first day's
    users."""

    number: Ints
    net: Floats
    drawn: Floats
    help: Bools
    discount: Bools
    left: int


@dataclass
class DailyRecords:
    """Of a simulation from its first day on; days are added in order.

    A user's net reward on a day is what the program's rewards make of it: what opened help is worth less what
    help costs, less what staying is worth times the chance to cancel on that day. Over the horizon of staying
    this is what a user who is there at its beginning earns."""

    program: Program
    horizon: int
    _days: dict[str, list[_DayOfGroup]] = field(
        default_factory=lambda: {group: [] for group in GROUPS}, init=False
    )

    def add_day(self, group: str, day: Day, mine: Bools, first_ones: Bools) -> None:
        """A day of a population: `mine` (n,) are the subscriptions held by users of the group, `first_ones`
        those whose first user is still there after it."""
        expected, drawn = _net(self.program, day)
        help_, discount = np.zeros(len(mine), dtype=np.bool_), np.zeros(len(mine), dtype=np.bool_)
        decisions = day.decisions
        help_[decisions.place[decisions.arm != NOTHING]] = True
        discount[decisions.place[decisions.arm == DISCOUNT]] = True
        self._days[group].append(
            _DayOfGroup(
                number=day.morning.people.number[mine],
                net=expected[mine],
                drawn=drawn[mine],
                help=help_[mine],
                discount=discount[mine],
                left=int((first_ones & mine).sum()),
            )
        )

    def values(self) -> list[dict[str, float | None]]:
        """By day, of each group the net reward of a user over a horizon, at the rate of the day."""
        return [
            {group: self._value([found]) for group, found in zip(GROUPS, of_day, strict=True)}
            for of_day in self._by_day()
        ]

    def retention(self, first: Mapping[str, int]) -> list[dict[str, float | None]]:
        """By day, which share of the first day's users of each group is left. `first`: how many it had."""
        return [
            {
                group: found.left / first[group] if first[group] else None
                for group, found in zip(GROUPS, of_day, strict=True)
            }
            for of_day in self._by_day()
        ]

    def groups(self) -> list[Row]:
        """Of each group over the last days the value, and over all days what a user is shown in 30 days."""
        found = []
        for group in GROUPS:
            days = self._days[group]
            shown, discounts = (
                _mean(np.concatenate([getattr(day, name) for day in days]).astype(np.float64))
                for name in ("help", "discount")
            )
            found.append(
                {
                    "group": group,
                    "value": self._value(days[-HEADLINE_DAYS:]),
                    "helps": None if shown is None else 30 * shown,
                    "discounts": None if discounts is None else 30 * discounts,
                }
            )
        return found

    def reached(self) -> float | None:
        """Of the way from chance to full knowledge, how far the personalised users are on the last days."""
        mine, chance, best = (
            self._value(self._days[group][-HEADLINE_DAYS:]) for group in (PERSONALISED, CHANCE, BEST)
        )
        if mine is None or chance is None or best is None:
            return None
        return (mine - chance) / (best - chance)

    def lift(self, confidence: float) -> Lift | None:
        """Of personalised over randomised users on the last days, of rewards as they were drawn."""
        treated, control = (self._days[group][-HEADLINE_DAYS:] for group in (PERSONALISED, RANDOMISED))
        both = [*treated, *control]
        earned = self._worth / self.horizon + np.concatenate([day.drawn for day in both])
        who = np.concatenate([day.number for day in both])
        is_treated = np.arange(len(who)) < sum(len(day.number) for day in treated)
        return lift(earned, who, is_treated, ~is_treated, confidence)

    def lift_row(self, confidence: float) -> Row | None:
        """The lift as the results have it."""
        found = self.lift(confidence)
        return None if found is None else asdict(found)

    def _by_day(self) -> Iterator[tuple[_DayOfGroup, ...]]:
        """Of each day that of each of GROUPS."""
        return zip(*(self._days[group] for group in GROUPS), strict=True)

    def _value(self, days: Sequence[_DayOfGroup]) -> float | None:
        mean = _mean(np.concatenate([day.net for day in days]))
        return None if mean is None else self._worth + self.horizon * mean

    @property
    def _worth(self) -> float:
        """What it is worth that a user stays."""
        survival = next(iter(self.program.issues.values())).rewards.survival
        return 0.0 if survival is None else survival.value


def _net(program: Program, day: Day) -> tuple[Floats, Floats]:
    """(n,) each: expected and drawn."""
    worths = [Worths.of(program.issue(issue)) for issue in ISSUES]
    expected, drawn = (-worths[0].staying * each for each in (day.cancels, day.cancelled.astype(np.float64)))
    decisions = day.decisions
    for place, worth in enumerate(worths):
        row = np.flatnonzero(decisions.issue == place)
        at, costs = decisions.place[row], worth.costs[decisions.arm[row]]
        expected[at] += worth.opened * day.likely_opened[row] - costs
        drawn[at] += worth.opened * day.opened[row] - costs
    return expected, drawn


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None
