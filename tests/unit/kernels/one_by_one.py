"""What a readout counts of users, gone through one by one and row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from tests.unit.kernels.experiment_logs import COSTS, END, SALT, SHARES, TOPICS, VARIANTS

from nightslate.core.experiments import Moments
from nightslate.kernels.readouts import Figure

DAY = timedelta(days=1)
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
    "first_click": {**CLICK, "kind": "time_to_event", "window": "6d"},
    "back": {"source": "impressions", "kind": "retention", "day": 2},
}
COVARIATES = {"before": {**CLICK, "window": "5d"}}


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
        of_time = COVARIATES if figure.period == "before" else METRICS
        said, values = of_time[figure.metric], []
        for user, row in self.first.items():
            since = self.since(user, figure.scope)
            if row["variant"] != variant or since is None:
                continue
            if device != "any" and self.device(user, since) != device:
                continue
            probabilities = row.get("probabilities") or SHARES[row["slate_date"]]
            if min(probabilities) == 0:
                continue
            weight = 1 / probabilities[VARIANTS.index(variant)] if figure.weighted else 1.0
            if figure.period == "before":
                before = since - timedelta(days=5)
                values.append([weight * self.counted(said, user, before, before, since), weight])
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
            if figure.period == "novelty":
                columns = self.parts(said, user, since, until)
                values.append([weight * each for each in columns])
                continue
            above = self.counted(said, user, since, begin, until)
            if said.get("kind") == "time_to_event":
                clicks = [row["occurred_at"] for row in self.of("outcomes", user) if row["kind"] == "click"]
                above = (min([at for at in clicks if begin <= at < until] + [until]) - begin) / DAY
            if said.get("kind") in ("share", "retention"):
                above = float(above > 0)
            if "winsorise" in said:
                above = min(above, said["winsorise"]["value"])
            below = self.counted(said["per"], user, since, begin, until) if "per" in said else 1.0
            before = since - timedelta(days=5)
            known = self.counted(COVARIATES["before"], user, before, before, since)
            values.append([weight * each for each in (above, below, known, 1.0)])
        width = 2 if figure.period == "before" else 4
        found = Moments.initial((1,), width)
        rows = np.array(values, dtype=np.float64).reshape(-1, width)
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
                self.counted(said["per"], user, since, begin, end) if "per" in said else (end - begin) / DAY,
            )
        ]

    def device(self, user: str, since: datetime) -> str | None:
        shown = [row for row in self.of("impressions", user) if row["occurred_at"] == since]
        return min(shown, key=lambda row: row["impression_id"])["device"]
