"""The sums that a readout is made of, against users gone through one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.kernels.experiment_logs import COSTS, DS, END, SALT, SHARES, TOPICS, VARIANTS, logs, tables

from nightslate.core import npz
from nightslate.core.experiments import Moments, value_of
from nightslate.kernels.experiment_users import Allocated
from nightslate.kernels.named_states import MomentsByName, SampleRatiosByName
from nightslate.kernels.readouts import COUNTS, SAMPLE_RATIOS, Figure, Readout
from nightslate.programs.readouts import Covariate, Metric

CLICK = {"source": "outcomes", "where": {"kind": "click"}}

METRICS = {
    "reward": {"source": "rewards"},
    "reward_3d": {"source": "rewards", "window": "3d"},
    "clicks": CLICK,
    "clicks_2d_at_most_3": {**CLICK, "column": "value", "window": "2d", "winsorise": {"value": 3.0}},
    "clicked": {**CLICK, "kind": "share", "window": "2d"},
    "clicks_per_tile": {**CLICK, "kind": "ratio", "per": {"source": "impressions"}, "window": "4d"},
    "tiles": {"source": "impressions", "window": "5d", "novelty": "2d"},
    "clicks_per_tile_at_first": {
        **CLICK,
        "kind": "ratio",
        "per": {"source": "impressions"},
        "window": "4d",
        "novelty": "12h",
    },
    "topics": {"source": "impressions", "distinct": "topic"},
    "beyond": {"source": "impressions", "where": {"topic": "beyond"}},
    "back": {"source": "impressions", "kind": "retention", "day": 2},
}
COVARIATES = {"before": {**CLICK, "window": "5d"}}


def readout(**changed: Any) -> Readout:
    metrics = {name: Metric.model_validate(said) for name, said in METRICS.items()}
    return Readout(
        **{
            "allocated": Allocated(SALT, VARIANTS, SHARES),
            "ds": DS,
            "metrics": metrics,
            "covariates": {name: Covariate.model_validate(said) for name, said in COVARIATES.items()},
            "segments": ("device",),
            "arms": pa.table({"arm_id": list(TOPICS), "topic": list(TOPICS.values())}),
            "costs": COSTS,
            "caps": {"clicks_2d_at_most_3": 3.0},
            **changed,
        }
    )


def folded(how: Readout, *parts: dict[str, list[dict[str, Any]]]) -> dict[Any, Any]:
    states = how.initial()
    for part in parts:
        for key, state in how.update(tables(part)):
            packed = npz.unpack(npz.pack(state.arrays()))
            states[key] = states[key].merge(type(state).from_arrays(packed))
    return states


class OneByOne:
    """The same, user by user and row by row."""

    def __init__(self, rows: dict[str, list[dict[str, Any]]]) -> None:
        self.rows = rows
        self.first: dict[str, dict[str, Any]] = {}
        for row in rows["assignments"]:
            if row["experiment"] == SALT:
                self.first.setdefault(row["user_id"], row)

    def since(self, user: str, scope: str) -> datetime | None:
        begins = datetime.combine(self.first[user]["slate_date"], datetime.min.time(), UTC)
        if scope == "assigned":
            return begins
        times = [row["occurred_at"] for row in self.of("impressions", user) if row["occurred_at"] >= begins]
        return min(times, default=None)

    def of(self, log: str, user: str) -> list[dict[str, Any]]:
        return [row for row in self.rows[log] if row["user_id"] == user]

    def counted(
        self, said: dict[str, Any], user: str, first: datetime, since: datetime, until: datetime
    ) -> float:
        if said["source"] == "rewards":
            total = 0.0
            for shown in self.of("impressions", user):
                if shown["occurred_at"] < first:
                    continue
                if since <= shown["occurred_at"] < until:
                    total -= COSTS.get(shown["arm_id"], 0.0)
                for credit in self.rows["credits"]:
                    at = shown["occurred_at"] + timedelta(seconds=credit["lag_seconds"])
                    if credit["impression_id"] == shown["impression_id"] and since <= at < until:
                        total += credit["credit"]
            return total
        found = []
        for row in self.of(said["source"], user):
            row = row | ({"topic": TOPICS[row["arm_id"]]} if "arm_id" in row else {})
            holds = all(row[name] == value for name, value in said.get("where", {}).items())
            if holds and since <= row["occurred_at"] < until:
                found.append(row)
        if "distinct" in said:
            return float(len({row[said["distinct"]] for row in found}))
        return float(sum(row[said["column"]] for row in found)) if "column" in said else float(len(found))

    def cell(self, figure: Figure, variant: str, device: str | None = "any") -> Moments:
        said, values = METRICS[figure.metric], []
        for user, row in self.first.items():
            since = self.since(user, figure.scope)
            if row["variant"] != variant or since is None:
                continue
            if device != "any" and self.device(user, since) != device:
                continue
            begin, until = since, END
            if figure.period == "day":
                begin = max(since, END - timedelta(days=1))
            elif said.get("kind") == "retention":
                begin = since + timedelta(days=said["day"])
                until = begin + timedelta(days=1)
            elif "window" in said:
                until = since + timedelta(days=int(said["window"][:-1]))
            if until > END:
                continue
            weight = 1 / SHARES[row["slate_date"]][VARIANTS.index(variant)] if figure.weighted else 1.0
            if figure.period == "novelty":
                columns = self.parts(said, user, since, until)
                values.append([weight * each for each in columns])
                continue
            above = self.counted(said, user, since, begin, until)
            if said.get("kind") in ("share", "retention"):
                above = float(above > 0)
            if "winsorise" in said:
                above = min(above, said["winsorise"]["value"])
            below = self.counted(said["per"], user, since, begin, until) if "per" in said else 1.0
            before = since - timedelta(days=5)
            known = self.counted(COVARIATES["before"], user, before, before, since)
            values.append([weight * each for each in (above, below, known, 1.0)])
        found = Moments.initial((1,), 4)
        rows = np.array(values, dtype=np.float64).reshape(-1, 4)
        return found.update(np.zeros(len(rows), dtype=np.int64), rows).cell(0)

    def parts(self, said: dict[str, Any], user: str, since: datetime, until: datetime) -> list[float]:
        """What is above and below the line in later days, then in the first ones."""
        unit = {"d": "days", "h": "hours"}[said["novelty"][-1]]
        middle = since + timedelta(**{unit: int(said["novelty"][:-1])})
        return [
            figure
            for begin, end in ((middle, until), (since, middle))
            for figure in (
                self.counted(said, user, since, begin, end),
                self.counted(said["per"], user, since, begin, end)
                if "per" in said
                else (end - begin) / timedelta(days=1),
            )
        ]

    def device(self, user: str, since: datetime) -> str | None:
        shown = [row for row in self.of("impressions", user) if row["occurred_at"] == since]
        return min(shown, key=lambda row: row["impression_id"])["device"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_figure_is_that_of_users_gone_through_one_by_one(seed: int) -> None:
    rows = logs(seed)
    found, truth = folded(readout(), rows), OneByOne(rows)
    figures = [key for key in found if isinstance(key, Figure)]
    assert len(figures) == 2 * 2 * (10 * 2 + 1) + 2
    for figure in figures:
        for variant in VARIANTS:
            told, right = found[figure].states[variant, None, None], truth.cell(figure, variant)
            assert told.n == right.n > 0, figure
            np.testing.assert_allclose(told.mean, right.mean, atol=1e-12, err_msg=str(figure))
            np.testing.assert_allclose(told.products, right.products, atol=1e-9, err_msg=str(figure))


def test_segments_are_those_of_the_first_exposure() -> None:
    rows = logs(4)
    found, truth = folded(readout(), rows), OneByOne(rows)
    figure = Figure("clicks", "exposed", "cumulative")
    places = {place for place in found[figure].states if place[1]}
    assert places == {(v, "device", d) for v in VARIANTS for d in ("web", "app", None)}
    for variant, _, device in places:
        told, right = found[figure].states[variant, "device", device], truth.cell(figure, variant, device)
        assert (told.n, value_of(told).value) == (right.n, pytest.approx(value_of(right).value))
    assert not any(place[1] for place in found[Figure("clicks", "assigned", "cumulative")].states)


def test_sample_ratios_are_by_the_probabilities_of_the_day_of_assignment() -> None:
    rows = logs(5)
    found, truth = folded(readout(), rows), OneByOne(rows)
    exposed = {user: row for user, row in truth.first.items() if truth.since(user, "exposed")}
    ratios = found[SAMPLE_RATIOS].states
    whole = [ratio for (column, _, _), ratio in ratios.items() if column is None]
    in_segments = [ratio for (column, _, _), ratio in ratios.items() if column]
    for some in (whole, in_segments):
        assert sum(each.seen for each in some).tolist() == [
            sum(row["variant"] == variant for row in exposed.values()) for variant in VARIANTS
        ]
        expected = np.sum([SHARES[row["slate_date"]] for row in exposed.values()], axis=0)
        np.testing.assert_allclose(sum(each.expected for each in some), expected)
    days = {day for column, _, day in ratios if column is None}
    assert days == {truth.since(user, "exposed").date().isoformat() for user in exposed}


def test_counts_say_who_was_shown_another_variant() -> None:
    rows = logs(6)
    for row in rows["impressions"][::3]:
        row["variant"] = "new"
    counts, truth = folded(readout(), rows)[COUNTS], OneByOne(rows)

    shown = {
        user: [row for row in truth.of("impressions", user) if row["occurred_at"] >= begins]
        for user in truth.first
        if (begins := truth.since(user, "assigned"))
    }
    variant = {user: row["variant"] for user, row in truth.first.items()}

    def users(those: set[str]) -> list[int]:
        return [sum(variant[user] == name for user in those) for name in VARIANTS]

    named = {user: {row["variant"] for row in each} - {None} for user, each in shown.items()}
    crossed = {user for user, names in named.items() if names - {variant[user]}}
    today = {user for user, each in shown.items() if DS in {row["occurred_at"].date() for row in each}}
    assert counts.assigned.tolist() == users({*truth.first})
    assert counts.exposed.tolist() == users({user for user, each in shown.items() if each})
    assert counts.named.tolist() == users({user for user, names in named.items() if names})
    assert counts.crossed.tolist() == users(crossed)
    assert len(crossed) > 1
    assert counts.today.tolist() == users(today)


def test_users_in_parts_are_users_as_a_whole() -> None:
    rows = logs(7)
    parts = []
    for share in range(3):
        of_part = lambda user, share=share: int(user, 16) % 3 == share  # noqa: E731
        mine = {
            name: [row for row in each if of_part(row["user_id"])]
            for name, each in rows.items()
            if name != "credits"
        }
        parts.append({**mine, "credits": rows["credits"]})
    whole, merged = folded(readout(), rows), folded(readout(), *parts)
    for key, state in whole.items():
        if isinstance(state, MomentsByName | SampleRatiosByName):
            assert state.states.keys() == merged[key].states.keys()
            for place, one in state.states.items():
                for name, array in one.arrays().items():
                    np.testing.assert_allclose(merged[key].states[place].arrays()[name], array, atol=1e-9)


def test_quantiles_are_of_what_exposed_users_count_for() -> None:
    rows = logs(8)
    how, truth = readout(), OneByOne(rows)
    name = "clicks_2d_at_most_3"
    ((_, found),) = how.samples(tables(rows), [name], of_one_in=1)
    said, right = METRICS[name], []
    for user in truth.first:
        since = truth.since(user, "exposed")
        if since and since + timedelta(days=2) <= END:
            right.append(truth.counted(said, user, since, since, since + timedelta(days=2)))
    assert sorted(found.values) == sorted(right)
    assert len(right) > 10


def test_nobody_is_nothing() -> None:
    rows = {name: [] for name in ("assignments", "impressions", "outcomes", "credits")}
    found = folded(readout(), rows)
    assert not any(found[key].states for key in found if isinstance(key, Figure))
    assert found[COUNTS].assigned.tolist() == [0, 0]


def test_equal_shares_need_no_figure_without_weights() -> None:
    how = readout(allocated=Allocated(SALT, VARIANTS, dict.fromkeys(SHARES, (0.5, 0.5))))
    assert all(figure.weighted for figure in how.figures)
