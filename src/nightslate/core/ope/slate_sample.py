"""What an off-policy estimator of whole slates looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.ope.sample import largest_ratio
from nightslate.core.ope.sequential_sample import SequentialSample


@dataclass(frozen=True, eq=False)
class SlateSample(SequentialSample):
    """n logged decisions of up to K slots and one target policy; a field is (n, K) unless it says (n,).

    What it has beside the fields of a `SequentialSample`:
    marginal_propensity, target_marginal_propensity: the two policies' probability of the arm in its slot,
    whatever the slots before it hold.
    pseudo_inverse_weight, (n,): see `pseudo_inverse`."""

    marginal_propensity: Floats | None = None
    target_marginal_propensity: Floats | None = None
    pseudo_inverse_weight: Floats | None = None

    unit: ClassVar[str] = "decision"
    units: ClassVar[str] = "decisions"
    of_units: ClassVar[frozenset[str]] = SequentialSample.of_units | {"pseudo_inverse_weight"}

    @property
    def largest_weight(self) -> float:
        """Of whole slates, of their first slots, of slots alone, and of the pseudo-inverse."""
        pseudo_inverse = np.zeros(0) if self.pseudo_inverse_weight is None else self.pseudo_inverse_weight
        return max(
            super().largest_weight, largest_ratio(self), float(np.abs(pseudo_inverse).max(initial=0.0))
        )
