"""What a simulation records of the days of its populations, and how it becomes figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.worlds.lift import lift
from nightslate.worlds.marketing_templates.population import Day, at_arms
from nightslate.worlds.marketing_templates.rec_engine import RULE
from nightslate.worlds.marketing_templates.templates import LAUNCHED_ON, NOTHING, ORDER_VALUES
from nightslate.worlds.marketing_templates.world import BOUNCES
from nightslate.worlds.results import HEADLINE_DAYS, PERSONALISED, RANDOMISED, Row

AS_RULE, BEST = "as_rule", "best"
GROUPS = (PERSONALISED, RULE, RANDOMISED, AS_RULE, BEST)
"""The variants of the experiment; and what the personalised customers would have been worth had marketing's
rule, or somebody who knows everything, chosen from the first day on."""


@dataclass(frozen=True, eq=False)
class _DayOfGroup:
    """Customers of a group on a day, all (n,): `number`, the reward of the day as the world expects it and as
    it was `drawn`, and who was sent a message; and `left`, how many have unsubscribed so far. `fresh`: how
    many messages were of templates that were not there from the first day on."""

    number: Ints
    expected: Floats
    drawn: Floats
    sent: Bools
    left: int
    fresh: int


@dataclass
class DailyRecords:
    """Of a simulation from its first day on; days are added in order. A customer who is sent nothing earns
    nothing, whatever the reason: what it costs to lose customers shows in what the others earn."""

    values: Mapping[str, float]
    _days: dict[str, list[_DayOfGroup]] = field(
        default_factory=lambda: {group: [] for group in GROUPS}, init=False
    )

    def add_day(self, group: str, day: Day, mine: Bools, subscribed: Bools) -> None:
        """A day of a population: `mine` (n,) are the customers of the group, `subscribed` (n,) who is still
        there after it."""
        decisions, n = day.decisions, len(day.morning)
        expected, drawn, sent = np.zeros(n), np.zeros(n), np.zeros(n, dtype=np.bool_)
        worth = day.chances.worth(self.values)
        expected[decisions.place] = (1 - BOUNCES) * at_arms(worth, decisions)
        drawn[decisions.place] = self._earned(day)
        sent[decisions.place] = decisions.arm != NOTHING
        fresh = mine[decisions.place] & (LAUNCHED_ON[decisions.arm] > 0)
        self._days[group].append(
            _DayOfGroup(
                number=day.morning.number[mine],
                expected=expected[mine],
                drawn=drawn[mine],
                sent=sent[mine],
                left=int((mine & ~subscribed).sum()),
                fresh=int(fresh.sum()),
            )
        )

    def by_day(self) -> list[dict[str, float | None]]:
        """By day, of each group the expected reward of a customer."""
        return [
            {group: _mean(self._days[group][day].expected) for group in GROUPS}
            for day in range(len(self._days[PERSONALISED]))
        ]

    def unsubscribed(self) -> list[dict[str, float | None]]:
        """By day, which share of the customers of each group has unsubscribed so far."""
        return [
            {group: _share(found[day].left, len(found[day].number)) for group, found in self._days.items()}
            for day in range(len(self._days[PERSONALISED]))
        ]

    def groups(self) -> list[Row]:
        """Of each group over the last days: value (the expected reward of a customer a day), sent (messages
        of a customer a week), unsubscribed (the share of customers, in a week), fresh (the share of messages
        of new templates); and left (the share that unsubscribed since the first day)."""
        return [{"group": group, **self._figures(found)} for group, found in self._days.items()]

    def _figures(self, days: Sequence[_DayOfGroup]) -> dict[str, float | None]:
        last, customers = days[-HEADLINE_DAYS:], len(days[-1].number)
        before = days[-HEADLINE_DAYS - 1].left if len(days) > HEADLINE_DAYS else 0
        sent = np.concatenate([day.sent for day in last]).astype(np.float64)
        share = _mean(sent)
        return {
            "value": _mean(np.concatenate([day.expected for day in last])),
            "sent": None if share is None else 7 * share,
            "unsubscribed": _share((days[-1].left - before) * 7 / len(last), customers),
            "fresh": _share(sum(day.fresh for day in last), float(sent.sum())),
            "left": _share(days[-1].left, customers),
        }

    def reached(self) -> float | None:
        """Of the way from marketing's rule to full knowledge, how far personalised customers are on the last
        days; None where there is none."""
        mine, rule, best = (
            _mean(np.concatenate([day.expected for day in self._days[group][-HEADLINE_DAYS:]]))
            for group in (PERSONALISED, AS_RULE, BEST)
        )
        if mine is None or rule is None or best is None or best <= rule:
            return None
        return (mine - rule) / (best - rule)

    def lift(self, confidence: float) -> Row | None:
        """Of personalised customers over those whom marketing's rule was applied to, on the last days, of
        rewards as they were drawn; None where either earned nothing."""
        treated, control = (self._days[group][-HEADLINE_DAYS:] for group in (PERSONALISED, RULE))
        both = [*treated, *control]
        earned = np.concatenate([day.drawn for day in both])
        who = np.concatenate([day.number for day in both])
        is_treated = np.arange(len(who)) < sum(len(day.number) for day in treated)
        found = lift(earned, who, is_treated, ~is_treated, confidence)
        return None if found is None else asdict(found)

    def _earned(self, day: Day) -> Floats:
        """(m,): what each decision earned, purchases that are still to come included."""
        earned = (
            self.values.get("purchased", 0.0) * day.happened["purchased"] * ORDER_VALUES[day.decisions.arm]
        )
        for kind in ("clicked", "opened", "unsubscribed"):
            earned = earned + self.values.get(kind, 0.0) * day.happened[kind]
        return np.asarray(earned)


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
