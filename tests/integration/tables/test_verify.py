"""What delta-rs would register without a look must be refused before a commit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.integration.tables.rows import MONDAY, rows

from nightslate.contracts import load
from nightslate.errors import ContractError
from nightslate.tables import Staged, Table, Warehouse, verification


def staged(table: Table, data: pa.Table | None = None) -> Staged:
    """A sealed attempt of one file, written as `data` is, unchecked."""
    attempt = table.begin(MONDAY)
    file = attempt.write(rows(1, 2))
    assert file is not None
    if data is not None:
        pq.write_table(data, attempt.path / file.path)
    return attempt.seal()


def only_file(staged: Staged) -> Path:
    (file,) = staged.files
    return staged.data / file.path


def column(name: str, values: Any) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.schema.names.index(name), name, values)


CONTENTS: list[tuple[str, Callable[[pa.Table], pa.Table], str]] = [
    ("a null", column("policy", pa.array(["a", None])), "1 of 2 rows break 'policy is required'"),
    ("NaN", column("reward", pa.array([1.0, float("nan")])), "1 of 2 rows break 'reward is finite'"),
    ("infinite", column("reward", pa.array([float("inf")] * 2)), "2 of 2 rows break 'reward is finite'"),
    ("negative", column("impressions", pa.array([1, -1])), "1 of 2 rows break 'impressions >= 0'"),
    ("a key twice", column("policy", pa.array(["a", "a"])), "1 keys occur more than once, such as .*'a'"),
    ("another type", column("impressions", pa.array([1, 2], pa.int32())), "impressions is int32, not int64"),
    ("float32", column("reward", pa.array([1, 2], pa.float32())), "reward is float, not double"),
    ("a column missing", lambda table: table.drop_columns("reward"), "columns are .*, not"),
    (
        "a column extra",
        lambda table: table.append_column("ds", pa.array([MONDAY] * 2)),
        "columns are .*, not",
    ),
    ("another order", lambda table: table.select(["reward", "policy", "impressions"]), "columns are .*, not"),
]


@pytest.mark.parametrize(("change", "message"), [c[1:] for c in CONTENTS], ids=[c[0] for c in CONTENTS])
def test_bad_contents_are_refused(table: Table, change: Callable[[pa.Table], pa.Table], message: str) -> None:
    attempt = staged(table, change(rows(1, 2)))
    for check in (table.verify, lambda staged: table.publish(staged, {})):
        with pytest.raises(ContractError, match=message):
            check(attempt)
    assert table.snapshot().version == -1


def test_good_contents_pass(table: Table) -> None:
    table.verify(staged(table))


def test_all_that_is_wrong_is_listed_by_file(table: Table) -> None:
    attempt = table.begin(MONDAY)
    first = attempt.write(rows(float("nan")), bucket=0)
    last = attempt.write(rows(float("nan"), float("inf")), bucket=7)
    assert first is not None
    assert last is not None
    with pytest.raises(ContractError) as caught:
        table.verify(attempt.seal())
    low, high = "'reward >= -1000000000000000'", "'reward <= 1000000000000000'"
    assert str(caught.value).split("; ") == [
        f"references 2026-11-16: {first.path}: 1 of 1 rows break 'reward is finite'",
        f"{first.path}: 1 of 1 rows break {low}",
        f"{first.path}: 1 of 1 rows break {high}",
        f"{last.path}: 2 of 2 rows break 'reward is finite'",
        f"{last.path}: 1 of 2 rows break {low}",
        f"{last.path}: 2 of 2 rows break {high}",
    ]


def test_a_key_in_two_files_is_seen(table: Table) -> None:
    attempt = table.begin(MONDAY)
    attempt.write(rows(1), bucket=0)
    attempt.write(rows(1), bucket=1)
    with pytest.raises(ContractError, match="1 keys occur more than once"):
        table.verify(attempt.seal())


def tampered(staged: Staged, **changes: Any) -> None:
    path = staged.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][0] |= changes
    path.write_text(json.dumps(manifest))


def refused(table: Table, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        table.publish(table.staged(MONDAY), {})
    assert table.snapshot().version == -1


def test_a_missing_file_is_refused(table: Table) -> None:
    only_file(staged(table)).unlink()
    refused(table, r"bucket=0/00000-[0-9a-f]{32}\.parquet is missing")


def test_a_truncated_file_is_refused(table: Table) -> None:
    path = only_file(staged(table))
    path.write_bytes(path.read_bytes()[:-20])
    refused(table, "bytes, its manifest says")


def test_garbage_of_the_right_size_is_refused(table: Table) -> None:
    path = only_file(staged(table))
    path.write_bytes(b"\0" * path.stat().st_size)
    refused(table, "cannot be read")


def test_a_false_row_count_is_refused(table: Table) -> None:
    tampered(staged(table), rows=3)
    refused(table, "has 2 rows, its manifest says 3")


@pytest.mark.parametrize("kind", ["relative", "absolute", "link"])
def test_a_file_outside_the_staging_folder_is_refused(table: Table, tmp_path: Path, kind: str) -> None:
    attempt = staged(table)
    outside = tmp_path / "outside.parquet"
    pq.write_table(rows(1, 2), outside)
    (attempt.data / "link.parquet").symlink_to(outside)
    up = "../" * 20 + outside.as_posix().lstrip("/")
    path = {"relative": up, "absolute": str(outside), "link": "link.parquet"}[kind]
    tampered(attempt, path=path, size=outside.stat().st_size)
    refused(table, "lies outside the staging folder")


def test_a_manifest_that_is_not_one_is_refused(table: Table) -> None:
    (staged(table).folder / "manifest.json").write_text('{"files": [{}]}')
    refused(table, "not a manifest")


def test_a_table_of_other_columns_cannot_be_staged(table: Table) -> None:
    with pytest.raises(ContractError, match="references 2026-11-16"):
        table.begin(MONDAY).write(rows(1).drop_columns("reward"))


def test_times_without_a_zone_or_in_nanoseconds_are_refused(tmp_path: Path) -> None:
    table = Warehouse(tmp_path).table("shop", load("outcomes"))
    good = pa.table({"outcome_id": ["a"], "user_id": ["0" * 32], "occurred_at": [MONDAY], "kind": ["click"]})
    good = good.append_column("value", [[1.0]])
    for name in ("arm_id", "impression_id"):
        good = good.append_column(name, pa.nulls(1, pa.string()))
    for kind in (pa.timestamp("us"), pa.timestamp("ns", "UTC"), pa.timestamp("ms", "UTC")):
        attempt = table.begin(MONDAY)
        attempt.path.mkdir()
        times = good["occurred_at"].cast(pa.timestamp("us")).cast(kind)
        pq.write_table(good.set_column(2, "occurred_at", times), attempt.path / "part-0.parquet")
        with pytest.raises(ContractError, match=r"occurred_at is timestamp.*, not timestamp\[us, tz=UTC\]"):
            table.verify(attempt.seal())


def test_of_many_users_each_that_is_there_twice_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_KEYS_AT_A_TIME", 3)
    ids = [f"{number:x}{'0' * 31}" for number in range(16)]
    attempt = Warehouse(tmp_path).table("shop", load("users")).begin(MONDAY)
    attempt.write(pa.table({"user_id": ids}), bucket=0)
    attempt.write(pa.table({"user_id": [ids[2], ids[15]]}), bucket=1)
    with pytest.raises(ContractError, match=f"2 keys occur more than once, such as .*{ids[2]}"):
        verification.verify(attempt.seal(), load("users"))
