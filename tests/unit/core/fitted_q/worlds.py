"""Small decision processes whose Q is known by enumeration."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from nightslate.core.fitted_q import FittedQ, Transitions
from nightslate.core.hashing import seed
from nightslate.core.policies.learner import Arms

ARMS = 3
KEYS = np.array([seed("arm", str(arm)) for arm in range(ARMS)], dtype=np.uint64)
PLAIN = Arms(KEYS, np.ones((ARMS, 1)))
EXACT = {"n_estimators": 1, "bootstrap": False}
"""A tree that is grown until each pair of a state and an arm has a leaf of its own: the mean of its rows."""
TREE = FittedQ("extra_trees_regressor", EXACT, discount=0.9, tolerance=0.0)


@dataclass(frozen=True)
class Process:
    """Each pair of a state and an arm has one reward (S, A) and leads to one state (S, A), or ends: -1. Which
    arms are eligible in a state: (S, A)."""

    rewards: np.ndarray
    following: np.ndarray
    eligible: np.ndarray

    @classmethod
    def random(cls, states=7, number=0, endless=False):
        """Leads to later states only, so no trajectory is longer than there are states; endless: to any."""
        generator = np.random.default_rng(number)
        following = np.array(
            [
                [generator.integers(0 if endless else state + 1, states + 1) for _ in range(ARMS)]
                for state in range(states)
            ]
        )
        eligible = generator.random((states, ARMS)) < 0.6
        eligible[np.arange(states), generator.integers(0, ARMS, states)] = True
        rewards = generator.normal(size=(states, ARMS))
        return cls(rewards, np.where(following == states, -1, following), eligible)

    @property
    def states(self):
        return len(self.rewards)

    def vectors(self, states):
        """States have no order that trees could cut them by: a column for each."""
        return np.column_stack([np.ones(len(states)), np.eye(self.states)[states]])

    def transitions(self):
        """One of each pair."""
        states, actions = np.array(list(product(range(self.states), range(ARMS)))).T
        following = self.following[states, actions]
        goes_on = following >= 0
        return Transitions(
            states=self.vectors(states),
            actions=actions,
            rewards=self.rewards[states, actions],
            next_states=np.where(goes_on[:, None], self.vectors(following), 0.0),
            next_eligible=self.eligible[following] & goes_on[:, None],
            terminal=~goes_on,
        )

    def values(self, value_of_state, discount, iterations):
        """Q (S, A) by value iteration; value_of_state(q) -> (S,)."""
        q = np.zeros_like(self.rewards)
        for _ in range(iterations):
            ahead = np.where(self.following >= 0, value_of_state(q)[self.following], 0.0)
            q = self.rewards + discount * ahead
        return q

    def best(self, q):
        return np.where(self.eligible, q, -np.inf).max(axis=1)


def noisy(rows=300, features=2):
    """Numbers as in a campaign: rewards depend on the state and the arm, a third of the rows end."""
    generator = np.random.default_rng(1)
    states = np.column_stack([np.ones(rows), generator.integers(0, 5, (rows, features))])
    actions = generator.integers(0, ARMS, rows)
    terminal = generator.random(rows) < 1 / 3
    eligible = generator.random((rows, ARMS)) < 0.7
    eligible[:, 0] = True
    return Transitions(
        states=states,
        actions=actions,
        rewards=generator.normal(states[:, 1] * (actions - 1), 1.0),
        next_states=np.where(terminal[:, None], 0, states + np.array([0, 1, 0])),
        next_eligible=eligible & ~terminal[:, None],
        terminal=terminal,
    )
