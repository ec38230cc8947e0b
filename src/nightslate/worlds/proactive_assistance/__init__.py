"""Users of a subscription who show signs before they cancel: a world with known truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nightslate.worlds.protocol import Setup, Simulation


def start(setup: Setup) -> Simulation:
    """The product on its first day."""
    from nightslate.worlds.proactive_assistance.simulation import AssistanceSimulation

    return AssistanceSimulation(setup)
