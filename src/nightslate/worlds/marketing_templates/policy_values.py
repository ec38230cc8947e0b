"""The true values of a night's policies: their expected reward at the decisions that slates made, had each
policy chosen by itself among what could be sent, mixed with the floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Floats
from nightslate.models.files import ModelFile, scored_by
from nightslate.pipeline.night import IssueNight
from nightslate.worlds.known_contexts import with_features
from nightslate.worlds.marketing_templates.landing import profiles
from nightslate.worlds.marketing_templates.population import Day
from nightslate.worlds.marketing_templates.templates import ARMS, NOTHING
from nightslate.worlds.night_results import fitted_models


@dataclass(frozen=True)
class Truth:
    """Of the decisions of a day that are of slates (m,): what was known of their customers (`contexts`), the
    expected reward `worth` (m, arms) of what is delivered, and what was `eligible` (m, arms)."""

    contexts: pa.Table
    worth: Floats
    eligible: Bools

    @classmethod
    def of(cls, night: IssueNight, day: Day, values: Mapping[str, float]) -> Truth:
        """Of a day and its night. What bounced is not logged, and what marketing's rule decided is not
        weighed."""
        decisions = day.decisions
        logged = day.delivered | (decisions.arm == NOTHING)
        logged = np.flatnonzero(logged & decisions.slate_id.is_valid().to_numpy(zero_copy_only=False))
        known = profiles(day.morning.take(decisions.place[logged]))
        worth = day.chances.worth(values)[logged]
        return cls(with_features(night, known, night.ds), worth, decisions.eligible[logged])

    def __len__(self) -> int:
        return len(self.worth)

    def of_policy(self, weights: NDArray[np.floating]) -> Floats:
        """(m,): of an arm drawn by weights (m, arms), 0 for arms that the policy does not know."""
        among = np.where(self.eligible, weights, 0.0)
        return np.asarray((among * self.worth).sum(axis=1) / among.sum(axis=1))


@dataclass
class PolicyValues:
    """The decisions of all days, counted from 0, and what the policies of the night before were worth at
    them."""

    before: dict[int, dict[str, float]] = field(default_factory=dict)
    decisions: dict[int, int] = field(default_factory=dict)
    _models: list[ModelFile] = field(default_factory=list)

    def add_night(self, night: IssueNight, day: Day) -> dict[str, float]:
        """A day and its night, in order. Returns by learner what the policies of this very night are worth at
        the decisions of its day; empty if there are none."""
        truth = Truth.of(night, day, night.issue.rewards.values)
        self.decisions[day.day] = len(truth)
        if len(truth) and self._models:
            self.before[day.day] = _values(night, self._models, truth)
        self._models = fitted_models(night)
        return _values(night, self._models, truth) if len(truth) else {}


def _values(night: IssueNight, models: list[ModelFile], truth: Truth) -> dict[str, float]:
    return {
        model.learner: float(truth.of_policy(weights_of(model, truth.contexts, night.issue.floor)).mean())
        for model in models
    }


def weights_of(model: ModelFile, contexts: pa.Table, floor: float) -> Floats:
    """(m, arms) in the order of ARMS, 0 for arms that the model does not know."""
    found = np.zeros((contexts.num_rows, len(ARMS)))
    places = pc.index_in(pa.array(model.arms), pa.array(ARMS)).to_numpy()
    found[:, places] = scored_by(model).weights(contexts, floor)
    return found
