"""`nightslate readout`: figures, formats, several rows a user, days, probabilities and health."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from tests.unit.cli.readout_runs import USERS, answer, run, users

SHARES = "--shares=control=.5,treatment=.5"


def column(rows, name, variant):
    return np.array([row[name] for row in rows if row["variant"] == variant], dtype=np.float64)


def without(figures, *names):
    return {name: value for name, value in figures.items() if name not in names}


def close(one, other):
    """Two JSON answers that are the same but for the last bits of numbers."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            close(one[name], other[name])
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-9, abs=1e-12)
    else:
        assert one == other


def test_the_effect_is_that_of_welch(tmp_path):
    rows = users()
    found = answer(tmp_path, rows, SHARES)
    figures = found["metrics"]["revenue"]["treatment"]
    one, other = column(rows, "revenue", "treatment"), column(rows, "revenue", "control")
    wanted = stats.ttest_ind(one, other, equal_var=False)
    ends = wanted.confidence_interval()
    assert figures["n"] == len(one)
    assert figures["mean"] == pytest.approx(one.mean())
    assert figures["effect"] == pytest.approx(one.mean() - other.mean())
    assert (figures["lower"], figures["upper"]) == pytest.approx((ends.low, ends.high))
    assert figures["p"] == pytest.approx(wanted.pvalue)
    assert figures["relative"] == pytest.approx(one.mean() / other.mean() - 1)
    assert figures["anytime_lower"] < figures["lower"] < figures["upper"] < figures["anytime_upper"]
    assert found["metrics"]["revenue"]["control"]["mean"] == pytest.approx(other.mean())
    assert found["metrics"]["revenue"]["control"]["effect"] is None
    assert found["srm"]["p"] == pytest.approx(stats.chisquare([len(other), len(one)]).pvalue)
    assert (found["verdict"], found["variant"]) == ("ship", "treatment")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_formats_give_the_same(tmp_path, suffix):
    options = (
        *(SHARES, "--segment=platform", "--date=day"),
        *("--metric=revenue", "--covariate=revenue=before", "--metric=clicks/impressions"),
    )
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    close(
        answer(tmp_path / "one", users(), *options),
        answer(tmp_path / "other", users(), *options, suffix=suffix),
    )


def test_order_of_rows_says_nothing(tmp_path):
    rows = [row | {"user_id": f"u{place // 2}"} for place, row in enumerate(users())]
    shuffled = [rows[place] for place in np.random.default_rng(1).permutation(USERS)]
    options = ("--date=day", "--segment=platform")
    close(answer(tmp_path, rows, *options), answer(tmp_path, shuffled, *options))


def test_rows_of_a_user_are_one_observation(tmp_path):
    rows = users()
    twice = [row for row in rows for _ in range(2)]
    once, found = answer(tmp_path, rows), answer(tmp_path, twice)
    assert (found["users"], found["rows"]) == (USERS, 2 * USERS)
    close(found["metrics"], once["metrics"])


def test_a_covariate_shortens_the_interval(tmp_path):
    figures = answer(tmp_path, users(), "--covariate=revenue=before")["metrics"]["revenue"]["treatment"]
    assert figures["cuped_stderr"] < 0.5 * figures["stderr"]
    assert figures["cuped_lower"] < figures["cuped_effect"] < figures["cuped_upper"]


def test_segments_are_readouts_of_their_own(tmp_path):
    rows = users()
    found = answer(tmp_path, rows, "--segment=platform")
    for name in ("app", "web"):
        alone = answer(tmp_path, [row for row in rows if row["platform"] == name])
        for variant, figures in found["segments"][name]["revenue"].items():
            close(figures, without(alone["metrics"]["revenue"][variant], "p_holm", "e_bh"))
    assert 0 < found["interactions"]["revenue"]["treatment"] < 1


def test_a_user_is_of_the_variant_of_the_first_day(tmp_path):
    """Who was moved later counts, with all rows, for the first."""
    rows = users()
    other = {"control": "treatment", "treatment": "control"}
    later = [
        {**row, "day": "2026-03-20", "variant": other[row["variant"]], "revenue": 0.0} for row in rows[:100]
    ]
    merged = [{**row, "variant": other[row["variant"]]} for row in later]
    found = answer(tmp_path, later + rows, "--date=day")
    assert any("100 users were in another variant later" in note for note in found["notes"])
    close(found["metrics"], answer(tmp_path, rows + merged, "--date=day")["metrics"])
    assert found["verdict"] != "not healthy"


def test_a_user_of_two_variants_is_not_healthy(tmp_path):
    rows = users()
    other = {"control": "treatment", "treatment": "control"}[rows[0]["variant"]]
    for options in ((), ("--date=day",)):
        found = answer(tmp_path, [*rows, rows[0] | {"variant": other}], *options)
        assert found["verdict"] == "not healthy"
        assert "1 users are in more than one variant" in found["reasons"][0]


def test_weights_take_off_what_moving_shares_add(tmp_path):
    """Users of the web buy more, and are treated more often."""
    rng, rows = np.random.default_rng(0), users(gain=0.0)
    for row in rows:
        share = 0.8 if row["platform"] == "web" else 0.2
        treated = bool(rng.random() < share)
        row["variant"] = "treatment" if treated else "control"
        row["probability"] = share if treated else 1 - share
        row["revenue"] += 3.0 * (row["platform"] == "web")
    found = answer(tmp_path, rows, "--probability=probability")
    figures = found["metrics"]["revenue"]["treatment"]
    assert figures["lower"] < 0 < figures["upper"]
    assert figures["naive"]["lower"] > 1
    weights = {v: 1 / column(rows, "probability", v) for v in ("control", "treatment")}
    means = {v: np.average(column(rows, "revenue", v), weights=w) for v, w in weights.items()}
    assert figures["effect"] == pytest.approx(means["treatment"] - means["control"])
    assert found["srm"]["p"] > 0.001
    assert (
        "naive"
        not in answer(tmp_path, [r | {"probability": 0.5} for r in rows], "--probability=probability")[
            "metrics"
        ]["revenue"]["treatment"]
    )


def test_under_weights_covariates_have_the_slope_of_users_without(tmp_path):
    rng, rows = np.random.default_rng(0), users()
    for row in rows:
        row["probability"] = float(rng.choice([0.02, 0.5, 0.9]))
    found = answer(tmp_path, rows, "--probability=probability", "--covariate=revenue=before")
    slope = np.cov([row["revenue"] for row in rows], [row["before"] for row in rows])
    differences = []
    for name in ("revenue", "before"):
        means = {
            v: np.average(column(rows, name, v), weights=1 / column(rows, "probability", v))
            for v in ("control", "treatment")
        }
        differences.append(means["treatment"] - means["control"])
    wanted = differences[0] - slope[0, 1] / slope[1, 1] * differences[1]
    assert found["metrics"]["revenue"]["treatment"]["cuped_effect"] == pytest.approx(wanted)


def test_probabilities_of_three_variants_that_never_moved_are_shares(tmp_path):
    rng, rows = np.random.default_rng(0), users()
    for row in rows:
        row["variant"] = str(rng.choice(["control", "b", "c"], p=[0.5, 0.3, 0.2]))
        row["probability"] = {"control": 0.5, "b": 0.3, "c": 0.2}[row["variant"]]
    counts = [len(column(rows, "revenue", v)) for v in ("control", "b", "c")]
    found = answer(tmp_path, rows, "--probability=probability")
    wanted = stats.chisquare(counts, USERS * np.array([0.5, 0.3, 0.2])).pvalue
    assert found["srm"]["p"] == pytest.approx(wanted)
    nothing = {"p": None, "anytime_p": None}
    halves = [row | {"probability": row["probability"] / 2} for row in rows]
    assert answer(tmp_path, halves, "--probability=probability")["srm"] == nothing
    rows[0]["probability"] = 0.25
    moved = answer(tmp_path, rows, "--probability=probability")
    assert moved["srm"] == nothing
    assert any("add --shares" in note for note in moved["notes"])


def test_lost_users_are_named(tmp_path):
    rows = [
        row
        for place, row in enumerate(users())
        if not (row["variant"] == "treatment" and row["platform"] == "web" and row["day"] >= "2026-03-06")
        or place % 3 == 0
    ]
    found = answer(tmp_path, rows, SHARES, "--date=day", "--segment=platform")
    assert found["verdict"] == "not healthy"
    assert found["srm"]["anytime_p"] < 0.05
    assert "platform web, since 2026-03-0" in found["reasons"][0]
    assert "% of treatment" in found["reasons"][0]
    shown = run(tmp_path, rows, SHARES, "--date=day", "--segment=platform").stdout
    assert shown.index("not healthy") < shown.index("effect")


def test_several_questions_are_adjusted_for_each_other(tmp_path):
    rows = [row | {"noise": place % 7} for place, row in enumerate(users(gain=0.2))]
    found = answer(tmp_path, rows, "--metric=noise", "--metric=revenue")["metrics"]
    p = [found[name]["treatment"]["p"] for name in ("noise", "revenue")]
    assert found["revenue"]["treatment"]["p_holm"] == pytest.approx(
        min(1.0, 2 * min(p)) if p[1] < p[0] else max(p)
    )
    assert found["noise"]["treatment"]["e_bh"] is False


def test_the_report_says_all_of_it(tmp_path):
    shown = run(
        tmp_path, users(), SHARES, "--covariate=revenue=before", "--segment=platform", "--date=day"
    ).stdout
    for words in (
        "verdict: ship treatment",
        "every look",
        "with covariates",
        "platform web",
        "sample ratio: p",
    ):
        assert words in shown


def test_what_nobody_said_is_not_guessed(tmp_path):
    found = answer(tmp_path, users())
    assert found["srm"] == {"p": None, "anytime_p": None}
    assert any("nobody said how many users" in note for note in found["notes"])


def test_large_parquet_is_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("nightslate.files.large.BATCH_ROWS", 100)
    options = (SHARES, "--segment=platform", "--date=day", "--covariate=revenue=before")
    (tmp_path / "csv").mkdir()
    close(
        answer(tmp_path, users(), *options, suffix=".parquet"),
        answer(tmp_path / "csv", users(), *options, suffix=".csv"),
    )


def test_numbers_that_no_float_holds_are_null(tmp_path):
    rows = [
        row | {"revenue": 1e3 * (row["variant"] == "treatment") + place % 2}
        for place, row in enumerate(users())
    ]
    figures = answer(tmp_path, rows)["metrics"]["revenue"]["treatment"]
    assert figures["e"] is None or math.isfinite(figures["e"])
    assert figures["p"] == 0.0
