"""Sample ratio mismatch beside scipy, an enumeration, and experiments that are looked at every day."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from nightslate.core.experiments import SampleRatio, anytime_p_value, located, log_evidence

SHARES = np.array([0.2, 0.3, 0.5])
HALVES = np.array([0.5, 0.5])


def assert_same(one, other):
    for name, array in one.arrays().items():
        np.testing.assert_allclose(array, other.arrays()[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_shares_are_tested_by_pearson():
    seen = np.array([220, 280, 540])
    found = SampleRatio.of_shares(seen, SHARES).p_value()
    assert found == pytest.approx(stats.chisquare(seen, seen.sum() * SHARES).pvalue, rel=1e-9)


def test_users_one_by_one_are_those_of_shares():
    rng = np.random.default_rng(0)
    variant, cell = rng.choice(3, 1_000, p=SHARES), rng.integers(0, 4, 1_000)
    by_user = SampleRatio.initial(3, (4,)).update(variant, np.tile(SHARES, (1_000, 1)), cell)
    seen = np.bincount(3 * cell + variant, minlength=12).reshape(4, 3)
    assert_same(by_user, SampleRatio.of_shares(seen, SHARES))
    halves = [
        SampleRatio.initial(3, (4,)).update(variant[s], np.tile(SHARES, (500, 1)), cell[s])
        for s in (slice(0, 500), slice(500, None))
    ]
    assert_same(halves[1].merge(halves[0]), by_user)


def test_each_one_s_own_probability_counts():
    """Of users of whom a tenth and of others of whom nine tenths were to be treated, half are."""
    rng = np.random.default_rng(1)
    probability = np.where(rng.random(20_000) < 0.5, 0.1, 0.9)
    chances = np.stack([1 - probability, probability], axis=-1)
    right = (rng.random(20_000) < probability).astype(np.int64)
    assert SampleRatio.initial(2).update(right, chances).p_value() > 0.01
    swapped = np.where(probability == 0.1, 1 - right, right)
    ratio = SampleRatio.initial(2).update(swapped, chances)
    assert ratio.p_value() < 1e-6
    assert math.exp(-ratio.log_e_value()) < 1e-6


def test_the_e_value_is_1_in_expectation():
    """Over all that three users of probabilities of their own can draw."""
    chances = np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
    total = 0.0
    for drawn in itertools.product((0, 1), repeat=3):
        ratio = SampleRatio.initial(2).update(np.array(drawn), chances)
        total += np.prod(chances[np.arange(3), drawn]) * math.exp(ratio.log_e_value())
    assert total == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("segments", [1, 2])
def test_the_evidence_of_each_day_is_1_in_expectation(segments):
    """Over all that a user of each day and segment can draw."""
    shares, cells = np.array([0.3, 0.7]), [(day, s) for day in range(3) for s in range(segments)]
    totals = np.zeros(3)
    for drawn in itertools.product((0, 1), repeat=len(cells)):
        seen = np.zeros((3, segments, 2), dtype=np.int64)
        for (day, segment), variant in zip(cells, drawn, strict=True):
            seen[day, segment, variant] = 1
        totals += np.prod(shares[list(drawn)]) * np.exp(log_evidence(SampleRatio.of_shares(seen, shares)))
    np.testing.assert_allclose(totals, 1.0, rtol=1e-12)


def test_nobody_to_draw_has_no_p_value():
    assert SampleRatio.initial(2).p_value() is None
    sure = SampleRatio.initial(2).update(np.zeros(5, dtype=np.int64), np.tile([1.0, 0.0], (5, 1)))
    assert sure.p_value() is None


def looks(rng, days, segments, users, kept):
    return SampleRatio.of_shares(rng.poisson(users * kept / 2, (days, segments, 2)), HALVES)


def test_false_alarms_of_fifty_looks_stay_under_alpha():
    rng, trials = np.random.default_rng(2), 200
    alarms = sum(anytime_p_value(looks(rng, 50, 3, 40, np.ones((3, 2)))) < 0.05 for _ in range(trials))
    assert alarms / trials <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)


def test_a_loss_is_found_with_its_segment_and_day():
    kept = np.ones((40, 3, 2))
    kept[25:, 1, 1] = 0.7
    ratio = looks(np.random.default_rng(3), 40, 3, 400, kept)
    assert anytime_p_value(ratio) < 1e-4
    found = located(ratio)
    assert (found.segment, found.variant) == (1, 1)
    assert abs(found.day - 25) <= 3
    assert found.missing == pytest.approx(0.3, abs=0.06)


def test_a_loss_everywhere_names_no_segment():
    kept = np.ones((10, 3, 2))
    kept[..., 0] = 0.8
    found = located(looks(np.random.default_rng(4), 10, 3, 1_000, kept))
    assert (found.day, found.segment, found.variant) == (0, None, 0)


def test_the_p_value_of_all_looks_never_grows():
    ratio = looks(np.random.default_rng(5), 30, 2, 50, np.ones((2, 2)))
    p = [anytime_p_value(ratio.cell(slice(0, days))) for days in range(2, 31)]
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(p))


def test_one_look_at_everybody_is_the_plain_e_value():
    ratio = SampleRatio.of_shares(np.array([[[600, 500]]]), HALVES)
    assert anytime_p_value(ratio) == pytest.approx(math.exp(-ratio.log_e_value()[0, 0]))
