"""The true values of a night's policies: their expected reward at the decisions that were made, had each
policy chosen by itself, mixed with the floor and without budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Floats
from nightslate.models.files import ModelFile, scored_by
from nightslate.pipeline.night import IssueNight
from nightslate.worlds.known_contexts import with_features
from nightslate.worlds.night_results import fitted_models
from nightslate.worlds.proactive_assistance.activity import profiles
from nightslate.worlds.proactive_assistance.population import Day
from nightslate.worlds.proactive_assistance.troubles import ARMS, ISSUES
from nightslate.worlds.proactive_assistance.truth import Truth


def contexts_at(night: IssueNight, day: Day) -> pa.Table:
    """What was known of the users of the decisions of a day for the issue of a night of that day."""
    mine = np.flatnonzero(day.decisions.issue == ISSUES.index(night.issue.name))
    return with_features(night, profiles(day.morning.people.take(day.decisions.place[mine])), night.ds)


def weights_of(model: ModelFile, contexts: pa.Table, floor: float) -> Floats:
    """(m, arms) in the order of ARMS, 0 for arms that the model does not know."""
    found = np.zeros((contexts.num_rows, len(ARMS)))
    places = pc.index_in(pa.array(model.arms), pa.array(ARMS)).to_numpy()
    if contexts.num_rows:
        found[:, places] = scored_by(model).weights(contexts, floor)
    return found


@dataclass
class PolicyValues:
    """Of one issue: what policies are worth at the decisions of each day, counted from 0, as far as the truth
    of these is known."""

    contexts: dict[int, pa.Table] = field(default_factory=dict)
    models: dict[int, Sequence[ModelFile]] = field(default_factory=dict)

    def add_night(self, night: IssueNight, day: Day) -> None:
        """The decisions of a day, and the models that its night fitted."""
        self.contexts[day.day] = contexts_at(night, day)
        self.models[day.day] = fitted_models(night)

    def tonight(
        self, night: IssueNight, truths: Mapping[int, Truth], days: Sequence[int]
    ) -> dict[str, float]:
        """By learner, of the policies of a night at all decisions of some days; empty if there are none."""
        number = (night.ds - night.program.start_date).days
        counted = [day for day in days if day in truths and len(truths[day])]
        if not counted:
            return {}
        sizes = [len(truths[day]) for day in counted]
        return {
            model.learner: float(
                np.average([self._value(night, model, truths[day], day) for day in counted], weights=sizes)
            )
            for model in self.models[number]
        }

    def of_the_night_before(
        self, night: IssueNight, truths: Mapping[int, Truth]
    ) -> dict[int, dict[str, float]]:
        """By day and learner, what the policies of the night before a day are worth at its decisions."""
        return {
            day: {model.learner: self._value(night, model, truth, day) for model in self.models[day - 1]}
            for day, truth in truths.items()
            if day - 1 in self.models and len(truth)
        }

    def _value(self, night: IssueNight, model: ModelFile, truth: Truth, day: int) -> float:
        return float(truth.of_policy(weights_of(model, self.contexts[day], night.issue.floor)).mean())
