"""What happened to the shares of a rollout, day by day and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pyarrow as pa

from nightslate.reports.numbers import setting

Kind = Literal["ramp", "guardrail", "signal", "stop"]
KINDS: tuple[Kind, ...] = ("ramp", "guardrail", "signal", "stop")
"""In the order in which they have their colours."""

Row = Mapping[str, Any]
Day = Mapping[tuple[str, str | None], Row]
"""The rows of a day by variant and region."""

_STATES = ("at ", "done ", "held ")
_WHAT_SIGNALS_DO = {"stop": "nobody has {}", "hold": "no share of {} changes"}


@dataclass(frozen=True)
class Event:
    """What changed with the assignments of a day: what is so from then on, and why."""

    day: date
    kind: Kind
    what: str
    why: str


def whole(share: float) -> str:
    """A share as somebody would say it: 50 %, 12.5 %."""
    return f"{setting(round(100 * share, 1))} %"


def by_day(rollouts: pa.Table) -> dict[date, Day]:
    """The rows of each day, the first day first."""
    found: dict[date, dict[tuple[str, str | None], Row]] = {}
    for row in rollouts.sort_by("slate_date").to_pylist():
        found.setdefault(row["slate_date"], {})[row["variant"], row["region"]] = row
    return dict(found)


def events(rollouts: pa.Table, stops: pa.Table, treatments: Sequence[str]) -> list[Event]:
    """All that happened, the newest first. rollouts, stops: rows of the tables of these names."""
    found: list[Event] = []
    before: Day = {}
    decisions = stops.sort_by("decided_at").to_pylist()
    for day, rows in by_day(rollouts).items():
        for treatment in treatments:
            known = [each for each in decisions if each["ds"] <= day and each["variant"] in (None, treatment)]
            row, was = (each.get((treatment, None)) for each in (rows, before))
            found += _of_everyone(day, row, was, known)
        found += _of_signals(day, treatments, rows, before)
        before = rows
    return found[::-1]


def moved_to(row: Row, of: str) -> str:
    """What the controller did to the baseline of a treatment, which is called so, in a few words."""
    before, share = row["before"], row["share"]
    if before is None:
        return f"{of} begins at {whole(share)}"
    if share == before:
        return f"{of} stays at {whole(share)}{'' if share else ': it is stopped'}"
    if share == 0:
        return f"{of} goes to 0 %: it is stopped"
    if before == 0:
        return f"{of} comes back at {whole(share)}"
    return f"{of} goes {'up' if share > before else 'back'} from {whole(before)} to {whole(share)}"


def signalled(row: Row, regional: bool = True) -> str:
    """What signals do to users of a region, in words; empty where they do nothing."""
    if row["signal"] is None:
        return ""
    name = row["variant"]
    told = _WHAT_SIGNALS_DO.get(
        row["signal"], f"shares of {{}} are {setting(row['factor'])} times what they would be"
    )
    where = f"in {row['region']} " if row["region"] else "everywhere " if regional else ""
    return f"{where}{told.format(name)}"


def by_signals(row: Row) -> str:
    """The names of the signals that a row goes by."""
    return ", ".join(row["signals"])


def why(row: Row) -> str:
    """Why the baseline is what it is."""
    reason = str(row["reason"])
    if row["cause"] not in ("ramp", "guardrail"):
        return reason
    return f"the ramp {'is ' if reason.startswith(_STATES) else ''}{reason}"


def _of_everyone(day: date, row: Row | None, before: Row | None, decisions: Sequence[Row]) -> Iterator[Event]:
    """decisions: to stop it, or to let it run again, as of then."""
    if row is None:
        return
    what = moved_to(row, f"the baseline of {row['variant']}")
    was, now = (None if each is None else each["cause"] for each in (before, row))
    begins_or_changes = row["before"] is None or row["before"] != row["share"]
    if now == "stop" or was == "stop":
        if now == "stop" and (was != now or begins_or_changes):
            yield Event(day, "stop", what, why(row))
        elif now != "stop":
            last = decisions[-1] if decisions else None
            said = "" if last is None else f"{last['decided_by']} lets it run again: {last['reason']}; "
            yield Event(day, "stop", what, f"{said}{why(row)}")
    elif now == "guardrail":
        if was != now or begins_or_changes:
            yield Event(day, "guardrail", what, why(row))
    elif begins_or_changes:
        yield Event(day, "ramp", what, why(row))


def _of_signals(day: date, treatments: Sequence[str], rows: Day, before: Day) -> Iterator[Event]:
    """What signals begin to do, and cease to do, by region."""
    regions = {region: None for _, region in [*before, *rows]}
    for region in sorted(regions, key=lambda each: each or ""):
        for treatment in treatments[:1]:
            now, was = (each.get((treatment, region)) for each in (rows, before))
            does = "" if now is None else signalled(now)
            did = "" if was is None else signalled(was)
            if does and does != did and now is not None:
                yield Event(day, "signal", does, f"signal: {by_signals(now)}")
            elif did and not does and was is not None:
                where = f"in {region}" if region else "everywhere"
                yield Event(
                    day, "signal", f"{where} shares come back", f"no signal any more: {by_signals(was)}"
                )
