"""Nights that read out an experiment whose slates are shown: against sums over its rows made another way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from scipy import stats

from nightslate.engines.spark import SparkEngine
from nightslate.kernels.buckets import buckets_of
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.models.tracking import NightRun
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.running import run_step
from nightslate.pipeline.stored_meaning import with_meaning
from tests.integration.nights import night_of

from . import world

PROGRAM, USERS, ARMS = "shop", 1_100, ("a", "b", "c")
DAYS = [date(2024, 3, 1) + timedelta(days=number) for number in range(6)]
START = DAYS[1]
BEFORE_SHOWING = ("ingest", "attribute", "train", "score", "audit", "publish")
CLICKS = {"new": 0.7, "old": 0.2}

EXPERIMENT: dict[str, Any] = {
    "start": START,
    "control": "old",
    "decided_by": "reward",
    "metrics": {
        "reward": {"source": "rewards"},
        "clicks_2d": {"source": "outcomes", "where": {"kind": "click"}, "window": "2d", "novelty": "1d"},
        "beyond": {
            "kind": "ratio",
            "source": "impressions",
            "where": {"topic": "beyond"},
            "per": {"source": "impressions"},
        },
    },
    "covariates": {"seen": {"source": "impressions", "window": "2d"}},
    "segments": ["segment"],
    "guardrails": [{"metric": "beyond", "margin": 0.5}],
    "fatigue": {"kinds": ["click"], "within": "12h", "most": 2},
}


def program(shares: dict[str, float], **experiment: Any) -> dict[str, Any]:
    return {
        "program": PROGRAM,
        "description": "a shop",
        "start_date": DAYS[0],
        "buckets": 2,
        "slots": 1,
        "depth": 2,
        "floor": 0.5,
        "logs": {
            "propensity": "marginal",
            "context": [{"name": "segment", "type": "category"}],
            "arm_features": [{"name": "topic", "type": "category"}],
        },
        "rewards": {"values": {"click": 2.0}, "window": "1d"},
        "learners": {"uniform": {"kind": "uniform"}},
        "variants": {name: {"share": share, "policy": "uniform"} for name, share in shares.items()},
        "gate": {"first_champion": "uniform"},
        "experiment": {**EXPERIMENT, **experiment},
    }


def night(home: Path, number: int, **experiment: Any) -> IssueNight:
    """Shares change with the third night, so that who comes late is assigned with others."""
    new = 0.2 if number < 2 else 0.6
    return night_of(program({"new": new, "old": 1 - new}, **experiment), home, DAYS[number])


def segment(user: int) -> str:
    return ("web", "app")[user % 2]


def land(home: Path, number: int, lost: float = 0.0) -> None:
    """Of the users of the day, some of all, most are shown the first arm of the slate that was published for
    them, and click by their variant. lost: the share of the new variant's users on the web who are never
    logged."""
    day, dice = DAYS[number], np.random.default_rng(number)
    midnight = datetime.combine(day, datetime.min.time(), UTC)
    users = [f"user-{user}" for user in range(USERS // (2 if number < 3 else 1)) if (user + number) % 3]
    slates = published(home, day)
    shown, clicks = [], []
    for user in users:
        slate = slates.get(user)
        variant = slate["variant"] if slate else "old"
        uniform = dice.random(3)
        number_of_user = int(user[5:])
        is_lost = (variant, segment(number_of_user)) == (
            "new",
            "web",
        ) and number_of_user // 2 % 10 < 10 * lost
        if uniform[0] < 0.2 or is_lost or (number and not slate):
            continue
        at = midnight + timedelta(hours=float(20 * uniform[1]))
        row = {
            "impression_id": f"{day}-{user}",
            "decision_id": f"{day}-{user}",
            "user_id": user,
            "occurred_at": at.isoformat(),
            "slot": 1,
            "arm_id": slate["ranking"][0] if slate else "a",
            "segment": segment(int(user[5:])),
        }
        shown.append(row | ({"slate_id": slate["slate_id"]} if slate else {"propensity": 1 / 3}))
        if uniform[2] < CLICKS[variant]:
            clicks.append(
                {
                    "outcome_id": f"click-{day}-{user}",
                    "user_id": user,
                    "occurred_at": (at + timedelta(minutes=5)).isoformat(),
                    "kind": "click",
                    "value": float(dice.integers(1, 4)),
                    "impression_id": f"{day}-{user}",
                }
            )
    logs = {
        "impressions": shown,
        "outcomes": clicks,
        "users": [{"user_id": user, "segment": segment(int(user[5:]))} for user in users],
        "arms": [{"arm_id": arm, "topic": "beyond" if arm == "c" else "core"} for arm in ARMS],
    }
    world.land_logs(home, PROGRAM, day, logs)


def published(home: Path, day: date) -> dict[str, dict[str, Any]]:
    """By user the slate of a day, if any was published."""
    path = home / "tables" / PROGRAM / "slates"
    if not path.exists():
        return {}
    slates = pl.read_delta(str(path)).filter(pl.col("slate_date") == day)
    ids = [f"user-{user}" for user in range(USERS)]
    names = dict(zip(pseudonyms(ids), ids, strict=True))
    return {names[slate["user_id"]]: slate for slate in slates.to_dicts()}


def pseudonyms(ids: list[str]) -> list[str]:
    return Pseudonymiser.from_environment()(pa.array(ids)).to_pylist()


def play(home: Path, nights: int, **lost: float) -> None:
    for number in range(nights):
        land(home, number, **lost)
        for step in BEFORE_SHOWING:
            run_step(step, night(home, number))


def rows(home: Path, table: str) -> pl.DataFrame:
    return pl.read_delta(str(home / "tables" / PROGRAM / table))


def read_out(home: Path, number: int, **experiment: Any) -> str:
    return run_step("readout", night(home, number, **experiment))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, program: None) -> Path:
    found = tmp_path_factory.mktemp("readouts")
    play(found, len(DAYS))
    return found


def first_assigned(home: Path, until: date) -> pl.DataFrame:
    found = rows(home, "assignments").filter(pl.col("slate_date").is_between(START, until))
    return found.sort("slate_date").group_by("user_id", maintain_order=True).first()


def rewards_by_user(home: Path, until: date) -> pl.DataFrame:
    """Of each user who was assigned by then: variant, probability, reward and whether exposed."""
    users = first_assigned(home, until)
    shown = rows(home, "impressions").filter(pl.col("ds").is_between(START, until))
    earned = rows(home, "credits").filter(pl.col("ds") <= until)
    shown = shown.join(users.select("user_id", "slate_date"), on="user_id")
    shown = shown.filter(pl.col("ds") >= pl.col("slate_date"))
    shown = shown.join(earned.select("impression_id", "credit"), on="impression_id", how="left")
    by_user = shown.group_by("user_id").agg(reward=pl.sum("credit"), exposed=pl.lit(True))
    return users.join(by_user, on="user_id", how="left").with_columns(
        pl.col("reward").fill_null(0.0), pl.col("exposed").fill_null(False)
    )


@pytest.mark.parametrize("scope", ["assigned", "exposed"])
def test_what_each_variant_is_worth_is_that_of_its_users_rows(home: Path, scope: str) -> None:
    read_out(home, 4)
    found = rows(home, "readouts").filter(
        pl.col("segment").is_null(), ds=DAYS[4], period="cumulative", metric="reward", scope=scope
    )
    told = rewards_by_user(home, DAYS[4])
    told = told if scope == "assigned" else told.filter(pl.col("exposed"))
    assert told.select("variant", "probability").n_unique() == 4
    new, old = (told.filter(variant=name)["reward"].to_numpy() for name in ("new", "old"))
    naive = found.filter(method="naive", variant="new").row(0, named=True)
    welch = stats.ttest_ind(new, old, equal_var=False)
    ends = welch.confidence_interval(0.95)
    assert (naive["n"], naive["mean"]) == (new.size, pytest.approx(new.mean(), rel=1e-12))
    assert naive["effect"] == pytest.approx(new.mean() - old.mean(), rel=1e-9)
    assert naive["p"] == pytest.approx(welch.pvalue, rel=1e-6)
    assert (naive["lower"], naive["upper"]) == pytest.approx((ends.low, ends.high), rel=1e-9)

    means, variances = [], []
    for name in ("new", "old"):
        mine = told.filter(variant=name)
        weight, reward = 1 / mine["probability"].to_numpy(), mine["reward"].to_numpy()
        means.append(np.average(reward, weights=weight))
        influence = weight * (reward - means[-1]) / weight.mean()
        variances.append(influence.var(ddof=1) / influence.size)
    weighted = found.filter(method="difference", variant="new").row(0, named=True)
    assert weighted["mean"] == pytest.approx(means[0], rel=1e-12)
    assert weighted["effect"] == pytest.approx(means[0] - means[1], rel=1e-9)
    assert weighted["stderr"] == pytest.approx(sum(variances) ** 0.5, rel=1e-9)
    assert weighted["effect"] != pytest.approx(naive["effect"], rel=1e-3)
    adaptive = found.filter(method="adaptive").row(0, named=True)
    assert (adaptive["variant"], adaptive["n"]) == ("new", new.size)
    assert adaptive["effect"] == pytest.approx(of_days_by_what_they_tell(told), rel=1e-9)
    control = found.filter(method="difference", variant="old").row(0, named=True)
    assert (control["n"], control["mean"], control["effect"]) == (old.size, pytest.approx(means[1]), None)


def of_days_by_what_they_tell(users: pl.DataFrame) -> float:
    """Of scores about the means of the days before, days weighted by how much their shares let them tell."""
    total, weights, before = 0.0, 0.0, users.clear()
    for (_,), today in users.sort("slate_date").group_by("slate_date", maintain_order=True):
        share = {row["variant"]: row["probability"] for row in today.unique("variant").to_dicts()}
        before = before if before["variant"].n_unique() == 2 else today
        score = 0.0
        for name, sign in (("new", 1), ("old", -1)):
            known, mine = before.filter(variant=name), today.filter(variant=name)["reward"].to_numpy()
            mean = np.average(known["reward"], weights=1 / known["probability"])
            score += sign * (len(today) * mean + ((mine - mean) / share[name]).sum())
        weight = (1 / share["new"] + 1 / share["old"]) ** -0.5
        total, weights = total + weight * score, weights + weight * len(today)
        before = users.filter(pl.col("slate_date") <= today["slate_date"][0])
    return total / weights


def test_what_users_do_at_first_is_held_against_what_they_do_later(home: Path) -> None:
    read_out(home, 5)
    found = rows(home, "readouts").filter(
        ds=DAYS[5], metric="clicks_2d", scope="exposed", method="difference"
    )
    end = datetime.combine(DAYS[5] + timedelta(days=1), datetime.min.time(), UTC)
    assigned = first_assigned(home, DAYS[5]).select("user_id", "variant", "probability", "slate_date")
    shown = rows(home, "impressions").select("user_id", "occurred_at", "ds").join(assigned, on="user_id")
    shown = shown.filter(pl.col("ds") >= pl.col("slate_date"))
    users = shown.group_by("user_id", "variant", "probability").agg(exposed=pl.min("occurred_at"))
    users = users.filter(pl.col("exposed") + timedelta(days=2) <= end)
    clicks = rows(home, "outcomes").join(users.select("user_id", "exposed"), on="user_id")
    number = (pl.col("occurred_at") - pl.col("exposed")).dt.total_seconds() // 86_400
    for period, day in {"first": 0, "later": 1}.items():
        mine = clicks.filter(number == day).group_by("user_id").agg(pl.len().cast(pl.Int64).alias(period))
        users = users.join(mine, on="user_id", how="left").with_columns(pl.col(period).fill_null(0))
    users = users.with_columns(change=pl.col("later") - pl.col("first"))
    for period in ("first", "later", "change"):
        means = {
            name: np.average(mine[period], weights=1 / mine["probability"])
            for (name,), mine in users.group_by("variant")
        }
        told = found.filter(period=period, variant="new").row(0, named=True)
        assert told["n"] == users.filter(variant="new").height
        assert told["mean"] == pytest.approx(means["new"], rel=1e-12)
        assert told["effect"] == pytest.approx(means["new"] - means["old"], rel=1e-9)


def test_both_engines_read_out_the_same(home: Path, spark: SparkSession) -> None:
    read_out(home, 5)
    tables = ("readouts", "sample_ratios", "readout_decisions", "fatigue")
    local = [rows(home, table).filter(ds=DAYS[5]).rows() for table in tables]
    run_step("readout", night(home, 5).on(SparkEngine(spark)))
    assert all(local)
    assert local == [rows(home, table).filter(ds=DAYS[5]).rows() for table in tables]


@pytest.fixture
def by_user(home: Path) -> Iterator[pl.DataFrame]:
    """Probabilities of users' own beside their first assignments: those of a segment, and of some of the old
    variant that they could be in no other. It gives them by user."""
    table, found = night(home, 5).table("assignments"), []
    before = table.snapshot()
    for day in DAYS[1:4]:
        assigned = before.to_arrow(day, day).drop_columns(["slate_date"])
        users, code = pl.from_arrow(assigned), pl.col("user_id").str.slice(0, 4).str.to_integer(base=16)
        own = pl.when(code % 3 == 0).then(pl.lit([0.3, 0.7])).when(code % 3 == 1).then(pl.lit([0.5, 0.5]))
        never = (code % 9 == 0) & (pl.col("variant") == "old")
        users = users.with_columns(probabilities=pl.when(never).then(pl.lit([0.0, 1.0])).otherwise(own))
        found.append(users.with_columns(slate_date=day))
        attempt, changed = table.begin(day), users.to_arrow().cast(assigned.schema)
        bucket = buckets_of(changed, 2)
        files = [attempt.write(changed.filter(pa.array(bucket == place)), place) for place in (0, 1)]
        table.publish(attempt.seal(files), {})
    yield pl.concat(found).group_by("user_id", maintain_order=True).first()
    for day in DAYS[1:4]:
        table.rollback(day, before.version)


def test_probabilities_of_users_own_are_what_they_weigh_by(
    home: Path, by_user: pl.DataFrame, spark: SparkSession
) -> None:
    said = read_out(home, 4)
    told = rewards_by_user(home, DAYS[4]).drop("probabilities", "probability").filter(pl.col("exposed"))
    share = pl.when(pl.col("slate_date") < DAYS[3]).then(0.2).otherwise(0.6)
    told = told.join(by_user.select("user_id", "probabilities"), on="user_id", how="left")
    new = pl.col("probabilities").list.get(0).fill_null(share)
    told = told.with_columns(share=share, new=new).with_columns(
        probability=pl.when(pl.col("variant") == "new").then("new").otherwise(1 - pl.col("new"))
    )
    outside = told.filter(pl.col("new") == 0).height
    told = told.filter(pl.col("new") > 0)
    found = rows(home, "readouts").filter(
        pl.col("segment").is_null(), ds=DAYS[4], period="cumulative", metric="reward", scope="exposed"
    )
    assert set(found["method"]) == {"difference", "cuped", "naive", "aipw", "adaptive", "policy"}
    means = {
        name: np.average(mine["reward"], weights=1 / mine["probability"])
        for (name,), mine in told.group_by("variant")
    }
    weighted = found.filter(method="difference", variant="new").row(0, named=True)
    assert weighted["n"] == told.filter(variant="new").height
    assert weighted["effect"] == pytest.approx(means["new"] - means["old"], rel=1e-9)
    control = found.filter(variant="old", method="difference").row(0, named=True)
    assert (control["n"], control["mean"]) == (told.filter(variant="old").height, pytest.approx(means["old"]))
    for method in ("aipw", "adaptive"):
        row = found.filter(method=method).row(0, named=True)
        assert row["effect"] == pytest.approx(weighted["effect"], abs=weighted["stderr"])
        assert row["anytime_lower"] < row["lower"] < row["effect"] < row["upper"]
    row = found.filter(method="policy").row(0, named=True)
    assert (row["variant"], row["control"]) == ("own probabilities", "shares of the day")
    assert row["n"] == told.height
    gain = (told["new"] - told["share"]).mean() * weighted["effect"]  # all users gain about as much
    assert row["effect"] == pytest.approx(gain, abs=2 * row["stderr"])
    (row,) = rows(home, "readout_decisions").filter(ds=DAYS[4]).to_dicts()
    assert outside > 5
    assert row["reasons"][-1] == (
        f"{outside} of {row['exposed']} exposed users could not be both in new and in old (a probability of"
        " 0): they are outside of what is said of new"
    )
    assert row["reasons"][-1] in said
    segments = rows(home, "readouts").filter(ds=DAYS[4], method="aipw", segment="segment", metric="reward")
    assert segments["segment_value"].to_list() == ["app", "web"]
    read_out(home, 4, weighing="path")
    path = rows(home, "readouts").filter(ds=DAYS[4], method="path").sort("metric")
    assert path.select("metric", "scope", "variant").rows() == [
        (metric, "assigned", "new") for metric in ("beyond", "clicks_2d", "reward")
    ]
    assert (path["anytime_lower"] < path["effect"]).all()
    local = rows(home, "readouts").filter(ds=DAYS[4]).rows()
    run_step("readout", night(home, 4, weighing="path").on(SparkEngine(spark)))
    assert rows(home, "readouts").filter(ds=DAYS[4]).rows() == local


def test_users_count_once_their_window_is_over(home: Path) -> None:
    read_out(home, 4)
    found = rows(home, "readouts").filter(
        ds=DAYS[4], scope="exposed", method="difference", period="cumulative"
    )
    of_all = found.filter(pl.col("segment").is_null())
    young, old = (
        of_all.filter(metric=name, variant="new").row(0, named=True) for name in ("clicks_2d", "reward")
    )
    assert 0 < young["n"] < old["n"]
    assert (young["last_day"], old["last_day"]) == (DAYS[3], DAYS[4])
    in_segments = found.filter(metric="clicks_2d", variant="new", segment="segment")
    assert set(in_segments["segment_value"]) == {"web", "app"}
    assert in_segments["n"].sum() == young["n"]


def test_whether_effects_differ_between_segments_is_said_of_each_metric(home: Path) -> None:
    read_out(home, 4)
    found = rows(home, "readouts").filter(ds=DAYS[4], segment="segment", variant="new")
    assert set(found["method"]) == {"difference", "cuped", "naive"} - {"naive"}
    for _, of_values in found.group_by("metric", "method"):
        assert of_values.height == 2
        effects, weights = of_values["effect"].to_numpy(), of_values["stderr"].to_numpy() ** -2.0
        squares = weights @ (effects - np.average(effects, weights=weights)) ** 2
        assert of_values["interaction_p"].to_list() == pytest.approx([stats.chi2.sf(squares, 1)] * 2)
    of_all = rows(home, "readouts").filter(pl.col("segment").is_null(), ds=DAYS[4])
    assert of_all["interaction_p"].is_null().all()


def test_what_users_were_like_before_is_held_against_each_other(home: Path) -> None:
    read_out(home, 5)
    (row,) = rows(home, "readouts").filter(ds=DAYS[5], period="before", variant="new").to_dicts()
    assert (row["metric"], row["scope"], row["method"]) == ("seen", "exposed", "difference")
    users = first_assigned(home, DAYS[5]).select("user_id", "variant", "slate_date")
    shown = rows(home, "impressions").select("user_id", "ds", "occurred_at").join(users, on="user_id")
    since = shown.filter(pl.col("ds") >= pl.col("slate_date")).group_by("user_id", "variant")
    since = since.agg(exposed=pl.min("occurred_at"))
    before = shown.join(since, on=["user_id", "variant"]).filter(
        pl.col("occurred_at") < pl.col("exposed"),
        pl.col("occurred_at") >= pl.col("exposed") - timedelta(days=2),
    )
    seen = since.join(before.group_by("user_id").agg(pl.len().alias("seen")), on="user_id", how="left")
    of_new = seen.filter(variant="new")["seen"].fill_null(0)
    assert row["n"] == of_new.len()
    assert of_new.sum() > 0
    assert row["p"] > 0.001


def test_users_who_are_shown_the_same_arm_again_are_counted(home: Path) -> None:
    read_out(home, 5)
    found = rows(home, "fatigue").filter(ds=DAYS[5], variant="new").sort("showing")
    users = first_assigned(home, DAYS[5]).select("user_id", "variant", "probability", "slate_date")
    shown = rows(home, "impressions").drop("variant").join(users, on="user_id").filter(variant="new")
    shown = shown.filter(pl.col("ds") >= pl.col("slate_date")).sort("occurred_at")
    shown = shown.with_columns(showing=pl.int_range(1, pl.len() + 1).over("user_id", "arm_id").clip(1, 2))
    end = datetime.combine(DAYS[5] + timedelta(days=1), datetime.min.time(), UTC)
    over = shown.filter(pl.col("occurred_at") + timedelta(hours=12) <= end)
    clicked = pl.col("impression_id").is_in(rows(home, "credits")["impression_id"].implode())
    for number, mine in over.with_columns(clicked=clicked).partition_by("showing", as_dict=True).items():
        told = found.filter(showing=number[0]).row(0, named=True)
        assert told["users"] == mine["user_id"].n_unique()
        rate = np.average(mine["clicked"].to_numpy(), weights=1 / mine["probability"].to_numpy())
        assert told["rate"] == pytest.approx(rate, rel=1e-9)
    assert found.select("showing", "and_later").rows() == [(1, False), (2, True)]
    assert found["change"].to_list()[0] == 0


def test_what_is_looked_at_together_is_adjusted_together(home: Path) -> None:
    read_out(home, 5)
    found = rows(home, "readouts").filter(
        pl.col("segment").is_null(), ds=DAYS[5], scope="exposed", method="cuped", period="cumulative"
    )
    assert found.height == 3
    ranked = found.sort("p")
    steps = np.maximum.accumulate(ranked["p"].to_numpy() * np.array([3, 2, 1])).clip(max=1)
    assert ranked["p_holm"].to_list() == pytest.approx(steps.tolist())
    reward = found.filter(metric="reward").row(0, named=True)
    assert reward["e_bh"]
    assert reward["e_value"] == pytest.approx(np.exp(reward["log_e"]))


def test_the_night_says_what_to_do_and_why(home: Path) -> None:
    said = read_out(home, 5)
    (row,) = rows(home, "readout_decisions").filter(ds=DAYS[5]).to_dicts()
    assert (row["decision"], row["variant"], row["metric"]) == ("ship", "new", "reward"), row["reasons"]
    assert said.startswith("ship new: new: reward +")
    assert row["reasons"][0] in said
    assert row["shares_changed"]
    users = first_assigned(home, DAYS[5])
    assert row["assigned"] == users.height
    assert (
        row["exposed"]
        == rows(home, "sample_ratios").filter(pl.col("segment").is_null(), ds=DAYS[5])["exposed"].sum()
    )
    assert set(users["slate_date"]) >= {DAYS[1], DAYS[4]}
    metrics = night(home, 5).run().run.data.metrics
    assert metrics["readout.reward.new.lower"] > 0


def test_whose_logs_are_lost_is_named(tmp_path: Path) -> None:
    play(tmp_path, 6, lost=0.9)
    said = read_out(tmp_path, 5)
    (row,) = rows(tmp_path, "readout_decisions").filter(ds=DAYS[5]).to_dicts()
    assert row["decision"] == "not healthy"
    (reason,) = row["reasons"]
    assert " % of the users of new are missing, segment web, from the start: a sample ratio" in reason
    share = float(reason.split(" %")[0])
    assert 60 < share < 100
    assert reason in said
    assert rows(tmp_path, "readouts").filter(ds=DAYS[5]).height > 0


def test_rewards_that_are_a_mixture_of_two_programs_are_not_believed(home: Path) -> None:
    tonight = night(home, 4)
    credits = tonight.table("credits")
    before = credits.rows(DAYS[3], DAYS[3])
    another = {"rewards.values.click": "7.0"}
    credits.replace(DAYS[3], before.drop_columns(["ds"]), with_meaning(tonight, "credits", another))
    said = read_out(home, 4)
    assert said.startswith(f"not healthy: credits: {DAYS[3]} was made under another program: rewards.")
    run_step("attribute", night(home, 3))
    assert not read_out(home, 4).startswith("not healthy")


def test_days_that_no_night_has_taken_in_are_named(tmp_path: Path) -> None:
    play(tmp_path, 3)
    later = night(tmp_path, 4)
    NightRun.start(later.mlflow, tmp_path, PROGRAM, later.ds)
    said = read_out(tmp_path, 4)
    assert f"Look: no night has taken in the logs of {DAYS[3]}, {DAYS[4]}" in said


def test_a_quantile_is_the_most_that_a_user_counts_for(home: Path) -> None:
    said = {"source": "outcomes", "column": "value"}
    metrics = {"a": said, "b": {**said, "winsorise": {"quantile": 0.75}}, "c": said}
    asked = {"decided_by": "a", "guardrails": [], "covariates": {}}
    read_out(home, 5, metrics=metrics, **asked)
    once = rows(home, "readouts").filter(ds=DAYS[5])
    users = first_assigned(home, DAYS[5])
    shown = rows(home, "impressions").join(users.select("user_id", "slate_date"), on="user_id")
    shown = shown.filter(pl.col("ds") >= pl.col("slate_date"))
    shown = shown.group_by("user_id").agg(first=pl.min("occurred_at"))
    done = rows(home, "outcomes").join(shown, on="user_id").filter(pl.col("occurred_at") >= pl.col("first"))
    by_user = shown.join(done.group_by("user_id").agg(pl.sum("value")), on="user_id", how="left")
    cap = float(np.quantile(by_user["value"].fill_null(0.0).to_numpy(), 0.75))
    metrics["c"] = {**said, "winsorise": {"value": cap}}
    read_out(home, 5, metrics=metrics, **asked)
    found = rows(home, "readouts").filter(ds=DAYS[5])
    for name in ("mean", "effect", "stderr"):
        by_metric = [found.filter(metric=metric).sort(pl.all().exclude("metric"))[name] for metric in "abc"]
        assert by_metric[1].to_list() == by_metric[2].to_list() != by_metric[0].to_list()
    assert once.height == found.height


def test_users_who_were_in_no_earlier_experiment_are_a_segment_too(home: Path) -> None:
    """Of the same shares: here nights from before the start recorded no assignments."""
    read_out(home, 4, former="autumn")
    found = rows(home, "readouts").filter(ds=DAYS[4], scope="exposed", metric="reward", period="cumulative")
    of_all, former = (found.filter(pl.col("segment").eq_missing(name)) for name in (None, "former_variant"))
    assert former["segment_value"].to_list() == [None] * former.height
    told = former.filter(method="difference", variant="new").select("n", "effect", "stderr")
    assert told.rows() == of_all.filter(method="difference", variant="new").select(told.columns).rows()


def test_what_no_log_has_is_told(home: Path) -> None:
    metrics = {"reward": {"source": "rewards"}, "a": {"source": "outcomes", "where": {"kind": "clik"}}}
    said = read_out(home, 5, metrics=metrics, guardrails=[])
    assert "Look: nobody who was assigned has any outcomes where {'kind': 'clik'}" in said


def test_nothing_is_told_of_fewer_users_than_a_program_says(home: Path) -> None:
    """Of two values of which one is small none is told: the total would tell it."""

    def told(least: int) -> str:
        spec = program({"new": 0.6, "old": 0.4}) | {"privacy": {"min_cell": least}}
        return run_step("readout", night_of(spec, home, DAYS[5]))

    def of_night() -> dict[str, pl.DataFrame]:
        columns = {"readouts": "n", "sample_ratios": "exposed", "fatigue": "users"}
        return {name: rows(home, name).filter(ds=DAYS[5]).rename({n: "told"}) for name, n in columns.items()}

    read_out(home, 5)
    before = of_night()
    assert "No cell of fewer than 2 users is told" in told(2)
    assert all(table.sort(pl.all()).equals(before[name].sort(pl.all())) for name, table in of_night().items())

    in_segments = pl.col("segment").is_not_null()
    least = before["readouts"].filter(in_segments)["told"].min() + 1
    told(least)
    left = of_night()
    assert all(table.filter(pl.col("told") < least).height == 0 for table in left.values())
    cell = ["metric", "scope", "period", "variant", "method"]
    segments = left["readouts"].filter(in_segments)
    assert segments.height < before["readouts"].filter(in_segments).height
    assert set(segments.group_by(cell).len()["len"]) <= {2}
    whole = before["readouts"].filter(~in_segments & (pl.col("told") >= least))
    assert set(left["readouts"].filter(~in_segments)["told"]) <= set(whole["told"])

    assert told(10_000).startswith("go on: nobody of two variants has been exposed for long enough yet")
    assert all(table.height == 0 for table in of_night().values())


def test_a_rerun_and_later_nights_leave_the_rows_of_a_night_as_they_are(home: Path) -> None:
    read_out(home, 3)
    tables = ("readouts", "sample_ratios", "readout_decisions", "fatigue")
    before = [rows(home, table).filter(ds=DAYS[3]).sort(pl.all().exclude("reasons")) for table in tables]
    read_out(home, 5)
    read_out(home, 3)
    after = [rows(home, table).filter(ds=DAYS[3]).sort(pl.all().exclude("reasons")) for table in tables]
    assert all(one.height and one.equals(other) for one, other in zip(before, after, strict=True))


def test_a_night_before_the_start_waits_and_says_so(home: Path) -> None:
    said = read_out(home, 0)
    assert said == f"waits: the experiment begins with the slates of {START}"
    assert rows(home, "readouts").filter(ds=DAYS[0]).height == 0
    (row,) = rows(home, "readout_decisions").filter(ds=DAYS[0]).to_dicts()
    assert (row["decision"], row["assigned"]) == ("waits", 0)


def test_logs_that_name_no_variant_are_nothing_to_read_out(home: Path) -> None:
    impressions = night(home, 5).table("impressions")
    for day in DAYS:
        shown = impressions.rows(day, day)
        at = shown.schema.get_field_index("variant")
        without = shown.set_column(at, "variant", pa.nulls(shown.num_rows, pa.string())).drop_columns(["ds"])
        impressions.replace(day, without, {})
    assert read_out(home, 5).startswith("not healthy: no impression says which variant it is of")
