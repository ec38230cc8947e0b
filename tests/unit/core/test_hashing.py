import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import _finalise, hex_to_uint64, lowest, mix, poisson1, seed, uniform

SPLITMIX64_OF_SEED_0 = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
LAST_KEY = np.array([2**64 - 1], dtype=np.uint64)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_seeds_are_equal_only_for_equal_parts(left, right):
    assert (seed(*left) == seed(*right)) == (left == right)


def test_the_seed_is_fixed_for_good():
    spelled = b"".join(len(part).to_bytes(8, "big") + part for part in (b"open_bandit", b"caf\xc3\xa9"))
    assert seed("open_bandit", "café") == int.from_bytes(hashlib.sha256(spelled).digest()[:8], "big")


@given(st.lists(st.binary(min_size=8, max_size=16), max_size=20), st.booleans(), st.booleans())
def test_hex_ids_become_their_first_64_bits(ids, as_bytes, upper):
    written = [key.hex().upper() if upper else key.hex() for key in ids]
    array = np.array(written, dtype="S32" if as_bytes else "U32")
    assert hex_to_uint64(array).tolist() == [int.from_bytes(key[:8], "big") for key in ids]


def test_hex_ids_of_a_strided_column_are_read_in_place():
    table = np.array([["0" * 16, "f" * 16], ["1" * 16, "e" * 16]])
    assert hex_to_uint64(table[:, 1]).tolist() == [2**64 - 1, 0xEEEEEEEEEEEEEEEE]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.array(["0123456789abcdeg"]), "1 of 1 ids do not start with 16 hex digits"),
        (np.array(["0123456789abcde", "0" * 16]), "1 of 2 ids"),
        (np.array(["0123456789abcdeé"]), "1 of 1 ids"),
        (np.array(["0123456789abcde\u0130"]), "1 of 1 ids"),
        (np.array(["abc"]), "at least 16 hex digits"),
        (np.array([1, 2]), "dtype S or U"),
        (np.array(["0" * 16], dtype=object), "dtype S or U"),
    ],
)
def test_ids_that_are_not_hex_are_refused(ids, message):
    with pytest.raises(InvalidInputError, match=message):
        hex_to_uint64(ids)


def test_the_finaliser_is_splitmix64():
    states = np.array([(0x9E3779B97F4A7C15 * k) % 2**64 for k in (1, 2, 3)], dtype=np.uint64)
    assert _finalise(states).tolist() == SPLITMIX64_OF_SEED_0


def test_mix_is_fixed_for_good():
    """Written out in plain integers: rankings that were published are drawn again from these keys."""

    def finalise(key):
        key = (key ^ key >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        key = (key ^ key >> 27) * 0x94D049BB133111EB % 2**64
        return key ^ key >> 31

    for a, b in ((0, 0), (1, 2), (2**64 - 1, 2**63)):
        first = finalise((a + 0x9E3779B97F4A7C15) % 2**64)
        second = finalise((b + 0xD1B54A32D192ED03) % 2**64)
        assert int(mix(a, b)) == finalise(first ^ second)


@pytest.mark.parametrize(
    ("size", "kept"), [(1, [5]), (2, [5, 6, 6]), (3, [5, 6, 6]), (4, [5, 6, 6, 9]), (9, [5, 6, 6, 9])]
)
def test_the_lowest_keys_are_kept_and_equal_ones_together(size, kept):
    keys = np.array([6, 9, 5, 6], dtype=np.uint64)
    assert sorted(keys[lowest(keys, size)].tolist()) == kept


def test_mix_broadcasts_and_tells_its_operands_apart():
    users, arms = np.arange(200, dtype=np.uint64), np.arange(300, dtype=np.uint64)
    table = mix(users[:, None], arms[None, :])
    assert table.shape == (200, 300)
    assert np.unique(table).size == table.size
    assert mix(users, 7).tolist() == table[:, 7].tolist()
    assert mix(3, 5) == table[3, 5] != mix(5, 3)


@pytest.mark.parametrize("operand", [0, 1])
def test_each_input_bit_flips_half_of_the_output_bits(operand):
    pair = [np.arange(1000, dtype=np.uint64), np.arange(1000, 2000, dtype=np.uint64)]
    before = mix(*pair)
    for bit in range(64):
        flipped = list(pair)
        flipped[operand] = pair[operand] ^ np.uint64(1 << bit)
        changes = np.unpackbits((before ^ mix(*flipped)).view(np.uint8)).reshape(-1, 64).mean(axis=0)
        assert np.abs(changes - 0.5).max() < 0.1


def test_uniforms_are_uniform_and_never_0_or_1():
    ends = uniform(np.concatenate([np.zeros(1, dtype=np.uint64), LAST_KEY]))
    assert 0 < ends[0] < 1e-15
    assert 1 - 1e-15 < ends[1] < 1
    draws = uniform(mix(np.arange(300, dtype=np.uint64)[:, None], np.arange(300, dtype=np.uint64)))
    assert stats.kstest(draws.ravel(), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(draws[:-1].ravel(), draws[1:].ravel())[0, 1]) < 0.02


def test_poisson_draws_have_the_poisson_distribution():
    draws = poisson1(mix(np.arange(400, dtype=np.uint64)[:, None], np.arange(500, dtype=np.uint64)))
    expected = stats.poisson(1).pmf(np.arange(6)) * draws.size
    observed = np.bincount(draws.ravel(), minlength=6)[:6]
    assert stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-3
    assert poisson1(LAST_KEY)[0] < 20
