"""What each arm earns when it is shown, as rows of the table `insights`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow.compute as pc

from nightslate.core.insights import ArmResponses, Response
from nightslate.kernels.scoring import ScoredBy
from nightslate.models.files import scored_by
from nightslate.pipeline.night import IssueNight
from nightslate.programs.cohorts import modelled_on
from nightslate.programs.days import first_day
from nightslate.tables import Table

Row = dict[str, Any]


def models_by_day(night: IssueNight, models: Table, learner: str) -> dict[date, ScoredBy]:
    """By each day of the training window the model that a learner had before it, where there was one that
    looks at nothing which the program has no more."""
    window = night.issue.training.window_days
    days = [first_day(night.ds, window) + timedelta(days=number) for number in range(window)]
    fitted = {day: modelled_on(night.issue, day) for day in days}
    rows = models.rows(min(fitted.values()), night.ds)
    of_learner = rows.filter(pc.equal(rows["learner"], learner))
    digests = dict(zip(of_learner["ds"].to_pylist(), of_learner["digest"].to_pylist(), strict=True))
    wanted = {digests[before] for before in fitted.values() if before in digests}
    loaded = {digest: scored_by(night.registry.load(digest)) for digest in sorted(wanted)}
    there = {*night.program.columns_of_contexts}
    usable = {digest: model for digest, model in loaded.items() if there.issuperset(model.encoder.features)}
    found = {day: usable.get(digests.get(before, "")) for day, before in fitted.items()}
    return {day: model for day, model in found.items() if model is not None}


def arm_rows(arms: Sequence[str], responses: ArmResponses, confidence: float) -> list[Row]:
    """By figure and arm, of arms that were shown."""
    return list(_rows(arms, responses, confidence))


def _rows(arms: Sequence[str], responses: ArmResponses, confidence: float) -> Iterator[Row]:
    for at, arm in enumerate(arms):
        common = {"place": at + 1, "about": f"arm {arm}", "arm_id": arm}
        for figure, found, n in (
            ("response", responses.corrected(at, confidence), responses.chosen[at]),
            ("naive_response", responses.naive(at, confidence), responses.shown[at].sum()),
        ):
            if found is not None:
                yield {**common, "figure": figure, **_told(found), "n": int(n)}
        explored = responses.exploration(at)
        if explored is not None:
            yield {**common, "figure": "exploration", "value": explored, "n": int(responses.judged[at])}


def _told(found: Response) -> Row:
    bounds = found.bounds
    if bounds is None:
        return {"value": found.value}
    return {"value": found.value, "stderr": bounds.stderr, "lower": bounds.lower, "upper": bounds.upper}
