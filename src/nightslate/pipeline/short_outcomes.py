"""What came soon, of a program whose rewards of staying take long to be known: estimates to look at, by which
nothing is promoted."""

from __future__ import annotations

from dataclasses import replace

from nightslate.kernels.progressive import Cohorts
from nightslate.pipeline.cohort_models import cohorts
from nightslate.pipeline.night import IssueNight
from nightslate.programs.evaluation import NEEDS_RANGE
from nightslate.programs.units import TRAJECTORY
from nightslate.tables import Table


def night_of_short_outcomes(night: IssueNight) -> IssueNight | None:
    """The same night of the same learners, if what comes before the horizon of staying were all that
    impressions earn. None where rewards are not of staying, or nothing comes before."""
    issue, short = night.issue, night.issue.rewards.short
    if short is None or issue.unit is TRAJECTORY:
        return None
    rules = issue.evaluation
    interval = "bootstrap" if rules.interval in NEEDS_RANGE else rules.interval
    evaluation = rules.model_copy(update={"reward_range": None, "interval": interval})
    return replace(night, issue=issue.model_copy(update={"rewards": short, "evaluation": evaluation}))


def cohorts_to_look_at(night: IssueNight, models: Table, credits: Table) -> Cohorts:
    """Those of a night of short outcomes, without what evidence is taken by."""
    found = cohorts(night, models, credits)
    by_day = {day: replace(each, stakes=None) for day, each in found.by_day.items()}
    return replace(found, by_day=by_day)
