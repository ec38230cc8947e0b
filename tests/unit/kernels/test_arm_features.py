"""Features of arms alone against pandas, over random logs of several users, buckets and days."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from nightslate.core.features import Pooled
from nightslate.errors import LeakError
from nightslate.kernels.arm_features import FeaturesOfArms
from nightslate.kernels.encoding import ByArm, Encoder
from nightslate.kernels.known_of_arms import KnownOfArms, numbers_counted
from nightslate.kernels.value_counts import ValueCounts
from nightslate.programs.features import FeatureSpecs, aggregates, by_source
from nightslate.records.instants import INSTANT

DAY, DAYS = date(2026, 3, 10), 10
END = pd.Timestamp(DAY + timedelta(days=1), tz="UTC")
ARMS = ("call", "mail", "new", "tour")  # of `gone` there are impressions, and it is not on offer
ARM = {"key": ["arm_id"]}
RATE = {**ARM, "source": "credits", "aggregation": "rate", "within": "1d", "default": 0.5}
SPECS: dict[str, dict[str, Any]] = {
    "shown": {**ARM, "source": "impressions", "aggregation": "count", "windows": ["1d", "5d"]},
    "on_app": {
        **ARM,
        "source": "impressions",
        "aggregation": "sum",
        "column": "slot",
        "where": {"surface": "app"},
        "window": "36h",
    },
    "mean_slot": {
        **ARM,
        "source": "impressions",
        "aggregation": "mean",
        "column": "slot",
        "window": "5d",
        "default": -1,
    },
    "lowest": {
        **ARM,
        "source": "credits",
        "aggregation": "min",
        "column": "credit",
        "window": "5d",
        "default": -1,
    },
    "highest": {
        **ARM,
        "source": "credits",
        "aggregation": "max",
        "column": "credit",
        "window": "5d",
        "default": -1,
    },
    "age": {**ARM, "source": "impressions", "aggregation": "time_since_first", "window": "9d", "default": 0},
    "since": {
        **ARM,
        "source": "outcomes",
        "aggregation": "time_since_last",
        "where": {"kind": "click"},
        "window": "2d",
        "default": 1e6,
    },
    "rate": {**RATE, "where": {"kind": "click"}, "prior": 20, "windows": ["4d", "9d"]},
    "lift": {**RATE, "aggregation": "lift", "prior": 5, "window": "9d", "default": 1.0},
    "left": {**ARM, "source": "arms", "aggregation": "days_until", "column": "ends_on", "default": 99},
    "out": {**ARM, "source": "arms", "aggregation": "days_since", "column": "began_on", "default": -1},
}
DATES = {
    "ends_on": {"call": "2026-03-31", "mail": "2026-03-11", "new": "2026-02-31"},
    "began_on": {"tour": "2026-03-01"},
}


def of_day(**changes: Any) -> FeaturesOfArms:
    wanted = aggregates(TypeAdapter(FeatureSpecs).validate_python({**SPECS, **changes}))
    return FeaturesOfArms(by_source(wanted), DAY, ARMS)


def logs(seed: int) -> dict[str, pd.DataFrame]:
    random, n = np.random.default_rng(seed), 400
    begin = np.datetime64(DAY) - np.timedelta64(DAYS - 1, "D")
    at = pd.to_datetime(begin + random.integers(0, DAYS * 86_400, n).astype("timedelta64[s]"), utc=True)
    shown = pd.DataFrame(
        {
            "impression_id": [f"i{row}" for row in range(n)],
            "user_id": [f"{random.integers(20):032x}" for _ in range(n)],
            "occurred_at": at,
            "arm_id": random.choice(["call", "mail", "tour", "gone"], n),
            "slot": random.integers(1, 4, n).astype(np.int32),
            "surface": random.choice(["app", "web"], n),
        }
    )
    earned = shown.sample(150, random_state=seed, replace=True).reset_index(drop=True)
    lag = random.choice([60.0, 3600.0, 86_399.0, 86_400.0, 200_000.0], len(earned))
    when = earned["occurred_at"] + pd.to_timedelta(lag, unit="s")
    credits = pd.DataFrame(
        {
            "impression_id": earned["impression_id"],
            "kind": random.choice(["click", "task"], len(earned)),
            "credit": np.round(random.random(len(earned)), 2),
            "value": 1.0,
            "lag_seconds": lag,
            "ds": when.dt.date,
        }
    )[(when < END).to_numpy()]  # of later outcomes there are no rows yet
    outcomes = shown.sample(80, random_state=seed + 1)[["user_id", "occurred_at", "arm_id"]].copy()
    outcomes["kind"] = random.choice(["click", "task"], len(outcomes))
    outcomes.loc[outcomes.index[:10], "arm_id"] = None
    return {"impressions": shown, "credits": credits, "outcomes": outcomes}


def tables(found: dict[str, pd.DataFrame]) -> dict[str, pa.Table]:
    arrow = {}
    for name, frame in found.items():
        table = pa.Table.from_pandas(frame, preserve_index=False)
        if "occurred_at" in table.column_names:
            at = table.schema.get_field_index("occurred_at")
            table = table.set_column(at, "occurred_at", table["occurred_at"].cast(INSTANT))
        arrow[name] = table
    credited = arrow["impressions"].select(["impression_id", "user_id", "occurred_at", "arm_id"])
    return {**arrow, "credited": credited}


def of_users(found: dict[str, pd.DataFrame], some: set[str]) -> dict[str, pd.DataFrame]:
    """What one unit of work has: credits are of impressions of its users."""
    mine = {name: frame[frame["user_id"].isin(some)] for name, frame in found.items() if name != "credits"}
    credits = found["credits"]
    ids = mine["impressions"]["impression_id"]
    return {**mine, "credits": credits[credits["impression_id"].isin(ids)]}


def computed(found: dict[str, pd.DataFrame], units: int = 1, **changes: Any) -> pa.Table:
    features, users = of_day(**changes), sorted({*found["impressions"]["user_id"]})
    states = features.initial()
    for unit in range(units):
        for name, state in features.update(tables(of_users(found, {*users[unit::units]}))):
            states[name] = states[name].merge(state)
    return features.rows(states, DATES)


def by_pandas(found: dict[str, pd.DataFrame]) -> pd.DataFrame:
    shown, credits, outcomes = found["impressions"], found["credits"], found["outcomes"]

    def within(frame: pd.DataFrame, window: str) -> pd.DataFrame:
        at = frame["occurred_at"]
        return frame[(at >= END - pd.Timedelta(window)) & (at < END)]

    of_arm = shown.set_index("impression_id")["arm_id"]
    at = shown.set_index("impression_id")["occurred_at"]
    events = credits.assign(
        arm_id=credits["impression_id"].map(of_arm),
        occurred_at=credits["impression_id"].map(at) + pd.to_timedelta(credits["lag_seconds"], unit="s"),
    )
    app = within(shown[shown["surface"] == "app"], "36h").groupby("arm_id")["slot"].sum()
    last = within(outcomes[outcomes["kind"] == "click"], "2d").groupby("arm_id")["occurred_at"].max()
    columns = {
        "shown_1d": within(shown, "1d").groupby("arm_id").size(),
        "shown_5d": within(shown, "5d").groupby("arm_id").size(),
        "on_app": app,
        "mean_slot": within(shown, "5d").groupby("arm_id")["slot"].mean(),
        "lowest": within(events, "5d").groupby("arm_id")["credit"].min(),
        "highest": within(events, "5d").groupby("arm_id")["credit"].max(),
        "age": (END - within(shown, "9d").groupby("arm_id")["occurred_at"].min()).dt.total_seconds(),
        "since": (END - last).dt.total_seconds(),
    }
    soon = credits[credits["lag_seconds"] < 86_400]

    def rates(window: str, some: pd.DataFrame, prior: float) -> tuple[pd.Series, float]:
        over = within(shown, window)
        over = over[over["occurred_at"] <= END - pd.Timedelta("1d")]
        earned = over["impression_id"].map(some.groupby("impression_id")["credit"].sum()).fillna(0.0)
        sums = earned.groupby(over["arm_id"]).agg(["sum", "count"]).reindex([*ARMS, "gone"]).fillna(0.0)
        mean = earned.mean()
        return (sums["sum"] + prior * mean) / (sums["count"] + prior), mean

    for window in ("4d", "9d"):
        columns[f"rate_{window}"] = rates(window, soon[soon["kind"] == "click"], 20)[0]
    rate, mean = rates("9d", soon, 5)
    columns["lift"] = rate / mean
    defaults = {"mean_slot": -1, "lowest": -1, "highest": -1, "since": 1e6}
    return pd.DataFrame(
        {name: each.reindex(ARMS).fillna(defaults.get(name, 0.0)) for name, each in columns.items()}
    )


@pytest.mark.parametrize("seed", range(8))
def test_features_of_arms_are_what_pandas_says(seed: int) -> None:
    found = logs(seed)
    rows = computed(found, units=3).to_pandas().set_index("arm_id")
    wanted = by_pandas(found)
    pd.testing.assert_frame_equal(
        rows[wanted.columns], wanted, check_dtype=False, check_names=False, rtol=1e-12
    )
    assert rows["left"].tolist() == [20.0, 0.0, 99.0, 99.0]  # there is no 31st of February
    assert rows["out"].tolist() == [-1.0, -1.0, -1.0, 10.0]


def test_an_arm_that_nobody_has_seen_has_the_mean_rate() -> None:
    rows = computed(logs(3)).to_pandas().set_index("arm_id")
    assert rows.loc["new", "lift"] == 1.0
    assert rows.loc["new", ["shown_5d", "age"]].tolist() == [0.0, 0.0]


def test_how_users_are_dealt_out_has_no_say() -> None:
    found = logs(5)
    one, three = computed(found), computed(found, units=3)
    for name in one.column_names[1:]:
        np.testing.assert_allclose(one[name], three[name], rtol=1e-13)


def test_an_impression_counts_once_its_time_is_over_and_what_comes_by_then() -> None:
    shown = logs(0)["impressions"].iloc[:2].assign(arm_id="call")
    shown["occurred_at"] = pd.to_datetime(
        [END - pd.Timedelta("1d"), END - pd.Timedelta("1d") + pd.Timedelta("1us")]
    )
    credit = {"kind": "click", "value": 1.0, "ds": DAY}
    credits = pd.DataFrame(
        [
            {
                "impression_id": shown["impression_id"].iloc[row],
                "credit": amount,
                "lag_seconds": lag,
                **credit,
            }
            for row, amount, lag in ((0, 1.0, 86_399.9), (0, 100.0, 86_400.0), (1, 1000.0, 1.0))
        ]
    )
    rows = computed({**logs(0), "impressions": shown, "credits": credits}).to_pandas().set_index("arm_id")
    assert rows.loc["call", "rate_9d"] == 1.0  # the mean of all: of one impression, which earned 1


def test_nothing_at_all_is_the_defaults() -> None:
    rows = computed({name: frame.iloc[:0] for name, frame in logs(0).items()}).to_pandas()
    assert (rows[["rate_4d", "rate_9d"]] == 0.5).all(axis=None)
    assert (rows["lift"] == 1.0).all()


@pytest.mark.parametrize("leak", ["of the moment itself", "of what was not known"])
def test_a_planted_leak_is_found(monkeypatch: pytest.MonkeyPatch, leak: str) -> None:
    honest = FeaturesOfArms._pooled

    def late(self: FeaturesOfArms, events: pa.Table, aggregates: Any) -> dict[str, Pooled]:
        if leak == "of the moment itself":
            monkeypatch.setattr(FeaturesOfArms, "_end", property(lambda _: _micro(END) + 1))
        else:
            events = events.set_column(
                events.schema.get_field_index("known_at"), "known_at", events["occurred_at"]
            )
        return honest(self, events, aggregates)

    monkeypatch.setattr(FeaturesOfArms, "_pooled", late)
    with pytest.raises(LeakError, match=r"look at what was not known at their moment: .*shown_1d"):
        computed(logs(1))


def _micro(at: pd.Timestamp) -> int:
    return int(at.timestamp()) * 1_000_000


def test_states_merge_in_any_grouping_and_none_says_nothing() -> None:
    random = np.random.default_rng(2)
    parts = [
        Pooled.initial(4).update(
            random.integers(0, 3, 20), random.integers(0, 99, 20), random.integers(0, 9, 20) * 1.0
        )
        for _ in range(5)
    ]
    left = reduce(Pooled.merge, parts, Pooled.initial(4))
    right = parts[0].merge(parts[1].merge(parts[2].merge(parts[3].merge(parts[4]))))
    for name, array in left.arrays().items():
        np.testing.assert_array_equal(array, right.arrays()[name])
    assert np.isnan(left.of_values("mean")[3])
    assert np.isnan(left.since_first(100)[3])


ROWS = pa.table(
    {
        "ds": [DAY - timedelta(days=1)] * 2 + [DAY] * 2,
        "arm_id": ["call", "tour"] * 2,
        "age": [1.0, 2.0, 3.0, 4.0],
    }
)


def test_beside_a_decision_stands_what_was_known_at_the_end_of_the_day_before() -> None:
    known = KnownOfArms.of(ROWS, ["age"])
    days = [datetime(2026, 3, day, tzinfo=UTC) for day in (11, 10, 11, 12)]
    rows = known.beside(pa.table({"user": ["a", "b", "c", "d"]}), pa.chunked_array([pa.array(days, INSTANT)]))
    later, before = {"call": 3.0, "tour": 4.0}, {"call": 1.0, "tour": 2.0}
    said = rows["age"].to_pylist()
    assert [text and json.loads(text) for text in said] == [later, before, later, None]
    maps = [None if text is None else [*json.loads(text).items()] for text in said]
    plain = pa.chunked_array([maps], pa.map_(pa.string(), pa.float64()))
    for boundaries in ((), (2.0, 4.0)):
        seen = ByArm("arm_id", ("call", "new", "tour"), 9.0, boundaries)
        np.testing.assert_array_equal(seen.vectors(rows["age"]), seen.vectors(plain))
    some = rows.take(pa.array([3, 0]))["age"]
    assert ByArm("arm_id", ("call",), 9.0).vectors(some).tolist() == [[9.0, 9.0], [3.0, 9.0]]
    none = rows.filter(pa.array([False] * 4))
    assert Encoder(("age",), (ByArm("arm_id", ("call",), 9.0),))(none).shape == (0, 3)
    counts = ValueCounts.initial(["age"]).update(rows).by_column["age"]
    assert numbers_counted(counts) == {"1.0": 1, "2.0": 1, "3.0": 2, "4.0": 2}
    assert known.digest != KnownOfArms.of(ROWS.slice(1), ["age"]).digest


def test_users_of_one_day_are_scored_by_what_they_differ_in() -> None:
    known, encoder = KnownOfArms.of(ROWS, ["age"]), Encoder(("age",), (ByArm("arm_id", ("call",), 9.0),))
    ends = pa.chunked_array([pa.array([datetime(2026, 3, day, tzinfo=UTC) for day in (11, 10, 11)], INSTANT)])
    first, vector_of = encoder.distinct(known.beside(pa.table({"user": ["a", "b", "c"]}), ends))
    assert (first.tolist(), vector_of.tolist()) == ([0, 1], [0, 1, 0])
