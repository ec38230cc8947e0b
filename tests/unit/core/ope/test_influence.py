"""A unit that makes an estimate by itself."""

from dataclasses import replace

import numpy as np
import pytest

from nightslate.core.hashing import mix
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.intervals import Delta
from nightslate.core.ope.results import results
from nightslate.core.ope.sample import Sample
from nightslate.core.ope.trajectory_sample import TrajectorySample

EACH = mix(np.arange(300, dtype=np.uint64), 1)
ESTIMATORS = ("ips", "snips", "clipped_ips", "dr", "replay")


def estimated(sample, *estimators, parts=1, named=True):
    """The line of each estimator, of an evaluation that was merged from parts."""
    state = EvaluationState.initial(("p",), estimators)
    for rows in np.array_split(np.arange(300), parts):
        name_of = (lambda unit, rows=rows: f"row {rows[unit]}") if named else None
        state = state.merge(
            EvaluationState.initial(("p",), estimators).update([sample.take(rows)], EACH[rows], name_of)
        )
    state = EvaluationState.from_arrays(state.arrays())
    return {line.estimator: line for line in results(state, interval=Delta())}


def log(odd=0.0):
    draw = np.random.default_rng(1)
    rewards = (draw.random(300) < 0.35).astype(float)
    q = np.full(300, 0.35)
    q[17] += odd
    return Sample(rewards, np.full(300, 0.5), np.full(300, 0.5), q_logged=np.full(300, 0.35), v_target=q)


def moved(numerators, denominators, cluster=EACH):
    """What each unit moves the ratio by, and the standard error without it, unit by unit."""
    ratio = numerators.sum() / denominators.sum()
    moves = (numerators - ratio * denominators) / denominators.sum()
    _, of_cluster = np.unique(cluster, return_inverse=True)
    k, others = of_cluster.max() + 1, []
    for unit in range(moves.size):
        rest = np.where(np.arange(moves.size) == unit, 0.0, moves)
        others.append(np.sqrt(np.square(np.bincount(of_cluster, rest)).sum() - moves[unit] ** 2 / (k - 1)))
    return moves, np.array(others)


@pytest.mark.parametrize("parts", [1, 7, 300])
def test_a_row_of_which_a_model_expects_far_too_much_is_found(parts):
    """-230 in one of 300 rows moves the mean by -0.77."""
    sample = log(odd=-230.0)
    line = estimated(sample, "dr", parts=parts)["dr"]
    moves, others = moved(sample.v_target + sample.reward - sample.q_logged, np.ones(300))
    assert line.made_by == "row 17"
    assert line.moves == pytest.approx(moves[17]) == pytest.approx(-230 / 300, rel=0.01)
    assert line.stderr_of_others == pytest.approx(others[17]) == pytest.approx(0.0275, abs=0.001)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_row_with_a_large_weight_is_found_whether_it_won_or_lost(side):
    """With snips a heavy row without a reward moves the value as one with it does."""
    sample = log()
    row = np.arange(300) == 23
    heavy = replace(
        sample,
        propensity=np.where(row, 0.005, 0.5),
        reward=np.where(row, (1 + side) / 2, sample.reward),
    )
    line = estimated(heavy, "snips")["snips"]
    moves, others = moved(heavy.weight * heavy.reward, heavy.weight)
    assert line.made_by == "row 23"
    assert np.sign(line.moves) == side
    assert line.moves == pytest.approx(moves[23])
    assert line.stderr_of_others == pytest.approx(others[23])


def test_of_a_unit_the_rest_of_its_cluster_is_with_the_others():
    """Sixty users of five rows each; all of the odd row's user earned."""
    sample, cluster = log(odd=-230.0), mix(np.arange(300, dtype=np.uint64) // 5, 1)
    sample = replace(sample, reward=np.where(np.arange(300) // 5 == 3, 1.0, sample.reward))
    state = EvaluationState.initial(("p",), ("dr",)).update([sample], cluster, "row {}".format)
    (line,) = results(state, interval=Delta())
    moves, others = moved(sample.v_target + sample.reward - sample.q_logged, np.ones(300), cluster)
    assert line.made_by == "row 17"
    assert (line.moves, line.stderr_of_others) == pytest.approx((moves[17], others[17]))


def test_rows_that_are_like_others_are_not():
    lines = estimated(log(), *ESTIMATORS)
    assert {line.made_by for line in lines.values()} == {None}


def test_the_only_reward_of_all_is_but_neither_of_two_and_without_any_nothing_is():
    one, two, none = (
        replace(log(), reward=np.isin(np.arange(300), places).astype(float))
        for places in ([42], [42, 43], [])
    )
    assert estimated(one, "snips")["snips"].made_by == "row 42"
    assert estimated(two, "snips")["snips"].made_by is None
    assert estimated(none, "ips")["ips"].made_by is None


def test_a_model_alone_rests_on_none_and_units_without_names_are_not_told():
    sample = log(odd=-230.0)
    assert estimated(sample, "dm")["dm"].made_by is None
    assert estimated(sample, "dr", named=False)["dr"].made_by is None


def test_a_trajectory_with_a_large_weight_is_found_in_ratios_by_step():
    rng, n, steps = np.random.default_rng(3), 300, 3
    trajectory, step = np.repeat(np.arange(n), steps), np.tile(np.arange(1, steps + 1), n)
    propensity, target = np.full(n * steps, 0.5), np.full(n * steps, 0.5)
    propensity[trajectory == 99] = 0.01
    reward = (rng.random(n * steps) < 0.3).astype(float)
    reward[trajectory == 99] = 1.0
    columns = {"reward": reward, "propensity": propensity, "target_propensity": target}
    sample = TrajectorySample.of_rows(trajectory, step, columns, steps, 1.0)
    state = EvaluationState.initial(("p",), ("tis", "pdis", "snpdis"), slots=steps)
    lines = results(state.update([sample], EACH, "trajectory {}".format), interval=Delta())
    assert {line.estimator: line.made_by for line in lines} == dict.fromkeys(
        ("tis", "pdis", "snpdis"), "trajectory 99"
    )
