"""The records of a log."""

from datetime import UTC, date, datetime

import pytest

from nightslate.errors import CommitConflictError, DamageError
from nightslate.landing.batches import Batch, Batches, LandedFile


def batch(number):
    return Batch(
        topic="clicks",
        topic_id="id",
        at=datetime(2024, 3, 1, tzinfo=UTC),
        next={0: number, 11: 2**40},
        newest={0: 1709251200000},
        open=(date(2024, 3, 1),),
        files=(file(),),
        skips={0: (1, 2)},
    )


def file(**changes):
    given = {"name": "a", "ds": date(2024, 3, 1), "late": False, "partition": 0, "first": 0, "last": 1}
    return LandedFile(**{**given, "messages": 2, "sha256": "0" * 64, **changes})


def test_the_newest_record_is_found_and_reads_as_it_was_put(tmp_path):
    records = Batches(tmp_path / "_kafka")
    assert records.last() == (0, None)
    for number in range(1, 20):
        records.put(number, batch(number))
        assert records.last() == (number, batch(number))


def test_a_number_is_put_once(tmp_path):
    records = Batches(tmp_path)
    records.put(1, batch(1))
    with pytest.raises(CommitConflictError, match="another process lands into this log"):
        records.put(1, batch(2))
    assert records.last() == (1, batch(1))


def test_a_record_that_is_damaged_is_named(tmp_path):
    records = Batches(tmp_path)
    records.put(1, batch(1))
    (tmp_path / "000000000001.json").write_text("{")
    with pytest.raises(DamageError, match=r"000000000001\.json is no record"):
        records.last()


def test_days_are_open_from_their_first_file_to_their_marker():
    first = Batch.before_the_first("clicks").followed_by(at=datetime.now(UTC), next={0: 2}, files=(file(),))
    assert first.open == (date(2024, 3, 1),)
    late = first.followed_by(at=datetime.now(UTC), next={0: 3}, files=(file(ds=date(2024, 2, 1), late=True),))
    assert late.open == (date(2024, 3, 1),)
    assert late.followed_by(at=datetime.now(UTC), next={0: 3}, closes=(date(2024, 3, 1),)).open == ()
