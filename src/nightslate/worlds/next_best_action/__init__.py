"""A campaign of three offers to each customer, in which the order of the offers pays: a world with known
truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nightslate.worlds.protocol import Setup, Simulation


def start(setup: Setup) -> Simulation:
    """The campaigns on their first day."""
    from nightslate.worlds.next_best_action.simulation import CampaignSimulation

    return CampaignSimulation(setup)
