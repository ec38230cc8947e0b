"""Transitions as the iteration needs them: in one order whoever gives them, next states only once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from nightslate.core.arrays import Floats, Ints, Keys, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.fitted_q.members import Member, mean_of
from nightslate.core.fitted_q.transitions import Transitions
from nightslate.core.hashing import mix
from nightslate.core.policies.designs import Pairs
from nightslate.core.policies.learner import Arms
from nightslate.core.policies.row_sample import content_keys, row_keys

Backup = Callable[[Floats, Floats, Floats], Floats]
"""The value of next states (m,), from two estimates of the values of arms there (m, A), one to choose by and
one to value what was chosen, and what is known of choosing there (m, A)."""


@dataclass(frozen=True, eq=False)
class Rows:
    """n transitions in the order of their content, arms in that of their keys, so that neither order of the
    caller's has a say.

    keys (n,): hashes of their content. design (n, f): what a regressor sees of them. rewards (n,).
    followed (r,): the places of those that are not terminal, and next (r,): which of the m different next
    states each leads to, by state (m, d) and what is known of choosing there (m, A). Equal 64-bit hashes
    count as equal, which befalls a million different ones with probability 3e-8."""

    pairs: Pairs
    keys: Keys
    design: Floats
    rewards: Floats
    followed: Ints
    next: Ints
    next_states: Floats
    next_choices: Floats

    @classmethod
    def of(cls, transitions: Transitions, choices: Floats, arms: Arms) -> Self:
        """choices (n, A): what a backup has to know of choosing in the next states. Raises InvalidInputError
        if the transitions are about another number of arms."""
        if arms.keys.size != transitions.arms:
            raise InvalidInputError(
                f"transitions of {transitions.arms} arms can't be fitted to {arms.keys.size} arms"
            )
        by_key = np.argsort(arms.keys)
        pairs = Pairs.of(
            Arms(arms.keys[by_key], arms.features[by_key], arms.crossed), transitions.states.shape[1]
        )
        choices = choices[:, by_key]
        afterwards = mix(row_keys(transitions.next_states), row_keys(choices))
        now = content_keys(transitions.states, arms.keys[transitions.actions], transitions.rewards)
        keys = mix(now, afterwards)
        order = np.argsort(keys, kind="stable")
        followed = np.flatnonzero(~transitions.terminal[order])
        _, first, place = np.unique(afterwards[order][followed], return_index=True, return_inverse=True)
        distinct = order[followed[first]]
        return cls(
            pairs=pairs,
            keys=keys[order],
            design=pairs.design(transitions.states[order], np.argsort(by_key)[transitions.actions[order]]),
            rewards=transitions.rewards[order],
            followed=followed,
            next=place,
            next_states=transitions.next_states[distinct],
            next_choices=choices[distinct],
        )

    def backed_up(self, teams: Sequence[Sequence[Member]], team_of: Ints, backup: Backup) -> Floats:
        """(n,): the value of what follows, 0 where nothing does. Each of one or two teams of regressors is a
        Q, and row i chooses by team_of[i]; what it chooses is valued by the other team, if there is one."""
        valued = np.empty((len(self.next_states), len(teams)))
        for chunk in row_chunks(len(valued), bytes_per_row=8 * len(teams) * self.next_choices.shape[1]):
            values = [self.pairs.predicted(mean_of(team), self.next_states[chunk]) for team in teams]
            for team in range(len(teams)):
                # of one team, the one before is itself; of two, it is the other
                valued[chunk, team] = backup(values[team], values[team - 1], self.next_choices[chunk])
        following = np.zeros(self.rewards.size)
        following[self.followed] = valued[self.next, team_of[self.followed]]
        return following
