import shutil
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest
from deltalake import write_deltalake
from tests.integration.tables.rows import MONDAY, TUESDAY, rewards, rows

from nightslate.contracts import Column, load
from nightslate.errors import ContractError, SpecError, SupersededError
from nightslate.tables import Table, Warehouse


def in_another_process(table: Table, reward: float) -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as other:
        other.submit(table.replace, MONDAY, rows(reward), {}).result()


def test_a_table_that_nobody_wrote_reads_as_empty(table: Table) -> None:
    snapshot = table.snapshot()
    assert snapshot.version == -1
    assert snapshot.to_arrow().schema.names == [column.name for column in table.contract.columns]
    assert (snapshot.to_arrow().num_rows, snapshot.files(), snapshot.days()) == (0, [], [])
    assert snapshot.metadata(MONDAY) == {}
    assert table.history(MONDAY) == []
    assert table.vacuum() == []
    assert not table.path.exists()


def test_published_rows_are_read_back_with_their_metadata(table: Table) -> None:
    version = table.replace(MONDAY, rows(1, 2), {"run": "a", "mlflow": "7"})
    snapshot = table.snapshot()
    assert snapshot.version == version
    assert snapshot.to_arrow().to_pydict() == {
        "policy": ["p0", "p1"],
        "impressions": [10, 10],
        "reward": [1.0, 2.0],
        "ds": [MONDAY, MONDAY],
    }
    assert snapshot.days() == [MONDAY]
    assert snapshot.metadata(MONDAY) == {"run": "a", "mlflow": "7"}
    (file,) = snapshot.files()
    assert (file.day, file.bucket, file.rows) == (MONDAY, 0, 2)


def test_a_version_is_opened_once_and_what_others_commit_is_seen(table: Table) -> None:
    table.replace(MONDAY, rows(1, 2), {})
    before = table.snapshot()
    assert table.snapshot().delta is before.delta
    in_another_process(table, 3)
    assert rewards(table) == [3.0]
    assert before.to_arrow()["reward"].to_pylist() == [1.0, 2.0]
    shutil.rmtree(table.path)
    in_another_process(table, 4)
    in_another_process(table, 5)
    assert rewards(table) == [5.0]


def test_a_selection_of_days_and_columns(table: Table) -> None:
    for i in range(4):
        table.replace(MONDAY + timedelta(i), rows(i), {})
    chosen = table.snapshot().to_arrow(TUESDAY, MONDAY + timedelta(2), ["ds", "reward"])
    assert chosen.to_pydict() == {"ds": [TUESDAY, MONDAY + timedelta(2)], "reward": [1.0, 2.0]}


def test_replacing_a_day_leaves_the_others_alone(table: Table) -> None:
    table.replace(MONDAY, rows(1), {"n": "1"})
    table.replace(TUESDAY, rows(2), {"n": "2"})
    table.replace(MONDAY, rows(3, 4), {"n": "3"})
    assert rewards(table, MONDAY) == [3, 4]
    assert rewards(table, TUESDAY) == [2]
    assert [commit.metadata for commit in table.history(MONDAY)] == [{"n": "3"}, {"n": "1"}]
    assert table.snapshot().metadata(TUESDAY) == {"n": "2"}


def test_an_empty_day_replaces_what_was_there(table: Table) -> None:
    table.replace(MONDAY, rows(1), {})
    table.replace(TUESDAY, rows(2), {})
    table.replace(MONDAY, rows(), {"empty": "yes"})
    assert rewards(table) == [2]
    assert table.snapshot().metadata(MONDAY) == {"empty": "yes"}


def test_nothing_written_is_not_an_empty_day(table: Table) -> None:
    with pytest.raises(ContractError, match="nothing was written"):
        table.begin(MONDAY).seal()


def test_files_are_ordered_by_day_and_bucket_whatever_they_are_called(table: Table) -> None:
    wednesday = TUESDAY + timedelta(1)
    for day in (TUESDAY, MONDAY, wednesday):
        attempt = table.begin(day)
        for bucket in (11, 2, 0):
            attempt.write(rows(bucket).set_column(0, "policy", [[f"{bucket}"]]), bucket)
        table.publish(attempt.seal(), {})
    files = [(file.day, file.bucket) for file in table.snapshot().files()]
    assert files == [(day, bucket) for day in (MONDAY, TUESDAY, wednesday) for bucket in (0, 2, 11)]


def test_another_process_finds_the_newest_sealed_attempt(table: Table) -> None:
    for reward in (1, 2):
        attempt = table.begin(MONDAY)
        attempt.write(rows(reward))
        attempt.seal()
    table.begin(MONDAY).write(rows(3))  # never sealed
    table.publish(table.staged(MONDAY), {})
    assert rewards(table) == [2]


def test_an_audit_vouches_for_one_attempt_and_outlives_its_publication(table: Table) -> None:
    attempt = table.begin(MONDAY)
    attempt.write(rows(1, 2))
    assert attempt.seal().rows == 2
    assert not table.staged(MONDAY).audited
    table.staged(MONDAY).mark_audited()
    table.publish(table.staged(MONDAY), {})
    assert table.staged(MONDAY).audited
    assert not table.staged(MONDAY).overtakes_audited
    later = table.begin(MONDAY)
    later.write(rows(3))
    later.seal()
    assert not table.staged(MONDAY).audited
    assert not table.staged(MONDAY).overtakes_audited  # the older one is out


def test_an_attempt_that_comes_between_audit_and_publication_overtakes(table: Table) -> None:
    audited, later = table.begin(MONDAY), table.begin(MONDAY)
    audited.write(rows(1))
    audited.seal().mark_audited()
    assert not table.staged(MONDAY).overtakes_audited
    later.write(rows(2))
    later.seal()
    assert table.staged(MONDAY).overtakes_audited


def test_nothing_staged_is_said_so(table: Table) -> None:
    with pytest.raises(ContractError, match="shop/references 2026-11-16: nothing is staged"):
        table.staged(MONDAY)


def test_an_attempt_that_began_earlier_cannot_undo_a_later_one(table: Table) -> None:
    zombie = table.begin(MONDAY)
    zombie.write(rows(1))
    sealed = zombie.seal()
    table.replace(MONDAY, rows(2), {})
    version = table.snapshot().version
    with pytest.raises(SupersededError, match=r"shop/references/ds=2026-11-16: a newer attempt"):
        table.publish(sealed, {})
    assert (rewards(table), table.snapshot().version) == ([2], version)


def test_a_zombie_that_sealed_after_the_later_attempt_committed_is_refused_too(table: Table) -> None:
    zombie = table.begin(MONDAY)
    table.replace(MONDAY, rows(2), {})
    zombie.write(rows(1))
    with pytest.raises(SupersededError):
        table.publish(zombie.seal(), {})
    assert rewards(table) == [2]


def test_a_zombie_that_seals_what_the_later_attempt_has_cleared_away_is_told_so(table: Table) -> None:
    zombie = table.begin(MONDAY)
    zombie.write(rows(1))
    table.replace(MONDAY, rows(2), {})
    with pytest.raises(SupersededError, match="a newer attempt has committed"):
        zombie.seal()


def test_a_clock_that_goes_back_does_not_make_a_new_attempt_old(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.replace(MONDAY, rows(1), {})
    monkeypatch.setattr("time.time_ns", lambda: 0)
    table.replace(MONDAY, rows(2), {})
    assert rewards(table) == [2]


def test_publishing_twice_changes_nothing(table: Table) -> None:
    attempt = table.begin(MONDAY)
    attempt.write(rows(1))
    staged = attempt.seal()
    version = table.publish(staged, {})
    table.replace(TUESDAY, rows(2), {})
    assert table.publish(staged, {}) == version
    assert table.publish(table.staged(MONDAY), {}) == version
    assert table.snapshot().version == version + 1


def test_the_same_token_of_another_attempt_is_not_mistaken_for_ones_own(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 10**18)
    one, other = table.begin(MONDAY), table.begin(MONDAY)
    assert one.token == other.token
    one.write(rows(1))
    other.write(rows(2))
    sealed = other.seal()
    table.publish(one.seal(), {})
    with pytest.raises(SupersededError):
        table.publish(sealed, {})
    assert rewards(table) == [1]


def test_staging_holds_one_manifest_after_a_commit(table: Table) -> None:
    table.begin(MONDAY).write(rows(1))
    table.replace(MONDAY, rows(2), {})
    left = [path for path in table.staging.rglob("*") if path.is_file()]
    assert [path.name for path in left] == ["manifest.json"]


def test_a_column_that_delta_cannot_constrain_is_named_at_creation(tmp_path: Path) -> None:
    contract = load("users").with_columns([Column(name="interval", type="double")])
    table = Warehouse(tmp_path).table("shop", contract)
    data = rows(1).select(["policy"]).rename_columns(["user_id"]).set_column(0, "user_id", [["0" * 32]])
    with pytest.raises(SpecError, match="like an SQL keyword"):
        table.replace(MONDAY, data.append_column("interval", [[1.0]]), {})
    assert not table.path.exists()
    assert list(table.path.parent.iterdir()) == []


def test_whoever_writes_past_the_protocol_still_meets_the_constraints(table: Table) -> None:
    table.replace(MONDAY, rows(1), {})
    bad = table.snapshot().to_arrow()
    bad = bad.set_column(1, bad.schema.field(1), [[-1]])
    with pytest.raises(Exception, match="failed validation"):
        write_deltalake(table.path, bad, mode="append")
