"""What a night reads to learn the effects of an experiment: its users of whom it is known what came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa

from nightslate.engines import Input
from nightslate.engines.exchange import Kept, Part
from nightslate.engines.work import Unit
from nightslate.kernels.effects import FINISHED
from nightslate.kernels.experiment_users import CAME, Allocated
from nightslate.kernels.finished_users import FinishedUsers
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.feature_table import features_input, known_features
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.readout_inputs import ReadoutTables, first_slates, readout_of, work_of
from nightslate.programs.allocation import Allocation
from nightslate.programs.readouts import REWARDS
from nightslate.tables import Table

_ONE_DAY = timedelta(days=1)


@contextmanager
def finished_users(
    night: IssueNight, asked: Allocation, dealt: Allocated, tables: ReadoutTables, users: Table
) -> Iterator[Kept]:
    """Those as known at the end of ds, to be gone over as often as it takes until the context ends; the logs
    are read once, and of them what first assignments look at."""
    readout = replace(
        readout_of(night, tables, dealt),
        metrics={name: night.issue.experiment.metrics[name] for name in asked.score.metrics},
        covariates={},
        segments=(),
        fatigue=None,
        former=None,
        by_path=False,
    )
    work, start = work_of(night, tables, readout, CAME), first_slates(night)
    known, landed = known_features(night), [column.name for column in night.program.logs.context]
    came, inputs = work.inputs["assignments"], dict(work.inputs)
    if not {"impressions", REWARDS} & {part.source for part in readout.parts.values()}:
        inputs["impressions"] = replace(inputs["impressions"], files=())
    people = bucket_input(night, users, ("user_id", "ds", *landed), start - _ONE_DAY)
    inputs["users"] = _the_day_before(people, came)
    if known is not None:
        everyday = features_input(night, tables.features, start)
        measured = bool(readout.features)
        inputs["features"] = (
            everyday.of_users_in("assignments") if measured else _the_day_before(everyday, came)
        )
    work = replace(work, inputs=inputs)
    found = FinishedUsers(readout, known, [feature.name for feature in night.program.context])
    units = work.units
    places = {(unit.bucket, unit.part): place for place, unit in enumerate(units)}

    def rows(unit: Unit) -> Iterator[tuple[Part, pa.Table]]:
        yield (FINISHED, places[unit.bucket, unit.part]), found(unit.read())

    with night.engine.exchange(rows, units, work.rows, night.scratch) as exchanged:
        yield exchanged.kept(FINISHED)


def _the_day_before(known: Input, came: Input) -> Input:
    """What is known of users at the end of the day before that of an assignment."""
    there = Counter[tuple[date, int]]()
    for file in came.files:
        there[file.day - _ONE_DAY, file.bucket] += file.rows
    files = [
        replace(file, rows=min(file.rows, there[file.day, file.bucket]))
        for file in known.files
        if there[file.day, file.bucket]
    ]
    return replace(known, files=files).of_users_in("assignments", day_after=came.partition)
