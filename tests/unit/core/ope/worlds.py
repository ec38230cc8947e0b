"""Small worlds written out in full, every row that can be logged with its probability, so that sums over them
are exact expectations; and samples of random numbers, for what holds of any numbers."""

from dataclasses import fields
from itertools import permutations, product

import numpy as np

from nightslate.core.ope import BANDIT_ESTIMATORS, SLATE_ESTIMATORS
from nightslate.core.ope.mips import marginal_over_features
from nightslate.core.ope.pseudo_inverse import pseudo_inverse_weights
from nightslate.core.ope.sample import Sample
from nightslate.core.ope.slate_sample import SlateSample
from nightslate.core.ope.trajectory_sample import TrajectorySample
from nightslate.core.policies.plackett_luce import conditional_propensities, marginal_propensities
from nightslate.core.policies.second_moments import second_moments

CONTEXT = np.array([0.3, 0.7])
PROPENSITIES = {"propensity", "marginal_propensity", "target_propensity", "target_marginal_propensity"}
ROWS, SLOTS = 300, 3


def expectation(estimator, sample, probability, tuning=np.inf):
    """What an estimator comes to on infinitely many rows."""
    return sum(
        float(probability @ numerator / (probability @ denominator))
        for numerator, denominator in estimator.terms(sample, tuning)
    )


class Bandit:
    """Two contexts and three arms, of which the first two have equal features and equal success."""

    LOGGING = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    TARGET = np.array([[0.2, 0.8, 0.0], [0.6, 0.3, 0.1]])
    SUCCESS = np.array([[0.4, 0.4, 0.9], [0.7, 0.7, 0.5]])
    FEATURES = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 2.0]])
    WRONG = np.array([[0.9, 0.0, -2.0], [0.3, 0.8, 0.1]])

    def __init__(self, logging=LOGGING, target=TARGET, success=SUCCESS):
        self.logging, self.target, self.success = logging, target, success
        self.truth = float((CONTEXT[:, None] * target * success).sum())

    def rows(self, model=WRONG, believed=None):
        """Probabilities (n,) and the sample; `believed` stands for the logged propensities if given."""
        believed = self.logging if believed is None else believed
        context, arm, reward = np.array(list(product(range(2), range(3), range(2)))).T
        success = self.success[context, arm]
        probability = CONTEXT[context] * self.logging[context, arm] * np.where(reward, success, 1 - success)
        expected = (self.target * model).sum(axis=1)[context]
        return probability, Sample(
            reward=reward.astype(float),
            propensity=believed[context, arm],
            target_propensity=self.target[context, arm],
            q_logged=model[context, arm],
            v_target=expected,
            q_logged_mrdr=2 * model[context, arm],
            v_target_mrdr=2 * expected,
            marginal_propensity=marginal_over_features(believed[context], self.FEATURES, arm),
            target_marginal_propensity=marginal_over_features(self.target[context], self.FEATURES, arm),
        )


class Slates:
    """Two contexts, and rankings of `slots` of four arms by Plackett-Luce; slots succeed or fail.

    success: (context, arms of all slots, slot) -> probability."""

    LOGGING = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]])
    TARGET = np.array([[0.1, 0.2, 0.3, 0.4], [0.1, 0.6, 0.2, 0.1]])

    def __init__(self, success, slots=3, logging=LOGGING, target=TARGET):
        self.slots, self.logging, self.target = slots, logging, target
        rankings = np.array(list(permutations(range(4), slots)))
        rewards = np.array(list(product((0, 1), repeat=slots)))
        context, ranking, reward = np.array(list(product(*map(range, (2, len(rankings), len(rewards)))))).T
        self.context, self.shown, self.reward = context, rankings[ranking], rewards[reward].astype(float)
        self.mean = np.array(
            [[success(c, s, k) for k in range(slots)] for c, s in zip(context, self.shown, strict=True)]
        )
        outcome = np.where(self.reward == 1, self.mean, 1 - self.mean).prod(axis=1)
        self.logged, self.wanted = (
            conditional_propensities(weights[context], self.shown) for weights in (logging, target)
        )
        self.probability = CONTEXT[context] * self.logged.prod(axis=1) * outcome
        self.truth = float((CONTEXT[context] * self.wanted.prod(axis=1) * outcome) @ self.reward.sum(axis=1))

    def sample(self, model, believed=None):
        """The sample of every row. model: (context, arms of the first slots) -> what it expects of the last
        of them and those that follow."""
        logged = self.logged if believed is None else believed
        marginals, wanted = (
            np.stack([marginal_propensities(w, k + 1) for k in range(self.slots)], axis=1)[self.context]
            for w in (self.logging, self.target)
        )
        at = (np.arange(len(self.shown))[:, None], np.arange(self.slots), self.shown)
        rows = list(zip(self.context, map(tuple, self.shown), strict=True))
        return SlateSample(
            reward=self.reward,
            propensity=logged,
            target_propensity=self.wanted,
            marginal_propensity=marginals[at],
            target_marginal_propensity=wanted[at],
            q_logged=np.array([[model(c, s[: k + 1]) for k in range(self.slots)] for c, s in rows]),
            v_target=np.array([[self.onward(model, c, s[:k]) for k in range(self.slots)] for c, s in rows]),
            pseudo_inverse_weight=pseudo_inverse_weights(
                second_moments(self.logging, self.slots)[self.context], wanted, self.shown
            ),
        )

    def onward(self, model, context, before):
        """What the model expects of the target's next arm."""
        weights = {a: self.target[context, a] for a in range(4) if a not in before}
        return sum(w * model(context, (*before, a)) for a, w in weights.items()) / sum(weights.values())

    def right_model(self, context, first):
        """The true expectation under the target of the last of these slots and all later ones."""
        mine = (self.context == context) & (self.shown[:, : len(first)] == first).all(axis=1)
        later = self.wanted[mine, len(first) :].prod(axis=1) * np.ones(mine.sum())
        mean = self.mean[mine, len(first) - 1 :].sum(axis=1)
        return float(later @ mean / later.sum())


def position_wise(context, arms, slot):
    """Success by context, slot and the slot's own arm."""
    return 0.1 + 0.15 * arms[slot] + 0.1 * slot * context


def cascading(context, arms, slot):
    """The same, less where a better arm came before."""
    return position_wise(context, arms, slot) * (0.3 if slot and max(arms[:slot]) > arms[slot] else 1.0)


def entangled(context, arms, slot):
    """The same, less where a better arm is anywhere."""
    return position_wise(context, arms, slot) * (0.3 if max(arms) > arms[slot] else 1.0)


def draw(name, low=0.0, high=1.0, rows=ROWS):
    """A sample of random numbers for this estimator: rewards and expectations between low and high (of a
    slot or step, where there are several)."""
    generator = np.random.default_rng(3)
    kind = TrajectorySample
    if name in {**BANDIT_ESTIMATORS, **SLATE_ESTIMATORS}:
        kind = Sample if name in BANDIT_ESTIMATORS else SlateSample
    shape = (rows,) if kind is Sample else (rows, SLOTS)
    later = np.ones(shape) if kind is Sample else np.arange(SLOTS, 0, -1) * np.ones(shape)
    columns = {}
    for field in fields(kind):
        if field.name in PROPENSITIES:
            columns[field.name] = generator.uniform(0.05, 1, shape)
        elif field.name == "pseudo_inverse_weight":
            columns[field.name] = generator.normal(1, 2, rows)
        elif field.name == "reward":
            columns[field.name] = generator.uniform(low, high, shape)
        elif field.name != "unsupported_mass":
            columns[field.name] = generator.uniform(low, high, shape) * later
    return kind(**columns)
