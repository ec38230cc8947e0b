"""The figures of a simulation: what was earned, estimated and decided, beside what is true."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, ClassVar

from nightslate.programs.issue import ONLY
from nightslate.reports.estimands import CROSS_FITTED, ESTIMANDS, PROGRESSIVE

PERSONALISED, RANDOMISED = "personalised", "randomised"
"""The variants of the experiment that every simulation compares."""

HEADLINE_DAYS = 7
"""How many days the headline is about, the last ones."""

Row = dict[str, Any]


def named(row: Row, column: str) -> str:
    """A learner as one names it: with the issue whose it is, where a program has several."""
    return row[column] if row["issue"] == ONLY else f"{row['issue']}: {row[column]}"


@dataclass(frozen=True)
class Results:
    """The figures of the simulation of any world, as they are also kept in a JSON file. Rewards are expected
    by the world, unless they say that they were drawn.

    lift: value, lower, upper, confidence, of drawn rewards over the last days; None where nothing was earned.
    read_over: how many last days the headline is about. reached: the share of the possible lift on them.
    looks: ds, issue, challenger, champion, decision, difference, lower, truth: what the gate saw, and was
    true (None where that is not known).
    estimates: ds, issue, estimand, policy, value, lower, upper, truth (of what the estimate is about),
    realised (the day after, of the champion, beside what is cross-fitted, else None).
    """

    program: str
    description: str
    reward: str
    seed: int
    users: int
    first_day: date
    nights: int
    estimator: str
    confidence: float
    read_over: int
    lift: Row | None
    reached: float | None
    looks: list[Row]
    estimates: list[Row]
    seconds: dict[str, float]

    earning: ClassVar[str]
    """Who or what earns something, and the verb."""
    span: ClassVar[str]
    """What `read_over` counts."""
    control: ClassVar[str] = "randomised ones"
    """What the lift is over."""
    possible: ClassVar[str] = "the lift that was possible"
    """What `reached` is a share of."""

    @property
    def promoted(self) -> list[Row]:
        """The promotions, in order."""
        return [look for look in self.looks if look["decision"] == "promoted"]

    @property
    def wrongly_promoted(self) -> list[Row]:
        """Those of a policy that was worse in truth than the champion it replaced."""
        return [look for look in self.promoted if look["truth"] is not None and look["truth"] < 0]

    @property
    def champion_since(self) -> dict[int, str]:
        """By number of the day, from 1: who is champion from then on. The night after a promotion is the
        first to score with it, and its slates are for the day after that."""
        since = dict[int, str]()
        for look in self.promoted:
            day, name = (date.fromisoformat(look["ds"]) - self.first_day).days + 3, named(look, "challenger")
            since[day] = f"{since[day]}, {name}" if day in since else name
        return since

    @property
    def leading_estimand(self) -> str:
        """The estimand that the nights' pages lead with, as soon as one has it."""
        return PROGRESSIVE if self.covered("truth", PROGRESSIVE)[1] else CROSS_FITTED

    def covered(
        self, truth: str, estimand: str, policy: str | None = None, issue: str | None = None
    ) -> tuple[int, int]:
        """How many intervals of an estimand held the value in the column `truth`, and of how many: of one
        policy and issue or all."""
        judged = [
            row
            for row in self.estimates
            if row["estimand"] == estimand
            and row[truth] is not None
            and row["lower"] is not None
            and policy in (None, row["policy"])
            and issue in (None, row["issue"])
        ]
        return sum(row["lower"] <= row[truth] <= row["upper"] for row in judged), len(judged)

    def as_json(self) -> Row:
        """What the JSON file holds: every field, and the counts."""
        return {
            **asdict(self),
            "first_day": self.first_day.isoformat(),
            "promotions": len(self.promoted),
            "wrong_promotions": len(self.wrongly_promoted),
            "covered_truth": {estimand: self.covered("truth", estimand) for estimand in ESTIMANDS},
            "covered_realised": self.covered("realised", CROSS_FITTED),
        }
