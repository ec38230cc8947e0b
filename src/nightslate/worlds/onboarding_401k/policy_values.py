"""The true values of a night's policies: their expected reward on pages that were shown, had each policy
chosen them by itself, mixed with the floor and without goals, by the rec engine's rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats
from nightslate.models.files import ModelFile, scored_by
from nightslate.pipeline.night import IssueNight
from nightslate.worlds.known_contexts import with_features
from nightslate.worlds.onboarding_401k.landing import profiles
from nightslate.worlds.onboarding_401k.messages import MESSAGES
from nightslate.worlds.onboarding_401k.truth import Truth
from nightslate.worlds.onboarding_401k.world import Participants, World


def values_tomorrow(
    night: IssueNight, models: Sequence[ModelFile], world: World, truth: Truth
) -> dict[str, float]:
    """By learner of the night's models, for those visitors of the day after who had a slate, by what was
    known of them on the night's day."""
    had_slate = truth.pages.slate_id.is_valid().to_numpy(zero_copy_only=False)
    the_day_before = world.participants(truth.pages.day - 1).take(truth.pages.place)
    contexts = _contexts(night, truth, the_day_before)
    return {
        model.learner: mean_reward(night, [truth], [_rewards(night, truth, model, contexts)], [had_slate])
        for model in models
    }


def values_shown(night: IssueNight, models: Sequence[ModelFile], truth: Truth) -> dict[str, float]:
    """By learner, for all pages of a day that the night's models weigh, by what is known at the visit."""
    return values_logged(night, models, [truth], math.inf)


def values_logged(
    night: IssueNight, models: Sequence[ModelFile], logged: Sequence[Truth], until: float
) -> dict[str, float]:
    """By learner, for the pages that the night's estimates are about: those of `logged` up to the moment
    `until`, in days like theirs. Empty if there are none."""
    counted = [truth.pages.day + truth.pages.at <= until for truth in logged]
    if not any(pages.any() for pages in counted):
        return {}
    contexts = [_contexts(night, truth, truth.pages.people) for truth in logged]
    return {
        model.learner: mean_reward(
            night,
            logged,
            [_rewards(night, truth, model, known) for truth, known in zip(logged, contexts, strict=True)],
            counted,
        )
        for model in models
    }


def units(night: IssueNight, truth: Truth) -> Floats:
    """(n,): how many units of the night's estimates each page is: its tiles, or one where decisions are
    weighed as a whole."""
    pages = truth.pages.shown
    return np.ones(len(pages)) if night.issue.slots_weighed > 1 else pages.sum(axis=1).astype(np.float64)


def mean_reward(
    night: IssueNight, truths: Sequence[Truth], rewards: Sequence[Floats], pages: Sequence[Bools]
) -> float:
    """The mean of some pages' rewards (n,), day by day, in the `units` of the night's estimates."""
    total, count = 0.0, 0.0
    for truth, earned, mine in zip(truths, rewards, pages, strict=True):
        total, count = total + float(earned[mine].sum()), count + float(units(night, truth)[mine].sum())
    return total / count


def _contexts(night: IssueNight, truth: Truth, known: Participants) -> pa.Table:
    """Of the visitors of a day what is `known` of them, and their features."""
    return with_features(night, profiles(known), night.program.start_date + timedelta(days=truth.pages.day))


def _rewards(night: IssueNight, truth: Truth, model: ModelFile, contexts: pa.Table) -> Floats:
    """(n,): of each page, by what is known of its visitor."""
    weights = scored_by(model).weights(contexts, night.issue.floor)
    return truth.of_policy(weights[:, pc.index_in(pa.array(MESSAGES), pa.array(model.arms)).to_numpy()])
