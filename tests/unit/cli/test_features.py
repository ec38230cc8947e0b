"""`nightslate features`: formats, what was known when, bad rows and mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.unit.files import logs
from typer.testing import CliRunner, Result

from nightslate.cli import app

Row = dict[str, Any]

SPEC = """
features:
  views: {source: activity, where: {kind: view}, aggregation: count, windows: [1h, 2d]}
  seconds: {aggregation: sum, column: seconds, window: 2d}
  slowest: {aggregation: max, column: seconds, window: 2d, default: -1}
  last_page: {aggregation: last, column: page}
"""
ACTIVITY = [
    {"user_id": "7", "occurred_at": "2026-01-10T08:00:00Z", "kind": "view", "page": "home", "seconds": 4.5},
    {"user_id": "7", "occurred_at": "2026-01-10T09:00:00Z", "kind": "view", "page": "help", "seconds": 1.0},
    {"user_id": "7", "occurred_at": "2026-01-10T09:30:00Z", "kind": "error", "page": None, "seconds": None},
    {"user_id": "8", "occurred_at": "2026-01-09T09:30:00Z", "kind": "view", "page": "home", "seconds": 2.0},
]
AS_OF = [
    {"user_id": "8", "as_of": "2026-01-10T09:30:00Z"},
    {"user_id": "7", "as_of": "2026-01-10T10:00:00Z"},
    {"user_id": "9", "as_of": "2026-01-10T10:00:00Z"},
    {"user_id": "7", "as_of": "2026-01-10T09:00:00+00:00"},
]
WANTED = {
    "user_id": ["8", "7", "9", "7"],
    "views_1h": [0.0, 1.0, 0.0, 1.0],
    "views_2d": [1.0, 2.0, 0.0, 1.0],
    "seconds": [2.0, 5.5, 0.0, 4.5],
    "slowest": [2.0, 4.5, -1.0, 4.5],
    "last_page": ["home", "help", None, "home"],
}


def run(
    folder: Path,
    activity: list[Row],
    as_of: list[Row],
    *options: str,
    spec: str = SPEC,
    suffix: str = ".jsonl",
) -> Result:
    (folder / "features.yaml").write_text(spec)
    files = [
        f"--{name}={logs.write(folder / f'{name}{suffix}', rows)}"
        for name, rows in (("activity", activity), ("as-of", as_of))
    ]
    out = [] if "--out" in options else [f"--out={folder / 'out.parquet'}"]
    return CliRunner().invoke(app, ["features", *files, f"--spec={folder / 'features.yaml'}", *out, *options])


def found(folder: Path) -> dict[str, list[Any]]:
    return dict(pq.read_table(folder / "out.parquet").to_pydict())


def features_of(folder: Path, activity: list[Row], as_of: list[Row], spec: str, **how: Any) -> dict[str, Any]:
    ran = run(folder, activity, as_of, spec=spec, **how)
    assert ran.exit_code == 0, ran.output
    return found(folder)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_rows_come_back_in_their_order_with_a_column_a_feature(tmp_path: Path, suffix: str) -> None:
    rows = features_of(tmp_path, ACTIVITY, AS_OF, SPEC, suffix=suffix)
    assert list(rows) == ["user_id", "as_of", *list(WANTED)[1:]]
    assert {name: rows[name] for name in WANTED} == WANTED


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_activity_of_columns_alone_is_that_of_nobody(tmp_path: Path, suffix: str) -> None:
    activity = logs.write(tmp_path / f"nothing{suffix}", ACTIVITY)
    if suffix == ".csv":
        activity.write_text(activity.read_text().partition("\n")[0] + "\n")
    else:
        pq.write_table(pq.read_table(activity).slice(0, 0), activity)
    ran = run(tmp_path, ACTIVITY, AS_OF, f"--activity={activity}")
    assert ran.exit_code == 0, ran.output
    assert found(tmp_path)["views_2d"] == [0.0] * 4
    assert found(tmp_path)["slowest"] == [-1.0] * 4


@pytest.mark.parametrize("out", ["f.csv", "f.jsonl", "f.parquet"])
def test_the_result_can_be_of_any_format(tmp_path: Path, out: str) -> None:
    ran = run(tmp_path, ACTIVITY, AS_OF, "--out", str(tmp_path / out))
    assert ran.exit_code == 0, ran.output
    assert (tmp_path / out).stat().st_size
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".nightslate")]


COUNT = "features: {n: {aggregation: count}}"


def test_the_window_is_half_open(tmp_path: Path) -> None:
    spec = "features: {n: {aggregation: count, window: 1h}}"
    asked = [
        {"user_id": "7", "as_of": f"2026-01-10T{time}Z"} for time in ("09:00:00", "10:00:00", "10:00:01")
    ]
    assert features_of(tmp_path, ACTIVITY, asked, spec)["n"] == [1.0, 2.0, 1.0]


def test_what_landed_later_does_not_count(tmp_path: Path) -> None:
    landed = ["2026-01-10T08:00:01Z", "2026-01-10T12:00:00Z", None]
    activity = [{**row, "landed_at": at} for row, at in zip(ACTIVITY, landed, strict=False)]
    asked = [
        {"user_id": "7", "as_of": "2026-01-10T10:00:00Z", "known_at": known}
        for known in (None, "2026-01-10T12:00:00Z", "2026-01-11T00:00:00Z", "2026-01-10T08:00:00Z")
    ]
    rows = features_of(tmp_path, activity, asked, COUNT)
    assert rows["n"] == [1.0, 2.0, 3.0, 0.0]  # a row that does not say is known once its day is over
    assert rows["known_at"][0] == rows["as_of"][0]


def test_other_columns_stay_and_a_feature_takes_no_name_of_theirs(tmp_path: Path) -> None:
    asked = [{**row, "decision": number} for number, row in enumerate(AS_OF)]
    assert features_of(tmp_path, ACTIVITY, asked, COUNT)["decision"] == [0, 1, 2, 3]
    ran = run(tmp_path, ACTIVITY, asked, spec=COUNT.replace("{n:", "{decision:"))
    assert ran.exit_code == 65
    assert "has a column decision, which is a feature's name" in ran.stderr


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_column_of_numbers_is_read_as_numbers_in_any_format(tmp_path: Path, suffix: str) -> None:
    activity = [{**row, "plan": str(plan)} for row, plan in zip(ACTIVITY, (1, 7, 7, 2), strict=True)]
    spec = "features: {plan: {aggregation: last, column: plan}}"
    assert features_of(tmp_path, activity, AS_OF, spec, suffix=suffix)["plan"] == [2.0, 7.0, None, 1.0]
    coded = f"{spec}\ncolumns: {{plan: category}}"
    assert features_of(tmp_path, activity, AS_OF, coded, suffix=suffix)["plan"] == ["2", "7", None, "1"]


def test_a_condition_may_be_of_numbers_or_flags(tmp_path: Path) -> None:
    activity = [
        {**row, "paid": paid, "depth": depth}
        for row, paid, depth in zip(ACTIVITY, (True, False, True, True), (0.5, 3, 3, 0.5), strict=True)
    ]
    spec = """
features:
  paid: {aggregation: count, where: {paid: true}}
  deep: {aggregation: count, where: {depth: [3, 4]}}
  shallow: {aggregation: count, where: {depth: 0.5}}
"""
    rows = features_of(tmp_path, activity, AS_OF, spec)
    assert [rows[name][:2] for name in ("paid", "deep", "shallow")] == [[1.0, 2.0], [0.0, 2.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"user_id": None}, "user_id is missing"),
        ({"occurred_at": None}, "occurred_at is missing"),
        ({"occurred_at": "2026-01-10T08:00:00"}, "occurred_at has no time zone"),
        ({"seconds": "long"}, "seconds is not a number"),
        ({"seconds": "inf"}, "seconds is not finite"),
    ],
)
def test_a_bad_row_is_an_error_or_goes_to_the_quarantine(tmp_path: Path, broken: Row, reason: str) -> None:
    activity = [*ACTIVITY, {**ACTIVITY[0], **broken}]
    ran = run(tmp_path, activity, AS_OF)
    assert ran.exit_code == 2
    assert reason in ran.output
    assert not (tmp_path / "out.parquet").exists()

    ran = run(tmp_path, activity, AS_OF, "--quarantine", str(tmp_path / "bad.jsonl"), "--json")
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["activity"]["rows"] == 5
    assert json.loads((tmp_path / "bad.jsonl").read_text())["row"] == 5
    assert {name: found(tmp_path)[name] for name in WANTED} == WANTED


@pytest.mark.parametrize("broken", [{"user_id": None}, {"as_of": "today"}])
def test_a_bad_moment_is_refused_too(tmp_path: Path, broken: Row) -> None:
    ran = run(tmp_path, ACTIVITY, [*AS_OF, {**AS_OF[0], **broken}])
    assert ran.exit_code == 2
    assert f"{next(iter(broken))} is" in ran.output


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("features: {n: {aggregation: sum}}", "features.n.sum.column: Field required"),
        ("features: {n: {aggregation: count, column: page}}", "features.n.count.column: Extra inputs"),
        ("features: {n: {aggregation: avg, column: seconds}}", "features.n: Input tag 'avg'"),
        ("features: {n: {aggregation: count, window: 7}}", "a duration is a whole number and a unit"),
        ("features: {n: {aggregation: count, window: 1d, windows: [1d, 2d]}}", "not both"),
        ("features: {n: {aggregation: count, windows: [1d, 1d]}}", "one is named twice"),
        ("features: {n: {aggregation: quantile, column: seconds, quantile: 90}}", "less than or equal to 1"),
        (
            "features: {n_1d: {aggregation: count}, n: {aggregation: count, windows: [1d]}}",
            "two are called n_1d",
        ),
        ("features: {s: {aggregation: sum, column: page}}\ncolumns: {page: category}", "sum is of numbers"),
        ("features: {}", "at least 1 item"),
        ("features: {n: {aggregation: count}, n: {aggregation: count}}", "key written twice: n"),
        ("features: {n: {aggregation: count, where: {page: {in: [a]}}}}", "features.n.count.where.page"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, spec: str, said: str) -> None:
    ran = run(tmp_path, ACTIVITY, AS_OF, spec=spec)
    assert ran.exit_code == 78
    assert said in ran.stderr


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    ran = run(tmp_path, ACTIVITY, AS_OF, spec="features: {n: {aggregation: sum, column: second}}")
    assert ran.exit_code == 65
    assert "has no column second; it has" in ran.stderr
    assert "is seconds what is meant?" in ran.stderr
    ran = run(tmp_path, ACTIVITY, [{"user_id": "7", "at": "2026-01-10T10:00:00Z"}])
    assert "has no column as_of" in ran.stderr


def test_users_in_another_form_are_told_of(tmp_path: Path) -> None:
    ran = run(tmp_path, ACTIVITY, [{**row, "user_id": f"u{row['user_id']}"} for row in AS_OF])
    assert ran.exit_code == 0
    assert "WARNING: only 0 of 3 users have activity" in ran.stderr
    assert 'like "u8", "u7", "u9" in --as-of and like "7", "8" in --activity' in ran.stderr


def test_the_terminal_shows_each_feature(tmp_path: Path) -> None:
    ran = run(tmp_path, ACTIVITY, AS_OF)
    assert "5 features of 4 moments of 3 users, of whom 2 were active" in ran.stdout
    for name in list(WANTED)[1:]:
        assert name in ran.stdout


def test_parts_of_users_give_what_the_whole_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nightslate.files import large, users

    activity = [{**row, "user_id": f"{row['user_id']}-{number}"} for number in range(60) for row in ACTIVITY]
    asked = [{**row, "user_id": f"{row['user_id']}-{number}"} for number in range(60) for row in AS_OF]
    whole = features_of(tmp_path, activity, asked, SPEC, suffix=".parquet")
    monkeypatch.setattr(users, "_PART_ROWS", 50)
    monkeypatch.setattr(large, "BATCH_ROWS", 32)
    assert features_of(tmp_path, activity, asked, SPEC, suffix=".parquet") == whole


def test_a_source_that_files_do_not_have_is_refused(tmp_path: Path) -> None:
    ran = run(tmp_path, ACTIVITY, AS_OF, spec="features: {n: {source: clicks, aggregation: count}}")
    assert ran.exit_code == 78
    assert "features.n.count.source" in ran.stderr


def test_ids_that_are_numbers_stay_numbers(tmp_path: Path) -> None:
    """So that the result can be joined to the file that asked."""
    activity = [{**row, "user_id": int(row["user_id"])} for row in ACTIVITY]
    asked = [{**row, "user_id": int(row["user_id"])} for row in AS_OF]
    rows = features_of(tmp_path, activity, asked, SPEC, suffix=".parquet")
    assert rows["user_id"] == [8, 7, 9, 7]
    assert rows["seconds"] == WANTED["seconds"]
    assert features_of(tmp_path, ACTIVITY, asked, SPEC, suffix=".jsonl")["seconds"] == WANTED["seconds"]
