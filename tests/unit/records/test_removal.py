"""Records of an id are taken out of files of every format, and nothing else of these changes."""

import gzip
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.records import chunks, removal
from nightslate.records.chunks import UnusableFileError
from nightslate.records.reading import read
from nightslate.records.removal import OfId, count

WANTED = OfId("user_id", "u-7")
NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)


def taken_out(path: Path, wanted: OfId = WANTED, free_text: Sequence[str] = ()) -> int:
    found = count(path, wanted, free_text)
    removal.remove(path, wanted, free_text)
    assert count(path, wanted, free_text) == 0
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    return found


@pytest.fixture(params=[1, 1 << 20], ids=["many blocks", "one block"])
def block_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", request.param)


JSON_LINES = {
    '{"user_id": "u-1", "x": 1}\n': False,
    '{"user_id": "u-7", "x": 1}\n': True,
    "\n": False,
    "   \n": False,
    '{"user_id":"\\u0075-7","x":"a later type"}\r\n': True,
    '{"user_id": "u-71"}\n': False,
    '{"x": "u-7"}\n': False,
    '{"user_id": "u-7", "user_id": "u-7"}\n': True,  # no row, in which the id stands
    "u-71 is no row either\n": False,
    '{"user_id": null, "x": 3}': False,
}


@pytest.mark.usefixtures("block_bytes")
@pytest.mark.parametrize("zipped", [False, True])
def test_json_lines(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / ("part.jsonl.gz" if zipped else "part.jsonl")
    pack: Callable[[bytes], bytes] = gzip.compress if zipped else bytes
    path.write_bytes(pack("".join(JSON_LINES).encode()))
    assert taken_out(path) == 3
    content = path.read_bytes()
    left = gzip.decompress(content) if zipped else content
    assert left.decode() == "".join(line for line, goes in JSON_LINES.items() if not goes)


CSV_LINES = {
    "user_id,note,x\n": False,
    "u-1,plain,1\n": False,
    "u-7,plain,1\r\n": True,
    "\n": False,
    '"u-7","quoted, with ""quotes""",2\n': True,
    'u-1,"of two\nlines, u-7",3\n': False,
    'u-7,"of two\n\nlines",3\n': True,
    "u-7,too,many,columns\n": True,  # no row, in which the id stands
    "u-71,too,many,columns\n": False,
    "u-1,last,4": False,
}


@pytest.mark.usefixtures("block_bytes")
def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "part.csv"
    path.write_bytes("".join(CSV_LINES).encode())
    assert taken_out(path, free_text=["note"]) == 4
    assert path.read_bytes().decode() == "".join(line for line, goes in CSV_LINES.items() if not goes)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from(["u-7", "u-1", "u-71", ""]), st.text(alphabet='a",\n\r ', max_size=4)),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 30),
)
def test_what_is_read_of_others_is_what_was_read_before(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[str, str]], at_once: int
) -> None:
    path = tmp_path_factory.mktemp("any") / "part.csv"
    path.write_bytes(("user_id,note\n" + "\n".join(f"{user},{note}" for user, note in records)).encode())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(chunks, "CHUNK_BYTES", at_once)
        before = records_of(path)
        removal.remove(path, WANTED)
        assert records_of(path) == [record for record in before if not is_wanted(*record)]


def is_wanted(user: str | None, text: str) -> bool:
    return user == "u-7" or (user is None and bool(re.search(r"\bu-7\b", text)))


def records_of(path: Path) -> list[tuple[str | None, str]]:
    """In the order of the file: the user and the note of a row, or None and the bytes of what is none."""
    found = {}
    for chunk in read(path):
        for number, row in zip(chunk.numbers.tolist(), chunk.rows.to_pylist(), strict=True):
            found[number] = (row["user_id"] or "", str(row["note"]))
        found |= {each.number: (None, f" {each.content.decode()} ") for each in chunk.unreadable}
    return [found[number] for number in sorted(found)]


def test_parquet_keeps_types_and_times_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    users = ["u-1", "u-7", None, "u-7", "u-2"]
    rows = pa.table(
        {
            "user_id": pa.array(users).dictionary_encode(),
            "at": pa.array([NOON] * 5, pa.timestamp("ns")),
            "arms": [["a"], ["b"], None, [], ["c"]],
        }
    )
    pq.write_table(rows, path, use_deprecated_int96_timestamps=True, row_group_size=2)
    before = pa.concat_tables(chunk.rows for chunk in read(path)).to_pylist()
    assert taken_out(path) == 2
    after = pa.concat_tables(chunk.rows for chunk in read(path))
    assert after.to_pylist() == [row for row in before if row["user_id"] != "u-7"]
    assert after.schema.field("at").type == pa.timestamp("us", "UTC")  # as INT96 is read


@pytest.mark.parametrize(
    ("values", "pointed", "goes"),
    [
        (pa.array([7, 8]), False, 1),
        (pa.array([7.0, 8.5]), False, 1),
        (pa.array(["7.0", "7"]), True, 2),
        (pa.array(["7.0", "7"]), False, 1),
        (pa.array([[7], [8]]), False, 0),
    ],
    ids=["whole numbers", "floating", "pointed", "text", "no ids"],
)
def test_ids_are_those_that_ingest_reads(tmp_path: Path, values: pa.Array, pointed: bool, goes: int) -> None:
    path = tmp_path / "part.parquet"
    pq.write_table(pa.table({"user_id": values}), path)
    assert taken_out(path, OfId("user_id", "7", pointed)) == goes
    lines = tmp_path / "other" / "part.jsonl"
    lines.parent.mkdir()
    lines.write_text("".join(f"{json.dumps({'user_id': value})}\n" for value in values.to_pylist()))
    assert taken_out(lines, OfId("user_id", "7", pointed)) == goes


@pytest.mark.parametrize("name", ["part.txt", "part.parquet", "part.csv", "folder.csv"])
def test_a_file_that_can_not_be_read_is_said_to_be_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.startswith("folder"):
        path.mkdir()
    else:
        path.write_bytes(b"" if name == "part.csv" else b"PAR1 u-7")
    with pytest.raises(UnusableFileError):
        count(path, WANTED)
