"""Randomness as a function of ids.

Whatever is drawn for a (user, arm) or a (cluster, replicate) is a hash of the two, so a result does not
depend on the order of rows, on batches, on partitions, or on which other arms there are. The mixer is the
finaliser of SplitMix64 (Steele, Lea and Flood, 2014). None of this is cryptography."""

import hashlib
import math
import re
from binascii import unhexlify

import numpy as np

from nightslate.core.arrays import AnyArray, Bools, Floats, Ints, Keys
from nightslate.core.errors import InvalidInputError

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SILVER = np.uint64(0xD1B54A32D192ED03)
_HEX_DIGITS = 16
_HEX = re.compile(rf"[0-9a-fA-F]{{{_HEX_DIGITS}}}")

# P(X <= k) for X ~ Poisson(1), as thresholds of 64-bit keys. P(X > 17) < 2**-52, so the table ends there.
_POISSON_CDF = [math.fsum(math.exp(-1) / math.factorial(j) for j in range(k + 1)) for k in range(18)]
_POISSON_THRESHOLDS = np.array([min(2**64 - 1, round(p * 2**64)) for p in _POISSON_CDF], dtype=np.uint64)


def seed(*parts: str) -> int:
    """A 64-bit seed for some names, each length-prefixed, so that ("ab", "c") and ("a", "bc") differ."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return int.from_bytes(digest.digest()[:8], "big")


def hex_to_uint64(ids: AnyArray) -> Keys:
    """The first 16 hex digits of each id as a number: (n,) of dtype S or U -> (n,) uint64.

    Raises InvalidInputError for another dtype and for ids that are shorter or not hexadecimal."""
    if ids.dtype.kind not in "SU" or ids.ndim != 1:
        raise InvalidInputError(
            f"ids must be a 1-d array of dtype S or U, got {ids.dtype} with {ids.ndim} dimensions"
        )
    if ids.size == 0:
        return np.empty(0, dtype=np.uint64)
    longest = ids.dtype.itemsize // np.dtype(f"{ids.dtype.kind}1").itemsize
    if longest < _HEX_DIGITS:
        raise InvalidInputError(f"ids must have at least 16 hex digits, the longest has {longest}")
    heads = ids.astype(f"{ids.dtype.kind}{_HEX_DIGITS}")
    try:
        return np.frombuffer(unhexlify(heads.astype(f"S{_HEX_DIGITS}").tobytes()), ">u8").astype(np.uint64)
    except ValueError as error:  # a digit that is none, be it ASCII or not
        wrong = sum(_HEX.fullmatch(head) is None for head in heads.astype(np.str_).tolist())
        raise InvalidInputError(f"{wrong} of {ids.size} ids do not start with 16 hex digits") from error


def mix(a: Keys | int, b: Keys | int) -> Keys:
    """One 64-bit key for each pair (a, b), broadcast against each other; mix(a, b) is not mix(b, a)."""
    with np.errstate(over="ignore"):
        first = _finalise(np.asarray(a, dtype=np.uint64) + _GOLDEN)
        second = _finalise(np.asarray(b, dtype=np.uint64) + _SILVER)
    return np.asarray(_finalise(first ^ second))


def deal(keys: Keys, seed: int, parts: int) -> Ints:
    """Which of so many parts each key falls into, 0 to parts - 1: folds and bins of users."""
    return (mix(keys, seed) % np.uint64(parts)).astype(np.int64)


def lowest(keys: Keys, size: int) -> Bools:
    """(n,) the lowest `size` of the keys, one or more: a sample that is the same whatever their order. Equal
    keys stay together, so that it may be a little larger."""
    if len(keys) <= size:
        return np.ones(len(keys), dtype=np.bool_)
    return np.asarray(keys <= np.partition(keys, size - 1)[size - 1])


def uniform(keys: Keys) -> Floats:
    """Uniform on the open interval (0, 1): 52 bits and a half, which float64 holds exactly (with 53 the last
    one would round to 1)."""
    return ((keys >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def poisson1(keys: Keys) -> Ints:
    """Poisson with mean 1, by inversion."""
    return np.searchsorted(_POISSON_THRESHOLDS, keys, side="right")


def _finalise(keys: Keys) -> Keys:
    """In place."""
    # errstate: overflow is how these multiply, and numpy warns of it where the array has no dimensions
    with np.errstate(over="ignore"):
        keys ^= keys >> np.uint64(30)
        keys *= np.uint64(0xBF58476D1CE4E5B9)
        keys ^= keys >> np.uint64(27)
        keys *= np.uint64(0x94D049BB133111EB)
        keys ^= keys >> np.uint64(31)
    return keys
