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
from nightslate.core.policies.exposure_goals import Budget, Goal
from nightslate.engines import Input, LocalEngine, Work
from nightslate.kernels.assignments import ASSIGNMENTS
from nightslate.kernels.scoring import SLATES
from nightslate.pipeline.steps import score
from nightslate.tables import Warehouse

from .stored import stored

pytestmark = pytest.mark.e2e

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
    used: list


@pytest.fixture
def solved(tmp_path, monkeypatch, capsys):
    """Scores users with goals, as a night does; only the goals come from the test and MLflow is left out."""

    def solve(engine, how, buckets, goals=GOALS, users=PEOPLE, budgets=(), slots=2):
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        warehouse, found = Warehouse(folder), []
        night = SimpleNamespace(
            name="shop",
            engine=engine,
            scratch=warehouse.scratch("shop"),
            issue=SimpleNamespace(name="all", slots=slots, exposure_tolerance=1e-4, floor=how.floor),
            slate_date=DAY,
            commit_metadata={},
        )
        monkeypatch.setattr(score, "goals", lambda *_: goals)
        monkeypatch.setattr(score, "budgets", lambda *_: budgets)
        monkeypatch.setattr(score, "priorities", lambda *_: np.array(PRIORITIES))
        monkeypatch.setattr(score, "_track", lambda *tracked: found.append(tracked[3:]))
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
        ((solution, used),) = found
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
        return Solved(solution, slates, dealt, files, passes, words, used)

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


CALLS = Budget("calls", np.array([0.0, 0.0, 1.0, 0.0, 0.0]), 9.0)
COST = Budget("cost", np.array([3.0, 0.0, 0.0, 2.0, 0.0]), 130.0)


def first_slots(made, costs):
    """What budgets are held against, by the definition: expected from the weights, and as drawn."""
    by_arm = dict(zip(ARMS, costs, strict=True))
    expected = shown = 0.0
    for slate in made.slates.values():
        weight = dict(zip(slate["candidates"], slate["weights"], strict=True))
        expected += sum(by_arm[arm] * weight[arm] for arm in weight) / sum(weight.values())
        shown += by_arm[slate["ranking"][0]]
    return expected, shown


def test_budgets_are_kept_over_all_users_and_where_one_slot_is_shown_by_what_is_drawn(engine, solved):
    made = solved(engine, how(), 3, GOALS[:1], budgets=(CALLS, COST), slots=1)
    (calls, drawn), (cost, _) = (first_slots(made, budget.costs) for budget in (CALLS, COST))
    assert 9 * (1 - 1e-4) <= calls <= 9
    assert cost <= 130
    assert drawn <= 9
    for arm in "acd":
        expected, shown = first_slots(made, [float(one == arm) for one in ARMS])
        assert abs(shown - expected) < 1
    uses = {use.name: use for use in made.used}
    assert uses["calls"].expected == pytest.approx(calls, rel=1e-9)
    assert uses["calls"].multiplier < 1
    assert uses["calls"].divergence_price > 0
    assert np.isfinite(uses["calls"].reward_price)
    uniform = [slate for slate in made.slates.values() if slate["variant"] == "random"]
    assert uses["calls"].randomised == pytest.approx(0.2 * len(uniform))
    assert all(slate["weights"] == pytest.approx([0.2] * 5) for slate in uniform)
    assert "budgets kept in" in made.words


def test_budgets_of_several_slots_count_what_is_shown_and_are_drawn_as_ever(solved):
    adjusted = how(penalty=0.5, groups=GROUPS)
    made = solved(ALONE, adjusted, 3, (), budgets=(Budget("calls", CALLS.costs, 35.0),))
    found = by_definition(made.slates.values())
    assert 35 * (1 - 1e-4) <= found["c"] <= 35 * (1 + 1e-9)
    multipliers = dict(zip(ARMS, made.solution.multipliers.tolist(), strict=True))
    directly = replace(adjusted, adjustment=replace(adjusted.adjustment, multipliers=multipliers))
    assert made.slates == {row["user_id"]: row for row in directly.scored(PEOPLE).to_pylist()}
    assert made.used[0].divergence_price is None


def test_a_rerun_draws_the_same_and_so_does_each_engine(engine, solved):
    made, again, alone = (
        solved(runs, how(), 3, (), budgets=(CALLS, COST), slots=1) for runs in (engine, engine, ALONE)
    )
    assert (made.slates, made.files) == (again.slates, again.files) == (alone.slates, alone.files)
    assert made.used == again.used == alone.used


def test_buckets_without_users_leave_nobody_open(solved):
    few = PEOPLE.slice(0, 5)
    made = solved(ALONE, how(), 64, (), few, (CALLS,), 1)
    assert set(made.slates) == {*few["user_id"].to_pylist()}
    assert made.used[0].multiplier == 1


def test_a_budget_that_cannot_be_kept_is_named(engine, solved):
    few = Budget("calls", CALLS.costs, 2.0)
    with pytest.raises(
        InvalidInputError, match=r"calls \(at most 2, of which randomised variants use [0-9.]+ and"
    ):
        solved(engine, how(), 3, (), budgets=(few,), slots=1)
    with pytest.raises(InvalidInputError, match=r"together: third \(at least 60 .*\), calls \(at most 9,"):
        solved(engine, how(), 3, GOALS, budgets=(CALLS,), slots=1)
