"""Small worlds whose policies learn from their own logs, and what a night says of them; apart, so that worker
processes can import it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats, Ints, Keys
from nightslate.core.hashing import mix
from nightslate.core.ope.estimator import RewardRange
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import Bootstrap, Delta
from nightslate.core.ope.results import Results
from nightslate.core.policies import Arms, LinearThompson, Popularity, Uniform
from nightslate.core.policies.learner import Policy, State
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.cross_fitting import CrossFit, Evaluator
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.progressive import Cohort, Cohorts, Progressive
from nightslate.kernels.rewards import arm_places, folds_of
from nightslate.kernels.scoring import ScoredBy
from nightslate.kernels.training import AnyLearner, arm_key
from nightslate.reports.estimands import CROSS_FITTED, ESTIMANDS, PROGRESSIVE

PROGRAM, FLOOR, FOLDS = "small world", 0.1, 4
USERS, BEFORE, WINDOW = 500, 7, 14
"""Days of before the evaluation window, and days of it."""

AGE = 2
"""Models of before a day know the rewards of days that are so many days earlier, or more."""

REWARD, MOST, VISITS = 0.1, 0.3, 0.3
"""The mean reward of an arm, the most that one can be worth, and how often a user comes on a day."""

ARMS = tuple(f"arm {number:02}" for number in range(12))
SEGMENTS, DEVICES = ("east", "north", "south", "west"), ("desk", "phone", "tablet")
CELLS = [(segment, device) for segment in SEGMENTS for device in DEVICES]
ENCODER = Encoder(("segment", "device"), (SEGMENTS, DEVICES))
LEARNERS: Mapping[str, AnyLearner] = {
    "linear_thompson": LinearThompson(ridge=20.0, noise_variance=REWARD, draws=128),
    "popularity": Popularity(),
    "uniform": Uniform(),
}
REWARD_MODEL = LinearThompson(ridge=100.0, noise_variance=REWARD, draws=1)
LOGGED_BY = ("uniform", "linear_thompson")
"""Whose policy of each day fills the logs."""

CONFIDENCE = 0.95
ESTIMATORS = ("dr", "snips", "ips")
INTERVALS = {"delta": Delta(), "bootstrap": Bootstrap(400)}
TARGETS: tuple[tuple[str, str | None], ...] = (
    *((name, None) for name in LEARNERS),
    *combinations(LEARNERS, 2),
)
"""Values of policies, and differences of them."""

_FIRST = date(2026, 3, 1)
_ARMS = Arms.plain(arm_key(arm) for arm in ARMS)
_CELLS = pa.table({"segment": [one for one, _ in CELLS], "device": [other for _, other in CELLS]})


class Figures(NamedTuple):
    """What is said of one target, and what is true."""

    value: float
    lower: float
    upper: float
    truth: float


@dataclass(frozen=True)
class World:
    """`worth` (cells, arms): the mean reward of an arm for users of a cell; `of_user`: what a user's rewards
    are multiplied by, 1 on average; `comes`: how often each comes on a day; `cell` of each user, all as
    likely. Users differ in all three, so that one's days are alike."""

    worth: Floats
    of_user: Floats
    comes: Floats
    cell: Ints
    ids: list[str]

    @classmethod
    def of(cls, rng: np.random.Generator) -> World:
        """One at random: arms differ for everyone, and by cell."""
        odds = rng.normal(0, 0.3, len(ARMS)) + rng.normal(0, 0.3, (len(CELLS), len(ARMS)))
        return cls(
            worth=np.minimum(REWARD * np.exp(odds), MOST),
            of_user=3 * rng.beta(1, 2, USERS),
            comes=rng.beta(1.5, 1.5 * (1 / VISITS - 1), USERS),
            cell=rng.integers(len(CELLS), size=USERS),
            ids=[f"{key:016x}" for key in _user_keys(rng)],
        )

    def value(self, policy: Policy) -> float:
        """What a policy earns of a user who comes, mixed with the floor."""
        chance = policy.weights(ENCODER(_CELLS)) * (1 - FLOOR) + FLOOR / len(ARMS)
        return float((chance * self.worth).sum(axis=1).mean())

    def day(self, number: int, policy: Policy, rng: np.random.Generator) -> pa.Table:
        """What a policy shows on a day, and what it earns."""
        who = np.flatnonzero(rng.random(USERS) < self.comes)
        model = _scored_by("logged", policy)
        cells = self.cell[who]
        contexts = _CELLS.take(pa.array(cells))
        weights = model.weights(contexts, FLOOR).astype(np.float64)
        chance = weights / weights.sum(axis=1, keepdims=True)
        shown = (rng.random((len(who), 1)) > chance.cumsum(axis=1)).sum(axis=1).clip(max=len(ARMS) - 1)
        rows = np.arange(len(who))
        earned = rng.random(len(who)) < self.worth[cells, shown] * self.of_user[who]
        at = datetime.combine(_day(number), datetime.min.time(), UTC)
        return pa.table(
            {
                "impression_id": [f"{number}-{user}" for user in who],
                "user_id": pa.array([self.ids[user] for user in who], pa.string()),
                "occurred_at": pa.repeat(pa.scalar(at, pa.timestamp("us", "UTC")), len(who)),
                "slot": pa.repeat(1, len(who)),
                "arm_id": pa.array(ARMS).take(pa.array(shown)),
                "propensity": chance[rows, shown],
                "propensity_kind": pa.repeat("marginal", len(who)),
                "reward": earned.astype(np.float64),
                "eligible_arms": pa.nulls(len(who), pa.list_(pa.string())),
                "policy": pa.nulls(len(who), pa.string()),
                **{name: contexts[name] for name in contexts.column_names},
            }
        )


def figures_of_a_world(logged_by: str, seed: int) -> Floats:
    """(estimands, targets, estimators, intervals, 4): the `Figures` of the night after the window."""
    rng = np.random.default_rng(seed)
    world = World.of(rng)
    days, lessons, models = list[pa.Table](), list[dict[str, State]](), list[dict[str, Policy]]()
    for number in range(BEFORE + WINDOW):
        known = lessons[max(0, number - AGE + 1 - WINDOW) : max(0, number - AGE + 1)]
        models.append(_fitted(known, seed))
        days.append(world.day(number, models[-1][logged_by], rng))
        lessons.append({name: _taught(learner, days[-1]) for name, learner in LEARNERS.items()})
    window, models, numbers = days[BEFORE:], models[BEFORE:], range(BEFORE, BEFORE + WINDOW)
    rows = pa.concat_tables(window)
    fold_of = folds_of(user_keys(rows), PROGRAM, FOLDS)
    of_others = [rows.filter(pa.array(fold_of != fold)) for fold in range(FOLDS)]
    how = Evaluator(
        arms=ARMS,
        supported=np.ones(len(ARMS), dtype=np.bool_),
        encoder=ENCODER,
        floor=FLOOR,
        estimators=ESTIMATORS,
        slots=1,
        crossfit=CrossFit(
            {
                name: [learner.fit(_taught(learner, others), _ARMS, seed) for others in of_others]
                for name, learner in LEARNERS.items()
            },
            [REWARD_MODEL.fit(_taught(REWARD_MODEL, others), _ARMS, 0) for others in of_others],
        ),
    )
    cohorts = {
        _day(number): Cohort({name: _scored_by(name, policy) for name, policy in of_day.items()}, None)
        for number, of_day in zip(numbers, models, strict=True)
    }
    evaluation = Progressive(Cohorts(tuple(LEARNERS), cohorts), how, frozenset(ARMS), PROGRAM)
    cross_fitted, progressive = evaluation.found(dict(evaluation.update(rows)))
    states = {CROSS_FITTED: cross_fitted, PROGRESSIVE: progressive.estimates[0]}
    tonight = {name: world.value(policy) for name, policy in _fitted(lessons[BEFORE:], seed).items()}
    units = [of_day.num_rows for of_day in window]
    by_day = {
        name: float(np.average([world.value(of_day[name]) for of_day in models], weights=units))
        for name in LEARNERS
    }
    truths = {CROSS_FITTED: tonight, PROGRESSIVE: by_day}
    return np.array([_figures(states[estimand], truths[estimand]) for estimand in ESTIMANDS])


def _figures(state: EvaluationState, truths: Mapping[str, float]) -> list[Any]:
    found, places = Results(state, RewardRange(0.0, 1.0)), {n: p for p, n in enumerate(state.policies)}
    return [
        [
            [
                _of(
                    found.figures(
                        places[one], None if other is None else places[other], estimator, CONFIDENCE, interval
                    ),
                    truths[one] - (0.0 if other is None else truths[other]),
                )
                for interval in INTERVALS.values()
            ]
            for estimator in ESTIMATORS
        ]
        for one, other in TARGETS
    ]


def _of(figures: Mapping[str, float | None], truth: float) -> Figures:
    bounds = (np.nan if figures[name] is None else figures[name] for name in ("value", "lower", "upper"))
    return Figures(*bounds, truth)


def _fitted(lessons: Sequence[Mapping[str, State]], seed: int) -> dict[str, Policy]:
    """Every learner, by what some days taught."""
    nothing = {name: learner.initial(len(ARMS), ENCODER.width) for name, learner in LEARNERS.items()}
    return {
        name: learner.fit(reduce(_merged, (each[name] for each in lessons), nothing[name]), _ARMS, seed)
        for name, learner in LEARNERS.items()
    }


def _taught(learner: AnyLearner, rows: pa.Table) -> State:
    """What rows teach a learner."""
    nothing = learner.initial(len(ARMS), ENCODER.width)
    return nothing.update(ENCODER(rows), arm_places(rows, ARMS), rows["reward"].to_numpy())


def _merged(one: State, other: State) -> State:
    return one.merge(other)


def _scored_by(name: str, policy: Policy) -> ScoredBy:
    return ScoredBy(name, "0" * 64, ARMS, ENCODER, policy)


def _day(number: int) -> date:
    return _FIRST + timedelta(days=number)


def _user_keys(rng: np.random.Generator) -> Keys:
    return mix(rng.integers(2**63, size=1).astype(np.uint64), np.arange(USERS, dtype=np.uint64))
