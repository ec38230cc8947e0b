"""`nightslate attribute` from two files to credits, which a few lines of arithmetic give again."""

from __future__ import annotations

import csv
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.files import logs
from typer.testing import CliRunner, Result

from nightslate.cli import app

Row = dict[str, Any]
NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(before: timedelta) -> str:
    return (NOON - before).isoformat().replace("+00:00", "Z")


def shown(id_: str, before: timedelta, user: str = "u", arm: str = "a", slot: int = 1) -> Row:
    return {"impression_id": id_, "user_id": user, "arm_id": arm, "slot": slot, "occurred_at": at(before)}


def done(id_: str = "o", before: timedelta = timedelta(0), kind: str = "task", **more: Any) -> Row:
    row = {"outcome_id": id_, "user_id": "u", "kind": kind, "value": 1.0, "occurred_at": at(before)}
    return row | more


FOUR = [
    shown("i1", 4 * DAY, arm="a"),
    shown("i2", 3 * DAY, arm="b"),
    shown("i3", 2 * DAY, arm="a"),
    shown("i4", 1 * DAY, arm="c"),
    shown("other", HOUR, user="v"),
]


class Files:
    """A folder with the two files of a run."""

    def __init__(self, folder: Path, suffix: str = ".jsonl") -> None:
        self.folder, self.suffix = folder, suffix
        self.out = folder / "credits.parquet"

    def run(self, impressions: list[Row], outcomes: list[Row], *options: object) -> Result:
        there = [
            logs.write(self.folder / f"{name}{self.suffix}", rows)
            for name, rows in (("impressions", impressions), ("outcomes", outcomes))
        ]
        files = ["--impressions", there[0], "--outcomes", there[1]]
        given = [*files, *([] if "--out" in options else ["--out", self.out]), *options]
        return CliRunner().invoke(app, ["attribute", *map(str, given)])

    def credits(self, impressions: list[Row], outcomes: list[Row], *options: object) -> dict[str, float]:
        """The credit of each impression, over all outcomes."""
        ran = self.run(impressions, outcomes, "--window", "14d", *options)
        assert ran.exit_code == 0, ran.output
        found: dict[str, float] = {}
        for row in pq.read_table(self.out).to_pylist():
            found[row["impression_id"]] = found.get(row["impression_id"], 0.0) + row["credit"]
        return found


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


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


BAD_IMPRESSIONS = [
    ({"impression_id": None}, "impression_id is missing"),
    ({"user_id": None}, "user_id is missing"),
    ({"arm_id": None}, "arm_id is missing"),
    ({"slot": 1.5}, "slot is not a whole number"),
    ({"occurred_at": None}, "occurred_at is missing"),
    ({"occurred_at": "2026-01-20T10:00:00"}, "occurred_at has no time zone"),
    ({"occurred_at": "2026-02-30T10:00:00Z"}, "occurred_at is not an ISO time"),
    ({"occurred_at": "yesterday"}, "occurred_at is not an ISO time"),
]
BAD_OUTCOMES = [
    ({"outcome_id": None}, "outcome_id is missing"),
    ({"user_id": None}, "user_id is missing"),
    ({"kind": None}, "kind is missing"),
    ({"value": "nan"}, "value is not finite"),
    ({"value": None}, "value is missing"),
    ({"occurred_at": "2026-01-20 10:00"}, "occurred_at has no time zone"),
    ({"outcome_id": "o", "value": 9.0}, "outcome_id stands twice"),
]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize(
    ("log", "broken", "reason"),
    [("impressions", *bad) for bad in BAD_IMPRESSIONS] + [("outcomes", *bad) for bad in BAD_OUTCOMES],
)
def test_a_bad_row_is_an_error_or_goes_to_the_quarantine(
    tmp_path: Path, suffix: str, log: str, broken: Row, reason: str
) -> None:
    files = Files(tmp_path, suffix)
    impressions, outcomes = list(FOUR), [done(), done("good", kind="click")]
    {"impressions": impressions, "outcomes": outcomes}[log].append(
        (shown("new", HOUR) if log == "impressions" else done("new")) | broken
    )
    ran = files.run(impressions, outcomes, "--window", "14d")
    assert ran.exit_code == 2
    assert reason in ran.output
    assert "--quarantine" in ran.output
    assert not files.out.exists()

    quarantine = tmp_path / "bad.jsonl"
    ran = files.run(impressions, outcomes, "--window", "14d", "--quarantine", quarantine, "--json")
    assert ran.exit_code == 0, ran.output
    lines = [json.loads(line) for line in quarantine.read_text("utf-8").splitlines()]
    clash = "stands twice" in reason
    assert (
        [line["row"] for line in lines] == [1, 3]
        if clash
        else [len(FOUR) + 1, 3]["oi".index(log[0]) - 1 :][:1]
    )
    assert all(reason in line["reason"] and line["file"].endswith(f"{log}{suffix}") for line in lines)
    assert pq.read_table(files.out)["outcome_id"].to_pylist() == (["good"] if clash else ["good", "o"])


@pytest.mark.parametrize("user", ["u", "w"])
def test_impressions_that_share_an_id_and_nothing_else_are_bad(
    files: Files, tmp_path: Path, user: str
) -> None:
    impressions = [*FOUR, shown("i4", 2 * HOUR, user=user)]
    outcomes = [done(), done("of w", user_id="w")]
    ran = files.run(impressions, outcomes, "--window", "14d")
    assert ran.exit_code == 2
    assert "2 rows of" in ran.output
    assert "impression_id stands twice" in ran.output
    quarantine = tmp_path / "bad.jsonl"
    assert files.credits(impressions, outcomes, "--quarantine", quarantine) == {"i3": 1}
    lines = [json.loads(line) for line in quarantine.read_text("utf-8").splitlines()]
    assert sorted(line["row"] for line in lines) == [4, 6]
    assert {line["values"]["user_id"] for line in lines} == {"u", user}


def test_exact_copies_count_once_and_are_told(files: Files) -> None:
    ran = files.run([*FOUR, FOUR[3], FOUR[3]], [done(), done()], "--window", "14d")
    assert ran.exit_code == 0, ran.output
    assert pq.read_table(files.out)["credit"].to_pylist() == [1.0]
    assert "2 rows are exact copies" in ran.output
    assert "1 row is an exact copy" in ran.output


def test_an_outcome_before_the_impression_that_it_names_is_bad_beyond_the_skew(
    files: Files, tmp_path: Path
) -> None:
    outcomes = [done("o1", 2 * DAY + 6 * HOUR / 60, impression_id="i3"), done("o2", impression_id="i4")]
    named = ("--window", "14d", "--match", "impression")
    ran = files.run(FOUR, outcomes, *named)
    assert ran.exit_code == 2
    assert "names an impression that is later" in ran.output
    assert not files.out.exists()
    quarantine = tmp_path / "bad.jsonl"
    ran = files.run(FOUR, outcomes, *named, "--quarantine", quarantine, "--json")
    assert json.loads(ran.stdout)["outcomes"]["unattributed"] == {"before_impression": 1}
    assert [json.loads(line)["row"] for line in quarantine.read_text("utf-8").splitlines()] == [1]
    ran = files.run(FOUR, outcomes, *named, "--skew", "6m")
    assert ran.exit_code == 0, ran.output
    assert pq.read_table(files.out)["lag_seconds"].to_pylist() == [0.0, 86400.0]


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--window", "14d", "--rule", "time_decay"], 65, "needs a half-life"),
        (["--window", "14d", "--half-life", "7d"], 65, "--half-life is for --rule time_decay"),
        (["--window", "14"], 65, "--window: a duration is"),
        (["--window", "0d"], 65, "longer than nothing"),
        (["--window", "14d", "--rule", "best"], 65, "--rule is one of last_touch"),
        (["--window", "14d", "--match", "topic"], 65, "--match is one of user"),
        (["--window", "14d", "--match", "user_arm"], 65, "has no column arm_id"),
        (["--window", "14d", "--value", "task"], 65, "KIND=WORTH"),
        (["--window", "14d", "--value", "task=1", "--value", "task=2"], 65, "says twice"),
        (["--window", "14d", "--cap", "-1"], 65, "--cap"),
        (["--window", "14d", "--out", "credits.txt"], 65, "ends in .txt"),
        ([], 2, "--window"),
    ],
)
def test_a_mistake_is_one_message(files: Files, options: list[str], code: int, says: str) -> None:
    ran = files.run(FOUR, [done()], *options)
    assert ran.exit_code == code
    assert says in " ".join(ran.output.split())


def test_the_inputs_are_never_written_over(files: Files, tmp_path: Path) -> None:
    for option in ("--out", "--unattributed", "--quarantine"):
        before = (tmp_path / "outcomes.jsonl").read_text("utf-8") if option != "--out" else None
        ran = files.run(FOUR, [done()], "--window", "14d", option, tmp_path / "outcomes.jsonl")
        assert ran.exit_code == 65
        assert "give" in ran.output
        assert before in (None, (tmp_path / "outcomes.jsonl").read_text("utf-8"))


def test_a_result_that_fails_leaves_the_old_one(files: Files, tmp_path: Path) -> None:
    files.out.write_text("old")
    ran = files.run(FOUR, [done(), done(value="x")], "--window", "14d")
    assert ran.exit_code == 2
    assert files.out.read_text() == "old"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


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
