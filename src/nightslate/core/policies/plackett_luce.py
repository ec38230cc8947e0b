"""Plackett-Luce rankings and the probabilities of what they show.

A ranking is drawn without replacement, each next arm with probability proportional to its weight among the
arms that are left (Luce 1959, Plackett 1975). Drop any arms from a ranking, and what remains is a
Plackett-Luce ranking of the others: pass `eligible` to get the probabilities of that one.

`weights` is (n, A), one row a user; it must be finite and > 0 wherever an arm is eligible, and need not sum
to 1. Sums only ever add positive numbers: where one arm holds nearly all weight, W - w would lose every digit
of the rest."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Floats, Ints, Keys, indices, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import mix, uniform


def restrict(weights: NDArray[np.floating], eligible: Bools | None = None) -> Floats:
    """The weights as float64 (n, A) with 0 for every arm that `eligible` (n, A) leaves out; None keeps all.

    Raises InvalidInputError where an eligible weight is not finite and > 0."""
    if weights.ndim != 2:
        raise InvalidInputError(f"weights must be (n, A), got shape {weights.shape}")
    if eligible is not None and (eligible.shape != weights.shape or eligible.dtype != np.bool_):
        raise InvalidInputError(
            f"eligible must be booleans of shape {weights.shape}, got {eligible.dtype} {eligible.shape}"
        )
    kept = np.asarray(weights, dtype=np.float64)
    if eligible is not None:
        kept = np.where(eligible, kept, 0.0)
    allowed = (kept > 0) & np.isfinite(kept)
    bad = int(np.count_nonzero(~allowed if eligible is None else eligible & ~allowed))
    if bad:
        raise InvalidInputError(f"{bad} of {kept.size} weights are not finite and > 0; mix in a floor first")
    return kept


def sample_rankings(
    weights: NDArray[np.floating], user_keys: Keys, arm_keys: Keys, depth: int, eligible: Bools | None = None
) -> Ints:
    """Draw one ranking a row: (n, depth) places of arms, best first.

    `user_keys` (n,) and `arm_keys` (A,) are the only randomness. Each (user, arm) has an exponential clock
    with the arm's weight as its rate, and arms rank in the order in which the clocks ring (the Gumbel trick
    without its logarithm of weights). So the order of arms and of rows has no say, and dropping an arm leaves
    the order of the others as it was. Raises InvalidInputError where a row has fewer than `depth` eligible
    arms."""
    kept = restrict(weights, eligible)
    rows, arms = kept.shape
    if user_keys.shape != (rows,) or arm_keys.shape != (arms,):
        raise InvalidInputError(
            f"{rows} x {arms} weights need as many keys, got {user_keys.shape} {arm_keys.shape}"
        )
    _require_arms(kept, depth)
    rankings = np.empty((rows, depth), dtype=np.int64)
    for chunk in row_chunks(rows, bytes_per_row=8 * arms * 4):
        with np.errstate(divide="ignore"):
            clocks = -np.log(uniform(mix(user_keys[chunk, None], arm_keys[None, :]))) / kept[chunk]
        first = np.argpartition(clocks, depth - 1, axis=1)[:, :depth]
        order = np.argsort(np.take_along_axis(clocks, first, axis=1), axis=1)
        rankings[chunk] = np.take_along_axis(first, order, axis=1)
    return rankings


def conditional_propensities(
    weights: NDArray[np.floating], rankings: Ints, eligible: Bools | None = None
) -> Floats:
    """(n, depth): the probability of each ranked arm in its slot, given the slots before it.

    Raises InvalidInputError where a ranking names an arm twice or an arm that is not eligible."""
    kept = restrict(weights, eligible)
    rows, arms = kept.shape
    if rankings.ndim != 2:
        raise InvalidInputError(f"rankings must be (n, depth), got shape {rankings.shape}")
    rankings = indices("rankings", rankings, (rows, rankings.shape[1]), arms)
    _require_distinct(rankings)
    ranked = np.take_along_axis(kept, rankings, axis=1)
    if not (ranked > 0).all():
        raise InvalidInputError(f"{np.count_nonzero(ranked == 0)} ranked arms are not eligible in their row")
    unranked = kept.copy()
    np.put_along_axis(unranked, rankings, 0.0, axis=1)
    left = ranked + _sum_after(ranked) + unranked.sum(axis=1, keepdims=True)
    return np.asarray(ranked / left)


def log_joint_propensity(
    weights: NDArray[np.floating], rankings: Ints, eligible: Bools | None = None
) -> Floats:
    """(n,): the logarithm of the probability of the whole ranking, for depths where the product
    underflows."""
    return np.asarray(np.log(conditional_propensities(weights, rankings, eligible)).sum(axis=1))


def joint_propensity(weights: NDArray[np.floating], rankings: Ints, eligible: Bools | None = None) -> Floats:
    """(n,): the probability that the first slots hold exactly this ranking."""
    return np.asarray(conditional_propensities(weights, rankings, eligible).prod(axis=1))


def marginal_propensities(weights: NDArray[np.floating], slot: int, eligible: Bools | None = None) -> Floats:
    """(n, A): the probability that each arm is in `slot` (1, 2 or 3), whatever the slots before it hold.

    Exact, O(A**2) a row at slot 3. Raises InvalidInputError for later slots, whose exact sums grow as
    A**slot, and where a row has fewer eligible arms than `slot`."""
    kept = restrict(weights, eligible)
    if slot not in _MARGINALS:
        raise InvalidInputError(f"marginal propensities are exact for slots 1 to 3, got slot {slot}")
    _require_arms(kept, slot)
    rows, arms = kept.shape
    marginals = np.empty_like(kept)
    for chunk in row_chunks(rows, bytes_per_row=8 * arms**2 * 6):
        marginals[chunk] = np.minimum(_MARGINALS[slot](kept[chunk]), 1.0)
    return marginals


def _first(weights: Floats) -> Floats:
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _second(weights: Floats) -> Floats:
    """w_a / W times the sum over b != a of w_b / (W - w_b)."""
    return np.asarray(_first(weights) * _sum_of_others(weights / _sum_of_others(weights)))


def _third(weights: Floats) -> Floats:
    """w_a times the sum of f(b, c) over ordered pairs without a, f(b, c) = w_b w_c / (W (W-w_b) (W-w_b-w_c)).

    With g(b, c) = f(b, c) + f(c, b) for b < c, the pairs without a lie both before a, both after it, or
    around it."""
    before, after = _sum_before(weights), _sum_after(weights)
    odds = weights / (before + after)
    later = np.triu(np.ones((weights.shape[1],) * 2, dtype=np.bool_), k=1)
    after_first = np.where(later, weights[:, None, :], 0.0)
    without_pair = before[:, :, None] + _sum_before(after_first) + after[:, None, :]
    either_order = odds[:, :, None] * weights[:, None, :] + weights[:, :, None] * odds[:, None, :]
    pairs = np.where(later, either_order / without_pair, 0.0)
    both_before = _sum_before(pairs.sum(axis=1))
    both_after = _sum_after(pairs.sum(axis=2))
    around = np.where(later, _sum_after(pairs), 0.0).sum(axis=1)
    return np.asarray(_first(weights) * (both_before + around + both_after))


_MARGINALS: dict[int, Callable[[Floats], Floats]] = {1: _first, 2: _second, 3: _third}


def _sum_before(values: Floats) -> Floats:
    """Along the last axis: the sum of what comes before each place."""
    sums = np.zeros_like(values)
    np.cumsum(values[..., :-1], axis=-1, out=sums[..., 1:])
    return sums


def _sum_after(values: Floats) -> Floats:
    return _sum_before(values[..., ::-1])[..., ::-1]


def _sum_of_others(values: Floats) -> Floats:
    return _sum_before(values) + _sum_after(values)


def _require_arms(weights: Floats, count: int) -> None:
    if count < 1:
        raise InvalidInputError(f"slots and depths count from 1, got {count}")
    short = int(np.count_nonzero(np.count_nonzero(weights, axis=1) < count))
    if short or weights.shape[1] < count:
        raise InvalidInputError(f"{short} of {len(weights)} rows have fewer than {count} eligible arms")


def _require_distinct(rankings: Ints) -> None:
    placed = np.sort(rankings, axis=1)
    twice = int(np.count_nonzero((placed[:, 1:] == placed[:, :-1]).any(axis=1)))
    if twice:
        raise InvalidInputError(f"{twice} of {len(rankings)} rankings name an arm twice")
