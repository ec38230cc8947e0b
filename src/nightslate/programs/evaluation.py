"""How a program's policies are evaluated, and what a challenger must show."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from nightslate.programs.learners import Regressor
from nightslate.programs.rewards import Rewards
from nightslate.programs.strict import MOST_ROWS, Days, Name, Share, Strength, Strict, Worth

ImpressionEstimator = Literal[
    "replay", "ips", "snips", "clipped_ips", "dm", "dr", "sndr", "switch_dr", "dros"
]
DecisionEstimator = Literal["sips", "rips", "snsips", "snrips", "cascade_dr"]
TrajectoryEstimator = Literal["tis", "pdis", "sntis", "snpdis", "traj_dr", "fqe"]
Estimator = ImpressionEstimator | DecisionEstimator | TrajectoryEstimator
ControlName = Literal["random", "without_levers", "propensity_only", "eligibility_only", "present_rule"]
Interval = Literal["bootstrap", "delta", "empirical_bernstein", "hoeffding", "anytime"]
TAKEN_OUT = {
    "empirical_likelihood": "empirical_likelihood was taken out: where weights are heavy it held the truth"
    " less often than delta, and it could exclude its own estimate; take bootstrap or delta, or anytime,"
    " which is guaranteed where the range of rewards is known"
}
"""Intervals that there were, and what to use instead."""

OF_IMPRESSIONS: tuple[str, ...] = get_args(ImpressionEstimator)
OF_DECISIONS: tuple[str, ...] = get_args(DecisionEstimator)
OF_TRAJECTORIES: tuple[str, ...] = get_args(TrajectoryEstimator)
BIASED: tuple[str, ...] = ("replay", "clipped_ips", "dm", "switch_dr", "dros", "fqe")
"""Their standard error knows nothing of their bias, so no gate may go by them."""
NEEDS_RANGE = ("empirical_bernstein", "hoeffding", "anytime")


class Evaluation(Strict):
    """`folds`: users are split by hash; a policy is evaluated only on users it was not fitted on.
    `estimators`: of impressions; of whole decisions where propensities are conditional and slots several; of
    trajectories in programs with `sequence`.
    `reward_range`: the least and the most that one impression can earn, for intervals that need it.
    `reward_model_ridge`: how many rows it takes for DR's reward model to set an arm apart from the others.
    `regressor`: of trajectories, what fits the Q that estimates go by. A learner that is smooth follows no
    noise; a judge that is misses what it is to judge.
    `controls`: policies that the champion is held against, each of which lacks a part of it."""

    window_days: Days = 28
    folds: int = Field(default=4, ge=2, le=20)
    resamples: int = Field(default=1000, ge=100, le=100_000)
    reward_model_ridge: Strength = 100.0
    regressor: Regressor = Regressor()
    estimators: Annotated[tuple[Estimator, ...], Field(strict=False)] = ()
    interval: Interval = "bootstrap"
    reward_range: Annotated[tuple[Worth, Worth], Field(strict=False)] | None = None
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    controls: Annotated[tuple[ControlName, ...], Field(strict=False)] = ()

    @field_validator("interval", mode="before")
    @classmethod
    def _is_still_there(cls, name: object) -> object:
        if isinstance(name, str) and name in TAKEN_OUT:
            raise ValueError(TAKEN_OUT[name])
        return name

    @model_validator(mode="after")
    def _is_consistent(self) -> Evaluation:
        if len(set(self.estimators)) < len(self.estimators):
            raise ValueError(f"estimators: one is named twice in {list(self.estimators)}")
        if len(set(self.controls)) < len(self.controls):
            raise ValueError(f"controls: one is named twice in {list(self.controls)}")
        if self.reward_range and not self.reward_range[0] < self.reward_range[1]:
            raise ValueError(f"reward_range: {self.reward_range[0]} is not under {self.reward_range[1]}")
        if self.interval in NEEDS_RANGE and not self.reward_range:
            raise ValueError(
                f"reward_range: the interval {self.interval} needs the least and the most reward"
            )
        return self


class Gate(Strict):
    """A challenger is promoted once the evidence that it is better than the champion by more than `margin` is
    worth 1 / alpha, with enough effective samples and support. `alpha` is the chance of a false promotion in
    the whole reign of a champion, however many nights it lasts. `max_units`: of a user's impressions of a day
    (decisions or trajectories, where they are weighed as a whole) so many count as evidence, the first
    ones."""

    first_champion: Name
    estimator: Estimator | None = None
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    margin: Worth = Field(default=0.0, ge=0)
    min_ess: float = Field(default=1000.0, gt=0, le=MOST_ROWS)
    max_units: int = Field(default=5, ge=1, le=10_000)
    min_users: int = Field(default=100, ge=2, le=MOST_ROWS)
    max_unsupported_share: Share = 0.01


def require_known_rewards(evaluation: Evaluation, rewards: Rewards) -> None:
    """Raise ValueError where an interval is to be guaranteed for rewards that are estimates: a young one is
    scaled by delays that are estimated, too, and may lie outside `reward_range`."""
    interval = evaluation.interval
    if rewards.maturity == "ipcw" and interval in NEEDS_RANGE:
        raise ValueError(
            f"evaluation.interval: {interval} is guaranteed for rewards that are known, and rewards.maturity:"
            " ipcw estimates those of young impressions; take exclude, or an interval for many users"
        )
