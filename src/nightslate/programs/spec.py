"""A program: one use case, declared once in a YAML file. All that a night needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Literal

from pydantic import Field, model_validator

from nightslate.errors import SpecError
from nightslate.programs.allocable import with_what_makes_slates
from nightslate.programs.computable import require_computable
from nightslate.programs.contacts import ContactRules, require_answerable
from nightslate.programs.contexts import known_of_users
from nightslate.programs.controls import require_withholding
from nightslate.programs.detectors import Detectors, require_names_of_their_own
from nightslate.programs.features import FeatureSpecs
from nightslate.programs.issue import OF_THE_PROGRAM, ONLY, Issue
from nightslate.programs.issue_choice import IssueChoice, require_one_experiment, require_several
from nightslate.programs.keyed_features import KeyedFeature, keyed_of
from nightslate.programs.logs import Feature, Logs
from nightslate.programs.privacy import Privacy, require_cells
from nightslate.programs.retention import Retention, require_keepable
from nightslate.programs.sends import Sends, require_caps, require_sendable
from nightslate.programs.serving import Serving, require_servable
from nightslate.programs.strict import FIRST_DAY, LAST_DAY, Name, Strict, Text
from nightslate.programs.updates import Updates
from nightslate.programs.variants import require_room_for_others

Made = Literal["slates", "assignments", "readouts"]

_OF_ISSUES = {*Issue.model_fields} - {*OF_THE_PROGRAM, "name"}


class Program(Strict):
    """The whole of `dags/NAME.yaml`. What an issue can say may be said beside `issues` too: for all of them,
    or, in a program without that key, for the one that it has.

    `features_as_of`: what models learn from and score by is known as of the end of the day before the
    decision (`snapshot`), or as of the decision (`temporal`). `issue_choice`: how a user whom several issues
    concern gets one of them; None: gets slates of all of them. `updates`: whether models are fitted between
    nights, too."""

    program: Name
    description: Text
    owner: Text = "nightslate"
    start_date: date = Field(ge=FIRST_DAY, le=LAST_DAY)
    engine: Literal["local", "spark"] | None = None
    buckets: int = Field(default=8, ge=1, le=4096, description="user buckets of the tables; fixed for ever")
    logs: Logs
    features: FeatureSpecs = Field(default={}, max_length=1000)
    features_as_of: Literal["snapshot", "temporal"] = "snapshot"
    detectors: Detectors = Field(default={})
    contacts: ContactRules | None = None
    sends: Sends | None = None
    updates: Updates | None = None
    serving: Serving | None = None
    privacy: Privacy | None = Field(default=None, exclude_if=lambda privacy: privacy is None)
    retention: Retention | None = Field(default=None, exclude_if=lambda retention: retention is None)
    issues: dict[Name, Issue] = Field(min_length=1, max_length=100)
    issue_choice: IssueChoice | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_whole_issues(cls, said: Any) -> Any:
        """What is said for all issues, as said by each."""
        if not isinstance(said, dict):
            return said
        for_all = {key: value for key, value in said.items() if key in _OF_ISSUES}
        own = {key: value for key, value in said.items() if key not in _OF_ISSUES}
        issues = own.get("issues", {ONLY: {}})
        if not isinstance(issues, Mapping) or not all(isinstance(each, Mapping) for each in issues.values()):
            return own
        of_program = {key: own[key] for key in OF_THE_PROGRAM if key in own}
        for name, issue in issues.items():
            reserved = [key for key in (*OF_THE_PROGRAM, "contacts", "sends", "name") if key in issue]
            if reserved:
                raise ValueError(f"issues.{name}: {reserved[0]} is said once, for the whole program")
        whole = {
            name: with_what_makes_slates({**for_all, **issue, **of_program, "name": name})
            for name, issue in issues.items()
        }
        return {**own, "issues": whole}

    @model_validator(mode="after")
    def _can_compute_features(self) -> Program:
        require_computable(self.features, self.logs, self.features_as_of)
        require_names_of_their_own(self.detectors, self.context)
        require_servable(self.serving, self.features, self.detectors)
        return self

    @model_validator(mode="after")
    def _can_hold_to_contact_rules(self) -> Program:
        require_answerable(self.contacts, self.logs.context, self.context)
        return self

    @model_validator(mode="after")
    def _goes_with_what_else_it_says(self) -> Program:
        sequences = any(issue.sequence for issue in self.issues.values())
        said = {name: getattr(self, name) is not None for name in ("issue_choice", "serving", "updates")}
        others = {**said, "sequence": sequences}
        require_sendable(self.sends, self.logs, self.context, self.contacts, others)
        for issue in self.issues.values():
            require_room_for_others(issue.variants, others)
        require_caps(self.contacts, self.sends, len(self.issues))
        if self.updates and self.publishes == "readouts":
            raise ValueError(
                "updates: between nights nothing changes; no model is fitted and nobody is assigned"
            )
        return self

    @model_validator(mode="after")
    def _keeps_what_it_needs(self) -> Program:
        require_keepable(self.retention, self)
        require_cells(self.privacy, self.issues)
        return self

    @model_validator(mode="after")
    def _can_withhold_what_controls_go_without(self) -> Program:
        for issue in self.issues.values():
            require_withholding(issue.evaluation.controls, self.withholds)
        return self

    @model_validator(mode="after")
    def _can_tell_issues_apart(self) -> Program:
        if ONLY in self.issues and len(self.issues) > 1:
            raise ValueError(f"issues: {ONLY!r} is the name of an issue that is the only one; choose another")
        sequences = [name for name, issue in self.issues.items() if issue.sequence]
        if sequences and len(self.issues) > 1:
            raise ValueError(
                f"issues: {sequences[0]} has a `sequence`, whose decisions follow one another; a program of"
                " its own keeps them apart from those of other issues"
            )
        return self

    @model_validator(mode="after")
    def _has_issues_to_choose_from(self) -> Program:
        if self.issue_choice:
            require_several(self.issue_choice, self.issues)
            require_one_experiment(self.issues)
        return self

    def read_out_with(self, issue: str) -> str | None:
        """The issue whose readout speaks for this one: its own, or, where users are drawn to one issue, the
        first, of all together. None where nothing is read out."""
        if not self.issues[issue].experiment.metrics:
            return None
        return next(iter(self.issues)) if self.issue_choice else issue

    def issue(self, name: str) -> Issue:
        """Raises SpecError for an issue that the program does not have."""
        if name not in self.issues:
            raise SpecError(f"{self.program} has no issue {name!r} (there: {', '.join(self.issues)})")
        return self.issues[name]

    @property
    def only_issue(self) -> Issue:
        """The issue of a program that has one. Raises SpecError where there are several."""
        if len(self.issues) > 1:
            raise SpecError(f"{self.program} has the issues {', '.join(self.issues)}: say which one")
        (issue,) = self.issues.values()
        return issue

    @property
    def makes_slates(self) -> bool:
        """Whether any issue has slates; one whose variants are all external has none."""
        return any(issue.scored for issue in self.issues.values())

    @property
    def allocates(self) -> bool:
        """Whether the shares of an experiment follow the context."""
        return any(issue.allocation for issue in self.issues.values())

    @property
    def assigned_by_logs(self) -> bool:
        """Whether somebody else says who is in which variant of an experiment."""
        return any(issue.experiment.assigned_by == "logs" for issue in self.issues.values())

    @property
    def publishes(self) -> Made:
        """What its nights are there for."""
        if self.makes_slates:
            return "slates"
        return "assignments" if self.allocates else "readouts"

    @property
    def min_cell(self) -> int:
        """The fewest users of which anything is told; 1 where the program does not say."""
        return self.privacy.min_cell if self.privacy else 1

    @property
    def withholds(self) -> bool:
        """Whether the step `contacts` says who gets no slates: by contact rules, or for want of a channel."""
        return self.contacts is not None or self.sends is not None

    @property
    def caps(self) -> bool:
        """Whether the step `contacts` says which arms are closed to users who get slates all the same."""
        transactional = self.sends is not None and bool(self.sends.transactional)
        return transactional or (self.contacts is not None and bool(self.contacts.caps))

    @property
    def context(self) -> tuple[Feature, ...]:
        """What is known of a user when a decision is made: columns that land, and features."""
        return known_of_users(self.logs, self.features)

    @property
    def keyed(self) -> tuple[KeyedFeature, ...]:
        """What is known of a user and an arm together, beside that."""
        return keyed_of(self.features)

    @property
    def columns_of_contexts(self) -> tuple[str, ...]:
        """All that policies look at: of users, and of users and arms."""
        return (*(feature.name for feature in self.context), *(each.name for each in self.keyed))

    @property
    def slots(self) -> int:
        """The most that a user is shown at once."""
        return max(issue.slots for issue in self.issues.values())

    @property
    def skew(self) -> timedelta:
        """How much earlier than the impression that it names an outcome may seem, to any issue."""
        return max(issue.rewards.skew for issue in self.issues.values())

    @property
    def longest_window(self) -> timedelta:
        """Once it is over, no outcome can change what an impression of any issue has earned."""
        return max(issue.rewards.longest_window for issue in self.issues.values())
