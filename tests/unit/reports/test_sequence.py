"""The figures of sequences are those of the decisions and of the model that they are about."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.contracts.arrow import schema
from nightslate.contracts.odcs import load
from nightslate.core.arrays import Floats
from nightslate.core.fitted_q import FittedQ, Transitions
from nightslate.core.policies import Arms
from nightslate.core.policies.learner import Policy
from nightslate.kernels.encoding import Encoder
from nightslate.models.files import ModelFile
from nightslate.reports import sequence
from nightslate.reports.sequence import SequenceFigures, embedded, sequence_figures

ARMS = ("call", "email")
TRANSITIONS = pa.schema(
    [
        ("trajectory_id", pa.string()),
        ("step", pa.int32()),
        ("user_id", pa.string()),
        ("arm_id", pa.string()),
        ("eligible_arms", pa.list_(pa.string())),
        ("age", pa.float64()),
    ]
)
SWEEPS = schema(load("sweeps"), partition=False)


@dataclass(frozen=True)
class Known:
    """A policy that values a call at 1 + 2 age, and an email at 2 + age."""

    curve: Floats = field(default_factory=lambda: np.array([1.0, 0.25, 0.0]))

    def action_values(self, states: Floats) -> Floats:
        return np.asarray(states @ np.array([[1.0, 2.0], [2.0, 1.0]]))


MODEL = ModelFile("fitted_q", "q", ARMS, Encoder(("age",), (None,)), cast(Policy, Known()))


def decisions(*trajectories: list[tuple[str, float]], eligible: list[str] | None = None) -> pa.Table:
    """Trajectories of (arm, age), one a user."""
    return pa.Table.from_pylist(
        [
            {
                "trajectory_id": f"t{number}",
                "step": step,
                "user_id": hashlib.sha256(f"{number}".encode()).hexdigest()[:32],
                "arm_id": arm,
                "eligible_arms": eligible,
                "age": age,
            }
            for number, trajectory in enumerate(trajectories)
            for step, (arm, age) in enumerate(trajectory, start=1)
        ],
        TRANSITIONS,
    )


def sweep(epsilon: float, **changes: object) -> dict[str, object]:
    """A row of the table, of the learner and the estimator that are asked for."""
    row = {
        "issue": "all", "learner": "q", "epsilon": epsilon, "estimator": "traj_dr", "value": 5.0 - epsilon,
        "stderr": 0.1, "lower": 4.8 - epsilon, "upper": 5.2 - epsilon, "confidence": 0.95, "ess": 90.0,
        "n": 100, "clusters": 80,
    }  # fmt: skip
    return {**row, **changes}


def figures(transitions: pa.Table, *sweeps: dict[str, object], model: ModelFile = MODEL) -> SequenceFigures:
    rows = pa.Table.from_pylist(list(sweeps), SWEEPS)
    return sequence_figures(model, transitions, rows, estimator="traj_dr", tolerance=1e-3)


THREE = decisions(
    [("call", 0.0), ("email", 2.0)],
    [("email", 0.0), ("call", 0.5), ("call", 3.0)],
    [("email", 3.0)],
)


def test_segments_go_by_the_first_arm_of_the_sequence_so_far() -> None:
    nothing, call, email = figures(THREE).segments
    assert [row["first"] for row in (nothing, call, email)] == [None, "call", "email"]
    assert [row["decisions"] for row in (nothing, call, email)] == [3, 1, 2]
    assert (nothing["recommended"], nothing["share"]) == ("email", pytest.approx(2 / 3))
    assert nothing["values"] == {"call": pytest.approx((1 + 1 + 7) / 3), "email": pytest.approx(3.0)}
    assert nothing["value"] == pytest.approx((2 + 2 + 7) / 3)
    assert (call["recommended"], call["share"], call["value"]) == ("call", 1.0, 5.0)
    assert email["values"] == {"call": 4.5, "email": 3.75}
    assert email["value"] == pytest.approx((2.5 + 7) / 2)


def test_the_order_of_the_rows_has_no_say() -> None:
    backwards = THREE.take(list(reversed(range(THREE.num_rows))))
    assert figures(backwards) == figures(THREE)


def test_an_arm_that_was_not_eligible_is_neither_recommended_nor_valued() -> None:
    only_email = decisions([("email", 3.0)], eligible=["email"])
    (nothing,) = figures(only_email).segments
    assert (nothing["recommended"], nothing["value"]) == ("email", 5.0)
    assert nothing["values"] == {"call": None, "email": 5.0}
    (nothing, _) = figures(
        pa.concat_tables([only_email, decisions([], [("call", 0.0), ("call", 0.0)])])
    ).segments
    assert nothing["values"] == {"call": 1.0, "email": 3.5}


def test_a_decision_between_arms_that_the_model_does_not_know_is_left_out() -> None:
    told = figures(pa.concat_tables([decisions([("fax", 1.0)], eligible=["fax"]), THREE]))
    assert told.decisions == THREE.num_rows


def test_an_arm_that_is_gone_still_tells_segments_apart() -> None:
    told = figures(decisions([("fax", 1.0), ("call", 0.0)]))
    assert [(row["first"], row["recommended"]) for row in told.segments] == [(None, "call"), ("fax", "email")]


def test_the_sweep_is_that_of_the_learner_and_the_estimator_in_the_order_of_epsilon() -> None:
    told = figures(
        THREE, sweep(0.5), sweep(0.1, learner="other"), sweep(0.0), sweep(0.2, estimator="pdis"), sweep(0.25)
    )
    assert [row["epsilon"] for row in told.sweep] == [0.0, 0.25, 0.5]
    assert told.sweep[0]["upper"] == 5.2


def test_a_state_is_on_the_map_once_with_how_often_it_was() -> None:
    states = figures(THREE).states
    assert sorted((row["value"], row["action"], row["decisions"]) for row in states) == [
        (2.0, "email", 2),
        (2.5, "email", 1),
        (5.0, "call", 1),
        (7.0, "call", 2),
    ]


def test_states_that_are_alike_are_neighbours_on_the_map() -> None:
    generator = np.random.default_rng(0)
    kinds = np.repeat(np.arange(3), 20)
    places = embedded(np.eye(3)[kinds] * 8 + generator.normal(size=(60, 3)))
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (kinds[apart.argmin(axis=1)] == kinds).all()


@settings(deadline=None, max_examples=20)
@given(n=st.integers(1, 14), varying=st.integers(0, 4), distinct=st.integers(1, 4))
def test_few_or_constant_states_still_have_a_place(n: int, varying: int, distinct: int) -> None:
    generator = np.random.default_rng(n)
    states = np.hstack([np.full((n, 2), 0.1), generator.integers(0, distinct, (n, varying))])
    places = embedded(states)
    assert places.shape == (n, 2)
    assert np.isfinite(places).all()
    if (states == states[0]).all():
        assert not places.any()


def test_a_map_is_of_a_sample_that_keeps_its_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "MAP_SAMPLE", 40)
    many = decisions(*([("call", float(i)), ("email", i + 0.5)] for i in range(60)))
    told, again = figures(many), figures(pa.concat_tables([many.slice(50), many.slice(0, 50)]))
    assert len(told.states) == 40
    assert told.decisions == 120
    assert {row["value"] for row in told.states} == {row["value"] for row in again.states}


def test_of_too_many_decisions_whole_sequences_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "LARGEST_SAMPLE", 30)
    told = figures(decisions(*([("call", 1.0), ("email", 2.0)] for _ in range(60))))
    assert [(row["first"], row["decisions"]) for row in told.segments] == [(None, 15), ("call", 15)]


def test_before_any_sequence_has_ended_there_is_only_the_model() -> None:
    told = figures(decisions())
    assert (told.decisions, told.segments, told.states, told.importance) == (0, [], [], {})
    assert told.curve == [1.0, 0.25, 0.0]


def test_a_fitted_model_is_told_of_in_json() -> None:
    states = np.column_stack([np.ones(8), np.tile([0.0, 1.0], 4), np.tile(np.arange(4.0), 2)])
    calls = np.repeat([0, 1], 4)
    taught = Transitions(
        states=states,
        actions=calls,
        rewards=np.where(calls == 0, 4 * states[:, 1], 1.0),
        next_states=np.zeros((8, 3)),
        next_eligible=np.zeros((8, 2), dtype=np.bool_),
        terminal=np.ones(8, dtype=np.bool_),
    )
    parameters = {"n_estimators": 20, "bootstrap": False, "max_features": None}
    policy = FittedQ("extra_trees_regressor", parameters).fit(taught, Arms.plain([1, 2]), seed=0)
    model = ModelFile("fitted_q", "q", ARMS, Encoder(("age", "number"), (None, None)), policy)
    rows = decisions([("call", 0.0)], [("call", 1.0)])
    told = figures(rows.append_column("number", pa.array([2.0, 3.0])), sweep(0.0), model=model)
    found = json.loads(json.dumps(told.to_json(), allow_nan=False))
    assert found["segments"][0]["values"] == {"call": pytest.approx(2.0), "email": pytest.approx(1.0)}
    assert {row["action"] for row in found["states"]} == {"call", "email"}
    assert found["importance"].keys() == {"age", "number"}
    assert found["curve"] == policy.curve.tolist()
