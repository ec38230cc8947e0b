"""Programs whose decisions follow one another: what a user does next depends on what was shown before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field

from nightslate.programs.examination import Examination
from nightslate.programs.learners import FittedQLearner, LearnerSpec
from nightslate.programs.rewards import Rewards
from nightslate.programs.strict import MOST_ROWS, Duration, Strict


class Sequence(Strict):
    """A user's decisions form trajectories: one ends where no decision follows within `gap`.

    `discount`: what a reward of the next decision is worth today, for the one after that squared, and so on.
    `longest`: of a trajectory that lasts longer, its last decisions within so long. `max_rows`: decisions
    that are fitted; beyond them, a sample of that size."""

    discount: float = Field(default=1.0, gt=0, le=1)
    gap: Duration
    longest: Duration = timedelta(days=14)
    max_rows: int = Field(default=5_000_000, ge=2, le=MOST_ROWS)

    @property
    def span(self) -> timedelta:
        """How long before the moment at which its end is known a trajectory may have begun."""
        return self.gap + self.longest


def require_fitting_learners(sequence: Sequence | None, learners: Mapping[str, LearnerSpec]) -> None:
    """Raise ValueError unless the learners fit what the program learns from."""
    fitted_q = [name for name, learner in learners.items() if learner.kind == "fitted_q"]
    if sequence is None:
        if fitted_q:
            raise ValueError(f"learners: {fitted_q} learn from sequences; say `sequence: {{gap: 3d}}`")
        return
    others = [
        name
        for name, learner in learners.items()
        if not isinstance(learner, FittedQLearner) and learner.kind != "uniform"
    ]
    if others or not fitted_q:
        raise ValueError(
            f"learners: of a program with `sequence` at least one is fitted_q and others are uniform; got"
            f" {sorted(learners)}"
        )


def require_trajectories(
    sequence: Sequence, slots: int, rewards: Rewards, evaluation_days: int, examination: Examination | None
) -> None:
    """Raise ValueError unless its trajectories can be told from the logs, over `evaluation_days`."""
    if slots > 1:
        raise ValueError(f"slots: a decision of a sequence has one slot, not {slots}")
    if sequence.gap < rewards.longest_window:
        raise ValueError(
            "sequence.gap: it is shorter than the rewards' window, so a trajectory could end before its"
            " rewards are known"
        )
    if timedelta(days=evaluation_days) <= sequence.span:
        hours = sequence.span // timedelta(hours=1)
        raise ValueError(
            f"evaluation.window_days: none of the trajectories that began in {evaluation_days} days is over,"
            f" which takes sequence.gap and sequence.longest, {hours} hours, so nothing could ever be"
            " promoted; read more days, or shorten sequence.longest"
        )
    if rewards.rate:
        raise ValueError("rewards.rate: what a trajectory is worth is a sum of rewards, not a probability")
    if rewards.maturity != "exclude" or examination:
        raise ValueError(
            "sequence: trajectories are learnt from once they are over, and each decision is looked at: leave"
            " out rewards.maturity and examination"
        )
