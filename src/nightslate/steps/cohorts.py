"""The cohorts of a night and the models that they are weighed by, as tables and the registry have them."""

from __future__ import annotations

from datetime import date

import pyarrow.compute as pc

from nightslate.core.evidence import Stakes
from nightslate.frames.progressive import Cohort, Cohorts
from nightslate.frames.scoring import ScoredBy
from nightslate.programs.cohorts import cohorts_of, modelled_on
from nightslate.steps.night import Night


def cohorts(night: Night) -> Cohorts:
    """The cohorts that are whole tonight and were shown while there were models."""
    by_day = {day: cohort for day in cohorts_of(night.program, night.ds) if (cohort := _cohort(night, day))}
    return Cohorts(tuple(sorted(night.program.learners)), by_day)


def scored_by(night: Night, learner: str, digest: str) -> ScoredBy:
    """A registered model as scoring needs it."""
    model = night.registry.load(digest)
    return ScoredBy(learner, digest, model.arms, model.encoder, model.policy)


def _cohort(night: Night, day: date) -> Cohort | None:
    earlier = night.at(modelled_on(night.program, day))
    models = earlier.rows("models")
    rows = [row for row in models.to_pylist() if row["learner"] in night.program.learners]
    if not rows:
        return None
    lows, highs = models["reward_low"], models["reward_high"]
    known = (pc.min(lows).as_py(), pc.max(highs).as_py())
    return Cohort(
        {row["learner"]: scored_by(earlier, row["learner"], row["digest"]) for row in rows},
        _stakes(night, known),
    )


def _stakes(night: Night, known: tuple[float | None, float | None]) -> Stakes | None:
    """`known`: the least and the most that impressions, or trajectories, had earned before the cohort."""
    program = night.program
    low, high = known if program.sequence else program.evaluation.reward_range or known
    if low is None or high is None:
        return None
    if program.weighs_decisions:
        low, high = program.slots * min(0.0, low), program.slots * max(0.0, high)
    gate = program.gate
    if not low < high - gate.margin:
        return None
    return Stakes(low, high, gate.margin, gate.max_units)
