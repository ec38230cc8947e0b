from dataclasses import replace

import pyarrow as pa
import pytest

from nightslate.contracts import Column, arrow, load, tables
from nightslate.errors import SpecError


def test_partition_column_is_last_and_stays_out_of_files() -> None:
    slates = load("slates")
    assert slates.partition == slates.columns[-1].name == "slate_date"
    assert slates.partition not in [column.name for column in slates.file_columns]


def test_a_table_may_have_a_partition_for_each_issue_and_its_files_leave_the_column_out() -> None:
    slates = load("slates")
    assert (slates.by_issue, slates.partitions) == (False, ("slate_date",))
    assert "issue" in [column.name for column in slates.file_columns]
    apart = replace(slates, by_issue=True)
    assert apart.partitions == ("slate_date", "issue")
    left = [column.name for column in slates.columns if column.name not in ("slate_date", "issue")]
    assert [column.name for column in apart.file_columns] == left


def test_issues_are_told_apart_where_every_row_is_of_one() -> None:
    """An impression may be from before there were issues, and nobody wrote it for one of them."""
    apart = {name for name in tables() if load(name).tells_issues_apart}
    assert apart == {
        *("delays", "evaluations", "evidence", "ledger", "models", "promotions", "slates", "sweeps"),
        *("uplift", "allocations", "assignments", "issue_choices", "multipliers", "updates", "sends"),
        *("readouts", "sample_ratios", "readout_decisions", "fatigue"),
        *("controls", "exposures", "insights"),
        *("effect_models", "scores", "rollouts", "rollout_shares", "score_contributions", "stops"),
    }
    assert not load("impressions").column("issue").required
    assert load("impressions").column("issue") in load("impressions").landing_columns


def test_key_follows_the_declared_positions_not_the_column_order() -> None:
    assert load("credits").key == ("outcome_id", "impression_id")
    assert load("quarantine").key == ()


def test_landing_files_bring_what_is_not_derived() -> None:
    landing = [column.name for column in load("impressions").landing_columns]
    assert "impression_id" in landing
    assert "ds" not in landing


def test_landing_ids_are_raw_so_the_form_of_a_pseudonym_is_not_asked_of_them() -> None:
    impressions = load("impressions")
    assert "user_id matches ^[0-9a-f]{32}$" in [clause.text for clause in impressions.clauses()]
    landing = [clause.text for clause in impressions.landing_clauses()]
    assert "user_id is required" in landing
    assert not any(text.startswith(("user_id matches", "ds ")) for text in landing)


def test_a_landing_row_may_leave_to_ingest_what_the_table_requires() -> None:
    propensity = load("impressions").column("propensity")
    assert propensity.required
    (awaited, *others) = propensity.landing_clauses()
    assert (awaited.text, awaited.reason) == ("propensity is required unless slate_id is given", "required")
    assert tuple(others) == propensity.clauses()[1:]
    rows = pa.table({"propensity": [0.5, 0.5, None, None], "slate_id": ["s", None, "s", None]})
    broken = rows.append_column("row", pa.array([0, 1, 2, 3])).filter(arrow.violated(awaited))
    assert broken["row"].to_pylist() == [3]


def test_a_clause_reads_as_a_sentence_and_has_a_reason() -> None:
    clauses = {clause.text: clause.reason for clause in load("impressions").column("propensity").clauses()}
    assert clauses == {
        "propensity is required": "required",
        "propensity is finite": "out_of_range",
        "propensity > 0": "out_of_range",
        "propensity <= 1": "out_of_range",
    }
    (_, rule) = load("credits").column("rule").clauses()
    assert (rule.text, rule.reason) == (
        "rule is one of last_touch, first_touch, linear, time_decay, position, shapley",
        "not_allowed",
    )


def test_program_columns_go_before_the_partition_column() -> None:
    users = load("users").with_columns(
        [Column(name="age", type="double"), Column(name="plan", type="string")]
    )
    assert [column.name for column in users.columns] == ["user_id", "age", "plan", "ds"]
    assert [clause.text for clause in users.column("age").clauses()] == ["age is finite"]


def test_a_program_may_tighten_a_bound() -> None:
    impressions = load("impressions").with_maximum("slot", 3)
    assert [clause.text for clause in impressions.column("slot").clauses()] == [
        "slot is required",
        "slot >= 1",
        "slot <= 3",
    ]
    with pytest.raises(SpecError, match="has no column"):
        load("users").with_maximum("slot", 3)


@pytest.mark.parametrize("names", [["ds"], ["user_id"], ["age", "age"]])
def test_a_taken_name_is_refused(names: list[str]) -> None:
    with pytest.raises(SpecError, match=f"users: column '{names[0]}' is declared twice"):
        load("users").with_columns([Column(name=name, type="string") for name in names])


@pytest.mark.parametrize("name", ["../x", "", "Age", "1st", "a b", "a`b", "a" * 64, "ds\n"])
def test_a_column_name_is_plain(name: str) -> None:
    with pytest.raises(SpecError, match="lower-case letters"):
        Column(name=name, type="string")


def test_an_unknown_table_or_column_is_named() -> None:
    with pytest.raises(
        SpecError, match=r"no contract for table 'nope'; there is one for .*\barms, .*, users, withheld$"
    ):
        load("nope")
    with pytest.raises(SpecError, match="users has no column 'age'"):
        load("users").column("age")


def test_an_unanchored_pattern_is_refused() -> None:
    with pytest.raises(SpecError, match="anchored"):
        Column(name="digest", type="string", pattern="[0-9]+")
