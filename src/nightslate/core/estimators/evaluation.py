"""Several policies on the same logs: values, paired differences, intervals and diagnostics."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Self

import numpy as np

from nightslate.core.arrays import AnyArray, Floats, Keys, finite, require_names, row_chunks
from nightslate.core.errors import InvalidInputError
from nightslate.core.estimators import ESTIMATORS, Terms
from nightslate.core.estimators.estimate import Estimate
from nightslate.core.estimators.sample import Sample
from nightslate.core.hashing import mix, poisson1

INTERVAL = "bootstrap"

Interval = tuple[float | None, float | None, float | None, float | None]


def _mean_weight(sample: Sample) -> tuple[Floats, Floats]:
    """The mean importance weight, which is 1 in expectation: a ratio of sums like any estimator."""
    return sample.weight, np.ones_like(sample.reward)


_RATIOS: dict[str, Terms] = {**ESTIMATORS, "mean_weight": _mean_weight}
_MEAN_WEIGHT = list(_RATIOS).index("mean_weight")
_SUMS = ("sums", "replicates", "squared_weights", "unsupported", "n", "clusters")


@dataclass(frozen=True, eq=False)
class EvaluationState:
    """Sums over rows for P policies and R ratios (the estimators, and the mean weight).

    sums (P, R, 2) holds numerators and denominators; replicates (B, P, R, 2) the same sums with each cluster
    counted Poisson(1) times, which is the bootstrap over clusters (Hanley and MacGibbon, 2006; Chamandy et
    al., 2012). The count is a hash of (cluster, seed, replicate): a cluster counts alike in every batch and
    partition, and all policies share replicates, which is what pairs their differences."""

    policies: tuple[str, ...]
    seed: int
    sums: Floats
    replicates: Floats
    squared_weights: Floats
    max_weights: Floats
    unsupported: Floats
    n: int
    clusters: int

    @classmethod
    def initial(cls, policies: tuple[str, ...], resamples: int = 1000, seed: int = 0) -> Self:
        """The state of no rows. Raises InvalidInputError for repeated policies or fewer than 2 resamples."""
        if not policies or len(set(policies)) < len(policies):
            raise InvalidInputError(f"policies must be named and distinct, got {policies}")
        if resamples < 2:
            raise InvalidInputError(f"an interval needs at least 2 resamples, got {resamples}")
        shape = (len(policies), len(_RATIOS), 2)
        zeros = np.zeros(len(policies))
        return cls(policies, seed, np.zeros(shape), np.zeros((resamples, *shape)), zeros, zeros, zeros, 0, 0)

    def update(
        self,
        reward: Floats,
        propensity: Floats,
        target_propensity: Floats,
        q_logged: Floats,
        v_target: Floats,
        unsupported_mass: Floats,
        cluster: Keys,
    ) -> Self:
        """This state and n more rows.

        reward, propensity and q_logged are (n,); target_propensity, v_target and unsupported_mass (the
        probability that the target gives to arms which the logging policy could not show) are (n, P); cluster
        (n,) is the key of the user. The rows of a cluster may come in any number of updates and partitions:
        sums and intervals are the same. Only the number of `clusters` counts a cluster again in each update
        that has rows of it. Raises InvalidInputError as `Sample` does."""
        rows, count = len(reward), len(self.policies)
        target_propensity = finite("target_propensity", target_propensity, (rows, count))
        v_target = finite("v_target", v_target, (rows, count))
        unsupported_mass = finite("unsupported_mass", unsupported_mass, (rows, count))
        if cluster.shape != (rows,) or cluster.dtype != np.uint64:
            raise InvalidInputError(
                f"cluster must be {rows} uint64 keys, got {cluster.dtype} {cluster.shape}"
            )
        samples = [
            Sample(reward, propensity, target_propensity[:, p], q_logged, v_target[:, p])
            for p in range(count)
        ]
        terms = np.empty((rows, count, len(_RATIOS), 2))
        for p, sample in enumerate(samples):
            for r, ratio in enumerate(_RATIOS.values()):
                terms[:, p, r, 0], terms[:, p, r, 1] = ratio(sample)
        weights = terms[:, :, _MEAN_WEIGHT, 0]
        keys, by_cluster = _sum_by_cluster(cluster, terms)
        return self.merge(
            replace(
                self,
                sums=terms.sum(axis=0),
                replicates=self._resample(keys, by_cluster),
                squared_weights=(weights**2).sum(axis=0),
                max_weights=weights.max(axis=0, initial=0.0),
                unsupported=unsupported_mass.sum(axis=0),
                n=rows,
                clusters=keys.size,
            )
        )

    def merge(self, other: Self) -> Self:
        """The rows of both. Raises InvalidInputError unless policies, resamples and seed agree."""
        mine, theirs = ((s.policies, s.seed, s.replicates.shape) for s in (self, other))
        if mine != theirs:
            raise InvalidInputError(f"cannot merge an evaluation of {mine} with one of {theirs}")
        return replace(
            self,
            max_weights=np.maximum(self.max_weights, other.max_weights),
            **{name: getattr(self, name) + getattr(other, name) for name in _SUMS},
        )

    def arrays(self) -> dict[str, AnyArray]:
        """All of the state, to travel between processes without pickle."""
        return {
            "policies": np.array(self.policies),
            "seed": np.asarray(self.seed, dtype=np.uint64),
            "max_weights": self.max_weights,
            **{name: np.asarray(getattr(self, name)) for name in _SUMS},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The state that `arrays()` described."""
        require_names(cls.__name__, arrays, ("policies", "seed", "max_weights", *_SUMS))
        return cls(
            policies=tuple(str(policy) for policy in arrays["policies"]),
            seed=int(arrays["seed"]),
            sums=arrays["sums"],
            replicates=arrays["replicates"],
            squared_weights=arrays["squared_weights"],
            max_weights=arrays["max_weights"],
            unsupported=arrays["unsupported"],
            n=int(arrays["n"]),
            clusters=int(arrays["clusters"]),
        )

    def results(self, confidence: float = 0.95) -> list[Estimate]:
        """Each policy's value by each estimator, then each ordered pair's paired difference.

        stderr is the standard deviation of the replicates, lower and upper are their percentiles; a replicate
        in which an estimator divides by 0 is left out. Raises InvalidInputError unless 0 < confidence < 1."""
        if not 0 < confidence < 1:
            raise InvalidInputError(f"confidence must be in (0, 1), got {confidence}")
        return list(self._estimates(confidence))

    def _estimates(self, confidence: float) -> Iterator[Estimate]:
        values, replicates = _ratio(self.sums), _ratio(self.replicates)
        policies = range(len(self.policies))
        diagnostics = [self._diagnostics(p, values[p], replicates[:, p], confidence) for p in policies]
        pairs: list[tuple[int, int | None]] = [*((p, None) for p in policies), *permutations(policies, 2)]
        for p, q in pairs:
            value = values[p] - (0 if q is None else values[q])
            spread = replicates[:, p] - (0 if q is None else replicates[:, q])
            for r, estimator in enumerate(ESTIMATORS):
                figures = self._interval(value[r], spread[:, r], confidence)
                yield Estimate(
                    policy=self.policies[p],
                    reference=None if q is None else self.policies[q],
                    estimator=estimator,
                    confidence=confidence,
                    interval_method=INTERVAL,
                    n=self.n,
                    clusters=self.clusters,
                    **dict(zip(("value", "stderr", "lower", "upper"), figures, strict=True)),
                    **diagnostics[p],
                )

    def _interval(self, value: float, replicates: Floats, confidence: float) -> Interval:
        """Value, standard error, lower and upper bound."""
        if not np.isfinite(value):
            return None, None, None, None
        defined = replicates[np.isfinite(replicates)]
        if self.clusters < 2 or defined.size < 2:
            return float(value), None, None, None
        lower, upper = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(value), float(defined.std(ddof=1)), float(lower), float(upper)

    def _diagnostics(
        self, p: int, values: Floats, replicates: Floats, confidence: float
    ) -> dict[str, float | None]:
        """What an estimate says of the importance weights of its policy."""
        mean, _, lower, upper = self._interval(values[_MEAN_WEIGHT], replicates[:, _MEAN_WEIGHT], confidence)
        total, squares = self.sums[p, _MEAN_WEIGHT, 0], self.squared_weights[p]
        return {
            "ess": _unless(self.n == 0, total**2 / squares if squares > 0 else 0.0),
            "max_weight": _unless(self.n == 0, self.max_weights[p]),
            "mean_weight": mean,
            "mean_weight_lower": lower,
            "mean_weight_upper": upper,
            "unsupported_share": _unless(self.n == 0, self.unsupported[p] / max(1, self.n)),
        }

    def _resample(self, keys: Keys, by_cluster: Floats) -> Floats:
        """The replicates (B, P, R, 2) of the sums of these clusters (c, P, R, 2)."""
        replicates = np.zeros_like(self.replicates)
        flat = replicates.reshape(len(replicates), -1)
        numbers = np.arange(len(replicates), dtype=np.uint64)[:, None]
        seeded = mix(keys, self.seed)
        for chunk in row_chunks(keys.size, bytes_per_row=8 * len(replicates) * 4):
            counts = poisson1(mix(seeded[None, chunk], numbers)).astype(np.float64)
            flat += counts @ by_cluster[chunk].reshape(-1, flat.shape[1])
        return replicates


def _sum_by_cluster(cluster: Keys, terms: Floats) -> tuple[Keys, Floats]:
    """Distinct clusters in order, and the sums of their rows' terms."""
    order = np.argsort(cluster, kind="stable")
    keys, starts = np.unique(cluster[order], return_index=True)
    return keys, np.add.reduceat(terms[order], starts, axis=0) if keys.size else terms


def _unless(absent: bool, value: float) -> float | None:
    return None if absent else float(value)


def _ratio(sums: Floats) -> Floats:
    """Numerator over denominator; NaN where no row has a denominator."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[..., 1] != 0, sums[..., 0] / sums[..., 1], np.nan)
