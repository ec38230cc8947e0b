"""What cohorts say, against figures by hand: every day by the models of before it, and by nothing else."""

import hashlib
import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from nightslate.core.evidence import BETS, Stakes
from nightslate.core.ope.results import results
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.popularity import PopularityPolicy
from nightslate.kernels.cross_fitting import LOGGED, CrossFit, Evaluator
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.evidence import EARNED, Evidence, Pair
from nightslate.kernels.progressive import Cohort, Cohorts, Progressive
from nightslate.kernels.scoring import ScoredBy

PROGRAM, FLOOR, ARMS = "shop", 0.2, ("a", "b", "c")
FIRST = date(2026, 3, 1)
DAYS = (FIRST, FIRST + timedelta(days=1), FIRST + timedelta(days=2))
STAKES = Stakes(0.0, 2.0, max_units=4)
KNOWN = {
    DAYS[0]: {"bold": (0.1, 0.7, 0.0), "shy": (0.3, 0.3, 0.3)},
    DAYS[1]: {"bold": (0.9, 0.0, 0.2), "shy": (0.1, 0.3, 0.2)},
}
"""What the models of before each day expect of the arms."""


def user(number):
    return hashlib.sha256(f"user {number}".encode()).hexdigest()[:32]


def rows(days=DAYS, users=30):
    """Each user sees each arm once a day, as a uniform policy shows them on average."""
    shown = [
        {
            "user_id": user(u),
            "impression_id": f"{day}-{u}-{arm}-1",
            "decision_id": f"{day}-{u}-{arm}",
            "occurred_at": datetime(day.year, day.month, day.day, 9, tzinfo=UTC),
            "slot": 1,
            "arm_id": arm,
            "propensity": 1 / 3,
            "reward": float((u * 7 + place * 5 + day.day * 3) % 3 == 0) * (1 + place),
            "eligible_arms": None,
            "propensity_kind": "marginal",
            "policy": "shy" if u % 3 == 0 else None,
        }
        for day in days
        for u in range(users)
        for place, arm in enumerate(ARMS)
    ]
    schema = pa.schema(
        [
            ("user_id", pa.string()),
            ("impression_id", pa.string()),
            ("decision_id", pa.string()),
            ("occurred_at", pa.timestamp("us", "UTC")),
            ("slot", pa.int32()),
            ("arm_id", pa.string()),
            ("propensity", pa.float64()),
            ("reward", pa.float64()),
            ("eligible_arms", pa.list_(pa.string())),
            ("propensity_kind", pa.string()),
            ("policy", pa.string()),
        ]
    )
    return pa.Table.from_pylist(shown, schema)


def model(name, expected, arms=ARMS):
    return ScoredBy(name, "0" * 64, arms, Encoder((), ()), PopularityPolicy(np.array(expected)))


def progressive(by_day=None, learners=("bold", "shy"), stakes=STAKES, arms=ARMS):
    """Tonight's own models expect something else of every arm, so that a mix-up would show."""
    tonight = PopularityPolicy(np.array([0.5, 0.4, 0.3])[: len(arms)])
    names = {"bold": [tonight, tonight], "shy": [tonight, tonight]}
    how = Evaluator(
        arms=arms,
        supported=np.ones(len(arms), dtype=bool),
        encoder=Encoder((), ()),
        floor=FLOOR,
        estimators=("ips", "dr"),
        slots=1,
        crossfit=CrossFit(names, [tonight, tonight]),
    )
    known = KNOWN if by_day is None else by_day
    cohorts = {
        day: Cohort({name: model(name, expected) for name, expected in models.items()}, stakes)
        for day, models in known.items()
    }
    return Progressive(Cohorts(learners, cohorts), how, frozenset(ARMS), PROGRAM)


def found(how, table):
    return how.found(dict(how.update(table)))[1]


def values(state):
    return {(e.policy, e.estimator): e for e in results(state) if e.reference is None}


def chances(expected):
    weights = mix_floor(PopularityPolicy(np.array(expected)).weights(np.ones((1, 1))), FLOOR)[0].astype(float)
    return dict(zip(ARMS, weights / weights.sum(), strict=True))


def weight(name, row):
    return chances(KNOWN[row["occurred_at"].date()][name])[row["arm_id"]] / row["propensity"]


def in_cohorts(table):
    return [row for row in table.to_pylist() if row["occurred_at"].date() in KNOWN]


def test_each_day_is_weighed_by_the_models_of_before_it_and_other_days_do_not_count():
    table = rows()
    by_policy = values(found(progressive(), table).estimates[0])
    for name in ("bold", "shy"):
        by_hand = np.mean([weight(name, row) * row["reward"] for row in in_cohorts(table)])
        assert by_policy[name, "ips"].value == pytest.approx(by_hand, rel=1e-7)
        assert by_policy[name, "ips"].n == 180
        assert by_policy[name, "ips"].clusters == 30
    assert by_policy[LOGGED, "ips"].value == pytest.approx(np.mean([r["reward"] for r in in_cohorts(table)]))


def test_doubly_robust_estimates_are_right_whatever_is_expected_of_arms_that_are_gone_by_now():
    """Each user saw each arm: the mean weighted residual of any model is what it lacks."""
    table = rows()
    here, fewer = (values(found(progressive(arms=arms), table).estimates[0]) for arms in (ARMS, ARMS[:2]))
    for name in ("bold", "shy"):
        by_hand = np.mean([weight(name, row) * row["reward"] for row in in_cohorts(table)])
        assert here[name, "dr"].value == pytest.approx(by_hand, rel=1e-7)
        assert fewer[name, "dr"].value == pytest.approx(by_hand, rel=1e-7)


def test_the_terms_are_those_of_the_users_of_a_day():
    table = rows()
    terms = found(progressive(), table).evidence.terms
    assert {pair.shown for pair in terms} == {*KNOWN}
    for day in KNOWN:
        won = dict.fromkeys(map(user, range(30)), 0.0)
        for row in (row for row in in_cohorts(table) if row["occurred_at"].date() == day):
            y, w, v = row["reward"] / 2, weight("bold", row), weight("shy", row)
            v = 1.0 if row["policy"] == "shy" else v
            won[row["user_id"]] += w * min(y, 1) + v * (1 - min(y, 1)) - 1
        term = terms[Pair(day, "difference", "bold", "shy")]
        by_hand = [sum(math.log1p(bet * x / 4) for x in won.values()) for bet in BETS]
        np.testing.assert_allclose(term.log_growth, by_hand, rtol=1e-6, atol=1e-9)
        assert (term.users, term.units, term.clipped) == (
            30,
            90,
            sum(row["reward"] > 2 for row in in_cohorts(table) if row["occurred_at"].date() == day),
        )


def test_what_a_policy_earned_is_what_came_where_it_chose_itself():
    table = rows()
    terms = found(progressive(), table).evidence.terms
    for day in KNOWN:
        came = [
            min(row["reward"], 2) / 2
            for row in in_cohorts(table)
            if row["occurred_at"].date() == day and row["policy"] == "shy"
        ]
        earned, negated = (terms[Pair(day, about, "shy", None)] for about in EARNED)
        assert earned.total == pytest.approx(sum(came), rel=1e-12)
        assert negated.total == pytest.approx(len(came) - sum(came), rel=1e-12)
        assert (earned.users, earned.units) == (10, 30)
        assert Pair(day, "earned", "bold", None) not in terms


def test_nothing_is_bet_where_nothing_was_known_of_rewards_but_estimates_are_made():
    result = found(progressive(stakes=None), rows())
    assert not result.evidence.terms
    assert [state.n for state in result.estimates] == [180]


def test_a_day_on_which_a_learner_had_no_model_speaks_for_the_others_alone():
    by_day = {DAYS[0]: KNOWN[DAYS[0]], DAYS[1]: {"shy": KNOWN[DAYS[1]]["shy"]}}
    result = found(progressive(by_day), rows())
    of_shy, of_both = result.estimates
    assert (of_shy.policies, of_shy.n) == ((LOGGED, "shy"), 180)
    assert (of_both.policies, of_both.n) == ((LOGGED, "bold", "shy"), 90)
    both = found(progressive({DAYS[0]: KNOWN[DAYS[0]]}), rows()).estimates[0]
    assert values(of_both) == values(both), "what the two are compared by is of days that both have"
    compared = {(p.shown, p.policy) for p in result.evidence.terms if p.about == "difference"}
    assert compared == {(DAYS[0], "bold"), (DAYS[0], "shy")}
    valued = {(p.shown, p.policy) for p in result.evidence.terms if p.about == "value"}
    assert valued == {(DAYS[0], "bold"), (DAYS[0], "shy"), (DAYS[1], "shy")}


def test_days_of_learners_that_overlap_are_shared_by_those_that_have_them():
    models = dict.fromkeys(("a", "b", "c"), KNOWN[DAYS[0]]["shy"])
    by_day = {
        day: {name: models[name] for name in names}
        for day, names in {DAYS[0]: "ab", DAYS[1]: "abc", DAYS[2]: "bc"}.items()
    }
    cohorts = progressive(by_day, learners=("a", "b", "c")).cohorts
    assert [(c.learners, c.days) for c in cohorts.comparisons] == [
        (("b",), {*DAYS[:3]}),
        (("a", "b"), {DAYS[0], DAYS[1]}),
        (("b", "c"), {DAYS[1], DAYS[2]}),
        (("a", "b", "c"), {DAYS[1]}),
    ]


def test_users_may_come_in_any_buckets_and_their_states_travel():
    table, how = rows(), progressive()
    together = found(how, table)
    mine = pa.array([int(name[:2], 16) % 2 == 0 for name in table["user_id"].to_pylist()])
    one, other = found(how, table.filter(mine)), found(how, table.filter(pa.compute.invert(mine)))
    merged = Evidence.from_arrays(one.evidence.arrays()).merge(Evidence.from_arrays(other.evidence.arrays()))
    assert merged.terms.keys() == together.evidence.terms.keys()
    for pair, term in merged.terms.items():
        np.testing.assert_allclose(term.log_growth, together.evidence.terms[pair].log_growth, rtol=1e-9)
    estimates = one.estimates[0].merge(other.estimates[0])
    assert values(estimates)["bold", "dr"].value == pytest.approx(
        values(together.estimates[0])["bold", "dr"].value, rel=1e-12
    )


def test_evidence_of_nobody_travels_too():
    assert Evidence.from_arrays(Evidence.initial().arrays()).terms == {}


def test_where_slates_are_tilted_a_policy_is_weighed_alike_wherever_it_chose_or_not():
    """With goals a policy's own slates are worth less than its model: 1 would be another policy's weight."""
    how = progressive(
        learners=("shy", "twin"), by_day={DAYS[0]: {"shy": (0.1, 0.7, 0.0), "twin": (0.1, 0.7, 0.0)}}
    )
    pair = Pair(DAYS[0], "difference", "twin", "shy")
    table = rows()
    assert found(how, table).evidence.terms[pair].total != 0, "what shy chose has a weight of 1"
    tilted = replace(how, cohorts=replace(how.cohorts, tilted=True))
    term = found(tilted, table).evidence.terms[pair]
    assert term.total == pytest.approx(0, abs=1e-9)
    assert np.abs(term.log_growth).max() == pytest.approx(0, abs=1e-9), "nothing sets equal policies apart"
    own = Pair(DAYS[0], "earned", "shy", None)
    assert found(tilted, table).evidence.terms[own].total == found(how, table).evidence.terms[own].total
