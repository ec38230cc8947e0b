"""The homepage of new participants of retirement plans: a world with known truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nightslate.worlds.protocol import Setup, Simulation


def start(setup: Setup) -> Simulation:
    """The homepage on its first day."""
    from nightslate.worlds.onboarding_401k.simulation import HomepageSimulation

    return HomepageSimulation(setup)
