"""The landing files of a day: what the engine logged, what participants did, and who and what there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Floats, Ints
from nightslate.worlds.landing_files import OUTCOMES, STAMP, names_at, write_day
from nightslate.worlds.onboarding_401k.messages import MESSAGES, described
from nightslate.worlds.onboarding_401k.rec_engine import Pages
from nightslate.worlds.onboarding_401k.responses import Responses
from nightslate.worlds.onboarding_401k.world import (
    AGE_BANDS,
    DEVICES,
    MATCHES,
    PLANS,
    RATES,
    Participants,
)

_SECONDS_TO: dict[str, float] = {"click": 5.0, "qualified_view": 90.0}


def profiles(people: Participants) -> pa.Table:
    """What is known of participants, in the columns of the landing logs; the age of many is not."""
    return pa.table(
        {
            "user_id": people.ids,
            "days_since_enrolment": people.days.astype(np.float64),
            "device": names_at(DEVICES, people.device),
            "age_band": pc.if_else(pa.array(people.age_known), names_at(AGE_BANDS, people.age), None),
            "plan_type": names_at(PLANS, people.plan),
            "employer_match": names_at(MATCHES, people.match),
        }
    )


@dataclass
class Landing:
    """Writes a program's landing logs day by day; a task lands on the day on which it happens.

    `folder`: of the program's landing logs. `propensity`: what the program declares, of random pages."""

    folder: Path
    first_day: date
    propensity: Literal["conditional", "marginal"]
    _waiting: pa.Table = field(default_factory=OUTCOMES.empty_table, init=False)

    def land(self, everyone: Participants, pages: Pages, done: Responses) -> None:
        """All logs of a day."""
        day = self.first_day + timedelta(days=pages.day)
        shown = self._impressions(pages)
        self._waiting = pa.concat_tables([self._waiting, *self._outcomes(pages, done)])
        tomorrow = pa.scalar(datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC), STAMP)
        due = pc.less(self._waiting["occurred_at"], tomorrow)
        logs = {
            "impressions": shown,
            "outcomes": self._waiting.filter(due),
            "users": profiles(everyone),
            "arms": pa.Table.from_pylist(described()),
        }
        self._waiting = self._waiting.filter(pc.invert(due))
        write_day(self.folder, day, logs)

    def _impressions(self, pages: Pages) -> pa.Table:
        row, slot = np.nonzero(pages.shown)
        eligible = [[MESSAGES[place] for place in np.flatnonzero(allowed)] for allowed in pages.allowed]
        random = pages.slate_id.is_null().take(pa.array(row))
        context = profiles(pages.people).take(pa.array(row))
        decision = self._decisions(pages)
        return pa.table(
            {
                "impression_id": _ids(decision, row, slot),
                "decision_id": decision.take(pa.array(row)),
                "user_id": context["user_id"],
                "occurred_at": self._times(pages, np.zeros(len(row)), row),
                "surface": context["device"],
                "slot": pa.array(slot + 1, pa.int32()),
                "arm_id": names_at(MESSAGES, pages.tiles[row, slot]),
                "propensity": pc.if_else(
                    random, pa.array(pages.propensity(self.propensity)[row, slot]), None
                ),
                "slate_id": pages.slate_id.take(pa.array(row)),
                "eligible_arms": pa.array(eligible, pa.list_(pa.string())).take(pa.array(row)),
                "variant": pages.variant.take(pa.array(row)),
                **{name: context[name] for name in context.column_names if name != "user_id"},
            }
        )

    def _outcomes(self, pages: Pages, done: Responses) -> list[pa.Table]:
        """A click and a view name their impression; a task names the message that it is about."""
        decision, ids = self._decisions(pages), pa.array(pages.people.ids)
        found = []
        for kind in RATES:
            row, slot = np.nonzero(done.happened[kind])
            impression = _ids(decision, row, slot)
            days = done.after[row, slot] if kind == "task" else np.full(len(row), _SECONDS_TO[kind] / 86_400)
            columns = {
                "outcome_id": pc.binary_join_element_wise(kind, impression, "-"),
                "user_id": ids.take(pa.array(row)),
                "occurred_at": self._times(pages, days, row),
                "kind": pa.repeat(kind, len(row)),
                "value": np.ones(len(row)),
                "arm_id": names_at(MESSAGES, pages.tiles[row, slot]),
                "impression_id": impression if kind != "task" else pa.nulls(len(row), pa.string()),
            }
            found.append(pa.table(columns, schema=OUTCOMES))
        return found

    def _decisions(self, pages: Pages) -> pa.Array:
        day = (self.first_day + timedelta(days=pages.day)).isoformat()
        return pc.binary_join_element_wise(day, pa.array(pages.people.ids), "-")

    def _times(self, pages: Pages, days: Floats, row: Ints) -> pa.Array:
        start = np.datetime64(self.first_day + timedelta(days=pages.day), "us")
        microseconds = ((pages.at[row] + days) * 86_400e6).astype("timedelta64[us]")
        return pa.array(start + microseconds, STAMP)


def _ids(decision: pa.Array, row: Ints, slot: Ints) -> pa.Array:
    return pc.binary_join_element_wise(
        decision.take(pa.array(row)), pa.array(slot + 1).cast(pa.string()), "-"
    )
