"""What a night reads to learn the effects of an experiment: its users of whom it is known what came."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa

from nightslate.engines.exchange import Kept, Part
from nightslate.engines.work import Unit
from nightslate.kernels.effects import FINISHED
from nightslate.kernels.experiment_users import Allocated
from nightslate.kernels.finished_users import FinishedUsers
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.feature_table import features_input, known_features
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.readout_inputs import ReadoutTables, first_slates, readout_of, work_of
from nightslate.programs.allocation import Allocation
from nightslate.tables import Table


@contextmanager
def finished_users(
    night: IssueNight, asked: Allocation, dealt: Allocated, tables: ReadoutTables, users: Table
) -> Iterator[Kept]:
    """Those as known at the end of ds, to be gone over as often as it takes until the context ends; the logs
    are read once."""
    readout = replace(
        readout_of(night, tables, dealt),
        metrics={name: night.issue.experiment.metrics[name] for name in asked.score.metrics},
        covariates={},
        segments=(),
        fatigue=None,
        former=None,
    )
    work, start = work_of(night, tables, readout), first_slates(night)
    known, landed = known_features(night), [column.name for column in night.program.logs.context]
    people = bucket_input(night, users, ("user_id", "ds", *landed), start - timedelta(days=1))
    more = {"users": people.of_users_in("assignments")}
    if known is not None:
        more["features"] = features_input(night, tables.features, start).of_users_in("assignments")
    work = replace(work, inputs={**work.inputs, **more})
    found = FinishedUsers(readout, known, [feature.name for feature in night.program.context])
    units = work.units
    places = {(unit.bucket, unit.part): place for place, unit in enumerate(units)}

    def rows(unit: Unit) -> Iterator[tuple[Part, pa.Table]]:
        yield (FINISHED, places[unit.bucket, unit.part]), found(unit.read())

    with night.engine.exchange(rows, units, work.rows, night.scratch) as exchanged:
        yield exchanged.kept(FINISHED)
