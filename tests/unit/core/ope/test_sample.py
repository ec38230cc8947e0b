from dataclasses import replace

import numpy as np
import pytest
from tests.unit.core.ope.worlds import ROWS, draw

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope.sample import Sample


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.0000001, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("field", ["propensity", "marginal_propensity"])
@pytest.mark.parametrize("kind", ["ips", "sips"])
def test_a_propensity_that_is_none_is_never_read_as_one(bad, field, kind):
    sample = draw(kind)
    values = getattr(sample, field).copy()
    values.flat[[3, 8]] = bad
    with pytest.raises(InvalidInputError, match=rf"{field} has 2 of {values.size} values that are not"):
        replace(sample, **{field: values})


@pytest.mark.parametrize("kind", ["ips", "sips"])
def test_every_field_must_be_finite_and_as_long(kind):
    sample = draw(kind)
    for field in sample.fields - {"propensity"}:
        values = getattr(sample, field).copy()
        values.flat[5] = np.nan
        with pytest.raises(InvalidInputError, match=f"{field} has 1 of {values.size} values"):
            replace(sample, **{field: values})
        with pytest.raises(InvalidInputError, match=f"{field} must have shape"):
            replace(sample, **{field: getattr(sample, field)[1:]})


@pytest.mark.parametrize("field", ["target_propensity", "target_marginal_propensity", "unsupported_mass"])
def test_a_target_may_never_show_an_arm_but_not_more_than_always(field):
    sample = draw("ips")
    assert getattr(replace(sample, **{field: np.zeros(ROWS)}), field).sum() == 0
    for bad in (1.01, -0.01):
        with pytest.raises(InvalidInputError, match=rf"{field} has {ROWS} of {ROWS}.*not in \[0, 1\]"):
            replace(sample, **{field: np.full(ROWS, bad)})


@pytest.mark.parametrize("kind", ["dr", "cascade_dr", "traj_dr"])
@pytest.mark.parametrize("field", ["reward", "q_logged", "v_target"])
def test_what_is_too_large_to_square_is_refused(field, kind):
    sample = draw(kind)
    for sign in (1, -1):
        assert getattr(replace(sample, **{field: sign * 1e50 * np.ones_like(sample.reward)}), field).size
        with pytest.raises(InvalidInputError, match=rf"{field} has {sample.reward.size} of .* \[-1e\+50"):
            replace(sample, **{field: sign * 2e50 * np.ones_like(sample.reward)})


def test_the_largest_weight_is_that_of_arms_or_of_features():
    sample = Sample(np.zeros(2), np.array([0.5, 0.1]), np.array([0.5, 0.4]))
    assert sample.largest_weight == pytest.approx(4)
    marginal = {"marginal_propensity": np.array([0.1, 1]), "target_marginal_propensity": np.array([0.9, 1])}
    assert replace(sample, **marginal).largest_weight == pytest.approx(9)


def test_a_sample_knows_what_it_knows():
    bare = Sample(np.zeros(2), np.ones(2), np.ones(2))
    assert bare.fields == {"reward", "propensity", "target_propensity"}
    assert bare.take(np.array([1])).fields == bare.fields
    assert bare.take(slice(0, 1)).n == 1
