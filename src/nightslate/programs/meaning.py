"""What the rows of a table mean beyond what they say: what of the program they were written under."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from nightslate.programs.feature_states import states_of
from nightslate.programs.features import Aggregate, of_arms, of_each_user, of_source, of_users
from nightslate.programs.issue import ONLY, Issue
from nightslate.programs.spec import Program

Meaning = Mapping[str, str]
"""What a program says, by key, in words: equal words, equal rows from equal logs."""

_NOT_STORED = {"windows", "window", "boundaries", "key"}
"""Of a feature: what its values do not depend on, or is said otherwise."""

PROPENSITY, SLOTS, SKEW = "logs.propensity", "slots", "rewards.skew"


def meaning(program: Program, table: str) -> Meaning:
    """What the rows of a day of this table depend on besides the logs. Empty for tables that no night reads
    but that of their own day: those are written by the program that reads them."""
    said = dict(_OF_PROGRAM[table](program)) if table in _OF_PROGRAM else {}
    if table in _OF_ISSUE:
        for issue in program.issues.values():
            said |= {key_of(issue, key): words for key, words in _OF_ISSUE[table](issue).items()}
    return said


def meaning_of_evidence(issue: Issue) -> Meaning:
    """What its evidence is about. Capital multiplies over days, so they have to be in one currency."""
    discount = issue.sequence.discount if issue.sequence else None
    rewards = _of_transitions(issue) or {**_of_credits(issue), **_of_costs(issue)}
    return {**rewards, **_of_slots(issue), "sequence.discount": _words(discount)}


def key_of(issue: Issue, key: str) -> str:
    """Where the program says it."""
    return key if issue.name == ONLY else f"issues.{issue.name}.{key}"


def policy_settings(issue: Issue, learner: str) -> str:
    """What the program says of a learner, as JSON with defaults left out: under other settings the same name
    is another policy."""
    said = issue.learners[learner].model_dump(mode="json", exclude_defaults=True)
    return json.dumps({**said, "floor": issue.floor}, sort_keys=True)


def differences(then: Meaning, now: Meaning) -> dict[str, str]:
    """The keys of which something else was said, with both in words; none where nothing differs."""
    return {
        key: f"{key} was {then.get(key, 'not there')} and is {now.get(key, 'not there')}"
        for key in sorted({*then, *now})
        if then.get(key) != now.get(key)
    }


def _of_slots(issue: Issue) -> Meaning:
    return {SLOTS: str(issue.slots)}


def _of_credits(issue: Issue) -> Meaning:
    """By kind what holds for it, whether it is said of this kind or of all."""
    rewards, rules = issue.rewards, issue.rewards.attribution
    by_kind = {
        kind: {
            "rewards.values": worth,
            "rewards.windows": rewards.window_of(kind),
            "rewards.attribution.matches": rules.matches.get(kind, rules.match),
        }
        for kind, worth in rewards.values.items()
    }
    of_all: dict[str, object] = {
        "rewards.decay": rewards.decay,
        "rewards.cap": rewards.cap,
        "rewards.max_outcomes": rewards.max_outcomes,
        "rewards.skew": rewards.skew,
        "rewards.attribution.rule": rules.rule,
        "rewards.attribution.half_life": rules.half_life,
        "rewards.attribution.topic": rules.topic,
        "rewards.attribution.max_touches": rules.max_touches,
    }
    if rewards.survival:
        of_all["rewards.survival.unless"] = rewards.survival.unless
        of_all["rewards.survival.value"] = rewards.survival.value
        of_all["start_date"] = issue.start_date
    said = {f"{key}.{kind}": value for kind, each in by_kind.items() for key, value in each.items()}
    return {key: _words(value) for key, value in {**said, **of_all}.items()}


def _of_features(wanted: Sequence[Aggregate]) -> Meaning:
    return {
        f"features.{each.name}": json.dumps(
            {
                **each.spec.model_dump(mode="json", exclude=_NOT_STORED),
                **({"key": list(each.spec.key)} if each.spec.by else {}),
                "window": _words(each.window),
            },
            sort_keys=True,
        )
        for each in wanted
    }


def _of_credits_made(issue: Issue, wanted: Sequence[Aggregate]) -> Meaning:
    """What features depend on that are made of credits."""
    return _of_credits(issue) if of_source(wanted, "credits") else {}


def _of_costs(issue: Issue) -> Meaning:
    """Credits are what impressions earn: what these cost is taken off where rewards are read. An arm that
    costs nothing is as one of which nothing is said."""
    return {f"rewards.costs.{arm}": _words(cost) for arm, cost in issue.rewards.costs.items() if cost}


def _of_transitions(issue: Issue) -> Meaning:
    if issue.sequence is None:
        return {}
    of_sequence = {"gap": issue.sequence.gap, "longest": issue.sequence.longest}
    return {
        **_of_credits(issue),
        **_of_costs(issue),
        **{f"sequence.{key}": _words(value) for key, value in of_sequence.items()},
    }


_OF_PROGRAM: Mapping[str, Callable[[Program], Meaning]] = {
    "impressions": lambda program: {PROPENSITY: program.logs.propensity},
    "outcomes": lambda program: {SKEW: _words(program.skew)},
    "features": lambda program: {
        "features_as_of": program.features_as_of,
        **_of_features(of_each_user(program.features)),
    },
    "features_of_arms": lambda program: _of_features(of_arms(program.features)),
    "feature_states": lambda program: {
        f"features of {state.of}": "kept" for state in states_of(of_users(program.features))
    },
}
_OF_ISSUE: Mapping[str, Callable[[Issue], Meaning]] = {
    "impressions": _of_slots,
    "credits": _of_credits,
    "features": lambda issue: _of_credits_made(issue, of_each_user(issue.features)),
    "features_of_arms": lambda issue: _of_credits_made(issue, of_arms(issue.features)),
    "unattributed": _of_credits,
    "transitions": _of_transitions,
}


def _words(value: object) -> str:
    if isinstance(value, timedelta):
        return f"{value // timedelta(minutes=1)}m"
    return "not said" if value is None else str(value)
