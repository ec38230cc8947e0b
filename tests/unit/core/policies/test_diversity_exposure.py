from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core import arrays
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.diversity import DiversityPenalty
from nightslate.core.policies.diversity_exposure import diversified_inclusion
from nightslate.core.policies.exposure import inclusion_probabilities

positive = st.one_of(st.floats(1e-9, 1.0), st.sampled_from([1e-3 / 80, 0.5, 1.0]))


def enumerated(row, groups, penalty, slots):
    """By adding up the probabilities of all slates that show an arm."""
    included = [Fraction(0)] * len(row)
    for slate in permutations(range(len(row)), slots):
        probability = Fraction(1)
        for slot, arm in enumerate(slate):
            now = {
                a: Fraction(w)
                * Fraction(penalty) ** sum(bool(groups[b] == groups[a] >= 0) for b in slate[:slot])
                for a, w in enumerate(row)
                if a not in slate[:slot]
            }
            probability *= now[arm] / sum(now.values())
        for arm in slate:
            included[arm] += probability
    return np.array(included, dtype=np.float64)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(positive, st.integers(-1, 1)), min_size=3, max_size=5),
    st.floats(0.01, 1),
    st.integers(1, 3),
)
def test_it_agrees_with_enumeration(arms, penalty, slots):
    row, groups = (list(each) for each in zip(*arms, strict=True))
    (found,) = diversified_inclusion(np.array([row]), slots, DiversityPenalty(penalty, np.array(groups)))
    np.testing.assert_allclose(found, enumerated(row, groups, penalty, slots), rtol=1e-9)
    assert found.sum() == pytest.approx(slots)


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_without_a_penalty_or_groups_it_is_that_of_plackett_luce(slots):
    weights = np.random.default_rng(1).dirichlet(np.ones(6), 50)
    expected = inclusion_probabilities(weights, slots)
    for penalty, groups in [(1.0, np.zeros(6, dtype=int)), (0.5, np.full(6, -1)), (0.5, np.arange(6))]:
        found = diversified_inclusion(weights, slots, DiversityPenalty(penalty, groups))
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_chunks_make_no_difference(monkeypatch):
    weights = np.random.default_rng(1).dirichlet(np.ones(6), 50)
    diversity = DiversityPenalty(0.5, np.array([0, 0, 1, 1, -1, -1]))
    whole = diversified_inclusion(weights, 3, diversity)
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 7 * 8 * 6 * 8)
    np.testing.assert_allclose(diversified_inclusion(weights, 3, diversity), whole, rtol=1e-12)


@pytest.mark.parametrize(("slots", "says"), [(0, "1 to 3 slots"), (4, "1 to 3 slots"), (3, "fewer than 3")])
def test_what_it_refuses(slots, says):
    with pytest.raises(InvalidInputError, match=says):
        diversified_inclusion(np.full((2, 2), 0.5), slots, DiversityPenalty(0.5, np.zeros(2, dtype=int)))
