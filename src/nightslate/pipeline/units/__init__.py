"""How an issue is learnt and evaluated, by what its evaluation weighs at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pyarrow as pa

from nightslate.kernels.control_evaluation import Controlled
from nightslate.kernels.progressive import Cohorts
from nightslate.pipeline.log_tables import LogTables
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.units.impressions import OnImpressions
from nightslate.pipeline.units.results import ControlsFound, Evaluated, Trained
from nightslate.pipeline.units.trajectories import OnTrajectories
from nightslate.programs.units import DECISION, IMPRESSION, TRAJECTORY


class Task(Protocol):
    """Training and evaluation on one kind of unit."""

    def trained(self, night: IssueNight, logs: LogTables, offered: pa.Table) -> Trained:
        """Every learner on what is known of the training window; `offered`: the arms of the day."""

    def evaluated(
        self,
        night: IssueNight,
        logs: LogTables,
        offered: pa.Table,
        cohorts: Cohorts,
        epsilons: Mapping[str, float],
    ) -> Evaluated:
        """Every learner on users that it was not fitted on, and on the cohorts by models of before.
        `epsilons`: of the learners whose epsilon the night has chosen."""

    def against_controls(
        self, night: IssueNight, logs: LogTables, offered: pa.Table, controlled: Controlled
    ) -> ControlsFound:
        """The champion of each day, and the controls that it is held against."""


ON_IMPRESSIONS = OnImpressions()

TASKS: dict[str, Task] = {
    IMPRESSION.name: ON_IMPRESSIONS,
    DECISION.name: ON_IMPRESSIONS,
    TRAJECTORY.name: OnTrajectories(),
}


def task_of(night: IssueNight) -> Task:
    """That of the issue."""
    return TASKS[night.issue.unit.name]
