"""Programs to make dashboards of, by hand: so many nights of two issues, with rows as tables have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts.arrow import schema
from nightslate.contracts.odcs import load
from nightslate.reports.dashboard.dashboard_report import NIGHTS, DashboardReport, IssueRules
from nightslate.reports.dashboard.page import tables_read
from nightslate.reports.numbers import Reward

FIRST = date(2026, 1, 1)
ISSUES = {
    "homepage": IssueRules(
        Reward("clicks per impression", rate=True), "dr", "uniform", 500.0, "randomised", "region"
    ),
    "mail": IssueRules(Reward("purchases", rate=False), "snips", "uniform", 500.0),
}
POLICIES = {
    "homepage": ("logged", "uniform", "linear_ucb", "linear_thompson"),
    "mail": ("logged", "uniform", "popularity"),
}
OUTSIDE = "bts (outside, not evaluated)"
HOSTILE = "</script><script>alert('x')</script><!--\"'`${1}&"
PROMOTED_ON = 5
"""The night, counted from 0, of each issue's only promotion: of its last policy."""


def report(
    nights: int = 12,
    policies: dict[str, Sequence[str]] = POLICIES,
    arms: Sequence[str] = tuple(f"arm-{i}" for i in range(14)),
    features: Sequence[str] = ("visits_7d", "age"),
) -> DashboardReport:
    """So many nights, of the same figures whenever it is made."""
    days = [FIRST + timedelta(days=i) for i in range(nights)]
    rows = {
        "evaluations": [
            row for day in days for issue in policies for row in _evaluations(issue, day, policies)
        ],
        "promotions": [
            row for day in days for issue in policies for row in _promotions(issue, day, policies)
        ],
        "exposures": [row for day in days for issue in policies for row in _exposures(issue, day, arms)],
        "feature_drift": [row for day in days for row in _drift(day, features)],
        "references": [row for day in days for row in _references(day)],
        "ledger": [row for day in days for issue in policies for row in _ledger(issue, day, policies)],
        "readouts": [row for day in days for row in _readouts(day)],
        "readout_decisions": [_decision(day) for day in days],
        "insights": [row for day in days for row in _insights(day, features)],
        "rollouts": [row for day in days for row in _rollouts(day)],
        "rollout_shares": [row for day in days for row in _rollout_shares(day)],
    }
    return DashboardReport(
        program="shop",
        description="What a shop shows & sends.",
        first=days[0],
        last=days[-1],
        issues={issue: ISSUES.get(issue, ISSUES["mail"]) for issue in policies},
        rows={name: read(name, of_table) for name, of_table in rows.items()},
        nights=pa.Table.from_pylist([_night(day) for day in days], NIGHTS),
    )


def of_rollout() -> DashboardReport:
    """One of a program without slates."""
    some, none = report(), ("evaluations", "promotions", "exposures", "feature_drift", "ledger", "insights")
    rows = {
        name: rows.slice(0, 0) if name in (*none, "references") else rows for name, rows in some.rows.items()
    }
    return replace(some, issues={"homepage": ISSUES["homepage"]}, rows=rows, publishes="assignments")


def hostile() -> DashboardReport:
    """One whose policies, arms and features attack the page."""
    return report(3, {"homepage": ("logged", "uniform", HOSTILE)}, arms=(HOSTILE,), features=(HOSTILE,))


def empty() -> DashboardReport:
    """One of a program that has no night yet."""
    some = report(1)
    return replace(
        some,
        rows={name: rows.slice(0, 0) for name, rows in some.rows.items()},
        nights=some.nights.slice(0, 0),
    )


def repeated(once: DashboardReport, times: int) -> DashboardReport:
    """The nights of a program again and again, one after another: rows of many nights in no time."""
    nights = (once.last - once.first).days + 1

    def again(rows: pa.Table) -> pa.Table:
        return pa.concat_tables([_later(rows, nights * time) for time in range(times)])

    return replace(
        once,
        last=once.first + timedelta(days=nights * times - 1),
        rows={name: again(rows) for name, rows in once.rows.items()},
        nights=again(once.nights),
    )


def _later(rows: pa.Table, days: int) -> pa.Table:
    for at, field in enumerate(rows.schema):
        if field.type == pa.date32():
            moved = pc.add(rows[field.name].cast(pa.int32()), pa.scalar(days, pa.int32())).cast(pa.date32())
            rows = rows.set_column(at, field, moved)
    return rows


def read(table: str, rows: list[dict[str, object]]) -> pa.Table:
    """What the step reads of a table."""
    columns = tables_read()[table]
    full = schema(load(table))
    return pa.Table.from_pylist(rows, pa.schema([full.field(name) for name in columns]))


def champion(issue: str, day: date, policies: dict[str, Sequence[str]] = POLICIES) -> str:
    """As of the night of a day."""
    return policies[issue][-1] if (day - FIRST).days > PROMOTED_ON else "uniform"


def value(issue: str, policy: str, day: date) -> float:
    """The estimated value, in the unit of rewards: by the day, so that any two nights differ."""
    random = np.random.default_rng([len(issue), sum(map(ord, policy)), day.toordinal()])
    return 0.05 + 0.002 * len(policy) / 10 + float(random.normal(0, 0.002))


def _evaluations(issue: str, day: date, policies: dict[str, Sequence[str]]) -> list[dict[str, object]]:
    young = (day - FIRST).days < 2
    return [
        {
            "issue": issue, "policy": policy, "reference": reference, "estimator": estimator,
            "estimand": estimand,
            **_interval(issue, policy, reference, day),
            "n": 0 if young and estimand == "progressive" else 4000 + day.toordinal() % 97,
            "ess": 900.0 + 10 * len(policy), "mean_weight": 1.0 + 0.001 * len(policy),
            "mean_weight_lower": 0.98, "mean_weight_upper": 1.03, "unsupported_share": 0.0,
            "first_day": day - timedelta(days=3), "last_day": day, "ds": day,
        }
        for estimand in ("progressive", "cross_fitted")
        for estimator in ("snips", "dr")
        for policy in policies[issue]
        for reference in (None, *policies[issue])
        if policy != reference
    ]  # fmt: skip


def _interval(issue: str, policy: str, reference: str | None, day: date) -> dict[str, float]:
    middle = value(issue, policy, day) - (value(issue, reference, day) if reference else 0)
    return {"value": middle, "lower": middle - 0.004, "upper": middle + 0.004}


def _promotions(issue: str, day: date, policies: dict[str, Sequence[str]]) -> list[dict[str, object]]:
    now = champion(issue, day, policies)
    others = [policy for policy in policies[issue] if policy not in ("logged", now)]
    return [{"issue": issue, "challenger": each, "champion_before": now, "ds": day} for each in others]


def _exposures(issue: str, day: date, arms: Sequence[str]) -> list[dict[str, object]]:
    shown = [1000 // (2 + (place + day.toordinal()) % 5) for place in range(len(arms))]
    return [
        {"issue": issue, "arm_id": arm, "shown": number, "slate_date": day + timedelta(days=1)}
        for arm, number in zip(arms, shown, strict=True)
    ]


def _drift(day: date, features: Sequence[str]) -> list[dict[str, object]]:
    return [
        {"feature": feature, "psi": 0.02 * (1 + day.toordinal() % 7) + 0.01 * place, "users": 900,
         "mean": 1.5, "mean_before": 1.4, "ds": day}
        for place, feature in enumerate(features)
    ]  # fmt: skip


def _insights(day: date, features: Sequence[str]) -> list[dict[str, object]]:
    """What each feature matters to the champion of the homepage."""
    same = {
        "issue": "homepage",
        "figure": "importance",
        "learner": champion("homepage", day),
        "reference": 0.2,
    }
    return [
        {**same, "about": feature, "value": 0.01 / (1 + place), "lower": 0.0, "upper": 0.02, "ds": day}
        for place, feature in enumerate(features)
    ]


def _references(day: date) -> list[dict[str, object]]:
    """What another team's policy earned: nothing was shown on every third day."""
    number = (day - FIRST).days
    return [{"policy": "bts", "impressions": 100, "reward": float(number), "ds": day}] if number % 3 else []


def _ledger(issue: str, day: date, policies: dict[str, Sequence[str]]) -> list[dict[str, object]]:
    matured = (day - FIRST).days - PROMOTED_ON
    if matured < 0:
        return []
    came = 0.05 + 0.001 * min(matured, 3) if matured else None
    return [
        {"issue": issue, "promoted_on": FIRST + timedelta(days=PROMOTED_ON), "policy": policies[issue][-1],
         "replaced": "uniform", "promised": 0.052, "promised_lower": 0.047, "days": matured, "came": came,
         "came_lower": came and came - 0.01, "came_upper": came and came + 0.01,
         "kept": None if came is None else True, "ds": day}
    ]  # fmt: skip


def _readouts(day: date) -> list[dict[str, object]]:
    """Of the first issue: two metrics of two variants, which are held against a third; on the first night one
    metric of all who were assigned, and no interval of every look on the first two."""
    return [
        {"issue": "homepage", "ds": day, "metric": metric, "variant": variant, "control": "randomised",
         "scope": scope, "period": period, "segment": segment, "segment_value": segment and "young",
         "method": method, **_effect(metric, variant, method, day)}
        for metric in ("engagement", "opt_outs")
        for variant in ("personalised", "rule", "randomised")
        for scope in ("exposed", "assigned")
        for period in ("cumulative", "day")
        for segment in (None, "age")
        for method in ("difference", "cuped", "naive")
        if variant != "randomised" or method == "difference"
        if day > FIRST or (metric, scope) == ("opt_outs", "assigned")
    ]  # fmt: skip


def effect(metric: str, variant: str, method: str, day: date) -> float:
    """The effect of a variant, by the day."""
    return 0.1 * len(variant) - len(metric) / 20 + {"cuped": 0.01}.get(method, 0.0) + 0.001 * day.day


def _effect(metric: str, variant: str, method: str, day: date) -> dict[str, object]:
    n, mean = 100 * (1 + (day - FIRST).days), 2.0
    if variant == "randomised":
        return {"n": n, "mean": mean}
    middle, young = effect(metric, variant, method, day), (day - FIRST).days < 2
    return {
        "n": n, "mean": mean + middle, "effect": middle, "lower": middle - 0.1, "upper": middle + 0.1,
        "p": 0.04, "relative": middle / mean, "anytime_lower": None if young else middle - 0.2,
        "anytime_upper": None if young else middle + 0.2,
    }  # fmt: skip


def _rollouts(day: date) -> list[dict[str, object]]:
    """Of two variants; on every third day with a cause of its own in a region."""
    same = {"issue": "homepage", "slate_date": day + timedelta(days=1)}
    return [
        {**same, "variant": variant, "region": region, "share": 0.5, "cause": "ramp",
         "reason": "in the north" if region else "went on to step 2 of 2 (50 %)"}
        for variant in ("personalised", "randomised")
        for region in (None, *(["north"] if day.day % 3 == 0 else []))
    ]  # fmt: skip


def _rollout_shares(day: date) -> list[dict[str, object]]:
    same = {
        "issue": "homepage", "slate_date": day + timedelta(days=1), "users": 900, "drawn": 460,
        "came": day.day, "left": 3, "share_p10": 0.2, "share_p90": 0.8, "scored": 600, "below": 150,
    }  # fmt: skip
    parts = (("all", None, None), ("segment", "region", "north"), ("segment", "device", None))
    return [
        {**same, "variant": variant, "part": part, "segment": segment, "segment_value": value,
         "share": 0.4 + day.day / 100}
        for variant in ("personalised", "randomised")
        for part, segment, value in (*parts, ("change", None, "score"))
    ]  # fmt: skip


def _decision(day: date) -> dict[str, object]:
    decision = "ship" if (day - FIRST).days > 2 else "go on"
    return {"issue": "homepage", "ds": day, "decision": decision, "metric": "engagement"}


def _night(day: date) -> dict[str, object]:
    seconds = {
        "ingested": 40.0,
        "attributed": 10.0,
        "trained": 60.0 + day.toordinal() % 30,
        "published": 30.0,
    }
    return {
        "day": day, "pages": "homepage mail", "impressions": 12_000, "outcomes": 900, "quarantine": 3,
        "slates": 5000, **seconds, "seconds": sum(seconds.values()),
    }  # fmt: skip
