"""Decisions that are served, logged, closed with their day, learnt from and recomputed by its night."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from nightslate.online.clock import Clock
from nightslate.online.service import Service
from nightslate.pipeline.night import Night
from tests.integration.nights import run_night

from .assisted import (
    TODAY,
    USERS,
    MovedClock,
    Row,
    activity,
    click,
    context,
    land,
    moment,
    night,
    others_logs,
)
from .client import Client, serving

TOMORROW = TODAY + timedelta(days=1)


def app(home: Path, clock: MovedClock, **options: Any) -> Service:
    return Service(night(home, TODAY), Clock(clock), **options)


def ask(client: Client, clock: MovedClock, user: int, rows: int, **said: Any) -> Row:
    random = np.random.default_rng([user, rows])
    events = activity(random, clock.at, rows)
    answer = client.post({"user_id": f"user-{user}", "context": context(user), "activity": events, **said})
    assert answer.status == 200, answer
    return dict(answer.body)


def table(of: Night, name: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(of.rows(name)))


def test_the_loop_is_closed(home: Path) -> None:
    clock = MovedClock(moment(TODAY, 8))
    service, used = app(home, clock), list[pa.Table]()
    answers, clicks = list[Row](), list[Row]()
    with serving(service) as client:
        watch(service, used)
        for number in range(60):
            user = number % USERS
            clock.at += timedelta(minutes=7)
            some = {"eligible_arms": ["call", "tour"]} if number % 5 == 0 else {}
            answer = ask(client, clock, user, number % 4, **some)
            answers.append(answer)
            if answer["arm"] == "tour":
                at = datetime.fromisoformat(answer["occurred_at"])
                clicks.append(click(f"{answer['decision_id']}-1", f"user-{user}", at))
        clock.at = moment(TOMORROW, 0.1)
        service.refresh()
        assert client.get("/health").body["open_days"] == [str(TODAY), str(TOMORROW)]
        clock.at = moment(TOMORROW, 0.2)
        service.refresh()
        assert client.get("/health").body["open_days"] == [str(TOMORROW)]
    land(home, TODAY, others_logs(clicks))
    run_night(night(home, TODAY))

    of_day = night(home, TODAY)
    shown = table(of_day, "impressions")
    by_decision = {row["decision_id"]: row for row in shown.rows(named=True)}
    assert by_decision.keys() == {answer["decision_id"] for answer in answers}
    for answer in answers:
        row = by_decision[answer["decision_id"]]
        assert (row["arm_id"], row["propensity"]) == (answer["ranking"][0], answer["propensities"][0])
        assert (row["variant"], row["policy"]) == (answer["variant"], answer["policy"])
        assert row["model_digest"] == answer["model_digest"]
    assert {answer["policy"] for answer in answers} == {"uniform", "linear_ucb"}

    recomputed = table(of_day, "served_decisions")
    assert recomputed.height == len(answers)
    assert recomputed["fault"].null_count() == len(answers)
    assert recomputed["recomputed"].to_list() == recomputed["propensity"].to_list()

    features = {(row["user_id"], row["as_of"]): row for row in table(of_day, "features").rows(named=True)}
    different = set()
    for table_used in used:
        (row,) = table_used.to_pylist()
        at = row.pop("as_of")
        kept = features.get((row["user_id"], at))
        if kept is not None:
            names = [name for name in kept if name in row]
            assert len(names) == 7
            assert {name: row[name] for name in names} == {name: kept[name] for name in names}
            different.add(tuple(row[name] for name in names[1:]))
    assert len(different) > 40

    learnt = {row["learner"]: row["rows"] for row in table(of_day, "models").rows(named=True)}
    before = {
        row["learner"]: row["rows"]
        for row in table(night(home, TODAY - timedelta(days=1)), "models").rows(named=True)
    }
    assert learnt["linear_ucb"] >= before["linear_ucb"] + 40


def watch(service: Service, used: list[pa.Table]) -> None:
    """Keep the contexts that decisions are made by."""
    edition = service._edition
    assert edition is not None
    honest = edition.features

    class Watched:
        def beside(self, user: pa.Table, posted: pa.Table, at: datetime) -> pa.Table:
            found = honest.beside(user, posted, at)
            used.append(found.append_column("as_of", pa.array([at], pa.timestamp("us", "UTC"))))
            return found

    object.__setattr__(edition, "features", Watched())
