"""What each part of the policy that decides is worth, on the page of a night."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from nightslate.reports import estimands

_CHAMPION = "champion"
_IN_WORDS = {
    "random": ("random", "each ranking of the arms that a user can get is as likely."),
    "without_levers": (
        "without levers",
        "the same models without exposure goals, budgets, priority and diversity.",
    ),
    "propensity_only": (
        "predictions alone",
        "arms in the order of what the models expect of each, before costs; nothing is explored.",
    ),
    "eligibility_only": ("without contact rules", "the same policy without contact rules and consents."),
    "present_rule": ("present rule", "the policy of the control of the experiment."),
}
"""What each control is called, and what it is."""


@dataclass(frozen=True)
class Held:
    """A control: what it is called, what it is, and its row of the table."""

    name: str
    words: str
    row: Mapping[str, Any]


@dataclass(frozen=True)
class HeldAgainst:
    """What the page says: the row of the `champion`, those of controls, and what all of them are `about`."""

    champion: Mapping[str, Any]
    controls: list[Held]
    about: str


def held_against(controls: pa.Table) -> HeldAgainst | None:
    """Of the rows of one issue of a night; None where no day that is over was decided by a champion whose
    models and levers are known."""
    by_policy = {row["policy"]: row for row in controls.to_pylist()}
    champion = by_policy.get(_CHAMPION)
    if champion is None or not champion["n"]:
        return None
    found = [
        Held(name, words, by_policy[control])
        for control, (name, words) in _IN_WORDS.items()
        if control in by_policy
    ]
    return HeldAgainst(champion, found, _about(champion))


def _about(champion: Mapping[str, Any]) -> str:
    """The estimand, to end a sentence with."""
    return (
        "the champion of each day as its slates of the day were made, with goals, budgets, priority and"
        f" diversity; all users, shown {estimands.days(champion)}"
    )
