"""The rec engine that asks the program's app: it posts what a user does on a visit, and shows what it is
answered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPConnection
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Ints
from nightslate.errors import ContractError
from nightslate.online.clock import Clock
from nightslate.online.loopback import on_loopback
from nightslate.online.service import Service
from nightslate.pipeline.night import Night
from nightslate.programs import Program
from nightslate.programs.days import end_of
from nightslate.worlds.landing_files import STAMP
from nightslate.worlds.proactive_assistance.activity import AFTER_VISIT, MICROSECONDS_OF_A_DAY, profiles
from nightslate.worlds.proactive_assistance.rec_engine import Decisions, Moment, both, by_chance
from nightslate.worlds.proactive_assistance.troubles import ARMS, ISSUES
from nightslate.worlds.proactive_assistance.world import World

SERVED_FROM = 1
"""The first day, counted from 0, before which a night has published something to serve by."""

Row = dict[str, Any]


@dataclass(frozen=True)
class ServedApp:
    """Starts the app every morning, asks it over HTTP at the end of each visit, and stops it in the evening.
    Whoever gets nothing and has just come gets help by chance if the first visit is a suspicious one. So does
    everybody on the first day, before any night.

    night: any of the program's."""

    world: World
    program: Program
    night: Night

    def __call__(self, moment: Moment) -> Decisions:
        """What the app answers. Raises ContractError for an answer that is none."""
        served = decisions(moment, self._answers(moment) if moment.day >= SERVED_FROM else [])
        left = ~np.isin(moment.visits.place, served.place)
        return both(served, by_chance(self.world, self.program, moment, left))

    def _answers(self, moment: Moment) -> list[Answered]:
        """Of all visits of a day."""
        today = self.program.start_date + timedelta(days=moment.day)
        now = _Now(end_of(today - timedelta(days=1)))
        service = Service(self.night, Clock(now), closes=False)
        with on_loopback(service) as port:
            connection, found = HTTPConnection("127.0.0.1", port), list[Answered]()
            for visit in _by_end(moment, now.at):
                now.at = visit.end
                found.append(Answered(visit, _posted(connection, visit.asked)))
            connection.close()
            late = self.program.serving.late if self.program.serving else timedelta(0)
            now.at = end_of(today) + late
            service.refresh()
        return found


class Visit(NamedTuple):
    """Its row among those of the day, when it ends, and what the app is asked then."""

    row: int
    end: datetime
    asked: Row


class Answered(NamedTuple):
    """A visit, and the app's answer."""

    visit: Visit
    answer: Row


def decisions(moment: Moment, answers: Sequence[Answered]) -> Decisions:
    """Of those answers that have an arm. A visit is shown help when it was answered."""
    helped = [each for each in answers if each.answer["arm"] is not None]
    row: Ints = np.array([each.visit.row for each in helped], dtype=np.int64)
    seconds = [(each.visit.end - end_of(each.visit.end.date() - _DAY)).total_seconds() for each in helped]
    unknown = np.full(len(helped), np.nan)

    def said(name: str) -> pa.Array:
        return pa.array([each.answer[name] for each in helped], pa.string())

    return Decisions(
        place=moment.visits.place[row],
        at=np.array(seconds, dtype=np.float64) - AFTER_VISIT,
        issue=_places(ISSUES, said("issue")),
        arm=_places(ARMS, said("arm")),
        propensity=unknown,
        issue_probability=unknown,
        slate_id=pa.nulls(len(helped), pa.string()),
        variant=said("variant"),
        decision_id=said("decision_id"),
    )


_DAY = timedelta(days=1)


@dataclass
class _Now:
    """A clock that stands still until it is set."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at


def _by_end(moment: Moment, midnight: datetime) -> Iterator[Visit]:
    """The visits in the order in which they end: help is shown at the end, and not before the last event.
    midnight: the first moment of the day."""
    events, people = moment.events, moment.visitors.people
    order = np.argsort(people.number)
    row = order[np.searchsorted(people.number[order], events.number)]
    since = events.at - moment.day * MICROSECONDS_OF_A_DAY
    end = ((moment.visits.at + AFTER_VISIT) * 1e6).astype(np.int64)
    np.maximum.at(end, row, since)
    stamps = pa.array(np.datetime64(midnight.replace(tzinfo=None), "us") + since.astype("timedelta64[us]"))
    done: list[list[Row]] = [[] for _ in end]
    table = events.columns.append_column("occurred_at", stamps.cast(STAMP))
    for place, event in zip(row.tolist(), table.to_pylist(), strict=True):
        done[place].append({**event, "occurred_at": event["occurred_at"].isoformat()})
    contexts = profiles(people).to_pylist()
    for place in np.argsort(end, kind="stable").tolist():
        context = contexts[place]
        asked = {"user_id": context.pop("user_id"), "context": context, "activity": done[place]}
        yield Visit(place, midnight + timedelta(microseconds=int(end[place])), asked)


def _posted(connection: HTTPConnection, asked: Row) -> Row:
    """The app's answer. Raises ContractError where there is none."""
    connection.request("POST", "/decisions", json.dumps(asked), {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer: Row = json.loads(response.read())
    if response.status != 200:
        raise ContractError(f"the app answers {response.status}: {answer['error']}")
    return answer


def _places(names: Sequence[str], said: pa.Array) -> Ints:
    return np.array([names.index(name) for name in said.to_pylist()], dtype=np.int64)
