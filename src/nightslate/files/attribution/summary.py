"""What an attribution comes to: sums by kind and by arm that pieces add to, in their order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Ints

_BINS_PER_E = 500
_BINS = 32 * _BINS_PER_E
"""A lag of n seconds is in the bin floor(500 ln(1 + n)): quantiles are right to 0.2 %, in little memory. The
last bin is past every lag that 64 bits can count in microseconds."""


@dataclass
class KindTally:
    """The outcomes of a kind: how many, how many have credit, the sum of it, how many have none by reason,
    and how many credits there are by lag."""

    outcomes: int = 0
    credited: int = 0
    credit: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    lags: Ints = field(default_factory=lambda: np.zeros(_BINS, dtype=np.int64))

    def lag(self, share: float) -> float | None:
        """The lag in seconds that so many of the touches do not exceed; None where there are none."""
        if not self.lags.any():
            return None
        up_to = np.cumsum(self.lags)
        found = int(np.searchsorted(up_to, max(1.0, np.ceil(share * up_to[-1]))))
        return float(np.expm1(found / _BINS_PER_E))


@dataclass
class ArmTally:
    """The credit of an arm, and how many touches earned it."""

    credit: float = 0.0
    touches: int = 0


@dataclass
class Tally:
    """Everything, by kind and by arm."""

    kinds: dict[str, KindTally] = field(default_factory=dict)
    arms: dict[str, ArmTally] = field(default_factory=dict)
    touches: int = 0

    @property
    def reasons(self) -> dict[str, int]:
        """Outcomes without credit by reason; the most first."""
        found = sum((kind.reasons for kind in self.kinds.values()), Counter[str]())
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    @property
    def arms_by_credit(self) -> list[tuple[str, ArmTally]]:
        """The most first; of equal ones in the order of their names."""
        return sorted(self.arms.items(), key=lambda item: (-item[1].credit, item[0]))

    def add_outcomes(self, kinds: pa.ChunkedArray, unattributed: pa.Table) -> None:
        """Outcomes by their kinds, and those of them without credit."""
        for kind, outcomes in _counts(kinds):
            tally = self.kinds.setdefault(kind, KindTally())
            tally.outcomes += outcomes
            tally.credited += outcomes
        for row in unattributed.group_by(["kind", "reason"]).aggregate([([], "count_all")]).to_pylist():
            tally = self.kinds[row["kind"]]
            tally.reasons[row["reason"]] += row["count_all"]
            tally.credited -= row["count_all"]

    def add_credits(self, rows: pa.Table, arms: pa.ChunkedArray) -> None:
        """Rows of credits, and the arms of their impressions."""
        self.touches += rows.num_rows
        kinds = pc.dictionary_encode(rows["kind"]).combine_chunks()
        kind, credit = np.asarray(kinds.indices), rows["credit"].to_numpy()
        bins = (np.log1p(rows["lag_seconds"].to_numpy()) * _BINS_PER_E).astype(np.int64)
        for place, name in enumerate(kinds.dictionary.to_pylist()):
            tally, mine = self.kinds[name], kind == place
            tally.credit += float(credit[mine].sum())
            tally.lags += np.bincount(bins[mine], minlength=_BINS)
        by_arm = pa.table({"arm": arms, "credit": credit}).group_by("arm", use_threads=False)
        for row in by_arm.aggregate([("credit", "sum"), ("credit", "count")]).to_pylist():
            arm = self.arms.setdefault(row["arm"], ArmTally())
            arm.credit += row["credit_sum"]
            arm.touches += row["credit_count"]

    def merge(self, other: Tally) -> None:
        """Add what another part of the users comes to."""
        self.touches += other.touches
        for name, theirs in other.kinds.items():
            mine = self.kinds.setdefault(name, KindTally())
            mine.outcomes += theirs.outcomes
            mine.credited += theirs.credited
            mine.credit += theirs.credit
            mine.reasons += theirs.reasons
            mine.lags += theirs.lags
        for arm, their in other.arms.items():
            ours = self.arms.setdefault(arm, ArmTally())
            ours.credit += their.credit
            ours.touches += their.touches


def _counts(values: pa.ChunkedArray) -> list[tuple[str, int]]:
    return [(row["values"], row["counts"]) for row in pc.value_counts(values).to_pylist()]
