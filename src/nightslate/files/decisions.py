"""Rows of one slot each as decisions of several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import AnyArray, Bools, Ints
from nightslate.core.estimators.pseudo_inverse import weights_of_independent_slots
from nightslate.core.estimators.slate_sample import SlateSample
from nightslate.errors import ContractError
from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import Ids, ids, numbers

OF_DECISIONS = ("pseudo_inverse_weight", "unsupported_mass")


@dataclass(frozen=True)
class Decisions:
    """Which decision each row belongs to, and (n,) which slot of it the row is, from 1."""

    ids: Ids
    slot: Ints

    @classmethod
    def of(cls, table: pa.Table, slate: str, slot: str, bad: BadRows) -> Self:
        """Calls all rows of a decision bad if one of them is, or if its slots are not 1 to k once each.

        Raises ContractError where slots count from 0."""
        decisions = ids(table, slate, bad)
        values = numbers(table, slot, bad)
        from_0, all_good = (
            np.bincount(decisions.places[rows]) > 0 for rows in (bad.good & (values == 0), bad.good)
        )
        if from_0.any() and from_0.sum() == all_good.sum():
            raise ContractError(f"{slot} counts from 0 in every decision; slots count from 1: add 1 to it")
        bad.blame((values < 1) | (values != np.floor(values)), f"{slot} is not 1, 2, 3, …")
        made = cls(decisions, np.where(bad.good, values, 1.0).astype(np.int64))
        made._blame_incomplete(bad)
        return made

    def _blame_incomplete(self, bad: BadRows) -> None:
        bad.blame(self._all_of(~bad.good), "another row of its decision is bad")
        order = np.lexsort((self.slot, self.ids.places))
        order = order[bad.good[order]]
        decision, slot = self.ids.places[order], self.slot[order]
        begins = np.ones(order.size, dtype=np.bool_)
        begins[1:] = decision[1:] != decision[:-1]
        step = np.diff(slot, prepend=0)
        bad.blame(self._all_of(order[~begins & (step == 0)]), "its decision has a slot twice")
        gap = np.where(begins, slot != 1, step > 1)
        bad.blame(self._all_of(order[gap]), "its decision lacks a slot")

    def require_one_value(self, columns: Mapping[str, AnyArray], cluster: Ids | None, bad: BadRows) -> None:
        """Calls a decision bad whose rows differ in what a decision has one of."""
        single = {name: columns[name] for name in OF_DECISIONS if name in columns}
        if cluster:
            single["cluster"] = cluster.places
        for name, values in single.items():
            one = np.empty(len(self.ids.distinct), dtype=values.dtype)
            one[self.ids.places] = values
            differs = bad.good & (values != one[self.ids.places])
            bad.blame(self._all_of(differs), f"{name} differs within its decision")

    def _all_of(self, rows: Bools | Ints) -> Bools:
        """(n,) the rows of the decisions that these rows belong to."""
        chosen = np.zeros(len(self.ids.distinct), dtype=np.bool_)
        chosen[self.ids.places[rows]] = True
        return np.asarray(chosen[self.ids.places])


def with_pseudo_inverse(sample: SlateSample) -> tuple[SlateSample, str | None]:
    """The sample with its pseudo-inverse weights where these follow from what it has: one slot, or slots that
    are filled independently of one another. Else the sample as it is, and why."""
    if sample.pseudo_inverse_weight is not None:
        return sample, None
    pairs = sample.marginal_propensity, sample.target_marginal_propensity
    if sample.slots == 1:
        pairs = sample.propensity, sample.target_propensity
    logged, target = pairs
    if logged is None or target is None:
        return sample, None
    if not np.allclose(logged, sample.propensity, rtol=1e-9, atol=0):
        return sample, (
            "pseudo_inverse is left out: the slots depend on one another (marginal_propensity is not "
            "propensity), so its weights need the second moments of the logging policy; compute them and add "
            "the column pseudo_inverse_weight"
        )
    return replace(sample, pseudo_inverse_weight=weights_of_independent_slots(logged, target)), None
