"""From the variant that a user had last night to tonight's: who stays, who leaves and where to, with the
probability of each.

Where a variant's share falls from b to a, those in it stay with probability a / b; who leaves goes to the
variants that gained, in proportion to what they gained. So shares that were b before are a after, and the
fewest users move, as many as the total variation distance of the two (the maximal coupling: Lindvall, 1992,
section I.5; Thorisson, 2000, section 1.4).

That holds as long as shares do not depend on a user's variants of earlier nights. Where they do, by scores
that react to treatment, the share of the day is no longer the probability of anything: of those whose share
of the treatment fell from b to a because it harmed them, all had it, and a / b still have it, not a. What
stays true is the probability given the nights before, which is what these functions give; the product of
those along a user's nights is the probability of the whole path, and weights of 1 over it have mean 1 within
every stratum of the past (Robins, 1986; of data collected adaptively: Hadad, Hirshberg, Zhan, Wager and
Athey, 2021). Given the past a variant may have probability 0, such as one that did not gain for those in
another: what such weights speak of is to be in the same variant from the first night on. Each night on which
a share falls, even by chance, costs some of those paths."""

from __future__ import annotations

from datetime import date

import numpy as np

from nightslate.core.allocation.shares import EXACT, WORKING_ARRAYS
from nightslate.core.arrays import Floats, Ints, Keys, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import mix, seed, uniform

NEW = -1
"""The variant last night of a user who was in none."""


def sticky_probabilities(before: Floats, now: Floats, variant: Ints) -> Floats:
    """(n, k) the probability of each variant tonight, given the user's variant (n,) last night. before, now
    (n, k): the user's shares last night and tonight.

    Who was in no variant last night (NEW) is in each one with its share; whatever stands in `before`. All of
    those in a variant that is stopped leave it. Raises InvalidInputError for other shapes, and for users in a
    variant that was impossible for them, or without shares of last night."""
    n, k = now.shape
    if before.shape != now.shape or variant.shape != (n,):
        raise InvalidInputError(
            f"shares before have shape {before.shape}, those of now {now.shape}, variants {variant.shape}"
        )
    if n and (variant.min() < NEW or variant.max() >= k):
        raise InvalidInputError(f"variants must be {NEW}..{k - 1}, got {variant.min()} to {variant.max()}")
    probabilities = np.empty((k, n))
    for rows in row_chunks(n, 8 * WORKING_ARRAYS * k):
        _couple(before[rows].T, now[rows].T, variant[rows], probabilities[:, rows])
    return probabilities.T


def anew_probabilities(now: Floats) -> Floats:
    """(n, k) the same where every night draws anew: tonight's shares (n, k), whatever was before."""
    return now


def drawn(probabilities: Floats, uniforms: Floats) -> Ints:
    """(n,) the place of each user's variant: the first one up to which probabilities (n, k) add up to more
    than the user's number (n,) in (0, 1). It is never one of probability 0.

    Raises InvalidInputError for probabilities that do not sum to 1."""
    n, k = probabilities.shape
    if uniforms.shape != (n,):
        raise InvalidInputError(f"{n} users need as many uniforms, got shape {uniforms.shape}")
    places = np.empty(n, dtype=np.int64)
    for rows in row_chunks(n, 8 * 4 * k):
        places[rows] = _inverse_transform(probabilities[rows].T, uniforms[rows])
    return places


def first_draws(salt: str, keys: Keys) -> Floats:
    """(n,) the number in (0, 1) of each user who is in no variant yet, by the key (n,) and the experiment's
    salt alone: one who is created again, on whatever day, is in the same variant at equal shares."""
    return _uniforms(keys, seed(salt, "variant"))


def daily_draws(salt: str, keys: Keys, day: date) -> Floats:
    """(n,) the same of a day, independent of other days' and of the first ones."""
    return _uniforms(keys, seed(salt, "variant", day.isoformat()))


def _uniforms(keys: Keys, seed: int) -> Floats:
    uniforms = np.empty(len(keys))
    for rows in row_chunks(len(keys), 8 * WORKING_ARRAYS):
        uniforms[rows] = uniform(mix(keys[rows], seed))
    return uniforms


def _couple(before: Floats, now: Floats, variant: Ints, probabilities: Floats) -> None:
    """Of some users, (k, m), into `probabilities`."""
    there = np.arange(len(variant))
    new = variant == NEW
    had = before[variant, there]
    had[new] = 1.0
    impossible = ~(had > 0)
    if impossible.any():
        raise InvalidInputError(
            f"{impossible.sum()} users were in a variant that had the share 0 or none for them last night"
        )
    stays = np.minimum(now[variant, there] / had, 1.0)
    stays[new] = 1.0
    gains = np.maximum(now - before, 0.0, out=probabilities)
    gained = gains.sum(axis=0)
    nowhere = (gained == 0) & (stays < 1)
    if (1 - stays[nowhere] > EXACT).any():
        raise InvalidInputError("users leave a variant and none gains: shares do not sum to 1")
    stays[nowhere] = 1.0
    gains *= np.divide(1 - stays, gained, out=np.zeros_like(gained), where=gained > 0)
    probabilities[variant, there] = stays
    np.copyto(probabilities, now, where=new)


def _inverse_transform(probabilities: Floats, uniforms: Floats) -> Ints:
    """Of some users, (k, m)."""
    so_far = np.zeros(len(uniforms))
    places = np.zeros(len(uniforms), dtype=np.int64)
    for column in probabilities:
        so_far += column
        places += so_far <= uniforms
    beyond = np.flatnonzero(places == len(probabilities))
    if beyond.size:  # of a sum that rounding left short of 1
        possible = probabilities[:, beyond] > 0
        places[beyond] = len(probabilities) - 1 - possible[::-1].argmax(axis=0)
    off = ~(np.abs(so_far - 1) <= EXACT)
    if off.any():
        raise InvalidInputError(f"probabilities of {off.sum()} users do not sum to 1")
    return places
