"""What a model expects of rewards, for DM, DR and MRDR: the columns q_logged and v_target.

Models are cross-fitted by cluster (Chernozhukov, Chetverikov, Demirer, Duflo, Hansen, Newey and Robins,
2018): what is expected of a user's rows was learned from other users, so no estimate trusts a model that has
seen the rewards which it is corrected by. A user's fold is a hash of its key.

    sums = FoldSums.initial(n_arms, n_features).update(contexts, arms, rewards, cluster)   # merges
    models = sums.fit(Arms.plain(keys))                                                    # linear, or
    models = cross_fit(HistGradientBoostingRegressor(), contexts, arms, rewards, cluster, Arms.plain(keys))
    q_logged, v_target = models.expectations(contexts, arms, target, cluster)"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Self

import numpy as np
from threadpoolctl import threadpool_limits

from nightslate.core.arrays import AnyArray, Floats, Ints, Keys, finite, indices, require_names, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import deal
from nightslate.core.policies.learner import Arms, RewardModel
from nightslate.core.policies.linear_posterior import LinearPolicy, LinearRegression
from nightslate.core.policies.statistics import LinearSums, row_weights

FOLDS = 5

# The spread of a coefficient is of no use here; a given variance saves working it out.
_REGRESSION = LinearRegression(noise_variance=1.0)


def folds_of(cluster: Keys, folds: int, seed: int) -> Ints:
    """(n,) the fold of each row's cluster. Raises InvalidInputError for fewer than 2 folds, and for keys that
    are not uint64."""
    if folds < 2:
        raise InvalidInputError(f"cross-fitting needs at least 2 folds, got {folds}")
    if cluster.dtype != np.uint64 or cluster.ndim != 1:
        raise InvalidInputError(f"cluster must be uint64 keys (n,), got {cluster.dtype} {cluster.shape}")
    return deal(cluster, seed, folds)


def mrdr_weights(propensity: Floats, target_propensity: Floats) -> Floats:
    """(n,) the weights of rows that make a least-squares model the one with which DR varies least.

    Farajtabar, Chow and Ghavamzadeh (2018) derive (1 - p) / p**2 on the rows that agree with a deterministic
    target. For one that is stochastic this takes each row as far as the target would show its arm,
    target (1 - p) / p**2, as the Open Bandit Pipeline does (Saito, Aihara, Matsutani and Narita, 2021)."""
    return np.asarray(target_propensity * (1 - propensity) / propensity**2)


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """A model for each fold, which knows nothing of the clusters in it."""

    models: tuple[RewardModel, ...]
    seed: int

    def expectations(
        self, contexts: Floats, arms: Ints, target: Floats, cluster: Keys
    ) -> tuple[Floats, Floats]:
        """q_logged (n,), what is expected of the logged arm, and v_target (n,), of a target policy.

        contexts (n, d); arms (n,) places of those that were shown; target (n, A) the policy's probability of
        each arm; cluster (n,). Raises InvalidInputError for arms that are none of the A and shapes that
        differ."""
        rows, count = target.shape
        arms = indices("arms", arms, (rows,), count)
        if len(contexts) != rows or cluster.shape != (rows,):
            raise InvalidInputError(
                f"{rows} rows of target need as many contexts and clusters, got {contexts.shape} and "
                f"{cluster.shape}"
            )
        fold_of = folds_of(cluster, len(self.models), self.seed)
        q_logged, v_target = np.empty(rows), np.empty(rows)
        # products this thin take longer where threads share them than where one does them all
        with threadpool_limits(limits=1, user_api="blas"):
            for fold, model in enumerate(self.models):
                mine = np.flatnonzero(fold_of == fold)
                for chunk in row_chunks(mine.size, bytes_per_row=8 * (contexts.shape[1] + 3 * count)):
                    at = mine[chunk]
                    expected = model.expected_rewards(contexts.take(at, axis=0))
                    q_logged[at] = expected[np.arange(at.size), arms[at]]
                    v_target[at] = np.einsum("na,na->n", expected, target.take(at, axis=0))
        return q_logged, v_target


@dataclass(frozen=True, eq=False)
class FoldSums:
    """Normal equations of a linear regression in each arm, by fold: a mergeable state.

    Contexts should hold a constant 1 if rewards have a level."""

    folds: tuple[LinearSums, ...]
    seed: int

    @classmethod
    def initial(cls, n_arms: int, n_features: int, folds: int = FOLDS, seed: int = 0) -> Self:
        """No rows yet."""
        return cls((LinearSums.zero(n_arms, n_features),) * folds, seed)

    def update(
        self, contexts: Floats, arms: Ints, rewards: Floats, cluster: Keys, weights: Floats | None = None
    ) -> Self:
        """This state and n more rows: contexts (n, d), arms (n,), rewards (n,), cluster (n,) and weights
        (n,) >= 0, such as `mrdr_weights`."""
        fold_of = folds_of(cluster, len(self.folds), self.seed)
        if len({len(contexts), len(arms), len(rewards), len(cluster)}) > 1:
            raise InvalidInputError(
                f"each row has a context, an arm, a reward and a cluster, got {len(contexts)}, {len(arms)}, "
                f"{len(rewards)} and {len(cluster)}"
            )
        rows = [np.flatnonzero(fold_of == fold) for fold in range(len(self.folds))]
        weights = None if weights is None else row_weights(weights, fold_of.size)
        updated = (
            sums.update(
                contexts.take(mine, axis=0),
                arms[mine],
                rewards[mine],
                None if weights is None else weights[mine],
            )
            for sums, mine in zip(self.folds, rows, strict=True)
        )
        return replace(self, folds=tuple(updated))

    def merge(self, other: Self) -> Self:
        """The rows of both. Raises InvalidInputError unless both have the same folds, arms and features."""
        mine, theirs = ((len(s.folds), s.seed) for s in (self, other))
        if mine != theirs:
            raise InvalidInputError(f"cannot merge folds and seed {mine} with {theirs}")
        return replace(self, folds=tuple(map(LinearSums.merge, self.folds, other.folds)))

    def arrays(self) -> dict[str, AnyArray]:
        """All of the state, to travel between processes without pickle."""
        each = [sums.arrays() for sums in self.folds]
        stacked = {name: np.stack([arrays[name] for arrays in each]) for name in each[0]}
        return {**stacked, "seed": np.asarray(self.seed, dtype=np.uint64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The state that `arrays()` described."""
        sums = LinearSums.zero(0, 0).arrays().keys()
        require_names(cls.__name__, arrays, (*sums, "seed"))
        folds = range(len(arrays["gram"]))
        each = ({name: arrays[name][fold] for name in sums} for fold in folds)
        return cls(tuple(map(LinearSums.from_arrays, each)), int(arrays["seed"]))

    def fit(self, arms: Arms, regression: LinearRegression = _REGRESSION) -> CrossFitted:
        """The posterior means of a linear regression, for each fold from the rows of all others."""
        return CrossFitted(
            tuple(LinearPolicy(regression.posterior(sums, arms).mean) for sums in self._without_each()),
            self.seed,
        )

    def _without_each(self) -> list[LinearSums]:
        # what is left is added up, not subtracted from the whole: that would lose digits
        parts = [self.folds[:fold] + self.folds[fold + 1 :] for fold in range(len(self.folds))]
        return [reduce(LinearSums.merge, part) for part in parts]


@dataclass(frozen=True, eq=False)
class EstimatorModel:
    """A fitted scikit-learn estimator; columns (A, f) are what it knows each arm by."""

    estimator: Any
    columns: Floats

    def expected_rewards(self, contexts: Floats) -> Floats:
        """(n, d) -> (n, A): what the estimator predicts; of a classifier, its probability of 1."""
        arms, width = len(self.columns), contexts.shape[1] + self.columns.shape[1]
        expected = np.empty((len(contexts), arms))
        for chunk in row_chunks(len(contexts), bytes_per_row=8 * width):
            design = np.empty((chunk.stop - chunk.start, width))
            design[:, : contexts.shape[1]] = contexts[chunk]
            for arm, known in enumerate(self.columns):
                design[:, contexts.shape[1] :] = known
                expected[chunk, arm] = self._predict(design)
        return expected

    def _predict(self, design: Floats) -> Floats:
        if _is_classifier(self.estimator):
            of_one = self.estimator.classes_ == 1
            return np.asarray(self.estimator.predict_proba(design)[:, of_one].sum(axis=1))
        return np.asarray(self.estimator.predict(design))


def cross_fit(
    estimator: Any,
    contexts: Floats,
    arms: Ints,
    rewards: Floats,
    cluster: Keys,
    known: Arms,
    weights: Floats | None = None,
    folds: int = FOLDS,
    seed: int = 0,
) -> CrossFitted:
    """A copy of `estimator`, any of scikit-learn's, for each fold, fitted to the rows of all others.

    It sees the context, the arm's features and which arm it is: contexts (n, d), places of arms (n,) among
    the `known` ones, rewards (n,), cluster (n,), weights (n,) or None. Raises InvalidInputError where rows
    fall into one fold only, where a classifier's rewards are not 0 or 1, and where the estimator refuses."""
    columns = np.hstack([known.features[:, 1:], np.eye(known.keys.size)])
    contexts = finite("contexts", contexts, (len(cluster), contexts.shape[1]))
    arms = indices("arms", arms, cluster.shape, known.keys.size)
    rewards = finite("rewards", rewards, cluster.shape)
    if _is_classifier(estimator) and not np.isin(rewards, (0, 1)).all():
        raise InvalidInputError("a classifier needs rewards that are 0 or 1; take a regressor")
    fold_of = folds_of(cluster, folds, seed)
    models = []
    for fold in range(folds):
        train = np.flatnonzero(fold_of != fold)
        if not train.size:
            raise InvalidInputError(f"all {len(cluster)} rows are in one of {folds} folds: too few users")
        design = np.hstack([contexts.take(train, axis=0), columns.take(arms[train], axis=0)])
        weighted = {} if weights is None else {"sample_weight": row_weights(weights, len(cluster))[train]}
        try:
            fitted = deepcopy(estimator).fit(design, rewards[train], **weighted)
        except ValueError as error:
            raise InvalidInputError(f"{type(estimator).__name__} can't be fitted: {error}") from error
        models.append(EstimatorModel(fitted, columns))
    return CrossFitted(tuple(models), seed)


def _is_classifier(estimator: Any) -> bool:
    return hasattr(estimator, "predict_proba")
