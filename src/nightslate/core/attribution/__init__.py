"""Delayed outcomes to the impressions before them: which ones an outcome touches, and how they share it."""

from nightslate.core.attribution.limits import capped, first_of_each
from nightslate.core.attribution.rules import RULES, Piece, Rule, pieces
from nightslate.core.attribution.touches import Touches, in_order, matched, named

__all__ = [
    "RULES",
    "Piece",
    "Rule",
    "Touches",
    "capped",
    "first_of_each",
    "in_order",
    "matched",
    "named",
    "pieces",
]
