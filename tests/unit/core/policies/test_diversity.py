from fractions import Fraction
from itertools import permutations
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nightslate.core import arrays
from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import mix
from nightslate.core.policies import plackett_luce
from nightslate.core.policies.diversity import DiversityPenalty

positive = st.one_of(st.floats(1e-9, 1.0), st.sampled_from([1e-3 / 80, 0.5, 1.0]))
GROUPS = np.array([0, 0, 1, -1, -1])


def enumerate_rankings(row, groups, penalty, depth):
    """Every ranking of `depth` arms with its exact conditional probabilities, by the definition."""
    exact = [Fraction(weight) for weight in row]
    for ranking in permutations(range(len(row)), depth):
        conditionals = []
        for slot, arm in enumerate(ranking):
            before = ranking[:slot]
            now = {
                a: exact[a] * Fraction(penalty) ** sum(bool(groups[b] == groups[a] >= 0) for b in before)
                for a in range(len(row))
                if a not in before
            }
            conditionals.append(now[arm] / sum(now.values()))
        yield ranking, conditionals


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(positive, st.integers(-1, 1)), min_size=4, max_size=5),
    st.one_of(st.just(1.0), st.floats(0.01, 1)),
    st.integers(1, 4),
)
def test_propensities_agree_with_enumeration_and_sum_to_1(arms, penalty, depth):
    row, groups = (list(each) for each in zip(*arms, strict=True))
    rankings, conditionals = zip(*enumerate_rankings(row, groups, penalty, depth), strict=True)
    found = DiversityPenalty(penalty, np.array(groups)).conditional_propensities(
        np.tile(row, (len(rankings), 1)), np.array(rankings)
    )
    np.testing.assert_allclose(found, np.array(conditionals, dtype=np.float64), rtol=1e-12)
    assert found.prod(axis=1).sum() == pytest.approx(1, abs=1e-12)


def test_rankings_come_as_often_as_their_propensities_say():
    row, draws, penalty = [0.4, 0.3, 0.15, 0.1, 0.05], 60_000, 0.2
    users = mix(np.arange(draws, dtype=np.uint64), 99)
    diverse = DiversityPenalty(penalty, GROUPS)
    ranked = diverse.sample_rankings(
        np.tile(row, (draws, 1)), users, mix(np.arange(5, dtype=np.uint64), 5), 3
    )
    rankings, conditionals = zip(*enumerate_rankings(row, GROUPS, penalty, 3), strict=True)
    expected = np.array([float(prod(each)) for each in conditionals]) * draws
    observed = [(ranked == ranking).all(axis=1).sum() for ranking in rankings]
    assert sum(observed) == draws
    assert stats.chisquare(observed, expected).pvalue > 1e-3


def drawn(users=50, arms=5):
    generator = np.random.default_rng(2)
    weights = generator.gamma(0.5, size=(users, arms)) + 1e-4
    return weights, mix(np.arange(users, dtype=np.uint64), 7), mix(np.arange(arms, dtype=np.uint64), 1)


def test_a_penalty_of_1_is_plackett_luce():
    weights, users, arms = drawn()
    plain = DiversityPenalty(1.0, GROUPS)
    ranked = plain.sample_rankings(weights, users, arms, 5)
    np.testing.assert_array_equal(ranked, plackett_luce.sample_rankings(weights, users, arms, 5))
    np.testing.assert_allclose(
        plain.conditional_propensities(weights, ranked),
        plackett_luce.conditional_propensities(weights, ranked),
        rtol=1e-12,
    )


def test_the_order_of_arms_and_rows_and_chunks_has_no_say(monkeypatch):
    weights, users, arms = drawn()
    ranked = DiversityPenalty(0.3, GROUPS).sample_rankings(weights, users, arms, 4)
    conditional = DiversityPenalty(0.3, GROUPS).conditional_propensities(weights, ranked)
    order, rows = np.random.default_rng(1).permutation(5), np.random.default_rng(1).permutation(50)
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 900)
    shuffled = DiversityPenalty(0.3, GROUPS[order])
    again = shuffled.sample_rankings(weights[rows][:, order], users[rows], arms[order], 4)
    np.testing.assert_array_equal(order[again], ranked[rows])
    found = shuffled.conditional_propensities(weights[rows][:, order], again)
    np.testing.assert_allclose(found, conditional[rows], rtol=1e-12)


def test_a_strong_penalty_spreads_the_head_over_groups():
    weights, users, arms = np.ones((200, 4)), *drawn(200, 4)[1:]
    ranked = DiversityPenalty(1e-9, np.array([0, 0, 1, 1])).sample_rankings(weights, users, arms, 2)
    assert ((ranked[:, 0] < 2) != (ranked[:, 1] < 2)).all()


def test_arms_that_are_not_eligible_are_as_if_they_were_not_there():
    weights, users, arms = drawn()
    eligible = np.tile(np.array([True, True, False, True, True]), (50, 1))
    there = np.flatnonzero(eligible[0])
    ranked = DiversityPenalty(0.3, GROUPS).sample_rankings(weights, users, arms, 4, eligible)
    alone = DiversityPenalty(0.3, GROUPS[there])
    np.testing.assert_array_equal(
        ranked, there[alone.sample_rankings(weights[:, there], users, arms[there], 4)]
    )
    np.testing.assert_allclose(
        DiversityPenalty(0.3, GROUPS).conditional_propensities(weights, ranked, eligible),
        alone.conditional_propensities(weights[:, there], np.searchsorted(there, ranked)),
        rtol=1e-12,
    )


def test_removal_after_the_draw_breaks_what_the_weights_left_explain():
    row, groups, penalty = [0.4, 0.3, 0.2, 0.1], [0, 0, 0, 1], 0.1
    survivors = {}
    for ranking, conditionals in enumerate_rankings(row, groups, penalty, 4):
        shown = next(arm for arm in ranking if arm != 0)
        survivors[shown] = survivors.get(shown, 0) + prod(conditionals)
    explained = DiversityPenalty(penalty, np.array(groups)).conditional_propensities(
        np.array([row]), np.array([[1]]), np.array([[False, True, True, True]])
    )
    assert abs(float(survivors[1]) - explained[0, 0]) > 0.1


W, KEYS = np.ones((2, 3)), np.arange(3, dtype=np.uint64)
THREE = DiversityPenalty(0.5, np.zeros(3, dtype=int))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DiversityPenalty(0.0, GROUPS), r"penalty must be in \(0, 1\]"),
        (lambda: DiversityPenalty(1.5, GROUPS), r"penalty must be in \(0, 1\]"),
        (lambda: DiversityPenalty(np.nan, GROUPS), r"penalty must be in \(0, 1\]"),
        (lambda: DiversityPenalty(0.5, np.ones(3)), "groups must be integers"),
        (lambda: THREE.sample_rankings(np.ones((2, 4)), KEYS[:2], KEYS, 2), "4 arms need as many groups"),
        (lambda: THREE.sample_rankings(W, KEYS, KEYS, 2), "need as many keys"),
        (lambda: THREE.sample_rankings(W, KEYS[:2], KEYS, 4), "fewer than 4 eligible arms"),
        (lambda: THREE.conditional_propensities(W, np.array([[0, 0], [1, 2]])), "name an arm twice"),
        (
            lambda: THREE.conditional_propensities(W, np.array([[0], [1]]), W > 1),
            "2 ranked arms are not eligible",
        ),
    ],
)
def test_what_has_no_answer_is_refused(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call()
