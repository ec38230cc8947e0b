import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake
from tests.integration.tables.rows import MONDAY, TUESDAY, rows

from nightslate.contracts import Column, load
from nightslate.errors import CommitConflictError, ContractError, SpecError, SupersededError
from nightslate.tables import Table, Warehouse, commits


def rewards(table: Table, day: date | None = None) -> list[float]:
    """The rewards of a day (or of all days), as a reader finds them now."""
    found: list[float] = table.snapshot().to_arrow(day, day)["reward"].to_pylist()
    return found


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
    for day in (TUESDAY, MONDAY):
        attempt = table.begin(day)
        for bucket in (11, 2, 0):
            attempt.write(rows(bucket).set_column(0, "policy", [[f"{bucket}"]]), bucket)
        table.publish(attempt.seal(), {})
    files = table.snapshot().files()
    assert [(file.day, file.bucket) for file in files] == [
        (d, b) for d in (MONDAY, TUESDAY) for b in (0, 2, 11)
    ]


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
    later = table.begin(MONDAY)
    later.write(rows(3))
    later.seal()
    assert not table.staged(MONDAY).audited


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


RACER = """
import sys
from pathlib import Path
from nightslate.contracts import load
from nightslate.errors import SupersededError
from nightslate.tables import Warehouse
from tests.integration.tables.rows import MONDAY, rows

table = Warehouse(Path(sys.argv[1])).table("shop", load("references"))
reward = float(sys.argv[2])
attempt = table.begin(MONDAY)
attempt.write(rows(reward, reward))
staged = attempt.seal()
print("ready", flush=True)
sys.stdin.readline()
try:
    table.publish(staged, {"by": sys.argv[2]})
except SupersededError:
    print("superseded")
"""


def python(*arguments: str) -> "subprocess.Popen[str]":
    root = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": f"{root / 'src'}:{root}"}
    return subprocess.Popen(
        [sys.executable, "-c", *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_that_write_the_same_new_day_leave_one_result(table: Table, tmp_path: Path) -> None:
    racers = [python(RACER, str(tmp_path), reward) for reward in ("1", "2")]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("\n")
        racer.stdin.flush()
    outputs = [racer.communicate(timeout=60)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    winner = table.snapshot().metadata(MONDAY)["by"]
    assert rewards(table) == [float(winner)] * 2
    assert outputs[int(winner) - 1] == ""


@pytest.mark.parametrize("exists", [False, True])
def test_many_threads_that_write_the_same_day_leave_the_newest_result(table: Table, exists: bool) -> None:
    if exists:
        table.replace(TUESDAY, rows(0), {})
    barrier = threading.Barrier(6)
    attempts = []
    for reward in range(6):
        attempt = table.begin(MONDAY)
        attempt.write(rows(reward, reward))
        attempts.append(attempt.seal())

    def publish(index: int) -> str:
        barrier.wait()
        try:
            table.publish(attempts[index], {})
        except SupersededError:
            return "superseded"
        return "published"

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(publish, range(6)))
    assert outcomes[5] == "published"
    assert rewards(table, MONDAY) == [5, 5]


def test_different_days_at_once_all_land(table: Table) -> None:
    barrier = threading.Barrier(4)

    def write(offset: int) -> None:
        barrier.wait()
        for again in range(3):
            table.replace(MONDAY + timedelta(offset), rows(offset, again), {})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert rewards(table) == [x for offset in range(4) for x in (offset, 2)]


def test_a_race_that_is_lost_every_time_ends_in_a_conflict(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.replace(MONDAY, rows(1), {})
    other = Warehouse(table.path.parents[2]).table("shop", table.contract)
    opened_or_created = commits.opened_or_created

    def overtaken(*arguments: object) -> DeltaTable:
        delta = opened_or_created(*arguments)
        monkeypatch.setattr(commits, "opened_or_created", opened_or_created)
        other.replace(TUESDAY, rows(2), {})
        monkeypatch.setattr(commits, "opened_or_created", overtaken)
        return delta

    monkeypatch.setattr(commits, "opened_or_created", overtaken)
    monkeypatch.setattr(commits, "_TRIES", 3)
    with pytest.raises(CommitConflictError, match="came first 3 times"):
        table.replace(MONDAY, rows(9), {})
    assert rewards(table, MONDAY) == [1]


KILLED = """
import os, sys
from pathlib import Path
from nightslate.contracts import load
from nightslate.tables import Warehouse, commits, table as module
from tests.integration.tables.rows import MONDAY

table = Warehouse(Path(sys.argv[1])).table("shop", load("references"))
owner, name = {
    "before the links": (module, "placed"),
    "before the commit": (commits.DayLog, "commit"),
    "before the clean-up": (module, "discard_up_to"),
}[sys.argv[2]]
setattr(owner, name, lambda *_: os._exit(9))
table.publish(table.staged(MONDAY), {"run": "killed"})
"""


@pytest.mark.parametrize("moment", ["before the links", "before the commit", "before the clean-up"])
def test_a_publish_that_was_killed_and_is_run_again_equals_a_clean_one(
    table: Table, tmp_path: Path, moment: str
) -> None:
    table.replace(MONDAY, rows(1), {"run": "old"})
    attempt = table.begin(MONDAY)
    attempt.write(rows(2, 3), bucket=1)
    attempt.write(rows(4, 5).set_column(0, "policy", [["q0", "q1"]]), bucket=2)
    attempt.seal()
    process = python(KILLED, str(tmp_path), moment)
    process.communicate(timeout=60)
    assert process.returncode == 9
    assert rewards(table) == ([2, 3, 4, 5] if moment == "before the clean-up" else [1])
    version = table.publish(table.staged(MONDAY), {"run": "again"})
    assert rewards(table) == [2, 3, 4, 5]
    assert table.snapshot().version == version
    assert len(table.history(MONDAY)) == 2
    on_disk = {path.name for path in table.path.glob("ds=*/*.parquet")}
    assert len(on_disk) == 1 + 2, "the killed publish and its rerun use the same files"


def test_a_reader_sees_the_old_day_or_the_new_one(table: Table) -> None:
    table.replace(MONDAY, rows(0, 0, 0), {})
    done = threading.Event()
    seen = []

    def read() -> None:
        while not done.is_set():
            snapshot = table.snapshot()
            first = snapshot.to_arrow()["reward"].to_pylist()
            seen.append(first)
            assert snapshot.to_arrow()["reward"].to_pylist() == first

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        for i in range(1, 21):
            table.replace(MONDAY, rows(i, i, i), {})
        done.set()
        reading.result(timeout=60)
    assert len({tuple(rewards) for rewards in seen}) > 1
    assert all(len(set(rewards)) == 1 and len(rewards) == 3 for rewards in seen)


def test_a_pinned_snapshot_stays_what_it_was(table: Table) -> None:
    table.replace(MONDAY, rows(1), {"n": "1"})
    pinned = table.snapshot()
    again = table.snapshot(pinned.version)
    table.replace(MONDAY, rows(2), {"n": "2"})
    for snapshot in (pinned, again):
        assert snapshot.to_arrow()["reward"].to_pylist() == [1]
        assert snapshot.metadata(MONDAY) == {"n": "1"}


def test_a_table_of_another_schema_is_not_written_to(table: Table, tmp_path: Path) -> None:
    table.replace(MONDAY, rows(1), {})
    changed = load("references").with_columns([Column(name="age", type="double")])
    with pytest.raises(SpecError, match=r"the table holds .* the contract says .*age"):
        Warehouse(tmp_path).table("shop", changed).begin(MONDAY)


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
