import os
import time

import pytest
from deltalake import DeltaTable
from tests.integration.tables.rows import MONDAY, TUESDAY, rewards, rows

from nightslate.errors import ContractError, SpecError, SupersededError
from nightslate.tables import Table


def test_rollback_brings_back_one_day_and_no_other(table: Table) -> None:
    old = table.replace(MONDAY, rows(1), {})
    table.replace(MONDAY, rows(2), {})
    table.replace(TUESDAY, rows(3), {})
    version = table.rollback(MONDAY, old)
    assert rewards(table) == [1, 3]
    assert table.snapshot().version == version
    assert table.history(MONDAY)[0].metadata == {"rollback_to": str(old)}


def test_rollback_can_be_rolled_back(table: Table) -> None:
    old = table.replace(MONDAY, rows(1), {})
    new = table.replace(MONDAY, rows(2), {})
    table.rollback(MONDAY, old)
    table.rollback(MONDAY, new)
    assert rewards(table) == [2]


def test_rollback_to_before_the_first_write_empties_the_day(table: Table) -> None:
    first = table.replace(TUESDAY, rows(1), {})
    table.replace(MONDAY, rows(2), {})
    table.rollback(MONDAY, first)
    assert rewards(table) == [1]


def test_rollback_of_a_day_that_was_never_written_is_refused(table: Table) -> None:
    version = table.replace(MONDAY, rows(1), {})
    with pytest.raises(SpecError, match=f"{TUESDAY} was never written"):
        table.rollback(TUESDAY, version)
    assert table.snapshot().version == version


def test_what_was_said_of_rows_comes_back_with_them(table: Table) -> None:
    old = table.replace(MONDAY, rows(1), {"meaning": "dollars"})
    table.replace(MONDAY, rows(2), {"meaning": "cents"})
    version = table.rollback(MONDAY, old)
    assert table.snapshot().metadata(MONDAY) == {"meaning": "dollars", "rollback_to": str(old)}
    written = table.snapshot().written()
    assert [commit.version for commit in written.values() if commit] == [version]


def test_one_look_tells_which_days_were_written_and_by_which_commit(table: Table) -> None:
    first = table.replace(MONDAY, rows(1), {"said": "first"})
    table.replace(TUESDAY, rows(2), {"said": "empty soon"})
    last = table.replace(TUESDAY, rows(), {"said": "empty"})
    found = {day: commit.metadata for day, commit in table.snapshot().written().items() if commit}
    assert found == {MONDAY: {"said": "first"}, TUESDAY: {"said": "empty"}}
    assert list(table.snapshot(first).written()) == [MONDAY]
    assert table.snapshot(last).written() == table.snapshot().written()
    assert table.snapshot(-1).written() == {}


def test_rollback_to_what_is_there_commits_nothing(table: Table) -> None:
    version = table.replace(MONDAY, rows(1), {})
    newest = table.replace(TUESDAY, rows(2), {})
    assert table.rollback(MONDAY, version) == newest
    assert table.snapshot().version == newest


def test_an_attempt_from_before_a_rollback_cannot_undo_it(table: Table) -> None:
    old = table.replace(MONDAY, rows(1), {})
    table.replace(MONDAY, rows(2), {})
    zombie = table.begin(MONDAY)
    zombie.write(rows(3))
    table.rollback(MONDAY, old)
    with pytest.raises(SupersededError):
        table.publish(zombie.seal(), {})
    assert rewards(table) == [1]


@pytest.mark.parametrize("version", [-1, 99])
def test_rollback_to_a_version_that_does_not_exist_is_refused(table: Table, version: int) -> None:
    table.replace(MONDAY, rows(1), {})
    with pytest.raises(SpecError, match=f"no version {version}"):
        table.rollback(MONDAY, version)


def test_rollback_names_the_files_that_vacuum_removed(table: Table) -> None:
    old = table.replace(MONDAY, rows(1), {})
    (file,) = table.snapshot().files()
    table.replace(MONDAY, rows(2), {})
    file.path.unlink()
    with pytest.raises(ContractError, match=f"vacuum removed {file.path.name}"):
        table.rollback(MONDAY, old)
    assert rewards(table) == [2]


def test_vacuum_removes_old_orphans_and_keeps_what_a_version_needs(table: Table) -> None:
    table.replace(MONDAY, rows(1), {})
    table.replace(MONDAY, rows(2), {})
    table.replace(TUESDAY, rows(3), {})
    orphans = [table.path / "ds=2026-11-16" / f"00000-00000-{name}.parquet" for name in ("old", "young")]
    for orphan in orphans:
        orphan.write_bytes(b"left by a kill")
    month_ago = time.time() - 30 * 86400
    for path in table.path.glob("ds=*/*.parquet"):
        if path != orphans[1]:
            os.utime(path, (month_ago, month_ago))
    before = set(table.path.glob("ds=*/*.parquet"))
    assert table.vacuum(dry_run=True) == ["ds=2026-11-16/00000-00000-old.parquet"]
    assert set(table.path.glob("ds=*/*.parquet")) == before
    table.vacuum()
    assert before - set(table.path.glob("ds=*/*.parquet")) == {orphans[0]}
    assert rewards(table) == [2, 3]


def test_vacuum_keeps_files_that_a_rollback_brought_back(table: Table) -> None:
    old = table.replace(MONDAY, rows(1), {})
    table.replace(MONDAY, rows(2), {})
    table.rollback(MONDAY, old)
    # Straight to delta-rs, without any retention: what remains is what the newest version needs.
    DeltaTable(table.path).vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    assert rewards(table) == [1]


def test_a_link_of_an_old_staged_file_is_not_an_old_orphan(table: Table) -> None:
    attempt = table.begin(MONDAY)
    attempt.write(rows(1))
    staged = attempt.seal()
    os.utime(next(staged.data.rglob("*.parquet")), (0, 0))
    table.publish(staged, {})
    (file,) = table.snapshot().files()
    assert time.time() - file.path.stat().st_mtime < 60


def test_vacuum_refuses_a_retention_that_would_break_readers(table: Table) -> None:
    with pytest.raises(SpecError, match="167 hours are too few"):
        table.vacuum(retention_hours=167)
