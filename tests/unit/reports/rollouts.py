"""A rollout to report on, made by hand: a ramp, a signal, a stop, a guardrail, and users who have scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from nightslate.contracts.arrow import schema
from nightslate.contracts.odcs import load
from nightslate.programs.readouts import Guardrail
from nightslate.reports.experiment import experiment_readout
from nightslate.reports.rollout_report import RolloutReport

from .nights import HOSTILE, QUARANTINE

FIRST = date(2026, 3, 3)
DAYS = 8
LAST = FIRST + timedelta(days=DAYS - 1)
NIGHT = LAST - timedelta(days=1)
SHARES = (0.1, 0.1, 0.5, 0.5, 0.5, 0.0, 0.5, 0.1)
"""Of the treatment by day: a ramp goes on, a signal comes, somebody stops it and lets it run, a guardrail is
broken."""


def rollouts(name: str = "treatment") -> list[dict[str, Any]]:
    same = {
        "issue": "all",
        "experiment": "new",
        "ok_looks": 0,
        "update": 0,
        "range": 0.4,
        "risk_tolerance": 0.0,
        "scale": 2.0,
        "floor": 0.05,
        "model": "linear",
        "step": 1,
        "step_since": FIRST,
        "phase": "running",
    }
    quiet = {"signal": None, "factor": 1.0, "signals": []}
    found = []
    for number, share in enumerate(SHARES):
        cause, look, reason = {
            0: ("ramp", "begun", "began at step 1 of 2 (10 %)"),
            2: ("ramp", "advanced", "went on to step 2 of 2 (50 %)"),
            5: ("stop", "done", "stopped by anna at 2026-03-07 09:00 UTC: payments fail"),
            7: (
                "guardrail",
                "breached",
                "went back to step 1 of 2 (10 %): a guardrail is breached: trouble +0.1",
            ),
        }.get(number, ("ramp", "waits", "at step 1 of 2 (10 %) until it has had its days and users"))
        before = SHARES[number - 1] if number else None
        of_day = {
            **same,
            "slate_date": FIRST + timedelta(days=number),
            "cause": cause,
            "look": look,
            "reason": reason,
        }
        for variant, now, had in (
            (name, share, before),
            ("control", 1 - share, None if before is None else 1 - before),
        ):
            row = {**of_day, "variant": variant, "region": None, "share": now, "before": had}
            found.append({**row, **quiet})
            if number == 4:
                found.append(
                    {
                        **row,
                        "region": "north",
                        "signal": "stop",
                        "factor": 1.0,
                        "signals": ["outage", "storm"],
                    }
                )
    return found


def shares(name: str = "treatment") -> list[dict[str, Any]]:
    def row(
        day: date, variant: str, part: str, column: str | None, value: str | None, share: float
    ) -> dict[str, Any]:
        treated = variant == name
        return {
            "issue": "all",
            "experiment": "new",
            "variant": variant,
            "part": part,
            "segment": column,
            "segment_value": value,
            "users": 1000,
            "apart": 321,
            "drawn": 640 if treated else 360,
            "came": 12 if treated else 5,
            "left": 5 if treated else 12,
            "share": share,
            "share_p10": max(share - 0.1, 0),
            "share_p50": share,
            "share_p90": min(share + 0.1, 1),
            "scored": 900 if treated else 0,
            "below": 180 if treated else 0,
            "score": 0.0123 if treated else None,
            "shares": [1 / 201] * 201 if part == "all" else None,
            "asked": [1 / 41] * 41 if part == "all" and treated else None,
            "slate_date": day,
        }

    parts = [
        ("all", None, None, 0.0),
        ("segment", "region", "north", -0.05),
        ("segment", "device", "old_phone", 0.08),
        ("segment", "device", None, 0.0),
        ("change", None, "score", 0.02),
        ("change", None, "same", 0.0),
        ("apart", None, "everyone", 0.0),
        ("apart", None, "score", 0.03),
    ]
    return [
        row(FIRST + timedelta(days=number), variant, *part, of)
        for number, share in enumerate(SHARES)
        for *part, more in parts
        for variant, of in ((name, min(max(share + more, 0.0), 1.0)), ("control", 1 - share))
    ]


def contributions(name: str = "treatment") -> list[dict[str, Any]]:
    """Seven features of those who have less of the treatment than everyone; nobody has more."""
    return [
        {
            "issue": "all",
            "experiment": "new",
            "variant": name,
            "towards": "control",
            "feature": f"feature_{number}",
            "users": 123,
            "benefit": 0.001 * number,
            "harm": 0.0123 * number,
            "score": -0.011 * number,
            "slate_date": LAST,
        }
        for number in range(1, 8)
    ]


def readouts(name: str = "treatment") -> list[dict[str, Any]]:
    return [
        {
            "issue": "all",
            "experiment": "new",
            "metric": metric,
            "variant": variant,
            "control": "control",
            "scope": "exposed",
            "period": "cumulative",
            "method": method,
            "n": 500,
            "mean": 0.2,
            "confidence": 0.95,
            "effect": None if variant == "control" else effect + 0.001 * night,
            "lower": effect - 0.02,
            "upper": effect + 0.02,
            "anytime_lower": effect - 0.05 if night > 3 else None,
            "anytime_upper": effect + 0.05 if night > 3 else None,
            "first_day": FIRST,
            "last_day": FIRST,
            "ds": FIRST + timedelta(days=night - 1),
        }
        for night in range(DAYS)
        for metric, effect in (("purchases", 0.03), ("trouble", 0.06))
        for variant in (name, "control")
        for method in (("difference", "cuped") if variant == name else ("difference",))
    ]


def table(name: str, rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema(load(name)))


def ordinary(name: str = "treatment", said: str = "payments fail") -> RolloutReport:
    """The night of a rollout whose treatment has this name, and was stopped because of what is said."""
    decision = {
        "issue": "all",
        "experiment": "new",
        "control": "control",
        "metric": "purchases",
        "decision": "go on",
        "reasons": ["purchases +0.03, not yet"],
        "assigned": 1000,
        "exposed": 900,
        "crossed": 0,
        "shares_changed": True,
        "confidence": 0.95,
        "first_day": FIRST,
        "ds": NIGHT,
    }
    effects = table("readouts", readouts(name))
    tonight = effects.filter(pa.array([ds == NIGHT for ds in effects["ds"].to_pylist()]))
    model = {
        "issue": "all",
        "experiment": "new",
        "variant": name,
        "users": 800,
        "effect": 0.02,
        "autoc": 0.03,
        "value": 0.004,
        "anytime_lower": -0.001,
        "anytime_upper": 0.009,
        "ds": NIGHT,
    }
    stop = {"issue": "all", "experiment": "new", "variant": None, "decided_by": "anna"}
    at = datetime(2026, 3, 7, 9, tzinfo=UTC)
    user = {
        "user_id": "0123456789abcdef" * 2,
        "cause": "score",
        "moved": True,
        "context": ["region north"],
        "variant": name,
        "variant_before": "control",
        "probability": 0.25,
        "since": LAST,
        "shares": [0.4, 0.6],
        "shares_before": [0.5, 0.5],
        "scores": [None, 0.05],
    }
    return RolloutReport(
        program="shop",
        description="A new checkout.",
        ds=NIGHT,
        slates_date=LAST,
        all_nights="index.html",
        control="control",
        treatments=[name],
        foremost="purchases",
        guardrails=[Guardrail(metric="trouble", margin=0.05, worse="higher")],
        rollouts=table("rollouts", rollouts(name)),
        shares=table("rollout_shares", shares(name)),
        readouts=effects.filter(pa.array([variant == name for variant in effects["variant"].to_pylist()])),
        models=table(
            "effect_models",
            [
                {**model, "model": "linear", "slope": 0.8, "slope_stderr": 0.2, "leads": True},
                {**model, "model": "forest", "slope": 0.2, "slope_stderr": 0.2, "leads": False},
            ],
        ),
        contributions=table("score_contributions", contributions(name)),
        signals=table(
            "signals",
            [
                {
                    "name": "outage",
                    "region": "north",
                    "starts_at": at,
                    "expires_at": at,
                    "severity": 3.0,
                    "ds": at.date(),
                }
            ],
        ),
        stops=table(
            "stops",
            [
                {**stop, "decided_at": at, "stopped": True, "reason": said, "ds": at.date()},
                {
                    **stop,
                    "decided_at": at + timedelta(days=1),
                    "stopped": False,
                    "reason": "it is mended",
                    "ds": at.date() + timedelta(days=1),
                },
            ],
        ),
        users=[
            user,
            {**user, "moved": False, "variant_before": None, "cause": "new", "shares_before": [None, None]},
        ],
        experiment=experiment_readout(tonight, table("readout_decisions", [decision]), table("fatigue", [])),
        quarantine=QUARANTINE.empty_table(),
        rows={"impressions": 900},
        rows_before={"impressions": 800},
        provenance={"MLflow run": "abc"},
    )


def first_night() -> RolloutReport:
    """Nothing is known yet but who is in which variant."""
    some = ordinary()
    of_first = pa.scalar(FIRST, pa.date32())
    return replace(
        some,
        ds=FIRST - timedelta(days=1),
        slates_date=FIRST,
        **{name: _of(getattr(some, name), of_first) for name in ("rollouts", "shares")},
        **{name: getattr(some, name).slice(0, 0) for name in ("readouts", "models", "signals", "stops")},
        users=[],
        experiment=None,
    )


def hostile() -> RolloutReport:
    """One whose treatment and reasons attack the page."""
    return ordinary(HOSTILE, HOSTILE)


def _of(rows: pa.Table, day: pa.Scalar) -> pa.Table:
    return rows.filter(pa.array([each == day.as_py() for each in rows["slate_date"].to_pylist()]))
