"""What a night estimated and decided, as a simulation records it: beside what is true."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pyarrow.compute as pc

from nightslate.models.files import ModelFile
from nightslate.pipeline.night import IssueNight
from nightslate.programs.cohorts import cohorts_of
from nightslate.reports.estimands import CROSS_FITTED, ESTIMANDS
from nightslate.worlds.results import Row


def fitted_models(night: IssueNight) -> list[ModelFile]:
    """What the night fitted."""
    return [night.registry.load(digest) for digest in night.rows("models")["digest"].to_pylist()]


def champion_before(night: IssueNight) -> str:
    """The learner whose policy was champion when the night began."""
    return str(night.rows("promotions")["champion_before"][0])


def gate_looks(night: IssueNight, true_values: Mapping[str, float]) -> list[Row]:
    """What the gate saw and decided, beside the true difference of the policies' values, by learner; None
    where there is no such value yet."""
    return [
        {
            "ds": night.ds.isoformat(),
            "issue": night.issue.name,
            "champion": look["champion_before"],
            **{name: look[name] for name in ("challenger", "decision", "difference", "lower")},
            "truth": _difference(true_values, look["challenger"], look["champion_before"]),
        }
        for look in night.rows("promotions").to_pylist()
    ]


def mean_over_cohorts(
    night: IssueNight, values: Mapping[date, Mapping[str, float]], units: Mapping[date, float]
) -> dict[str, float]:
    """By learner, what the night's progressive estimates are about: the mean over all units of its cohorts.
    By the day shown, `values`: those by learner of the models that the day is weighed by; `units`: how many
    it had. Empty if there are none."""
    days = [day for day in cohorts_of(night.issue, night.ds) if day in values and units.get(day)]
    if not days:
        return {}
    shares = [units[day] for day in days]
    return {
        learner: float(np.average([values[day][learner] for day in days], weights=shares))
        for learner in values[days[0]]
    }


def estimates_beside_truth(
    night: IssueNight, true_values: Mapping[str, Mapping[str, float]], realised: float | None
) -> list[Row]:
    """What the night estimated of its learners by the estimator that the gate believes, beside the
    `true_values` by estimand and learner, where they are known. What was then `realised` of the champion
    stands beside what is cross-fitted, which is about the policies of tonight."""
    judged = (pc.field("estimator") == night.issue.judged_by) & pc.field("reference").is_null()
    of_learners = pc.field("policy").isin(list(night.issue.learners))
    of_values = pc.field("estimand").isin(list(ESTIMANDS))
    rows = night.rows("evaluations").filter(judged & of_learners & of_values).to_pylist()
    champion = champion_before(night) if rows else None
    return [
        {
            "ds": night.ds.isoformat(),
            "issue": night.issue.name,
            **{name: row[name] for name in ("estimand", "policy", "value", "lower", "upper")},
            "truth": true_values[row["estimand"]].get(row["policy"]),
            "realised": realised if row["policy"] == champion and row["estimand"] == CROSS_FITTED else None,
        }
        for row in rows
    ]


def _difference(values: Mapping[str, float], one: str, other: str) -> float | None:
    return values[one] - values[other] if one in values and other in values else None
