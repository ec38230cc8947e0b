"""`nightslate readout` on what can't be meant: errors that say what, where, and what to do."""

from __future__ import annotations

import pytest
from tests.unit.cli.readout_runs import answer, run, users


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--control=nobody",), ["'nobody' is no variant", "control, treatment"]),
        (("--metric=revenu",), ["no column revenu", "is revenue what is meant?"]),
        (("--metric=clicks/",), ["NUMERATOR/DENOMINATOR", "'clicks/'"]),
        (("--metric=a/b/c",), ["NUMERATOR/DENOMINATOR"]),
        (("--metric=revenue", "--metric=revenue"), ["revenue is given twice"]),
        (("--covariate=before",), ["METRIC=COLUMN", "'before'"]),
        (("--covariate=clicks=before",), ["of a metric that is asked for (revenue)"]),
        (("--shares=control=.5,treatment=.6",), ["sum to 1.1, not to 1"]),
        (("--shares=control=.5,treatment=x",), ["VARIANT=SHARE"]),
        (("--shares=a=.5,treatment=.5",), ["not the control 'control'"]),
        (("--shares=control=.5,other=.5",), ["says nothing of treatment"]),
        (("--variant=user_id",), ["more than 1,000 different values", "--variant"]),
        (("--segment=user_id",), ["more than 1,000 different values", "--segment"]),
        (("--probability=revenue",), ["revenue is --probability, and can't be a metric"]),
        (("--date=platform",), ["platform is not a day: write 2026-01-31"]),
        (("--confidence=1.5",), ["between 0 and 1"]),
        (("--metric=platform",), ["platform is not a number"]),
    ],
)
def test_a_mistake_is_named(tmp_path, options, words):
    done = run(tmp_path, users(), *options)
    assert done.exit_code == 65 or "BadRowsError" in done.stderr
    said = " ".join(done.stderr.split())
    for word in words:
        assert word in said
    assert "Traceback" not in done.stderr


def test_one_variant_alone_is_nothing_to_compare(tmp_path):
    done = run(tmp_path, [row for row in users() if row["variant"] == "control"])
    assert done.exit_code == 65
    assert "there is no variant to compare it with" in done.stderr


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("revenue", float("inf"), "revenue is not finite"),
        ("revenue", None, "revenue is missing"),
        ("user_id", None, "user_id is missing"),
        ("variant", None, "variant is missing"),
        ("probability", 0.0, "probability is not in (0, 1]"),
        ("probability", 1.5, "probability is not in (0, 1]"),
        ("probability", None, "probability is missing"),
    ],
)
def test_a_bad_row_costs_that_row_and_is_said(tmp_path, column, value, reason):
    rows = [row | {"probability": 0.5} for row in users()]
    rows[7] = rows[7] | {column: value}
    refused = run(tmp_path, rows, "--probability=probability", suffix=".parquet")
    assert refused.exit_code == 2
    assert f"1  {reason} (row 8)" in refused.stderr
    quarantine = tmp_path / "bad.jsonl"
    found = answer(
        tmp_path, rows, "--probability=probability", f"--quarantine={quarantine}", suffix=".parquet"
    )
    assert found["rejected"] == {reason: 1}
    assert found["rows"] == len(rows) - 1
    assert reason in quarantine.read_text()


def test_different_probabilities_of_a_user_need_days(tmp_path):
    rows = [row | {"probability": 0.5} for row in users()]
    rows.append(rows[0] | {"probability": 0.4, "day": "2026-03-20"})
    done = run(tmp_path, rows, "--probability=probability")
    assert done.exit_code == 65
    assert "1 users have rows with different probabilities" in " ".join(done.stderr.split())
    found = answer(tmp_path, rows, "--probability=probability", "--date=day")
    assert found["rows"] == len(rows)


def test_values_too_large_to_square_are_refused(tmp_path):
    rows = [row | {"revenue": 1e200 * place} for place, row in enumerate(users())]
    done = run(tmp_path, rows)
    assert done.exit_code == 65
    assert "no sum holds their squares" in done.stderr


def test_one_user_of_a_variant_has_no_interval(tmp_path):
    rows = [row for row in users() if row["variant"] == "control"]
    found = answer(tmp_path, [*rows, rows[0] | {"user_id": "other", "variant": "treatment"}])
    assert found["metrics"]["revenue"]["treatment"]["stderr"] is None
    assert found["verdict"] == "go on"


def test_a_ratio_of_nothing_has_no_value(tmp_path):
    rows = [row | {"impressions": 0} for row in users()]
    found = answer(tmp_path, rows, "--metric=clicks/impressions")
    assert found["metrics"]["clicks/impressions"]["treatment"]["mean"] is None
    assert found["verdict"] == "go on"
