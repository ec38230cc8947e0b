"""The sums of a readout without those of few users are the sums of users whose values are renamed."""

from typing import Any

import numpy as np
import pytest

from nightslate.core.experiments import Moments, SampleRatio
from nightslate.kernels.named_states import MomentsByName, SampleRatiosByName
from nightslate.kernels.readout_days import Daily
from nightslate.kernels.readouts import COUNTS, FATIGUE, SAMPLE_RATIOS, Figure
from nightslate.kernels.small_cells import OTHERS, large_enough, without_small_cells

VARIANTS = ("new", "old", "tiny")
LEAST = 20
FIGURE = Figure("clicks", "exposed", "cumulative")
DICE = np.random.default_rng(5)
VARIANT = np.repeat([0, 1, 2], [400, 400, 12])
VALUE = DICE.choice(["de", "fr", "li", "mc", None], size=VARIANT.size, p=[0.5, 0.4, 0.04, 0.03, 0.03])
CLICKED = np.stack([DICE.random(VARIANT.size), np.ones(VARIANT.size)], axis=1)
SHARES = np.array([0.45, 0.45, 0.1])


def moments(*, renamed: dict[Any, str]) -> MomentsByName:
    """By variant, of all and by value."""
    found = {}
    value = np.array([renamed.get(each, each) for each in VALUE], dtype=object)
    for variant, name in enumerate(VARIANTS):
        for column, of in (None, None), *(("land", each) for each in dict.fromkeys(value)):
            mine = (variant == VARIANT) & (True if column is None else value == of)
            if mine.any():
                of_nobody = Moments.initial((), 2)
                found[name, column, of] = of_nobody.update(np.zeros(mine.sum(), np.int64), CLICKED[mine])
    return MomentsByName(found)


def ratios(*, renamed: dict[Any, str]) -> SampleRatiosByName:
    found = {}
    value = np.array([renamed.get(each, each) for each in VALUE], dtype=object)
    for column, of in (None, None), *(("land", each) for each in dict.fromkeys(value)):
        for day in ("2026-11-16", "2026-11-17"):
            mine = (np.arange(VALUE.size) % 2 == (day[-1] == "7")) & (True if column is None else value == of)
            seen = np.bincount(VARIANT[mine], minlength=3)
            found[column, of, day] = SampleRatio.of_shares(seen, SHARES)
    return SampleRatiosByName(found)


def equal(found: Any, wanted: Any) -> None:
    assert found.states.keys() == wanted.states.keys()
    for place, state in wanted.states.items():
        for name, array in state.arrays().items():
            np.testing.assert_allclose(
                found.states[place].arrays()[name], array, atol=1e-9, err_msg=str(place)
            )


def test_values_of_few_users_stand_together_and_a_variant_of_few_is_not_told() -> None:
    found = without_small_cells({FIGURE: moments(renamed={})}, LEAST, "old")[FIGURE]
    wanted = moments(renamed={"li": OTHERS, "mc": OTHERS, None: OTHERS})
    told = {place: sums for place, sums in wanted.states.items() if place[0] != "tiny"}
    equal(found, MomentsByName(told))
    assert all(sums.n >= LEAST for sums in found.states.values())


def test_where_the_control_is_small_nothing_is_told_and_where_all_values_are_no_segment_is() -> None:
    states = {FIGURE: moments(renamed={})}
    assert without_small_cells(states, LEAST, "tiny")[FIGURE].states == {}
    few = without_small_cells(states, 200, "old")[FIGURE]
    assert {place[1] for place in few.states} == {None}
    assert {place[0] for place in few.states} == {"new", "old"}


def test_sample_ratios_of_values_stand_together_day_by_day_and_that_of_all_users_stays() -> None:
    found = without_small_cells({SAMPLE_RATIOS: ratios(renamed={})}, 3, "old")[SAMPLE_RATIOS]
    of_few = {place[1] for place in ratios(renamed={}).states} - {place[1] for place in found.states}
    assert of_few
    equal(found, ratios(renamed=dict.fromkeys(of_few, OTHERS)))
    assert {place for place in found.states if place[0] is None} == {
        (None, None, "2026-11-16"),
        (None, None, "2026-11-17"),
    }


def test_days_are_told_of_variants_that_are_told_all_of_them_and_counts_stay() -> None:
    daily = Daily("clicks", "exposed", "moments")
    states = {FIGURE: moments(renamed={}), daily: "by day", COUNTS: "counts"}
    assert {*without_small_cells(states, LEAST, "old")} == {FIGURE, COUNTS}
    assert {*without_small_cells(states, 12, "old")} == {FIGURE, COUNTS, daily}


def test_showings_to_few_users_are_not_told() -> None:
    of = {("new", str(number)): sums for number, sums in enumerate(moments(renamed={}).states.values())}
    found = without_small_cells({FATIGUE: MomentsByName(of)}, LEAST, "old")[FATIGUE]
    assert {*found.states} == {place for place, sums in of.items() if sums.n >= LEAST}
    assert len(found.states) < len(of)


def test_where_a_user_is_enough_nothing_changes() -> None:
    states = {FIGURE: moments(renamed={}), SAMPLE_RATIOS: ratios(renamed={})}
    found = without_small_cells(states, 1, "old")
    assert all(found[key] is states[key] for key in states)


@pytest.mark.parametrize(("exposed", "stays"), [(0, True), (19, False), (20, True)])
def test_rows_of_few_users_are_left_out(exposed: int, stays: bool) -> None:
    assert large_enough([{"exposed": exposed}], LEAST) == ([{"exposed": exposed}] if stays else [])
