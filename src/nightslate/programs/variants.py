"""The experiment of an issue: its branches, and how users are dealt among them."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from nightslate.programs.readouts import FORMER, Covariate, Fatigue, Guardrails, Metric
from nightslate.programs.strict import Name, Share, Strict, Text


class Variant(Strict):
    """A share of the users, and the policy (or `champion`) they are scored by."""

    share: Share
    policy: Name

    def learner(self, champion: str) -> str:
        """Whose model its users are scored by while this learner is the champion."""
        return champion if self.policy == "champion" else self.policy


class Experiment(Strict):
    """`salt`: who is in which variant follows from it and the user's id; the program's name where it is not
    said. Another salt is another experiment, which deals users anew. `start`: the first day of slates whose
    assignments are recorded.

    What is read out of it: what each variant is worth against the `control`, by `metrics`; within `segments`
    of users as of their first exposure; more precisely by `covariates`; whether `guardrails` hold; and
    how users respond to what they have been shown before (`fatigue`). `former`: the salt
    of an earlier experiment on the same users, whose variants are a segment more.
    `decided_by`: the metric that decisions go by, which is better if it is higher; the only one, where it is
    not said. Without metrics nothing is read out."""

    salt: Text | None = None
    start: date | None = None
    control: Name | None = None
    decided_by: Name | None = None
    metrics: dict[Name, Metric] = Field(default={}, max_length=100)
    covariates: dict[Name, Covariate] = Field(default={}, max_length=20)
    segments: Annotated[tuple[Name, ...], Field(strict=False, max_length=20)] = ()
    guardrails: Guardrails = ()
    fatigue: Fatigue | None = None
    former: Text | None = None

    @property
    def told_apart_by(self) -> tuple[Name, ...]:
        """All segments."""
        return (*self.segments, *([FORMER] if self.former else []))

    @property
    def foremost(self) -> str:
        """The metric that is decided by."""
        return self.decided_by or next(iter(self.metrics))
