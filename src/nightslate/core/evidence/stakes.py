"""What is fixed before a cohort is looked at, and what one of its units then wins or loses."""

import math
from dataclasses import dataclass, replace

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.errors import InvalidInputError

_ROUNDING = 1e-6
"""How far propensities that were kept as float32 may take a weight over its bound."""


@dataclass(frozen=True)
class Stakes:
    """low, high: rewards outside of them are clipped, so that what is tested is a mean of clipped rewards.
    margin: how much better a challenger has to be, in units of reward. max_units: the most units of a user
    that count in a cohort.

    champion_weight_at_most, challenger_weight_at_most: what their importance weights can never exceed, such
    as 1 / the least propensity that a logging policy gives to anything; None where nobody knows that before
    the cohort. Nothing is less valid without them, but there is more noise: without the champion's, where
    the champion did not log and rewards are rare; without the challenger's, where rewards can be losses.

    Raises InvalidInputError unless low < high are finite, the margin is smaller than their distance,
    max_units is 1 or more, and so are both bounds of weights, whose expectation is 1."""

    low: float
    high: float
    margin: float = 0.0
    max_units: int = 1
    champion_weight_at_most: float | None = None
    challenger_weight_at_most: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InvalidInputError(
                f"a range of rewards must be finite and low < high, got {self.low} to {self.high}"
            )
        if not abs(self.margin) < self.span:
            raise InvalidInputError(
                f"a margin must be smaller than the range of rewards, {self.low} to {self.high}, got "
                f"{self.margin}"
            )
        if self.max_units < 1:
            raise InvalidInputError(f"units of a user count from 1, got max_units {self.max_units}")
        for whose in ("champion", "challenger"):
            bound = getattr(self, f"{whose}_weight_at_most")
            if bound is not None and not 1 <= bound < math.inf:
                raise InvalidInputError(
                    f"the most that a weight of the {whose} can be is finite and 1 or more, for its mean is "
                    f"1; got {bound}"
                )

    @property
    def span(self) -> float:
        """The width of the range of rewards."""
        return self.high - self.low

    @property
    def share(self) -> float:
        """m, the margin in widths of the range."""
        return self.margin / self.span

    @property
    def origin(self) -> float:
        """o, the reward in [0, 1] that weights do not multiply: that of nothing, where the challenger's
        weights are bounded, else the lowest."""
        if self.challenger_weight_at_most is None:
            return 0.0
        return min(max(-self.low / self.span, 0.0), 1.0)

    @property
    def scale(self) -> float:
        """The most that the units of one user can lose together, in widths of the range."""
        loss = (self.challenger_weight_at_most or 0) * self.origin
        forgone = (self.champion_weight_at_most or 1) * (1 - self.origin)
        return self.max_units * (loss + forgone + self.share)

    def times(self, sign: float) -> "Stakes":
        """Those of rewards times `sign`, 1 or -1: of what is earned, or of minus that."""
        low, high = sorted((sign * self.low, sign * self.high))
        return replace(self, low=low, high=high)

    def increments(self, challenger_weight: Floats, champion_weight: Floats | None, reward: Floats) -> Floats:
        """(n,) what each unit says for the challenger, in widths of the range; its expectation is (V_c - V_b
        - margin) / (high - low).

        With y = (reward clipped - low) / (high - low), and as long as no weight has a bound,

            w_c y + w_b (1 - y) - 1 - m

        which is never under -(1 + m), whatever the weights are: -w_b y, which nothing would hold, has become
        w_b (1 - y) - 1, of the same expectation, because E[w_b] = 1 (Karampatziakis, Mineiro and Ramdas,
        2021). Where the champion logged this is (w_c - 1) y - m. Where its weights are bounded, by B,

            (w_c - w_b) y - m >= -(B + m)

        has the same expectation without the noise of w_b - 1, which is more than all else where y is hardly
        ever large. Where those of the challenger are bounded, too, by C, y - o stands for y, with the origin
        o of rewards: (w_c - w_b) (y - o) - m >= -(B (1 - o) + C o + m).

        Without a champion, the challenger's own value: w_c (y - o) + o - m, whose expectation is (V_c - low -
        margin) / (high - low).

        Raises InvalidInputError for a weight over its bound."""
        self._require("challenger", challenger_weight, self.challenger_weight_at_most)
        y = (np.clip(reward, self.low, self.high) - self.low) / self.span
        earned = challenger_weight * (y - self.origin)
        if champion_weight is None:
            return earned + (self.origin - self.share)
        self._require("champion", champion_weight, self.champion_weight_at_most)
        if self.champion_weight_at_most is not None:
            return earned - champion_weight * (y - self.origin) - self.share
        # no difference of two large numbers: rounding must not lose more than the scale
        return earned + champion_weight * (1 - y) - (1 - self.origin + self.share)

    def _require(self, whose: str, weights: Floats, bound: float | None) -> None:
        largest = weights.max(initial=0.0)
        if bound is not None and largest > bound * (1 + _ROUNDING):
            raise InvalidInputError(
                f"a weight of the {whose} is {largest:.6g}, and {bound:.6g} was the most it could be"
            )
