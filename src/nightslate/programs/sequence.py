"""Programs whose decisions follow one another: what a user does next depends on what was shown before."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from nightslate.programs.learners import FittedQLearner
from nightslate.programs.strict import MOST_ROWS, Duration, Strict

if TYPE_CHECKING:
    from nightslate.programs.spec import Program


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


def require_sequence(program: Program) -> None:
    """Raise ValueError unless the learners fit what the program learns from, and its trajectories can be
    told from the logs."""
    fitted_q = [name for name, learner in program.learners.items() if learner.kind == "fitted_q"]
    sequence = program.sequence
    if sequence is None:
        if fitted_q:
            raise ValueError(f"learners: {fitted_q} learn from sequences; say `sequence: {{gap: 3d}}`")
        return
    others = [
        name
        for name, learner in program.learners.items()
        if not isinstance(learner, FittedQLearner) and learner.kind != "uniform"
    ]
    if others or not fitted_q:
        raise ValueError(
            f"learners: of a program with `sequence` at least one is fitted_q and others are uniform; got"
            f" {sorted(program.learners)}"
        )
    if program.slots > 1:
        raise ValueError(f"slots: a decision of a sequence has one slot, not {program.slots}")
    if sequence.gap < program.rewards.longest_window:
        raise ValueError(
            "sequence.gap: it is shorter than the rewards' window, so a trajectory could end before its"
            " rewards are known"
        )
    days = program.evaluation.window_days
    if timedelta(days=days) <= sequence.span:
        raise ValueError(
            f"evaluation.window_days: none of the trajectories that began in {days} days is over, which takes"
            f" sequence.gap and sequence.longest, {sequence.span // timedelta(hours=1)} hours, so nothing"
            " could ever be promoted; read more days, or shorten sequence.longest"
        )
    if program.rewards.rate:
        raise ValueError("rewards.rate: what a trajectory is worth is a sum of rewards, not a probability")
    if program.rewards.maturity != "exclude" or program.examination:
        raise ValueError(
            "sequence: trajectories are learnt from once they are over, and each decision is looked at: leave"
            " out rewards.maturity and examination"
        )
