"""The experiment of an issue: its branches, and how users are dealt among them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from nightslate.programs.allocation import Allocation
from nightslate.programs.examination import Examination
from nightslate.programs.readouts import FORMER, MOVED, Covariate, Fatigue, Guardrails, Metric
from nightslate.programs.strict import Name, Share, Strict, Text

EXTERNAL = "external"
"""The policy of a variant whose users somebody else decides for."""


class Variant(Strict):
    """A share of the users, and the policy (or `champion`) they are scored by; those of `external` are scored
    by none: what they get is somebody else's decision, and lands with the logs."""

    share: Share
    policy: Name

    @property
    def external(self) -> bool:
        """Whether somebody else decides for its users."""
        return self.policy == EXTERNAL

    def learner(self, champion: str) -> str:
        """Whose model its users are scored by while this learner is the champion."""
        return champion if self.policy == "champion" else self.policy


class Experiment(Strict):
    """`salt`: who is in which variant follows from it and the user's id; the program's name where it is not
    said. Another salt is another experiment, which deals users anew. `start`: the first day of slates whose
    assignments are recorded. `assigned_by`: the nights, or somebody else, whose `logs` say in `variant` what
    each user was shown; the shares of the variants are those by which it was dealt then.

    What is read out of it: what each variant is worth against the `control`, by `metrics`; within `segments`
    of users as of their first exposure; more precisely by `covariates`; whether `guardrails` hold; and
    how users respond to what they have been shown before (`fatigue`). `weighing`: by the first assignment of
    a user alone, or beside that by the `path`, the days on which users are in it still. `priority`: a
    covariate by which it is asked who gains most, those of whom it is high or others. `former`: the salt
    of an earlier experiment on the same users, whose variants are a segment more. `allocation`: how shares
    follow what is known of each user, and where these moved it is a segment more; None: they are the same
    for all.
    `decided_by`: the metric that decisions go by, which is better if it is higher; the only one, where it is
    not said. Without metrics nothing is read out."""

    salt: Text | None = None
    start: date | None = None
    assigned_by: Literal["nights", "logs"] = "nights"
    control: Name | None = None
    decided_by: Name | None = None
    metrics: dict[Name, Metric] = Field(default={}, max_length=100)
    covariates: dict[Name, Covariate] = Field(default={}, max_length=20)
    segments: Annotated[tuple[Name, ...], Field(strict=False, max_length=20)] = ()
    guardrails: Guardrails = ()
    fatigue: Fatigue | None = None
    weighing: Literal["first", "path"] = "first"
    priority: Name | None = None
    former: Text | None = None
    allocation: Allocation | None = None

    @property
    def told_apart_by(self) -> tuple[Name, ...]:
        """All segments."""
        return (*self.segments, *([FORMER] if self.former else []), *([MOVED] if self.allocation else []))

    @property
    def foremost(self) -> str:
        """The metric that is decided by."""
        return self.decided_by or next(iter(self.metrics))


def require_some_of_ours(
    variants: Mapping[str, Variant], experiment: Experiment, examination: Examination | None
) -> None:
    """Raise ValueError, naming the key, where nobody gets slates, and nobody is allocated by the context or
    by somebody else's logs either, or where traffic that somebody else decided would count as randomised."""
    external = [name for name, variant in variants.items() if variant.external]
    if len(external) == len(variants) and not (experiment.allocation or experiment.assigned_by == "logs"):
        raise ValueError(
            f"variants: somebody else decides for {', '.join(external)}, so that nobody gets slates; add a"
            " variant whose policy is a learner or champion, an experiment.allocation that says who is in"
            " which, or `experiment.assigned_by: logs` where somebody else does"
        )
    if experiment.assigned_by == "logs":
        _require_logged(experiment, variants)
    if external and examination and examination.variant is None:
        raise ValueError(
            f"examination.variant: somebody else decides for {', '.join(external)}, so that not all traffic"
            " is randomised; name the variant whose traffic is"
        )


def require_room_for_others(variants: Mapping[str, Variant], others: Mapping[str, bool]) -> None:
    """Raise ValueError, naming the key, where an external variant stands beside what decides for all users.
    others: by key of the program, whether it is said."""
    external = [name for name, variant in variants.items() if variant.external]
    for key, why in _NOT_BESIDE.items():
        if external and others.get(key):
            raise ValueError(f"variants.{external[0]}.policy: external does not go with `{key}`: {why}")


def _require_logged(experiment: Experiment, variants: Mapping[str, Variant]) -> None:
    """Raise ValueError, naming the key, where a night would say who is in which variant beside the logs, or
    where nothing is read out."""
    ours = [name for name, variant in variants.items() if not variant.external]
    if ours:
        raise ValueError(
            f"experiment.assigned_by: users of {ours[0]} get slates of its policy, so a night has to say who"
            " is in it; make its policy external, or leave the key out"
        )
    if experiment.allocation:
        raise ValueError(
            "experiment.assigned_by: an allocation says who is in which variant; logs can't, too. Leave one"
            " of both out"
        )
    if experiment.control is None:
        raise ValueError(
            "experiment.assigned_by: nothing would come of it; say the `control` and the `metrics` that are"
            " read out"
        )


_NOT_BESIDE = {
    "issue_choice": "which issue a user gets is drawn by what the model of the user's variant expects",
    "sequence": "learners look ahead over what users are shown next, by whomever",
    "serving": "the app decides for whoever asks",
}
