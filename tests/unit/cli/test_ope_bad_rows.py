"""Rows that `nightslate ope` cannot use are never guessed, and never left out in silence."""

import json

import pytest
from tests.unit.cli.ope_runs import (
    SLATES,
    TUNED,
    answer,
    expected_of_impressions,
    expected_of_slates,
    run,
    values,
)
from tests.unit.files import logs

BAD = [
    ("reward", "", "reward is missing"),
    ("reward", "much", "reward is not a number"),
    ("reward", "NaN", "reward is not finite"),
    ("reward", "inf", "reward is not finite"),
    ("propensity", "", "propensity is missing"),
    ("propensity", "0", "propensity is not in (0, 1]"),
    ("propensity", "-0.1", "propensity is not in (0, 1]"),
    ("propensity", "1.01", "propensity is not in (0, 1]"),
    ("target_propensity", "-1e-9", "target_propensity is not in [0, 1]"),
    ("target_propensity", "1.01", "target_propensity is not in [0, 1]"),
    ("target_propensity", "nan", "target_propensity is not finite"),
    ("q_logged", "", "q_logged is missing"),
    ("cluster", "", "cluster is missing"),
]


@pytest.mark.parametrize(("column", "value", "reason"), BAD)
def test_a_bad_row_is_never_guessed(tmp_path, column, value, reason):
    rows = logs.bandit()
    log = logs.write(tmp_path / "log.csv", [*rows[:6], rows[6] | {column: value}, *rows[7:]])

    refused = run(log, "--json")
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert "1 of 80 rows" in refused.stderr
    assert f"{reason} (row 7)" in refused.stderr

    quarantine = tmp_path / "bad.jsonl"
    result = answer(log, "--quarantine", quarantine, *TUNED)
    assert f"{reason} (row 7)" in run(log, "--quarantine", quarantine).stderr
    assert result["rejected"] == {reason: 1}
    assert values(result) == pytest.approx(expected_of_impressions([*rows[:6], *rows[7:]]), rel=1e-12)
    (kept,) = map(json.loads, quarantine.read_text().splitlines())
    assert (kept["row"], kept["reason"]) == (7, reason)
    assert kept["values"][column] == (value or None)
    assert kept["values"]["v_target"] == str(rows[6]["v_target"])


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"position": 4}, {"its decision lacks a slot": 3}),
        ({"position": 1}, {"its decision has a slot twice": 3}),
        ({"position": 0}, {"another row of its decision is bad": 2, "position is not 1, 2, 3, …": 1}),
        ({"propensity": 0}, {"another row of its decision is bad": 2, "propensity is not in (0, 1]": 1}),
        ({"cluster": "other"}, {"cluster differs within its decision": 3}),
    ],
)
def test_a_decision_with_a_bad_row_is_bad_as_a_whole(tmp_path, change, reasons):
    rows = [row | {"cluster": row["decision"]} for row in logs.slates()]
    changed = [row | change if (row["decision"], row["position"]) == ("d2", 2) else dict(row) for row in rows]
    log = logs.write(tmp_path / "log.jsonl", changed)
    refused = run(log, *SLATES)
    assert refused.exit_code == 2
    assert f"3 of {len(rows)} rows" in refused.stderr
    result = answer(log, *SLATES, "--quarantine", tmp_path / "bad.jsonl")
    assert result["rejected"] == reasons
    assert values(result) == pytest.approx(
        expected_of_slates([row for row in rows if row["decision"] != "d2"]), rel=1e-12
    )
    assert {json.loads(line)["values"]["decision"] for line in (tmp_path / "bad.jsonl").open()} == {"d2"}
