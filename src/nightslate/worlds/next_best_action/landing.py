"""The landing files of a day of the campaigns: what was offered, what customers did, and who and what there
is."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Floats, Ints
from nightslate.worlds.landing_files import OUTCOMES, STAMP, names_at, write_day
from nightslate.worlds.next_best_action.rec_engine import BEGINS_AT, Cohort, Offers, RecEngine
from nightslate.worlds.next_best_action.world import ARMS, EVENTS, FEATURES

_MINUTES_TO_EVENT = 30


def land_day(folder: Path, engine: RecEngine, day: date, offers: list[Offers]) -> None:
    """All logs of a day, into a program's landing folder. The users are those whose campaign runs on the day
    after."""
    tomorrow = engine.running(day + timedelta(days=1))
    logs = {
        "impressions": pa.concat_tables([_impressions(made) for made in offers]),
        "outcomes": pa.concat_tables([_outcomes(cohort, day) for cohort in engine.running(day)]),
        "users": pa.concat_tables([_users(cohort, day) for cohort in tomorrow]),
        "arms": pa.table({"arm_id": ARMS}),
    }
    write_day(folder, day, logs)


def profiles(states: Floats) -> pa.Table:
    """States (n, 5) in the columns of the landing logs."""
    return pa.table(dict(zip(FEATURES, states.T, strict=True)))


def _impressions(offers: Offers) -> pa.Table:
    """The second offer in an hour comes a minute after the first."""
    users = pa.array(offers.cohort.ids).take(pa.array(offers.who))
    decision, m = pc.binary_join_element_wise(users, str(offers.number), "-"), len(offers.who)
    context = profiles(offers.states)
    return pa.table(
        {
            "impression_id": decision,
            "decision_id": decision,
            "user_id": users,
            "occurred_at": _times(offers.cohort, offers.step, offers.place),
            "slot": pa.array(np.ones(m), pa.int32()),
            "arm_id": names_at(ARMS, offers.actions),
            "propensity": pc.if_else(offers.slate_id.is_null(), 1 / len(ARMS), None),
            "slate_id": offers.slate_id,
            "eligible_arms": pa.array([ARMS] * m, pa.list_(pa.string())),
            "variant": offers.variant,
            **{name: context[name] for name in FEATURES},
        }
    )


def _outcomes(cohort: Cohort, day: date) -> pa.Table:
    """What happens in an hour happens half an hour after it began, and names nothing but the customer."""
    steps = cohort.steps(day)
    who, hour = np.nonzero(events := cohort.campaign.events()[:, steps.start : steps.stop])
    users, step = pa.array(cohort.ids).take(pa.array(who)), hour + steps.start
    columns = {
        "outcome_id": pc.binary_join_element_wise(users, pa.array(step).cast(pa.string()), "-"),
        "user_id": users,
        "occurred_at": _times(cohort, step, np.full(len(step), _MINUTES_TO_EVENT)),
        "kind": names_at(EVENTS, events[who, hour]),
        "value": np.ones(len(step)),
        "arm_id": pa.nulls(len(step), pa.string()),
        "impression_id": pa.nulls(len(step), pa.string()),
    }
    return pa.table(columns, schema=OUTCOMES)


def _users(cohort: Cohort, day: date) -> pa.Table:
    return profiles(cohort.states_after(day)).add_column(0, "user_id", [cohort.ids])


def _times(cohort: Cohort, step: Ints, minutes: Ints) -> pa.Array:
    since = (BEGINS_AT + step).astype("timedelta64[h]") + minutes.astype("timedelta64[m]")
    return pa.array(np.datetime64(cohort.begins, "us") + since, STAMP)
