"""Showings and users, as insights look at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools
from nightslate.core.hashing import deal, lowest, mix, seed
from nightslate.core.insights import ArmResponses, BestShares
from nightslate.core.policies.best import best_shares
from nightslate.core.policies.learner import State
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.cross_fitting import by_users
from nightslate.kernels.folds import Key, states_of_others
from nightslate.kernels.lists import matrix
from nightslate.kernels.rewards import arm_places, eligible_arms, weighable
from nightslate.kernels.scoring import ScoredBy, Scoring, groups_of
from nightslate.kernels.training import Lessons

_RESPONSES: Key = ("responses of arms", 0)


@dataclass(frozen=True)
class Showings:
    """What is summed up of impressions that count. `arms`: those on offer; `models`: by the day shown, the
    champion's of the night before; `lessons`: of the champion alone, where it has coefficients."""

    program: str
    arms: tuple[str, ...]
    models: Mapping[date, ScoredBy]
    lessons: Lessons | None

    def initial(self) -> dict[Key, Any]:
        """Of no impressions."""
        taught = self.lessons.initial() if self.lessons else {}
        return {_RESPONSES: ArmResponses.zero(len(self.arms)), **taught}

    def update(self, rows: pa.Table) -> Iterator[tuple[Key, Any]]:
        """Of all that some users were shown."""
        if self.lessons:
            yield from self.lessons.update(rows)
        found = ArmResponses.zero(len(self.arms))
        for mine in by_users(rows):
            known = weighable(mine, "marginal") & (arm_places(mine, self.arms) >= 0)
            found = self._responses(found, mine.filter(pa.array(known)))
        yield _RESPONSES, found

    @staticmethod
    def responses(states: Mapping[Key, Any]) -> ArmResponses:
        """What arms on offer earned."""
        found: ArmResponses = states[_RESPONSES]
        return found

    @staticmethod
    def taught(states: Mapping[Key, Any]) -> tuple[State, tuple[State, ...]]:
        """What everyone teaches the champion; and for the users of each fold, what all others do."""
        parts = [states[key] for key in sorted(states.keys() - {_RESPONSES})]
        return reduce(lambda one, other: one.merge(other), parts), states_of_others(parts)

    def _responses(self, found: ArmResponses, rows: pa.Table) -> ArmResponses:
        day_of = pc.cast(rows["occurred_at"], pa.date32())
        bins = seed(self.program, "insights")
        for day in sorted(pc.unique(day_of).to_pylist()):
            shown = rows.filter(pc.equal(day_of, pa.scalar(day)))
            choice = eligible_arms(shown, self.arms).sum(axis=1) > 1
            judged, best = thought_best(self.models.get(day), shown)
            found = found.update(
                arm_places(shown, self.arms),
                shown["reward"].to_numpy(),
                choice / shown["propensity"].to_numpy(),
                user_keys(shown),
                bins,
                judged & choice,
                best,
            )
        return found


def thought_best(model: ScoredBy | None, shown: pa.Table) -> tuple[Bools, Bools]:
    """(n,) whether a model knows the arm that was shown; (n,) and expects the most of it, among the arms that
    could have been shown."""
    nothing = np.zeros(shown.num_rows, dtype=np.bool_)
    expected = None if model is None else model.expected_rewards(shown)
    if model is None or expected is None:
        return nothing, nothing
    place, row = arm_places(shown, model.arms), np.arange(shown.num_rows)
    eligible = eligible_arms(shown, model.arms)
    judged = (place >= 0) & eligible[row, place]
    eligible[~judged] = True
    return judged, judged & (best_shares(expected, eligible)[row, place] > 0)


def of_some_users(rows: pa.Table, program: str, of_one_in: int) -> pa.Table:
    """The rows of one user in so many, by a hash of the user."""
    sampled = deal(user_keys(rows), seed(program, "insights sample"), of_one_in) == 0
    return rows.filter(pa.array(sampled))


def lowest_users(users: pa.Table, program: str, number: int) -> pa.Table:
    """So many users, by a hash, in its order."""
    keys = mix(user_keys(users), seed(program, "insights examples"))
    kept = np.flatnonzero(lowest(keys, number)) if number else np.empty(0, dtype=np.int64)
    return users.take(pa.array(kept[np.argsort(keys[kept], kind="stable")][:number]))


def said_of(user: Mapping[str, Any], feature: str) -> str:
    """What a user's feature is, in words."""
    value = user[feature]
    if isinstance(value, list | dict):  # a number for each arm
        return feature
    if value is None:
        return f"{feature} is missing"
    return f"{feature} = {value:g}" if isinstance(value, float) else f"{feature} = {value}"


def best_of(scoring: Scoring, users: pa.Table, arms: tuple[str, ...]) -> BestShares:
    """How likely each arm is the best of those that each user can get, by who scores users with the
    probabilities that arms are the best."""
    found, ids = BestShares.zero(len(arms)), pa.array(arms, pa.string())
    for choices in scoring.choices(users):
        for group, places in groups_of(choices):
            of_group = pc.index_in(pa.array(scoring.model(group).arms, pa.string()), ids).to_numpy()
            mine = choices["probabilities"].take(pa.array(places))
            found = found.update(of_group.astype(np.int64), matrix(mine))
    return found
