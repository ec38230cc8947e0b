"""What off-policy evaluation weighs at once: an impression, a decision of several slots, or a trajectory."""

from __future__ import annotations

from dataclasses import dataclass

from nightslate.programs.evaluation import OF_DECISIONS, OF_IMPRESSIONS, OF_TRAJECTORIES


@dataclass(frozen=True)
class Unit:
    """`weighed`: in words. `estimators`: all that can weigh it; `usual`: those that a program has which names
    none; `doubly_robust`: the one that its gate believes then."""

    name: str
    weighed: str
    estimators: tuple[str, ...]
    usual: tuple[str, ...]
    doubly_robust: str


IMPRESSION = Unit("impression", "single impressions", OF_IMPRESSIONS, ("ips", "snips", "dr"), "dr")
DECISION = Unit(
    "decision",
    "decisions of several slots",
    OF_DECISIONS,
    ("sips", "rips", "snrips", "cascade_dr"),
    "cascade_dr",
)
TRAJECTORY = Unit("trajectory", "trajectories", OF_TRAJECTORIES, ("pdis", "snpdis", "traj_dr"), "traj_dr")
