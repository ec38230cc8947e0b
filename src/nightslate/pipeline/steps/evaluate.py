"""Every learner off-policy, on later days and on other users than it was fitted on; and the day's
evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from functools import partial
from typing import Any

import pyarrow as pa

from nightslate.core.ope.estimate import Estimate
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.results import results
from nightslate.kernels.progressive import Cohorts, Found
from nightslate.pipeline.arms import baseline_of_no_arm, offered_arms
from nightslate.pipeline.cohort_models import cohorts, waited_for
from nightslate.pipeline.evidence_table import CHANGED, take_evidence
from nightslate.pipeline.fitting import interval_of
from nightslate.pipeline.log_tables import LogTables
from nightslate.pipeline.lookback import shared_with_other_nights
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.short_outcomes import cohorts_to_look_at, night_of_short_outcomes
from nightslate.pipeline.units import ON_IMPRESSIONS, task_of
from nightslate.pipeline.units.sweeps import epsilons_tonight, in_words
from nightslate.programs.days import first_day
from nightslate.reports.estimands import CROSS_FITTED, PROGRESSIVE, SHORT_OUTCOMES
from nightslate.reports.estimands import in_words as estimand
from nightslate.tables import Table


def run(
    night: IssueNight,
    impressions: Table,
    features: Table,
    features_of_arms: Table,
    credits: Table,
    transitions: Table,
    arms: Table,
    models: Table,
    evaluations: Table,
    sweeps: Table,
    uplift: Table,
    evidence: Table,
) -> str:
    """A pure function of the logs up to ds: the champion is not looked up, every pair is compared."""
    rules = night.issue.evaluation
    logs = LogTables(impressions, features, features_of_arms, credits, transitions)
    interval, whole = interval_of(night), cohorts(night, models, credits)
    epsilons = epsilons_tonight(night, models)
    found = task_of(night).evaluated(night, logs, offered_arms(night, arms), whole, epsilons)
    estimated = partial(results, confidence=rules.confidence, interval=interval, rewards=found.rewards)
    cross_fitted = estimated(found.cross_fitted)
    by_estimand = {
        PROGRESSIVE: _progressive(found.cohorts, found.progressive, estimated),
        CROSS_FITTED: [{**_ends(_window(night)), **asdict(estimate)} for estimate in cross_fitted],
    }
    if soon := night_of_short_outcomes(night):
        came = cohorts_to_look_at(soon, models, credits)
        of_short = ON_IMPRESSIONS.short_outcomes(soon, logs, offered_arms(night, arms), came)
        look = partial(results, confidence=rules.confidence, interval=interval_of(soon), rewards=None)
        by_estimand[SHORT_OUTCOMES] = _progressive(came, of_short, look)
    rows = evaluations.typed(
        [
            {"issue": night.issue.name, "estimand": estimand, **line}
            for estimand, lines in by_estimand.items()
            for line in lines
        ]
    )
    for name, others in found.tables.items():
        table = {"sweeps": sweeps, "uplift": uplift}[name]
        table.replace(night.ds, table.typed(others), night.commit_metadata)
    evaluations.replace(night.ds, rows, night.commit_metadata)
    with shared_with_other_nights():  # whoever comes first has written the same terms
        taken = take_evidence(night, evidence, found.progressive.evidence, found.cohorts)
    _track(night, rows, {**found.metrics, "evidence.cohorts": taken.cohorts}, {CHANGED: taken.days_changed})
    first, waiting = cross_fitted[0], waited_for(night, impressions, credits)
    warning = f"; {first.policy}: {first.remark}" if first.remark else ""
    waits = f"; evidence of days before waits for the outcomes of {', '.join(map(str, waiting))}"
    unknown = f". Look: {word}" if (word := baseline_of_no_arm(night, arms)) else ""
    return (
        f"{len(night.issue.learners)} policies on {first.n} {found.units} of {first.clusters}"
        f" users{found.words}{in_words(epsilons)}{warning}; {taken.in_words}{waits if waiting else ''}"
        f"{unknown}"
    )


def _progressive(
    cohorts: Cohorts, found: Found, estimated: Callable[[EvaluationState], list[Estimate]]
) -> list[dict[str, Any]]:
    """Each policy, then each pair, over all days that it has models of."""
    rows: dict[tuple[str, str | None, str], dict[str, Any]] = {}
    for comparison, state in zip(cohorts.comparisons, found.estimates, strict=True):
        for estimate in estimated(state):
            key = estimate.policy, estimate.reference, estimate.estimator
            rows.setdefault(key, {**_ends(sorted(comparison.days)), **asdict(estimate)})
    return sorted(rows.values(), key=lambda row: row["reference"] is not None)


def _window(night: IssueNight) -> list[date]:
    """The first and the last day that the evaluation reads."""
    return [first_day(night.ds, night.issue.evaluation.window_days), night.ds]


def _ends(days: Sequence[date]) -> dict[str, date | None]:
    """The days shown that an estimate is about, which are in order."""
    return {"first_day": days[0] if days else None, "last_day": days[-1] if days else None}


def _track(night: IssueNight, rows: pa.Table, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
    tracked = night.run()
    weighed = [row for row in rows.to_pylist() if row["n"]]
    estimands = {f"nightslate.estimand.{row['estimand']}": estimand(row) for row in weighed}
    tracked.set_tags({**tags, **estimands})
    figures: dict[str, float | None] = {**metrics}
    for row in rows.to_pylist():
        if row["reference"] is None:
            policy = f"{row['estimand']}.{row['policy']}"
            name = f"{policy}.{row['estimator']}"
            figures |= {name: row["value"], f"{name}.lower": row["lower"], f"{name}.upper": row["upper"]}
            figures |= {f"{policy}.ess": row["ess"], f"{policy}.mean_weight": row["mean_weight"]}
    tracked.log_metrics(figures)
