"""Which files of a day that is not over are whole."""

import gzip
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightslate.landing.batches import Batch, Batches, LandedFile
from nightslate.pipeline import open_day_files
from nightslate.pipeline.open_day_files import landed_so_far, queue_is_past

from .test_night import DS, night

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(open_day_files, "_SECONDS_BETWEEN_LOOKS", 0.0)


def folder(home, log="outcomes"):
    found = home / "warehouse" / "landing" / "tiny" / log / f"ds={DS}"
    found.mkdir(parents=True, exist_ok=True)
    return found


def taken(home, log="outcomes"):
    found = landed_so_far(night(home), [log])
    return sorted(file.name for file in found.files[log]), found.waiting


def test_files_count_that_end_as_whole_ones_do(tmp_path):
    place = folder(tmp_path)
    pq.write_table(pa.table({"a": [1]}), place / "whole.parquet")
    (place / "cut.parquet").write_bytes((place / "whole.parquet").read_bytes()[:-5])
    (place / "whole.jsonl").write_text("{}\n")
    (place / "cut.jsonl").write_text('{"a": 1}\n{"a"')
    (place / "empty.csv").write_text("")
    text = gzip.compress(b"{}\n" * 1000)
    (place / "whole.jsonl.gz").write_bytes(text)
    (place / "no_end.jsonl.gz").write_bytes(gzip.compress(b"{}"))
    (place / "odd.xml").write_text("<a/>\n")
    (place / "_draft.csv").write_text("a\n")
    assert taken(tmp_path) == (["empty.csv", "whole.jsonl", "whole.jsonl.gz", "whole.parquet"], 4)


def test_of_a_log_with_its_marker_all_files_count(tmp_path):
    (folder(tmp_path) / "no_end.jsonl").write_text("{}")
    assert taken(tmp_path) == ([], 1)
    (folder(tmp_path) / "_SUCCESS").touch()
    assert taken(tmp_path) == (["no_end.jsonl"], 0)
    assert landed_so_far(night(tmp_path), ["outcomes"]).closed == {"outcomes"}


def test_a_file_that_grows_between_two_looks_waits(tmp_path, monkeypatch):
    (folder(tmp_path) / "still.jsonl").write_text("{}\n")
    (folder(tmp_path) / "old.jsonl").write_text("{}\n")

    def write(_seconds):
        with (folder(tmp_path) / "still.jsonl").open("a") as file:
            file.write("{}\n")

    monkeypatch.setattr(open_day_files.time, "sleep", write)
    assert taken(tmp_path) == (["old.jsonl"], 1)


def test_a_log_that_nothing_has_landed_of_has_no_files(tmp_path):
    assert taken(tmp_path, "arms") == ([], 0)


def test_files_of_a_queue_count_once_their_record_is_done(tmp_path):
    records = Batches(tmp_path / "warehouse" / "landing" / "tiny" / "outcomes" / "_kafka")
    file = LandedFile(
        name="kafka-1.jsonl", ds=DS, late=False, partition=0, first=0, last=1, messages=1, sha256="0" * 64
    )
    stamps = {0: int(NOON.timestamp() * 1000), 1: int(NOON.timestamp() * 1000) + 5000}
    given = {"topic": "t", "topic_id": "i", "at": NOON, "open": (DS,), "files": (file,)}
    records.put(1, Batch(**given, next={0: 2, 1: 7}, newest=stamps))
    (folder(tmp_path) / "kafka-1.jsonl").write_text("{}\n")
    assert taken(tmp_path) == ([], 1)
    records.mark_done(1)
    assert taken(tmp_path) == (["kafka-1.jsonl"], 0)


def test_a_queue_is_past_what_its_slowest_partition_is_past(tmp_path):
    assert queue_is_past(night(tmp_path), "outcomes") is None
    records = Batches(tmp_path / "warehouse" / "landing" / "tiny" / "outcomes" / "_kafka")
    noon = int(NOON.timestamp() * 1000)
    given = {"topic": "t", "topic_id": "i", "at": NOON, "open": (date(2024, 3, 1),)}
    records.put(1, Batch(**given, next={0: 2, 1: 7}, newest={0: noon + 1000, 1: noon}))
    assert queue_is_past(night(tmp_path), "outcomes") == NOON
    records.put(2, Batch(**given, next={0: 2, 1: 7, 2: 0}, newest={0: noon, 1: noon}))
    assert queue_is_past(night(tmp_path), "outcomes") == datetime.fromtimestamp(0, UTC)
