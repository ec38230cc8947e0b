"""Users who get an arm of a budget in their one slot: as many as are expected to, each as likely as ever."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from nightslate.core.policies.plackett_luce import conditional_propensities, sample_rankings
from nightslate.kernels.budget_draws import left_open, settle, slates
from nightslate.kernels.scoring import CHOICES, SLATES
from nightslate.kernels.slate_weights import WeightAdjustment

from .test_scoring import ARMS, DAY, fitted, people, scoring, split, uniform

ONE, TWO = (frozenset("c"),), (frozenset("c"), frozenset("ae"))
THREE = (frozenset("ab"), frozenset("c"), frozenset("d"))


def drawn(units, how, groups):
    """The slates of units of users, of which what they leave open is settled together."""
    units = units if isinstance(units, list) else [units]
    of_open = settle(pa.concat_tables([left_open(unit, how, groups) for unit in units]), how, groups)
    made = (table for unit in units for table in slates(unit, how, groups, of_open))
    return pa.concat_tables([SLATES.empty_table(), *made])


def choices_of(users, how):
    return pa.concat_tables([CHOICES.empty_table(), *how.choices(users)])


def first_arms(table):
    return np.array([ranking[0] for ranking in table["ranking"].to_pylist()])


def chances(table, arms):
    """(n,) the probability that each slate begins with one of these arms, from its weights."""
    weights = (zip(*row.values(), strict=True) for row in table.select(["candidates", "weights"]).to_pylist())
    by_arm = (dict(row) for row in weights)
    return np.array([sum(row.get(arm, 0) for arm in arms) / sum(row.values()) for row in by_arm])


@pytest.mark.parametrize("night", range(6))
@pytest.mark.parametrize("variants", [split(0.7), {"all": (1.0, fitted())}])
@pytest.mark.parametrize("sizes", [[400], [150, 1, 249], [0, 400]])
def test_each_group_is_shown_as_often_as_expected_but_for_less_than_one(night, variants, sizes):
    how = scoring(variants, DAY + timedelta(days=night))
    ends = np.cumsum([0, *sizes])
    units = [choices_of(people(400).slice(begin, end - begin), how) for begin, end in pairwise(ends)]
    made = drawn(units, how, THREE)
    assert made.num_rows == 400
    for group in THREE:
        assert abs(np.isin(first_arms(made), list(group)).sum() - chances(made, group).sum()) < 1


def test_each_users_ranking_has_the_distribution_that_its_propensities_say():
    """Over nights, of every ranking of three arms of one user: chi-square, and the whole law of the head."""
    nights, how = 1500, scoring()
    choices, seen = choices_of(people(5), how), {}
    for night in range(nights):
        tonight = replace(how, slate_date=DAY + timedelta(days=night))
        row = drawn(choices, tonight, TWO).slice(2, 1).to_pylist()[0]
        ranking = tuple(row["ranking"])
        seen[ranking] = seen.get(ranking, 0) + 1
    weights = dict(zip(row["candidates"], row["weights"], strict=True))
    law = {ranking: likelihood(weights, ranking) for ranking in orders(ARMS)}
    assert sum(law.values()) == pytest.approx(1)
    expected = np.array(list(law.values())) * nights
    observed = np.array([seen.get(ranking, 0) for ranking in law])
    often = expected >= 5
    expected = np.append(expected[often], expected[~often].sum())
    observed = np.append(observed[often], observed[~often].sum())
    assert stats.chisquare(observed, expected).pvalue > 1e-3


def orders(arms):
    return [(a, b, c) for a in arms for b in arms for c in arms if len({a, b, c}) == 3]


def likelihood(weights, ranking):
    left, product = dict(weights), 1.0
    for arm in ranking:
        product *= left[arm] / sum(left.values())
        del left[arm]
    return product


def test_mean_importance_weights_are_1_over_a_hundred_thousand_draws():
    """Of a policy that is uniform, weighed by the propensities of what was drawn."""
    means, how = [], scoring()
    choices = choices_of(people(500), how)
    for night in range(200):
        made = drawn(choices, replace(how, slate_date=DAY + timedelta(days=night)), TWO)
        propensity = np.array([row[0] for row in made["propensities"].to_pylist()])
        means.append((0.2 / propensity).mean())
    error = np.std(means) / np.sqrt(len(means))
    print(f"mean importance weight over 100,000 draws: {np.mean(means):.5f}, standard error {error:.5f}")
    assert abs(np.mean(means) - 1) < 4 * error
    assert error < 0.01


def test_neither_the_order_of_rows_nor_chunks_have_a_say(monkeypatch):
    how = scoring(split(0.7))
    choices = choices_of(people(90), how)
    found = by_user(drawn(choices, how, TWO))
    assert by_user(drawn(choices.take(pa.array(range(89, -1, -1))), how, TWO)) == found
    monkeypatch.setattr("nightslate.kernels.scoring.CHUNK", 7)
    assert by_user(drawn(choices, how, TWO)) == found


def by_user(table):
    return {row["user_id"]: row for row in table.to_pylist()}


def test_weights_and_propensities_are_those_of_plain_slates():
    how = scoring(split(0.7))
    choices = choices_of(people(90), how)
    found, plain = by_user(drawn(choices, how, TWO)), by_user(how.slates(choices))
    assert {user: row["weights"] for user, row in found.items()} == {
        u: r["weights"] for u, r in plain.items()
    }
    for row in found.values():
        places = np.array([[row["candidates"].index(arm) for arm in row["ranking"]]])
        expected = conditional_propensities(np.array([row["weights"]]), places)[0]
        np.testing.assert_allclose(row["propensities"], expected, rtol=1e-12)


def test_a_model_without_other_arms_still_shows_one_of_the_groups():
    variants = {"champion": (0.5, fitted(("c", "a"))), "random": (0.5, uniform())}
    how = scoring(variants, depth=2)
    made = drawn(choices_of(people(200), how), how, (frozenset("c"), frozenset("a")))
    assert made.num_rows == 200
    mine = made.filter(pa.array([v == "champion" for v in made["variant"].to_pylist()]))
    assert set(first_arms(mine)) == {"a", "c"}
    assert abs((first_arms(made) == "c").sum() - chances(made, "c").sum()) < 1


def test_a_diversified_ranking_begins_with_an_arm_of_its_group_too():
    groups = {"a": "x", "b": "x", "c": "x", "d": "y", "e": None}
    how = replace(scoring(), adjustment=WeightAdjustment(penalty=0.5, groups=groups))
    made = drawn(choices_of(people(200), how), how, ONE)
    assert abs((first_arms(made) == "c").sum() - chances(made, "c").sum()) < 1


def test_a_first_arm_from_all_arms_is_the_plain_draw():
    weights, keys = np.random.default_rng(1).gamma(1, size=(50, 5)) + 0.1, np.arange(50, dtype=np.uint64)
    arm_keys, everything = np.arange(5, dtype=np.uint64), np.ones((50, 5), dtype=bool)
    np.testing.assert_array_equal(
        sample_rankings(weights, keys, arm_keys, 5, first_among=everything),
        sample_rankings(weights, keys, arm_keys, 5),
    )
