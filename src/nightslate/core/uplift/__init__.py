"""Who gains most by help: rank-weighted average treatment effects, and gains against what they cost."""

from nightslate.core.uplift.doubly_robust import effects, help_shares
from nightslate.core.uplift.figures import Figure, cost_curve, figures_by_gain
from nightslate.core.uplift.grid import Grid
from nightslate.core.uplift.ranked import RankedSums, per_cost, ranked_exactly

__all__ = [
    "Figure",
    "Grid",
    "RankedSums",
    "cost_curve",
    "effects",
    "figures_by_gain",
    "help_shares",
    "per_cost",
    "ranked_exactly",
]
