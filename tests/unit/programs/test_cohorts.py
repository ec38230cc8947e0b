"""Which days are whole when, and which night's models weigh them."""

from datetime import date, timedelta

import pytest

from nightslate.programs import Program
from nightslate.programs.cohorts import cohorts_of, first_cohort_unknown_to, known_on, modelled_on
from nightslate.programs.sequence import Sequence

START = date(2026, 3, 1)


def days(count):
    return timedelta(days=count)


def weekly():
    """Rewards take 36 hours, and evaluation looks at ten days."""
    return Program(
        program="shop",
        description="a shop",
        start_date=START,
        slots=1,
        depth=1,
        logs={"propensity": "marginal"},
        rewards={"values": {"click": 1.0}, "window": "36h"},
        learners={"uniform": {"kind": "uniform"}},
        floor=0.1,
        variants={"all": {"share": 1.0, "policy": "uniform"}},
        evaluation={"window_days": 10},
        gate={"first_champion": "uniform"},
    ).only_issue


def test_a_day_is_whole_once_the_window_of_its_last_moment_is_over():
    assert known_on(weekly(), START) == START + days(2)
    assert first_cohort_unknown_to(weekly(), START + days(2)) == START + days(1)


def test_the_cohorts_of_a_night_are_the_whole_days_of_its_window():
    found = cohorts_of(weekly(), START + days(20))
    assert (found[0], found[-1], len(found)) == (START + days(11), START + days(18), 8)
    assert all(known_on(weekly(), day) <= START + days(20) for day in found)


def test_a_day_is_weighed_by_the_models_of_the_night_before():
    assert modelled_on(weekly(), START + days(1)) == START
    assert modelled_on(weekly(), START + days(30)) == START + days(29)


def test_days_of_before_the_first_night_fall_into_five_blocks_the_same_for_every_night():
    imported = [START - days(back) for back in range(9, -1, -1)]
    models = [modelled_on(weekly(), day) for day in imported]
    assert models == [START - days(back) for back in (10, 10, 8, 8, 6, 6, 4, 4, 2, 2)]
    assert all(model < day for model, day in zip(models, imported, strict=True))


def test_a_trajectory_is_over_after_its_longest_and_the_gap():
    sequence = Sequence(gap="2d", longest="3d")
    assert known_on(weekly().model_copy(update={"sequence": sequence}), START) == START + days(5)


@pytest.mark.parametrize("night", range(0, 40, 7))
def test_no_model_knows_what_was_shown_on_the_day_that_it_weighs(night):
    for day in cohorts_of(weekly(), START + days(night)):
        assert modelled_on(weekly(), day) < day
