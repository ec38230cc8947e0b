"""What the page of a night says of contact rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ContactFigures:
    """withheld: users, by the reason why they get no slate tomorrow. recent: users, by how many contacts they
    had in the last seven days, from `many` on together. breaches: contacts of the day that a rule did not
    allow, by rule. outside: impressions of the day that were shown at another time than their slate may be;
    None where slates may be shown at any time. unknown_zones: users whose zone is not known."""

    users: int
    withheld: Mapping[str, int]
    recent: Mapping[int, int]
    many: int
    breaches: Mapping[str, int]
    outside: int | None
    unknown_zones: int
    holdout_share: float | None

    @property
    def broken(self) -> dict[str, int]:
        """The rules that contacts of the day broke, with how many did."""
        return {rule: number for rule, number in self.breaches.items() if number}
