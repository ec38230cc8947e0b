"""What an off-policy estimator looks at."""

from dataclasses import dataclass, fields

import numpy as np

from nightslate.core.arrays import Floats, finite
from nightslate.core.errors import InvalidInputError


@dataclass(frozen=True, eq=False)
class Sample:
    """n logged impressions and one target policy; every field is (n,) float64.

    reward: what came of the impression.
    propensity: the logging policy's probability of the arm that it showed, in (0, 1].
    target_propensity: the target policy's probability of that same arm, in [0, 1].
    q_logged: the reward that a model expects of that arm in that context.
    v_target: the reward that the model expects of the target policy in that context.

    Raises InvalidInputError where a value is not finite or a propensity outside its range: such a number is
    never read as anything."""

    reward: Floats
    propensity: Floats
    target_propensity: Floats
    q_logged: Floats
    v_target: Floats

    def __post_init__(self) -> None:
        rows = np.shape(self.propensity)
        _require_range(
            "propensity", self.propensity, (self.propensity > 0) & (self.propensity <= 1), "(0, 1]"
        )
        for field in fields(self):
            object.__setattr__(self, field.name, finite(field.name, getattr(self, field.name), rows))
        target = self.target_propensity
        _require_range("target_propensity", target, (target >= 0) & (target <= 1), "[0, 1]")

    @property
    def weight(self) -> Floats:
        """The importance weight, target / propensity: how much more often the target would show this arm."""
        return np.asarray(self.target_propensity / self.propensity)


def _require_range(name: str, values: Floats, inside: np.ndarray, interval: str) -> None:
    bad = int(np.count_nonzero(~inside))
    if bad:
        raise InvalidInputError(f"{name} has {bad} of {values.size} values that are not in {interval}")
