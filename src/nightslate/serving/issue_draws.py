"""Which of several issues a served decision is of: drawn among those that concern the user at the moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from nightslate.core.arrays import Floats, Ints, Keys
from nightslate.core.hashing import mix
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.eligibility import EligibleUsers
from nightslate.kernels.issue_choices import IssuePolicies, drawn, weighed

_PLACE = "_place"


@dataclass(frozen=True)
class OneOfIssues:
    """By issue whom it concerns and what it is expected to gain; as the night draws, but each decision draws
    for itself. floor, baseline: of the program's `issue_choice`."""

    program: str
    issues: Mapping[str, tuple[EligibleUsers, IssuePolicies]]
    floor: float
    baseline: str | None

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
