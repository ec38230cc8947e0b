"""Records on disk, and landing files that follow from them."""

import json
import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from nightslate.errors import CommitConflictError, DamageError, UnavailableError
from nightslate.online.spool import Spool

DAY, NEXT = date(2026, 3, 1), date(2026, 3, 2)
AT = datetime(2026, 3, 1, 9, tzinfo=UTC)


def landed(folder: Path, log: str, ds: date) -> list[dict[str, object]]:
    files = sorted((folder / log / f"ds={ds}").glob("served-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def segments(folder: Path) -> list[Path]:
    return sorted((folder / "_served").glob("*.jsonl"))


def test_records_land_by_log_and_day(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(AT, {("activity", DAY): [{"n": 1}, {"n": 2}], ("impressions", NEXT): [{"n": 0.1 + 0.2}]})
    spool.append(AT, {("activity", DAY): [{"n": "\u2028\n"}]})
    assert not landed(tmp_path, "activity", DAY)
    spool.close()
    assert [row["n"] for row in landed(tmp_path, "activity", DAY)] == [1, 2, "\u2028\n"]
    assert landed(tmp_path, "impressions", NEXT) == [{"n": 0.1 + 0.2}]
    assert not segments(tmp_path)


def test_what_a_killed_process_has_left_lands_once_however_often_it_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    for number in range(3):
        spool.append(AT, {("activity", DAY): [{"n": number}], ("impressions", DAY): [{"n": number}]})
    (left,) = segments(tmp_path)
    content = left.read_bytes()
    left.write_bytes(content + b'{"rows": [["activity", "2026-03-01", [{"n": 9')  # its writing was cut short
    spool._lock.close()
    again = Spool(tmp_path)
    with monkeypatch.context() as dying:
        dying.setattr(Path, "unlink", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            again.land_all()
    assert len(landed(tmp_path, "activity", DAY)) == 3
    again.land_all()
    assert [row["n"] for row in landed(tmp_path, "activity", DAY)] == [0, 1, 2]
    assert [row["n"] for row in landed(tmp_path, "impressions", DAY)] == [0, 1, 2]
    assert not segments(tmp_path)


def test_a_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(AT, {("activity", DAY): [{"n": 1}]})
    (segment,) = segments(tmp_path)
    segment.write_bytes(b"\0\0\n" + segment.read_bytes())
    with pytest.raises(DamageError, match="line 1, is no record of served decisions"):
        spool.land_all()


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_what_can_t_be_written_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    spool = Spool(tmp_path)
    spool.append(AT, {("activity", DAY): [{"n": 1}]})
    honest, calls = getattr(os, call), []

    def full(file: int, *content: bytes) -> int:
        calls.append(1)
        if call == "write" and len(calls) == 1:
            return honest(file, content[0][:5])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as filled:
        filled.setattr(os, call, full)
        with pytest.raises(
            UnavailableError, match=r"No space left on device\. Nothing of the request was taken in"
        ):
            spool.append(AT, {("activity", DAY): [{"n": 2}]})
    spool.append(AT, {("activity", DAY): [{"n": 3}]})
    spool.close()
    assert sorted(row["n"] for row in landed(tmp_path, "activity", DAY)) == [1, 3]


def test_one_process_has_it_open(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(CommitConflictError, match="another process serves this program"):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


def test_days_are_open_until_they_are_forgotten(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.open_day(NEXT)
    spool.open_day(DAY)
    spool.close()
    again = Spool(tmp_path)
    assert again.open_days() == [DAY, NEXT]
    again.forget_day(DAY)
    assert again.open_days() == [NEXT]


def test_raw_ids_are_kept_from_other_accounts(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(AT, {("activity", DAY): [{"n": 1}]})
    assert (tmp_path / "_served").stat().st_mode & 0o007 == 0
    assert segments(tmp_path)[0].stat().st_mode & 0o007 == 0
