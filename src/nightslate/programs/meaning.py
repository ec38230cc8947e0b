"""What the rows of a table mean beyond what they say: what of the program they were written under."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nightslate.programs.spec import Program

Meaning = Mapping[str, str]
"""What a program says, by key, in words: equal words, equal rows from equal logs."""

PROPENSITY, SLOTS = "logs.propensity", "slots"


def meaning(program: Program, table: str) -> Meaning:
    """What the rows of a day of this table depend on besides the logs. Empty for tables that no night reads
    but that of their own day: those are written by the program that reads them."""
    of_table = {
        "impressions": _of_propensities,
        "outcomes": _of_outcomes,
        "credits": _of_credits,
        "unattributed": _of_credits,
        "transitions": _of_transitions,
        "evidence": _of_evidence,
    }
    return of_table[table](program) if table in of_table else {}


def policy_settings(program: Program, learner: str) -> str:
    """What the program says of a learner, as JSON with defaults left out: under other settings the same name
    is another policy."""
    said = program.learners[learner].model_dump(mode="json", exclude_defaults=True)
    return json.dumps({**said, "floor": program.floor}, sort_keys=True)


def differences(then: Meaning, now: Meaning) -> dict[str, str]:
    """The keys of which something else was said, with both in words; none where nothing differs."""
    return {
        key: f"{key} was {then.get(key, 'not there')} and is {now.get(key, 'not there')}"
        for key in sorted({*then, *now})
        if then.get(key) != now.get(key)
    }


def _of_propensities(program: Program) -> Meaning:
    return {PROPENSITY: program.logs.propensity, SLOTS: str(program.slots)}


def _of_outcomes(program: Program) -> Meaning:
    return {"rewards.skew": _words(program.rewards.skew)}


def _of_credits(program: Program) -> Meaning:
    """By kind what holds for it, whether it is said of this kind or of all."""
    rewards, rules = program.rewards, program.rewards.attribution
    by_kind = {
        kind: {
            "rewards.values": worth,
            "rewards.windows": rewards.window_of(kind),
            "rewards.attribution.matches": rules.matches.get(kind, rules.match),
        }
        for kind, worth in rewards.values.items()
    }
    of_all = {
        "rewards.decay": rewards.decay,
        "rewards.cap": rewards.cap,
        "rewards.max_outcomes": rewards.max_outcomes,
        "rewards.skew": rewards.skew,
        "rewards.attribution.rule": rules.rule,
        "rewards.attribution.half_life": rules.half_life,
        "rewards.attribution.topic": rules.topic,
        "rewards.attribution.max_touches": rules.max_touches,
    }
    said = {f"{key}.{kind}": value for kind, each in by_kind.items() for key, value in each.items()}
    return {key: _words(value) for key, value in {**said, **of_all}.items()}


def _of_transitions(program: Program) -> Meaning:
    if program.sequence is None:
        return {}
    of_sequence = {"gap": program.sequence.gap, "longest": program.sequence.longest}
    return {
        **_of_credits(program),
        **{f"sequence.{key}": _words(value) for key, value in of_sequence.items()},
    }


def _of_evidence(program: Program) -> Meaning:
    """Capital multiplies over days, so they have to be in one currency."""
    discount = program.sequence.discount if program.sequence else None
    rewards = _of_transitions(program) or _of_credits(program)
    return {**rewards, SLOTS: str(program.slots), "sequence.discount": _words(discount)}


def _words(value: object) -> str:
    if isinstance(value, timedelta):
        return f"{value // timedelta(minutes=1)}m"
    return "not said" if value is None else str(value)
