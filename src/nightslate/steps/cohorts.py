"""The cohorts of a night and the models that they are weighed by, as tables and the registry have them."""

from __future__ import annotations

from datetime import date

import pyarrow.compute as pc

from nightslate.core.evidence import Stakes
from nightslate.kernels.progressive import Cohort, Cohorts
from nightslate.kernels.scoring import ScoredBy
from nightslate.models.files import ModelFile
from nightslate.programs.cohorts import cohorts_of, modelled_on, window_of
from nightslate.steps.night import Night


def cohorts(night: Night) -> Cohorts:
    """The cohorts that are whole tonight and were shown while there were models."""
    fitted = {day: modelled_on(night.program, day) for day, lacks in _lacks(night).items() if not lacks}
    models = night.rows("models", min(fitted.values())) if fitted else night.rows("models")
    models = models.filter(pc.field("learner").isin(list(night.program.learners)))
    loaded = {digest: night.registry.load(digest) for digest in pc.unique(models["digest"]).to_pylist()}
    by_day = {}
    for day, before in fitted.items():
        rows = models.filter(pc.field("ds") == before)
        if rows.num_rows:
            scored = {row["learner"]: scored_by(loaded[row["digest"]]) for row in rows.to_pylist()}
            known = pc.min(rows["reward_low"]).as_py(), pc.max(rows["reward_high"]).as_py()
            settings = {row["learner"]: row["settings"] for row in rows.to_pylist()}
            by_day[day] = Cohort(scored, _stakes(night, known), settings)
    return Cohorts(tuple(sorted(night.program.learners)), by_day, night.program.tilts_slates)


def waited_for(night: Night) -> list[date]:
    """The days whose outcomes have not landed, so that days before them that were shown are not whole yet."""
    shown = night.table("impressions").snapshot().written()
    return sorted(set().union(*(lacks for day, lacks in _lacks(night).items() if day in shown)))


def _lacks(night: Night) -> dict[date, set[date]]:
    """Of each day whose window is over the days of it whose outcomes nobody has attributed."""
    attributed = night.table("credits").snapshot().written().keys()
    days = cohorts_of(night.program, night.ds)
    return {day: window_of(night.program, day) - attributed for day in days}


def scored_by(model: ModelFile) -> ScoredBy:
    """A model file as scoring needs it."""
    return ScoredBy(model.learner, model.digest, model.arms, model.encoder, model.policy)


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
