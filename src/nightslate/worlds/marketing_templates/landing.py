"""The landing files of a day: what was sent, what came of it, and which customers and templates there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.worlds.landing_files import OUTCOMES, STAMP, names_at, write_day
from nightslate.worlds.marketing_templates.population import Day
from nightslate.worlds.marketing_templates.rec_engine import RULE
from nightslate.worlds.marketing_templates.templates import (
    ARMS,
    CHANNELS,
    FEATURES,
    NO_FEATURE,
    NOTHING,
    ORDER_VALUES,
    described,
)
from nightslate.worlds.marketing_templates.world import (
    AGE_BANDS,
    GENDERS,
    HISTORIES,
    REGIONS,
    ZONES,
    Customers,
    World,
)

_DAY, _MINUTE = 86_400.0, 60.0
_TO_DELIVER, _TO_BOUNCE, _TO_PROXY = 5.0, 20.0, 40.0
_MEAN_TO_OPEN, _MEAN_TO_BUY = 3 * 3600.0, 2 * _DAY
_LONGEST_TO_OPEN, _LONGEST_TO_BUY = _DAY, 5.5 * _DAY
"""Seconds. Whatever comes of a message comes within a week."""

_LAST_MINUTES = 600.0
"""Nobody unsubscribes in so many seconds before midnight, so that the night of the day knows."""


def profiles(people: Customers) -> pa.Table:
    """What is known of customers, in the columns of the landing logs."""
    consents = {
        f"consent_{channel}": names_at(("no", "yes"), people.consent[:, place].astype(np.int64))
        for place, channel in enumerate(CHANNELS)
    }
    return pa.table(
        {
            "user_id": pa.array(people.ids, pa.string()),
            "age_band": names_at(AGE_BANDS, people.age),
            "gender": names_at(GENDERS, people.gender),
            "region": names_at(REGIONS, people.region),
            "tenure_days": people.days.astype(np.float64),
            "history": names_at(HISTORIES, people.history),
            "time_zone": names_at(ZONES, people.region),
            **consents,
        }
    )


@dataclass
class Landing:
    """Writes a program's landing logs day by day into their `folder`; an outcome lands on the day on which it
    happens."""

    world: World
    folder: Path
    first_day: date
    _waiting: pa.Table = field(default_factory=OUTCOMES.empty_table, init=False)

    def land(self, day: Day, evening: Customers) -> None:
        """All logs of a day. `evening`: the customers whom the next slates are for."""
        date_ = self.first_day + timedelta(days=day.day)
        self._waiting = pa.concat_tables([self._waiting, *self._outcomes(day)])
        midnight = datetime.combine(date_ + timedelta(days=1), datetime.min.time(), UTC)
        due = pc.less(self._waiting["occurred_at"], pa.scalar(midnight, STAMP))
        logs = {
            "impressions": self._impressions(day),
            "outcomes": self._waiting.filter(due),
            "users": profiles(evening.take(evening.joins <= day.day)),
            "arms": pa.Table.from_pylist(described(day.day)),
        }
        self._waiting = self._waiting.filter(pc.invert(due))
        write_day(self.folder, date_, logs)

    def _impressions(self, day: Day) -> pa.Table:
        """What was delivered, and nothing where that was decided: what bounced was shown to nobody. Where
        marketing's rule decided, it was sure to."""
        decisions = day.decisions
        shown = np.flatnonzero(day.delivered | (decisions.arm == NOTHING))
        at = pa.array(shown)
        context = profiles(day.morning.take(decisions.place[shown]))
        channels = (*CHANNELS, NO_FEATURE)
        eligible = [[ARMS[arm] for arm in np.flatnonzero(row)] for row in decisions.eligible[shown]]
        variant = decisions.variant.take(at)
        return pa.table(
            {
                "impression_id": self._ids(day, shown),
                "decision_id": self._ids(day, shown),
                "user_id": context["user_id"],
                "occurred_at": self._times(day.day, decisions.at[shown]),
                "surface": names_at(channels, FEATURES["channel"][1][decisions.arm[shown]]),
                "slot": pa.array(np.ones(len(shown)), pa.int32()),
                "arm_id": names_at(ARMS, decisions.arm[shown]),
                "propensity": pc.if_else(pc.equal(variant, RULE), 1.0, pa.scalar(None, pa.float64())),
                "slate_id": decisions.slate_id.take(at),
                "eligible_arms": pa.array(eligible, pa.list_(pa.string())),
                "variant": variant,
                **{name: context[name] for name in context.column_names if name != "user_id"},
            }
        )

    def _outcomes(self, day: Day) -> list[pa.Table]:
        decisions, some = day.decisions, day.morning.take(day.decisions.place)

        def delays(purpose: str, mean: float, longest: float) -> Floats:
            """Exponential, no longer than `longest`."""
            drawn = self.world.draws(some, day.day, purpose)
            return np.asarray(-mean * np.log1p(drawn * np.expm1(-longest / mean)))

        sure = np.ones(len(some))
        opened = decisions.at + _MINUTE + delays("opens after", _MEAN_TO_OPEN, _LONGEST_TO_OPEN)
        clicked = opened + _MINUTE
        bought = clicked + _MINUTE + delays("buys after", _MEAN_TO_BUY, _LONGEST_TO_BUY)
        left = self.world.draws(some, day.day, "unsubscribes after")
        left = decisions.at + _MINUTE + left * np.maximum(_DAY - _LAST_MINUTES - decisions.at, 0.0)
        order = ORDER_VALUES[decisions.arm]
        happened = day.happened
        return [
            self._of_kind(day, "delivered", day.delivered, decisions.at + _TO_DELIVER, sure),
            self._of_kind(day, "bounced", day.bounced, decisions.at + _TO_BOUNCE, sure),
            self._of_kind(day, "proxy_open", happened["proxy_open"], decisions.at + _TO_PROXY, sure),
            self._of_kind(day, "opened", happened["opened"], opened, sure),
            self._of_kind(day, "clicked", happened["clicked"], clicked, sure),
            self._of_kind(day, "purchased", happened["purchased"], bought, order),
            self._of_kind(day, "unsubscribed", happened["unsubscribed"], left, sure),
        ]

    def _of_kind(self, day: Day, kind: str, happened: Bools, at: Floats, value: Floats) -> pa.Table:
        """Outcomes name the message, but for bounces, of which there is no impression."""
        rows = np.flatnonzero(happened)
        message = self._ids(day, rows)
        columns = {
            "outcome_id": pc.binary_join_element_wise(kind, message, "-"),
            "user_id": pa.array(day.morning.take(day.decisions.place[rows]).ids, pa.string()),
            "occurred_at": self._times(day.day, at[rows]),
            "kind": pa.repeat(kind, len(rows)),
            "value": value[rows],
            "arm_id": names_at(ARMS, day.decisions.arm[rows]),
            "impression_id": pa.nulls(len(rows), pa.string()) if kind == "bounced" else message,
        }
        return pa.table(columns, schema=OUTCOMES)

    def _ids(self, day: Day, rows: Ints) -> pa.Array:
        today = (self.first_day + timedelta(days=day.day)).isoformat()
        users = pa.array(day.morning.take(day.decisions.place[rows]).ids, pa.string())
        return pc.binary_join_element_wise(today, users, "-")

    def _times(self, day: int, seconds: Floats) -> pa.Array:
        start = np.datetime64(self.first_day + timedelta(days=day), "us")
        return pa.array(start + (seconds * 1e6).astype(np.int64).astype("timedelta64[us]"), STAMP)
