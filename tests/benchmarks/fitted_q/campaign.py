"""Histories of campaigns for the benchmarks of fitted Q."""

from __future__ import annotations

from nightslate.core.fitted_q import Transitions
from nightslate.core.hashing import seed
from nightslate.core.policies.learner import Arms
from nightslate.worlds.next_best_action.world import ARMS, OFFERS, UNIFORM, World

OFFERED = Arms.plain(seed("arm", arm) for arm in ARMS)
ITERATIONS = 6


def history(transitions: int) -> Transitions:
    """About so many offers, uniform at random."""
    return World(round(transitions / OFFERS), seed=0).play(UNIFORM).transitions()
