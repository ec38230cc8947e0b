"""What a row of a log is: an impression, a slot of a slate, or a step of a trajectory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope.sample import Sample
from nightslate.core.ope.slate_sample import SlateSample
from nightslate.core.ope.trajectory_sample import TrajectorySample, require_discount


@dataclass(frozen=True)
class Layout:
    """sample: what rows make. unit, choice: the columns that say which decision or trajectory a row is of and
    which slot or step of it; None where a row is a unit of its own. discount: of trajectories."""

    sample: type[Sample] | type[SlateSample] | type[TrajectorySample] = Sample
    unit: str | None = None
    choice: str | None = None
    discount: float = 1.0

    @classmethod
    def of(
        cls,
        *,
        slate: str | None = None,
        slot: str | None = None,
        trajectory: str | None = None,
        step: str | None = None,
        discount: float | None = None,
    ) -> Self:
        """Raises InvalidInputError for options that do not go together, and for a discount outside (0, 1]."""
        if (slate is None) != (slot is None):
            raise InvalidInputError(
                "slates need both --slate DECISION_COLUMN and --slot SLOT_COLUMN; single impressions need "
                "neither"
            )
        if (trajectory is None) != (step is None):
            raise InvalidInputError(
                "trajectories need both --trajectory ID_COLUMN and --step STEP_COLUMN; single impressions "
                "need neither"
            )
        if slate and trajectory:
            raise InvalidInputError(
                "a row is a slot of a slate or a step of a trajectory: give --slate and --slot, or "
                "--trajectory and --step"
            )
        if discount is not None and not trajectory:
            raise InvalidInputError(
                "--discount is of the steps of trajectories: add --trajectory ID_COLUMN and --step "
                "STEP_COLUMN"
            )
        if trajectory:
            discount = 1.0 if discount is None else discount
            require_discount(discount)
            return cls(TrajectorySample, trajectory, step, discount)
        return cls(SlateSample, slate, slot) if slate else cls()
