"""Impressions and credits of some users, and what is fitted and evaluated on them fold by fold: by whatever
goes over their units and merges what each says."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from nightslate.core import npz
from nightslate.core.evidence import Stakes
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.policies import Arms, LinearThompson, Popularity
from nightslate.kernels.cross_fitting import CrossFit, Evaluator
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.examination import FoldedTraffic, FoldExaminations, Randomised
from nightslate.kernels.progressive import Cohort, Cohorts, Found, Progressive
from nightslate.kernels.rewards import Matured
from nightslate.kernels.scoring import ScoredBy
from nightslate.kernels.training import Lessons, arm_key
from nightslate.kernels.value_counts import ValueCounts

Row = dict[str, Any]
Tables = Mapping[str, pa.Table]
Update = Callable[[Tables], Iterable[tuple[Any, Any]]]
Fold = Callable[[Mapping[Any, Any], Update], Mapping[Any, Any]]
"""(initial states, what one unit says) -> what all units say."""

DS = date(2026, 11, 16)
NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
ARMS = ("a", "b", "c")
PLAIN = Arms.plain(arm_key(arm) for arm in ARMS)
FOLDS = 3
LEARNERS = {"linear": LinearThompson(draws=32, noise_variance=0.1), "popularity": Popularity(5.0)}
ENCODER = Encoder(("colour",), (("blue", "red"),))
SURFACES = ("app", None)
PROGRAM = "shop"
MATURED = Matured(PROGRAM, DS, NOON)
IMPRESSIONS = pa.schema(
    [
        ("impression_id", pa.string()),
        ("decision_id", pa.string()),
        ("user_id", pa.string()),
        ("occurred_at", pa.timestamp("us", "UTC")),
        ("slot", pa.int32()),
        ("arm_id", pa.string()),
        ("propensity", pa.float64()),
        ("propensity_kind", pa.string()),
        ("policy", pa.string()),
        ("eligible_arms", pa.list_(pa.string())),
        ("colour", pa.string()),
        ("surface", pa.string()),
        ("variant", pa.string()),
    ]
)
CREDITS = pa.schema([("impression_id", pa.string()), ("credit", pa.float64())])


def user(number: int) -> str:
    return hashlib.sha256(f"user {number}".encode()).hexdigest()[:32]


def world(people: int = 45, each: int = 4) -> tuple[list[Row], dict[str, float]]:
    """Impressions, and the credit of each by impression."""
    dice = np.random.default_rng(4)
    impressions = [
        {
            "impression_id": f"i{number}-{k}",
            "decision_id": f"i{number}-{k}",
            "user_id": user(number),
            "occurred_at": NOON,
            "slot": int(k % 2 + 1),
            "arm_id": str(dice.choice([*ARMS, "gone"])),
            "propensity": 0.25,
            "propensity_kind": "marginal",
            "policy": ["linear", None][number % 2],
            "colour": ["blue", "red", None][number % 3],
            "surface": ["app", None][number % 2],
            "variant": ["random", "learned", None][(number + k) % 3],
        }
        for number in range(people)
        for k in range(each)
    ]
    credit = {row["impression_id"]: float(dice.integers(0, 3)) for row in impressions}
    return impressions, credit


def restricted_world() -> tuple[list[Row], dict[str, float]]:
    """The same, where it is known what could have been shown."""
    impressions, credit = world()
    for number, row in enumerate(impressions):
        row["eligible_arms"] = [None, ["a", "b"], ["b", "c"], ["a"], ["a", "b", "c"]][number % 5]
    return impressions, credit


def tables_of(impressions: list[Row], credit: Mapping[str, float]) -> dict[str, pa.Table]:
    """What the tables have of them."""
    earned = [
        {"impression_id": row["impression_id"], "credit": credit[row["impression_id"]]} for row in impressions
    ]
    return {
        "impressions": pa.Table.from_pylist(impressions, IMPRESSIONS),
        "credits": pa.Table.from_pylist(earned, CREDITS),
    }


def folding(impressions: list[Row], credit: Mapping[str, float], buckets: int = 1) -> Fold:
    """Goes over buckets of users one after another, and nothing runs the kernels but this. States travel."""
    units = []
    for bucket in range(buckets):
        mine = [row for row in impressions if int(row["user_id"][:8], 16) % buckets == bucket]
        units.append(tables_of(mine, credit))
    return partial(_folded, units)


def _folded(units: list[Tables], initial: Mapping[Any, Any], update: Update) -> dict[Any, Any]:
    states = dict(initial)
    for tables in units:
        for key, state in update(tables):
            arrived = type(states[key]).from_arrays(npz.unpack(npz.pack(state.arrays())))
            states[key] = states[key].merge(arrived)
    return states


def value_counts(fold: Fold, columns: tuple[str, ...]) -> Mapping[str, Mapping[str, int]]:
    nothing = ValueCounts.initial(columns)
    found = fold({"counts": nothing}, lambda tables: [("counts", nothing.update(MATURED.rows(tables)))])
    return found["counts"].by_column


def examined(fold: Fold, folds: int = FOLDS) -> FoldExaminations:
    traffic = FoldedTraffic(PROGRAM, Randomised("random", by_propensity=True), SURFACES, 2, folds)
    sums = fold(traffic.initial(), lambda tables: traffic.update(MATURED.rows(tables)))
    return FoldExaminations(SURFACES, tuple(sums[place] for place in range(folds)), prior_strength=1.0)


def fold_states(
    fold: Fold, learners: Mapping[str, Any] = LEARNERS, folds: int = FOLDS, **how: Any
) -> Mapping[str, Any]:
    lessons = Lessons(MATURED, learners, ENCODER, ARMS, folds, **how)
    return lessons.states(fold(lessons.initial(), lambda tables: lessons.update(MATURED.rows(tables))))


def evaluator(fold: Fold) -> tuple[Mapping[str, Any], Evaluator]:
    """By learner the states of the folds, and what evaluates the policies fitted on them."""
    examination = examined(fold).for_folds
    states = fold_states(fold, examined=examination)
    fitted = {
        name: [learner.fit(state, PLAIN, 7) for state in states[name]] for name, learner in LEARNERS.items()
    }
    crossfit = CrossFit(fitted, fitted["linear"], examination)
    supported = np.ones(3, dtype=np.bool_)
    return states, Evaluator(ARMS, supported, ENCODER, 0.1, ("ips", "snips", "dr"), 1, crossfit)


def evaluated(fold: Fold, how: Evaluator, with_a_cohort: bool = False) -> tuple[EvaluationState, Found]:
    """Of policies that are cross-fitted, and of a cohort whose models are the first fold's."""
    cohorts = {}
    if with_a_cohort:
        models = {
            name: ScoredBy(name, "0" * 64, ARMS, ENCODER, how.crossfit.policies[name][0]) for name in LEARNERS
        }
        cohorts[DS] = Cohort(models, Stakes(0.0, 2.0, max_units=4))
    progressive = Progressive(Cohorts(tuple(LEARNERS), cohorts), how, frozenset(ARMS), PROGRAM)
    states = fold(progressive.initial(), lambda tables: progressive.update(MATURED.rows(tables)))
    return progressive.found(states)


def figures(estimates: Iterable[Any]) -> list[list[float | None]]:
    return [[e.value, e.stderr, e.lower, e.upper, e.ess, e.mean_weight] for e in estimates]
