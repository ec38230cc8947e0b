"""Rows of one slot or step each as decisions or trajectories of several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from nightslate.core.arrays import AnyArray, Bools, Floats, Ints
from nightslate.core.ope.pseudo_inverse import weights_of_independent_slots
from nightslate.core.ope.slate_sample import SlateSample
from nightslate.core.ope.trajectory_sample import TrajectorySample
from nightslate.errors import ContractError
from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import Ids, ids, numbers
from nightslate.files.layout import Layout
from nightslate.files.rows import Rows

MOST_CHOICES = 1000
"""Slots or steps of a unit: products of more weights say nothing, and each one has sums of its own."""


@dataclass(frozen=True)
class Units:
    """Which unit each row belongs to, (n,) which slot or step of it the row is, from 1, and the number that
    the first one has in the file."""

    layout: Layout
    ids: Ids
    number: Ints
    first: int

    @classmethod
    def of(cls, rows: Rows, layout: Layout, bad: BadRows) -> Self:
        """Calls all rows of a unit bad if one of them is, or if its slots or steps are not 1 to k once each.
        Steps may count from 0: they do if most trajectories have a step 0.

        Raises ContractError where slots count from 0."""
        units = ids(rows, str(layout.unit), bad)
        values = numbers(rows, str(layout.choice), bad)
        first = _first(layout, units, values, bad)
        bad.blame(
            (values < first) | (values != np.floor(values)),
            f"{layout.choice} is not {first}, {first + 1}, {first + 2}, …",
            layout.choice,
        )
        last = first + MOST_CHOICES - 1
        bad.blame(values > last, f"{layout.choice} is over {last}", layout.choice)
        made = cls(layout, units, np.where(bad.good, values, first).astype(np.int64) - first + 1, first)
        made._blame_incomplete(bad)
        return made

    def _blame_incomplete(self, bad: BadRows) -> None:
        unit, choice = self.layout.sample.unit, self.layout.sample.choice
        bad.blame(self._all_of(~bad.good), f"another row of its {unit} is bad")
        order = np.lexsort((self.number, self.ids.places))
        order = order[bad.good[order]]
        place, number = self.ids.places[order], self.number[order]
        begins = np.ones(order.size, dtype=np.bool_)
        begins[1:] = place[1:] != place[:-1]
        step = np.diff(number, prepend=0)
        bad.blame(self._all_of(order[~begins & (step == 0)]), f"its {unit} has a {choice} twice")
        gap = np.where(begins, number != 1, step > 1)
        bad.blame(self._all_of(order[gap]), f"its {unit} lacks a {choice}")

    def require_one_value(self, columns: Mapping[str, AnyArray], cluster: Ids | None, bad: BadRows) -> None:
        """Calls a unit bad whose rows differ in what a unit has one of."""
        sample = self.layout.sample
        single = {name: columns[name] for name in columns.keys() & sample.of_units}
        if cluster:
            single["cluster"] = cluster.places
        for name, values in sorted(single.items()):
            one = np.empty(len(self.ids.distinct), dtype=values.dtype)
            one[self.ids.places] = values
            differs = bad.good & (values != one[self.ids.places])
            bad.blame(self._all_of(differs), f"{name} differs within its {sample.unit}")

    def sample(
        self, unit: Ints, number: Ints, columns: Mapping[str, Floats]
    ) -> tuple[SlateSample | TrajectorySample, str | None]:
        """The sample of some of the rows, given the place of each one's unit, and what there is to say."""
        most = int(number.max())
        if issubclass(self.layout.sample, TrajectorySample):
            return TrajectorySample.of_rows(unit, number, columns, most, self.layout.discount), None
        return with_pseudo_inverse(SlateSample.of_rows(unit, number, columns, most))

    def hold_arms_once(self, unit: Ints, arm: Ints) -> bool:
        """Whether an arm that is in a slot cannot be in later ones: never so of steps, nor where any decision
        holds an arm twice."""
        if issubclass(self.layout.sample, TrajectorySample):
            return False
        held = np.lexsort((arm, unit))
        repeated = (np.diff(unit[held]) == 0) & (np.diff(arm[held]) == 0)
        return not repeated.any()

    def _all_of(self, rows: Bools | Ints) -> Bools:
        """(n,) the rows of the units that these rows belong to."""
        chosen = np.zeros(len(self.ids.distinct), dtype=np.bool_)
        chosen[self.ids.places[rows]] = True
        return np.asarray(chosen[self.ids.places])


def _first(layout: Layout, units: Ids, values: Floats, bad: BadRows) -> int:
    """The number of a unit's first slot or step."""
    have_0, have_any = (
        np.count_nonzero(np.bincount(units.places[rows])) for rows in (bad.good & (values == 0), bad.good)
    )
    if issubclass(layout.sample, TrajectorySample):
        return int(2 * have_0 <= have_any)
    if have_0 and have_0 == have_any:
        raise ContractError(
            f"{layout.choice} counts from 0 in every decision; slots count from 1: add 1 to it"
        )
    return 1


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
