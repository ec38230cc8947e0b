"""The users of an app whose new checkout helps many and harms some: a world with known truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nightslate.worlds.protocol import Setup, Simulation


def start(setup: Setup) -> Simulation:
    """The app on its first day."""
    from nightslate.worlds.rollout_allocation.simulation import RolloutSimulation

    return RolloutSimulation(setup)
