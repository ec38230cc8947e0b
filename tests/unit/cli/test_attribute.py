"""`nightslate attribute` from two files to credits, which a few lines of arithmetic give again."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.cli.attribute_runs import DAY, FOUR, HOUR, NOON, Files, Row, done, shown
from typer.testing import CliRunner

from nightslate.cli import app


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {"i4": 1}),
        (["--rule", "last_touch"], {"i4": 1}),
        (["--rule", "first_touch"], {"i1": 1}),
        (["--rule", "linear"], {"i1": 0.25, "i2": 0.25, "i3": 0.25, "i4": 0.25}),
        (
            ["--rule", "time_decay", "--half-life", "1d"],
            {"i1": 1 / 15, "i2": 2 / 15, "i3": 4 / 15, "i4": 8 / 15},
        ),
        (["--rule", "position"], {"i1": 0.4, "i2": 0.1, "i3": 0.1, "i4": 0.4}),
        (["--rule", "shapley"], {"i1": 1 / 6, "i2": 1 / 3, "i3": 1 / 6, "i4": 1 / 3}),
        (["--rule", "linear", "--max-touches", 2], {"i3": 0.5, "i4": 0.5}),
        (["--decay", "1d"], {"i4": 0.5}),
        (["--value", "task=3", "--value", "click=1"], {"i4": 3}),
        (["--cap", "0.6"], {"i4": 0.6}),
    ],
)
def test_each_rule_shares_an_outcome_as_it_says(
    files: Files, options: list[object], expected: dict[str, float]
) -> None:
    assert files.credits(FOUR, [done()], *options) == pytest.approx(expected, rel=1e-12)


def test_the_columns_of_the_result_are_those_of_the_contract(files: Files) -> None:
    files.credits(FOUR, [done(value=2.0)], "--rule", "linear", "--max-touches", 2)
    rows = pq.read_table(files.out).to_pylist()
    same = {"outcome_id": "o", "kind": "task", "credit": 1.0, "value": 2.0, "rule": "linear"}
    assert rows == [
        {"impression_id": "i3", "lag_seconds": 2 * 86400.0, **same},
        {"impression_id": "i4", "lag_seconds": 86400.0, **same},
    ]


@pytest.mark.parametrize(
    ("match", "more", "expected"),
    [
        ("user", {"arm_id": "a", "impression_id": "i2"}, {"i4": 1}),
        ("user_arm", {"arm_id": "a", "impression_id": "i2"}, {"i3": 1}),
        ("impression", {"arm_id": "a", "impression_id": "i2"}, {"i2": 1}),
        ("closest", {"arm_id": "a", "impression_id": "i2"}, {"i2": 1}),
        ("closest", {"arm_id": "a"}, {"i3": 1}),
        ("impression", {"impression_id": "other"}, {}),
    ],
)
def test_what_an_outcome_is_matched_by(
    files: Files, match: str, more: Row, expected: dict[str, float]
) -> None:
    assert files.credits(FOUR, [done(**more)], "--match", match) == expected


def test_ids_that_an_outcome_need_not_name(files: Files, tmp_path: Path) -> None:
    outcomes = [done("o1", impression_id="i1"), done("o2", impression_id=None)]
    rest = tmp_path / "rest.csv"
    found = files.credits(FOUR, outcomes, "--match", "impression", "--unattributed", rest)
    assert found == {"i1": 1}
    with rest.open(encoding="utf-8") as lines:
        assert list(csv.DictReader(lines)) == [
            {"outcome_id": "o2", "kind": "task", "reason": "unnamed", "value": "1"}
        ]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".ndjson", ".json", ".parquet"])
@pytest.mark.parametrize("out", ["credits.parquet", "credits.csv", "credits.jsonl"])
def test_every_format_says_the_same(tmp_path: Path, suffix: str, out: str) -> None:
    ran = Files(tmp_path, suffix).run(FOUR, [done()], "--window", "14d", "--out", tmp_path / out)
    assert ran.exit_code == 0, ran.output
    if out.endswith(".parquet"):
        rows = pq.read_table(tmp_path / out).to_pylist()
    elif out.endswith(".csv"):
        with (tmp_path / out).open(encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    else:
        rows = [json.loads(line) for line in (tmp_path / out).read_text("utf-8").splitlines()]
    assert [(row["impression_id"], float(row["credit"]), row["rule"]) for row in rows] == [
        ("i4", 1.0, "last_touch")
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [f"impressions{suffix}", f"outcomes{suffix}", out]
    )


def test_parquet_as_others_write_it(tmp_path: Path) -> None:
    """Nanoseconds in another zone, ids that are numbers or categories, no slots."""
    moments = [NOON - 2 * DAY, NOON - DAY]
    zone = pa.timestamp("ns", "America/New_York")
    impressions = {
        "impression_id": pa.array([1, 2], pa.int32()),
        "user_id": pa.array([7.0, 7.0]),
        "arm_id": pa.array(["a", "b"]).dictionary_encode(),
        "occurred_at": pa.array(moments, zone),
        "surface": ["x", "y"],
    }
    outcomes = {
        "outcome_id": pa.array(["o"], pa.large_string()),
        "user_id": [7],
        "kind": ["task"],
        "value": pa.array([2]),
        "occurred_at": pa.array([NOON], pa.timestamp("ms", "UTC")),
    }
    pq.write_table(pa.table(impressions), tmp_path / "i.parquet")
    pq.write_table(pa.table(outcomes), tmp_path / "o.parquet")
    given = ["--impressions", tmp_path / "i.parquet", "--outcomes", tmp_path / "o.parquet"]
    options = ["--window", "14d", "--rule", "linear", "--out", tmp_path / "c.parquet"]
    ran = CliRunner().invoke(app, ["attribute", *map(str, [*given, *options])])
    assert ran.exit_code == 0, ran.output
    rows = pq.read_table(tmp_path / "c.parquet").to_pylist()
    assert [(row["impression_id"], row["credit"]) for row in rows] == [("1", 1.0), ("2", 1.0)]


def history(seed: int) -> tuple[list[Row], list[Row]]:
    draw = random.Random(seed)  # noqa: S311
    impressions = [
        shown(
            f"i{n}",
            draw.randrange(400) * HOUR,
            f"u{draw.randrange(9)}",
            draw.choice("abc"),
            draw.randrange(3),
        )
        for n in range(200)
    ]
    outcomes = [
        done(
            f"o{n}",
            draw.randrange(100) * HOUR,
            draw.choice(["click", "task"]),
            user_id=f"u{draw.randrange(12)}",
        )
        for n in range(40)
    ]
    return impressions, outcomes


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_the_order_of_rows_and_copies_change_nothing(tmp_path: Path, suffix: str) -> None:
    impressions, outcomes = history(1)
    files = Files(tmp_path, suffix)
    draw = random.Random(2)  # noqa: S311
    rest = tmp_path / "rest.jsonl"
    options = ("--window", "5d", "--rule", "shapley", "--cap", "1.5", "--unattributed", rest)
    results = []
    for _ in range(3):
        assert files.run(impressions, outcomes, *options).exit_code == 0
        results.append((pq.read_table(files.out), rest.read_text("utf-8")))
        impressions = draw.sample(impressions, len(impressions)) + draw.sample(impressions, 5)
        outcomes = draw.sample(outcomes, len(outcomes)) + draw.sample(outcomes, 3)
    assert results[0][0].num_rows > 50
    assert len(results[0][1]) > 100
    assert all(table.equals(results[0][0]) and text == results[0][1] for table, text in results[1:])


def test_the_summary(files: Files) -> None:
    outcomes = [
        done("o1"),
        done("o2", kind="click", user_id="v"),
        done("o3", kind="click", user_id="nobody"),
        done("o4", kind="view"),
    ]
    given = (
        FOUR,
        outcomes,
        "--window",
        "3d",
        "--value",
        "task=2",
        "--value",
        "click=0.5",
        "--rule",
        "linear",
    )
    found = json.loads(files.run(*given, "--json").stdout)
    assert found["impressions"] == {"rows": 5, "of_users_with_outcomes": 5}
    assert found["outcomes"] == {
        "rows": 4,
        "credited": 2,
        "unattributed": {"no_impression": 1, "not_valued": 1},
    }
    assert (found["credits"], found["credit"]) == (4, pytest.approx(2.5))
    assert list(found["arms"]) == ["a", "b", "c"]
    assert found["arms"]["a"] == {"credit": pytest.approx(2 / 3 + 0.5), "touches": 2}
    click = found["kinds"]["click"]
    assert (click["outcomes"], click["credited"], click["credit"]) == (2, 1, 0.5)
    assert click["lag_seconds"]["p50"] == pytest.approx(3600, rel=0.003)
    assert found["kinds"]["task"]["lag_seconds"]["p90"] == pytest.approx(3 * 86400, rel=0.003)

    page = files.run(*given).output
    for words in ("linear by user, 3 d window", "2 of 4 outcomes (50.0 %)", "no impression", "not valued"):
        assert words in page
