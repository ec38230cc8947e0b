"""How long tables and landing files are kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from nightslate.programs.strict import Duration, Name, Strict
from nightslate.programs.windows import days_looked_back

if TYPE_CHECKING:
    from nightslate.programs.spec import Program

KEPT_FOR_GOOD = {
    "evidence": "the gate takes the evidence of a day once, and never again",
    "ledger": "it holds what promotions promised beside what came",
    "promotions": "who is champion follows from all of them",
    "models": "it vouches for the files of models, which slates and releases name",
    "allocations": "an experiment goes on from what was recorded",
    "multipliers": "decisions that the app served are recomputed by them",
    "readout_decisions": "it holds what an experiment was decided by",
    "rollouts": "an experiment goes on from what was allowed before",
    "effect_models": "which model's scores are gone by follows from all of them",
    "stops": "what was stopped stays so until somebody lets it run again",
    "signals": "what began long ago may not be over yet",
    "forgotten": "it is the proof of what was taken out",
}
"""Tables that nothing is ever taken out of by age, and why."""

SHOWN_ALONE = frozenset(
    {"references", "quarantine", "unattributed", "insights", "exposures", "feature_drift", "delays", "sweeps"}
    | {
        "uplift",
        "controls",
        "evaluations",
        "readouts",
        "sample_ratios",
        "fatigue",
        "sends",
        "served_decisions",
        "scores",
        "rollout_shares",
        "score_contributions",
    }
)
"""Tables that no later night computes with: pages show them."""

LEARNT_FROM = frozenset(
    {"impressions", "outcomes", "users", "arms", "activity", "credits", "features", "features_of_arms"}
    | {
        "feature_states",
        "transitions",
        "risks",
        "slates",
        "assignments",
        "withheld",
        "capped",
        "issue_choices",
    }
)
"""Those that a night goes back to."""

READ_OUT = frozenset(
    {"impressions", "outcomes", "activity", "credits", "features", "arms", "assignments"},
)
"""Those that a readout reads from the start of its experiment on."""


def _whole_days(value: timedelta) -> timedelta:
    if value % timedelta(days=1):
        raise ValueError("days are kept or not: say it in whole days, such as 90d")
    return value


WholeDays = Annotated[Duration, AfterValidator(_whole_days)]


class Retention(Strict):
    """How long days are kept, that of the night included; of those that are not named, for good. `tables`: by
    table. `landing`: the landing files, by log."""

    tables: dict[Name, WholeDays] = Field(default={})
    landing: dict[Name, WholeDays] = Field(default={})


def require_keepable(retention: Retention | None, program: Program) -> None:
    """Raise ValueError, naming the key, for what can't be kept so short, or has to be kept."""
    if retention is None:
        return
    if not retention.tables and not retention.landing:
        raise ValueError("retention: say `tables` or `landing`, or leave it out")
    for log in retention.landing:
        if log not in program.logs.names:
            raise ValueError(
                f"retention.landing: {log!r} is no log of this program (there: {program.logs.names})"
            )
    for name, kept in retention.tables.items():
        place = f"retention.tables.{name}"
        if name in KEPT_FOR_GOOD:
            raise ValueError(f"{place}: it is kept for good: {KEPT_FOR_GOOD[name]}")
        if name not in SHOWN_ALONE | LEARNT_FROM:
            raise ValueError(f"{place}: there is no such table (there: {sorted(SHOWN_ALONE | LEARNT_FROM)})")
        started = _read_out_since(program)
        if name in READ_OUT and started:
            raise ValueError(
                f"{place}: {started} is read out from its first day on, by all that has come since; say it"
                " once the experiment is over, and has no metrics any more"
            )
        if name in LEARNT_FROM:
            _require_long_enough(place, kept, days_looked_back(program))


def _read_out_since(program: Program) -> str:
    """The first experiment that is read out, in words; empty without any."""
    for name, issue in program.issues.items():
        if issue.experiment.metrics:
            since = f", which began on {issue.experiment.start}" if issue.experiment.start else ""
            return f"the experiment of the issue {name}{since},"
    return ""


def _require_long_enough(place: str, kept: timedelta, looked_back: Mapping[str, int]) -> None:
    least = 2 + sum(looked_back.values())  # with the night's own day, and that of features before the first
    if kept < timedelta(days=least):
        figures = " + ".join(f"{days} of {why}" for why, days in looked_back.items() if days)
        raise ValueError(
            f"{place}: {kept.days}d is less than a night goes back: {least} days, {figures} + 2 of its own"
            f" and the day before the first. Say {least}d or more"
        )
