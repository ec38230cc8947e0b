"""What a night wrote, as a simulation notes it: beside what is true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow.compute as pc

from nightslate.models.files import ModelFile
from nightslate.reports.estimands import cross_fitted
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


def estimates(night: Night, truth: Mapping[str, float], realised: float | None) -> list[Row]:
    """What the night estimated of its learners by the estimator that the gate believes, beside the `truth` by
    learner, where it is known, and what was then `realised` of the champion."""
    judged = (pc.field("estimator") == night.program.judged_by) & pc.field("reference").is_null()
    of_learners = pc.field("policy").isin(list(night.program.learners))
    return [
        {
            "ds": night.ds.isoformat(),
            **{name: row[name] for name in ("policy", "value", "lower", "upper")},
            "truth": truth.get(row["policy"]),
            "realised": realised if row["policy"] == champion(night) else None,
        }
        for row in cross_fitted(night.rows("evaluations")).filter(judged & of_learners).to_pylist()
    ]
