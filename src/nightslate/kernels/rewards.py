"""Impressions with the rewards that are known for them: what learners learn from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints, Keys
from nightslate.core.hashing import deal, seed
from nightslate.kernels.lists import marked, place_in, places
from nightslate.kernels.maturity import Maturity
from nightslate.kernels.ordering import order_by
from nightslate.kernels.user_features import KnownFeatures

IMPRESSION_COLUMNS = (
    "impression_id",
    "decision_id",
    "user_id",
    "occurred_at",
    "slot",
    "arm_id",
    "propensity",
    "propensity_kind",
    "issue_probability",
    "policy",
    "eligible_arms",
)
FEW_VALUED = ("arm_id", "propensity_kind", "policy")
"""Those that can be read as codes, as categories can."""
CHOSEN_BY = ("variant", "slate_id")
"""What says whether somebody else decided."""
CREDIT_COLUMNS = ("impression_id", "credit")

REWARDED_BY = ("occurred_at", "impression_id")
"""What `rewarded` looks at of impressions, and puts them in the order of."""

Costs = Mapping[str, float]
"""What showing an arm costs, by its id, in units of reward; arms that it lacks cost nothing."""


@dataclass(frozen=True)
class Matured:
    """Which impressions a night learns from. Those up to `counts_until` count: those whose window is over,
    or, with `maturity`, those too whose credits of by now tell what they will be. `costs`: what is taken off
    what each earns. `features`: those of users that stand beside them. `kinds`: the kinds of outcomes whose
    credits are rewards; None: all. `counts_from`: those before it are left out; None: none are. `but_of`:
    variants whose impressions are left out, unless they are of a slate of ours."""

    program: str
    ds: date
    counts_until: datetime
    maturity: Maturity | None = None
    costs: Costs = field(default_factory=dict)
    features: KnownFeatures | None = None
    kinds: frozenset[str] | None = None
    counts_from: datetime | None = None
    but_of: frozenset[str] = frozenset()

    def rows(self, tables: Mapping[str, pa.Table]) -> pa.Table:
        """Those among the `impressions` of some users, with rewards from their `credits`."""
        credited = tables["credits"]
        if self.kinds is not None:
            credited = credited.filter(pc.is_in(credited["kind"], pa.array(sorted(self.kinds), pa.string())))
        shown = self._among(tables["impressions"])
        found = rewarded(shown, credited, self.counts_until, self.maturity, self.costs)
        return self._with_features(found, tables)

    def counting(self, tables: Mapping[str, pa.Table]) -> pa.Table:
        """The same impressions in the order that they have, without rewards."""
        impressions = self._among(tables["impressions"])
        found = impressions.filter(_old_enough(impressions, self.counts_until))
        return self._with_features(found, tables)

    def _among(self, impressions: pa.Table) -> pa.Table:
        """Those that may count at all."""
        if self.but_of:
            impressions = impressions.filter(pa.array(~decided_elsewhere(impressions, self.but_of)))
        if self.counts_from is None:
            return impressions
        stamp = impressions.schema.field("occurred_at").type
        since = pa.scalar(self.counts_from, stamp)
        return impressions.filter(pc.greater_equal(impressions["occurred_at"], since))

    def _with_features(self, rows: pa.Table, tables: Mapping[str, pa.Table]) -> pa.Table:
        return self.features.beside(rows, tables["features"]) if self.features else rows

    def ages(self, rows: pa.Table) -> Floats:
        """(n,) how many days before ds each row's day was."""
        days = rows["occurred_at"].to_numpy().astype("datetime64[D]")
        return np.asarray((np.datetime64(self.ds) - days).astype(np.float64))


def rewarded(
    impressions: pa.Table,
    credited: pa.Table,
    counts_until: datetime,
    maturity: Maturity | None = None,
    costs: Costs | None = None,
) -> pa.Table:
    """The impressions that count and their `reward`, in a total order: the sum of their credits so far, each
    as what it stands for by now, less what showing their arm costs, which is known at once. Propensities are
    given the issue, see `given_issue`.

    Younger impressions are left out: that no outcome has come says nothing about them."""
    kept = _old_enough(impressions, counts_until)
    if maturity is not None:
        credited = maturity.scaled(impressions.filter(kept), credited)
    places = pa.array(np.flatnonzero(kept))
    order = order_by(impressions.select(REWARDED_BY).take(places), REWARDED_BY)
    rows = given_issue(impressions.take(places.take(order)))
    total = credited.group_by("impression_id", use_threads=False).aggregate([("credit", "sum")])
    place = pc.index_in(rows["impression_id"], total["impression_id"].combine_chunks())
    reward = pc.fill_null(total["credit_sum"].combine_chunks().take(place.combine_chunks()), 0.0)
    if costs:
        reward = pc.subtract(reward, pa.array(costs_of(rows, costs)))
    return rows.append_column("reward", reward)


def given_issue(rows: pa.Table) -> pa.Table:
    """The rows with the propensities that they have given that their issue got the user. What is weighed is
    about the users that an issue got, and over them weights have mean 1. Rows that were read without
    propensities stay as they are."""
    if "issue_probability" not in rows.column_names:
        return rows
    chance = rows["issue_probability"]
    rows = rows.drop_columns(["issue_probability"])
    if chance.null_count == rows.num_rows:
        return rows
    is_factor = weighable(rows, "marginal")
    factor = np.where(is_factor, pc.fill_null(chance, 1.0).to_numpy(), 1.0)
    given = np.minimum(
        rows["propensity"].to_numpy() / factor, 1.0
    )  # over 1 by rounding at most: ingest saw to it
    at = rows.schema.get_field_index("propensity")
    return rows.set_column(at, rows.schema.field(at), pa.array(given))


def costs_of(rows: pa.Table, costs: Costs) -> Floats:
    """(n,) what showing each row's arm costs."""
    amounts = np.array([*costs.values(), 0.0])
    return amounts[place_in(rows["arm_id"], pa.array(list(costs), pa.string()))]


def decided_elsewhere(impressions: pa.Table, external: Collection[str]) -> Bools:
    """(n,) those of variants whose users somebody else decides for; not those that name a slate, which was
    made when the variant was none such. Their propensities are somebody else's word for how likely an arm
    was: of a rule it is 1, and no other arm had a chance."""
    theirs = pc.is_in(impressions["variant"], pa.array(sorted(external), pa.string()))
    return np.asarray(pc.and_(theirs, impressions["slate_id"].is_null()), dtype=np.bool_)


def _old_enough(impressions: pa.Table, counts_until: datetime) -> pa.ChunkedArray:
    stamp = impressions.schema.field("occurred_at").type
    return pc.less_equal(impressions["occurred_at"], pa.scalar(counts_until, stamp))


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
    return place_in(rows["arm_id"], pa.array(arms, pa.string()))


def eligible_arms(rows: pa.Table, arms: tuple[str, ...]) -> Bools:
    """(n, arms) which arms could have been shown; all of them where a row does not say."""
    lists = rows["eligible_arms"].combine_chunks()
    return marked(lists, places(pc.list_flatten(lists), pa.array(arms, pa.string())), len(arms))
