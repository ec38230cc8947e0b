"""What each variant of the experiment was worth against the control, so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from nightslate.core.experiments import Decision
from nightslate.kernels.experiment_users import Allocated
from nightslate.kernels.named_states import MomentsByName
from nightslate.kernels.readouts import COUNTS, SAMPLE_RATIOS, STAYING, Key, Readout
from nightslate.kernels.small_cells import large_enough, without_small_cells
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.readout_augmented import augmented_states
from nightslate.pipeline.readout_decision import WAITS, decided, decision_row, outside_in_words, waiting_row
from nightslate.pipeline.readout_fatigue import fatigue_rows
from nightslate.pipeline.readout_health import (
    by_segment,
    differences_before,
    faults,
    sample_ratio_rows,
    unlikely_stays,
)
from nightslate.pipeline.readout_inputs import (
    ReadoutTables,
    allocated,
    first_slates,
    readout_of,
    with_quantiles,
    work_of,
)
from nightslate.pipeline.readout_novelty import novelty_in_words
from nightslate.pipeline.readout_rows import readout_rows
from nightslate.pipeline.stored_meaning import in_words, outdated
from nightslate.programs.readouts import FEATURES, REWARDS
from nightslate.tables import Table

Rows = list[dict[str, Any]]

_DAYS_NAMED = 5


def run(
    night: IssueNight,
    impressions: Table,
    outcomes: Table,
    activity: Table,
    credits: Table,
    features: Table,
    arms: Table,
    assignments: Table,
    allocations: Table,
    readouts: Table,
    sample_ratios: Table,
    readout_decisions: Table,
    fatigue: Table,
) -> str:
    """A function of the logs up to ds and of the assignments that nights before recorded, so that a rerun
    gives the same rows."""
    speaks = night.program.read_out_with(night.issue.name)
    if speaks != night.issue.name:
        return f"{f'as of {speaks}, of all issues together' if speaks else 'no metrics are declared'}"
    tables = ReadoutTables(assignments, allocations, impressions, outcomes, credits, activity, features, arms)
    dealt = allocated(night, allocations, assignments)
    written = {readouts: Rows(), sample_ratios: Rows(), readout_decisions: Rows(), fatigue: Rows()}
    if why := _waits_for(night, dealt):
        written[readout_decisions] = [waiting_row(night, why)]
        said = f"{WAITS}: {why}"
    else:
        asked = readout_of(night, tables, dealt)
        work = work_of(night, tables, asked)
        readout = with_quantiles(night, asked, work)
        everybody = dict[Any, Any](night.engine.fold(readout.initial(), readout.update, work))
        everybody |= augmented_states(night, readout, work, everybody)
        states = without_small_cells(everybody, night.program.min_cell, str(night.issue.experiment.control))
        found = by_segment(states[SAMPLE_RATIOS])
        wrong = [*_otherwise_made(night, dealt, readout, tables)]
        wrong += faults(night, dealt, states[COUNTS], found)
        written[readouts] = readout_rows(night, dealt, states)
        wrong += differences_before(written[readouts])
        wrong += unlikely_stays(states.get(STAYING, MomentsByName.initial()))
        verdict = decided(night, dealt, states, wrong)
        notes = [*outside_in_words(night, dealt, states[COUNTS])]
        notes += [] if wrong else novelty_in_words(night, written[readouts])
        verdict = replace(verdict, reasons=(*verdict.reasons, *notes))
        ratios = sample_ratio_rows(night, dealt, found)
        written[sample_ratios] = large_enough(ratios, night.program.min_cell)
        written[fatigue] = [*fatigue_rows(night, dealt, states)]
        written[readout_decisions] = [decision_row(night, verdict, dealt, states)]
        lacking = f"{_of_no_row(readout, states)}{_of_no_day(night, dealt, readout, tables)}"
        said = f"{_in_words(verdict)}{lacking}{_of_few(night)}"
        _track(night, written[readouts], verdict)
    for table, rows in written.items():
        table.replace(night.ds, table.typed(rows), night.commit_metadata)
    return said


def _waits_for(night: IssueNight, dealt: Allocated) -> str:
    """Why nothing can be read out yet; empty where something can."""
    start = first_slates(night)
    if night.ds < start:
        return f"the experiment begins with the slates of {start}"
    if not dealt.shares:
        return f"no night has assigned anybody yet from {start} to {night.ds}"
    return ""


def _otherwise_made(
    night: IssueNight, dealt: Allocated, readout: Readout, tables: ReadoutTables
) -> Iterator[str]:
    """A fault where what is earned, or a feature, is a mixture of what two programs said."""
    made_from: list[tuple[str, Table, str]] = []
    if readout.fatigue or any(part.source == REWARDS for part in readout.parts.values()):
        made_from.append(("credits", tables.credits, "attribute"))
    if readout.features:
        made_from.append((FEATURES, tables.features, "features"))
    for name, table, step in made_from:
        stale = outdated(night, name, table.snapshot().written())
        mine = {day: why for day, why in stale.items() if dealt.since <= day <= night.ds}
        if mine:
            yield f"{name}: {in_words(mine)}; run the step {step} of each of these days again"


def _of_no_day(night: IssueNight, dealt: Allocated, readout: Readout, tables: ReadoutTables) -> str:
    """A word on days since the start whose logs no night has taken in, or of which none has made features."""
    said = _lacking(night, dealt.since, tables.impressions, "has taken in the logs")
    if readout.features:
        said += _lacking(night, dealt.since - timedelta(days=1), tables.features, "has computed the features")
    return said


def _lacking(night: IssueNight, since: date, table: Table, what: str) -> str:
    written = table.snapshot().written()
    days = (since + timedelta(days=number) for number in range((night.ds - since).days + 1))
    lacking = [str(day) for day in days if day not in written]
    listed = ", ".join([*lacking[:_DAYS_NAMED], *(["..."] if len(lacking) > _DAYS_NAMED else [])])
    return f". Look: no night {what} of {listed}" if lacking else ""


def _of_few(night: IssueNight) -> str:
    least = night.program.min_cell
    return f". No cell of fewer than {least} users is told, by privacy.min_cell" if least > 1 else ""


def _in_words(verdict: Decision) -> str:
    about = f" {verdict.variant}" if verdict.variant else ""
    return f"{verdict.word}{about}: {'; '.join(verdict.reasons)}"


def _of_no_row(readout: Readout, states: Mapping[Key, Any]) -> str:
    """A word on what is measured and no log has: by a slip it would be 0 for everybody."""
    rows = zip(readout.parts.values(), states[COUNTS].rows.tolist(), strict=True)
    lacking = [
        f"{part.source}{f' where {dict(part.where)}' if part.where else ''}" for part, n in rows if not n
    ]
    return f". Look: nobody who was assigned has any {', nor any '.join(lacking)}" if lacking else ""


def _track(night: IssueNight, rows: Sequence[Mapping[str, Any]], verdict: Decision) -> None:
    tracked, figures = night.run(), dict[str, float | None]()
    for row in rows:
        of_all = row["segment"] is None and row["period"] == "cumulative" and row["scope"] == "exposed"
        if of_all and row["method"] == "difference" and row["variant"] != row["control"]:
            name = f"readout.{row['metric']}.{row['variant']}"
            figures |= {name: row["effect"], f"{name}.lower": row["anytime_lower"]}
            figures |= {f"{name}.upper": row["anytime_upper"]}
    tracked.set_tags({"nightslate.readout": _in_words(verdict)})
    tracked.log_metrics(figures)
