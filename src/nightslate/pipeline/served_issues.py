"""What decisions are served by after a night: who is in which variant, and the model of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from nightslate.errors import SpecError
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.buckets import user_keys
from nightslate.pipeline.champion_reigns import champion_as_of
from nightslate.pipeline.experiments import assignment_recorded
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.released_models import released_tonight
from nightslate.serving.issue_draws import OneOfIssues
from nightslate.serving.ranking import ServedModel
from nightslate.tables import Table


@dataclass(frozen=True)
class ServedIssue:
    """One decision problem. models: by variant."""

    name: str
    slots: int
    propensity: str
    assignment: Assignment
    models: Mapping[str, ServedModel]

    def variant_of(self, user: pa.Table) -> str:
        """The one that the user of this row is in."""
        return str(self.assignment.variants(user_keys(user))[0])


def served_issue(night: IssueNight, models: Table, promotions: Table, allocations: Table) -> ServedIssue:
    """That of a night. Raises SpecError where the program has changed since, and what `released_tonight` and
    `champion_as_of` raise."""
    issue, champion = night.issue, champion_as_of(night, promotions)
    learners = {variant: each.learner(champion) for variant, each in issue.variants.items()}
    released = {learner: released_tonight(night, models, learner) for learner in {*learners.values()}}
    for found in released.values():
        if found.release.context != night.program.context:
            raise SpecError(
                f"{night.name}: logs.context or features are not those that the models of {night.ds} were"
                f" trained on; undo the change, or run the night of {night.ds} again"
            )
    return ServedIssue(
        issue.name,
        issue.slots,
        night.program.logs.propensity,
        assignment_recorded(night, allocations),
        {variant: released[learner] for variant, learner in learners.items()},
    )


def one_of(night: Night, issues: Mapping[str, ServedIssue]) -> OneOfIssues | None:
    """How one of the issues is drawn; None where the program does not say."""
    choice = night.program.issue_choice
    if choice is None:
        return None
    by_issue = {name: (served.assignment, served.models) for name, served in issues.items()}
    return OneOfIssues.released(choice, by_issue)
