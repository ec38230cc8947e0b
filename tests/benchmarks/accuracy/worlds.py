"""Worlds in which the value of the target policy is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from tests.oracles import bandit_logs


@dataclass(frozen=True, eq=False)
class World:
    """X contexts (X, d), the logging and the target policy (X, A), and the probability of reward 1 (X, A).
    A log has `rows` rows, or each context once where that is None."""

    contexts: np.ndarray
    logging: np.ndarray
    target: np.ndarray
    success: np.ndarray
    rows: int | None = None

    @property
    def value(self) -> float:
        return float((self.target * self.success).sum(axis=1).mean())

    def draw(self, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places of contexts, arms and rewards of one log."""
        generator = np.random.default_rng(seed)
        every = np.arange(len(self.contexts))
        context = every if self.rows is None else generator.choice(every, self.rows)
        uniform = generator.random((context.size, 1))
        arm = (uniform > self.logging[context].cumsum(axis=1)[:, :-1]).sum(axis=1)
        return context, arm, (generator.random(context.size) < self.success[context, arm]).astype(float)


def synthetic(make: Callable[[], bandit_logs.World]) -> World:
    """Eight contexts and ten arms, of which nothing is known but that they differ."""
    world = make()
    contexts = np.eye(len(world.logging))
    return World(contexts, world.logging, world.policies["challenger"], world.success[0], 1000)


def classified(name: str) -> World:
    """A data set of scikit-learn's: an arm is a label, and the right one has reward 1 (Dudik, Langford and
    Li, 2011). Half of the examples train two classifiers, the others are the contexts. The target follows one
    classifier; the logging policy follows the other half of the time and is uniform in the other half."""
    features, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(
        features, labels, test_size=0.5, stratify=labels, random_state=0
    )
    scaler = StandardScaler().fit(train)
    arms = np.eye(labels.max() + 1)
    good = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(train, train_labels)
    fair = DecisionTreeClassifier(max_depth=3, random_state=0).fit(train, train_labels)
    return World(
        contexts=np.column_stack([np.ones(len(test)), scaler.transform(test)]),
        logging=0.5 * arms[fair.predict(test)] + 0.5 / len(arms),
        target=arms[good.predict(test)],
        success=arms[test_labels],
    )


WORLDS = {
    "light tails": partial(synthetic, bandit_logs.light_tails),
    "heavy tails": partial(synthetic, bandit_logs.heavy_tails),
    **{name: partial(classified, name) for name in ("digits", "breast_cancer", "wine", "iris")},
}
