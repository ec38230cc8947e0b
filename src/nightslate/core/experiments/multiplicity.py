"""Several questions at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nightslate.core.arrays import Bools, Floats


def holm(p: Sequence[float | None]) -> list[float | None]:
    """The p-values adjusted for each other (Holm, 1979): of those under alpha the chance that any is of no
    effect is alpha at most, however they depend on each other. None, where there is none, counts for no
    question."""
    asked = [place for place, value in enumerate(p) if value is not None]
    values = np.array([p[place] for place in asked], dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted: list[float | None] = [None] * len(p)
    for place, value in zip(order.tolist(), np.minimum(steps, 1.0).tolist(), strict=True):
        adjusted[asked[place]] = value
    return adjusted


def e_bh(log_e: Floats, alpha: float) -> Bools:
    """(m,) which of m questions are answered: of those the share without an effect is alpha at most in
    expectation, however they depend on each other and whenever one looks (e-BH: Wang and Ramdas, 2022). log_e
    (m,): logarithms of e-values, -inf where there is none."""
    m = len(log_e)
    ranked = np.sort(log_e)[::-1]
    enough = np.flatnonzero(ranked >= np.log(m / (alpha * np.arange(1, m + 1))))
    return np.asarray(log_e >= ranked[enough[-1]]) if enough.size else np.zeros(m, dtype=np.bool_)
