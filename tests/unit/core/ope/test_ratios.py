import numpy as np
import pytest

from nightslate.core.errors import InvalidInputError
from nightslate.core.ope import ESTIMATORS
from nightslate.core.ope.ratios import candidate_tunings, pairs_of, ratios_of, weighings_of
from nightslate.core.ope.slate_sample import SlateSample


def test_a_fixed_tuning_parameter_is_the_only_candidate():
    tunings = candidate_tunings(["clipped_ips", "dros", "snips"], {"dros": 4.0})
    assert list(tunings) == ["clipped_ips", "dros", "snips"]
    assert tunings["dros"] == (4.0,)
    assert tunings["clipped_ips"] == ESTIMATORS["clipped_ips"].tunings


@pytest.mark.parametrize(
    ("estimators", "fixed", "message"),
    [
        ([], {}, "estimators must be distinct"),
        (["ips", "ips"], {}, "estimators must be distinct"),
        (["magic"], {}, "got magic"),
        (["ips"], {"magic": 1.0}, "of replay, ips"),
    ],
)
def test_unknown_and_repeated_estimators_are_refused(estimators, fixed, message):
    with pytest.raises(InvalidInputError, match=message):
        candidate_tunings(estimators, fixed)


def test_each_ratio_has_its_pair_of_a_sample():
    sample = SlateSample(*np.random.default_rng(3).uniform(0.1, 1, (3, 4, 3)))
    tunings = candidate_tunings(["sips", "snrips"], {})
    ratios, pairs = ratios_of(tunings, slots=3), list(pairs_of(tunings, sample))
    assert [(ratio.estimator, ratio.pair) for ratio in ratios] == [
        ("sips", 0), ("snrips", 0), ("snrips", 1), ("snrips", 2)
    ]  # fmt: skip
    for ratio, pair in zip(ratios, pairs, strict=True):
        expected = ESTIMATORS[ratio.estimator].terms(sample, ratio.tuning)[ratio.pair]
        np.testing.assert_array_equal(pair, expected)


def test_a_weighing_that_several_estimators_have_counts_once():
    assert len(weighings_of(["ips", "clipped_ips"])) == 1
    assert weighings_of(["dm", "replay"]) == ()
