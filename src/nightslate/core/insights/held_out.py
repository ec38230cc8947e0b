"""Rows of users, each beside a regression that was fitted on other users."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from nightslate.core.arrays import Floats, Ints
from nightslate.core.insights.permutation import Importance, Permutation, permutation_importance
from nightslate.core.insights.regression import Regression

_REPEATS = 5


@dataclass(frozen=True, eq=False)
class HeldOut:
    """n showings: contexts (n, d), places of arms (n,), rewards (n,), the folds of users (n,), and by
    fold what all others teach. features (n, k): those of the arms, as the regressions know them."""

    regressions: Sequence[Regression]
    fold_of: Ints
    contexts: Floats
    arms: Ints
    features: Floats
    rewards: Floats

    @classmethod
    def of(
        cls, regressions: Sequence[Regression], fold_of: Ints, contexts: Floats, arms: Ints, rewards: Floats
    ) -> Self:
        """Showings as they were."""
        return cls(regressions, fold_of, contexts, arms, regressions[0].posterior.features[arms], rewards)

    @cached_property
    def losses(self) -> Floats:
        """(n,) the squared error of what was expected of each."""
        expected = np.empty(self.rewards.size)
        for fold, regression in enumerate(self.regressions):
            mine = np.flatnonzero(self.fold_of == fold)
            expected[mine] = regression.expected(self.contexts[mine], self.arms[mine], self.features[mine])
        return np.asarray(np.square(self.rewards - expected))

    def of_context(self, at: slice, rows: Permutation, seed: int, confidence: float) -> Importance:
        """That of a feature of contexts, which has these places."""
        return self._importance(
            lambda donor: replace(self, contexts=_with(self.contexts, at, donor)), rows, seed, confidence
        )

    def of_arm_feature(self, at: slice, rows: Permutation, seed: int, confidence: float) -> Importance:
        """That of a feature of arms."""
        return self._importance(
            lambda donor: replace(self, features=_with(self.features, at, donor)), rows, seed, confidence
        )

    def of_arm(self, rows: Permutation, seed: int, confidence: float) -> Importance:
        """That of which arm was shown, with all that is known of it."""
        return self._importance(
            lambda donor: replace(self, arms=self.arms[donor], features=self.features[donor]),
            rows,
            seed,
            confidence,
        )

    def _importance(
        self, shuffled: Callable[[Ints], "HeldOut"], rows: Permutation, seed: int, confidence: float
    ) -> Importance:
        return permutation_importance(
            rows, self.losses, lambda donor: shuffled(donor).losses, seed, _REPEATS, confidence
        )


def _with(values: Floats, at: slice, donor: Ints) -> Floats:
    """(n, d) the rows, with some places of others."""
    changed = values.copy()
    changed[:, at] = values[donor, at]
    return changed
