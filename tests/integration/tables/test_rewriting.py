"""Rows are taken out of files of a day; what else is of the day stays, and who was slower is turned away."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from nightslate.contracts import load
from nightslate.errors import CommitConflictError, SupersededError
from nightslate.tables import DataFile, Table, Warehouse, rewriting
from nightslate.tables.rewriting import FORGOTTEN_BY, replace_files, unnamed_files

from .rows import MONDAY, TUESDAY, rewards, rows


def in_parts(table: Table, *parts: pa.Table) -> list[DataFile]:
    attempt = table.begin(MONDAY)
    for number, part in enumerate(parts):
        attempt.write(part, bucket=number % 2, part=number)
    table.publish(attempt.seal(), {"said": "by the night"})
    return table.snapshot().files(MONDAY, MONDAY)


def without(table: Table, file: DataFile, reward: float) -> dict[Path, pa.Table]:
    return {file.path: table.snapshot().rows_of(file).filter(pc.field("reward") != reward)}


def test_the_rows_go_and_order_metadata_and_other_days_stay(table: Table) -> None:
    table.replace(TUESDAY, rows(9), {})
    in_parts(table, rows(1, 2), rows(3, 4).set_column(0, "policy", pa.array(["q0", "q1"])))
    before = table.snapshot()
    version = replace_files(table, MONDAY, without(table, before.files()[0], 1), {FORGOTTEN_BY: "a request"})
    assert (version, table.snapshot().version) == (before.version + 1, before.version + 1)
    assert rewards(table, MONDAY) == [2, 3, 4]
    assert rewards(table, TUESDAY) == [9]
    assert table.snapshot().metadata(MONDAY) == {"said": "by the night", FORGOTTEN_BY: "a request"}
    assert before.to_arrow(MONDAY, MONDAY)["reward"].to_pylist() == [1, 2, 3, 4]
    assert {*unnamed_files(table)} == {file.path for file in before.files(MONDAY, MONDAY)}

    DeltaTable(table.path).vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    assert rewards(table) == [2, 3, 4, 9]
    assert not list(unnamed_files(table))


def test_a_file_without_rows_goes_and_so_may_all_of_a_day(table: Table) -> None:
    files = in_parts(table, rows(1), rows(2).set_column(0, "policy", pa.array(["q0"])))
    replace_files(table, MONDAY, without(table, files[0], 1), {})
    assert rewards(table) == [2]
    replace_files(table, MONDAY, without(table, table.snapshot().files()[0], 2), {})
    assert rewards(table) == []
    assert table.is_written(MONDAY)


def test_an_attempt_that_began_before_can_not_bring_rows_back(table: Table) -> None:
    in_parts(table, rows(1, 2))
    slower = table.begin(MONDAY)
    slower.write(rows(1, 2))
    replace_files(table, MONDAY, without(table, table.snapshot().files()[0], 1), {})
    with pytest.raises(SupersededError):
        table.publish(slower.seal(), {})
    assert rewards(table) == [2]


def test_what_others_have_published_since_the_files_were_read_is_not_undone(table: Table) -> None:
    files = in_parts(table, rows(1, 2))
    left = without(table, files[0], 1)
    table.replace(MONDAY, rows(5), {})
    with pytest.raises(CommitConflictError, match="others have replaced it meanwhile"):
        replace_files(table, MONDAY, left, {})
    assert rewards(table) == [5]


def test_what_others_publish_just_before_the_commit_is_not_undone(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, write_rows = in_parts(table, rows(1, 2)), rewriting.write_rows

    def raced(*given: object) -> None:
        table.replace(MONDAY, rows(5), {})
        write_rows(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(rewriting, "write_rows", raced)
    with pytest.raises(CommitConflictError, match="others have replaced it meanwhile"):
        replace_files(table, MONDAY, without(table, files[0], 1), {})
    assert rewards(table) == [5]


def test_another_day_that_is_published_meanwhile_does_not_matter(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, write_rows = in_parts(table, rows(1, 2)), rewriting.write_rows

    def raced(*given: object) -> None:
        table.replace(TUESDAY, rows(9), {})
        write_rows(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(rewriting, "write_rows", raced)
    replace_files(table, MONDAY, without(table, files[0], 1), {})
    assert rewards(table) == [2, 9]


def test_one_issue_of_a_day_is_rewritten_alone(tmp_path: Path) -> None:
    contract = replace(load("exposures"), by_issue=True)
    whole = Warehouse(tmp_path).table("shop", contract)
    for issue in ("cards", "loans"):
        table = whole.of_issue(issue)
        table.replace(MONDAY, table.typed([exposure(issue, arm) for arm in ("a", "b")]), {"of": issue})
    cards = whole.of_issue("cards")
    (file,) = cards.snapshot().files()
    left = {file.path: cards.snapshot().rows_of(file).filter(pc.field("arm_id") != "a")}
    replace_files(cards, MONDAY, left, {FORGOTTEN_BY: "r"})
    found = whole.snapshot().to_arrow()
    assert found["issue"].to_pylist() == ["cards", "loans", "loans"]
    assert found["arm_id"].to_pylist() == ["b", "a", "b"]
    assert cards.snapshot().metadata(MONDAY)["of"] == "cards"
    assert FORGOTTEN_BY not in whole.of_issue("loans").snapshot().metadata(MONDAY)


def exposure(issue: str, arm: str) -> dict[str, object]:
    return {"issue": issue, "arm_id": arm, "slot": 1, "shown": 3, "slates": 9}
