"""Users into slates: what comes of ids and weights alone, whatever the order and the arms beside."""

import hashlib
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core.hashing import seed
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.linear_thompson import LinearThompson
from nightslate.core.policies.uniform import Uniform
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.scoring import ScoredBy, Scoring

ARMS = ("a", "b", "c", "d", "e")
ENCODER = Encoder(("age",), (None,))
FLOOR = 0.1
DAY = date(2026, 11, 17)


def people(n, start=0):
    ids = [hashlib.sha256(f"user {i}".encode()).hexdigest()[:32] for i in range(start, start + n)]
    return pa.table({"user_id": ids, "age": pa.array(np.linspace(-1, 1, n), pa.float64())})


def fitted(arms=ARMS):
    """Thompson sampling that has seen each arm pay in its own way."""
    learner = LinearThompson(draws=64)
    generator = np.random.default_rng(3)
    contexts = np.column_stack([np.ones(500), generator.normal(size=500)])
    shown = generator.integers(0, len(ARMS), 500)
    rewards = (generator.random(500) < 0.1 + 0.1 * shown) * 1.0
    places = {arm: ARMS.index(arm) for arm in arms}
    kept = np.isin(shown, list(places.values()))
    by_place = np.array([list(places.values()).index(one) for one in shown[kept]])
    state = learner.initial(len(arms), 2).update(contexts[kept], by_place, rewards[kept])
    policy = learner.fit(state, Arms.plain(seed("arm", arm) for arm in arms), 5)
    return ScoredBy("linear_thompson", "1" * 64, arms, ENCODER, policy)


def uniform(arms=ARMS):
    learner = Uniform()
    policy = learner.fit(learner.initial(len(arms), 2), Arms.plain(seed("arm", arm) for arm in arms), 5)
    return ScoredBy("uniform", "2" * 64, arms, ENCODER, policy)


def scoring(variants=None, day=DAY, depth=3, program="shop"):
    """variants: share and model of each."""
    variants = variants or {"all": (1.0, fitted())}
    shares = {name: share for name, (share, _) in variants.items()}
    models = {name: model for name, (_, model) in variants.items()}
    assignment = Assignment.at_first(program, shares, day)
    return Scoring(program, "all", day, depth, FLOOR, assignment, models)


def slates(users, how=None):
    """Slates by user."""
    rows = (how or scoring()).scored(users).to_pylist()
    assert len({row["user_id"] for row in rows}) == len(rows)
    return {row["user_id"]: row for row in rows}


def test_every_user_gets_one_slate_that_explains_itself():
    users = people(200)
    found = slates(users)
    assert set(found) == set(users["user_id"].to_pylist())
    for slate in found.values():
        assert slate["candidates"] == list(ARMS)
        assert len(set(slate["ranking"])) == 3
        assert set(slate["ranking"]) <= set(ARMS)
        assert min(slate["weights"]) >= FLOOR / len(ARMS)
        assert (slate["issue"], slate["policy"], slate["model_digest"]) == (
            "all",
            "linear_thompson",
            "1" * 64,
        )


def test_propensities_recompute_from_the_float32_weights_in_the_row():
    table = scoring().scored(people(200))
    assert table.schema.field("weights").type == pa.list_(pa.float32())
    assert table.schema.field("propensities").type == pa.list_(pa.float64())
    for slate in table.to_pylist():
        weight = dict(zip(slate["candidates"], slate["weights"], strict=True))
        for arm, propensity in zip(slate["ranking"], slate["propensities"], strict=True):
            share = weight[arm] / sum(weight.values())
            assert propensity == pytest.approx(share, rel=1e-12, abs=0)
            del weight[arm]


def test_neither_the_order_of_users_nor_who_else_there_is_has_a_say():
    users, how = people(100), scoring(split(0.5))
    found = slates(users, how)
    assert slates(users.take(list(range(99, -1, -1))), how) == found
    assert slates(users.slice(40, 3), how) == {
        user: found[user] for user in users["user_id"].to_pylist()[40:43]
    }


def test_chunks_of_users_make_no_difference(monkeypatch):
    users = people(50)
    found = slates(users)
    monkeypatch.setattr("nightslate.kernels.scoring.CHUNK", 7)
    assert slates(users) == found


def test_the_order_of_arms_has_no_say_in_the_ranking():
    users = people(100)
    turned = slates(users, scoring({"all": (1.0, fitted(ARMS[::-1]))}))
    rankings = {user: slate["ranking"] for user, slate in slates(users).items()}
    assert {user: slate["ranking"] for user, slate in turned.items()} == rankings


def test_an_arm_that_is_gone_leaves_the_order_of_the_others():
    users = people(300)
    everyone = slates(users, scoring({"all": (1.0, uniform())}, depth=5))
    fewer = slates(users, scoring({"all": (1.0, uniform(("a", "c", "e")))}, depth=3))
    for user, slate in everyone.items():
        assert fewer[user]["ranking"] == [arm for arm in slate["ranking"] if arm in "ace"]


def test_a_ranking_is_no_longer_than_there_are_arms():
    found = slates(people(5), scoring({"all": (1.0, uniform(("a", "b")))}, depth=3))
    assert all(sorted(slate["ranking"]) == ["a", "b"] for slate in found.values())
    assert all(slate["propensities"][1] == 1.0 for slate in found.values())


def test_rankings_are_drawn_with_the_probabilities_that_they_state():
    """Over many users the share of each arm in the first slot is the mean of its weights' shares."""
    found = list(slates(people(20_000)).values())
    weights = np.array([slate["weights"] for slate in found], dtype=np.float64)
    expected = (weights / weights.sum(axis=1, keepdims=True)).mean(axis=0)
    first = np.array([ARMS.index(slate["ranking"][0]) for slate in found])
    observed = np.bincount(first, minlength=len(ARMS)) / len(found)
    assert np.abs(observed - expected).max() < 4 * np.sqrt(0.25 / len(found))


def test_another_night_draws_anew_and_a_rerun_draws_the_same():
    users = people(200)
    tonight = slates(users)
    assert slates(users) == tonight
    tomorrow = slates(users, scoring(day=date(2026, 11, 18)))
    assert sum(tomorrow[user]["ranking"] != tonight[user]["ranking"] for user in tonight) > 50


def split(share, first=None):
    return {"champion": (share, first or fitted()), "random": (1 - share, uniform())}


def test_variants_have_their_shares_and_models():
    found = slates(people(20_000), scoring(split(0.9), depth=1)).values()
    random = [slate for slate in found if slate["variant"] == "random"]
    assert len(random) / len(found) == pytest.approx(0.1, abs=0.01)
    assert {slate["policy"] for slate in random} == {"uniform"}
    assert {slate["policy"] for slate in found if slate["variant"] == "champion"} == {"linear_thompson"}


def test_a_user_keeps_its_variant_through_nights_champions_and_neighbours():
    users = people(500)
    variant = {user: slate["variant"] for user, slate in slates(users, scoring(split(0.5))).items()}
    assert set(variant.values()) == {"champion", "random"}
    later = slates(
        users.slice(100, 300), scoring(split(0.5, uniform(("a", "b", "z"))), day=date(2026, 12, 24))
    )
    assert {user: slate["variant"] for user, slate in later.items()} == {
        user: variant[user] for user in users["user_id"].to_pylist()[100:400]
    }
    grown = slates(users, scoring(split(0.7)))
    assert all(grown[user]["variant"] == "champion" for user in variant if variant[user] == "champion")


def test_a_variant_without_a_share_gets_nobody():
    assert {slate["variant"] for slate in slates(people(300), scoring(split(1.0))).values()} == {"champion"}


def test_no_users_are_no_slates():
    assert scoring().scored(people(0)).num_rows == 0
