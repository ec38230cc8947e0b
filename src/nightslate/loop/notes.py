"""What a night wrote, as a simulation notes it: beside what is true."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pyarrow.compute as pc

from nightslate.models.files import ModelFile
from nightslate.programs.cohorts import cohorts_of
from nightslate.reports.estimands import CROSS_FITTED
from nightslate.steps.night import Night

PERSONALISED, RANDOMISED = "personalised", "randomised"
"""The branches of the experiment that a simulation compares."""

READ_OVER = 7
"""How many days the headline is about, the last ones."""

Row = dict[str, Any]


def models(night: Night) -> list[ModelFile]:
    """What the night fitted."""
    return [night.registry.load(digest) for digest in night.rows("models")["digest"].to_pylist()]


def champion(night: Night) -> str:
    """The learner whose policy was champion when the night began."""
    return str(night.rows("promotions")["champion_before"][0])


def looks(night: Night, truth: Mapping[str, float]) -> list[Row]:
    """What the gate saw and decided, beside the true difference of the policies' values, by learner."""
    return [
        {
            "ds": night.ds.isoformat(),
            "champion": look["champion_before"],
            **{name: look[name] for name in ("challenger", "decision", "difference", "lower")},
            "truth": truth[look["challenger"]] - truth[look["champion_before"]],
        }
        for look in night.rows("promotions").to_pylist()
    ]


def over_cohorts(
    night: Night, values: Mapping[date, Mapping[str, float]], units: Mapping[date, float]
) -> dict[str, float]:
    """By learner, what the night's progressive estimates are about: the mean over all units of its cohorts.
    By the day shown, `values`: those by learner of the models that the day is weighed by; `units`: how many
    it had. Empty if there are none."""
    days = [day for day in cohorts_of(night.program, night.ds) if day in values and units.get(day)]
    if not days:
        return {}
    shares = [units[day] for day in days]
    return {
        learner: float(np.average([values[day][learner] for day in days], weights=shares))
        for learner in values[days[0]]
    }


def estimates(night: Night, truths: Mapping[str, Mapping[str, float]], realised: float | None) -> list[Row]:
    """What the night estimated of its learners by the estimator that the gate believes, beside the `truths`
    by estimand and learner, where they are known. What was then `realised` of the champion stands beside what
    is cross-fitted, which is about the policies of tonight."""
    judged = (pc.field("estimator") == night.program.judged_by) & pc.field("reference").is_null()
    of_learners = pc.field("policy").isin(list(night.program.learners))
    return [
        {
            "ds": night.ds.isoformat(),
            **{name: row[name] for name in ("estimand", "policy", "value", "lower", "upper")},
            "truth": truths[row["estimand"]].get(row["policy"]),
            "realised": realised
            if row["policy"] == champion(night) and row["estimand"] == CROSS_FITTED
            else None,
        }
        for row in night.rows("evaluations").filter(judged & of_learners).to_pylist()
    ]
