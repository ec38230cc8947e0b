"""Effects by an estimator of scikit-learn that is fitted to pseudo-outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import ArrayRecord, Bools, Floats, Ints
from nightslate.core.effects.nuisances import could_be, own_fold, pseudo_outcomes
from nightslate.core.effects.observed import Observed
from nightslate.core.effects.prediction import CrossFitted, Effects
from nightslate.core.policies.sklearn_models import Setting, build, fitted, from_array, to_array


@dataclass(frozen=True, eq=False)
class EstimatedEffects(ArrayRecord):
    """The mean of E models, each of which lacks the users of a fold: all of them as bytes, one after another,
    and how many each has, lengths (E, T, M), 0 of one that predicts nothing but a constant (E, T, M)."""

    content: NDArray[np.uint8]
    lengths: Ints
    constant: Floats

    kind: ClassVar[str] = "estimator"

    def effects(self, contexts: Floats) -> Effects:
        """Of users with these contexts (n, d). The standard error is that of a jackknife that leaves out a
        fold at a time (Shao and Wu, 1989)."""
        found = np.empty((len(self.lengths), len(contexts), *self.lengths.shape[1:]))
        for (member, treatment, metric), model in self._models.items():
            constant = self.constant[member, treatment, metric]
            told = constant if model is None or not len(contexts) else model.predict(contexts)
            found[member, :, treatment, metric] = told
        mean, members = found.mean(axis=0), len(found)
        return Effects(mean, np.sqrt((members - 1) / members * np.square(found - mean).sum(axis=0)))

    @cached_property
    def _models(self) -> dict[tuple[int, ...], Any]:
        ends = np.cumsum(self.lengths.ravel()).reshape(self.lengths.shape)
        return {
            place: from_array(self.content[ends[place] - length : ends[place]]) if length else None
            for place, length in np.ndenumerate(self.lengths)
        }


@dataclass(frozen=True)
class Estimator:
    """Which estimator of `sklearn_models.ESTIMATORS`, with which parameters and seed."""

    name: str
    parameters: Mapping[str, Setting]
    seed: int

    def cross_fitted(self, users: Observed, models: Floats, control: int, treatments: Ints) -> CrossFitted:
        """Fitted to users at hand, whose outcomes are expected by `models` (`OutcomeSums.models`)."""
        scores = pseudo_outcomes(users, models, control, treatments)
        could, folds = could_be(users, control, treatments), range(len(models))

        def fit(wanted: Floats, left_out: int | None) -> EstimatedEffects:
            taught = could & (users.fold != left_out)[:, None] if left_out is not None else could
            return self._of_members(
                users, wanted, [taught & (users.fold != fold)[:, None] for fold in folds if fold != left_out]
            )

        return CrossFitted(fit(own_fold(users, scores), None), [fit(scores[:, fold], fold) for fold in folds])

    def _of_members(self, users: Observed, wanted: Floats, taught: Sequence[Bools]) -> EstimatedEffects:
        """wanted (n, T, M), by the users (n, T) that teach each member."""
        shape = len(taught), *wanted.shape[1:]
        content, constant = [], np.zeros(shape)
        for member, treatment, metric in np.ndindex(shape):
            at = np.flatnonzero(taught[member][:, treatment])
            values = wanted[at, treatment, metric]
            if np.unique(values).size > 1:
                content.append(self._fit(users.contexts[at], values))
            else:
                content.append(np.zeros(0, dtype=np.uint8))
                constant[member, treatment, metric] = values.mean() if values.size else 0.0
        lengths = np.array([model.size for model in content], dtype=np.int64).reshape(shape)
        return EstimatedEffects(np.concatenate(content), lengths, constant)

    def _fit(self, contexts: Floats, wanted: Floats) -> NDArray[np.uint8]:
        estimator = build(self.name, dict(self.parameters), self.seed)
        return to_array(fitted(estimator, contexts, wanted, None))
