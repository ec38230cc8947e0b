"""The cohorts of a night and the models that they are weighed by, as tables and the registry have them."""

from __future__ import annotations

from datetime import date

import pyarrow.compute as pc

from nightslate.core.evidence import Stakes
from nightslate.kernels.progressive import Cohort, Cohorts
from nightslate.models.files import scored_by
from nightslate.pipeline.night import IssueNight
from nightslate.programs.cohorts import cohorts_of, modelled_on, window_of
from nightslate.tables import Table


def cohorts(night: IssueNight, models: Table, credits: Table) -> Cohorts:
    """The cohorts that are whole tonight and were shown while there were models."""
    issue, lacks = night.issue, _lacks(night, credits)
    fitted = {day: modelled_on(issue, day) for day, lacking in lacks.items() if not lacking}
    rows = models.rows(min(fitted.values(), default=night.ds), night.ds)
    of_learners = rows.filter(pc.field("learner").isin(list(issue.learners)))
    loaded = {digest: night.registry.load(digest) for digest in pc.unique(of_learners["digest"]).to_pylist()}
    by_day = {}
    for day, before in fitted.items():
        rows = of_learners.filter(pc.field("ds") == before)
        if rows.num_rows:
            scored = {row["learner"]: scored_by(loaded[row["digest"]]) for row in rows.to_pylist()}
            known = pc.min(rows["reward_low"]).as_py(), pc.max(rows["reward_high"]).as_py()
            settings = {row["learner"]: row["settings"] for row in rows.to_pylist()}
            by_day[day] = Cohort(scored, _stakes(night, known), settings)
    return Cohorts(tuple(sorted(issue.learners)), by_day, issue.tilts_slates)


def waited_for(night: IssueNight, impressions: Table, credits: Table) -> list[date]:
    """The days whose outcomes have not landed, so that days before them that were shown are not whole yet."""
    shown = impressions.snapshot().written()
    return sorted(set().union(*(lacks for day, lacks in _lacks(night, credits).items() if day in shown)))


def _lacks(night: IssueNight, credits: Table) -> dict[date, set[date]]:
    """Of each day whose window is over the days of it whose outcomes nobody has attributed."""
    attributed = credits.snapshot().written().keys()
    days = cohorts_of(night.issue, night.ds)
    return {day: window_of(night.issue, day) - attributed for day in days}


def _stakes(night: IssueNight, known: tuple[float | None, float | None]) -> Stakes | None:
    """`known`: the least and the most that impressions, or trajectories, had earned before the cohort."""
    issue, at_once = night.issue, night.issue.slots_weighed
    low, high = issue.reward_range or known
    if low is None or high is None:
        return None
    if issue.reward_range is None and issue.rewards.dearest:
        low = min(low, -issue.rewards.dearest)  # what earns nothing is worth, whether or not it was seen yet
    if at_once > 1:
        low, high = at_once * min(0.0, low), at_once * max(0.0, high)
    gate = issue.gate
    if not low < high - gate.margin:
        return None
    return Stakes(low, high, gate.margin, gate.max_units)
