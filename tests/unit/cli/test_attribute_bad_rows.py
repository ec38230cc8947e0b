"""Rows that `nightslate attribute` cannot use, and mistakes on its command line: said in one message, and
nothing is guessed or written over."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.unit.cli.attribute_runs import DAY, FOUR, HOUR, Files, Row, done, shown

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
