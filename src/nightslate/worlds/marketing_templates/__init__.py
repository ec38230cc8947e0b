"""The customers of a shop and the templates of its messages: a world with known truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nightslate.worlds.protocol import Setup, Simulation


def start(setup: Setup) -> Simulation:
    """The shop on its first day."""
    from nightslate.worlds.marketing_templates.simulation import MarketingSimulation

    return MarketingSimulation(setup)
