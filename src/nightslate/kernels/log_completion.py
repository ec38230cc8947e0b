"""What rows of a log lack that follows from what lies beside them, and what that says against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.kernels.clock_skew import with_early_ones_rejected
from nightslate.kernels.rewards import weighable
from nightslate.kernels.shown_candidates import with_candidates
from nightslate.kernels.shown_for import ShownFor
from nightslate.kernels.slate_propensities import TOLERANCE, Kind, complete
from nightslate.kernels.verdicts import rejected


@dataclass(frozen=True)
class CompletedImpressions:
    """Fills in what follows from the slates that they name, and what their propensities mean. restricted:
    whether the candidates of slates are some of the arms on offer, which impressions then say."""

    kind: Kind
    issues: ShownFor
    restricted: bool = False

    def __call__(self, rows: pa.Table, read: Callable[[], pa.Table]) -> pa.Table:
        if rows["slate_id"].null_count < rows.num_rows:
            slates = _each_once(read(), rows["slate_id"])
            rows = complete(rows, slates, self.kind)
            rows = with_candidates(rows, slates) if self.restricted else rows
        rows = self.issues(rows)
        at = rows.schema.get_field_index("propensity_kind")
        kind = pc.if_else(rows["_reason"].is_null(), self.kind, None)  # a reject stays as it came
        said = pc.coalesce(rows["propensity_kind"], kind)
        return _with_issue_probability_a_factor(rows.set_column(at, rows.schema.field(at), said))


def _with_issue_probability_a_factor(rows: pa.Table) -> pa.Table:
    """The rows with a verdict on those whose issue is less likely than what was shown for it."""
    if rows["issue_probability"].null_count == rows.num_rows:
        return rows
    over = pc.greater(rows["propensity"], pc.multiply(rows["issue_probability"], 1 + TOLERANCE))
    broken = pc.and_(pc.fill_null(over, False), pa.array(weighable(rows, "marginal")))
    clause = "issue_probability >= propensity, which it is a factor of"
    return rejected(rows, broken, "out_of_range", clause)


def _each_once(slates: pa.Table, named: pa.ChunkedArray) -> pa.Table:
    """The slates that are named, each once: a name is the hash of its slate."""
    slates = slates.filter(pc.is_in(slates["slate_id"], pc.unique(named)))
    _, first = np.unique(slates["slate_id"].to_numpy(), return_index=True)
    return slates.take(pa.array(np.sort(first)))


@dataclass(frozen=True)
class CheckedOutcomes:
    """Rejects those that come too early for the impression that they name."""

    skew: timedelta

    def __call__(self, rows: pa.Table, read: Callable[[], pa.Table]) -> pa.Table:
        if rows["impression_id"].null_count == rows.num_rows:
            return rows
        return with_early_ones_rejected(rows, read(), self.skew)
