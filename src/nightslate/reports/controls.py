"""What each part of the policy that decides is worth, on the page of a night."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from nightslate.reports import estimands

_CHAMPION = "champion"
_LACKS = {
    "random": "random: each ranking of the arms that a user can get is as likely",
    "without_levers": "the same models without exposure goals, budgets, priority and diversity",
    "propensity_only": "predictions alone: arms in the order of what the models expect of each, before costs",
    "eligibility_only": "the same policy without contact rules and consents",
    "present_rule": "the present rule: the policy of the control of the experiment",
}
"""What each control is, in words."""


@dataclass(frozen=True)
class HeldAgainst:
    """What the page says: `champion`, and in `controls` what each is, in words, with its row of the table of
    that name; `about`: what their estimates are about."""

    champion: Mapping[str, Any]
    controls: list[tuple[str, Mapping[str, Any]]]
    about: str


def held_against(controls: pa.Table) -> HeldAgainst | None:
    """Of the rows of one issue of a night; None where no day that is over was decided by a champion whose
    models and levers are known."""
    by_policy = {row["policy"]: row for row in controls.to_pylist()}
    champion = by_policy.get(_CHAMPION)
    if champion is None or not champion["n"]:
        return None
    told = [(words, by_policy[name]) for name, words in _LACKS.items() if name in by_policy]
    return HeldAgainst(champion, told, _about(champion))


def _about(champion: Mapping[str, Any]) -> str:
    """The estimand, to end a sentence with."""
    return (
        "the champion of each day as its slates of the day were made, with goals, budgets, priority and"
        f" diversity; all users, shown {estimands.days(champion)}"
    )
