"""How long tables may be kept, and what says no."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.unit.pipeline.test_plan import of_issues, program, sequence, with_contact_rules

from nightslate import programs
from nightslate.contracts import tables
from nightslate.pipeline.lookback import days_looked_back_on
from nightslate.pipeline.night import Night
from nightslate.programs import Program
from nightslate.programs.retention import KEPT_FOR_GOOD, LEARNT_FROM, SHOWN_ALONE
from nightslate.programs.windows import days_looked_back

SHIPPED = sorted((Path(__file__).parents[3] / "dags").glob("*.yaml"))


def kept(changes: dict[str, Any] | None = None, landing: Any = None, **of_tables: str) -> Program:
    retention = {"tables": of_tables} | ({"landing": landing} if landing else {})
    return program(retention=retention, **(changes or {}))


def said(**given: Any) -> str:
    with pytest.raises(ValidationError) as error:
        kept(**given)
    return str(error.value)


def test_every_table_is_kept_for_good_or_may_go() -> None:
    groups = [{*KEPT_FOR_GOOD}, SHOWN_ALONE, LEARNT_FROM, {"updates"}]
    assert sorted(name for group in groups for name in group) == sorted(tables())


def test_what_only_pages_show_may_go_the_next_day_and_what_is_learnt_from_after_all_windows() -> None:
    # 28 + 6 - 1 of evaluation, 28 - 1 of training, 1 + 7 of outcomes, and 2.
    assert kept(quarantine="1d", impressions="70d").retention is not None
    why = said(impressions="69d")
    assert "retention.tables.impressions: 69d is less than a night goes back: 70 days" in why
    assert "60 of training.window_days and evaluation.window_days + 8 of the windows of rewards" in why
    assert "Say 70d or more" in why
    longer = {"training": {"window_days": 100}}
    assert "142 days" in said(changes=longer, users="141d")
    assert kept(changes=longer, users="142d")


def test_contacts_that_are_counted_over_a_longer_time_have_to_be_there() -> None:
    rules = {"contacts": {"limits": [{"most": 3, "period": "200d"}]}}
    assert "200 of contacts" in said(changes=rules, impressions="201d")


@pytest.mark.parametrize("name", KEPT_FOR_GOOD)
def test_what_is_kept_for_good_says_why(name: str) -> None:
    assert f"retention.tables.{name}: it is kept for good: {KEPT_FOR_GOOD[name]}" in said(**{name: "3000d"})


def test_slips_are_named() -> None:
    assert "there is no such table" in said(impression="90d")
    assert "is no log of this program" in said(landing={"activity": "90d"}, quarantine="9d")
    assert "in whole days" in said(quarantine="36h")
    assert "say `tables` or `landing`" in said()


def test_what_an_experiment_is_read_out_from_stays_as_long_as_it_is() -> None:
    metrics = {"metrics": {"clicks": {"source": "outcomes"}}, "control": "all", "start": "2026-12-01"}
    two = {name: {"share": 0.5, "policy": "uniform"} for name in ("all", "new")}
    changes = {"experiment": {**metrics, "start": program().start_date}, "variants": two}
    why = said(changes=changes, outcomes="3000d")
    assert "retention.tables.outcomes: the experiment of the issue all, which began on 2026-11-16" in why
    assert kept(changes=changes, users="300d", slates="300d")


def goes_back(of: Program, home: Path, days: int) -> int:
    """How many days before a night which finds that none before it was trained."""
    night = Night(of, of.start_date + timedelta(days=days), home)
    looked_back_on = days_looked_back_on(night, night.table("models"), with_logs_before=True)
    return (night.ds - looked_back_on[0]).days


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_no_night_of_a_program_that_ships_goes_back_further(path: Path, tmp_path: Path) -> None:
    of = programs.load(path)
    assert all(
        goes_back(of, tmp_path, days) <= sum(days_looked_back(of).values()) for days in (0, 1, 30, 400)
    )


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(2, 40), st.integers(0, 50), st.integers(1, 5), st.booleans())
def test_no_night_goes_back_further_than_is_asked_for(
    tmp_path_factory: pytest.TempPathFactory, trained: int, judged: int, night: int, window: int, chosen: bool
) -> None:
    greedy = {"kind": "epsilon_greedy", "estimator": "ridge", "epsilon": "auto" if chosen else 0.1}
    of = program(
        training={"window_days": max(trained, window + 1)},
        evaluation={"window_days": max(judged, window + 1)},
        rewards={"values": {"click": 1.0}, "window": f"{window}d"},
        learners={"uniform": {"kind": "uniform"}, "greedy": greedy},
    )
    assert goes_back(of, tmp_path_factory.getbasetemp(), night) <= sum(days_looked_back(of).values())


@pytest.mark.parametrize("of", [sequence(), with_contact_rules(), of_issues("a", "b")], ids=["q", "c", "i"])
def test_nor_does_one_of_other_kinds(of: Program, tmp_path: Path) -> None:
    assert goes_back(of, tmp_path, 60) <= sum(days_looked_back(of).values())
