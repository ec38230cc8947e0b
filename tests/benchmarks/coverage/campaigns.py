"""Campaigns whose offers a champion decides, what is said of it and of its controls from their logs, and what
playing these would earn; apart, so that worker processes can import it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import AnyArray, Floats, Ints, Keys
from nightslate.core.hashing import deal, seed
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import Bootstrap, Delta
from nightslate.core.ope.results import results
from nightslate.kernels.control_evaluation import CHAMPION, Controlled, ControlsOfTrajectories
from nightslate.kernels.controls import CONTROLS
from nightslate.kernels.controls.control import DecidedDay, Played
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.progressive import Cohort
from nightslate.kernels.scoring import ScoredBy
from nightslate.kernels.slate_weights import WeightAdjustment
from nightslate.kernels.trajectory_evaluation import SequenceSetup
from nightslate.worlds.next_best_action import truth
from nightslate.worlds.next_best_action.world import ARMS, FEATURES, OFFERS, UNIFORM, Histories, World

CONFIDENCE = 0.95
FEWEST, MOST, FOLDS, FLOOR = 500, 1000, 4, 0.03
RANDOMISED = 0.1
"""The share of customers who get any offer."""

LEVERS = {"advertisement": 0.5, "small_discount": 2.0, "large_discount": 0.7}
PRESENT = {"advertisement": 0.25, "small_discount": 0.65, "large_discount": 0.1}
"""What is offered by the present rule, whoever the customer is."""

NAMES = ("random", "without_levers", "propensity_only", "present_rule")
INTERVALS = {"delta": Delta(), "bootstrap": Bootstrap(400)}
TARGETS: tuple[tuple[str, str | None], ...] = (
    (CHAMPION, None),
    *((name, None) for name in NAMES),
    *((CHAMPION, name) for name in NAMES),
)
"""Values of policies, and what the champion is worth above its controls."""

_DAY = date(2026, 3, 1)
_ENCODER = Encoder(FEATURES, (None,) * len(FEATURES))


@dataclass(frozen=True)
class Predicting:
    """A model that is wrong by segment, as one that was fitted to other customers is. `sureness`: how much
    more it chooses what it expects more of."""

    sureness: float

    def expected_rewards(self, contexts: Floats) -> Floats:
        return truth.playing(predicted)(contexts[:, 1:])

    def weights(self, contexts: Floats) -> Floats:
        return truth.playing(lambda history: chosen(history, self.sureness))(contexts[:, 1:])

    def among(self, places: Ints) -> Self:
        raise NotImplementedError

    def arrays(self) -> dict[str, AnyArray]:
        raise NotImplementedError

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        raise NotImplementedError


@dataclass(frozen=True)
class Ruling(Predicting):
    """What the present rule offers."""

    def weights(self, contexts: Floats) -> Floats:
        return np.tile([PRESENT[arm] for arm in ARMS], (len(contexts), 1))


@dataclass(frozen=True)
class Judging(Predicting):
    """What is still to come under the uniform policy, nearly, as a night fits it."""

    def expected_rewards(self, contexts: Floats) -> Floats:
        return truth.playing(lambda history: np.array(_still_to_come(history)))(contexts[:, 1:])


@cache
def _still_to_come(segment: truth.History) -> tuple[float, ...]:
    dice = np.random.default_rng([8, *segment])
    of_arms = [
        truth.value_of(
            lambda past, arm=arm: np.eye(len(ARMS))[arm] if past == segment else truth.uniform(past), segment
        )
        for arm in range(len(ARMS))
    ]
    return tuple((np.array(of_arms) + dice.normal(0, 0.5, len(ARMS))).tolist())


@cache
def _predictions(segment: truth.History) -> tuple[float, ...]:
    dice = np.random.default_rng([7, *segment])
    return tuple((np.array(truth.action_values(segment)) + dice.normal(0, 1.0, len(ARMS))).tolist())


def predicted(history: truth.History) -> Floats:
    """Of each arm."""
    return np.array(_predictions(truth.segment_of(history)))


def chosen(history: truth.History, sureness: float) -> Floats:
    """In proportion to the exponential of what is predicted, times the sureness."""
    odds = np.exp(sureness * predicted(history))
    return odds / odds.sum()


def with_levers(history: truth.History, sureness: float) -> Floats:
    """What the champion shows."""
    lifted = (0.999 * chosen(history, sureness) + 0.001 / len(ARMS)) * [LEVERS[arm] for arm in ARMS]
    return mixed(lifted / lifted.sum())


def mixed(chances: Floats) -> Floats:
    """With the floor."""
    return (1 - FLOOR) * chances + FLOOR / len(ARMS)


def rules(sureness: float) -> dict[str, truth.Rule]:
    """What each policy offers, written down apart from nightslate's."""
    return {
        CHAMPION: lambda history: with_levers(history, sureness),
        "random": truth.uniform,
        "without_levers": lambda history: mixed(chosen(history, sureness)),
        "propensity_only": lambda history: np.eye(len(ARMS))[predicted(history).argmax()],
        "present_rule": lambda history: mixed(np.array([PRESENT[arm] for arm in ARMS])),  # noqa: ARG005
    }


def worth(sureness: float, policy: str) -> float:
    """The exact value of playing it: purchases of a customer from the first offer on."""
    return truth.value_of(rules(sureness)[policy])


def played(sureness: float, policy: str, number: int) -> float:
    """What a holdout of as many other customers earned who got a policy's offers: the mean of a customer."""
    customers = _customers(number)
    world = World(customers, seed("holdout", policy, str(number)))
    return float(world.play(truth.playing(rules(sureness)[policy])).rewards.sum() / customers)


class Figures(NamedTuple):
    """What the log of a campaign says of a target, by an interval. `ess`: of the policy, and of what it is
    held against, the lesser effective number of trajectories."""

    value: float
    lower: float
    upper: float
    ess: float


def figures_of_a_campaign(sureness: float, number: int) -> Floats:
    """(targets, intervals, 4): the `Figures` of each target."""
    setup = SequenceSetup("campaigns", ARMS, _ENCODER, FOLDS, "traj_dr", 1.0, OFFERS, frozenset(ARMS))
    model = Predicting(sureness)
    champion = Played(_scored_by(model), FLOOR, WeightAdjustment(LEVERS))
    decided = DecidedDay(champion, Played(_scored_by(Ruling(sureness)), FLOOR), {}, 1)
    cohorts = {_DAY: Cohort({CHAMPION: champion.model}, None)}
    controlled = Controlled(cohorts, {_DAY: decided}, tuple(CONTROLS[name] for name in NAMES))
    how = ControlsOfTrajectories(controlled, setup, [Judging(sureness)] * FOLDS)
    found = (state for _, state in how.update(log(sureness, number)))
    states = dict(zip((CHAMPION, *NAMES), found, strict=True))
    return np.array([_figures(states, *target) for target in TARGETS], dtype=np.float64)


def _figures(states: Mapping[str, EvaluationState], one: str, other: str | None) -> list[Figures]:
    found = []
    for interval in INTERVALS.values():
        lines = results(states[other or one], CONFIDENCE, interval)
        by_target = {(line.policy, line.reference): line for line in lines}
        line, ess = by_target[one, other], (by_target[name, None].ess for name in (one, other) if name)
        found.append(Figures(line.value, line.lower, line.upper, min(ess)))
    return found


def log(sureness: float, number: int) -> pa.Table:
    """What the champion offered to most customers of a campaign, and chance to the others, as transitions."""
    customers = _customers(number)
    users = np.random.default_rng(number).integers(1 << 63, size=customers).astype(np.uint64)
    randomised = deal(users, seed("randomised"), round(1 / RANDOMISED)) == 0
    decide = truth.playing(lambda history: with_levers(history, sureness))
    history = World(customers, seed("campaign", str(number))).play(
        lambda states: np.where(randomised[:, None], UNIFORM(states), decide(states))
    )
    return _transitions(history, users)


def _customers(number: int) -> int:
    return int(np.random.default_rng(number).integers(FEWEST, MOST + 1))


def _transitions(history: Histories, users: Keys) -> pa.Table:
    names = pa.array([f"{key:016x}" for key in users])
    of_rows, n = names.take(pa.array(history.customer)), len(history.actions)
    at = datetime.combine(_DAY, datetime.min.time(), UTC)
    return pa.table(
        {
            "trajectory_id": of_rows,
            "user_id": of_rows,
            "step": history.number,
            "occurred_at": pa.repeat(pa.scalar(at, pa.timestamp("us", "UTC")), n),
            "arm_id": pa.array(ARMS).take(pa.array(history.actions)),
            "eligible_arms": pa.nulls(n, pa.list_(pa.string())),
            "propensity": history.propensity,
            "reward": history.rewards.astype(np.float64),
            "policy": pa.nulls(n, pa.string()),
            **{name: history.states[:, at] for at, name in enumerate(FEATURES)},
        }
    )


def _scored_by(policy: Predicting) -> ScoredBy:
    return ScoredBy(CHAMPION, "0" * 64, ARMS, _ENCODER, policy)
