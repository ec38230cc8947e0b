"""Effects that are linear in what is known of users: ridge regression of their pseudo-outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from nightslate.core.arrays import ArrayRecord, Bools, Floats, Sums, row_chunks
from nightslate.core.effects.observed import Observed
from nightslate.core.effects.prediction import CrossFitted, Effects
from nightslate.core.effects.ridge import Ridge, ridge_fit

Fits = Sequence[Sequence[Ridge]]


@dataclass(frozen=True, eq=False)
class LinearEffects(ArrayRecord):
    """Coefficients (T, d, M), of T treatments and M metrics; their covariances (T, M, d, d); and the mean
    context (d,) that it learnt from."""

    coefficients: Floats
    covariances: Floats
    centre: Floats

    kind: ClassVar[str] = "linear"

    def effects(self, contexts: Floats) -> Effects:
        """Of users with these contexts (n, d)."""
        mean = np.tensordot(contexts, self.coefficients, axes=(1, 1))
        variance = np.empty(mean.shape)
        for rows in row_chunks(len(contexts), 16 * contexts.shape[1]):
            some = contexts[rows]
            for place in np.ndindex(mean.shape[1:]):
                variance[rows, *place] = ((some @ self.covariances[place]) * some).sum(axis=1)
        return Effects(mean, np.sqrt(np.maximum(variance, 0.0)))

    def contributions(self, context: Floats) -> Floats:
        """(T, d, M) what each number of a context (d,) adds to the effects on somebody average."""
        return self.coefficients * (context - self.centre)[:, None]


@dataclass(frozen=True, eq=False)
class EffectSums(Sums):
    """Normal equations of pseudo-outcomes by fold: gram (F, T, d, d) and, by which fold's users had no say in
    them, moment (F, F, T, d, M)."""

    gram: Floats
    moment: Floats

    @classmethod
    def initial(cls, folds: int, treatments: int, features: int, metrics: int) -> Self:
        """Of no users."""
        return cls(
            np.zeros((folds, treatments, features, features)),
            np.zeros((folds, folds, treatments, features, metrics)),
        )

    def update(self, users: Observed, scores: Floats, could: Bools) -> Self:
        """With users more, of pseudo-outcomes (n, F, T, M); those that could (n, T) be in each treatment."""
        gram, moment = self.gram.copy(), self.moment.copy()
        for fold, of_fold in users.by_fold():
            for place in range(could.shape[1]):
                at = of_fold[could[of_fold, place]]
                contexts = users.contexts[at]
                gram[fold, place] += contexts.T @ contexts
                moment[fold, :, place] += contexts.T @ scores[at, :, place].swapaxes(0, 1)
        return type(self)(gram, moment)

    def fits(self, ridge: float) -> Fits:
        """For each fold by treatment what the users of others teach, and last what all teach."""
        folds = [*range(len(self.gram))]
        others = [[other for other in folds if other != fold] for fold in folds]
        of_others = [self._fit(kept, [fold] * len(kept), ridge) for fold, kept in enumerate(others)]
        return [*of_others, self._fit(folds, folds, ridge)]

    def _fit(self, folds: list[int], versions: list[int], ridge: float) -> list[Ridge]:
        gram, moment = self.gram[folds].sum(axis=0), self.moment[folds, versions].sum(axis=0)
        return [ridge_fit(*each, ridge) for each in zip(gram, moment, strict=True)]

    @property
    def centre(self) -> Floats:
        """(d,) the mean context of all users."""
        whole = self.gram[:, 0, 0].sum(axis=0)
        return np.asarray(whole / whole[0])


@dataclass(frozen=True, eq=False)
class ResidualSums(Sums):
    """Sums of x x' e**2, meat (F + 1, T, M, d, d), e being what is left of a pseudo-outcome: of the model for
    each fold, and last of that of all."""

    meat: Floats

    @classmethod
    def initial(cls, folds: int, treatments: int, features: int, metrics: int) -> Self:
        """Of no users."""
        return cls(np.zeros((folds + 1, treatments, metrics, features, features)))

    def update(self, users: Observed, scores: Floats, could: Bools, fits: Fits) -> Self:
        """With users more. fits: see `EffectSums.fits`; the others as there."""
        meat, folds = self.meat.copy(), scores.shape[1]
        for model, of_model in enumerate(fits):
            for place, fit in enumerate(of_model):
                taught = could[:, place] if model == folds else could[:, place] & (users.fold != model)
                at = np.flatnonzero(taught)
                contexts = users.contexts[at]
                wanted = scores[at, users.fold[at] if model == folds else model, place]
                left = wanted - contexts @ fit.coefficients
                for metric, of_metric in enumerate(left.T):
                    meat[model, place, metric] += (contexts * of_metric[:, None] ** 2).T @ contexts
        return type(self)(meat)

    def models(self, fits: Fits, sums: EffectSums) -> CrossFitted:
        """For each fold that of the others, and that of all."""
        models = []
        for model, (of_model, meats) in enumerate(zip(fits, self.meat, strict=True)):
            kept = [fold for fold in range(len(sums.gram)) if fold != model]
            users = sums.gram[kept, :, 0, 0].sum(axis=0)
            covariances = [
                [covariance(fit, meat, n) for meat in of_metrics]
                for fit, of_metrics, n in zip(of_model, meats, users.tolist(), strict=True)
            ]
            coefficients = np.stack([fit.coefficients for fit in of_model])
            models.append(LinearEffects(coefficients, np.array(covariances), sums.centre))
        return CrossFitted(models[-1], models[:-1])


def covariance(fit: Ridge, meat: Floats, users: float) -> Floats:
    """(d, d) of coefficients, from the sum of x x' e**2 over so many users: the sandwich (White, 1980), its
    squares larger by n over the degrees of freedom that are left, and what the penalty takes off them: as if
    the coefficients were drawn with the variance by which the ridge is right (Nychka, 1988), without which a
    direction that hardly any user tells of would seem certain."""
    left = max(users - fit.freedom, 1.0)
    spread = users / left * meat + meat[0, 0] / left * np.diag(fit.penalty)
    return np.asarray(fit.inverse @ spread @ fit.inverse)
