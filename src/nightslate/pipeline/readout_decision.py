"""What to do with an experiment, by the readout of the night: a row of the table `readout_decisions`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from nightslate.core.experiments import Decision, Difference, Guardrail, decision
from nightslate.kernels.augmented_readouts import PLACES, Scored
from nightslate.kernels.comparable_users import pairs
from nightslate.kernels.experiment_users import Allocated
from nightslate.kernels.named_states import MomentsByName
from nightslate.kernels.readout_counts import Counts
from nightslate.kernels.readouts import COUNTS, Figure, Key
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.readout_augmented import augmented_effects
from nightslate.pipeline.readout_inputs import first_slates
from nightslate.pipeline.readout_rows import effects_of
from nightslate.programs.readouts import Guardrail as Said

WAITS = "waits"


def decided(
    night: IssueNight, dealt: Allocated, states: Mapping[Key, Any], faults: Sequence[str]
) -> Decision:
    """By all exposed users: showing begins after the assignment, and sample ratios say whether it depends on
    it."""
    asked = night.issue.experiment
    effects = _effects(night, states, asked.foremost)
    found: MomentsByName = states[Figure(asked.foremost, "exposed", "cumulative")]
    compared = pairs(found, str(asked.control))
    users = sum(int(moments.n) for place, (moments, _) in compared.items() if place[1] is None)
    days = (night.ds - dealt.since).days + 1
    if not effects and not faults:
        return Decision("go on", None, ("nobody of two variants has been exposed for long enough yet",))
    return decision(
        asked.foremost,
        effects,
        night.issue.evaluation.confidence,
        faults=faults,
        guardrails=[
            Guardrail(each.metric, _guarded(night, states, each), each.margin) for each in asked.guardrails
        ],
        users=users,
        users_per_day=users / days,
    )


def outside_in_words(night: IssueNight, dealt: Allocated, counts: Counts) -> Iterator[str]:
    """Who is in no comparison, for want of a chance to be in both of its variants."""
    control, exposed = str(night.issue.experiment.control), int(counts.exposed.sum())
    for place, variant in enumerate(dealt.variants):
        apart = int(counts.apart[dealt.variants.index(control), place]) if control in dealt.variants else 0
        if apart and variant != control:
            yield (
                f"{apart:,} of {exposed:,} exposed users could not be both in {variant} and in {control} (a"
                f" probability of 0): they are outside of what is said of {variant}"
            )


def decision_row(
    night: IssueNight, found: Decision, dealt: Allocated, states: Mapping[Key, Any]
) -> dict[str, Any]:
    """Of the table, which has one an issue and night."""
    counts: Counts = states[COUNTS]
    return {
        **_same(night, dealt.since),
        "decision": found.word,
        "variant": found.variant,
        "reasons": list(found.reasons),
        "assigned": int(counts.assigned.sum()),
        "exposed": int(counts.exposed.sum()),
        "crossed": int(counts.crossed.sum()),
        "shares_changed": dealt.moves,
    }


def waiting_row(night: IssueNight, why: str) -> dict[str, Any]:
    """Of an experiment of which nothing can be read out yet."""
    nobody = {"assigned": 0, "exposed": 0, "crossed": 0, "shares_changed": False}
    return {
        **_same(night, first_slates(night)),
        "decision": WAITS,
        "variant": None,
        "reasons": [why],
        **nobody,
    }


def _same(night: IssueNight, since: date) -> dict[str, Any]:
    asked = night.issue.experiment
    return {
        "issue": night.issue.name,
        "experiment": night.issue.salt,
        "control": asked.control,
        "metric": asked.foremost,
        "confidence": night.issue.evaluation.confidence,
        "first_day": since,
    }


def _effects(night: IssueNight, states: Mapping[Any, Any], metric: str) -> dict[str, Difference]:
    """The most precise ones: augmented ones, where there are any."""
    found = effects_of(night, Figure(metric, "exposed", "cumulative"), states)
    effects = {variant: each.most_precise for variant, each in found.items()}
    for key in (Scored(metric, "exposed", variant, PLACES) for variant in found):
        if key in states:
            effects[key.variant] = augmented_effects(night, key, states)[key.variant, None, None]
    return effects


def _guarded(night: IssueNight, states: Mapping[Key, Any], guardrail: Said) -> dict[str, Difference]:
    """The effects on its metric, turned round where a higher one is worse."""
    effects = _effects(night, states, guardrail.metric)
    return {name: each if guardrail.worse == "lower" else each.mirrored for name, each in effects.items()}
