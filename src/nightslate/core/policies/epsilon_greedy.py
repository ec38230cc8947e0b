"""Epsilon-greedy over a scikit-learn estimator (Sutton and Barto, 2018, section 2.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from nightslate.core.arrays import AnyArray, Floats, Ints, finite
from nightslate.core.errors import InvalidInputError
from nightslate.core.policies.best import best_shares
from nightslate.core.policies.by_arm import ByArm
from nightslate.core.policies.designs import Pairs
from nightslate.core.policies.learner import Arms, require_forgetting
from nightslate.core.policies.row_sample import RowSample, content_keys, require_max_rows
from nightslate.core.policies.sklearn_models import Setting, build, fitted, from_array, to_array


@dataclass(frozen=True, eq=False)
class EpsilonGreedyPolicy(ByArm):
    """A fitted estimator as bytes; none if all rewards were the same, and then `constant` () is what it
    predicts. What it knows each arm by (A, f), which features of a context are multiplied by which of these
    (2, p), the number of features of a context (), the reward of a prediction of 1 (), and epsilon (); which
    places of a context it looks at beside each arm (A, k), none where it looks at all."""

    model: NDArray[np.uint8]
    constant: Floats
    columns: Floats
    crosses: Ints
    features: Floats
    reward_max: Floats
    epsilon: Floats
    beside: Ints = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))

    by_arm: ClassVar[tuple[str, ...]] = ("columns", "beside")

    def arrays(self) -> dict[str, AnyArray]:
        """All of the policy; one that looks at whole contexts says nothing of places."""
        return {name: array for name, array in super().arrays().items() if name != "beside" or array.size}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The policy that `arrays()` described."""
        return super().from_arrays({"beside": np.zeros((0, 0), dtype=np.int64), **arrays})

    def weights(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): epsilon / A for each arm, and 1 - epsilon for the best; ties share evenly."""
        return self.chosen(self.expected_rewards(contexts), float(self.epsilon))

    def chosen(self, expected: Floats, epsilon: float) -> Floats:
        """(n, A) -> (n, A): the same by what is expected of each arm, at another epsilon."""
        return np.asarray(epsilon / len(self.columns) + (1 - epsilon) * best_shares(expected))

    def expected_rewards(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): what the estimator predicts, be it out of the range of rewards; 0 if there were
        no rows."""
        contexts = finite("contexts", contexts, (len(contexts), int(self.features)))
        if not self.model.size:
            return np.full((len(contexts), len(self.columns)), self.reward_max * self.constant)
        beside = self.beside if self.beside.size else None
        return Pairs(self.columns, self.crosses).predicted(self._predict, contexts, beside)

    def _predict(self, design: Floats) -> Floats:
        # of a classifier the expectation is the probability of 1
        if hasattr(self.estimator, "predict_proba"):
            return np.asarray(self.reward_max * self.estimator.predict_proba(design)[:, 1])
        return np.asarray(self.reward_max * self.estimator.predict(design))

    @cached_property
    def estimator(self) -> Any:
        """The fitted estimator. Raises InvalidInputError if the bytes hold anything but one of ours."""
        return from_array(self.model)


@dataclass(frozen=True)
class EpsilonGreedy:
    """The arm that an estimator expects most of, and with probability epsilon any arm.

    That is the choice for one slot: a ranking draws each next slot from these weights among the arms that are
    left (Plackett-Luce), so each slot explores on its own, never the list as a whole.

    estimator: a name of `sklearn_models.ESTIMATORS`; it sees the context, the arm's features and which arm it
    is, and where features are named that interact (`Arms.crossed`), the product of each such pair. Those that
    only add these up (ridge, logistic_regression) prefer the same arm for everyone but for the products. A
    classifier learns the probability of reward / largest reward: each row counts as that share of a success
    and the rest of a failure.
    parameters: what its constructor takes, as a mapping; kept as sorted pairs.
    epsilon: in [0, 1].  max_rows: distinct rows that are fitted; beyond them, a sample of that size.
    forgetting: the weight of a row is this to the power of its age in days.

    Its policy is a `RewardModel` of any of these estimators too, for which epsilon does not matter."""

    estimator: str = "hist_gradient_boosting_regressor"
    parameters: Mapping[str, Setting] | tuple[tuple[str, Setting], ...] = ()
    epsilon: float = 0.1
    max_rows: int = 100_000
    forgetting: float = 1.0

    kind: ClassVar[str] = "epsilon_greedy"
    state_type: ClassVar[type[RowSample]] = RowSample
    policy_type: ClassVar[type[EpsilonGreedyPolicy]] = EpsilonGreedyPolicy

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(sorted(dict(self.parameters).items())))
        build(self.estimator, dict(self.parameters), seed=0)
        if not 0 <= self.epsilon <= 1:
            raise InvalidInputError(f"epsilon must be in [0, 1], got {self.epsilon}")
        require_forgetting(self.forgetting)
        require_max_rows(self.max_rows)

    def initial(self, n_arms: int, n_features: int) -> RowSample:
        """No rows yet."""
        return RowSample.empty(n_arms, n_features, self.max_rows)

    def fit(self, state: RowSample, arms: Arms, seed: int) -> EpsilonGreedyPolicy:
        """The estimator fitted to the rows in the order of their content, arms in the order of their keys, so
        that neither order of the caller's has a say. Raises InvalidInputError for rewards or parameters that
        the estimator can't be fitted with."""
        pairs, rows = Pairs.of(arms.checked_against(state), state.features), state.sample()
        estimator, reward_max, beside = build(self.estimator, dict(self.parameters), seed), 1.0, arms.beside
        order = np.argsort(content_keys(rows.contexts, arms.keys[rows.arms], rows.rewards), kind="stable")
        design = pairs.design(rows.contexts[order], rows.arms[order])
        target, weights = rows.rewards[order], rows.scale * rows.weights[order]
        if hasattr(estimator, "predict_proba"):
            reward_max = rows.ceiling()
            design, target, weights = _successes_and_failures(design, target / reward_max, weights)
        outcomes = np.unique(target)
        model = np.zeros(0, dtype=np.uint8)
        if outcomes.size > 1:
            model = to_array(fitted(estimator, design, target, weights))
        return EpsilonGreedyPolicy(
            model=model,
            constant=np.asarray(outcomes[0] if outcomes.size == 1 else 0.0),
            columns=pairs.columns,
            crosses=pairs.crosses,
            features=np.asarray(state.features if beside is None else beside.width),
            reward_max=np.asarray(reward_max),
            epsilon=np.asarray(self.epsilon),
            **({} if beside is None else {"beside": beside.places}),
        )


def _successes_and_failures(
    design: Floats, fractions: Floats, weights: Floats
) -> tuple[Floats, Floats, Floats]:
    """Each row as a success of weight w y and a failure of weight w (1 - y), without those of weight 0."""
    labels = np.repeat([1.0, 0.0], len(fractions))
    weights = np.concatenate([weights * fractions, weights * (1 - fractions)])
    use = np.flatnonzero(weights)
    return np.vstack([design, design])[use], labels[use], weights[use]
