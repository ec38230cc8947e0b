"""The iteration that fits Q to its own backup, for the best arm (fitted Q iteration) or a policy's."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from nightslate.core.arrays import Floats, Ints
from nightslate.core.errors import InvalidInputError
from nightslate.core.fitted_q.members import NOTHING, Member, fit_member
from nightslate.core.fitted_q.rows import Backup, Rows
from nightslate.core.hashing import deal, mix, poisson1
from nightslate.core.policies.best import best_shares
from nightslate.core.policies.sklearn_models import Setting, build


def best_arm(chosen_by: Floats, valued_by: Floats, eligible: Floats) -> Floats:
    """The value of the eligible arm that is best; the mean of those that tie."""
    return np.asarray(np.einsum("ma,ma->m", best_shares(chosen_by, eligible > 0), valued_by))


def expected_arm(_chosen_by: Floats, valued_by: Floats, weights: Floats) -> Floats:
    """The mean value of the arms that a policy chooses with these probabilities."""
    return np.asarray(np.einsum("ma,ma->m", weights, valued_by))


@dataclass(frozen=True)
class Iteration:
    """Q_0 = 0, and Q_k is a regression of reward + discount * backup of Q_(k-1) on states and arms (Ernst,
    Geurts and Wehenkel, 2005, figure 1); of a terminal transition, of the reward alone.

    estimator: a regressor of `sklearn_models.ESTIMATORS`; it sees the state, the arm's features and which arm
    it is, and the product of each pair of features that is named to interact (`Arms.crossed`).
    parameters: what its constructor takes, as a mapping; kept as sorted pairs. Trees grown to the last row
    follow its noise, and a maximum takes noise for value: `min_samples_leaf` bounds that.
    discount: in [0, 1].
    iterations: at most so many regressions. Where no trajectory is longer than T, the T-th knows all that
    follows; more of them carry errors of the regression around where its states do not tell how many steps
    are left.
    tolerance: it ends when the targets have moved no further than this: the root mean square of their change
    over the transitions, relative to their own. A regression is a function of its targets (its seed stays),
    so Q rests when they do. Where Q is exact and no trajectory is longer than T, the targets of iteration
    T + 1 are those of iteration T, and it ends there. Trees that are grown again for targets a little
    different may never rest, and then `iterations` ends it.
    ensemble: so many regressors, each with a seed of its own, whose mean is Q, in the backup too (Anschel,
    Baram and Shimkin, 2017). Each counts a transition as often as Poisson(1) says, drawn from a hash of its
    content: the bootstrap without a pass for sampling (Oza and Russell, 2001).
    double: two such ensembles, each on its half of the transitions, dealt by hash of content. The next arm
    that one finds best is valued by the other, which did not see the rewards that made it look best (van
    Hasselt, 2010). Q is the mean of both."""

    estimator: str
    parameters: Mapping[str, Setting] | tuple[tuple[str, Setting], ...] = ()
    discount: float = 1.0
    iterations: int = 50
    tolerance: float = 1e-3
    ensemble: int = 1
    double: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(sorted(dict(self.parameters).items())))
        if hasattr(build(self.estimator, dict(self.parameters), seed=0), "predict_proba"):
            raise InvalidInputError(f"estimator must be a regressor, got {self.estimator}")
        if not 0 <= self.discount <= 1:
            raise InvalidInputError(f"discount must be in [0, 1], got {self.discount}")
        if not self.tolerance >= 0:
            raise InvalidInputError(f"tolerance must be at least 0, got {self.tolerance}")
        for name in ("iterations", "ensemble"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"{name} must be at least 1, got {getattr(self, name)}")

    def run(self, rows: Rows, backup: Backup, seed: int) -> tuple[list[Member], Floats]:
        """The regressors whose mean is Q, and the curve of how far the targets moved, iteration by
        iteration. Raises InvalidInputError for targets or parameters that the estimator can't be fitted
        with."""
        team_of = deal(rows.keys, seed, 1 + self.double)
        shares = [np.flatnonzero(team_of == team) for team in range(1 + self.double)]
        teams: list[list[Member]] = [[NOTHING] for _ in shares]
        target, curve = np.zeros(rows.rewards.size), []
        for _ in range(self.iterations):
            before = target
            # threads that wait for each other on busy cores take several times as long as one
            with threadpool_limits(limits=1):
                following = rows.backed_up(teams, team_of, backup)
            target = rows.rewards + self.discount * following
            curve.append(_relative(target - before, target))
            if curve[-1] <= self.tolerance:
                break
            teams = [
                [
                    self._member(rows, share, target, int(mix(seed, team * self.ensemble + member)))
                    for member in range(self.ensemble)
                ]
                for team, share in enumerate(shares)
            ]
        return [member for team in teams for member in team], np.array(curve)

    def _member(self, rows: Rows, share: Ints, target: Floats, seed: int) -> Member:
        regressor = build(self.estimator, dict(self.parameters), seed)
        if self.ensemble == 1:
            return fit_member(regressor, rows.design[share], target[share], None)
        counts = poisson1(mix(rows.keys[share], seed))
        share, counts = share[counts > 0], counts[counts > 0]
        return fit_member(regressor, rows.design[share], target[share], counts.astype(np.float64))


def _relative(change: Floats, target: Floats) -> float:
    moved = float(np.linalg.norm(change))
    return moved / float(np.linalg.norm(target)) if moved else 0.0
