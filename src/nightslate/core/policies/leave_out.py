"""Sums of positive numbers without one or two of them, to (nearly) every digit.

Where one number dominates, the sum of all less that number has no digits left of the others. Two ways around
it: add what comes before and after each place, or put the numbers in ascending order, where only the last two
can dominate and all others may be subtracted."""

import numpy as np

from nightslate.core.arrays import Floats


def sums_before(values: Floats) -> Floats:
    """Along the last axis: the sum of what comes before each place."""
    sums = np.zeros_like(values)
    np.cumsum(values[..., :-1], axis=-1, out=sums[..., 1:])
    return sums


def sums_after(values: Floats) -> Floats:
    """Along the last axis: the sum of what comes after each place."""
    return sums_before(values[..., ::-1])[..., ::-1]


def sums_of_others(values: Floats) -> Floats:
    """Along the last axis: the sum of all but each place."""
    return sums_before(values) + sums_after(values)


def sums_without_pair(ascending: Floats, plus: Floats) -> Floats:
    """(n, A) nonnegative, each row in ascending order, A >= 2 -> (n, A, A): the sum of each row and `plus`
    (n, 1), without b and c; what stands where b is c means nothing.

    Of a pair without the largest number, the largest is left over: subtracting costs a factor A of rounding
    at most. The same holds for the pairs with the largest among the numbers that are not, but for the second
    largest."""
    total = ascending.sum(axis=1, keepdims=True) + plus
    left: Floats = (total - ascending)[:, :, None] - ascending[:, None, :]
    without_last = ascending[:, :-1].sum(axis=1, keepdims=True) + plus - ascending
    without_last[:, -2] = ascending[:, :-2].sum(axis=1) + plus[:, 0]
    left[:, -1, :] = without_last
    left[:, :, -1] = without_last
    return left
