"""Two experiments at once: never the same users, or independently of one another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from nightslate.core.allocation import NO_PART, Layer, Part, drawn, first_draws, share_of
from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import mix

USERS = 100_000
KEYS = mix(np.arange(USERS, dtype=np.uint64), 11)
NEVER_BY_CHANCE = 1e-4
"""A p-value; what is tested is the same in every run."""

STEPS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 60)), max_size=8)


@given(STEPS)
def test_experiments_that_come_and_go_never_overlap_and_nobody_moves_who_is_in_one(steps):
    """0 %: the experiment leaves; else it joins with so many percent, if that many are free."""
    layer, keys = Layer("checkout"), KEYS[:2000]
    for name, percent in steps:
        before = {each: layer.members(keys, each) for each in "abcd"}
        free = sum(upper - lower for lower, upper in layer.free)
        if not percent:
            layer = layer.left_by(name)
            assert not layer.members(keys, name).any()
        elif percent / 100 > free + 1e-9:
            with pytest.raises(InvalidInputError, match="free"):
                layer.joined(name, percent / 100)
        else:
            had = share_of(layer.parts, name)
            layer = layer.joined(name, percent / 100)
            assert share_of(layer.parts, name) == pytest.approx(had + percent / 100)
            assert (layer.members(keys, name) >= before[name]).all()
        now = {each: layer.members(keys, each) for each in "abcd"}
        assert (sum(each.astype(int) for each in now.values()) <= 1).all()
        assert all((now[each] == before[each]).all() for each in "abcd" if each != name)
        in_some = sum(upper - lower for lower, upper in layer.free) + sum(
            part.upper - part.lower for part in layer.parts
        )
        assert in_some == pytest.approx(1)


def test_experiments_of_a_layer_have_their_shares_of_users():
    layer = Layer("checkout").joined("a", 0.5).joined("b", 0.2)
    members = [layer.members(KEYS, name) for name in "ab"]
    assert not (members[0] & members[1]).any()
    counts = [*(each.sum() for each in members), (layer.places(KEYS) == NO_PART).sum()]
    assert chisquare(counts, np.array([0.5, 0.2, 0.3]) * USERS).pvalue > NEVER_BY_CHANCE
    assert (layer.members(KEYS[::7], "b") == members[1][::7]).all()


def test_a_part_that_was_left_is_the_first_to_be_given_again():
    layer = Layer("checkout").joined("a", 0.25).joined("b", 0.25).left_by("a").joined("c", 0.5)
    assert layer.parts == (Part("c", 0.0, 0.25), Part("b", 0.25, 0.5), Part("c", 0.5, 0.75))
    assert layer.free == ((0.75, 1.0),)
    everybody = layer.joined("d", 0.25)
    assert everybody.free == ()
    assert (everybody.places(KEYS) != NO_PART).all()
    assert not Layer("checkout").members(KEYS, "a").any()


def test_variants_within_a_part_have_their_shares_and_those_of_salts_and_layers_are_independent():
    shares = np.tile([0.5, 0.3, 0.2], (USERS, 1))
    one, other = (drawn(shares, first_draws(salt, KEYS)) for salt in ("one", "other"))
    assert p_of_independence(one, other) > NEVER_BY_CHANCE
    # The same salt for all: a layer's numbers are not those of its experiments, nor of another layer.
    layer = Layer("one").joined("a", 0.4).joined("b", 0.6)
    assert p_of_independence(layer.places(KEYS), one) > NEVER_BY_CHANCE
    elsewhere = Layer("other").joined("c", 0.5)
    assert p_of_independence(layer.places(KEYS), elsewhere.places(KEYS)) > NEVER_BY_CHANCE
    assert p_of_independence(one, one) < NEVER_BY_CHANCE


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([Part("a", 0.0, 0.5), Part("b", 0.4, 0.6)], "overlap"),
        ([Part("b", 0.4, 0.6), Part("a", 0.0, 0.5)], "overlap"),
        ([Part("a", 0.0, 0.5), Part("a", 0.0, 0.5)], "overlap"),
        ([Part("a", 0.5, 0.5)], "no part"),
        ([Part("a", -0.1, 0.5)], "no part"),
        ([Part("a", 0.5, 1.1)], "no part"),
    ],
)
def test_parts_that_overlap_or_are_none_are_refused(parts, message):
    with pytest.raises(InvalidInputError, match=message):
        Layer("checkout", tuple(parts))


def p_of_independence(one, other):
    counts = np.zeros((one.max() + 2, other.max() + 2))
    np.add.at(counts, (one + 1, other + 1), 1)
    return chi2_contingency(counts[counts.any(axis=1)][:, counts.any(axis=0)]).pvalue
