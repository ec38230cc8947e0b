"""A log of what was shown and what came of it, as samples that estimators take."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats, Ints, Keys
from nightslate.core.errors import InvalidInputError
from nightslate.core.estimators.calibration import Inverses
from nightslate.core.estimators.sample import Logged, Sample
from nightslate.core.estimators.slate_sample import SlateSample
from nightslate.files.bad_rows import BadRows
from nightslate.files.columns import Ids, ids, numbers, require
from nightslate.files.decisions import Decisions, with_pseudo_inverse
from nightslate.files.reading import read

REQUIRED = ("reward", "propensity", "target_propensity")
CLUSTER = "cluster"
ARM = ("arm_id", "arm")
SLOT = "slot"


@dataclass(frozen=True)
class ArmCheck:
    """The check of logged propensities by arm and slot, with the names of both."""

    inverses: Inverses
    arms: list[str]
    slots: list[str]


@dataclass(frozen=True)
class Log:
    """The good rows of a log: the sample of the target policy, the key of each unit's cluster, and what
    there is to say of the rows. rejected: how many rows are bad, by reason; summary: the same to read."""

    sample: Sample | SlateSample
    cluster: Keys
    arm_check: ArmCheck | None = None
    notes: tuple[str, ...] = ()
    rejected: dict[str, int] = field(default_factory=dict)
    summary: str = ""

    @property
    def of_logging_policy(self) -> Sample | SlateSample:
        """The same units with the logging policy as the target: all weights are 1."""
        sample = self.sample
        same: dict[str, Any] = {
            "target_propensity": sample.propensity,
            "v_target": sample.q_logged,
            "v_target_mrdr": getattr(sample, "q_logged_mrdr", None),
            "target_marginal_propensity": sample.marginal_propensity,
            "pseudo_inverse_weight": np.ones(sample.n),
            "unsupported_mass": np.zeros(sample.n),
        }
        known = {f.name for f in fields(sample)}
        return replace(sample, **{name: array for name, array in same.items() if name in known})


def read_log(path: Path, slate: str | None, slot: str | None, quarantine: Path | None) -> Log:
    """The log in a file: a row an impression; of slates a row a slot, `slate` and `slot` being the columns
    that say which decision and which slot of it.

    Raises ContractError for a file or columns that cannot be used, and BadRowsError as `BadRows.settle`
    does; InvalidInputError for one of `slate` and `slot` without the other."""
    if (slate is None) != (slot is None):
        raise InvalidInputError(
            "slates need both --slate DECISION_COLUMN and --slot SLOT_COLUMN; single impressions need neither"
        )
    rows = read(path)
    bad = BadRows(rows)
    require(rows.table, (*REQUIRED, *filter(None, (slate, slot))))
    columns = _Columns.of(rows.table, SlateSample if slate else Sample, slot or SLOT, bad)
    decisions = None
    if slate and slot:
        decisions = Decisions.of(rows.table, slate, slot, bad)
        decisions.require_one_value(columns.numbers, columns.cluster, bad)
    bad.settle(path, quarantine)
    good = np.flatnonzero(bad.good)
    log = columns.slates(decisions, good) if decisions else columns.impressions(good)
    return replace(log, rejected=bad.counts, summary=bad.summary(path))


@dataclass(frozen=True)
class _Columns:
    """All columns that are there, of all rows."""

    numbers: dict[str, Floats]
    cluster: Ids | None
    arm: Ids | None
    slot: Ids | None

    @classmethod
    def of(cls, table: pa.Table, kind: type[Logged], slot: str, bad: BadRows) -> Self:
        """Arms are of use only together with their slots."""
        there = [f.name for f in fields(kind) if f.name in table.column_names]
        arm = next((name for name in ARM if {name, slot} <= set(table.column_names)), None)
        return cls(
            numbers={name: numbers(table, name, bad) for name in there},
            cluster=ids(table, CLUSTER, bad) if CLUSTER in table.column_names else None,
            arm=ids(table, arm, bad) if arm else None,
            slot=ids(table, slot, bad) if arm else None,
        )

    def impressions(self, good: Ints) -> Log:
        """A unit a row. Rows that name no cluster are clusters by their numbers."""
        sample = Sample(**self._taken(good))
        check = None
        if self.arm and self.slot:
            inverses = Inverses.initial(len(self.arm.names), len(self.slot.names)).update(
                sample.propensity, self.arm.places[good], self.slot.places[good] + 1
            )
            check = ArmCheck(inverses, self.arm.names, self.slot.names)
        return Log(sample, self.cluster.keys[good] if self.cluster else good.astype(np.uint64), check)

    def slates(self, decisions: Decisions, good: Ints) -> Log:
        """A unit a decision, which is the cluster where none is named."""
        _, first, decision = np.unique(decisions.ids.places[good], return_index=True, return_inverse=True)
        slot, taken = decisions.slot[good], self._taken(good)
        sample, note = with_pseudo_inverse(SlateSample.of_rows(decision, slot, taken, int(slot.max())))
        check = None
        if self.arm:
            arm, arms = self.arm.places[good], len(self.arm.names)
            held = np.sort(decision * arms + arm)
            # where a decision may hold an arm twice, no slot takes it away from later ones
            length = None if (held[1:] == held[:-1]).any() else np.bincount(decision)[decision]
            inverses = Inverses.initial(arms, sample.slots).update(taken["propensity"], arm, slot, length)
            check = ArmCheck(inverses, self.arm.names, [str(k + 1) for k in range(sample.slots)])
        cluster = (self.cluster or decisions.ids).keys[good[first]]
        return Log(sample, cluster, check, (note,) if note else ())

    def _taken(self, good: Ints) -> dict[str, Floats]:
        return {name: column[good] for name, column in self.numbers.items()}
