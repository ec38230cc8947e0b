"""What a night reads out of the experiment, beside what is true of the very users that it speaks of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats
from nightslate.errors import SpecError
from nightslate.kernels.augmented_readouts import POLICY
from nightslate.kernels.experiment_users import AS_EVERYONE
from nightslate.pipeline.night import IssueNight
from nightslate.programs.issue import Issue
from nightslate.programs.readouts import MOVED
from nightslate.worlds.results import Row
from nightslate.worlds.rollout_allocation.app import CONTROL, TREATMENT, VARIANTS
from nightslate.worlds.rollout_allocation.truth import Counted, FirstAssignments
from nightslate.worlds.rollout_allocation.world import KINDS

NAIVE = "naive"
_FIGURES = ("metric", "method", "segment", "segment_value", "n", "effect", "stderr")
_ROUNDING = 1e-6
"""Of a share."""
_INTERVALS = ("lower", "upper", "anytime_lower", "anytime_upper")


def counted_by(issue: Issue) -> Mapping[str, Counted]:
    """What the metrics count, by name. Raises SpecError for one whose truth this world does not know."""
    return {name: _counted(issue, name) for name in issue.experiment.metrics}


def _counted(issue: Issue, name: str) -> Counted:
    metric = issue.experiment.metrics[name]
    kind = metric.where.get("kind")
    if metric.source != "outcomes" or kind not in KINDS or metric.window is None or metric.kind != "mean":
        raise SpecError(
            f"experiment.metrics.{name}: of this world's metrics the truth is known where they are means of"
            f" outcomes of one of the kinds {KINDS} within a window"
        )
    return Counted(str(kind), metric.window.total_seconds())


@dataclass(frozen=True)
class Readouts:
    """Those of an experiment's nights, whose metrics count something each."""

    counted: Mapping[str, Counted]
    first: FirstAssignments

    def of_night(self, night: IssueNight, days: int) -> Iterator[Row]:
        """Its effects on exposed users, of all and by segment, by method, and what following the context was
        worth to them (`policy`), with the truth: after so many days."""
        exposed = (pc.field("scope") == "exposed") & (pc.field("period") == "cumulative")
        told = pc.field("variant").isin([VARIANTS[TREATMENT], POLICY])
        truth = {
            name: (self.first.counts(counted, days), self.first.effects(counted))
            for name, counted in self.counted.items()
        }
        followed = self.first.first_share - self._share_of_everyone(night)
        for row in night.rows("readouts").filter(exposed & told).to_pylist():
            if row["effect"] is not None:
                counts, effects = truth[row["metric"]]
                if row["variant"] == POLICY:
                    effects = effects * followed
                yield {
                    "ds": night.ds.isoformat(),
                    **{name: row[name] for name in (*_FIGURES, *_INTERVALS)},
                    "truth": _mean(effects, counts & self._of_cell(row, followed)),
                }

    def _share_of_everyone(self, night: IssueNight) -> Floats:
        """(n,) that of the treatment on the day of each user's first assignment, as nights recorded it."""
        first = night.program.start_date
        rows = night.table("allocations").rows(first, night.ds).to_pylist()
        shares = np.zeros((night.ds - first).days + 1)
        for row in rows:
            if row["variant"] == VARIANTS[TREATMENT]:
                shares[(row["slate_date"] - first).days] = row["share"]
        return np.append(shares, np.nan)[np.minimum(self.first.first_day, len(shares))]

    def _of_cell(self, row: Row, followed: Floats) -> Bools:
        """(n,) the users that a row is about. followed (n,): by how much the share of the treatment of each
        was over everyone's at first."""
        if row["segment"] is None:
            return np.ones(followed.size, dtype=np.bool_)
        cells = _moved(followed) if row["segment"] == MOVED else self.first.cells(row["segment"])
        return cells.get(row["segment_value"], np.zeros(followed.size, dtype=np.bool_))


def _moved(followed: Floats) -> Mapping[str | None, Bools]:
    """(n,) the users of each value of the segment `MOVED`."""
    return {
        VARIANTS[CONTROL]: followed < -_ROUNDING,
        VARIANTS[TREATMENT]: followed > _ROUNDING,
        AS_EVERYONE: np.abs(followed) <= _ROUNDING,
    }


def _mean(effects: Floats, mine: Bools) -> float | None:
    return float(effects[mine].mean()) if mine.any() else None


def decision_of(night: IssueNight) -> Row:
    """What the night says to do, of which variant, and why."""
    row = night.rows("readout_decisions").to_pylist()[-1]
    return {"ds": night.ds.isoformat(), **{name: row[name] for name in ("decision", "variant", "reasons")}}
