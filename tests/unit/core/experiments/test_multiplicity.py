"""Holm and e-BH beside their definitions."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.core.experiments import e_bh, holm

P = st.lists(st.floats(0, 1), min_size=1, max_size=5)


@given(P)
def test_holm_is_bonferroni_closed(p):
    """An answer holds if each set of questions that it is one of is answered by the least p-value of the
    set."""
    for place, adjusted in enumerate(holm(p)):
        rest = [k for k in range(len(p)) if k != place]
        sets = itertools.chain.from_iterable(itertools.combinations(rest, r) for r in range(len(p)))
        closed = max(min(1.0, (1 + len(others)) * min(p[k] for k in (place, *others))) for others in sets)
        assert adjusted == pytest.approx(closed, abs=1e-12)


def test_what_was_not_asked_is_no_question():
    assert holm([0.01, None, 0.02]) == [0.02, None, 0.02]
    assert holm([]) == []


@given(st.lists(st.floats(-5, 12), min_size=1, max_size=6), st.sampled_from([0.01, 0.05, 0.2]))
def test_e_bh_answers_as_many_as_it_may(log_e, alpha):
    """The largest k of which the k-th largest e-value is at least m / (alpha k)."""
    m = len(log_e)
    ranked = sorted(log_e, reverse=True)
    most = max((k for k in range(1, m + 1) if ranked[k - 1] >= math.log(m / (alpha * k))), default=0)
    found = e_bh(np.array(log_e), alpha)
    assert set(np.flatnonzero(found)) == {k for k in range(m) if most and log_e[k] >= ranked[most - 1]}


def test_questions_without_evidence_are_not_answered():
    assert e_bh(np.array([-np.inf, 10.0]), 0.05).tolist() == [False, True]
    assert e_bh(np.array([-np.inf, -np.inf]), 0.05).tolist() == [False, False]
