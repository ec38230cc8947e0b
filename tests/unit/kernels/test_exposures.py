"""Expected exposures of arms: by the definition, from the weights that slates store."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from nightslate.kernels.exposure import exposures
from nightslate.kernels.slate_weights import WeightAdjustment

from .test_scoring import ARMS, fitted, people, scoring, split, uniform

GROUPS = {"a": "x", "b": "x", "c": "y", "d": "y", "e": None}
EVERYONE = frozenset({"champion", "random"})


def how(**adjustment):
    return replace(
        scoring(split(0.8)), adjustment=WeightAdjustment(**adjustment), randomised=frozenset({"random"})
    )


def by_definition(slates, penalty=0.5):
    """Of two slots, over all users, from the weights that are stored."""
    total = dict.fromkeys(ARMS, 0.0)
    for slate in slates:
        weight = dict(zip(slate["candidates"], slate["weights"], strict=True))
        for first in weight:
            first_is = weight[first] / sum(weight.values())
            total[first] += first_is
            alike = {arm for arm in weight if slate["penalty"] and GROUPS[arm] == GROUPS[first] is not None}
            left = {arm: weight[arm] * (penalty if arm in alike else 1) for arm in weight if arm != first}
            for arm in left:
                total[arm] += first_is * left[arm] / sum(left.values())
    return total


@pytest.mark.parametrize(
    "adjustment",
    [
        {},
        {"multipliers": {"c": 3.0, "gone": 9.0}},
        {"penalty": 0.5, "groups": GROUPS, "multipliers": {"a": 0.1}},
    ],
)
def test_exposures_are_those_of_the_weights_as_stored_of_the_variants_that_are_asked_for(adjustment):
    scored, users = how(**adjustment), people(80)
    choices, slates = pa.concat_tables(scored.choices(users)), scored.scored(users).to_pylist()
    for variants in (EVERYONE, frozenset({"random"}), frozenset({"champion"}), frozenset()):
        expected = by_definition([slate for slate in slates if slate["variant"] in variants])
        found = exposures(choices, scored, variants, ARMS, 2)
        assert found.tolist() == pytest.approx([expected[arm] for arm in ARMS], rel=1e-6)
    assert sum(expected.values()) == 0


def test_arms_are_summed_by_id_whatever_each_model_has_of_them():
    variants = {"champion": (0.5, fitted(("e", "c", "a"))), "random": (0.5, uniform(("b", "a")))}
    scored, users = replace(scoring(variants), randomised=frozenset({"random"})), people(40)
    choices, slates = pa.concat_tables(scored.choices(users)), scored.scored(users).to_pylist()
    expected, turned = by_definition(slates), ("d", "b", "e", "a", "c")
    found = exposures(choices, scored, EVERYONE, turned, 2)
    assert found.tolist() == pytest.approx([expected[arm] for arm in turned], rel=1e-6)
    assert found[0] == 0


def test_choices_in_parts_make_no_difference(monkeypatch):
    scored = how(penalty=0.5, groups=GROUPS)
    choices = pa.concat_tables(scored.choices(people(50)))
    found = exposures(choices, scored, EVERYONE, ARMS, 2)
    assert found.sum() == pytest.approx(100)
    parts = [exposures(choices.slice(begin, 9), scored, EVERYONE, ARMS, 2) for begin in range(0, 50, 9)]
    np.testing.assert_allclose(sum(parts), found, rtol=1e-12)
    monkeypatch.setattr("nightslate.kernels.scoring.CHUNK", 7)
    np.testing.assert_allclose(exposures(choices, scored, EVERYONE, ARMS, 2), found, rtol=1e-12)


def test_nobody_is_shown_nothing():
    scored = how()
    nobody = pa.concat_tables(scored.choices(people(5))).slice(0, 0)
    assert exposures(nobody, scored, EVERYONE, ARMS, 2).tolist() == [0.0] * 5
