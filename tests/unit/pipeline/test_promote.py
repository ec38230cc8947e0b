"""Whose slates a night publishes: the champion as earlier nights recorded it, if the program still has it."""

from datetime import date, timedelta

import pyarrow as pa
import pytest
import yaml
from tests.integration.pipeline import world

from nightslate.contracts import arrow
from nightslate.errors import SpecError
from nightslate.pipeline.champion_reigns import champion_as_of, untaught_champion
from nightslate.pipeline.night import Night
from nightslate.pipeline.running import run_step
from nightslate.programs import load

DAY = date(2024, 3, 1)
NEXT = DAY + timedelta(days=1)


def night(home, day, **learners):
    """A night of the program with these learners, by kind, beside `uniform`."""
    spec = yaml.safe_load(world.SPEC)
    spec["learners"] = {"uniform": {"kind": "uniform"}} | {n: {"kind": kind} for n, kind in learners.items()}
    (home / "tiny.yaml").write_text(yaml.safe_dump(spec))
    return Night(load(home / "tiny.yaml"), day, home).of_issue("all")


def champion(night):
    return champion_as_of(night, night.table("promotions"))


def record(home, champion, kind, **learners):
    """What the gate of the first day leaves."""
    table = night(home, DAY, **learners).table("promotions")
    row = {
        "issue": "all", "challenger": "uniform", "champion_before": champion, "champion_after": champion,
        "champion_kind": kind, "decision": "kept", "reasons": [], "look": 1, "alpha": 0.03, "estimator": "dr",
    }  # fmt: skip
    table.replace(DAY, pa.Table.from_pylist([row], arrow.schema(table.contract, partition=False)), {})


@pytest.mark.parametrize("kind", ["linear_ucb", None])
def test_the_champion_is_the_one_that_was_recorded(tmp_path, kind):
    record(tmp_path, "star", kind, star="linear_ucb")
    assert champion(night(tmp_path, NEXT, star="linear_ucb")) == "star"
    assert champion(night(tmp_path, DAY, star="linear_ucb")) == "uniform"


@pytest.mark.parametrize(
    ("learners", "says"),
    [
        ({"sun": "linear_ucb"}, "'star', a linear_ucb, which learners has no more"),
        ({"star": "popularity"}, "'star', a linear_ucb, which learners.star.kind says is popularity"),
    ],
)
def test_a_champion_that_is_another_learner_now_is_told_at_the_first_step(tmp_path, learners, says):
    """Nothing has landed, and nobody gets as far as to ask for it."""
    record(tmp_path, "star", "linear_ucb", star="linear_ucb")
    with pytest.raises(SpecError, match=f"the champion of {DAY} is {says}: keep it as it was"):
        run_step("ingest", night(tmp_path, NEXT, **learners))


@pytest.mark.parametrize(
    ("champion", "rows", "says"),
    [
        ("star", 0, "the champion star is fitted on 0 rows: none of the 28 days up to 2024-03-02 teaches it"),
        ("star", 1, ""),
        ("star", None, ""),
        ("uniform", 0, ""),
    ],
)
def test_a_champion_that_no_row_has_taught_is_told(tmp_path, champion, rows, says):
    """As after forty days without logs. A uniform one has nothing to learn."""
    record(tmp_path, champion, None, star="linear_ucb")
    tonight = night(tmp_path, NEXT, star="linear_ucb")
    table = tonight.table("models")
    taught = [("star", 0 if rows is None else rows), ("uniform", 0)]
    models = [
        {"issue": "all", "learner": name, "digest": "0" * 64, "rows": count, "arms": 4}
        for name, count in taught
        if rows is not None or name != champion
    ]
    table.replace(NEXT, pa.Table.from_pylist(models, arrow.schema(table.contract, partition=False)), {})
    assert untaught_champion(tonight, tonight.table("promotions"), table) == says
