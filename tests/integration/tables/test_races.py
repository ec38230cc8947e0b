"""Writers and readers at once, and writers that are killed."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from tests.integration.tables.rows import MONDAY, TUESDAY, rewards, rows

from nightslate.contracts import Contract
from nightslate.errors import CommitConflictError, SupersededError
from nightslate.tables import Staged, Table, Warehouse, commits, verification

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


def test_who_finds_its_files_gone_because_a_newer_attempt_has_committed_is_superseded(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def staged(reward: float) -> Staged:
        attempt = table.begin(MONDAY)
        attempt.write(rows(reward, reward))
        return attempt.seal()

    older, newer, read = staged(1), staged(2), verification.rows_of_file

    def overtaken(*arguments: Any) -> pa.Table:
        monkeypatch.setattr(verification, "rows_of_file", read)
        table.publish(newer, {})
        return read(*arguments)

    monkeypatch.setattr(verification, "rows_of_file", overtaken)
    with pytest.raises(SupersededError):
        table.publish(older, {})
    assert rewards(table, MONDAY) == [2, 2]


def test_different_days_at_once_all_land(table: Table) -> None:
    barrier = threading.Barrier(4)

    def write(offset: int) -> None:
        barrier.wait()
        for again in range(3):
            table.replace(MONDAY + timedelta(offset), rows(offset, again), {})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert rewards(table) == [x for offset in range(4) for x in (offset, 2)]


def overtake(table: Table, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Lets another day commit between the snapshot and the commit of whoever publishes, `times` times."""
    other = Warehouse(table.path.parents[2]).table("shop", table.contract)
    open_table, left = commits.opened_or_created, iter(range(times))

    def overtaken(path: Path, contract: Contract) -> DeltaTable:
        delta = open_table(path, contract)
        number = next(left, None)
        if number is not None:
            with monkeypatch.context() as quiet:
                quiet.setattr(commits, "opened_or_created", open_table)
                other.replace(TUESDAY + timedelta(number), rows(2), {})
        return delta

    monkeypatch.setattr(commits, "opened_or_created", overtaken)


def test_a_race_that_is_lost_is_run_again_and_told_the_right_version(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.replace(MONDAY, rows(1), {})
    overtake(table, monkeypatch, times=2)
    version = table.replace(MONDAY, rows(9), {"n": "mine"})
    assert version == table.snapshot().version
    assert table.snapshot(version - 1).to_arrow(MONDAY, MONDAY)["reward"].to_pylist() == [1]
    assert [commit.version for commit in table.history(MONDAY)] == [version, version - 3]
    assert rewards(table) == [9, 2, 2]


def test_a_race_that_is_lost_every_time_ends_in_a_conflict(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.replace(MONDAY, rows(1), {})
    overtake(table, monkeypatch, times=3)
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
