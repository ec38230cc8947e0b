"""Plackett-Luce rankings and the probabilities of what they show.

A ranking is drawn without replacement, each next arm with probability proportional to its weight among the
arms that are left (Luce 1959, Plackett 1975). Drop any arms from a ranking, and what remains is a
Plackett-Luce ranking of the others: pass `eligible` to get the probabilities of that one.

`weights` is (n, A), one row a user; it must be finite and > 0 wherever an arm is eligible, and need not sum
to 1. Where one arm holds nearly all weight, W - w would lose every digit of the rest: see `leave_out`."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Floats, Ints, Keys, indices, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import mix, uniform
from nightslate.core.policies.leave_out import sums_after, sums_of_others, sums_without_pair


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
    weights: NDArray[np.floating],
    user_keys: Keys,
    arm_keys: Keys,
    depth: int,
    eligible: Bools | None = None,
    first_among: Bools | None = None,
) -> Ints:
    """Draw one ranking a row: (n, depth) places of arms, best first.

    `user_keys` (n,) and `arm_keys` (A,) are the only randomness. Each (user, arm) has an exponential clock
    with the arm's weight as its rate, and arms rank in the order in which the clocks ring (the Gumbel trick
    without its logarithm of weights). So the order of arms and of rows has no say, and dropping an arm leaves
    the order of the others as it was. `first_among` (n, A): the arms among which the first one is, where that
    was drawn before; None for all. Raises InvalidInputError where a row has fewer than `depth` eligible
    arms."""
    kept = restrict(weights, eligible)
    require_arms(kept, depth)
    require_keys(kept, user_keys, arm_keys)
    rankings = np.empty((len(kept), depth), dtype=np.int64)
    for chunk in row_chunks(len(kept), bytes_per_row=8 * kept.shape[1] * 4):
        with np.errstate(divide="ignore"):
            clocks = exponentials(user_keys[chunk], arm_keys) / kept[chunk]
        if first_among is not None:
            clocks = begun_among(first_among[chunk], clocks)
        first = np.argpartition(clocks, depth - 1, axis=1)[:, :depth]
        order = np.argsort(np.take_along_axis(clocks, first, axis=1), axis=1)
        rankings[chunk] = np.take_along_axis(first, order, axis=1)
    return rankings


def exponentials(user_keys: Keys, arm_keys: Keys) -> Floats:
    """(n, A): the exponential clock of each user and arm at rate 1, a hash of their keys."""
    return np.asarray(-np.log(uniform(mix(user_keys[:, None], arm_keys[None, :]))))


def begun_among(first: Bools, clocks: Floats) -> Floats:
    """Clocks (n, A) of which one of the arms in `first` (n, A) rings first. The others start when it has
    rung: what is left on a clock is exponential whatever it has run so far, so all after it is as it was."""
    rung = np.where(first, clocks, np.inf).min(axis=1, keepdims=True)
    return np.asarray(np.where(first, clocks, clocks + rung))


def conditional_propensities(
    weights: NDArray[np.floating], rankings: Ints, eligible: Bools | None = None
) -> Floats:
    """(n, depth): the probability of each ranked arm in its slot, given the slots before it.

    Raises InvalidInputError where a ranking names an arm twice or an arm that is not eligible."""
    kept = restrict(weights, eligible)
    rankings, ranked = checked_rankings(kept, rankings)
    conditional = np.empty_like(ranked)
    for chunk in row_chunks(len(kept), bytes_per_row=8 * kept.shape[1] * 2):
        unranked = kept[chunk].copy()
        np.put_along_axis(unranked, rankings[chunk], 0.0, axis=1)
        left = ranked[chunk] + sums_after(ranked[chunk]) + unranked.sum(axis=1, keepdims=True)
        conditional[chunk] = ranked[chunk] / left
    return conditional


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
    require_arms(kept, slot)
    rows, arms = kept.shape
    marginals = np.empty_like(kept)
    for chunk in row_chunks(rows, bytes_per_row=8 * arms * (2 * arms if slot == 3 else 6)):
        marginals[chunk] = np.minimum(_MARGINALS[slot](kept[chunk]), 1.0)
    return marginals


def marginal_propensities_of(
    weights: NDArray[np.floating], rankings: Ints, eligible: Bools | None = None
) -> Floats:
    """(n, depth), depth 1 to 3: the probability of each ranked arm in its slot, whatever the slots before it
    hold; what `marginal_propensities` says of these arms, without the work for all others.

    Raises InvalidInputError for deeper rankings, and as `conditional_propensities` does."""
    kept = restrict(weights, eligible)
    rankings, ranked = checked_rankings(kept, rankings)
    rows, depth = rankings.shape
    if not 1 <= depth <= 3:
        raise InvalidInputError(f"marginal propensities are exact for slots 1 to 3, got {depth} slots")
    marginals = np.empty_like(ranked)
    for chunk in row_chunks(rows, bytes_per_row=8 * kept.shape[1] * (2 * kept.shape[1] if depth == 3 else 6)):
        others = kept[chunk].copy()
        for slot in range(depth):
            shown = ranked[chunk, slot, None]
            np.put_along_axis(others, rankings[chunk, slot, None], 0.0, axis=1)
            share = (shown / (shown + others.sum(axis=1, keepdims=True)))[:, 0]
            marginals[chunk, slot] = np.minimum(share * _COME_BEFORE[slot](others, shown), 1.0)
            np.put_along_axis(others, rankings[chunk, slot, None], shown, axis=1)
    return marginals


def _first(weights: Floats) -> Floats:
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _second(weights: Floats) -> Floats:
    """w_a / W times the sum over b != a of w_b / (W - w_b)."""
    return np.asarray(_first(weights) * sums_of_others(weights / sums_of_others(weights)))


def _third(weights: Floats) -> Floats:
    """w_a / W times the sum, over pairs b, c without a, of w_b w_c / (W - w_b - w_c) times
    1 / (W - w_b) + 1 / (W - w_c).

    In ascending order a pair's term grows with its places. So all pairs less those of an arm is a sum that
    keeps its digits, but for the last two arms; theirs add up what they have no part in."""
    order = np.argsort(weights, axis=1)
    ascending = np.take_along_axis(weights, order, axis=1)
    odds = ascending / sums_of_others(ascending)
    both = np.stack([ascending, odds], axis=2)
    inverse = inverse_without_pair(ascending, np.zeros((len(weights), 1)))
    of_arm = ((inverse @ both) * both[:, :, ::-1]).sum(axis=2)
    among_first = ((inverse[:, :, :-2] @ both[:, :-2]) * both[:, :, ::-1]).sum(axis=2)
    inner = among_first[:, :-2].sum(axis=1, keepdims=True) / 2
    without = of_arm.sum(axis=1, keepdims=True) / 2 - of_arm
    without[:, -2:] = inner + among_first[:, :-3:-1]
    marginals = np.empty_like(weights)
    np.put_along_axis(marginals, order, _first(ascending) * without, axis=1)
    return marginals


_MARGINALS: dict[int, Callable[[Floats], Floats]] = {1: _first, 2: _second, 3: _third}


def _one_before(others: Floats, shown: Floats) -> Floats:
    """The sum over b of w_b / (W - w_b), b among the others of the shown arm."""
    return np.asarray((others / (sums_of_others(others) + shown)).sum(axis=1))


def _two_before(others: Floats, shown: Floats) -> Floats:
    """The sum over ordered pairs b, c of w_b / (W - w_b) w_c / (W - w_b - w_c)."""
    ascending = np.sort(others, axis=1)
    odds = ascending / (sums_of_others(ascending) + shown)
    inverse = inverse_without_pair(ascending, shown)
    return np.asarray((odds * (inverse @ ascending[:, :, None])[:, :, 0]).sum(axis=1))


_COME_BEFORE: tuple[Callable[[Floats, Floats], Floats | float], ...] = (
    lambda others, shown: 1.0,  # noqa: ARG005
    _one_before,
    _two_before,
)


def inverse_without_pair(ascending: Floats, shown: Floats) -> Floats:
    """(n, A, A): 1 / (what is left of all weight without b and c), 0 where b is c."""
    left = sums_without_pair(ascending, shown)
    diagonal = np.arange(ascending.shape[1])
    left[:, diagonal, diagonal] = np.inf
    return np.asarray(np.divide(1.0, left, out=left))


def checked_rankings(kept: Floats, rankings: Ints) -> tuple[Ints, Floats]:
    """Rankings (n, depth) of distinct arms that restricted weights (n, A) allow, and the arms' weights (n,
    depth). Raises InvalidInputError for any other rankings."""
    if rankings.ndim != 2:
        raise InvalidInputError(f"rankings must be (n, depth), got shape {rankings.shape}")
    rankings = indices("rankings", rankings, (len(kept), rankings.shape[1]), kept.shape[1])
    placed = np.sort(rankings, axis=1)
    twice = int(np.count_nonzero((placed[:, 1:] == placed[:, :-1]).any(axis=1)))
    if twice:
        raise InvalidInputError(f"{twice} of {len(rankings)} rankings name an arm twice")
    ranked = np.take_along_axis(kept, rankings, axis=1)
    if not (ranked > 0).all():
        raise InvalidInputError(f"{np.count_nonzero(ranked == 0)} ranked arms are not eligible in their row")
    return rankings, ranked


def require_arms(weights: Floats, count: int) -> None:
    """Raise InvalidInputError unless each row of restricted weights has `count` >= 1 arms that are not 0."""
    if count < 1:
        raise InvalidInputError(f"slots and depths count from 1, got {count}")
    short = int(np.count_nonzero(np.count_nonzero(weights, axis=1) < count))
    if short or weights.shape[1] < count:
        raise InvalidInputError(f"{short} of {len(weights)} rows have fewer than {count} eligible arms")


def require_keys(weights: Floats, user_keys: Keys, arm_keys: Keys) -> None:
    """Raise InvalidInputError unless each row and each arm has one key."""
    rows, arms = weights.shape
    if user_keys.shape != (rows,) or arm_keys.shape != (arms,):
        raise InvalidInputError(
            f"{rows} x {arms} weights need as many keys, got {user_keys.shape} {arm_keys.shape}"
        )
