"""Exposure goals: what a night has solved for a day, or no slates."""

import pytest
from mlflow.exceptions import MlflowException
from tests.unit.serving import shop

from nightslate.contracts import load
from nightslate.kernels.slate_weights import WeightAdjustment
from nightslate.tables import Warehouse

USERS = shop.people(20)
SOLVED = dict(zip(shop.ARMS, (0.1, 1 / 3, 2.0, 1e-7, 123.456), strict=True))


@pytest.fixture
def table(tmp_path):
    table = Warehouse(tmp_path).table("shop", load("multipliers"))
    rows = [{"issue": "all", "arm_id": arm, "multiplier": m, "exposures": 1.0} for arm, m in SOLVED.items()]
    table.replace(shop.DAY, table.typed(rows), {})
    return table


def test_slates_are_those_of_the_night_that_has_solved_them(table):
    model = shop.served(adjustment=shop.ADJUSTED, solved=table.snapshot(), goals=("fresh",))
    adjustment = WeightAdjustment(SOLVED, shop.ADJUSTED.penalty, shop.ADJUSTED.groups)
    for variant in ("personalised", "randomised"):
        night = shop.night("linear_ucb", variant=variant, adjustment=adjustment)
        assert model.predict(shop.asked(USERS), {"variant": variant}) == shop.slates(night, USERS)


def test_a_day_of_which_no_multipliers_are_known_is_refused(table):
    model = shop.served(solved=table.snapshot(), goals=("fresh", "last"))
    model.predict(shop.asked(USERS))
    with pytest.raises(
        MlflowException,
        match=r"slate_date 2026-11-18: no night has solved the exposure goals and budgets fresh, last for it,"
        r" only for 2026-11-17 to 2026-11-17\. Load the model again",
    ):
        model.predict(shop.asked(USERS, shop.NEXT))
    model.predict(shop.asked(USERS, shop.NEXT), {"variant": "randomised"})
    with pytest.raises(MlflowException, match=r"budgets fresh for it, nor for any other\. Load"):
        shop.served(goals=("fresh",)).predict(shop.asked(USERS))


def test_a_later_night_s_do_not_enter_a_model_that_is_loaded(table):
    model = shop.served(solved=table.snapshot(), goals=("fresh",))
    rows = [{"issue": "all", "arm_id": arm, "multiplier": 1.0, "exposures": 1.0} for arm in shop.ARMS]
    for day in (shop.DAY, shop.NEXT):
        table.replace(day, table.typed(rows), {})
    night = shop.night("linear_ucb", adjustment=WeightAdjustment(SOLVED))
    assert model.predict(shop.asked(USERS)) == shop.slates(night, USERS)
    with pytest.raises(MlflowException, match="no night has solved"):
        model.predict(shop.asked(USERS, shop.NEXT))
