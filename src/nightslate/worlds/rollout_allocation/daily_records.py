"""What a simulation records of each day: who is treated where, and whom that harms, beside a test whose
shares never change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nightslate.core.arrays import Bools, Floats
from nightslate.worlds.results import Row
from nightslate.worlds.rollout_allocation.app import TREATMENT
from nightslate.worlds.rollout_allocation.incidents import Incident
from nightslate.worlds.rollout_allocation.population import Day
from nightslate.worlds.rollout_allocation.world import KINDS, REGIONS, Chances, Morning, World

_REACTED = 0.75
"""Of its share of treated users on the day before a signal could be acted on, what a region has at most once
it was."""


@dataclass
class DailyRecords:
    """Of an app whose users the program assigns; days are added in order. worths: what a purchase is worth,
    and trouble; fixed_share: that of the treatment in the test that the same users could have been in."""

    world: World
    worths: Mapping[str, float]
    fixed_share: float
    _days: list[Row] = field(default_factory=list, init=False)
    _by_region: list[list[float | None]] = field(default_factory=list, init=False)

    def add_day(self, day: Day) -> None:
        """A day as the app played it."""
        known = day.assigned.known & day.morning.present
        at_risk = self.at_risk(day.morning, day.day)
        people, treated = self.world.people, day.assigned.treated
        self._days.append(
            {
                "present": int(day.morning.present.sum()),
                "assigned": int(known.sum()),
                "at_risk": _mean(at_risk[known]),
                "treated_at_risk": _mean(treated[known & at_risk]),
                "treated_others": _mean(treated[known & ~at_risk]),
                **self._harms(day, at_risk),
            }
        )
        heeded = [known & people.located & (people.region == place) for place in range(len(REGIONS))]
        self._by_region.append([_mean(treated[mine]) for mine in heeded])

    def at_risk(self, morning: Morning, day: int) -> Bools:
        """(n,) whom the treatment harms in the long run, whatever happens outside."""
        everybody = self.world.chances(morning, day).without_incidents
        return np.asarray(self._worth(everybody, np.ones(self.world.users)) < 0)

    def by_day(self) -> list[Row]:
        """By day: users who are present, those in the experiment, their share at_risk, the shares of these
        and of others who are treated, and what harm and help came of visits, see `harm`."""
        return self._days

    def harm(self, of: str, last: int | None = None) -> tuple[float, float]:
        """What the treatment cost `of` users at_risk or all whom a visit harmed, as expected by the world
        given who was in which variant: here, and in the fixed test; over the last so many days or all."""
        days = self._days[-last:] if last else self._days
        return sum(day[f"harm_{of}"] for day in days), sum(day[f"fixed_harm_{of}"] for day in days)

    def help(self) -> tuple[float, float]:
        """What it earned of visits that it helped, here and in the fixed test."""
        return sum(day["help"] for day in self._days), sum(day["fixed_help"] for day in self._days)

    def reactions(self) -> list[Row]:
        """Of each incident that could be acted on: where, from which and before which day, its severity, the
        day on which it was known; of the region's users who agree to its use the share of treated ones before
        it could be acted on, the least since, and after how many days that was a quarter lower; None where it
        was not, or nobody was treated before."""
        played = len(self._days)
        return [
            self._reaction(incident)
            for incident in self.world.incidents.begun(played - 1)
            if incident.acted_on_from < min(played, incident.ends)
        ]

    def _reaction(self, incident: Incident) -> Row:
        begins = incident.acted_on_from
        before, *since = (
            self._by_region[day][incident.region]
            for day in range(begins - 1, min(incident.ends, len(self._days)))
        )
        told = [(number, share) for number, share in enumerate(since) if share is not None]
        lower = [number for number, share in told if before and share <= _REACTED * before]
        return {
            "region": REGIONS[incident.region],
            "severity": incident.severity,
            "begins": incident.begins,
            "ends": incident.ends,
            "announced": incident.announced,
            "before": before,
            "least": min((share for _, share in told), default=None),
            "reacted_after": lower[0] if lower else None,
        }

    def _harms(self, day: Day, at_risk: Bools) -> dict[str, float]:
        """Of visits of users in the experiment, sums of what the treatment costs or earns."""
        in_test = np.maximum(day.day - self.world.people.joins - 1, 0)
        place = day.place
        known, risky = day.assigned.known[place], at_risk[place]
        here = self._worth(day.chances, self.world.novelty(day.novelty[place])) * known
        fixed = self._worth(day.chances, self.world.novelty(in_test[place])) * known * self.fixed_share
        here = here * (day.assigned.variant[place] == TREATMENT)
        return {
            "harm_at_risk": float(-here[risky].sum()),
            "fixed_harm_at_risk": float(-fixed[risky].sum()),
            "harm_all": float(-np.minimum(here, 0.0).sum()),
            "fixed_harm_all": float(-np.minimum(fixed, 0.0).sum()),
            "help": float(np.maximum(here, 0.0).sum()),
            "fixed_help": float(np.maximum(fixed, 0.0).sum()),
        }

    def _worth(self, chances: Chances, novelty: Floats) -> Floats:
        """(n,) what the treatment adds to a visit."""
        return np.asarray(sum(self.worths[kind] * chances.added(kind, novelty) for kind in KINDS))


def _mean(values: Bools) -> float | None:
    return float(values.mean()) if len(values) else None
