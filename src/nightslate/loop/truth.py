"""What the world knows of a night's policies: their expected reward on the day that their slates are for."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Float32s, Floats
from nightslate.core.policies.exploration import mix_floor
from nightslate.models.files import ModelFile
from nightslate.simulation.onboarding.landing import profiles
from nightslate.simulation.onboarding.messages import MESSAGES
from nightslate.simulation.onboarding.responses import Truth
from nightslate.simulation.onboarding.world import World
from nightslate.steps.night import Night


def policy_values(night: Night, world: World, truth: Truth) -> dict[str, float]:
    """By learner, the expected reward of the floor-mixed policy that a night has fitted, without goals, for
    those visitors of the day after who had a slate; in the unit of the night's estimates."""
    had_slate = truth.pages.slate_id.is_valid().to_numpy(zero_copy_only=False)
    models = map(night.registry.load, night.rows("models")["digest"].to_pylist())
    return {
        model.learner: mean_of(truth, truth.of_policy(_weights(night, world, truth, model)), had_slate, night)
        for model in models
    }


def mean_of(truth: Truth, rewards: Floats, pages: Bools, night: Night) -> float:
    """The mean of some pages' rewards (n,) in the unit of a night's estimates: a tile, or a page where
    decisions are weighed as a whole."""
    units = np.ones(len(rewards)) if night.program.weighs_decisions else truth.pages.shown.sum(axis=1)
    return float(rewards[pages].sum() / units[pages].sum())


def _weights(night: Night, world: World, truth: Truth, model: ModelFile) -> Float32s:
    """(n, messages): as they would be stored, from what was known of the visitors on the night's day."""
    the_day_before = profiles(world.participants(truth.pages.day - 1).take(truth.pages.place))
    weights = mix_floor(model.policy.weights(model.encoder(the_day_before)), night.program.floor)
    return weights[:, pc.index_in(pa.array(MESSAGES), pa.array(model.arms)).to_numpy()]
