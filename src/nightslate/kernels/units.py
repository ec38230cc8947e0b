"""What is weighed: impressions that stand alone, or decisions of several slots as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nightslate.core.arrays import AnyArray, Bools, Floats, Ints, Keys
from nightslate.core.ope.sample import Logged, Sample
from nightslate.core.ope.slate_sample import SlateSample
from nightslate.core.ope.target import Target, in_slots, slot_by_slot
from nightslate.core.policies.diversity import DiversityPenalty
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.examination import Examination
from nightslate.kernels.ordering import order_by
from nightslate.kernels.rewards import arm_places, eligible_arms, weighable


@dataclass(frozen=True, eq=False)
class _Shown:
    """n units over A arms; `first`: of each the row that says to whom, where and when. key: the column that
    names a unit."""

    first: pa.Table
    arms: tuple[str, ...]

    sample_type: ClassVar[type[Logged]]
    key: ClassVar[str]

    @property
    def ids(self) -> pa.ChunkedArray:
        """(n,) what each unit is called in the logs."""
        return self.first[self.key]

    @cached_property
    def users(self) -> Keys:
        """(n,) the key of each one's user."""
        return user_keys(self.first)

    @cached_property
    def eligible(self) -> Bools:
        """(n, A) which arms could have been shown."""
        return eligible_arms(self.first, self.arms)


@dataclass(frozen=True, eq=False)
class Impressions(_Shown):
    """n rows, each weighed by itself. reward, propensity (n,); shown (n,): the place of each row's arm, -1
    for one that is not there."""

    reward: Floats
    propensity: Floats
    shown: Ints

    sample_type = Sample
    key = "impression_id"

    @classmethod
    def of(cls, rows: pa.Table, arms: tuple[str, ...]) -> Impressions:
        """Every row whose propensity is marginal."""
        rows = rows.filter(pa.array(weighable(rows, "marginal")))
        return cls(
            rows, arms, rows["reward"].to_numpy(), rows["propensity"].to_numpy(), arm_places(rows, arms)
        )

    def examined(self, examination: Examination, units: Ints) -> Floats:
        """How likely the slots of some of them are looked at: of each its own."""
        return examination.of_impressions(self.first.take(pa.array(units)))

    def target(
        self,
        weights: NDArray[np.floating],
        expected: Floats,
        supported: Bools,
        examined: Floats | float,
        costs: Floats | None = None,
        among: Bools | None = None,
        diversity: DiversityPenalty | None = None,  # noqa: ARG002
    ) -> Target:
        """What a policy with these weights (n, A) would have done, see `in_slots`. among (n, A): the arms
        that it chooses among, where these are others than could have been shown. diversity: says nothing of
        slots that stand alone."""
        slots, eligible = self.first["slot"].to_numpy(), self.eligible if among is None else among
        return in_slots(weights, self.shown, slots, expected, supported, eligible, examined, costs)


@dataclass(frozen=True, eq=False)
class Decisions(_Shown):
    """`first` has the row of each decision's first slot. The rest is (n, slots); a slot that a decision does
    not have is worth 0, has propensity 1, and shows no arm (-1), like an arm that is gone."""

    reward: Floats
    propensity: Floats
    shown: Ints
    has_slot: Bools

    sample_type = SlateSample
    key = "decision_id"

    @classmethod
    def of(cls, rows: pa.Table, arms: tuple[str, ...], slots: int) -> Decisions:
        """The decisions of up to `slots` slots that lack none of them, with conditional propensities: any
        other has no propensity as a whole."""
        order, starts = _by_decision(rows)
        decision = np.repeat(np.arange(starts.size), np.diff(starts, append=rows.num_rows))
        place = np.arange(rows.num_rows) - starts[decision]
        whole = np.ones(starts.size, dtype=np.bool_)
        in_place = (rows["slot"].to_numpy()[order] == place + 1) & (place < slots)
        np.logical_and.at(whole, decision, in_place & weighable(rows, "conditional")[order])
        kept = np.flatnonzero(whole[decision])
        shape, cell = (int(whole.sum()), slots), ((np.cumsum(whole) - 1)[decision[kept]], place[kept])

        def spread(values: AnyArray, absent: float) -> AnyArray:
            matrix = np.full(shape, absent, dtype=values.dtype)
            matrix[cell] = values[order[kept]]
            return matrix

        return cls(
            first=rows.take(pa.array(order[starts[whole]])),
            arms=arms,
            reward=spread(rows["reward"].to_numpy(), 0.0),
            propensity=spread(rows["propensity"].to_numpy(), 1.0),
            shown=spread(arm_places(rows, arms), -1),
            has_slot=spread(np.ones(rows.num_rows, dtype=np.bool_), False),
        )

    def examined(self, examination: Examination, units: Ints) -> Floats:
        """How likely the slots of some of them are looked at: (., slots)."""
        return examination.of_all_slots(self.first.take(pa.array(units)))

    def target(
        self,
        weights: NDArray[np.floating],
        expected: Floats,
        supported: Bools,
        examined: Floats | float,
        costs: Floats | None = None,
        among: Bools | None = None,
        diversity: DiversityPenalty | None = None,
    ) -> Target:
        """What a policy with these weights (n, A) would have done, see `slot_by_slot`; among: see
        `Impressions.target`."""
        shown, eligible = (self.shown, self.has_slot), self.eligible if among is None else among
        return slot_by_slot(weights, *shown, expected, supported, eligible, examined, costs, diversity)


Units = Impressions | Decisions


def units_of(rows: pa.Table, arms: tuple[str, ...], slots: int) -> Units:
    """Decisions where they have several slots that are weighed as a whole, else impressions."""
    return Decisions.of(rows, arms, slots) if slots > 1 else Impressions.of(rows, arms)


def samples_of(units: Units, targets: Sequence[Target]) -> list[Logged]:
    """What is logged beside each target, the logging policy itself first."""
    q_logged = targets[0].q_logged
    logging = Target(units.propensity, q_logged, q_logged, np.zeros(len(units.reward)))
    return [
        units.sample_type(
            reward=units.reward,
            propensity=units.propensity,
            target_propensity=target.propensity,
            q_logged=q_logged,
            v_target=target.v_target,
            unsupported_mass=np.minimum(target.unsupported_mass, 1.0),
        )
        for target in (logging, *targets)
    ]


def _by_decision(rows: pa.Table) -> tuple[Ints, Ints]:
    """An order (n,) by user, decision and slot, and where in it each decision starts."""
    users = user_keys(rows)
    keyed = rows.select(["decision_id", "slot"]).append_column("user", pa.array(users))
    order = order_by(keyed, ["user", "decision_id", "slot"])
    decisions, users = keyed["decision_id"].take(order).combine_chunks(), users[order]
    is_first = np.ones(rows.num_rows, dtype=np.bool_)
    is_first[1:] = (users[1:] != users[:-1]) | np.asarray(pc.not_equal(decisions[1:], decisions[:-1]))
    return order.to_numpy(), np.flatnonzero(is_first)
