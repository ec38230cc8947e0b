"""What is to be expected of a user in each variant, by users of other folds, and what follows for effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import Bools, Floats, Ints, Sums
from nightslate.core.effects.observed import Observed
from nightslate.core.effects.ridge import ridge_fit

RIDGE = 10.0
"""That of what is expected. Pseudo-outcomes have the right mean whatever it is."""


@dataclass(frozen=True, eq=False)
class OutcomeSums(Sums):
    """Normal equations of what came of users, by fold and variant: gram (F, k, d, d), moment (F, k, d, M)."""

    gram: Floats
    moment: Floats

    @classmethod
    def initial(cls, folds: int, variants: int, features: int, metrics: int) -> Self:
        """Of no users."""
        return cls(
            np.zeros((folds, variants, features, features)), np.zeros((folds, variants, features, metrics))
        )

    def update(self, users: Observed) -> Self:
        """With these users more."""
        gram, moment = self.gram.copy(), self.moment.copy()
        for fold, of_fold in users.by_fold():
            for variant in np.unique(users.variant[of_fold]):
                at = of_fold[users.variant[of_fold] == variant]
                contexts = users.contexts[at]
                gram[fold, variant] += contexts.T @ contexts
                moment[fold, variant] += contexts.T @ users.values[at]
        return type(self)(gram, moment)

    def models(self) -> Floats:
        """(F, F, k, d, M) coefficients, without the users of either of two folds; 0 of variants that nobody
        else was in. They are the same whichever of two folds is named first."""
        folds, variants = self.moment.shape[:2]
        found = np.zeros((folds, *self.moment.shape))
        for one in range(folds):
            for other in range(one, folds):
                kept = [fold for fold in range(folds) if fold not in (one, other)]
                gram, moment = self.gram[kept].sum(axis=0), self.moment[kept].sum(axis=0)
                for variant in range(variants):
                    if gram[variant, 0, 0] > 0:
                        fitted = ridge_fit(gram[variant], moment[variant], RIDGE).coefficients
                        found[one, other, variant] = found[other, one, variant] = fitted
        return found


def pseudo_outcomes(users: Observed, models: Floats, control: int, treatments: Ints) -> Floats:
    """(n, F, T, M) doubly robust scores of the effects of T treatments against the control, whose mean over
    users of equal contexts is the effect: see `core.uplift.effects`, and Kennedy (2023), "Towards optimal
    doubly robust estimation of heterogeneous causal effects". models: see `OutcomeSums.models`. The f-th of a
    user is made by users of neither the own fold nor fold f, so that what is learnt from all but fold f can
    be judged by users of it; that of the own fold is made by all others. Of users who could not be in both
    variants, see `could_be`, it is 0."""
    found = np.zeros((len(users.fold), len(models), len(treatments), models.shape[-1]))
    there = could_be(users, control, treatments)
    for fold, at in users.by_fold():
        of_fold, rows = users.taken(at), np.arange(len(at))
        variant, weight = of_fold.variant, 1 / of_fold.propensity
        for version in range(len(models)):
            expected = np.tensordot(of_fold.contexts, models[fold, version], axes=(1, 1))
            off = weight[:, None] * (of_fold.values - expected[rows, variant])
            for place, treatment in enumerate(treatments):
                score = expected[:, treatment] - expected[:, control]
                score[variant == treatment] += off[variant == treatment]
                score[variant == control] -= off[variant == control]
                found[at, version, place] = score
    return np.where(there[:, None, :, None], found, 0.0)


def could_be(users: Observed, control: int, treatments: Ints) -> Bools:
    """(n, T) who could be in each treatment, and in the control: others say nothing of its effect."""
    return np.asarray((users.probabilities[:, treatments] > 0) & (users.probabilities[:, [control]] > 0))


def own_fold(users: Observed, scores: Floats) -> Floats:
    """(n, T, M) of pseudo-outcomes (n, F, T, M) those that all users of other folds make."""
    return np.asarray(scores[np.arange(len(users.fold)), users.fold])
