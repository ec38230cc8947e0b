"""Several questions at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nightslate.core.arrays import Bools, Floats


@dataclass(frozen=True)
class Together:
    """What is left of an effect beside all that were asked for: its p-value by Holm, and whether it is told
    by e-BH, which may be looked at at any time; None where there is no such evidence yet."""

    p_holm: float | None
    e_bh: bool | None


def together(p: Sequence[float | None], log_e: Sequence[float | None], alpha: float) -> list[Together]:
    """What is left of each of several effects that are looked at together, by their p-values and the
    logarithms of their e-values; None where there is none."""
    told = e_bh(np.array([-math.inf if each is None else each for each in log_e]), alpha).tolist()
    return [
        Together(adjusted, is_told if each is not None else None)
        for adjusted, is_told, each in zip(holm(p), told, log_e, strict=True)
    ]


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
