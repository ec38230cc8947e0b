"""The high-confidence gate: a challenger replaces the champion only on evidence (Thomas and others, 2015),
which holds however often it is looked at (Ramdas and others, 2023)."""

import math
from dataclasses import dataclass, field

from nightslate.core.errors import InvalidInputError
from nightslate.core.evidence import EProcess, alpha_of
from nightslate.core.ope.diagnostics import Thresholds, weaknesses
from nightslate.core.ope.estimate import Estimate


@dataclass(frozen=True)
class GateRule:
    """What a challenger must show.

    alpha: probability that a reign ever ends by a promotion although no challenger was better by the margin.
    thresholds: what the importance weights must show."""

    alpha: float = 0.05
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise InvalidInputError(f"the gate's alpha must be in (0, 1), got {self.alpha}")


@dataclass(frozen=True, eq=False)
class Case:
    """What speaks for a challenger in a reign: it was the `joined`-th to join it, from 1."""

    challenger: str
    joined: int
    evidence: EProcess


@dataclass(frozen=True)
class Decision:
    """promote, and if not why: one reason for each check that failed, with its numbers. alpha: the
    challenger's part of the reign's; lower: the bound of the difference at it."""

    promote: bool
    reasons: tuple[str, ...]
    alpha: float
    log_capital: float
    difference: float | None
    lower: float | None


def decide(case: Case, weighed: Estimate, rule: GateRule) -> Decision:
    """Whether a challenger is promoted, tonight as on any night: its evidence has to be worth 1 / alpha, of
    which the j-th that joins a reign has the part 6 / (pi j)^2, and its weights must be able to say so.

    weighed: the difference to the champion whose importance weights are looked at. Raises InvalidInputError
    for an estimate without a reference."""
    if weighed.reference is None:
        raise InvalidInputError(
            f"the gate needs a difference to a champion, got the value of {weighed.policy}"
        )
    alpha, evidence = alpha_of(rule.alpha, case.joined), case.evidence
    missing = _evidence_lacks(case, alpha)
    weak = weaknesses(weighed, rule.thresholds, support_is_known=True)
    reasons = (missing, *weak) if missing else weak
    return Decision(
        promote=not reasons,
        reasons=reasons,
        alpha=alpha,
        log_capital=evidence.log_capital,
        difference=evidence.difference,
        lower=evidence.difference_lower(alpha),
    )


def _evidence_lacks(case: Case, alpha: float) -> str | None:
    worth, days = case.evidence.log_capital, len(case.evidence.stakes)
    if not days:
        return f"there is no evidence on {case.challenger} yet: no day is over whose models knew any reward"
    if worth >= -math.log(alpha):
        return None
    return (
        f"the evidence for {case.challenger} is worth {math.exp(worth):.3g} after {days} days, and it takes"
        f" {1 / alpha:.3g}"
    )
