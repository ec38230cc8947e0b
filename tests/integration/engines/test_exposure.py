"""Exposure goals over all users of a day, however they lie in buckets and whoever goes over them."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.kernels.test_exposures import GROUPS, by_definition, how
from tests.unit.kernels.test_scoring import ARMS, DAY, people

from nightslate.contracts import arrow, load
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.exposure import Solution
from nightslate.core.policies.exposure_goals import Goal
from nightslate.engines import Input, LocalEngine, Work
from nightslate.kernels.assignments import ASSIGNMENTS
from nightslate.kernels.scoring import SLATES
from nightslate.pipeline.steps import score
from nightslate.tables import Warehouse

from .stored import stored

PEOPLE = people(120)
ALONE = LocalEngine(processes=1)
GOALS = (Goal("few", (0, 1), share=0.3), Goal("third", (2,), exposures=60.0), Goal("met", (4,), share=0.01))
PRIORITIES = (1.0, 1.0, 1.0, 2.0, 1.0)


@dataclass(frozen=True)
class Solved:
    """What a night with goals came to; `slates` by user, `files` by bucket in bytes."""

    solution: Solution
    slates: dict
    assignments: pa.Table
    files: list
    passes: list
    words: str


@pytest.fixture
def solved(tmp_path, monkeypatch, capsys):
    """Scores users with goals, as a night does; only the goals come from the test and MLflow is left out."""

    def solve(engine, how, buckets, goals=GOALS, users=PEOPLE):
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        warehouse, found = Warehouse(folder), []
        night = SimpleNamespace(
            name="shop",
            engine=engine,
            scratch=warehouse.scratch("shop"),
            issue=SimpleNamespace(name="all", slots=2, exposure_tolerance=1e-4),
            slate_date=DAY,
            commit_metadata={},
        )
        monkeypatch.setattr(score, "goals", lambda *_: goals)
        monkeypatch.setattr(score, "priorities", lambda *_: np.array(PRIORITIES))
        monkeypatch.setattr(score, "_track", lambda *tracked: found.append(tracked[-1]))
        table, assigned = (warehouse.table("shop", load(name)) for name in ("slates", "assignments"))
        given = stored(folder / "users", users, buckets, DAY)
        capsys.readouterr()
        work, offered, everybody = (
            Work({"users": given}, buckets),
            pa.table({"arm_id": ARMS}),
            lambda tables: tables["users"],
        )
        attempts = {"slates": table.begin(DAY), "assignments": assigned.begin(DAY)}
        kept = warehouse.table("shop", load("multipliers"))
        written, words = score._with_goals(night, work, how, everybody, attempts, offered, kept)
        staged = written["slates"]
        assert [path for path in warehouse.scratch("shop").rglob("*") if path.is_file()] == []
        table.verify(staged)
        (solution,) = found
        by_arm = {row["arm_id"]: (row["multiplier"], row["exposures"]) for row in kept.rows(DAY).to_pylist()}
        solved_for = zip(solution.multipliers.tolist(), solution.exposures.tolist(), strict=True)
        assert by_arm == dict(zip(ARMS, solved_for, strict=True))
        schema = arrow.schema(load("slates"))
        read = Input(staged.data_files, schema, partition="slate_date").columns(SLATES.names).read(None)
        slates = {row["user_id"]: row for row in read.to_pylist()}
        assert len(slates) == read.num_rows == staged.rows
        passes = [line.rpartition(" ")[2] for line in capsys.readouterr().out.splitlines()]
        files = [(file.bucket, file.path.read_bytes()) for file in staged.data_files]
        schema = arrow.schema(load("assignments"))
        dealt = Input(written["assignments"].data_files, schema).columns(ASSIGNMENTS.names).read(None)
        return Solved(solution, slates, dealt, files, passes, words)

    return solve


def test_goals_are_met_over_all_users_by_the_weights_as_stored(solved):
    """With a penalty, exposures are those of the rankings as they are drawn: under the penalty."""
    made = solved(ALONE, how(penalty=0.5, groups=GROUPS), 3)
    solution, slates = made.solution, made.slates
    found = by_definition(slates.values())
    assert sum(found.values()) == pytest.approx(2 * PEOPLE.num_rows)
    assert (found["a"] + found["b"]) / sum(found.values()) == pytest.approx(0.3, rel=1e-4)
    assert found["c"] == pytest.approx(60, rel=1e-4)
    assert list(solution.exposures) == pytest.approx(list(found.values()), rel=1e-6)
    assert solution.by_goal[2] == 1
    assert solution.multipliers[3] == 2
    uniform = [slate["weights"] for slate in slates.values() if slate["variant"] == "random"]
    assert uniform
    assert all(weights == pytest.approx([0.2] * 5) for weights in uniform)
    assert set(slates) == {*PEOPLE["user_id"].to_pylist()}


def test_whom_the_experiment_deals_where_is_written_with_the_slates(solved):
    scoring = how()
    made = solved(ALONE, scoring, 3)
    expected = scoring.assignment.rows(PEOPLE, scoring.issue).sort_by("user_id")
    assert made.assignments.sort_by("user_id").to_pylist() == expected.to_pylist()
    assert dict(zip(*(expected[name].to_pylist() for name in ("user_id", "variant")), strict=True)) == {
        user: slate["variant"] for user, slate in made.slates.items()
    }


def test_each_pass_is_told_as_it_begins(solved):
    made = solved(ALONE, how(), 2)
    assert made.passes == [str(number) for number in range(1, made.solution.passes + 1)]
    assert made.words.startswith(f"; goals met in {made.solution.passes} passes: few 0.")


def test_slates_are_those_that_the_multipliers_lead_to(solved):
    """As if they were known before: goals change nothing else."""
    adjusted = how(penalty=0.5, groups=GROUPS)
    made = solved(ALONE, adjusted, 3)
    multipliers = dict(zip(ARMS, made.solution.multipliers.tolist(), strict=True))
    directly = replace(adjusted, adjustment=replace(adjusted.adjustment, multipliers=multipliers)).scored(
        PEOPLE
    )
    assert made.slates == {row["user_id"]: row for row in directly.to_pylist()}


def test_buckets_make_no_difference_and_a_rerun_is_equal_to_the_last_bit(engine, solved):
    goals = GOALS[1:]
    one, three = (solved(engine, how(), buckets, goals) for buckets in (1, 3))
    np.testing.assert_allclose(one.solution.multipliers, three.solution.multipliers, rtol=1e-9)
    assert {user: slate["ranking"] for user, slate in one.slates.items()} == {
        user: slate["ranking"] for user, slate in three.slates.items()
    }
    again = solved(engine, how(), 3, goals)
    np.testing.assert_array_equal(again.solution.multipliers, three.solution.multipliers)
    assert (again.slates, again.files) == (three.slates, three.files)


def test_each_engine_finds_the_same_to_the_last_bit(engine, solved):
    adjusted = how(penalty=0.5, groups=GROUPS)
    here, alone = (solved(runs, adjusted, 3) for runs in (engine, ALONE))
    assert here.solution.multipliers.tobytes() == alone.solution.multipliers.tobytes()
    assert here.solution.exposures.tobytes() == alone.solution.exposures.tobytes()
    assert (here.slates, here.files, here.passes) == (alone.slates, alone.files, alone.passes)
    assert [bucket for bucket, _ in here.files] == [0, 1, 2]


def test_buckets_without_users_are_gone_over_too(solved):
    few = PEOPLE.slice(0, 3)
    made = solved(ALONE, how(), 64, GOALS[2:], few)
    assert set(made.slates) == {*few["user_id"].to_pylist()}
    assert made.solution.exposures.sum() == pytest.approx(2 * 3)


def test_goals_that_cannot_be_met_are_named(engine, solved):
    for goal in (Goal("most", (0,), share=0.6), Goal("half", (0,), share=0.49)):
        with pytest.raises(InvalidInputError, match=goal.name):
            solved(engine, how(), 1, (goal,))
