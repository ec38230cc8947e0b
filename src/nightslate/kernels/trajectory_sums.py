"""How many trajectories there are, how long they are, and what they have earned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import AnyArray

SUMMED = ("trajectory_id", "step", "reward")
"""The columns of transitions that the sums are of."""


@dataclass(frozen=True)
class TrajectorySums:
    """Of transitions and their trajectories the numbers, and of the latter the most steps, and the least and
    the most that one has earned."""

    rows: int
    trajectories: int
    longest: int
    least: float
    greatest: float

    @classmethod
    def initial(cls) -> Self:
        """Those of no transitions."""
        return cls(0, 0, 0, math.inf, -math.inf)

    @classmethod
    def of_rows(cls, rows: pa.Table, discount: float) -> Self:
        """Those of the transitions of whole trajectories."""
        if not rows.num_rows:
            return cls.initial()
        steps = rows["step"].to_numpy()
        worth = discount ** (steps - 1.0) * rows["reward"].to_numpy()
        by_trajectory = pa.table({"trajectory": rows["trajectory_id"], "worth": worth}).group_by("trajectory")
        earned = pc.min_max(by_trajectory.aggregate([("worth", "sum")])["worth_sum"]).as_py()
        begun = int((steps == 1).sum())
        return cls(rows.num_rows, begun, int(steps.max()), earned["min"], earned["max"])

    @property
    def steps(self) -> int:
        """Of the longest trajectory, at least one."""
        return max(1, self.longest)

    @property
    def range(self) -> tuple[float | None, float | None]:
        """The least and the most that a whole trajectory has earned; None of none."""
        return (self.least, self.greatest) if self.rows else (None, None)

    def merge(self, other: Self) -> Self:
        """Those of both."""
        return type(self)(
            self.rows + other.rows,
            self.trajectories + other.trajectories,
            max(self.longest, other.longest),
            min(self.least, other.least),
            max(self.greatest, other.greatest),
        )

    def arrays(self) -> dict[str, AnyArray]:
        """All of the state."""
        return {
            "counts": np.array([self.rows, self.trajectories, self.longest], dtype=np.int64),
            "earned": np.array([self.least, self.greatest]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The state that `arrays()` described."""
        return cls(*arrays["counts"].tolist(), *arrays["earned"].tolist())
