"""Exposure goals over all users of a day, however they lie in buckets."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet
import pytest
from tests.unit.frames.test_scoring import ARMS, DAY, people, scoring, split

from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.exposure_goals import Goal
from nightslate.frames.buckets import BucketInput
from nightslate.frames.exposure import solve_goals
from nightslate.frames.scoring import choose, slates_of
from nightslate.frames.steering import Steering
from nightslate.tables import DataFile

PEOPLE = people(120)
GROUPS = {"a": "x", "b": "x", "c": "y", "d": "y", "e": None}
GOALS = (Goal("few", (0, 1), share=0.3), Goal("third", (2,), exposures=60.0), Goal("met", (4,), share=0.01))


def how(**steering):
    return replace(scoring(split(0.8)), steering=Steering(**steering), randomised=frozenset({"random"}))


def in_buckets(folder, buckets):
    """Users dealt out to the buckets, in one file each."""
    files = []
    for bucket in range(buckets):
        path = folder / f"{buckets}-{bucket}.parquet"
        mine = PEOPLE.take(list(range(bucket, PEOPLE.num_rows, buckets)))
        pyarrow.parquet.write_table(mine, path)
        files.append(DataFile(path, DAY, bucket, mine.num_rows, path.stat().st_size))
    return BucketInput(files, PEOPLE.schema)


def solved(spark, folder, how, buckets, goals=GOALS, priorities=(1.0, 1.0, 1.0, 2.0, 1.0)):
    """The solution, and the slates by user."""
    choices = choose(spark, in_buckets(folder, buckets), how, buckets).persist()
    passes = []
    solution = solve_goals(choices, how, ARMS, goals, np.array(priorities), 2, 1e-4, passes.append)
    assert passes == list(range(1, solution.passes + 1))
    multipliers = dict(zip(ARMS, solution.multipliers.tolist(), strict=True))
    steered = replace(how, steering=replace(how.steering, multipliers=multipliers))
    rows = slates_of(choices, steered).toArrow().to_pylist()
    choices.unpersist()
    return solution, {row["user_id"]: row for row in rows}


def exposures(slates):
    """Of two slots, over all users, from the weights that are stored; by the definition."""
    total = dict.fromkeys(ARMS, 0.0)
    for slate in slates.values():
        weight = dict(zip(slate["candidates"], slate["weights"], strict=True))
        for first in ARMS:
            first_is = weight[first] / sum(weight.values())
            total[first] += first_is
            alike = {arm for arm in ARMS if slate["penalty"] and GROUPS[arm] == GROUPS[first] is not None}
            left = {arm: weight[arm] * (0.5 if arm in alike else 1) for arm in ARMS if arm != first}
            for arm in left:
                total[arm] += first_is * left[arm] / sum(left.values())
    return total


def test_goals_are_met_over_all_users_by_the_weights_as_stored(spark, tmp_path):
    """With a penalty, exposures are those of the rankings as they are drawn: under the penalty."""
    solution, slates = solved(spark, tmp_path, how(penalty=0.5, groups=GROUPS), 3)
    found = exposures(slates)
    assert sum(found.values()) == pytest.approx(2 * PEOPLE.num_rows)
    assert (found["a"] + found["b"]) / sum(found.values()) == pytest.approx(0.3, rel=1e-4)
    assert found["c"] == pytest.approx(60, rel=1e-4)
    assert list(solution.exposures) == pytest.approx(list(found.values()), rel=1e-6)
    assert solution.by_goal[2] == 1
    assert solution.multipliers[3] == 2
    uniform = [slate["weights"] for slate in slates.values() if slate["variant"] == "random"]
    assert uniform
    assert all(weights == pytest.approx([0.2] * 5) for weights in uniform)


def test_buckets_make_no_difference_and_a_rerun_is_equal_to_the_last_bit(spark, tmp_path):
    goals = GOALS[1:]
    (one, alone), (three, spread) = (solved(spark, tmp_path, how(), buckets, goals) for buckets in (1, 3))
    np.testing.assert_allclose(one.multipliers, three.multipliers, rtol=1e-9)
    assert {user: slate["ranking"] for user, slate in alone.items()} == {
        user: slate["ranking"] for user, slate in spread.items()
    }
    again, rerun = solved(spark, tmp_path, how(), 3, goals)
    np.testing.assert_array_equal(again.multipliers, three.multipliers)
    assert rerun == spread


def test_goals_that_cannot_be_met_are_named(spark, tmp_path):
    for goal in (Goal("most", (0,), share=0.6), Goal("half", (0,), share=0.49)):
        with pytest.raises(InvalidInputError, match=goal.name):
            solved(spark, tmp_path, how(), 1, (goal,))
