"""The models of effects of a night, and how each does by users that it did not learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nightslate.core.allocation import equal_edges
from nightslate.core.effects import CrossFitted, Estimator, Observed, Worth, could_be
from nightslate.core.uplift import Grid
from nightslate.engines.exchange import Kept
from nightslate.kernels.effects import (
    EFFECTS,
    OUTCOMES,
    RESIDUALS,
    SAMPLE,
    EffectLessons,
    Judged,
    Key,
    Outcomes,
    PseudoOutcomes,
    Residuals,
)
from nightslate.kernels.finished_users import VARIANT
from nightslate.kernels.training import encoder_for
from nightslate.kernels.value_counts import ValueCounts
from nightslate.pipeline.fitting import categories, model_seed
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.share_limits import limits_about, shares_in_the_end
from nightslate.programs.allocation import Allocation, EstimatedEffects, LinearEffects

LEAST_USERS = 100
"""Of a treatment, and of the control, from which on there are models of its effects."""

_TENTHS = 10
_RANKED_BY = 20_000
"""Users by whom groups and tenths are made: of more, a sample."""


@dataclass(frozen=True)
class Fitted:
    """lessons: how users taught; users: by variant how many there were; models: by name; states: see
    `Judged`."""

    lessons: EffectLessons
    users: Mapping[str, int]
    models: Mapping[str, CrossFitted]
    judged: Judged
    states: Mapping[Key, Any]


def counted(night: IssueNight, users: Kept) -> ValueCounts:
    """How often categories have which values, and how many users each variant has."""
    nothing = ValueCounts.initial((*categories(night), VARIANT))
    counts = night.engine.fold(
        {"counts": nothing},
        lambda tables: [("counts", nothing.update(rows)) for rows in tables.values()],
        users,
    )
    return counts["counts"]


def taught_treatments(night: IssueNight, users: Mapping[str, int]) -> list[str]:
    """The treatments that enough users were in, if enough were in the control."""
    control = str(night.issue.experiment.control)
    if users.get(control, 0) < LEAST_USERS:
        return []
    return [
        name for name in sorted(night.issue.variants) if name != control and users.get(name, 0) >= LEAST_USERS
    ]


def fitted(
    night: IssueNight,
    asked: Allocation,
    variants: Sequence[str],
    users: Kept,
    counts: ValueCounts,
    leader: str,
) -> Fitted | None:
    """The models, in four passes over users; None where there are too few of them. variants: those that
    probabilities are of."""
    by_variant, fold = counts.by_column[VARIANT], night.engine.fold
    treatments, said = taught_treatments(night, by_variant), asked.score.models
    if not treatments:
        return None
    lessons = EffectLessons(
        night.name,
        encoder_for(night.program.context, counts.by_column),
        variants,
        str(night.issue.experiment.control),
        treatments,
        len(asked.score.metrics),
        night.issue.evaluation.folds,
    )
    sizes = [model.max_rows for model in said.values() if isinstance(model, EstimatedEffects)]
    first = Outcomes(lessons, max([_RANKED_BY, *sizes]))
    taught = fold(first.initial(), first.update, users)
    expected, sample = taught[OUTCOMES,].models(), taught[SAMPLE,]
    models = {
        **_linear(night, lessons, expected, users, said),
        **_estimated(night, lessons, expected, sample, said),
    }
    models = {name: models[name] for name in said}
    worth = worth_of(asked)
    some = sample.taken(np.arange(min(_RANKED_BY, len(sample.fold))))
    grids, edges = _groups(lessons, models, worth, some)
    judged = Judged(
        lessons,
        expected,
        models,
        worth,
        limits_about(night.issue, asked, variants, shares_in_the_end(night.issue, asked)),
        leader,
        grids,
        edges,
    )
    return Fitted(lessons, by_variant, models, judged, fold(judged.initial(), judged.update, users))


def _linear(
    night: IssueNight, lessons: EffectLessons, expected: Any, users: Kept, said: Mapping[str, Any]
) -> dict[str, CrossFitted]:
    ridges = {name: model.ridge for name, model in said.items() if isinstance(model, LinearEffects)}
    if not ridges:
        return {}
    scored = PseudoOutcomes(lessons, expected)
    sums = night.engine.fold(scored.initial(), scored.update, users)[EFFECTS,]
    left = Residuals(lessons, expected, {name: sums.fits(ridge) for name, ridge in ridges.items()})
    residuals = night.engine.fold(left.initial(), left.update, users)
    return {name: residuals[RESIDUALS, name].models(fits, sums) for name, fits in left.fits.items()}


def _estimated(
    night: IssueNight, lessons: EffectLessons, expected: Any, sample: Observed, said: Mapping[str, Any]
) -> dict[str, CrossFitted]:
    found = {}
    for name, model in said.items():
        if isinstance(model, EstimatedEffects):
            some = sample.taken(np.arange(min(model.max_rows, len(sample.fold))))
            estimator = Estimator(model.estimator, model.parameters, model_seed(night, name))
            found[name] = estimator.cross_fitted(some, expected, *lessons.places)
    return found


def _groups(
    lessons: EffectLessons, models: Mapping[str, CrossFitted], worth: Worth, some: Observed
) -> tuple[dict[Key, Grid], dict[Key, Any]]:
    """Of some users, by model and treatment."""
    could, grids, edges = could_be(some, *lessons.places), dict[Key, Grid](), dict[Key, Any]()
    for name, model in models.items():
        said = worth.of(model.held_out(some).mean)
        for place, variant in enumerate(lessons.treatments):
            of_treatment = said[could[:, place], place]
            grids[name, variant] = Grid.of_quantiles(of_treatment)
            edges[name, variant] = equal_edges(of_treatment, _TENTHS)
    return grids, edges


def worth_of(asked: Allocation) -> Worth:
    """What effects on users are worth, as the program says."""
    return Worth(asked.score.weight, asked.score.caution)
