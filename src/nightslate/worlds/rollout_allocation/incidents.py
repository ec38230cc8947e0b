"""Incidents: for some days payments of a region fail under the new checkout, and somebody says so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.core.hashing import mix, seed, uniform

NAME = "payment_incident"

_EVERY, _BEGINS_WITHIN = 8, 5
"""Days: one incident begins in each so many, within the first of them; none in the first eight."""

_SEVERITIES, _LONGEST = 3, 4


@dataclass(frozen=True)
class Incident:
    """In a region (its place), from the day `begins` up to before the day `ends`, as counted from the first
    one; `announced`: the day on which it is known, that before it or its first."""

    region: int
    severity: float
    begins: int
    ends: int
    announced: int

    @property
    def acted_on_from(self) -> int:
        """The first day of it whose shares a night can have made that knew of it."""
        return max(self.begins, self.announced + 1)


@dataclass(frozen=True)
class Incidents:
    """All of a world, of so many regions; none where they do not `happen`."""

    seed: int
    regions: int
    happen: bool = True

    def begun(self, day: int) -> list[Incident]:
        """Those that begin up to a day, and on the one after it."""
        stretches = range(1, (day + 1) // _EVERY + 1) if self.happen else ()
        found = [self._of_stretch(stretch) for stretch in stretches]
        return [incident for incident in found if incident.begins <= day + 1]

    def announced(self, day: int) -> list[Incident]:
        """Those of which it is known since a day."""
        return [incident for incident in self.begun(day) if incident.announced == day]

    def severity(self, region: Ints, day: int) -> Floats:
        """(n,) of what goes on in the users' regions (n,) on a day, 0 of nothing."""
        by_region = np.zeros(self.regions)
        for incident in self.begun(day):
            if incident.begins <= day < incident.ends:
                by_region[incident.region] = max(by_region[incident.region], incident.severity)
        return by_region[region]

    def _of_stretch(self, stretch: int) -> Incident:
        drawn = {
            what: float(uniform(mix(stretch, seed("incident", str(self.seed), what))))
            for what in ("region", "severity", "begins", "lasts", "announced")
        }
        begins = _EVERY * stretch + int(_BEGINS_WITHIN * drawn["begins"])
        return Incident(
            region=int(self.regions * drawn["region"]),
            severity=1.0 + int(_SEVERITIES * drawn["severity"]),
            begins=begins,
            ends=begins + 2 + int((_LONGEST - 1) * drawn["lasts"]),
            announced=begins - int(drawn["announced"] < 0.5),
        )
