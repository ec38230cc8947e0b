"""What is fixed before a cohort is looked at, and what one of its units then wins or loses."""

import math
from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.errors import InvalidInputError


@dataclass(frozen=True)
class Stakes:
    """low, high: rewards outside of them are clipped, so that what is tested is a mean of clipped rewards.
    margin: how much better a challenger has to be, in units of reward. max_units: the most units of a user
    that count in a cohort.

    Raises InvalidInputError unless low < high are finite, the margin is smaller than their distance, and
    max_units is 1 or more."""

    low: float
    high: float
    margin: float = 0.0
    max_units: int = 1

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

    @property
    def span(self) -> float:
        """The width of the range of rewards."""
        return self.high - self.low

    @property
    def share(self) -> float:
        """m, the margin in widths of the range."""
        return self.margin / self.span

    @property
    def scale(self) -> float:
        """The most that the units of one user can lose together, in widths of the range."""
        return self.max_units * (1 + self.share)

    def increments(self, challenger_weight: Floats, champion_weight: Floats | None, reward: Floats) -> Floats:
        """(n,) what each unit says for the challenger, in widths of the range:

            w_c y + w_b (1 - y) - 1 - m,     y = (reward clipped - low) / (high - low)

        Its expectation is (V_c - V_b - margin) / (high - low), because E[w_b] = 1, and it is never under
        -(1 + m), whatever the weights are: w_b y, which no bound would hold, has become w_b (1 - y) with the
        other sign (Karampatziakis, Mineiro and Ramdas, 2021). Without a champion w_c y - m, whose
        expectation is (V_c - low - margin) / (high - low)."""
        y = (np.clip(reward, self.low, self.high) - self.low) / self.span
        if champion_weight is None:
            return challenger_weight * y - self.share
        # grouped so that equal policies with weights of 1 win exactly -m
        return (challenger_weight - champion_weight) * y + (champion_weight - 1) - self.share
