"""The high-confidence gate: a challenger replaces the champion only on evidence (Thomas et al., 2015)."""

import math
from dataclasses import dataclass, field
from statistics import NormalDist

from nightslate.core.errors import InvalidInputError
from nightslate.core.estimators.diagnostics import Thresholds, weaknesses
from nightslate.core.estimators.estimate import Estimate


@dataclass(frozen=True)
class GateRule:
    """What a challenger must show.

    alpha: probability, over all looks together, of promoting a challenger that is not better by `margin`.
    margin: what the lower bound of challenger minus champion must exceed, in units of reward.
    thresholds: what its importance weights must show."""

    alpha: float = 0.05
    margin: float = 0.0
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise InvalidInputError(f"the gate's alpha must be in (0, 1), got {self.alpha}")
        if not math.isfinite(self.margin):
            raise InvalidInputError(f"the gate's margin must be finite, got {self.margin}")


@dataclass(frozen=True)
class Decision:
    """promote, and if not why: one reason for each check that failed, with its numbers. `alpha_spent` is this
    look's part of alpha, `lower` the bound that it gives (None where nothing could be estimated)."""

    promote: bool
    reasons: tuple[str, ...]
    alpha_spent: float
    lower: float | None


def decide(difference: Estimate, rule: GateRule, look: int, comparisons: int = 1) -> Decision:
    """Whether the challenger of `difference` (challenger minus champion) is promoted at the `look`-th look.

    The gate looks every night. Look k spends alpha 6 / (pi k)^2, shared evenly by the `comparisons`
    challengers of that look; the parts of all looks ever sum to alpha, so by the union bound the chance of
    one false promotion stays under alpha however dependent the nights are. The bound is value - z stderr.
    Raises InvalidInputError for an estimate without a reference or counts under 1."""
    if difference.reference is None:
        raise InvalidInputError(
            f"the gate needs a difference to a champion, got the value of {difference.policy}"
        )
    if look < 1 or comparisons < 1:
        raise InvalidInputError(f"looks and comparisons count from 1, got {look} and {comparisons}")
    spent = rule.alpha * 6 / (math.pi * look) ** 2 / comparisons
    lower = _lower_bound(difference, spent)
    missed = _bound_fails(difference, lower, rule, spent)
    weak = weaknesses(difference, rule.thresholds, support_is_known=True)
    reasons = (missed, *weak) if missed else weak
    return Decision(not reasons, reasons, spent, lower)


def _lower_bound(difference: Estimate, alpha: float) -> float | None:
    if difference.value is None or not difference.stderr:
        return None
    lower = difference.value + NormalDist().inv_cdf(alpha) * difference.stderr
    return lower if math.isfinite(lower) else None


def _bound_fails(difference: Estimate, lower: float | None, rule: GateRule, spent: float) -> str | None:
    pair = f"{difference.policy} minus {difference.reference} by {difference.estimator}"
    if lower is None:
        return f"{pair} has no lower bound: value {difference.value}, standard error {difference.stderr}"
    if lower > rule.margin:
        return None
    return (
        f"{pair}: lower bound {lower:.6g} at alpha {spent:.3g} does not exceed the margin {rule.margin:.6g}"
    )
