"""What the files of an attribution go through: parts on disk, copies, times, options."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.arrays import Keys
from nightslate.core.attribution import Rule
from nightslate.core.errors import InvalidInputError
from nightslate.errors import MachineError
from nightslate.files import large, text_index
from nightslate.files import users as files_users
from nightslate.files.attribution import user_impressions
from nightslate.files.attribution.attribute import Summary, attribute
from nightslate.files.attribution.copies import among, copies, repeated
from nightslate.files.attribution.options import attributor
from nightslate.files.hashes import text_keys
from nightslate.kernels.attribution import Attributor

NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)
LINEAR = Attributor(Rule("linear"), "user", timedelta(days=7))


def history(seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    draw = random.Random(seed)  # noqa: S311
    impressions = [
        {
            "impression_id": f"i{n}",
            "user_id": f"u{draw.randrange(60)}",
            "arm_id": draw.choice("abc"),
            "occurred_at": NOON - timedelta(hours=draw.randrange(300)),
        }
        for n in range(1500)
    ]
    outcomes = [
        {
            "outcome_id": f"o{n}",
            "user_id": f"u{draw.randrange(40)}",
            "kind": draw.choice(["click", "task"]),
            "value": draw.choice([1.0, 2.5]),
            "occurred_at": NOON - timedelta(hours=draw.randrange(100)),
        }
        for n in range(200)
    ]
    return impressions, outcomes


def run(folder: Path, logs: tuple[list[dict[str, Any]], list[dict[str, Any]]], **more: Any) -> Summary:
    for name, rows in zip(("i", "o"), logs, strict=True):
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet", row_group_size=400)
    told = more.pop("told", [])
    out = folder / "credits.parquet"
    return attribute(
        folder / "i.parquet",
        folder / "o.parquet",
        LINEAR,
        out,
        progress=lambda name, done, total: told.append((name, done, total)),
        **more,
    )


def result(folder: Path) -> pa.Table:
    by = [("outcome_id", "ascending"), ("impression_id", "ascending")]
    return pq.read_table(folder / "credits.parquet").sort_by(by)


def test_users_in_many_parts_and_rows_in_many_batches_have_the_same_credits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, told = run(tmp_path, history(1)), list[tuple[str, int, int]]()
    expected = result(tmp_path)
    assert expected.num_rows > 500
    monkeypatch.setattr(files_users, "_PART_ROWS", 100)
    monkeypatch.setattr(user_impressions, "BATCH_ROWS", 64)
    monkeypatch.setattr(large, "BATCH_ROWS", 64)
    parted = run(tmp_path, history(1), told=told)
    assert result(tmp_path).equals(expected)
    assert ("impressions read", 1500, 1500) in told
    assert told[-1] == ("parts attributed", 17, 17)
    assert parted.near == whole.near < 1500
    assert parted.tally.reasons == whole.tally.reasons
    for name, kind in whole.tally.kinds.items():
        assert parted.tally.kinds[name].credit == pytest.approx(kind.credit)
        assert parted.tally.kinds[name].credited == kind.credited
        assert np.array_equal(parted.tally.kinds[name].lags, kind.lags)
    assert {arm: found.touches for arm, found in parted.tally.arms.items()} == {
        arm: found.touches for arm, found in whole.tally.arms.items()
    }


def test_ids_of_users_in_different_parts_clash_and_copies_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impressions, outcomes = history(2)
    users = sorted({row["user_id"] for row in outcomes})
    clashing = [{**impressions[0], "impression_id": "twice", "user_id": user} for user in users]
    logs = ([*impressions, *clashing, *impressions[:50]], outcomes)
    monkeypatch.setattr(files_users, "_PART_ROWS", 100)
    summary = run(tmp_path, logs, quarantine=tmp_path / "bad.jsonl")
    assert [*summary.refused[str(tmp_path / "i.parquet")].values()] == [len(users)]
    near = sum(row["user_id"] in users for row in impressions[:50])
    assert summary.copies[str(tmp_path / "i.parquet")] == near > 0
    found = result(tmp_path)
    run(tmp_path, (impressions, outcomes))
    assert found.equals(result(tmp_path))


def test_a_disk_that_takes_no_more_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(user_impressions.Parts, "add", full)
    with pytest.raises(MachineError, match="No space left"):
        run(tmp_path, history(3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["i.parquet", "o.parquet"]


@given(st.lists(st.text(max_size=30), max_size=20, unique=True))
@settings(deadline=None, max_examples=50)
def test_a_text_has_one_key_wherever_it_stands(texts: list[str]) -> None:
    column = pa.chunked_array([texts], pa.string())
    keys = text_keys(column)
    assert len(set(keys.tolist())) == len(texts)
    apart = pa.chunked_array([[text] for text in reversed(["before", *texts])], pa.string())
    assert text_keys(apart)[::-1][1:].tolist() == keys.tolist()
    assert text_keys(column.slice(1)).tolist() == keys[1:].tolist()


@given(st.lists(st.text(max_size=20), max_size=40), st.integers(0, 20), st.sampled_from([0, 58, 63]))
@settings(deadline=None, max_examples=100)
def test_texts_are_found_where_they_stand_though_keys_be_the_same(
    texts: list[str], known: int, lost_bits: int
) -> None:
    def few_keys(of: pa.ChunkedArray) -> Keys:
        return text_keys(of) >> np.uint64(lost_bits) << np.uint64(lost_bits)

    distinct = list(dict.fromkeys(texts[:known]))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(text_index, "text_keys", few_keys)
        there = pa.array(distinct, pa.string())
        index = text_index.TextIndex.of(there, few_keys(pa.chunked_array([there])))
        found = index.find(pa.array(texts, pa.string()))
    assert found.tolist() == [distinct.index(text) if text in distinct else -1 for text in texts]


def test_copies_differ_in_nothing_but_their_place() -> None:
    table = pa.table({"id": ["a", "a", "b", "a", None, None], "x": [1, 1, 1, 2, 1, 1], "row": range(6)})
    everywhere = np.ones(6, dtype=np.bool_)
    assert copies(table, everywhere).tolist() == [False, True, False, False, False, True]
    assert not copies(table, ~everywhere).any()


def test_keys_that_repeat() -> None:
    keys = np.array([5, 3, 5, 9, 3, 5, 1], dtype=np.uint64)
    twice = repeated(keys)
    assert twice.tolist() == [3, 5]
    assert among(keys, twice).tolist() == [True, True, True, False, True, True, False]
    assert not among(keys, twice[:0]).any()


def test_options_become_an_attributor() -> None:
    how = attributor(
        rule="time_decay",
        window="14d",
        half_life="12h",
        match="closest",
        values=["click=0.05", "a=b=1"],
        decay="30d",
        cap=5.0,
        skew="0",
        max_touches=7,
    )
    assert how == Attributor(
        Rule("time_decay", 12 * 3_600_000_000, 7),
        "closest",
        timedelta(days=14),
        values={"click": 0.05, "a=b": 1.0},
        decay=timedelta(days=30),
        cap=5.0,
    )
    assert attributor(rule="linear", window="30m").skew == timedelta(minutes=5)


@pytest.mark.parametrize("value", ["click", "=1", "click=", "click=nan", "click=1,5"])
def test_a_worth_is_a_finite_number(value: str) -> None:
    with pytest.raises(InvalidInputError, match="KIND=WORTH"):
        attributor(rule="linear", window="1d", values=[value])
