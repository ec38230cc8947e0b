"""Augmented effects, where users have probabilities of their own: two passes more over the logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from nightslate.core.experiments import Difference, Moments, augmented_difference, policy_difference, value_of
from nightslate.core.experiments.effect import difference_of
from nightslate.core.experiments.outcome_model import OutcomeModels
from nightslate.core.uplift import Grid, figures_by_gain
from nightslate.core.uplift.figures import AUTOC
from nightslate.core.uplift.ranked import BINS
from nightslate.engines import Work
from nightslate.kernels.augmented_readouts import (
    DAYS,
    PLACES,
    POLICY,
    PRIORITIES,
    SHARES,
    Augmented,
    Scored,
    Scores,
)
from nightslate.kernels.comparable_users import pairs
from nightslate.kernels.experiment_users import Allocated
from nightslate.kernels.named_states import MomentsByName, Place, in_order
from nightslate.kernels.readouts import Figure, Readout
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.readout_columns import same, shown, told

_VALUES = 20
"""Of a segment's column, by so many values, those of the most users, models tell users apart."""

_SAMPLED = 1_000_000
"""Impressions whose users quantiles of priorities are taken of: of more, a sample of them."""

OF_DAY = "shares of the day"
"""What `POLICY` is held against."""

_EVEN = np.ones(1)
"""All users are of one day."""


def augmented_states(
    night: IssueNight, readout: Readout, work: Work, states: Mapping[Any, Any]
) -> dict[Scored, Any]:
    """The sums over users' scores; none where the shares of the day are the probabilities of all."""
    if not readout.allocated.by_user:
        return {}
    asked = night.issue.experiment
    sampled = max(1, -(-work.inputs["impressions"].rows // _SAMPLED))
    augmented = Augmented(readout, str(asked.control), _values(night, states), asked.priority, sampled)
    sums = night.engine.fold(augmented.initial(), augmented.update, work)
    models = {key: OutcomeModels.of(sums[key]) for key in augmented.outcomes}
    grid = Grid.of_quantiles(sums[PRIORITIES].values) if asked.priority else None
    scores = Scores(augmented, models, grid)
    return dict(night.engine.fold(scores.initial(), scores.update, work))


def augmented_rows(
    night: IssueNight, dealt: Allocated, states: Mapping[Any, Any]
) -> Iterator[dict[str, Any]]:
    """Of the table `readouts`: overall and by segment, overall of days weighted by what they tell, by
    priority, and of following the context."""
    yield from _ranked_rows(night, dealt, states)
    for key in (each for each in states if isinstance(each, Scored) and each.of == PLACES):
        figure = Figure(key.metric, key.scope, "cumulative")
        if key.variant == POLICY:
            yield _policy_row(night, dealt, figure, states)
            continue
        effects = {("aipw", *place): found for place, found in augmented_effects(night, key, states).items()}
        effects |= {("adaptive", *place): found for place, found in _of_days(night, key, states).items()}
        paired = pairs(states[figure], str(night.issue.experiment.control))
        known = {*shown({place: moments for place, (moments, _) in paired.items()})}
        for (method, variant, column, value), found in effects.items():
            if (variant, column, value) not in known:
                continue
            mine = value_of(paired[variant, column, value][0])
            yield {
                **same(night, dealt.since, figure),
                "variant": variant,
                "segment": column,
                "segment_value": value,
                "period": figure.period,
                "n": mine.n,
                "mean": mine.value,
                "method": method,
                **told(found),
            }


def _ranked_rows(night: IssueNight, dealt: Allocated, states: Mapping[Any, Any]) -> Iterator[dict[str, Any]]:
    """Whether those who come first by priority gain most."""
    confidence = night.issue.evaluation.confidence
    for key in (each for each in states if isinstance(each, Scored) and each.of == PRIORITIES):
        figure, place = Figure(key.metric, key.scope, "cumulative"), (key.variant, None, None)
        paired = pairs(states[figure], str(night.issue.experiment.control))
        treatment, control = paired.get(place, (None, None))
        ranked = states[key].ranked
        if treatment is None or control is None or not ranked.units.nnz:
            continue
        (autoc,) = (each for each in figures_by_gain(ranked, confidence) if each.figure == AUTOC)
        values, found = [value_of(control), value_of(treatment)], Difference(autoc.value)
        if autoc.stderr is not None:
            n, effective = [each.n for each in values], [each.effective for each in values]
            found = difference_of(autoc.value, autoc.stderr**2, BINS - 1, n, effective, confidence)
        yield {
            **same(night, dealt.since, figure),
            "variant": key.variant,
            "segment": None,
            "segment_value": None,
            "period": figure.period,
            "n": values[1].n,
            "mean": None,
            "method": "autoc",
            **told(found),
        }


def _policy_row(
    night: IssueNight, dealt: Allocated, figure: Figure, states: Mapping[Any, Any]
) -> dict[str, Any]:
    """What following the context was worth, over giving all users of a day its shares."""
    found: MomentsByName = states[figure]
    scores: Moments = states[Scored(figure.metric, figure.scope, POLICY, PLACES)]
    nobody = Moments.initial((), len(night.issue.experiment.covariates) * 2 + 2)
    everybody = (moments for place, moments in found.states.items() if place[1] is None)
    users = value_of(reduce(Moments.merge, everybody, nobody))
    numerator, denominator = scores.mean[0, 2:].tolist()
    return {
        **same(night, dealt.since, figure),
        "variant": POLICY,
        "control": OF_DAY,
        "segment": None,
        "segment_value": None,
        "period": figure.period,
        "n": int(scores.n[0]),
        "mean": numerator / denominator if denominator else None,
        "method": "policy",
        **told(policy_difference(scores, users, night.issue.evaluation.confidence)),
    }


def augmented_effects(night: IssueNight, key: Scored, states: Mapping[Any, Any]) -> dict[Place, Difference]:
    """Of the users of each place of whom some are in the variant and some in the control."""
    confidence = night.issue.evaluation.confidence
    found: MomentsByName = states[key]
    paired = pairs(states[Figure(key.metric, key.scope, "cumulative")], str(night.issue.experiment.control))
    effects = dict[Place, Difference]()
    for place, scores in in_order(found.states):
        treatment, control = paired.get(place, (None, None))
        if treatment is not None and control is not None:
            values = value_of(control), value_of(treatment)
            effects[place] = augmented_difference(scores, _EVEN, *values, confidence)
    return effects


def _of_days(night: IssueNight, key: Scored, states: Mapping[Any, Any]) -> dict[Place, Difference]:
    """Of all users, days weighted by how much their shares let them tell."""
    place, shares = (key.variant, None, None), states[replace(key, of=SHARES)]
    paired = pairs(states[Figure(key.metric, key.scope, "cumulative")], str(night.issue.experiment.control))
    treatment, control = paired.get(place, (None, None))
    if treatment is None or control is None:
        return {}
    values, confidence = (value_of(control), value_of(treatment)), night.issue.evaluation.confidence
    moments: Moments = states[replace(key, of=DAYS)]
    return {place: augmented_difference(moments, shares.weights(0, 1), *values, confidence)}


def _values(night: IssueNight, states: Mapping[Any, Any]) -> dict[str, list[str | None]]:
    """By column of a segment the values that models tell users apart by: it does not matter to effects which,
    as long as they were known before."""
    asked = night.issue.experiment
    found: MomentsByName = states[Figure(asked.foremost, "exposed", "cumulative")]
    users = dict[str, Counter[str | None]]((column, Counter()) for column in asked.told_apart_by)
    for (_, column, value, *_), moments in found.states.items():
        if column is not None:
            users[column][value] += int(moments.n)
    return {column: _of_most(counts) for column, counts in users.items()}


def _of_most(counts: Counter[str | None]) -> list[str | None]:
    return sorted(counts, key=lambda value: (-counts[value], repr(value)))[:_VALUES]
