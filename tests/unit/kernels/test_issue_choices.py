"""Which issue a user gets: probabilities, the draw, and what a user is shown by both, against enumeration."""

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.ope.sample import Sample
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.popularity import Popularity
from nightslate.errors import ContractError
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.issue_choice_audit import choice_faults
from nightslate.kernels.issue_choices import (
    ISSUE_CHOICES,
    IssueDraw,
    IssuePolicies,
    drawn,
    drawn_for,
    draws,
    gains,
    probabilities,
)
from nightslate.kernels.rewards import given_issue
from nightslate.kernels.scoring import ScoredBy, Scoring
from nightslate.kernels.training import arm_key

from .test_scoring import DAY, ENCODER, FLOOR, people, uniform

ARMS = {"home": ("a", "b", "nothing"), "mail": ("c", "nothing"), "push": ("d", "e", "f", "nothing")}
PAYS = {"a": 0.5, "b": 0.2, "c": 0.3, "d": 0.6, "e": 0.1, "f": 0.4, "nothing": 0.1}
OF_ISSUES = 0.2


def popularity(arms, digest="3" * 64):
    """A policy that has seen each arm pay as PAYS says, a hundred times."""
    learner = Popularity(1.0)
    places = np.repeat(np.arange(len(arms)), 100)
    rewards = (np.tile(np.arange(100), len(arms)) < 100 * np.repeat([PAYS[a] for a in arms], 100)) * 1.0
    state = learner.initial(len(arms), 2).update(np.ones((places.size, 2)), places, rewards)
    policy = learner.fit(state, Arms.plain(arm_key(arm) for arm in arms), 5)
    return ScoredBy("popularity", digest, tuple(arms), ENCODER, policy)


def policies(models):
    return {
        issue: IssuePolicies(Assignment.at_first("shop", {"all": 1.0}, DAY), {"all": model}, FLOOR)
        for issue, model in models.items()
    }


def draw(models, **changed):
    how = {"program": "shop", "slate_date": DAY, "floor": OF_ISSUES, "baseline": "nothing"}
    return IssueDraw(**{**how, **changed}, policies=policies(models))


MODELS = {issue: popularity(arms) for issue, arms in ARMS.items()}


def concerned(users, issues=tuple(ARMS)):
    """Everyone by home, two of three by mail, every other user by push."""
    number = np.arange(users.num_rows)
    marks = {"home": number >= 0, "mail": number % 3 > 0, "push": number % 2 == 0}
    return {issue: users.filter(pa.array(marks[issue])) for issue in issues}


@st.composite
def drawn_among(draw):
    n, k = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    worth = st.none() | st.just(0.0) | st.floats(1e-6, 1e6)
    found = [[draw(worth) for _ in range(k)] for _ in range(n)]
    marks = [[draw(st.booleans()) for _ in range(k)] for _ in range(n)]
    return found, marks, draw(st.floats(0.01, 1.0))


@settings(max_examples=200, deadline=None)
@given(drawn_among())
def test_probabilities_are_those_of_the_definition(among):
    """Written out for one user, and for whatever gains, known or not."""
    found, marks, floor = among
    table = probabilities(np.array(found, dtype=np.float64), np.array(marks), floor)
    for row, gain, mine in zip(table.tolist(), found, marks, strict=True):
        there = [g for g, m in zip(gain, mine, strict=True) if m]
        k = len(there)
        even = k == 1 or None in there or not any(there)
        expected = [
            0.0 if not m else 1 / k if even else floor / k + (1 - floor) * g / math.fsum(there)
            for g, m in zip(gain, mine, strict=True)
        ]
        assert row == pytest.approx(expected, rel=1e-12, abs=0)
        if k:
            assert math.fsum(row) == pytest.approx(1, abs=1e-12)
            assert min(p for p, m in zip(row, mine, strict=True) if m) >= floor / k * (1 - 1e-12)
        if k == 1:
            assert max(row) == 1.0


def test_a_gain_is_what_a_policy_earns_beyond_its_baseline():
    """By hand, from the model's own numbers, and as the weights are stored."""
    users, model = people(3), MODELS["home"]
    expected, weights = model.expected_rewards(users), model.weights(users, FLOOR)
    assert expected.shape == weights.shape == (3, 3)
    for row, (e, w) in enumerate(zip(expected.tolist(), weights.tolist(), strict=True)):
        value = math.fsum(x * y for x, y in zip(e, w, strict=True)) / math.fsum(w)
        assert gains(model, users, FLOOR, "nothing")[row] == pytest.approx(value - e[2], rel=1e-12)
        assert gains(model, users, FLOOR)[row] == pytest.approx(value, rel=1e-12)
    assert (gains(model, users, FLOOR, "a") == 0).all()  # nobody gains less than nothing


def test_a_model_without_a_view_of_rewards_has_no_gain():
    assert np.isnan(gains(uniform(), people(3), FLOOR)).all()


def test_a_baseline_that_is_not_on_offer_is_told():
    with pytest.raises(ContractError, match=r"issue_choice.baseline: 'z' is not among the arms c, nothing"):
        gains(MODELS["mail"], people(1), FLOOR, "z")


def test_neither_the_order_of_users_nor_chunks_nor_the_order_of_issues_have_a_say(monkeypatch):
    users = people(100)
    found = draw(MODELS).choices(concerned(users))
    assert found.schema == ISSUE_CHOICES
    assert found["user_id"].to_pylist() == sorted(users["user_id"].to_pylist())
    order = np.random.default_rng(3).permutation(100)
    turned = {issue: of.take(np.argsort(order[: of.num_rows])) for issue, of in concerned(users).items()}
    assert draw(MODELS).choices(dict(reversed(turned.items()))).equals(found)
    monkeypatch.setattr("nightslate.kernels.scoring.CHUNK", 7)
    assert draw(MODELS).choices(concerned(users)).equals(found)


def test_a_rerun_draws_the_same_and_another_day_anew():
    users = people(300)
    tonight = draw(MODELS).choices(concerned(users))["issue"].to_pylist()
    tomorrow = draw(MODELS, slate_date=date(2026, 11, 18)).choices(concerned(users))["issue"].to_pylist()
    assert draw(MODELS).choices(concerned(users))["issue"].to_pylist() == tonight
    assert sum(one != other for one, other in zip(tonight, tomorrow, strict=True)) > 50


def test_nobody_is_concerned():
    nobody = {issue: people(2).slice(0, 0) for issue in ARMS}
    assert draw(MODELS).choices(nobody).num_rows == 0


def slates_of(users, choices):
    """What is published of all issues, one slot each."""
    parts = []
    for issue, model in MODELS.items():
        how = Scoring(
            "shop", issue, DAY, 1, FLOOR, Assignment.at_first("shop", {"all": 1.0}, DAY), {"all": model}
        )
        parts.append(how.scored(drawn_for(users, choices, issue)))
    return pa.concat_tables(parts)


def enumerated(row, users, at):
    """The joint law of (issue, arm) of one user: by its choice's row, and the weights of each issue."""
    law = {}
    for issue, chance in zip(row["issues"], row["probabilities"], strict=True):
        weights = MODELS[issue].weights(users.slice(at, 1), FLOOR)[0].tolist()
        for arm, weight in zip(ARMS[issue], weights, strict=True):
            law[issue, arm] = chance * weight / math.fsum(weights)
    return law


def test_what_is_published_is_of_the_joint_law_of_issue_and_arm():
    """Of each user the law sums to 1, and what its slate says of what it shows is its probability there."""
    users = people(200)
    choices = draw(MODELS).choices(concerned(users))
    rows = {row["user_id"]: row for row in choices.to_pylist()}
    place = {user: at for at, user in enumerate(users["user_id"].to_pylist())}
    slates = slates_of(users, choices).to_pylist()
    assert sorted(slate["user_id"] for slate in slates) == sorted(rows)
    for slate in slates:
        user = slate["user_id"]
        law = enumerated(rows[user], users, place[user])
        assert math.fsum(law.values()) == pytest.approx(1, abs=1e-12)
        published = slate["issue_probability"] * slate["propensities"][0]
        assert published == pytest.approx(law[slate["issue"], slate["ranking"][0]], rel=1e-12)


def test_issues_are_drawn_with_the_probabilities_that_they_state():
    users = people(20_000)
    choices = draw(MODELS).choices(dict.fromkeys(ARMS, users))
    chances = np.array(choices["probabilities"].to_pylist())
    for column, issue in enumerate(sorted(ARMS)):
        share, expected = np.mean(np.array(choices["issue"].to_pylist()) == issue), chances[:, column].mean()
        assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / 20_000)


def test_importance_weights_have_mean_1_over_a_hundred_thousand_draws():
    """Of one user whom all issues concern, on as many days: over all draws with the probability of both, and
    over those of each issue with what `given_issue` makes of it. Divided by the wrong one they have not."""
    n, dice = 100_000, np.random.default_rng(11)
    found = draw(MODELS).choices({issue: people(1) for issue in ARMS}).to_pylist()[0]
    chances = np.array([found["probabilities"]])
    keys = dice.integers(0, 2**63, n, dtype=np.uint64)
    issue_of = drawn(np.repeat(chances, n, axis=0), keys, "shop", DAY)
    over_all = np.zeros(n)
    for column, issue in enumerate(found["issues"]):
        at, arms = np.flatnonzero(issue_of == column), ARMS[issue]
        logging = MODELS[issue].weights(people(1), FLOOR)[0].astype(np.float64)
        logging /= logging.sum()
        shown, target = dice.choice(len(arms), at.size, p=logging), np.arange(1, len(arms) + 1) / 1.0
        target /= target.sum()
        impressions = pa.table(
            {
                "slot": pa.array(np.ones(at.size), pa.int32()),
                "propensity": logging[shown] * chances[0, column],
                "propensity_kind": ["conditional"] * at.size,
                "issue_probability": np.full(at.size, chances[0, column]),
            }
        )
        given_it = given_issue(impressions)["propensity"].to_numpy()
        assert given_it == pytest.approx(logging[shown], rel=1e-12)
        sample = Sample(np.zeros(at.size), given_it, target[shown])
        error = sample.weight.std() / math.sqrt(at.size)
        assert abs(sample.weight.mean() - 1) < 4 * error
        undivided = target[shown] / impressions["propensity"].to_numpy()
        assert abs(undivided.mean() - 1) > 20 * error
        over_all[at] = target[shown] / len(found["issues"]) / impressions["propensity"].to_numpy()
    assert abs(over_all.mean() - 1) < 4 * over_all.std() / math.sqrt(n)


def test_propensities_given_the_issue_are_left_alone_where_it_is_no_factor():
    rows = {
        "slot": pa.array([1, 2, 1, 2, 1], pa.int32()),
        "propensity": [0.1, 0.5, 0.1, 0.2, 0.3],
        "propensity_kind": ["conditional", "conditional", "marginal", "marginal", "marginal"],
        "issue_probability": pa.array([0.5, 0.5, 0.5, 0.5, None]),
    }
    found = given_issue(pa.table(rows))
    assert found["propensity"].to_pylist() == pytest.approx([0.2, 0.5, 0.2, 0.4, 0.3], rel=1e-15)
    assert "issue_probability" not in found.column_names
    unsaid = pa.table({**rows, "issue_probability": pa.nulls(5, pa.float64())})
    assert given_issue(unsaid)["propensity"].to_pylist() == rows["propensity"]
    without = pa.table({"slot": rows["slot"]})
    assert given_issue(without).equals(without)


USERS = people(60)
CHOICES = draw(MODELS).choices(concerned(USERS))


def audited(choices=CHOICES, of=None, slates=None, floor=OF_ISSUES):
    slates = slates_of(USERS, CHOICES).select(["user_id", "issue"]) if slates is None else slates
    found = choice_faults(choices, of or concerned(USERS), slates, "shop", DAY, floor)
    return {(row["fault"], row["id"]) for row in found.to_pylist()}


def changed(**columns):
    """The choices, of which those of a user whom three issues concern have other columns."""
    rows = CHOICES.to_pylist()
    at = next(place for place, row in enumerate(rows) if len(row["issues"]) == 3)
    rows[at] = {**rows[at], **{name: change(rows[at]) for name, change in columns.items()}}
    return pa.Table.from_pylist(rows, ISSUE_CHOICES), rows[at]["user_id"]


def test_sound_choices_have_no_fault():
    assert audited() == set()
    unseen = {**MODELS, "mail": uniform(ARMS["mail"])}
    found = draw(unseen).choices(concerned(USERS))
    slates = found.select(["user_id", "issue"])
    assert None in {gain for gains in found["gains"].to_pylist() for gain in gains}
    assert audited(found, slates=slates) == set()
    nobody = {issue: USERS.slice(0, 0) for issue in ARMS}
    assert audited(CHOICES.slice(0, 0), nobody, slates.slice(0, 0)) == set()


GAINS = "a probability is not the one its gains give"
HASH = "the issue is not the one its hash draws"
NAMES = "issues are not those that concern the user, by name"
OWN = "probability is not that of the issue"
OTHER = "a slate is of another issue than was drawn for its user"


def another(row):
    return next(issue for issue in row["issues"] if issue != row["issue"])


def probability_of_another(row):
    return row["probabilities"][row["issues"].index(another(row))]


@pytest.mark.parametrize(
    ("columns", "faults"),
    [
        ({"probabilities": lambda row: [p * (1 + 1e-11) for p in row["probabilities"]],
          "probability": lambda row: row["probability"] * (1 + 1e-11)}, {GAINS}),
        ({"probability": lambda row: row["probability"] * (1 + 1e-11)}, {OWN}),
        ({"gains": lambda row: [gain + 1e-9 * place for place, gain in enumerate(row["gains"])]}, {GAINS}),
        ({"gains": lambda row: [None, *row["gains"][1:]]}, {GAINS}),
        ({"gains": lambda row: [-row["gains"][0], *row["gains"][1:]]},
         {GAINS, "a gain is negative or infinite"}),
        ({"issue": another, "probability": probability_of_another}, {HASH, OTHER}),
        ({"issue": lambda row: row["user_id"]}, {HASH, OTHER}),
        ({"issues": lambda row: [*row["issues"][:2], "nowhere"]}, {NAMES}),
        ({"probabilities": lambda row: row["probabilities"][:2]},
         {"issues, probabilities or gains have the wrong length"}),
    ],
)  # fmt: skip
def test_each_change_of_a_row_is_found(columns, faults):
    choices, user = changed(**columns)
    found = audited(choices)
    assert {fault for fault, _ in found} >= faults
    assert {named for _, named in found} == {user}


def test_lists_in_another_order_draw_otherwise_and_are_found():
    turned = {name: lambda row, name=name: row[name][::-1] for name in ("issues", "probabilities", "gains")}
    choices, user = changed(**turned)
    assert (NAMES, user) in audited(choices)


def test_who_is_missing_or_too_much_is_found():
    users, slates = CHOICES["user_id"].to_pylist(), slates_of(USERS, CHOICES).select(["user_id", "issue"])
    assert audited(CHOICES.slice(1)) == {
        ("a user whom an issue concerns got none", users[0]),
        (OTHER, users[0]),
    }
    assert audited(pa.concat_tables([CHOICES, CHOICES.slice(0, 1)])) >= {
        ("a user has more than one issue", users[0])
    }
    home = concerned(USERS, ("home",))["home"]
    fewer = {**concerned(USERS), "home": home.filter(pa.array(np.arange(home.num_rows) > 0))}
    first = home["user_id"][0].as_py()
    assert (NAMES, first) in audited(of=fewer)
    first_slate = slates.slice(0, 1)
    user, issue = first_slate.to_pylist()[0].values()
    twice = first_slate.set_column(1, "issue", pa.array(["push" if issue != "push" else "home"]))
    assert audited(slates=pa.concat_tables([slates, twice])) == {
        ("a user has slates of more than one issue", user),
        (OTHER, user),
    }
    stranger = pa.table({"user_id": ["f" * 32], "issue": ["home"]})
    assert audited(slates=pa.concat_tables([slates, stranger])) == {(OTHER, "f" * 32)}


def test_another_floor_or_another_day_is_found():
    assert {fault for fault, _ in audited(floor=0.3)} == {GAINS}
    slates = CHOICES.select(["user_id", "issue"])
    found = choice_faults(CHOICES, concerned(USERS), slates, "shop", date(2026, 11, 18), OF_ISSUES)
    assert {*found["fault"].to_pylist()} == {HASH}


def test_draws_are_uniform_and_of_the_user_alone():
    users = people(5000)
    found = draws(user_keys(users), "shop", DAY)
    assert abs(found.mean() - 0.5) < 4 / math.sqrt(12 * 5000)
    assert (draws(user_keys(users.slice(7, 3)), "shop", DAY) == found[7:10]).all()
    assert (draws(user_keys(users), "other", DAY) != found).all()


def test_variants_gain_by_models_of_their_own():
    """Randomised users, whose model has no view, have even chances."""
    of = replace(
        policies(MODELS)["home"],
        assignment=Assignment.at_first("shop", {"learned": 0.5, "random": 0.5}, DAY),
        variants={"learned": MODELS["home"], "random": uniform(ARMS["home"])},
    )
    users = people(100)
    variant = of.assignment.variants(user_keys(users))
    assert (np.isnan(of.gains(users, "nothing")) == (variant == "random")).all()
    rows = IssueDraw("shop", DAY, 0.2, "nothing", {**policies(MODELS), "home": of}).choices(concerned(users))
    for row in rows.to_pylist():
        if None in row["gains"]:
            assert row["probabilities"] == [1 / len(row["issues"])] * len(row["issues"])
