"""A declared rule, against the sentence that it is, said in plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.declared_rule import DeclaredRule, DeclaredRulePolicy
from nightslate.core.policies.learner import Arms, Policy, RewardModel

ARMS, LINES = 4, 3
lines = st.lists(st.sets(st.integers(0, ARMS - 1)).map(sorted), min_size=LINES, max_size=LINES)
contexts = st.lists(st.lists(st.booleans(), min_size=LINES, max_size=LINES), min_size=1, max_size=6)


def chosen(lines, holding, among):
    """The arms that a user gets, each as likely."""
    for line, holds in zip(lines, holding, strict=True):
        found = [arm for arm in among if arm in line]
        if holds and found:
            return found
    return among


@given(lines, contexts, st.sets(st.integers(0, ARMS - 1), min_size=1).map(sorted))
def test_the_first_line_that_holds_and_has_an_arm_among_those_there_are_decides(lines, contexts, among):
    policy = DeclaredRule(tuple(map(tuple, lines))).over(ARMS).among(np.array(among))
    again = DeclaredRulePolicy.from_arrays(policy.arrays())
    weights = again.weights(np.array(contexts, dtype=float))
    for holding, row in zip(contexts, weights.tolist(), strict=True):
        wanted = chosen(lines, holding, among)
        assert row == [(arm in wanted) / len(wanted) for arm in among]


def test_what_it_has_seen_changes_nothing_but_how_many_rows_there_were():
    rule, arms = DeclaredRule(((0,), (2, 3), ())), Arms.plain(range(1, ARMS + 1))
    nothing = rule.initial(ARMS, LINES)
    seen = nothing.update(np.ones((5, 7)), np.array([0, 1, 1, 2, 3]), np.arange(5.0))
    assert (nothing.rows, seen.rows) == (0, 5)
    one, other = (rule.fit(state, arms, 9) for state in (nothing, seen))
    assert isinstance(one, Policy)
    assert not isinstance(one, RewardModel)
    assert (one.chosen == other.chosen).all()
    assert one.chosen.tolist() == [[True, False, False], [False] * 3, *[[False, True, False]] * 2]
    with pytest.raises(InvalidInputError, match="a state of 4 arms can't be fitted to 3 arms"):
        rule.fit(seen, Arms.plain([1, 2, 3]), 9)
