"""Transitions of whole trajectories as arrays, and as samples that estimators take."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Float32s, Floats, Ints, Keys
from nightslate.core.fitted_q import choosing
from nightslate.core.ope.target import slot_by_slot
from nightslate.core.ope.trajectory_sample import TrajectorySample
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.rewards import arm_places, eligible_arms

_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class TrajectoryRows:
    """Whole trajectories, m decisions of n trajectories: of each decision its trajectory's place and
    its step (m,), the state (m, d), which arm was shown (m,) and which could be (m, A), reward and propensity
    (m,); of each trajectory its id and its user's key (n,). supported (A,): which arms the logs show
    at all."""

    ids: pa.Array
    trajectory: Ints
    step: Ints
    steps: int
    discount: float
    states: Floats
    shown: Ints
    eligible: Bools
    reward: Floats
    propensity: Floats
    users: Keys
    supported: Bools

    @classmethod
    def of_table(
        cls,
        rows: pa.Table,
        encoder: Encoder,
        arms: tuple[str, ...],
        logged_arms: Collection[str],
        steps: int,
        discount: float,
    ) -> Self:
        """`rows`: transitions of whole trajectories of at most so many steps. logged_arms: those that the
        logs show at all."""
        ids = rows["trajectory_id"].combine_chunks().dictionary_encode()
        trajectory, step = np.asarray(ids.indices, dtype=np.int64), rows["step"].to_numpy()
        users = np.empty(len(ids.dictionary), dtype=np.uint64)
        users[trajectory] = user_keys(rows)
        return cls(
            ids=ids.dictionary,
            trajectory=trajectory,
            step=step.astype(np.int64),
            steps=steps,
            discount=discount,
            states=encoder(rows),
            shown=arm_places(rows, arms),
            eligible=eligible_arms(rows, arms),
            reward=rows["reward"].to_numpy(),
            propensity=rows["propensity"].to_numpy(),
            users=users,
            supported=np.array([arm in logged_arms for arm in arms], dtype=np.bool_),
        )

    def of_policy(self, weights: Float32s | Floats, values: Floats) -> TrajectorySample:
        """The sample of a policy with these weights (m, A), and what a model expects of each arm (m, A)."""
        shown = self.shown[:, None]
        target = slot_by_slot(
            weights, shown, np.ones_like(shown, np.bool_), values, self.supported, self.eligible
        )
        return self._sample(
            target.propensity[:, 0], target.q_logged[:, 0], target.v_target[:, 0], target.unsupported_mass
        )

    def of_epsilons(self, values: Floats, epsilons: Sequence[float]) -> list[TrajectorySample]:
        """A sample for each epsilon, of action values (m, A) that are their own model."""
        return [
            self.of_policy(choosing(values, "epsilon_greedy", epsilon=epsilon), values)
            for epsilon in epsilons
        ]

    def of_logging_policy(self) -> TrajectorySample:
        """What was logged, whose weights are 1: a model that knows what came makes every estimate of it the
        mean of what came."""
        discounted = self.discount ** (self.step - 1) * self.reward
        order = np.lexsort((-self.step, self.trajectory))  # of each trajectory the last step first
        sums = np.cumsum(discounted[order])
        begins = np.append(True, np.diff(self.trajectory[order]) != 0)[: order.size]
        before = np.append(0.0, sums)[np.flatnonzero(begins)]
        to_come = np.empty(order.size)
        to_come[order] = sums - before[np.cumsum(begins) - 1]
        to_come /= self.discount ** (self.step - 1)
        return self._sample(self.propensity, to_come, to_come, np.zeros(order.size))

    def _sample(
        self, propensity: Floats, q_logged: Floats, v_target: Floats, unsupported: Floats
    ) -> TrajectorySample:
        supported = np.exp(np.bincount(self.trajectory, np.log1p(-np.minimum(unsupported, 1 - _TINY))))
        columns = {
            "reward": self.reward,
            "propensity": self.propensity,
            "target_propensity": propensity,
            "q_logged": q_logged,
            "v_target": v_target,
            "unsupported_mass": np.clip(1 - supported, 0.0, 1.0)[self.trajectory],
        }
        return TrajectorySample.of_rows(self.trajectory, self.step, columns, self.steps, self.discount)


def chosen_by(rows: pa.Table, held: TrajectoryRows) -> pa.ChunkedArray:
    """(n,) the learner that chose every decision of a trajectory; null where it was not always the same."""
    names = pc.fill_null(rows["policy"], "").combine_chunks().dictionary_encode()
    codes, n = np.asarray(names.indices), len(held.users)
    least, most = np.full(n, len(names.dictionary)), np.full(n, -1)
    np.minimum.at(least, held.trajectory, codes)
    np.maximum.at(most, held.trajectory, codes)
    one = pc.if_else(pa.array(least == most), names.dictionary.take(pa.array(most)), None)
    return pa.chunked_array([pc.if_else(pc.equal(one, ""), None, one)])


def began(rows: pa.Table) -> NDArray[np.datetime64]:
    """(m,) the day of the first decision of each decision's trajectory."""
    ids = rows["trajectory_id"].combine_chunks().dictionary_encode()
    trajectory, first = np.asarray(ids.indices), np.flatnonzero(rows["step"].to_numpy() == 1)
    days = rows["occurred_at"].to_numpy().astype("datetime64[D]")
    days_begun = np.full(len(ids.dictionary), np.datetime64("NaT"), dtype="datetime64[D]")
    days_begun[trajectory[first]] = days[first]
    return np.asarray(days_begun[trajectory])
