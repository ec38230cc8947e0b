"""Who gains by the help of each learner, against nothing: the rows of the table `uplift`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import pyarrow as pa

from nightslate.core.uplift import Grid, cost_curve, figures_by_gain
from nightslate.kernels.cross_fitting import Evaluator
from nightslate.kernels.folds import Key
from nightslate.kernels.progressive import Cohorts
from nightslate.kernels.uplift import Uplift
from nightslate.pipeline.matured_logs import Logs
from nightslate.pipeline.night import IssueNight
from nightslate.reports.estimands import PROGRESSIVE

_SAMPLED = 200_000
"""Rows of logs that ranks are made by: of more, those of some users."""


@dataclass(frozen=True)
class Uplifts:
    """How units are judged, and by learner and ranking the groups that they are ranked in."""

    night: IssueNight
    how: Uplift
    grids: Mapping[Key, Grid]

    @classmethod
    def of(
        cls, night: IssueNight, cohorts: Cohorts, evaluator: Evaluator, baseline: str, weighed: Logs
    ) -> Self:
        """One pass over the logs, for the groups."""
        how = Uplift(cohorts, evaluator, baseline, night.issue.rewards.costs, night.name)
        of_one_in = -(-weighed.work.rows // _SAMPLED)
        states = night.engine.fold(
            how.no_priorities(),
            lambda tables: how.priorities(weighed.rows(tables), of_one_in),
            weighed.work,
        )
        return cls(night, how, {key: Grid.of_quantiles(found.values) for key, found in states.items()})

    def initial(self) -> dict[Key, Any]:
        """What no rows say."""
        return self.how.initial(self.grids)

    def update(self, rows: pa.Table) -> Iterator[tuple[Key, Any]]:
        """What all rows of some users say."""
        return self.how.update(rows, self.grids)

    def rows(self, states: Mapping[Key, Any]) -> list[dict[str, Any]]:
        """Of the table."""
        issue = self.night.issue
        confidence = issue.evaluation.confidence
        return [
            {
                "issue": issue.name,
                "learner": learner,
                "estimand": PROGRESSIVE,
                **asdict(figure),
                "confidence": confidence,
                "n": int(by_gain.units.sum()),
                "first_day": days[0],
                "last_day": days[-1],
            }
            for learner, (by_gain, by_cost) in self.how.found(states).items()
            for days in (self.how.days_of[learner],)
            if by_gain.units.any()
            for figure in (
                *figures_by_gain(by_gain.ranked, confidence),
                *cost_curve(by_cost.ranked, confidence),
            )
        ]
