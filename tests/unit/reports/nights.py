"""Nights to report on, made by hand: an ordinary one, an empty one, and one whose ids attack the page."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import pairwise

import pyarrow as pa

from nightslate.contracts.arrow import schema
from nightslate.contracts.odcs import load
from nightslate.reports.night_report import NightReport
from nightslate.reports.numbers import Reward
from nightslate.reports.sequence import SequenceFigures

CLICKS = Reward("clicks per impression", rate=True)
HOSTILE = "<script>alert('x')</script><img src=https://evil.example/x onerror=alert(1)>\"'`${1}&"

EVALUATIONS, PROMOTIONS, MODELS, REFERENCES, SLATES, LEDGER = (
    schema(load(table), partition=False)
    for table in ("evaluations", "promotions", "models", "references", "slates", "ledger")
)
EVIDENCE = schema(load("evidence"))
BETS = 12
QUARANTINE = pa.schema(
    [("log", pa.string()), ("reason", pa.string()), ("clause", pa.string()), ("rows", pa.int64())]
)
OUTCOMES = pa.schema([("kind", pa.string()), ("fate", pa.string()), ("outcomes", pa.int64())])
LOGGED = pa.schema([("issue", pa.string()), ("value", pa.float64()), ("n", pa.int64())])
EXPOSURE = pa.schema([("arm_id", pa.string()), ("slot", pa.int32()), ("share", pa.float64())])

WEIGHTS = {
    "uniform": {"ess": 9992.0, "max_weight": 1.0, "mean_weight": 1.0, "mean_weight_lower": 1.0,
                "mean_weight_upper": 1.0, "unsupported_share": 0.0},
    "popularity": {"ess": 3120.4, "max_weight": 9.31, "mean_weight": 1.004, "mean_weight_lower": 0.981,
                   "mean_weight_upper": 1.028, "unsupported_share": 0.0},
    "linear_thompson": {"ess": 611.7, "max_weight": 38.2, "mean_weight": 0.934, "mean_weight_lower": 0.909,
                        "mean_weight_upper": 0.961, "unsupported_share": 0.0},
}  # fmt: skip
TONIGHT = {"uniform": (0.0038, 0.0012), "popularity": (0.00481, 0.0018), "linear_thompson": (0.00594, 0.0027)}
VALUES = {
    "uniform": {"ips": (0.0038, 0.0012), "snips": (0.0038, 0.0012), "dr": (0.00381, 0.0012)},
    "popularity": {"ips": (0.00462, 0.0021), "snips": (0.0046, 0.002), "dr": (0.00447, 0.0019)},
    "linear_thompson": {"ips": (0.0052, 0.0034), "snips": (0.00557, 0.0036), "dr": (0.0051, 0.0029)},
}


def evaluation(
    policy: str, estimator: str, value: float | None, half: float, **changes: object
) -> dict[str, object]:
    """One row of evaluations, symmetric about its value."""
    known = value is not None
    return {
        "issue": "homepage", "policy": policy, "reference": None, "estimator": estimator, "value": value,
        "stderr": half / 1.96 if known else None, "lower": value - half if known else None,
        "upper": value + half if known else None, "confidence": 0.95, "interval_method": "bootstrap",
        "remark": None, "made_by": None, "moves": None, "stderr_of_others": None,
        "n": 9992, "clusters": 612, "estimand": "progressive",
        "first_day": date(2019, 11, 10), "last_day": date(2019, 11, 22),
        **WEIGHTS.get(policy, WEIGHTS["uniform"]), **changes,
    }  # fmt: skip


def cross_fitted(policy: str, value: float | None, half: float, **changes: object) -> dict[str, object]:
    """One row of evaluations on a policy as it is fitted tonight."""
    days = {"first_day": date(2019, 10, 30), "last_day": date(2019, 11, 26)}
    return evaluation(policy, "dr", value, half, **{"estimand": "cross_fitted", **days, **changes})


def evaluations() -> pa.Table:
    """Three policies by three estimators, and two paired differences to the champion, progressive."""
    rows = [
        evaluation(policy, estimator, value, half)
        for policy, by_estimator in VALUES.items()
        for estimator, (value, half) in by_estimator.items()
    ]
    for policy, difference in (("popularity", 0.00066), ("linear_thompson", 0.00129)):
        rows += [
            evaluation(policy, estimator, difference, 0.0033, reference="uniform")
            for estimator in ("ips", "snips", "dr")
        ]
    return pa.Table.from_pylist(rows, EVALUATIONS)


def fitted_tonight() -> pa.Table:
    """The policies as they are fitted tonight."""
    rows = [
        cross_fitted(policy, value, half, n=19_800, clusters=1210)
        for policy, (value, half) in TONIGHT.items()
    ]
    return pa.Table.from_pylist(rows, EVALUATIONS)


def of_both_estimands() -> pa.Table:
    """What the table has of a night."""
    return pa.concat_tables([evaluations(), fitted_tonight()])


def promotions() -> pa.Table:
    """Both challengers are kept out, each for its own reasons: 1 / alpha is 32.9 for the one that joined
    first, and 132 for the other; what a capital of 1 has become is 1.8 and 41.2."""
    common = {
        "issue": "homepage", "champion_before": "uniform", "champion_after": "uniform", "decision": "kept",
        "look": 17, "cohorts": 13, "estimator": "betting", "reign_since": date(2019, 11, 10),
    }  # fmt: skip
    rows = [
        {**common, "challenger": "popularity", "difference": 0.00066, "lower": -0.00264, "joined": 1,
         "alpha": 0.0303964, "log_capital": math.log(1.8),
         "reasons": ["the evidence for popularity is worth 1.8 after 13 days, and it takes 32.9"]},
        {**common, "challenger": "linear_thompson", "difference": 0.00129, "lower": -0.00201, "joined": 2,
         "alpha": 0.0075991, "log_capital": math.log(41.2),
         "reasons": ["the evidence for linear_thompson is worth 41.2 after 13 days, and it takes 132",
                     "the effective sample size 611.7 is under 1000"]},
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, PROMOTIONS)


CAPITALS = {
    "popularity": (1.2, 0.9, 0.7, 1.1, 0.8, 0.5, 0.4, 0.6, 0.9, 1.6, 1.3, 2.1, 1.8),
    "linear_thompson": (1.4, 2.2, 1.9, 3.5, 5.1, 4.0, 8.8, 7.1, 12.0, 19.5, 31.0, 26.4, 41.2),
}
"""What a capital of 1 has become after each day shown, by challenger."""


def evidence(challengers: Iterable[str] = tuple(CAPITALS), **changes: object) -> pa.Table:
    """The terms of 13 days that multiply to CAPITALS, whatever is bet; 10 of 18,200 units were clipped."""
    rows = [
        {
            "issue": "homepage", "about": "difference", "policy": policy, "reference": "uniform",
            "fitted_on": day - timedelta(days=1), "users": 1150, "units": 1400, "left_out": 3,
            "clipped": 0 if i else 10, "reward_low": 0.0, "reward_high": 1.0, "margin": 0.0, "max_units": 10,
            "total": 1.0,
            "log_growth": [math.log(capital / before)] * BETS, "ds": day, **changes,
        }
        for policy in challengers
        for i, (before, capital) in enumerate(pairwise((1.0, *CAPITALS[policy])))
        for day in [date(2019, 11, 10) + timedelta(days=i)]
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, EVIDENCE)


def exposure(arms: int, slots: int = 3) -> pa.Table:
    """Shares that fall with the arm's number and sum to 1 in each slot."""
    weights = [1 / (5 + i) for i in range(arms)]
    return pa.Table.from_pylist(
        [
            {"arm_id": str(i), "slot": slot, "share": weights[(i * slot) % arms] / sum(weights)}
            for i in range(arms)
            for slot in range(1, slots + 1)
        ],
        EXPOSURE,
    )


def ledger() -> pa.Table:
    """Three promotions, of which the first broke its promise, one kept it, and of the newest nothing is
    known."""
    promises = (
        ("popularity", 0.0052, 0.0049, 0.0042, 0.0046, 9, False),
        ("linear_ucb", 0.0047, 0.0044, 0.0046, 0.0048, 14, True),
        ("uniform", 0.0040, 0.0035, None, None, 0, None),
    )
    rows = [
        {
            "issue": "homepage", "promoted_on": date(2019, 11, 4 + 8 * i), "policy": policy,
            "replaced": promises[i - 1][0], "promised": promised, "promised_lower": least, "days": days,
            "units": 1400 * days, "came": came, "came_lower": came and 0.9 * came, "came_upper": upper,
            "kept": kept,
        }
        for i, (policy, promised, least, came, upper, days, kept) in enumerate(promises)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, LEDGER)


def slates(count: int = 4) -> pa.Table:
    rows = [
        {
            "slate_id": f"{i:x}" * 64, "user_id": f"{i + 10:x}" * 32, "issue": "homepage",
            "variant": "champion", "policy": "uniform", "ranking": [str((7 * i + k) % 80) for k in range(10)],
            "propensities": [1 / (80 - k) for k in range(10)],
        }
        for i in range(count)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, SLATES)


def sequences(arms: tuple[str, ...] = ("call", "email"), **changes: object) -> SequenceFigures:
    """A learner whose action values are known for two arms; `changes` replace fields."""
    call, email = arms
    fields: dict[str, object] = {
        "learner": "fitted_q",
        "arms": list(arms),
        "sweep": [
            {"epsilon": epsilon, "value": 10.2 - 4 * epsilon, "lower": 9.7 - 4 * epsilon,
             "upper": 10.7 - 4 * epsilon, "confidence": 0.95, "ess": 120.0, "n": 500}
            for epsilon in (2 * i / 27 for i in range(10))
        ],
        "logged": 7.61,
        "curve": [1.0, 0.4, 0.03, 0.0],
        "tolerance": 0.001,
        "decisions": 1500,
        "segments": [
            {"first": None, "decisions": 1000, "recommended": call, "share": 0.982, "value": 11.1,
             "values": {call: 11.0, email: 5.83}},
            {"first": call, "decisions": 500, "recommended": email, "share": 0.55, "value": 4.25,
             "values": {call: None, email: 4.25}},
        ],
        "states": [
            {"x": 0.1 * i, "y": i % 7 - 3.0, "value": 0.5 * i, "action": arms[i % 2], "decisions": 1 + i % 3}
            for i in range(20)
        ],
        "importance": {"visits": 0.2, "last_call": 0.61},
        "ess_by_step": [480.0, 171.0],
    }  # fmt: skip
    return SequenceFigures(**{**fields, **changes})  # type: ignore[arg-type]


def ordinary(**changes: object) -> NightReport:
    """A night of open_bandit; `changes` replace fields."""
    fields: dict[str, object] = {
        "program": "open_bandit",
        "description": "Fashion items in three slots of a front page, logged by a uniformly random policy.",
        "ds": date(2019, 11, 26),
        "slates_date": date(2019, 11, 27),
        "reward": CLICKS,
        "evaluations": of_both_estimands(),
        "promotions": promotions(),
        "evidence": evidence(),
        "models": pa.Table.from_pylist(
            [{"issue": "homepage", "learner": name, "digest": f"{i}ab" * 21 + "0", "rows": 9992, "arms": 80}
             for i, name in enumerate(VALUES)], MODELS),
        "quarantine": pa.Table.from_pylist(
            [{"log": "impressions", "reason": "out_of_range", "clause": "propensity > 0", "rows": 12},
             {"log": "outcomes", "reason": "conflicting_duplicate", "clause": "outcome_id is unique",
              "rows": 2}],
            QUARANTINE),
        "outcomes": pa.Table.from_pylist(
            [{"kind": "click", "fate": "credited", "outcomes": 6},
             {"kind": "task", "fate": "before_impression", "outcomes": 1}], OUTCOMES),
        "rows": {"impressions": 1407, "outcomes": 6, "users": 1210, "arms": 80, "credits": 6, "slates": 1210},
        "references": pa.Table.from_pylist(
            [{"policy": "bts", "impressions": 1384, "reward": 7.0}], REFERENCES),
        "logged": pa.Table.from_pylist([{"issue": "homepage", "value": 0.0038, "n": 9992}], LOGGED),
        "slates": slates(),
        "exposure": exposure(80),
        "ledger": ledger(),
        "min_ess": 1000.0,
        "max_unsupported_share": 0.01,
        "alpha": 0.05,
        "rows_before": {"impressions": 1432, "outcomes": 5, "users": 1188, "arms": 80, "slates": 1188},
        "provenance": {"nightslate": "0.1.0", "program digest": "5f2c" * 16, "tables": "impressions@12"},
    }  # fmt: skip
    return NightReport(**{**fields, **changes})  # type: ignore[arg-type]


def empty() -> NightReport:
    """The first night of a program on a declared-empty day: nothing matured, nothing promoted, no slates."""
    nulls: dict[str, object] = dict.fromkeys(WEIGHTS["uniform"])
    nothing = {"n": 0, "clusters": 0, **nulls}
    rows = [
        evaluation("uniform", "dr", None, 0.0, **{**nothing, "first_day": None, "last_day": None}),
        cross_fitted("uniform", None, 0.0, **nothing),
    ]
    return ordinary(
        evaluations=pa.Table.from_pylist(rows, EVALUATIONS),
        promotions=PROMOTIONS.empty_table(),
        evidence=EVIDENCE.empty_table(),
        ledger=LEDGER.empty_table(),
        models=MODELS.empty_table(),
        quarantine=QUARANTINE.empty_table(),
        outcomes=OUTCOMES.empty_table(),
        references=REFERENCES.empty_table(),
        logged=LOGGED.empty_table(),
        slates=SLATES.empty_table(),
        exposure=EXPOSURE.empty_table(),
        rows={},
        rows_before=None,
        provenance={},
    )


def hostile() -> NightReport:
    """Every string that comes from outside carries markup."""
    rows = [evaluation(f"{HOSTILE}{i}", "dr", 0.004, 0.001, issue=HOSTILE) for i in range(2)]
    promotion = {
        "issue": HOSTILE, "challenger": f"{HOSTILE}1", "champion_before": f"{HOSTILE}0",
        "champion_after": f"{HOSTILE}0", "decision": "kept", "reasons": [HOSTILE], "look": 1, "alpha": 0.03,
        "estimator": "betting", "difference": 0.0, "lower": -0.1, "log_capital": 0.5, "joined": 1,
        "cohorts": 13,
    }  # fmt: skip
    slate = {"slate_id": HOSTILE, "user_id": HOSTILE, "issue": HOSTILE, "variant": HOSTILE, "policy": HOSTILE,
             "ranking": [HOSTILE], "propensities": [1.0]}  # fmt: skip
    return ordinary(
        program=HOSTILE,
        description=HOSTILE,
        reward=Reward(HOSTILE, rate=False),
        evaluations=pa.Table.from_pylist(rows, EVALUATIONS),
        promotions=pa.Table.from_pylist([promotion], PROMOTIONS),
        evidence=evidence(("popularity",), issue=HOSTILE, policy=f"{HOSTILE}1", reference=f"{HOSTILE}0"),
        changed=HOSTILE,
        models=pa.Table.from_pylist(
            [{"issue": HOSTILE, "learner": HOSTILE, "digest": HOSTILE, "rows": 1, "arms": 1}], MODELS),
        quarantine=pa.Table.from_pylist(
            [{"log": HOSTILE, "reason": HOSTILE, "clause": HOSTILE, "rows": 1}], QUARANTINE),
        outcomes=pa.Table.from_pylist([{"kind": HOSTILE, "fate": HOSTILE, "outcomes": 1}], OUTCOMES),
        rows={HOSTILE: 1},
        rows_before={HOSTILE: 2},
        references=pa.Table.from_pylist([{"policy": HOSTILE, "impressions": 10, "reward": 1.0}], REFERENCES),
        logged=pa.Table.from_pylist([{"issue": HOSTILE, "value": 0.1, "n": 10}], LOGGED),
        slates=pa.Table.from_pylist([slate], SLATES),
        exposure=pa.Table.from_pylist([{"arm_id": HOSTILE, "slot": 1, "share": 1.0}], EXPOSURE),
        provenance={HOSTILE: HOSTILE},
        sequences=[
            sequences((HOSTILE, f"{HOSTILE}2"), learner=HOSTILE, importance={HOSTILE: 0.5}),
            sequences(learner="other"),
        ],
    )  # fmt: skip
