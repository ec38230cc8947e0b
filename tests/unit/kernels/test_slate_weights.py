"""Multipliers, priority and diversity in the slates of users, and what they leave alone."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core.policies.diversity import DiversityPenalty
from nightslate.kernels.slate_weights import WeightAdjustment

from .test_scoring import ARMS, FLOOR, people, scoring, slates, split, uniform

DIVERSE = WeightAdjustment(penalty=0.25, groups={"a": "x", "b": "x", "c": "y", "d": "y", "e": None})


def test_without_steering_a_slate_says_nothing_of_groups():
    assert {(slate["groups"], slate["penalty"]) for slate in slates(people(20)).values()} == {(None, None)}


def test_stored_weights_contain_the_multipliers_and_keep_the_floor():
    chosen = np.array([[0.5, 0.25, 0.25, 0.0, 0.0]])
    plain = WeightAdjustment().weights(chosen, ARMS, FLOOR)
    (found,) = WeightAdjustment({"c": 3.0}).weights(chosen, ARMS, FLOOR).astype(np.float64)
    before = ((0.999 * chosen[0]) + 0.001 / 5) * [1, 1, 3, 1, 1]
    assert found == pytest.approx((1 - FLOOR) * before / before.sum() + FLOOR / 5, rel=1e-6)
    assert found.min() >= FLOOR / 5
    assert plain[0] == pytest.approx((1 - FLOOR) * chosen[0] + FLOOR / 5, rel=1e-6)


def test_a_multiplier_lifts_an_arm_that_the_model_never_chooses():
    never = np.array([[0.5, 0.5, 0.0, 0.0, 0.0]])
    (found,) = WeightAdjustment({"e": 1e6}).weights(never, ARMS, FLOOR)
    assert found[4] > 0.9


def test_a_diversified_slate_stores_what_its_propensities_follow_from():
    users, how = people(300), scoring({"all": (1.0, uniform())})
    rule = DiversityPenalty(0.25, np.array([0, 0, 1, 1, -1]))
    found = list(slates(users, replace(how, adjustment=DIVERSE)).values())
    weights = np.array([slate["weights"] for slate in found])
    rankings = np.array([[ARMS.index(arm) for arm in slate["ranking"]] for slate in found])
    assert all(slate["groups"] == ["x", "x", "y", "y", None] and slate["penalty"] == 0.25 for slate in found)
    np.testing.assert_allclose(
        [slate["propensities"] for slate in found],
        rule.conditional_propensities(weights, rankings),
        rtol=1e-12,
    )
    plain = list(slates(users, how).values())
    assert sum(_pairs(slate) for slate in found) < 0.7 * sum(_pairs(slate) for slate in plain)


def _pairs(slate):
    """Whether the first two arms are of one group."""
    return set(slate["ranking"][:2]) in ({"a", "b"}, {"c", "d"})


def test_randomised_traffic_is_left_as_it_is():
    users, how = people(500), scoring(split(0.5))
    before = slates(users, how)
    adjustment = replace(DIVERSE, multipliers={"a": 5.0})
    adjusted = slates(users, replace(how, adjustment=adjustment, randomised=frozenset({"random"})))
    for user, slate in before.items():
        assert (adjusted[user] == slate) == (slate["variant"] == "random")


def test_arms_are_found_by_id_whatever_their_order():
    chosen = np.array([[0.1, 0.2, 0.3, 0.2, 0.2]])
    adjustment = WeightAdjustment({"a": 2.0, "gone": 9.0}, 0.5, DIVERSE.groups)
    turned = adjustment.weights(chosen[:, ::-1], ARMS[::-1], FLOOR)[:, ::-1]
    np.testing.assert_array_equal(turned, adjustment.weights(chosen, ARMS, FLOOR))
    exposures = adjustment.exposures(chosen, ARMS, 2)
    np.testing.assert_allclose(
        adjustment.exposures(chosen[:, ::-1], ARMS[::-1], 2)[::-1], exposures, rtol=1e-12
    )


def test_slates_of_choices_of_several_variants_are_those_of_the_users():
    users, how = (
        people(50),
        replace(scoring(split(0.5)), adjustment=DIVERSE, randomised=frozenset({"random"})),
    )
    together = pa.concat_tables(how.choices(users))
    assert set(together["variant"].to_pylist()) == {"champion", "random"}
    rows = how.slates(together).to_pylist()
    assert {row["user_id"]: row for row in rows} == slates(users, how)
    in_parts = pa.concat_tables(how.slates(together.slice(begin, 7)) for begin in range(0, 50, 7))
    assert {row["user_id"]: row for row in in_parts.to_pylist()} == slates(users, how)
