"""What a target policy would have done where the logging policy acted: the columns of a sample, from weights.

Both policies choose among the arms that were eligible, so the target is restricted to them, as the logged
propensity is. Where too few of its arms are eligible to fill the slot, the target shows nothing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.policies.diversity import DiversityPenalty
from nightslate.core.policies.plackett_luce import marginal_propensities

NOT_THERE = -1
"""The place of an arm that the target does not know, and of a slot that a decision does not have."""


@dataclass(frozen=True, eq=False)
class Target:
    """For each of n units, or of n x K slots: the target's probability of what was shown, what a reward model
    expects of the target and of what was shown; and for each unit (n,) the target's probability of arms
    that the logs do not support."""

    propensity: Floats
    v_target: Floats
    q_logged: Floats
    unsupported_mass: Floats


def in_slots(
    weights: NDArray[np.floating],
    shown: Ints,
    slots: Ints,
    expected: Floats,
    supported: Bools,
    eligible: Bools,
    examined: Floats | float = 1.0,
    costs: Floats | None = None,
) -> Target:
    """Of single impressions, whatever stands in the slots before: weights and expected rewards (n, A), shown
    (n,) places of arms, slots (n,) from 1, supported (A,), eligible (n, A). Rewards are expected of arms that
    are looked at; `examined` (n,) is how likely each slot is; costs (A,) come off whether or not it is."""
    chance = np.zeros(weights.shape)
    enough = eligible.sum(axis=1) >= slots
    for slot in np.unique(slots):
        rows = enough & (slots == slot)
        chance[rows] = marginal_propensities(weights[rows], int(slot), eligible[rows])
    v_target, q_logged = (chance * expected).sum(axis=1) * examined, _at(expected, shown) * examined
    if costs is not None:
        v_target, q_logged = v_target - chance @ costs, q_logged - _of_arms(costs, shown)
    return Target(
        propensity=_at(chance, shown),
        v_target=v_target,
        q_logged=q_logged,
        unsupported_mass=chance[:, ~supported].sum(axis=1),
    )


def slot_by_slot(
    weights: NDArray[np.floating],
    shown: Ints,
    has_slot: Bools,
    expected: Floats,
    supported: Bools,
    eligible: Bools,
    examined: Floats | float = 1.0,
    costs: Floats | None = None,
    diversity: DiversityPenalty | None = None,
) -> Target:
    """Of decisions, slot by slot given the slots before: weights and expected rewards (n, A) of a slot, shown
    and has_slot (n, K), supported (A,), eligible (n, A). Rewards are expected of arms that are looked at;
    `examined` (n, K) is how likely each slot is; costs (A,) come off whether or not it is. The unsupported
    mass is that of the first slot. With a `diversity` penalty, arms lose weight for those of their group that
    are shown before them.

    Slots that a decision does not have are as `SlateSample` wants them: of probability 1, worth nothing. The
    model expects of a slot its own reward only, which leaves cascade-DR as right as with any other."""
    left = np.where(eligible, weights, 0.0).astype(np.float64, copy=False)
    total = left.sum(axis=1)
    unsupported = _share(left[:, ~supported].sum(axis=1), total)
    propensity, v_target = np.ones(shown.shape), np.zeros(shown.shape)
    q_logged, v_costs = np.zeros(shown.shape), np.zeros(shown.shape)
    for slot in range(shown.shape[1]):
        there, place = has_slot[:, slot], shown[:, slot]
        propensity[:, slot] = np.where(there, _share(_at(left, place), total), 1.0)
        v_target[:, slot] = np.where(there, _share(np.vecdot(left, expected), total), 0.0)
        q_logged[:, slot] = np.where(there, _at(expected, place), 0.0)
        if costs is not None:
            v_costs[:, slot] = np.where(there, _share(left @ costs, total), 0.0)
        known = np.flatnonzero(place != NOT_THERE)
        if diversity is not None:
            left[known] = diversity.after(left[known], place[known])
        left[known, place[known]] = 0.0
        total = left.sum(axis=1)
    v_target, q_logged = v_target * examined, q_logged * examined
    if costs is not None:
        v_target, q_logged = v_target - v_costs, q_logged - _of_arms(costs, shown)
    return Target(propensity, v_target, q_logged, unsupported)


def _share(part: Floats, total: Floats) -> Floats:
    """(n,) a part of the weight that is left (n,); 0 where none is."""
    return np.asarray(np.divide(part, total, out=np.zeros_like(part), where=total > 0))


def _of_arms(values: Floats, places: Ints) -> Floats:
    """The value (A,) of the arm at each place; 0 for an arm that is not there."""
    return np.append(values, 0.0)[places]


def _at(values: Floats, places: Ints) -> Floats:
    """(n,) each row's value at its arm; 0 for an arm that is not there: the target would not show it."""
    return np.where(places != NOT_THERE, values[np.arange(len(places)), np.maximum(places, 0)], 0.0)
