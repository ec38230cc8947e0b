"""A log of what was shown and what came of it, as samples that estimators take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from nightslate.core.arrays import Floats, Ints, Keys
from nightslate.core.ope.calibration import Inverses
from nightslate.core.ope.sample import LARGEST, Sample
from nightslate.core.ope.slate_sample import SlateSample
from nightslate.core.ope.trajectory_sample import TrajectorySample
from nightslate.files.arm_check import ArmCheck
from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import Ids, ids, numbers, require
from nightslate.files.heavy_weights import heaviest
from nightslate.files.layout import Layout
from nightslate.files.rejected_rows import Refused
from nightslate.files.rows import Rows, read
from nightslate.files.units import Units

REQUIRED = ("reward", "propensity", "target_propensity")
CLUSTER = "cluster"
ARM = ("arm_id", "arm")
SLOT = "slot"


@dataclass(frozen=True)
class Log:
    """The good rows of a log: the sample of the target policy, the key of each unit's cluster, and what there
    is to say of the rows. rewards (m,): row by row, as the file has them. rejected: how many rows are bad, by
    reason; summary: the same to read. too_heavy: whose weight no sum can hold; all weights of the sample are
    1 then, and nothing that needs weights can be told. name_of: what a unit is called in the file, by its
    place."""

    sample: Sample | SlateSample | TrajectorySample
    cluster: Keys
    rewards: Floats
    arm_check: ArmCheck | None = None
    notes: tuple[str, ...] = ()
    rejected: dict[str, int] = field(default_factory=dict)
    summary: str = ""
    too_heavy: str = ""
    name_of: Callable[[int], str] = "unit {}".format

    @property
    def of_logging_policy(self) -> Sample | SlateSample | TrajectorySample:
        """The same units with the logging policy as the target: all weights are 1."""
        sample = self.sample
        same: dict[str, Any] = {
            "target_propensity": sample.propensity,
            "v_target": sample.q_logged,
            "v_target_mrdr": getattr(sample, "q_logged_mrdr", None),
            "target_marginal_propensity": getattr(sample, "marginal_propensity", None),
            "pseudo_inverse_weight": np.ones(sample.n),
            "unsupported_mass": np.zeros(sample.n),
        }
        known = {f.name for f in fields(sample)}
        return replace(sample, **{name: array for name, array in same.items() if name in known})


def read_log(path: Path, layout: Layout, quarantine: Path | None) -> Log:
    """The log in a file, whose rows are what `layout` says.

    Raises ContractError for a file or columns that cannot be used, or if no row is good, and BadRowsError for
    bad rows if there is no quarantine."""
    rows = read(path)
    bad = BadRows(rows)
    require(rows.names, (*REQUIRED, *filter(None, (layout.unit, layout.choice))))
    columns = _Columns.of(rows, layout, bad)
    units = None
    if layout.unit:
        units = Units.of(rows, layout, bad)
        units.require_one_value(columns.numbers, columns.cluster, bad)
    good = np.flatnonzero(bad.good)
    with Refused(quarantine, (path,)) as refused:
        refused.add(path, bad.all(), rows.count)
        refused.settle()
    refused.require_some_left(path, good.size)
    log = columns.in_turn(units, good) if units else columns.impressions(good)
    names = dict.fromkeys(filter(None, (CLUSTER, layout.unit, *ARM)))
    notes = (*log.notes, *rows.pointed_notes(names))
    return replace(
        log, notes=notes, rejected=refused.counts.get(str(path), {}), summary="\n".join(refused.summary)
    )


_NO_SUM = f"over {LARGEST:g}: no sum can hold it, and what is left without it is biased"


def _unweighed(columns: dict[str, Floats]) -> dict[str, Floats]:
    """Columns of a target that chooses as was logged."""
    same = {"target_propensity": "propensity", "target_marginal_propensity": "marginal_propensity"}
    return {name: columns[logged] for name, logged in same.items() if {name, logged} <= columns.keys()}


@dataclass(frozen=True)
class _Columns:
    """All columns that are there, of all rows."""

    numbers: dict[str, Floats]
    cluster: Ids | None
    arm: Ids | None
    slot: Ids | None
    row: Keys

    @classmethod
    def of(cls, rows: Rows, layout: Layout, bad: BadRows) -> Self:
        """Arms are of use only together with their slots."""
        there = [f.name for f in fields(layout.sample) if f.name in rows.names]
        slot = layout.choice or SLOT
        arm = next((name for name in ARM if {name, slot} <= set(rows.names)), None)
        return cls(
            numbers={name: numbers(rows, name, bad) for name in there},
            cluster=ids(rows, CLUSTER, bad) if CLUSTER in rows.names else None,
            arm=ids(rows, arm, bad) if arm else None,
            slot=ids(rows, slot, bad) if arm else None,
            row=rows.numbers.astype(np.uint64) - 1,
        )

    def impressions(self, good: Ints) -> Log:
        """A unit a row. Rows that name no cluster are clusters by their numbers."""
        taken, too_heavy = self._taken(good), ""
        if heavy := heaviest(np.arange(good.size), np.ones(good.size, dtype=np.int64), taken):
            place, _, power = heavy
            row, propensity = int(self.row[good[place]]) + 1, taken["propensity"][place]
            too_heavy = (
                f"row {row}: a propensity of {propensity:.3g} makes a weight of 1e{power:.0f}, {_NO_SUM}"
            )
            taken |= _unweighed(taken)
        sample = Sample(**taken)
        check = None
        if self.arm and self.slot:
            inverses = Inverses.initial(len(self.arm.names), len(self.slot.names)).update(
                sample.propensity, self.arm.places[good], self.slot.places[good] + 1
            )
            check = ArmCheck(inverses, self.arm.names, self.slot.names)
        cluster = self.cluster.keys[good] if self.cluster else self.row[good]
        return Log(
            sample,
            cluster,
            sample.reward,
            check,
            too_heavy=too_heavy,
            name_of=lambda unit: f"row {int(self.row[good[unit]]) + 1}",
        )

    def in_turn(self, units: Units, good: Ints) -> Log:
        """A unit a decision or trajectory, which is the cluster where none is named."""
        _, first, unit = np.unique(units.ids.places[good], return_index=True, return_inverse=True)
        number, taken = units.number[good], self._taken(good)
        logged, too_heavy = taken["propensity"], ""
        if heavy := heaviest(unit, number, taken):
            place, choice, power = heavy
            kind, name = units.layout.sample, units.ids.names[units.ids.places[good[place]]]
            choices = np.count_nonzero(unit == unit[place])
            too_heavy = (
                f"{kind.unit} {name!r} of {choices} {kind.choice}s: the first {choice} multiply to a weight"
                f" of 1e{power:.0f}, {_NO_SUM}. Shorter {kind.units}, or a target that is closer to what was"
                " logged, say more"
            )
            taken |= _unweighed(taken)
        sample, note = units.sample(unit, number, taken)
        check = None
        if self.arm:
            arm, arms = self.arm.places[good], len(self.arm.names)
            length = np.bincount(unit)[unit] if units.hold_arms_once(unit, arm) else None
            inverses = Inverses.initial(arms, sample.slots).update(logged, arm, number, length)
            names = [str(k + units.first) for k in range(sample.slots)]
            check = ArmCheck(inverses, self.arm.names, names, sample.choice)
        cluster = (self.cluster or units.ids).keys[good[first]]
        return Log(
            sample,
            cluster,
            taken["reward"],
            check,
            (note,) if note else (),
            too_heavy=too_heavy,
            name_of=lambda place: f"{sample.unit} {units.ids.names[units.ids.places[good[first[place]]]]!r}",
        )

    def _taken(self, good: Ints) -> dict[str, Floats]:
        return {name: column[good] for name, column in self.numbers.items()}
