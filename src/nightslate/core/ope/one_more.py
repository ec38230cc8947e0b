"""What one more unit would make of a log: a bound that it could turn is no evidence.

Where rewards are rare, an arm that the target avoids may by luck have had none. Then all that the log holds
speaks for the target, and a standard error, which knows nothing but what was seen, is near 0. So the log is
asked about the most telling unit that it makes possible and lacks: its largest reward where the target hardly
goes, or its least one where the target goes most. With it the interval, by Student's quantile for the few
units that then make most of the spread, has to stay on its side of 0. Of rewards of one size that is about
Poisson's bound for what was not seen: where none came of an arm, five would have to be expected."""

from dataclasses import replace
from typing import TypeVar

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.ope.sample import Logged

L = TypeVar("L", bound=Logged)


def against(sample: L) -> tuple[L, L]:
    """Two logs of one unit: the largest reward with the least weight, and the least with the largest."""
    weight, reward = sample.weight, _earned(sample)
    return _unit(sample, weight.argmin(), reward.argmax()), _unit(sample, weight.argmax(), reward.argmin())


def in_favour(sample: L) -> tuple[L, L]:
    """Two logs of one unit: the largest reward with the largest weight, and the least with the least."""
    weight, reward = sample.weight, _earned(sample)
    return _unit(sample, weight.argmax(), reward.argmax()), _unit(sample, weight.argmin(), reward.argmin())


def _unit(sample: L, weighed: np.intp, rewarded: np.intp) -> L:
    """The one unit, but for its reward, which is that of the other."""
    return replace(sample.take(np.array([weighed])), reward=sample.reward[[rewarded]])


def _earned(sample: Logged) -> Floats:
    return np.asarray(sample.reward.reshape(sample.n, -1).sum(axis=1))
