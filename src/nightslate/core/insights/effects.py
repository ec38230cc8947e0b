"""Coefficients as a person reads them: beside the average, with posterior standard deviations.

One number in M says little by itself: the values of a category sum to the constant, so that a prior alone
tells one's coefficients from the other's. What is told instead is how far a value's coefficient is from the
average over the values that there were, and of a number what one standard deviation does. Both are linear in
the coefficients, so their posterior is exact."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Floats
from nightslate.core.policies.linear_posterior import LinearPosterior


@dataclass(frozen=True, eq=False)
class Effects:
    """Posterior means and standard deviations, of features of arms by those of contexts (k, d), or of arms by
    these (A, d)."""

    mean: Floats
    stderr: Floats


def centring(rows: Floats, categories: Iterable[slice]) -> Floats:
    """(d, d) what turns coefficients of features (n, d), a constant 1 first, into effects. `categories`: the
    places that the values of each category have; the others are numbers.

    The constant becomes the mean over all rows; a value's coefficient its distance to the mean over the
    category's values, weighed by how often each occurs; a number's what a standard deviation does."""
    mean = rows.mean(axis=0)
    turned = np.diag(rows.std(axis=0))
    for at in categories:
        known = mean[at].sum()
        shares = mean[at] / known if known else np.full(mean[at].size, 1 / max(1, mean[at].size))
        turned[at, at] = np.eye(shares.size) - shares
    turned[0] = mean
    return turned


def effects_of_features(posterior: LinearPosterior, contexts: Floats, arms: Floats) -> Effects:
    """(k, d) of M. contexts (d, d), arms (k, k): see `centring`."""
    root = contexts @ np.tensordot(arms, posterior.shared, 1)
    return _effects(arms @ posterior.matrix @ contexts.T, root, posterior.variance)


def effects_of_arms(posterior: LinearPosterior, contexts: Floats) -> Effects:
    """(A, d) of each arm's own coefficients. contexts (d, d): see `centring`."""
    return _effects(posterior.mean @ contexts.T, contexts @ posterior.root, 1.0)


def _effects(mean: Floats, root: Floats, variance: float) -> Effects:
    return Effects(mean, np.sqrt(variance * np.square(root).sum(axis=-1)))
