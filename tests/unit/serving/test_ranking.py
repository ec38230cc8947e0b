"""A served model: the slates of a night to the last bit, and exact propensities among eligible arms."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from tests.unit.serving import shop
from threadpoolctl import OpenBLASController, threadpool_info, threadpool_limits

from nightslate.kernels.scoring import SLATES
from nightslate.kernels.slate_ids import slate_ids

USERS = shop.people(150)
ADJUSTMENTS = {"plain": shop.PLAIN, "adjusted": shop.ADJUSTED}


@pytest.mark.parametrize("adjustment", ADJUSTMENTS.values(), ids=ADJUSTMENTS.keys())
@pytest.mark.parametrize("kind", shop.KINDS)
def test_slates_are_those_of_the_night_to_the_last_bit_whoever_is_asked_for_together(kind, adjustment):
    with threadpool_limits(limits=1):  # as a night
        expected = shop.slates(shop.night(kind, adjustment=adjustment), USERS)
    model = shop.served(kind, adjustment)

    @settings(max_examples=15, deadline=None)
    @given(st.lists(st.integers(0, len(expected) - 1), min_size=1, max_size=90))
    def are_the_same(rows):
        assert model.predict(shop.asked(USERS.take(rows))) == [expected[row] for row in rows]

    are_the_same()
    assert model.predict(shop.asked(USERS)) == expected


class Watched:
    """A policy that sees how many threads BLAS has, and how many requests are ranked at once."""

    def __init__(self, policy):
        self.policy, self.inside, self.seen = policy, 0, []

    def weights(self, contexts):
        self.inside += 1
        blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        time.sleep(0.01)  # for others to come in
        self.seen.append((max(blas), self.inside))
        self.inside -= 1
        return self.policy.weights(contexts)


@contextmanager
def two_threads():
    """What a process has that nobody has limited: OpenBLAS listens to the thread that did so last, until it
    is told to forget it."""
    before = threadpool_limits(limits=2)
    OpenBLASController.clear_controlling_thread()
    yield
    before.restore_original_limits()
    OpenBLASController.clear_controlling_thread()


def test_neither_threads_of_blas_nor_of_a_server_have_a_say():
    model, frame = shop.served(), shop.asked(USERS)
    watched = Watched(model.model.policy)
    model = replace(model, model=replace(model.model, policy=watched))
    expected = model.predict(frame)
    with two_threads(), ThreadPoolExecutor(4) as several:
        assert all(found == expected for found in several.map(model.predict, [frame] * 20))
        assert max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas") == 2
    assert watched.seen == [(1, 1)] * 21


def test_rows_of_several_days_are_ranked_each_for_its_own():
    days = [shop.DAY if row % 3 else shop.NEXT for row in range(len(USERS))]
    by_day = {day: shop.slates(shop.night("linear_ucb", day), USERS) for day in (shop.DAY, shop.NEXT)}
    found = shop.served().predict(shop.asked(USERS, slate_date=[str(day) for day in days]))
    assert found == [by_day[day][row] for row, day in enumerate(days)]
    assert found == shop.served().predict(shop.asked(USERS, slate_date=days))


def test_an_issue_that_goes_by_a_detector_is_refused_by_name():
    with pytest.raises(
        MlflowException, match=r"all: whom it concerns goes by the detectors \(leaving\) of the"
    ):
        shop.served(risks=("leaving",)).predict(shop.asked(USERS))


def test_a_variant_that_is_randomised_is_not_adjusted():
    model = shop.served("linear_ucb", shop.ADJUSTED)
    for variant in ("personalised", "randomised"):
        night = shop.night("linear_ucb", variant=variant, adjustment=shop.ADJUSTED)
        assert model.predict(shop.asked(USERS), {"variant": variant}) == shop.slates(night, USERS)
    assert model.predict(shop.asked(USERS)) == model.predict(shop.asked(USERS), {"variant": "personalised"})
    with pytest.raises(MlflowException, match=r"'other' does not show my_linear_ucb: choose from \['pers"):
        model.predict(shop.asked(USERS), {"variant": "other"})
    with pytest.raises(MlflowException, match=r"'' does not show my_linear_ucb: choose from \[\]"):
        shop.served(variants={}).predict(shop.asked(USERS))


def eligible_arms(users):
    """None for some, of the others each arm or not, none at all for a few."""
    generator = np.random.default_rng(8)
    return [
        None if generator.random() < 0.2 else [arm for arm in shop.ARMS if generator.random() < 0.5]
        for _ in range(len(users))
    ]


@pytest.mark.parametrize("adjustment", ADJUSTMENTS.values(), ids=ADJUSTMENTS.keys())
def test_eligible_arms_are_ranked_by_the_weights_of_the_slate(adjustment):
    """Without a penalty, as if the others had been taken out of a ranking of all; with one, they never
    were in it."""
    lists = eligible_arms(USERS)
    found = shop.served(adjustment=adjustment).predict(shop.asked(USERS, eligible_arms=lists))
    whole = shop.served(adjustment=adjustment, depth=len(shop.ARMS)).predict(shop.asked(USERS))
    short = shop.served(adjustment=adjustment).predict(shop.asked(USERS))
    for row, slate, of_all, arms in zip(found, short, whole, lists, strict=True):
        if arms is None:
            assert row == slate
            continue
        weight = dict(zip(slate["candidates"], slate["weights"], strict=True))
        assert row["candidates"] == [arm for arm in shop.ARMS if arm in arms]
        assert row["weights"] == [weight[arm] for arm in row["candidates"]]
        assert len(row["ranking"]) == min(3, len(arms))
        assert row["propensities"] == pytest.approx(by_definition(row), rel=1e-12)
        if row["penalty"] is None:
            assert row["ranking"] == [arm for arm in of_all["ranking"] if arm in arms][:3]
        else:
            groups = shop.ADJUSTED.groups
            assert row["groups"] == [groups.get(arm) for arm in row["candidates"]]


def by_definition(row):
    """The share of each arm of the ranking in what is left, slot by slot."""
    left = dict(zip(row["candidates"], row["weights"], strict=True))
    group = dict(zip(row["candidates"], row["groups"] or [None] * len(left), strict=True))
    shares = []
    for arm in row["ranking"]:
        shares.append(left[arm] / sum(left.values()))
        del left[arm]
        left = {
            other: weight * (row["penalty"] if group[arm] and group[other] == group[arm] else 1.0)
            for other, weight in left.items()
        }
    return shares


def test_an_answer_with_eligible_arms_has_the_id_of_its_row():
    rows = [
        row
        for row in shop.served().predict(shop.asked(USERS, eligible_arms=eligible_arms(USERS)))
        if row["ranking"]
    ]
    assert len({row["slate_id"] for row in rows}) == len(rows) > 100
    table = pa.Table.from_pylist([{name: row[name] for name in SLATES.names} for row in rows], SLATES)
    assert slate_ids(table, "shop", shop.DAY).to_pylist() == [row["slate_id"] for row in rows]


def test_who_may_get_no_arm_has_an_empty_ranking_in_its_place():
    lists = [["b"] if row % 2 else [] for row in range(len(USERS))]
    found = shop.served(eligible={"device": ("phone", "watch")}).predict(
        shop.asked(USERS, eligible_arms=lists)
    )
    assert [row["user_id"] for row in found] == USERS["user_id"].to_pylist()
    devices = USERS["device"].to_pylist()
    for row, arms, device in zip(found, lists, devices, strict=True):
        if arms and device in ("phone", "watch"):
            assert (row["ranking"], row["propensities"]) == (["b"], [1.0])
        else:
            empty = [row[name] for name in ("candidates", "weights", "ranking", "propensities")]
            assert (row["slate_id"], empty) == (None, [[]] * 4)
    of_all = shop.served(eligible={"device": ("none",)}).predict(shop.asked(USERS))
    assert {row["slate_id"] for row in of_all} == {None}


def test_rankings_are_drawn_with_the_propensities_that_they_state():
    """Over many users: how often each order of two of three arms is drawn is what the rows say, and the mean
    importance weight of the uniform policy is 1, each within four Monte Carlo errors."""
    users, arms = shop.people(8000), ["b", "c", "e"]
    found = shop.served().predict(shop.asked(users, eligible_arms=[arms] * len(users)))
    for order in permutations(arms, 2):
        says = [by_definition({**row, "ranking": order}) for row in found]
        expected = np.prod(says, axis=1)
        drawn = np.array([row["ranking"][:2] == list(order) for row in found])
        error = np.sqrt((expected * (1 - expected)).sum()) / len(users)
        assert abs(drawn.mean() - expected.mean()) < 4 * error
    ratios = np.array([1 / len(arms) / row["propensities"][0] for row in found])
    assert abs(ratios.mean() - 1) < 4 * ratios.std() / np.sqrt(len(users))


def test_an_answer_is_json_and_its_weights_are_those_of_the_table():
    found = shop.served(adjustment=shop.ADJUSTED).predict(shop.asked(USERS))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    weights = np.array([row["weights"] for row in found])
    assert (weights.astype(np.float32) == weights).all()


def test_no_rows_get_no_slates():
    assert shop.served().predict(shop.asked(USERS.slice(0, 0))) == []
