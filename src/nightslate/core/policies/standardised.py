"""Estimators of scikit-learn that are fitted to standardised numbers, and kept for the numbers as they are.

Descent gets nowhere in its steps where inputs or targets differ in scale by orders of magnitude (LeCun,
Bottou, Orr and Müller, 1998, "Efficient BackProp", section 4.3): in networks, and in logistic regression."""

import warnings
from typing import Any

import numpy as np

from nightslate.core.arrays import Bools, Floats

_LEFT_FROM_FITTING = (
    "_optimizer",
    "_random_state",
    "_best_coefs",
    "_best_intercepts",
    "loss_curve_",
    "validation_scores_",
)
"""What no prediction needs: states of the descent, three times the size of the network, and its history."""


def fit_network(network: Any, design: Floats, target: Floats, weights: Floats | None) -> Any:
    """An MLPRegressor or MLPClassifier fitted to designs (n, f), targets (n,) and weights (n,).

    Columns have mean 0 and variance 1 while it is fitted, but for those of zeros and ones, which stay: a rare
    one would become a very large number. A column that does not vary says nothing, whatever it holds later.
    So have the targets of squared errors: `alpha` and `tol` mean the same whatever a reward's unit is. The
    first and the last layer then take it back. max_iter ends a fit, be it before it converged."""
    from sklearn.exceptions import ConvergenceWarning

    centre, scale, varies = _scales(design, weights)
    shift, spread = 0.0, 1.0
    if network.loss == "squared_error":
        shift = float(np.average(target, weights=weights))
        spread = float(np.sqrt(np.average((target - shift) ** 2, weights=weights))) or 1.0
        target = (target - shift) / spread
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit((design - centre) / scale, target, sample_weight=weights)
    first, last = network.coefs_[0], network.coefs_[-1]
    first[~varies] = 0.0
    first /= scale[:, None]
    network.intercepts_[0] -= centre @ first
    last *= spread
    network.intercepts_[-1] *= spread
    network.intercepts_[-1] += shift
    for name in _LEFT_FROM_FITTING:
        vars(network).pop(name, None)
    return network


def fit_logistic(regression: Any, design: Floats, target: Floats, weights: Floats | None) -> Any:
    """A LogisticRegression fitted to designs (n, f), targets (n,) and weights (n,).

    Columns are standardised as for networks: what `C` penalises is the coefficient of a standard deviation,
    whatever unit a column has, and of a flag as it is. Without an intercept columns keep their means."""
    centre, scale, varies = _scales(design, weights)
    if not regression.fit_intercept:
        centre, varies = np.zeros_like(centre), np.ones_like(varies)
    regression.fit((design - centre) / scale, target, sample_weight=weights)
    regression.coef_[:, ~varies] = 0.0
    regression.coef_ /= scale
    regression.intercept_ = regression.intercept_ - regression.coef_ @ centre
    return regression


def _scales(design: Floats, weights: Floats | None) -> tuple[Floats, Floats, Bools]:
    """(f,) each: what is taken off a column, what the rest is divided by, and whether it varies."""
    least, most = design.min(axis=0), design.max(axis=0)
    varies = least < most
    centre = np.average(design, axis=0, weights=weights)
    scale = np.sqrt(np.average((design - centre) ** 2, axis=0, weights=weights))
    flags = varies & (least == 0) & (most == 1) & ((design == 0) | (design == 1)).all(axis=0)
    centre = np.where(flags, 0.0, np.where(varies, centre, least))
    return centre, np.where(varies & ~flags & (scale > 0), scale, 1.0), varies
