"""The lift of one variant of an experiment over another."""

import math

import numpy as np
import pytest

from nightslate.worlds.lift import lift


def test_the_lift_is_the_ratio_of_means_and_its_interval_follows_from_the_sums_of_participants() -> None:
    earned = np.array([1.0, 0.0, 1.0, 2.0, 1.0, 0.0])
    who = np.array([1, 1, 2, 2, 3, 4])
    treated = np.array([True, True, True, True, False, False])
    found = lift(earned, who, treated, ~treated, 0.95)
    assert found is not None
    # Means 1 and 1/2. Sums of residuals by participant: -1 and 1 of four pages; 1/2 and -1/2 of two.
    spread = math.sqrt((1 + 1) / 16 / 1 + (0.25 + 0.25) / 4 / 0.25)
    assert found.value == pytest.approx(1.0)
    assert math.log1p(found.upper) == pytest.approx(math.log(2) + 1.959964 * spread)
    assert math.log1p(found.lower) == pytest.approx(math.log(2) - 1.959964 * spread)


def test_pages_of_one_participant_are_no_evidence_of_their_own() -> None:
    treated = np.arange(40) < 20
    earned = np.tile([1.0, 2.0, 1.0, 3.0], 10)
    apart = lift(earned, np.arange(40), treated, ~treated)
    together = lift(
        np.repeat(earned, 5), np.repeat(np.arange(40), 5), np.repeat(treated, 5), np.repeat(~treated, 5)
    )
    assert apart is not None
    assert together is not None
    assert (together.lower, together.upper) == pytest.approx((apart.lower, apart.upper))


@pytest.mark.parametrize("earned", [[0.0, 1.0], [1.0, 0.0]])
def test_nothing_is_compared_with_nothing(earned: list[float]) -> None:
    treated = np.array([True, False])
    assert lift(np.array(earned), np.arange(2), treated, ~treated) is None
    assert lift(np.array(earned), np.arange(2), ~treated & treated, treated) is None


def test_intervals_cover() -> None:
    held = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        who = generator.integers(300, size=2000)
        treated = who < 200
        keen = generator.gamma(4.0, 0.25, size=300)[who]
        earned = (generator.random(2000) < 0.1 * keen * np.where(treated, 1.5, 1.0)).astype(float)
        found = lift(earned, who, treated, ~treated)
        assert found is not None
        held += found.lower <= 0.5 <= found.upper
    assert 180 <= held <= 199
