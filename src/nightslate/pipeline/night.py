"""What a night is about and works with: a program, a day, a warehouse and an engine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from nightslate import programs, settings
from nightslate.contracts import Contract, load
from nightslate.contracts.features import feature_column
from nightslate.engines import Engine, LocalEngine
from nightslate.errors import SpecError
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.kernels.trajectories import NEXT
from nightslate.programs import Issue, Program
from nightslate.programs.contexts import context_of
from nightslate.programs.features import of_arms, of_each_user, of_users
from nightslate.programs.logs import ActivityColumn, Feature
from nightslate.programs.strict import FIRST_DAY, LAST_DAY
from nightslate.tables import Table, Warehouse

if TYPE_CHECKING:  # MLflow takes seconds to import, and half of the steps don't need it
    from nightslate.models.client import Client
    from nightslate.models.registry import Registry
    from nightslate.models.tracking import NightRun


@dataclass(frozen=True)
class Night:
    """One night of one program: `ds` is the UTC day of its data, its slates are for the day after.
    `pseudonymiser`: of its logs' user ids; None for that of the environment's key."""

    program: Program
    ds: date
    home: Path
    engine: Engine = field(default_factory=LocalEngine, compare=False)
    pseudonymiser: Pseudonymiser | None = field(default=None, compare=False)

    @classmethod
    def named(cls, program: str | Program, ds: str) -> Night:
        """The night that a command line names; a program that is a name is one of the DAGs folder. Raises
        SpecError for an unknown program or a malformed day."""
        try:
            day = date.fromisoformat(ds)
        except ValueError as error:
            raise SpecError(f"{ds!r} is not a day: write YYYY-MM-DD") from error
        if not FIRST_DAY <= day <= LAST_DAY:
            raise SpecError(f"{ds} is no day of data: choose one from {FIRST_DAY} to {LAST_DAY}")
        found = programs.find(program) if isinstance(program, str) else program
        return cls(found, day, settings.home())

    @property
    def name(self) -> str:
        return self.program.program

    @property
    def slate_date(self) -> date:
        return self.ds + timedelta(days=1)

    @property
    def published(self) -> tuple[str, date]:
        """The table of what the night gives to users, and the day of its rows."""
        if self.program.publishes == "slates":
            return "slates", self.slate_date
        return "assignments", self.ds if self.program.publishes == "readouts" else self.slate_date

    @cached_property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.home)

    @property
    def scratch(self) -> Path:
        """Where the tasks of a step leave rows to one another."""
        return self.warehouse.scratch(self.name)

    @property
    def data_docs(self) -> Path:
        """Where Great Expectations keeps its results and its pages."""
        return self.home / "reports" / "expectations" / self.name

    @cached_property
    def mlflow(self) -> Client:
        from nightslate.models.client import connect

        return connect(self.home)

    def contract(self, table: str) -> Contract:
        """The contract of a table of this program: with its own columns, no more slots than it has, and a
        partition for each issue where it tells several apart."""
        own = [feature_column(column.name, column.type) for column in self._own_columns(table)]
        if table == "features":
            by_arm = [each for each in of_each_user(self.program.features) if each.spec.by]
            own += [feature_column(each.name, "by_arm") for each in by_arm]
        if table == "features_of_arms":
            own += [feature_column(each.name, "number") for each in of_arms(self.program.features)]
        if table == "arms":
            own += [feature_column(name, "day") for name in self.program.logs.arm_dates]
        if table == "transitions":
            own += [replace(column, name=NEXT + column.name) for column in own]
        contract = load(table).with_columns(own)
        if table == "impressions":
            contract = contract.with_maximum("slot", self.program.slots)
        if table == "activity":  # whose rows are known by all that they say
            contract = replace(contract, key=(*contract.key, *(column.name for column in own)))
            if self.program.features_as_of == "temporal":
                contract = contract.with_required("landed_at")
        return replace(contract, by_issue=len(self.program.issues) > 1 and contract.tells_issues_apart)

    def _own_columns(self, table: str) -> Sequence[Feature | ActivityColumn]:
        """What the program declares of a table."""
        logs = self.program.logs
        columns: dict[str, Sequence[Feature | ActivityColumn]] = {
            "impressions": logs.context,
            "users": logs.context,
            "arms": logs.arm_features,
            "activity": logs.activity.columns if logs.activity else (),
            "features": context_of(of_users(self.program.features)),
            "transitions": self.program.context,
        }
        return columns.get(table, ())

    def table(self, table: str) -> Table:
        return self.warehouse.table(self.name, self.contract(table))

    def rows(self, table: str, since: date | None = None) -> pa.Table:
        """The rows of a table from `since` (default: this night) up to this night, for who is no step."""
        return self.table(table).rows(since or self.ds, self.ds)

    def on(self, engine: Engine) -> Self:
        """This night, run by another engine."""
        return replace(self, engine=engine)

    def at(self, day: date) -> Self:
        """The night of another day."""
        return replace(self, ds=day)

    def of_issue(self, name: str) -> IssueNight:
        """What this night is about for one issue. Raises SpecError where the program has no such issue."""
        issue = self.program.issue(name)
        return IssueNight(self.program, self.ds, self.home, self.engine, self.pseudonymiser, issue=issue)

    @property
    def issues(self) -> list[IssueNight]:
        """What this night is about for each issue."""
        return [self.of_issue(name) for name in self.program.issues]

    @property
    def commit_metadata(self) -> dict[str, str]:
        """What differs from run to run, kept with the commit and out of the rows."""
        return {
            "nightslate.run": settings.run_id(),
            "nightslate.spec_sha256": hashlib.sha256(self.program.model_dump_json().encode()).hexdigest(),
        }


@dataclass(frozen=True)
class IssueNight(Night):
    """A night of one issue. Of tables that have a partition for each issue, it sees its own."""

    issue: Issue = field(kw_only=True)

    def table(self, table: str) -> Table:
        return super().table(table).of_issue(self.issue.name)

    @property
    def only(self) -> str | None:
        """The issue whose rows are looked for in logs of several; None where all of them are of one."""
        return self.issue.name if len(self.program.issues) > 1 else None

    @cached_property
    def registry(self) -> Registry:
        from nightslate.models.registry import Registry

        return Registry(self.mlflow, self.name, self.issue.name)

    def run(self) -> NightRun:
        """The MLflow run of this night, which the step `train` begins; where there is none, whoever asks."""
        from nightslate.models.tracking import NightRun

        found = NightRun.latest if self.issue.learners else NightRun.begun
        return found(self.mlflow, self.home, self.name, self.ds, self.issue.name)
