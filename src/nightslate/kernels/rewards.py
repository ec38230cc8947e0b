"""Impressions with the rewards that are known for them: what learners learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints, Keys
from nightslate.core.hashing import deal, seed
from nightslate.kernels.lists import marked, places
from nightslate.kernels.maturity import Maturity

IMPRESSION_COLUMNS = (
    "impression_id",
    "decision_id",
    "user_id",
    "occurred_at",
    "slot",
    "arm_id",
    "propensity",
    "propensity_kind",
    "policy",
    "eligible_arms",
)
CREDIT_COLUMNS = ("impression_id", "credit")


@dataclass(frozen=True)
class Matured:
    """Which impressions a night learns from. Those up to `counts_until` count: those whose window is over,
    or, with `maturity`, those too whose credits of by now tell what they will be."""

    program: str
    ds: date
    counts_until: datetime
    maturity: Maturity | None = None

    def rows(self, tables: Mapping[str, pa.Table]) -> pa.Table:
        """Those among the `impressions` of some users, with rewards from their `credits`."""
        return rewarded(tables["impressions"], tables["credits"], self.counts_until, self.maturity)

    def ages(self, rows: pa.Table) -> Floats:
        """(n,) how many days before ds each row's day was."""
        days = rows["occurred_at"].to_numpy().astype("datetime64[D]")
        return np.asarray((np.datetime64(self.ds) - days).astype(np.float64))


def rewarded(
    impressions: pa.Table, credited: pa.Table, counts_until: datetime, maturity: Maturity | None = None
) -> pa.Table:
    """The impressions that count and their `reward`, in a total order: the sum of their credits so far, each
    as what it stands for by now.

    Younger impressions are left out: that no outcome has come says nothing about them."""
    stamp = impressions.schema.field("occurred_at").type
    old_enough = pc.less_equal(impressions["occurred_at"], pa.scalar(counts_until, stamp))
    rows = impressions.filter(old_enough)
    if maturity is not None:
        credited = maturity.scaled(rows, credited)
    total = credited.group_by("impression_id", use_threads=False).aggregate([("credit", "sum")])
    place = pc.index_in(rows["impression_id"], total["impression_id"].combine_chunks())
    reward = pc.fill_null(total["credit_sum"].combine_chunks().take(place.combine_chunks()), 0.0)
    rows = rows.append_column("reward", reward)
    return rows.sort_by([("occurred_at", "ascending"), ("impression_id", "ascending")])


def weighable(rows: pa.Table, kind: Literal["conditional", "marginal"]) -> Bools:
    """(n,) the rows whose propensities are of this kind, by what they say themselves. What stands in the
    first slot has nothing before it: there both kinds are one."""
    of_kind = pc.fill_null(pc.equal(rows["propensity_kind"], kind), False)
    return np.asarray(pc.or_(of_kind, pc.equal(rows["slot"], 1)), dtype=np.bool_)


def folds_of(users: Keys, program: str, folds: int) -> Ints:
    """(n,) the cross-fitting fold of each user: all rows of a user are in one fold, on every night."""
    return deal(users, seed(program, "fold"), folds)


def arm_places(rows: pa.Table, arms: tuple[str, ...]) -> Ints:
    """(n,) each row's arm as its place in `arms`, -1 for arms that are no longer there."""
    places = pc.fill_null(pc.index_in(rows["arm_id"], pa.array(arms, pa.string())), -1)
    return np.asarray(places, dtype=np.int64)


def eligible_arms(rows: pa.Table, arms: tuple[str, ...]) -> Bools:
    """(n, arms) which arms could have been shown; all of them where a row does not say."""
    lists = rows["eligible_arms"].combine_chunks()
    return marked(lists, places(pc.list_flatten(lists), pa.array(arms, pa.string())), len(arms))
