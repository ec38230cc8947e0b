"""The true values of a night's policies: what customers buy if a policy makes all of their offers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nightslate.core.arrays import Floats
from nightslate.core.fitted_q import FittedQPolicy, choosing
from nightslate.core.policies.exploration import mix_floor
from nightslate.models.files import ModelFile
from nightslate.pipeline.night import IssueNight
from nightslate.programs.days import first_day
from nightslate.worlds.next_best_action.landing import profiles
from nightslate.worlds.next_best_action.world import ARMS, World
from nightslate.worlds.night_results import fitted_models
from nightslate.worlds.results import Row

Chances = NDArray[Any]
"""(n, A): of each arm of a model."""


def true_values(night: IssueNight, world: World) -> dict[str, float]:
    """By learner, mixed with the floor: expected purchases of a customer from the first offer on."""
    floor = night.issue.floor

    def mixed(model: ModelFile, contexts: Floats) -> Chances:
        return mix_floor(model.policy.weights(contexts), floor)

    return {model.learner: _earned(world, model, mixed) for model in fitted_models(night)}


def trajectories_begun(night: IssueNight) -> dict[date, int]:
    """How many of the trajectories that the night evaluates began on each day."""
    rows = night.rows("transitions", first_day(night.ds, night.issue.evaluation.window_days))
    first = rows.filter(pc.field("step") == 1)["occurred_at"]
    return Counter(pc.cast(first, pa.date32()).to_pylist())


def has_sweep(night: IssueNight) -> bool:
    """Whether there were trajectories to estimate anything from."""
    return bool(night.rows("sweeps")["value"].drop_null())


def sweep_beside_truth(night: IssueNight, world: World) -> list[Row]:
    """What the night's sweeps over epsilon say of each Q, beside what it earns when it is played so."""
    fitted = {model.learner: model for model in fitted_models(night)}
    rows = night.rows("sweeps").sort_by([("learner", "ascending"), ("epsilon", "ascending")]).to_pylist()
    truth = {
        (learner, epsilon): _earned(world, fitted[learner], partial(_greedy_but, epsilon))
        for learner, epsilon in dict.fromkeys((row["learner"], row["epsilon"]) for row in rows)
    }
    kept = ("epsilon", "learner", "estimator", "value", "lower", "upper")
    return [
        {**{name: row[name] for name in kept}, "truth": truth[row["learner"], row["epsilon"]]} for row in rows
    ]


def _greedy_but(epsilon: float, model: ModelFile, contexts: Floats) -> Chances:
    values = cast(FittedQPolicy, model.policy).action_values(contexts)
    return choosing(values, "epsilon_greedy", epsilon)


def _earned(world: World, model: ModelFile, chances: Callable[[ModelFile, Floats], Chances]) -> float:
    """The mean over all customers of a world."""
    places = [model.arms.index(arm) for arm in ARMS]
    history = world.play(lambda states: chances(model, model.encoder(profiles(states)))[:, places])
    return float(history.expected.mean())
