"""What an evaluation makes of matured rows, against enumerations by hand."""

import hashlib
from itertools import permutations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from nightslate.core.ope.intervals import Bootstrap
from nightslate.core.ope.results import results
from nightslate.core.policies.exploration import mix_floor
from nightslate.core.policies.popularity import PopularityPolicy
from nightslate.kernels import cross_fitting as evaluation
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.cross_fitting import LOGGED, CrossFit, Evaluator, by_users
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.examination import Examination
from nightslate.kernels.rewards import folds_of

ARMS = ("a", "b", "c", "d")
PROGRAM, FOLDS, FLOOR = "shop", 2, 0.2
EXPECTED = (np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.9, 0.1, 0.5, 0.0]))
"""What the policy of each fold expects of the arms: they differ, so that a mix-up shows."""


def user(number):
    return hashlib.sha256(f"user {number}".encode()).hexdigest()[:32]


EXAMINED = (
    Examination(("app", None), np.array([[1.0, 0.5, 0.25], [1.0, 0.9, 0.8]])),
    Examination(("app", None), np.array([[1.0, 0.4, 0.1], [1.0, 0.7, 0.6]])),
)
"""How likely slots are looked at, for the users of each fold."""


def evaluator(supported=(True,) * 4, arms=ARMS, slots=1, examination=()):
    places = [ARMS.index(arm) for arm in arms]
    policies = [PopularityPolicy(expected[places]) for expected in EXPECTED]
    return Evaluator(
        arms=arms,
        supported=np.array(supported),
        encoder=Encoder((), ()),
        floor=FLOOR,
        estimators=("sips", "rips", "snrips", "cascade_dr") if slots > 1 else ("ips", "snips", "dr"),
        slots=slots,
        crossfit=CrossFit({"popularity": policies}, policies, examination),
    )


def matured(rows, decisions=None, eligible=None, kind="marginal"):
    """(user, slot, arm, propensity, reward) as the rows that samples makes; each a decision of its own, and
    with all arms eligible, unless said."""
    users, slots, arms, propensities, rewards = zip(*rows, strict=True)
    return pa.table(
        {
            "user_id": [user(number) for number in users],
            "slot": pa.array(slots, pa.int32()),
            "arm_id": list(arms),
            "propensity": pa.array(propensities, pa.float64()),
            "propensity_kind": pa.array([kind] * len(rows), pa.string()),
            "reward": pa.array(rewards, pa.float64()),
            "impression_id": [f"i{row}" for row in range(len(rows))],
            "decision_id": pa.array(decisions or [str(row) for row in range(len(rows))], pa.string()),
            "eligible_arms": pa.array([eligible] * len(rows), pa.list_(pa.string())),
        }
    )


def every_arm_once(users=range(20), slots=(1, 2, 3)):
    """Logs that show each user each arm once in each slot, as a uniform policy does on average."""
    return matured(
        [
            (u, slot, arm, 0.25, float((u * 7 + slot * 3 + place * 5) % 4 == 0))
            for u in users
            for slot in slots
            for place, arm in enumerate(ARMS)
        ]
    )


def update(rows, how=None, state=None):
    how = how or evaluator()
    state = state or how.initial(PROGRAM)
    for mine in by_users(rows):
        state = how.weigh(state, mine, PROGRAM)
    return state


def values(state):
    """Estimates by policy and estimator."""
    return {
        (e.policy, e.estimator): e for e in results(state, interval=Bootstrap(100)) if e.reference is None
    }


def in_slot(expected, slot):
    """By enumerating all rankings: the probability of each arm in the slot."""
    policy = PopularityPolicy(expected)
    weights = mix_floor(policy.weights(np.ones((1, 1))), FLOOR)[0].astype(float)
    found = np.zeros(len(weights))
    for ranking in permutations(range(len(weights))):
        left, chance = weights.sum(), 1.0
        for arm in ranking:
            chance *= weights[arm] / left
            left -= weights[arm]
        found[ranking[slot - 1]] += chance
    return found


def folds(rows):
    return folds_of(user_keys(rows), PROGRAM, FOLDS)


def by_hand(rows, column, examined=lambda _fold, _row: 1.0):
    """The mean of a row's figure under the policy of its user's fold."""
    targets = {(f, s): in_slot(EXPECTED[f], s) for f in range(FOLDS) for s in (1, 2, 3)}
    found = []
    for fold, row in zip(folds(rows), rows.to_pylist(), strict=True):
        target = targets[fold, row["slot"]]
        weight = target[ARMS.index(row["arm_id"])] / row["propensity"]
        q = EXPECTED[fold] * examined(fold, row)
        residual = weight * (row["reward"] - q[ARMS.index(row["arm_id"])])
        found.append({"ips": weight * row["reward"], "weight": weight, "dr": target @ q + residual}[column])
    return float(np.mean(found))


def test_both_folds_are_in_play():
    assert set(folds(every_arm_once())) == {0, 1}


def test_a_user_is_weighed_by_the_policy_that_was_fitted_without_its_fold():
    rows = every_arm_once()
    found = values(update(rows))
    assert found["popularity", "ips"].value == pytest.approx(by_hand(rows, "ips"), rel=1e-12)
    assert found["popularity", "dr"].value == pytest.approx(by_hand(rows, "dr"), rel=1e-12)
    assert found["popularity", "ips"].n == rows.num_rows


@pytest.mark.parametrize("slot", [1, 2, 3])
def test_the_expected_importance_weight_is_1(slot):
    for number in range(6):
        rows = every_arm_once(users=[number], slots=[slot])
        assert values(update(rows))["popularity", "ips"].mean_weight == pytest.approx(1, abs=1e-12)


def test_the_value_of_the_logged_policy_is_the_mean_reward():
    rows = matured([(n, 1, ARMS[n % 4], (n % 9 + 1) / 10, float(n % 3)) for n in range(60)])
    found = values(update(rows))
    for estimator in ("ips", "snips", "dr"):
        logged = found[LOGGED, estimator]
        assert logged.value == pytest.approx(np.mean([n % 3 for n in range(60)]), rel=1e-12)
        assert (logged.mean_weight, logged.max_weight, logged.ess) == (1, 1, 60)
        assert logged.unsupported_share == 0


def test_an_arm_that_is_gone_has_weight_0_but_its_rewards_were_earned():
    rows = matured([(n, 1, "gone", 0.5, 1.0) for n in range(10)])
    found = values(update(rows))
    assert found["popularity", "ips"].mean_weight == 0
    assert found["popularity", "ips"].value == 0
    assert found[LOGGED, "dr"].value == 1.0
    expected = np.mean([in_slot(EXPECTED[fold], 1) @ EXPECTED[fold] for fold in folds(rows)])
    assert found["popularity", "dr"].value == pytest.approx(expected, rel=1e-12)


def test_arms_are_matched_by_id_whatever_their_order():
    rows = every_arm_once()
    for key, estimate in values(update(rows, evaluator(arms=("d", "b", "a", "c")))).items():
        assert estimate.value == pytest.approx(values(update(rows))[key].value, rel=1e-12)


def test_the_mass_on_arms_that_the_logs_never_show_is_reported():
    rows = every_arm_once(slots=[2])
    found = values(update(rows, evaluator(supported=(True, False, True, False))))
    expected = np.mean([in_slot(EXPECTED[fold], 2)[[1, 3]].sum() for fold in folds(rows)])
    assert found["popularity", "ips"].unsupported_share == pytest.approx(expected, rel=1e-12)


def figures(state):
    """NaN where nothing varies."""
    found = [
        [e.value, e.stderr, e.lower, e.upper, e.ess, e.max_weight, e.mean_weight, e.unsupported_share]
        for e in results(state, interval=Bootstrap(100))
    ]
    return np.array(found, dtype=np.float64)


def test_rows_may_come_in_any_number_of_updates_and_states():
    rows = every_arm_once()
    together = figures(update(rows))
    halves = update(rows.slice(100), state=update(rows.slice(0, 100)))
    merged = update(rows.slice(33)).merge(update(rows.slice(0, 33)))
    shuffled = update(rows.take(np.random.default_rng(2).permutation(rows.num_rows)))
    for other in (halves, merged, shuffled):
        np.testing.assert_allclose(figures(other), together, rtol=1e-10)
    assert shuffled.clusters == 20


@pytest.mark.parametrize("slots", [1, 2])
def test_users_are_taken_some_at_a_time_each_with_all_rows(monkeypatch, slots):
    rows, how = every_ranking() if slots == 2 else every_arm_once(), evaluator(slots=slots)
    together = update(rows, how)
    monkeypatch.setattr(evaluation, "_ROWS_AT_ONCE", 20)
    in_parts = update(rows, how)
    np.testing.assert_allclose(figures(in_parts), figures(together), rtol=1e-10)
    assert (in_parts.clusters, in_parts.most_units) == (together.clusters, together.most_units)


def test_the_state_of_no_rows_has_no_figures():
    how = evaluator()
    assert {e.value for e in results(how.initial(PROGRAM))} == {None}


def test_a_target_chooses_among_the_arms_that_were_eligible():
    rows = matured([(n, 1, "a", 0.5, 1.0) for n in range(20)], eligible=["a", "c", "not an arm"])
    found = values(update(rows))["popularity", "ips"]
    chances = [in_slot(EXPECTED[fold], 1)[[0, 2]] for fold in folds(rows)]
    assert found.value == pytest.approx(
        np.mean([one / (one + other) / 0.5 for one, other in chances]), rel=1e-12
    )


def test_a_slot_that_the_eligible_arms_can_not_fill_shows_nothing():
    found = values(update(matured([(1, 3, "a", 0.5, 1.0)], eligible=["a", "c"])))["popularity", "dr"]
    assert (found.value, found.mean_weight) == (0, 0)


def every_ranking(users=range(12), slots=2, kind="conditional"):
    """Decisions of some slots that show each user each ranking once, as a uniform policy does on average."""
    rows, decisions = [], []
    for u in users:
        for number, ranking in enumerate(permutations(ARMS, slots)):
            for slot, arm in enumerate(ranking, start=1):
                reward = float((u * 7 + slot * 3 + ARMS.index(arm) * 5) % 4 == 0)
                of = len(ARMS) + 1 - slot if kind == "conditional" else len(ARMS)
                rows.append((u, slot, arm, 1 / of, reward))
                decisions.append(f"{u}-{number}-of-{slots}")
    return matured(rows, decisions, kind=kind)


def weights_of(fold):
    policy = PopularityPolicy(EXPECTED[fold])
    return mix_floor(policy.weights(np.ones((1, 1))), FLOOR)[0].astype(float)


def on_surfaces(rows):
    """Every third user's rows name a surface."""
    users = rows["user_id"].to_pylist()
    surfaces = ["app" if int(name[:8], 16) % 3 == 0 else None for name in users]
    return rows.append_column("surface", pa.array(surfaces, pa.string()))


def without_some(rows):
    """Without every seventh decision: where arms come as often as they should, no model matters."""
    number = pc.rank(rows["decision_id"], tiebreaker="dense").to_numpy()
    return rows.filter(pa.array(number % 7 > 0))


def examined(fold, row):
    """By hand, how likely the row's slot is looked at."""
    known = EXAMINED[fold]
    return known.probabilities[known.surfaces.index(row["surface"]), row["slot"] - 1]


def test_a_model_expects_less_of_a_slot_that_is_looked_at_less():
    rows = on_surfaces(without_some(every_arm_once()))
    assert set(rows["surface"].to_pylist()) == {"app", None}
    found = values(update(rows, evaluator(examination=EXAMINED)))
    assert found["popularity", "dr"].value == pytest.approx(by_hand(rows, "dr", examined), rel=1e-12)
    assert found["popularity", "ips"].value == pytest.approx(by_hand(rows, "ips"), rel=1e-12)


def cascade_by_hand(rows, examined=lambda _fold, _row: 1.0):
    """Reward-interaction IPS and cascade-DR, decision by decision."""
    decisions = {}
    for fold, row in zip(folds(rows), rows.to_pylist(), strict=True):
        decisions.setdefault(row["decision_id"], []).append((fold, row))
    rips, cascade = [], []
    for parts in decisions.values():
        left, weight, of_rewards, corrected = weights_of(parts[0][0]), 1.0, 0.0, 0.0
        for fold, row in sorted(parts, key=lambda part: part[1]["slot"]):
            q, arm = EXPECTED[fold] * examined(fold, row), ARMS.index(row["arm_id"])
            chances = left / left.sum()
            corrected += weight * (chances @ q)
            weight *= chances[arm] / row["propensity"]
            of_rewards += weight * row["reward"]
            corrected += weight * (row["reward"] - q[arm])
            left = np.where(np.arange(4) == arm, 0.0, left)
        rips.append(of_rewards)
        cascade.append(corrected)
    return np.mean(rips), np.mean(cascade)


def test_decisions_are_weighed_slot_by_slot_given_the_slots_before():
    rows = every_ranking()
    found = values(update(rows, evaluator(slots=2)))
    rips, cascade = cascade_by_hand(rows)
    assert found["popularity", "rips"].value == pytest.approx(rips, rel=1e-12)
    assert found["popularity", "cascade_dr"].value == pytest.approx(cascade, rel=1e-12)
    assert found["popularity", "sips"].mean_weight == pytest.approx(1, rel=1e-12)
    assert found["popularity", "sips"].n == 12 * 12
    assert found[LOGGED, "sips"].value == pytest.approx(2 * np.mean(rows["reward"].to_numpy()))


def test_a_model_expects_of_each_slot_of_a_decision_what_it_is_looked_at_for():
    rows = on_surfaces(without_some(every_ranking()))
    two = [Examination(known.surfaces, known.probabilities[:, :2]) for known in EXAMINED]
    found = values(update(rows, evaluator(slots=2, examination=two)))
    rips, cascade = cascade_by_hand(rows, examined)
    assert found["popularity", "rips"].value == pytest.approx(rips, rel=1e-12)
    assert found["popularity", "cascade_dr"].value == pytest.approx(cascade, rel=1e-12)


def test_the_order_of_rows_has_no_say_in_decisions():
    rows = every_ranking()
    shuffled = rows.take(np.random.default_rng(3).permutation(rows.num_rows))
    how = evaluator(slots=2)
    np.testing.assert_allclose(figures(update(shuffled, how)), figures(update(rows, how)), rtol=1e-10)


def test_a_decision_that_lacks_a_slot_is_left_out_and_a_shorter_one_is_not():
    whole = every_ranking(users=[3])
    how = evaluator(slots=2)
    one_slot = matured([(3, 1, "a", 0.25, 1.0)], ["short"])
    second_only = matured([(3, 2, "a", 0.5, 1.0)], ["cut"], kind="conditional")
    found = values(update(pa.concat_tables([whole, one_slot, second_only]), how))["popularity", "rips"]
    assert found.n == 13
    chance = in_slot(EXPECTED[folds(one_slot)[0]], 1)[0]
    alone = values(update(whole, how))["popularity", "rips"]
    assert found.value * 13 == pytest.approx(alone.value * 12 + chance / 0.25, rel=1e-12)


def test_an_arm_that_is_gone_ends_what_a_target_could_have_earned():
    rows = [(1, 1, "gone", 0.5, 0.0), (1, 2, "a", 0.5, 1.0)]
    rows = matured(rows, ["one", "one"], kind="conditional")
    assert values(update(rows, evaluator(slots=2)))["popularity", "rips"].value == 0


@pytest.mark.parametrize("kind", ["conditional", None])
def test_impressions_with_propensities_of_another_kind_are_weighed_in_the_first_slot_alone(kind):
    """History that was logged when the program said otherwise, or before rows said what they mean: where
    nothing stands before an arm, both kinds are one."""
    now, before = every_arm_once(), every_ranking()
    kinds = pa.array([kind] * before.num_rows, pa.string())
    before = before.set_column(before.column_names.index("propensity_kind"), "propensity_kind", kinds)
    found = values(update(pa.concat_tables([now, before])))["popularity", "ips"]
    assert found.n == now.num_rows + 12 * 12
    assert found.mean_weight == pytest.approx(1, abs=1e-12)
    firsts = before.filter(pc.equal(before["slot"], 1))
    assert found.value == pytest.approx(by_hand(pa.concat_tables([now, firsts]), "ips"), rel=1e-12)


def test_decisions_with_propensities_of_another_kind_are_left_out():
    now, before = every_ranking(), every_ranking(range(12, 24), kind="marginal")
    one_slot = every_ranking(range(24, 36), slots=1, kind="marginal")
    found = values(update(pa.concat_tables([now, before, one_slot]), evaluator(slots=2)))
    assert found["popularity", "sips"].n == 12 * 12 + 12 * 4
    assert found["popularity", "sips"].mean_weight == pytest.approx(1, abs=1e-12)
    assert found["popularity", "rips"].value == pytest.approx(
        cascade_by_hand(pa.concat_tables([now, one_slot]))[0], rel=1e-12
    )


def test_decisions_of_more_slots_than_the_program_has_now_are_left_out():
    now, before = every_ranking(), every_ranking(range(12, 14), slots=3)
    found = values(update(pa.concat_tables([now, before]), evaluator(slots=2)))
    assert found["popularity", "rips"] == values(update(now, evaluator(slots=2)))["popularity", "rips"]


def test_an_impression_that_alone_makes_an_estimate_is_named_whatever_part_it_is_in():
    """One propensity of a millionth among many of a quarter, in the second of two updates."""
    rows = [(u, 1, ARMS[u % 4], 0.25, float(u % 3 == 0)) for u in range(200)]
    rows[150] = (150, 1, "c", 1e-6, 1.0)
    shown = matured(rows)
    found = values(update(shown.slice(100), state=update(shown.slice(0, 100))))
    odd = found["popularity", "ips"]
    assert odd.made_by == found["popularity", "dr"].made_by == "impression i150"
    assert odd.moves == pytest.approx(odd.value, rel=0.05)
    assert odd.stderr_of_others < 0.1 * odd.moves
    assert found[LOGGED, "ips"].made_by is None


def test_a_decision_that_alone_makes_an_estimate_is_named():
    rows = [(u, slot, ARMS[(u + slot) % 4], 0.25, float(u % 3 == 0)) for u in range(200) for slot in (1, 2)]
    rows[300] = (150, 1, "c", 1e-6, 1.0)
    decisions = [f"d{u}" for u in range(200) for _ in (1, 2)]
    found = values(update(matured(rows, decisions, kind="conditional"), evaluator(slots=2)))
    assert found["popularity", "sips"].made_by == "decision d150"
