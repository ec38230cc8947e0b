"""What the controller of an experiment goes by on a night, as it was known then."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar, Self

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.allocation import RampState, Signal
from nightslate.core.allocation.ramp import Guardrails
from nightslate.kernels.experiment_users import EPOCH
from nightslate.pipeline.night import IssueNight
from nightslate.programs.days import end_of, microseconds
from nightslate.tables import Table


@dataclass(frozen=True)
class Facts:
    """before: rows of `rollouts` of the last day before; treated: users who were in a treatment on it, where
    a ramp asks; signals: those that had landed; moment: the end of ds, in microseconds since 1970; stopped:
    by treatment by whom and why; guardrails: by metric what the readout says; model, digest: whose scores are
    gone by."""

    before: pa.Table
    treated: int
    signals: Sequence[Signal]
    moment: int
    stopped: Mapping[str, str]
    guardrails: Mapping[str, tuple[Guardrails, str]]
    model: str | None
    digest: str | None

    READS: ClassVar[tuple[str, ...]] = (
        *("signals", "readouts", "effect_models", "stops", "rollouts", "assignments"),
    )

    @classmethod
    def of(
        cls,
        night: IssueNight,
        signals: Table,
        readouts: Table,
        effect_models: Table,
        stops: Table,
        rollouts: Table,
        assignments: Table,
    ) -> Self:
        """Those of a night."""
        before, asked = _last(night, rollouts), night.issue.allocation
        ramps = asked is not None and asked.ramp is not None
        leading = [row for row in effect_models.rows(night.ds, night.ds).to_pylist() if row["leads"]]
        return cls(
            before=before,
            treated=_treated(night, assignments, before) if ramps else 0,
            signals=_signals(night, signals),
            moment=at_moment(end_of(night.ds)),
            stopped=_stopped(night, stops),
            guardrails=_guardrails(night, readouts.rows(night.ds, night.ds)),
            model=leading[0]["model"] if leading else None,
            digest=leading[0]["digest"] if leading else None,
        )

    @property
    def shares_before(self) -> dict[str, float]:
        """By variant those of the day before, of users without a score."""
        return dict(zip(self.before["variant"].to_pylist(), self.before["share"].to_pylist(), strict=True))

    @property
    def ramp(self) -> RampState | None:
        """Where it stood; None where none has begun."""
        return ramp_recorded(self.before.slice(0, 1).to_pylist())

    def guardrail(self, wanted: Collection[str]) -> Guardrails | None:
        """What they say together. wanted: those that have to be known; None where none is broken and none is
        wanted."""
        states = [state for state, _ in self.guardrails.values()]
        if "breached" in states:
            return "breached"
        if any(self.guardrails.get(name, ("unknown", ""))[0] == "unknown" for name in wanted):
            return "unknown"
        return "ok" if wanted or "ok" in states else None

    @property
    def breaches(self) -> str:
        """The guardrails that are broken, in words."""
        return "; ".join(words for state, words in self.guardrails.values() if state == "breached")


def ramp_recorded(rows: Sequence[Mapping[str, Any]]) -> RampState | None:
    """Where a ramp stands by rows of `rollouts` of a day, which all say the same; None without one."""
    if not rows or rows[0]["look"] is None:
        return None
    row = rows[0]
    since = (row["step_since"] - EPOCH).days
    return RampState(row["step"] - 1, since, row["phase"], row["look"], row["ok_looks"])


def _last(night: IssueNight, rollouts: Table) -> pa.Table:
    """Rows of the last day before, of this experiment."""
    snapshot = rollouts.snapshot()
    days = [day for day in snapshot.days() if day < night.slate_date]
    last = days[-1] if days else EPOCH
    rows = snapshot.to_arrow(last, last)
    return rows.filter(pc.equal(rows["experiment"], night.issue.salt))


def _treated(night: IssueNight, assignments: Table, before: pa.Table) -> int:
    """Users who are in a treatment on the last day before."""
    if not before.num_rows:
        return 0
    day, snapshot, count = before["slate_date"][0].as_py(), assignments.snapshot(), 0
    for file in snapshot.files(day, day):
        rows = snapshot.rows_of(file, ["experiment", "variant"])
        mine = rows.filter(pc.equal(rows["experiment"], night.issue.salt))
        count += pc.sum(pc.not_equal(mine["variant"], night.issue.experiment.control)).as_py() or 0
    return count


def _signals(night: IssueNight, signals: Table) -> list[Signal]:
    if night.program.logs.signals is None:
        return []
    return signals_of(signals.rows(None, night.ds))


def signals_of(rows: pa.Table) -> list[Signal]:
    """Rows of the log `signals`."""
    return [
        Signal(
            row["name"],
            row["severity"],
            at_moment(row["starts_at"]),
            at_moment(row["expires_at"]),
            row["region"],
        )
        for row in rows.to_pylist()
    ]


def _stopped(night: IssueNight, stops: Table) -> dict[str, str]:
    """By treatment by whom it was stopped and why, as decided before the day of slates is over."""
    issue, found = night.issue, dict[str, str]()
    rows = stops.rows(None, night.slate_date)
    rows = rows.filter(pc.equal(rows["experiment"], issue.salt)).sort_by("decided_at")
    for row in rows.to_pylist():
        for name in [row["variant"]] if row["variant"] else issue.treatments:
            found.pop(name, None)
            if row["stopped"]:
                at = f"{row['decided_at']:%Y-%m-%d %H:%M} UTC"
                found[name] = f"stopped by {row['decided_by']} at {at}: {row['reason']}"
    return found


def _guardrails(night: IssueNight, readouts: pa.Table) -> dict[str, tuple[Guardrails, str]]:
    """By metric whether it is broken, by what holds at every look, for any treatment."""
    of_all = readouts.filter(
        (pc.field("experiment") == night.issue.salt)
        & (pc.field("scope") == "exposed")
        & (pc.field("period") == "cumulative")
        & pc.field("segment").is_null()
        & (pc.field("variant") != night.issue.experiment.control)
    )
    best: dict[tuple[str, str], dict[str, object]] = {}
    for row in of_all.to_pylist():
        if row["method"] in ("difference", "cuped"):
            key = row["metric"], row["variant"]
            if key not in best or row["method"] == "cuped":
                best[key] = row
    found: dict[str, tuple[Guardrails, str]] = {}
    for each in night.issue.experiment.guardrails:
        states = [
            _state(row, each.margin, each.worse == "higher")
            for (metric, _), row in best.items()
            if metric == each.metric
        ]
        order = {"breached": 0, "unknown": 1, "ok": 2}
        found[each.metric] = min(states, key=lambda state: order[state[0]], default=("unknown", ""))
    return found


def _state(row: Mapping[str, object], margin: float, higher_is_worse: bool) -> tuple[Guardrails, str]:
    """Of one treatment: broken where the whole interval of every look lies beyond the margin."""
    lower, upper = row["anytime_lower"], row["anytime_upper"]
    if not isinstance(lower, float) or not isinstance(upper, float):
        return "unknown", ""
    words = f"{row['metric']} of {row['variant']} {row['effect']:+.4g} ({lower:+.4g} to {upper:+.4g})"
    broken = lower > margin if higher_is_worse else upper < -margin
    return ("breached", f"{words}, margin {margin:g}") if broken else ("ok", words)


def at_moment(moment: datetime) -> int:
    """In microseconds since 1970."""
    return microseconds(moment - end_of(date(1969, 12, 31)))
