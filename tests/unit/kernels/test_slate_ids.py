"""What a slate is called: a hash of its row and of nothing else."""

import hashlib
import json
import struct
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

from nightslate.kernels.slate_ids import slate_ids
from nightslate.kernels.slate_weights import WeightAdjustment

from .test_scoring import DAY, people, scoring, split, uniform

PROGRAM = "shop"
GROUPS = {"a": "x", "b": "x", "c": "y", "d": "y", "e": None}
ROW = {
    "user_id": "0123456789abcdef" * 2,
    "issue": "all",
    "variant": "champion",
    "policy": "uniform",
    "model_digest": "2" * 64,
    "candidates": ["a", "b", "c"],
    "weights": [0.5, 0.25, 0.25],
    "groups": ["x", None, "y"],
    "penalty": 0.5,
    "ranking": ["c", "a"],
    "shown_from": None,
    "shown_until": None,
    "issue_probability": None,
}
NOON, EVENING = (datetime(2026, 11, 17, hour, tzinfo=UTC) for hour in (12, 18))


def slates():
    """Of several variants, numbers of arms and penalties, in no order."""
    plain, adjustment = scoring(split(0.5)), WeightAdjustment({"a": 2.0}, 0.5, GROUPS)
    kinds = [
        plain,
        replace(plain, adjustment=adjustment, randomised=frozenset({"random"})),
        replace(plain, adjustment=replace(adjustment, penalty=0.25)),
        scoring({"all": (1.0, uniform(("a", "b")))}, depth=2),
        scoring({"all": (1.0, uniform(("b", "a")))}, depth=1),
    ]
    made = [how.scored(people(20, start=20 * place)) for place, how in enumerate(kinds)]
    drawn = people(20, start=100).append_column("issue_probability", pa.array(np.linspace(0.1, 0.9, 20)))
    rows = pa.concat_tables([*made, plain.scored(drawn)])
    return rows.take(np.random.default_rng(3).permutation(rows.num_rows))


def ids(rows, program=PROGRAM, day=DAY):
    return slate_ids(rows, program, day).to_pylist()


def by_hand(row, program=PROGRAM, day=DAY, after=b""):
    """The definition, for one row."""
    shared = ("issue", "variant", "policy", "model_digest", "candidates", "groups", "penalty")
    head = json.dumps([program, day.isoformat(), *(row[name] for name in shared)]).encode()
    ranking = [row["candidates"].index(arm) for arm in row["ranking"]]
    numbers = struct.pack(f"<{len(row['weights'])}f", *row["weights"]) + struct.pack(
        f"<{len(ranking)}i", *ranking
    )
    if row["issue_probability"] is not None:
        numbers += struct.pack("<d", row["issue_probability"])
    return hashlib.sha256(head + b"\0" + row["user_id"].encode() + b"\0" + numbers + after).hexdigest()


def test_an_id_is_the_hash_of_all_that_determines_a_slate():
    rows = slates()
    found = slate_ids(rows, PROGRAM, DAY)
    assert found.type == pa.string()
    assert found.to_pylist() == [by_hand(row) for row in rows.to_pylist()]
    assert len(set(found.to_pylist())) == 120
    assert rows["slate_id"].to_pylist() == found.to_pylist()  # as scoring named them


def test_an_id_is_the_same_on_every_version_of_this():
    """Published slates are found again by their ids, so what is hashed never changes."""
    schema = pa.schema([field for field in slates().schema if field.name in ROW])
    assert ids(pa.Table.from_pylist([ROW], schema)) == [by_hand(ROW)]
    assert by_hand(ROW) == "04be305f5771bdfadd5f00e64df1cb4b0f66791e3c318b2677d8d224079df3b6"


def test_neither_the_order_nor_chunks_nor_other_rows_have_a_say():
    rows = slates()
    found = ids(rows)
    order = np.random.default_rng(4).permutation(rows.num_rows)
    assert ids(rows.take(order)) == [found[place] for place in order]
    assert ids(rows.slice(30, 25)) == found[30:55]
    assert [ids(rows.slice(place, 1))[0] for place in range(rows.num_rows)] == found
    for width in (1, 7, 33):
        chunks = [rows.slice(begin, width) for begin in range(0, rows.num_rows, width)]
        assert ids(pa.concat_tables(chunks)) == found
        assert [one for chunk in chunks for one in ids(chunk)] == found
    twice = pa.concat_tables([rows, rows.slice(10, 20), rows])
    assert ids(twice) == [*found, *found[10:30], *found]


def test_propensities_and_the_id_itself_have_no_say():
    rows = slates()
    assert ids(rows.drop_columns(["slate_id", "propensities"])) == ids(rows)
    assert ids(rows.select(rows.column_names[::-1])) == ids(rows)


def test_no_slates_have_no_ids():
    assert ids(slates().slice(0, 0)) == []


NEXT = float(np.nextafter(np.float32(0.25), np.float32(1)))


@pytest.mark.parametrize(
    ("column", "changed"),
    [
        ("user_id", "f" * 32),
        ("user_id", "0123456789abcdef" * 2 + "0"),
        ("issue", "another"),
        ("issue", "champion"),
        ("variant", "random"),
        ("policy", "another"),
        ("model_digest", "3" * 64),
        ("candidates", ["a", "c", "b"]),
        ("candidates", ["a", "b", "d"]),
        ("candidates", ["a", "b", "c", "d"]),
        ("candidates", ["a", "b"]),
        ("weights", [0.5, NEXT, 0.25]),
        ("weights", [0.25, 0.5, 0.25]),
        ("weights", [0.5, 0.25]),
        ("weights", [0.5, 0.25, 0.25, 0.25]),
        ("groups", ["x", "y", "y"]),
        ("groups", ["x", None, None]),
        ("groups", [None, "x", "y"]),
        ("groups", ["x", None]),
        ("groups", []),
        ("groups", None),
        ("penalty", 0.25),
        ("penalty", 0.5000000000000001),
        ("penalty", None),
        ("ranking", ["a", "c"]),
        ("ranking", ["c", "b"]),
        ("ranking", ["c"]),
        ("ranking", ["c", "a", "b"]),
        ("ranking", ["c", "z"]),
        ("ranking", []),
        ("shown_from", [NOON]),
        ("shown_from", []),
        ("shown_until", [NOON]),
        ("shown_until", [NOON, EVENING]),
        ("issue_probability", 1.0),
        ("issue_probability", 0.25),
    ],
)
def test_any_change_of_any_field_changes_the_id(column, changed):
    """Also where the changed row stands beside the one that it was, and there are many others."""
    schema = pa.schema([slates().schema.field(name) for name in ROW])
    both = pa.Table.from_pylist([ROW, {**ROW, column: changed}], schema)
    one, other = ids(both)
    assert one != other
    assert [ids(both.slice(place, 1)) for place in (0, 1)] == [[one], [other]]
    assert ids(pa.concat_tables([slates().select(schema.names), both]))[-2:] == [one, other]


def test_times_at_which_a_slate_may_be_shown_are_part_of_what_it_is_called_by():
    """And slates without such are called as they ever were, also beside others."""
    shown = {**ROW, "shown_from": [NOON], "shown_until": [EVENING]}
    schema = pa.schema([slates().schema.field(name) for name in ROW])
    timed, plain = ids(pa.Table.from_pylist([shown, ROW], schema))
    assert plain == by_hand(ROW)
    times = [[int(each.timestamp()) * 1_000_000] for each in (NOON, EVENING)]
    assert timed == by_hand(ROW, after=b"\0" + json.dumps(times).encode())
    later = {**shown, "shown_until": [EVENING.replace(minute=1)]}
    assert ids(pa.Table.from_pylist([later], schema)) != [timed]


def test_programs_and_days_have_ids_of_their_own():
    rows = slates()
    named = [ids(rows), ids(rows, "other"), ids(rows, PROGRAM, date(2026, 11, 18))]
    assert len({one for found in named for one in found}) == 360
