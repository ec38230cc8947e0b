"""Which of several issues a served decision is of: drawn among those that concern the user at the moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats, Ints, Keys
from nightslate.core.hashing import mix
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.eligibility import EligibleUsers
from nightslate.kernels.issue_choices import IssuePolicies, drawn, weighed
from nightslate.kernels.scoring import ScoredBy
from nightslate.programs.issue_choice import IssueChoice
from nightslate.serving.release import Release

_PLACE = "_place"


class ReleasedModel(Protocol):
    """A model, and what it was released with."""

    @property
    def release(self) -> Release: ...

    @property
    def model(self) -> ScoredBy: ...


@dataclass(frozen=True)
class OneOfIssues:
    """By issue whom it concerns and what it is expected to gain; as the night draws, but each decision draws
    for itself. floor, baseline: of the program's `issue_choice`."""

    program: str
    issues: Mapping[str, tuple[EligibleUsers, IssuePolicies]]
    floor: float
    baseline: str | None

    @classmethod
    def released(
        cls, declared: IssueChoice, issues: Mapping[str, tuple[Assignment, Mapping[str, ReleasedModel]]]
    ) -> OneOfIssues:
        """By issue who is in which variant, and the model of each, as they were released. declared: for
        releases that do not say how an issue is drawn."""
        by_issue = {}
        for name, (assignment, models) in issues.items():
            release = next(iter(models.values())).release
            policies = {variant: served.model for variant, served in models.items()}
            concerned = EligibleUsers(release.eligible, release.concern)
            by_issue[name] = concerned, IssuePolicies(assignment, policies, release.floor)
        choice = release.choice or declared
        return cls(release.program, by_issue, choice.floor, choice.baseline)

    @property
    def names(self) -> list[str]:
        """In the order of the columns below: that in which a program names them has no say."""
        return sorted(self.issues)

    def chances(self, users: pa.Table) -> Floats:
        """(n, k) the probability of each issue for each row of users with their contexts; 0 in all of a row
        that none concerns."""
        numbered = users.append_column(_PLACE, pa.array(np.arange(users.num_rows)))
        of_issues = []
        for concerns, policies in (self.issues[name] for name in self.names):
            mine = concerns(numbered)
            of_issues.append((mine[_PLACE].to_numpy(), mine, policies))
        return weighed(users.num_rows, of_issues, self.floor, self.baseline)[2]

    def drawn(self, users: pa.Table, chances: Floats, decisions: Keys, day: date) -> Ints:
        """(n,) the place of each decision's issue among `names`; of rows that some issue concerns."""
        return drawn(chances, mix(user_keys(users), decisions), self.program, day)
