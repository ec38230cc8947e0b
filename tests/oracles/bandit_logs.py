"""A small world of bandit logs whose policies' values are known exactly, by enumeration.

Users come in types, which differ in how many impressions they have, in which contexts, and in what they like.
So impressions of one user are alike, and how many a user has may say something of what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, softmax

from nightslate.core.arrays import Floats, Ints, Keys
from nightslate.core.hashing import mix
from nightslate.core.ope.sample import Sample

_SEED = 7
_CONTEXTS = 8
_ARMS = 10


@dataclass(frozen=True, eq=False)
class World:
    """T types of users, X contexts, A arms and some policies; a reward is 0 or 1.

    types (T,): the probability of each type. impressions (T,): how many a user of the type has. contexts (T,
    X): the probability of each context in an impression of the type. success (T, X, A): the probability of
    reward 1. logging (X, A): the policy that logs. policies: those to evaluate, (X, A) each. model (X, A):
    the reward that a model expects."""

    types: Floats
    impressions: Ints
    contexts: Floats
    success: Floats
    logging: Floats
    policies: Mapping[str, Floats]
    model: Floats

    def value(self, policy: str) -> float:
        """The expected reward of an impression under a policy: that of a type weighs as many impressions as
        its users have."""
        by_type = np.einsum("tx,xa,txa->t", self.contexts, self.policies[policy], self.success)
        share = self.types * self.impressions
        return float(share @ by_type / share.sum())

    @property
    def largest_weight(self) -> float:
        """The largest importance weight that any of the policies can have."""
        return max(float((policy / self.logging).max()) for policy in self.policies.values())

    def draw(self, users: int, seed: int) -> tuple[tuple[Sample, ...], Keys]:
        """The log of so many users: a sample for each policy, and the key of each impression's user."""
        generator = np.random.default_rng(seed)
        type_of_user = generator.choice(self.types.size, size=users, p=self.types)
        user = np.repeat(np.arange(users), self.impressions[type_of_user])
        kind = type_of_user[user]
        context = _choice(self.contexts[kind], generator)
        arm = _choice(self.logging[context], generator)
        reward = generator.random(user.size) < self.success[kind, context, arm]
        samples = tuple(
            Sample(
                reward=reward.astype(np.float64),
                propensity=self.logging[context, arm],
                target_propensity=policy[context, arm],
                q_logged=self.model[context, arm],
                v_target=(policy * self.model).sum(axis=1)[context],
            )
            for policy in self.policies.values()
        )
        return samples, mix(user.astype(np.uint64), seed)


def light_tails() -> World:
    """Every user has one impression, and the logging policy is not far from the others."""
    return _world(lambda scores: softmax(0.5 * scores, axis=1))


def heavy_tails() -> World:
    """The logging policy shows the arm that it likes best in 82 % of all impressions and each other arm in
    2 %: a policy that likes another has weights of up to 45."""
    return _world(lambda scores: _greedy(scores, 0.2))


def clustered_users() -> World:
    """Users have 1 to 30 impressions. Rewards of one user are alike: half of the users like most of what they
    see; and they are the fewer the more impressions a user has."""
    world = light_tails()
    impressions = np.array([1, 3, 10, 30])
    drift = np.array([0.1, 0.05, -0.05, -0.1])
    return replace(
        world,
        types=np.tile([0.25, 0.15, 0.075, 0.025], 2),
        impressions=np.tile(impressions, 2),
        contexts=np.random.default_rng(_SEED).dirichlet(np.ones(_CONTEXTS), size=8),
        success=np.clip(
            world.success + np.concatenate([drift + 0.2, drift - 0.2])[:, None, None], 0.02, 0.98
        ),
    )


def _world(logging: Callable[[Floats], Floats]) -> World:
    """One type of users, of one impression each. `logging` makes a policy of scores (X, A)."""
    generator = np.random.default_rng(_SEED)
    scores, others, liked, error = generator.normal(size=(4, _CONTEXTS, _ARMS))
    success = expit(0.8 * liked - 0.7)
    return World(
        types=np.ones(1),
        impressions=np.ones(1, dtype=np.int64),
        contexts=np.full((1, _CONTEXTS), 1 / _CONTEXTS),
        success=success[None],
        logging=logging(scores),
        policies={"challenger": _greedy(liked + 0.5 * others, 0.1), "champion": softmax(scores, axis=1)},
        model=np.clip(success + 0.1 * error, 0.0, 1.0),
    )


def _greedy(scores: Floats, epsilon: float) -> Floats:
    """(X, A) the arm of the largest score, and with probability epsilon any arm."""
    policy = np.full(scores.shape, epsilon / scores.shape[1])
    policy[np.arange(len(scores)), scores.argmax(axis=1)] += 1 - epsilon
    return policy


def _choice(probabilities: Floats, generator: np.random.Generator) -> Ints:
    """One draw from each row."""
    below = np.cumsum(probabilities, axis=1)[:, :-1]
    return np.asarray((generator.random((len(below), 1)) > below).sum(axis=1))
