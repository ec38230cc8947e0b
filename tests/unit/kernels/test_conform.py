"""Each row is what the contract says, or is blamed by name; its neighbours are not."""

import json
import math
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.kernels.landed import (
    DS,
    NOON,
    PARQUET,
    PSEUDONYMISE,
    WRITERS,
    accepted,
    conform,
    good,
    raw_user,
    rejected,
    write_csv,
    write_jsonl,
    write_parquet,
)

from nightslate.contracts import load
from nightslate.kernels.conform import Conformer
from nightslate.kernels.landing_columns import read

START = datetime(2026, 11, 16, tzinfo=UTC)


@pytest.fixture(params=WRITERS)
def write(request):
    return WRITERS[request.param]


def blame(path):
    """The verdict on the odd row between two sound ones, both of which survive."""
    table = conform(path)
    assert accepted(table) == ["i1", "i3"]
    (verdict,) = rejected(table)
    return verdict


def odd(write, tmp_path, **different):
    return blame(write(tmp_path / "f", [good(1), good(2, **different), good(3)]))


@pytest.mark.parametrize(
    ("propensity", "reason", "clause"),
    [
        (None, "required", "propensity is required unless slate_id is given"),
        (0.0, "out_of_range", "propensity > 0"),
        (-0.0, "out_of_range", "propensity > 0"),
        (-0.1, "out_of_range", "propensity > 0"),
        (math.nan, "out_of_range", "propensity is finite"),
        (math.inf, "out_of_range", "propensity is finite"),
        (-math.inf, "out_of_range", "propensity is finite"),
        (1.0000011, "out_of_range", "propensity <= 1"),
        (2, "out_of_range", "propensity <= 1"),
    ],
)
def test_a_propensity_that_is_none(tmp_path, write, propensity, reason, clause):
    assert odd(write, tmp_path, propensity=propensity) == (reason, clause)


def test_a_propensity_may_be_left_to_its_slate_but_not_be_wrong(tmp_path, write):
    schema = PARQUET.append(pa.field("slate_id", pa.string()))
    rows = [good(i, slate_id=slate, propensity=p) for i, (slate, p) in enumerate(
        [("s", None), (None, None), ("s", 0.0), ("s", math.nan), ("s", 2.0), ("s", 0.5)]
    )]  # fmt: skip
    table = conform(write(tmp_path / "f", rows, schema))
    assert accepted(table) == ["i0", "i5"]
    assert [clause for _, clause in rejected(table)] == [
        "propensity is required unless slate_id is given",
        "propensity > 0",
        "propensity is finite",
        "propensity <= 1",
    ]


@pytest.mark.parametrize("rounded", [1.0000000000000002, 1.0000001, 1.000001])
def test_a_propensity_that_rounding_made_larger_than_1_is_1(tmp_path, write, rounded):
    table = conform(write(tmp_path / "f", [good(1, propensity=rounded)]))
    assert rejected(table) == []
    assert table["propensity"].to_pylist() == [1.0]


def test_the_bounds_of_a_propensity_are_in_and_out(tmp_path, write):
    rows = [good(1, propensity=1.0), good(2, propensity=5e-324)]
    assert accepted(conform(write(tmp_path / "f", rows))) == ["i1", "i2"]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_the_numbers_that_json_has_no_words_for(tmp_path, text):
    """Python writes them, and Arrow reads them: on the fast path and beside a broken line."""
    rows = write_jsonl(tmp_path / "f", [good(1), good(2, propensity=0.25), good(3)])
    rows.write_text(rows.read_text().replace("0.25", text))
    assert blame(rows) == ("out_of_range", "propensity is finite")
    rows.write_text(rows.read_text() + "broken\n")
    assert rejected(conform(rows))[0] == ("out_of_range", "propensity is finite")


@pytest.mark.parametrize("slot", [0, -1])
def test_slots_count_from_1(tmp_path, write, slot):
    assert odd(write, tmp_path, slot=slot) == ("out_of_range", "slot >= 1")


@pytest.mark.parametrize(
    "column", ["impression_id", "decision_id", "user_id", "occurred_at", "slot", "arm_id"]
)
def test_what_is_required(tmp_path, write, column):
    table = conform(write(tmp_path / "f", [good(1), good(2, **{column: None}), good(3)]))
    assert accepted(table) == ["i1", "i3"]
    assert rejected(table) == [("required", f"{column} is required")]


def test_an_arm_that_the_day_does_not_have(tmp_path, write):
    assert odd(write, tmp_path, arm_id="z") == ("unknown_arm", "arm_id is one of the arms of the day")


def test_an_outcome_may_name_no_arm_but_not_an_unknown_one(tmp_path):
    conformer = Conformer(load("outcomes"), DS, PSEUDONYMISE, arms=("a",))
    outcome = {"user_id": raw_user(1), "occurred_at": str(NOON), "kind": "click", "value": 1.0}
    path = tmp_path / "f.jsonl"
    lines = [{**outcome, "outcome_id": f"o{i}", "arm_id": arm} for i, arm in enumerate(["a", None, "z"])]
    path.write_text("\n".join(map(json.dumps, lines)))
    table = conform(path, conformer)
    assert [row["outcome_id"] for row in table.to_pylist() if row["_reason"] is None] == ["o0", "o1"]
    assert rejected(table) == [("unknown_arm", "arm_id is one of the arms of the day")]


def test_a_day_without_arms_knows_none_of_them(tmp_path):
    conformer = Conformer(load("impressions"), DS, PSEUDONYMISE, arms=())
    rows = [{name: value for name, value in good(1).items() if name != "age"}]
    path = write_parquet(tmp_path / "f", rows, pa.schema([f for f in PARQUET if f.name != "age"]))
    assert [reason for reason, _ in rejected(conform(path, conformer))] == ["unknown_arm"]


def test_naive_timestamps_cost_a_parquet_file_its_load(tmp_path):
    schema = PARQUET.set(3, pa.field("occurred_at", pa.timestamp("us")))
    path = write_parquet(tmp_path / "f", [good(1, occurred_at=NOON.replace(tzinfo=None))], schema)
    table = conform(path)
    assert accepted(table) == []
    assert rejected(table) == [("naive_timestamp", "occurred_at has a time zone")]


@pytest.mark.parametrize("text", ["2026-11-16T12:00:00", "2026-11-16 12:00:00.5", "2026-11-16"])
def test_naive_timestamps_cost_their_row_elsewhere(tmp_path, text):
    for write in (write_csv, write_jsonl):
        assert odd(write, tmp_path, occurred_at=text) == ("naive_timestamp", "occurred_at has a time zone")


@pytest.mark.parametrize("text", ["noon", "2026-11-31T12:00:00Z", "1763294400"])
def test_what_is_no_timestamp(tmp_path, text):
    for write in (write_csv, write_jsonl):
        assert odd(write, tmp_path, occurred_at=text) == ("wrong_type", "occurred_at is timestamp")


def test_offsets_become_utc(tmp_path):
    texts = ["2026-11-16T13:30:00+02:00", "2026-11-16 06:30:00-05:00", "2026-11-16T11:30:00Z"]
    rows = [good(i, occurred_at=text) for i, text in enumerate(texts)]
    for write in (write_csv, write_jsonl):
        table = conform(write(tmp_path / "f", rows))
        assert rejected(table) == []
        assert set(table["occurred_at"].to_pylist()) == {NOON - timedelta(minutes=30)}
    schema = PARQUET.set(3, pa.field("occurred_at", pa.timestamp("ms", "Europe/Berlin")))
    table = conform(write_parquet(tmp_path / "f", [good(1)], schema))
    assert table["occurred_at"].to_pylist() == [NOON]
    assert table.schema.field("occurred_at").type == pa.timestamp("us", "UTC")


def test_an_offset_can_move_a_row_to_another_day(tmp_path):
    for write in (write_csv, write_jsonl):
        moved = odd(write, tmp_path, occurred_at="2026-11-16T00:30:00+01:00")
        assert moved == ("before_ds", "occurred_at >= 2026-11-16")


@pytest.mark.parametrize(
    ("moment", "verdict"),
    [
        (START - timedelta(microseconds=1), ("before_ds", "occurred_at >= 2026-11-16")),
        (START, None),
        (START + timedelta(days=1, microseconds=-1), None),
        (START + timedelta(days=1), ("after_ds", "occurred_at < 2026-11-17")),
        (START + timedelta(days=400), ("after_ds", "occurred_at < 2026-11-17")),
    ],
)
def test_a_day_begins_and_ends_to_the_microsecond(tmp_path, write, moment, verdict):
    table = conform(write(tmp_path / "f", [good(1), good(2, occurred_at=moment)]))
    assert rejected(table) == ([] if verdict is None else [verdict])


def test_a_row_is_blamed_once_for_the_first_clause_it_breaks(tmp_path, write):
    verdict = odd(write, tmp_path, slot=0, propensity=2.0, arm_id="z", occurred_at=START)
    assert verdict == ("out_of_range", "slot >= 1")


def test_a_rejected_row_is_kept_as_it_came_under_its_pseudonym(tmp_path, write):
    table = conform(write(tmp_path / "f", [good(1), good(2, propensity=7.0, age=None)]))
    ((kept, file),) = [(json.loads(r["_row"]), r["_file"]) for r in table.to_pylist() if r["_row"]]
    assert file.startswith("f.")
    assert kept["user_id"] == PSEUDONYMISE(pa.array([raw_user(2)]))[0].as_py()
    assert float(kept["propensity"]) == 7.0
    assert kept["occurred_at"] == str(NOON)
    assert "age" not in kept


def test_one_user_has_one_pseudonym_in_every_format_and_another_under_another_key(tmp_path):
    seen = {conform(write(tmp_path / "f", [good(1)]))["user_id"][0].as_py() for write in WRITERS.values()}
    assert len(seen) == 1
    other = type(PSEUDONYMISE)(b"another key of thirty-two bytes.", "2")
    assert other(pa.array([raw_user(1)]))[0].as_py() not in seen


POISONED = {
    "user_id": ("u" * 501, "user_id has 1 to 500 characters"),
    "arm_id": ("a" * 200_000, "arm_id has 1 to 500 characters"),
    "impression_id": ("i" * 501, "impression_id has 1 to 500 characters"),
}


@pytest.mark.parametrize("name", POISONED)
@pytest.mark.parametrize("write", [write_parquet, write_jsonl])
def test_text_that_is_too_long_is_quarantined(tmp_path, write, name):
    value, clause = POISONED[name]
    assert odd(write, tmp_path, **{name: value}) == ("out_of_range", clause)


@pytest.mark.parametrize("write", [write_parquet, write_jsonl])
def test_an_empty_user_id_is_nobody(tmp_path, write):
    """It is judged as it came: its pseudonym would look like any other."""
    assert odd(write, tmp_path, user_id="") == ("required", "user_id is required")


def test_quarantine_keeps_as_much_of_a_long_text_as_a_person_reads(tmp_path):
    table = conform(write_parquet(tmp_path / "f", [good(1, arm_id="a" * 200_000)]))
    (row,) = [json.loads(row) for row in table["_row"].to_pylist()]
    assert row["arm_id"] == "a" * 1000 + "... (200000 characters)"


@pytest.mark.parametrize(
    ("value", "clause"),
    [
        (1e200, "value <= 1000000000000000"),
        (-1e20, "value >= -1000000000000000"),
        (1e15, None),
    ],
)
def test_a_reward_that_no_sum_survives_is_quarantined(tmp_path, value, clause):
    done = {"outcome_id": "o", "user_id": "u", "occurred_at": NOON, "kind": "click", "value": value}
    path = tmp_path / "outcomes.parquet"
    pq.write_table(pa.Table.from_pylist([done]), path)
    conformer = Conformer(load("outcomes"), DS, PSEUDONYMISE)
    chunks = read(path, conformer.contract.landing_columns)
    found = pa.concat_tables([conformer(chunk, path.name) for chunk in chunks])
    assert found["_clause"].to_pylist() == [clause]
