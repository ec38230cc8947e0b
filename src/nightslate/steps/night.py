"""What every step of a night works with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from nightslate import programs
from nightslate.contracts import Column, Contract, load
from nightslate.engines import Engine, LocalEngine
from nightslate.errors import CommitConflictError, NightslateError, SpecError, SupersededError
from nightslate.kernels.trajectories import NEXT
from nightslate.programs import STEP_NAMES, Program
from nightslate.programs.cohorts import cohorts_of, modelled_on
from nightslate.programs.days import days_before, first_day
from nightslate.programs.strict import FIRST_DAY, LAST_DAY
from nightslate.steps.causes import cause
from nightslate.tables import Table, Warehouse

if TYPE_CHECKING:  # MLflow takes seconds to import, and half of the steps don't need it
    from nightslate.models.client import Client
    from nightslate.models.tracking import NightRun, Registry

ISSUE = "all"
"""The one issue of a program that does not tell several apart."""

LATE_DAYS = 7
"""An outcome that comes up to so many days after its window is known to be late; later ones match nothing."""

_CONTEXT = ("impressions", "users", "transitions")
_FEATURES = {
    "category": Column(name="category", type="string", max_length=500),
    "number": Column(name="number", type="double", minimum=-(10**15), maximum=10**15),
}
"""What a feature may be that a landing file brings: its square, and sums of such, are numbers still."""


def home_from_environment() -> Path:
    """Where the warehouse is: $NIGHTSLATE_HOME, else ./warehouse."""
    return Path(os.environ.get("NIGHTSLATE_HOME", "warehouse")).absolute()


@dataclass(frozen=True)
class Night:
    """One night of one program: `ds` is the UTC day of its data, its slates are for the day after."""

    program: Program
    ds: date
    home: Path
    engine: Engine = field(default_factory=LocalEngine, compare=False)

    @classmethod
    def of(cls, program: str, ds: str) -> Night:
        """The night that a command line names. Raises SpecError for an unknown program or a malformed day."""
        try:
            day = date.fromisoformat(ds)
        except ValueError as error:
            raise SpecError(f"{ds!r} is not a day: write YYYY-MM-DD") from error
        if not FIRST_DAY <= day <= LAST_DAY:
            raise SpecError(f"{ds} is no day of data: choose one from {FIRST_DAY} to {LAST_DAY}")
        return cls(programs.find(program), day, home_from_environment())

    @property
    def name(self) -> str:
        return self.program.program

    @property
    def slate_date(self) -> date:
        return self.ds + timedelta(days=1)

    @cached_property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.home)

    @property
    def data_docs(self) -> Path:
        """Where Great Expectations keeps its results and its pages."""
        return self.home / "reports" / "expectations" / self.name

    @cached_property
    def mlflow(self) -> Client:
        from nightslate.models.client import connect

        return connect(self.home)

    @cached_property
    def registry(self) -> Registry:
        from nightslate.models.tracking import Registry

        return Registry(self.mlflow, self.name)

    def run(self) -> NightRun:
        """The MLflow run of this night."""
        from nightslate.models.tracking import NightRun

        return NightRun.latest(self.mlflow, self.home, self.name, self.ds)

    def contract(self, table: str) -> Contract:
        """The contract of a table of this program: with its own columns, and no more slots than it has."""
        logs = self.program.logs
        features = logs.context if table in _CONTEXT else logs.arm_features if table == "arms" else ()
        extra = [replace(_FEATURES[feature.type], name=feature.name) for feature in features]
        if table == "transitions":
            extra += [replace(column, name=NEXT + column.name) for column in extra]
        contract = load(table).with_columns(extra)
        return contract.with_maximum("slot", self.program.slots) if table == "impressions" else contract

    def table(self, table: str) -> Table:
        return self.warehouse.table(self.name, self.contract(table))

    def rows(self, table: str, since: date | None = None) -> pa.Table:
        """The rows of a small table from `since` (default: this night) up to this night."""
        return self.table(table).snapshot().to_arrow(since or self.ds, self.ds)

    def arms(self) -> tuple[str, ...]:
        """The arms of the day, in a fixed order."""
        return tuple(sorted(self.rows("arms")["arm_id"].to_pylist()))

    def on(self, engine: Engine) -> Night:
        """This night, run by another engine."""
        return replace(self, engine=engine)

    def at(self, day: date) -> Night:
        """The night of another day."""
        return replace(self, ds=day)

    @property
    def days_learnt_from(self) -> list[date]:
        """The days before this one that training and evaluation read, the oldest first; and those that nights
        read which have to be trained before this one can be evaluated."""
        training, evaluation = self.program.training.window_days, self.program.evaluation.window_days
        windows = [first_day(self.ds, max(training, evaluation))]
        windows += [first_day(night, training) for night in self.nights_without_models]
        return self._before((self.ds - min(windows)).days + 1)

    @property
    def nights_without_models(self) -> list[date]:
        """The nights before this one whose models its cohorts are weighed by and that were never trained, the
        oldest first."""
        wanted = {modelled_on(self.program, day) for day in cohorts_of(self.program, self.ds)} - {self.ds}
        return sorted(wanted - {*self.table("models").snapshot().days()})

    def days_looked_back_on(self, with_attribution: bool = False) -> list[date]:
        """The days before this one whose logs training and evaluation go back to, the oldest first: those
        that they learn from, and in which trajectories began that ended there. `with_attribution`: also those
        before them whose impressions may be credited with outcomes of the oldest."""
        days = 1 + len(self.days_learnt_from)
        days += days_before(self.program.sequence.span) if self.program.sequence else 0
        return self._before(days + (self.days_attributed if with_attribution else 0))

    @property
    def days_attributed_to(self) -> list[date]:
        """The days before this one whose impressions its outcomes may be credited to, the oldest first."""
        return self._before(1 + self.days_attributed)

    def _before(self, days: int) -> list[date]:
        """All but the last of the `days` days that end with this one."""
        return [self.ds - timedelta(days=back) for back in range(days - 1, 0, -1)]

    @property
    def days_attributed(self) -> int:
        """How many days before an outcome's day its impressions are looked for: those of the longest window,
        and some more, in which an impression is too old and its outcome late."""
        return days_before(self.program.rewards.longest_window) + LATE_DAYS

    @property
    def commit_metadata(self) -> dict[str, str]:
        """What differs from run to run, kept with the commit and out of the rows."""
        return {
            "nightslate.run": os.environ.get("NIGHTSLATE_RUN_ID", "command line"),
            "nightslate.spec_sha256": hashlib.sha256(self.program.model_dump_json().encode()).hexdigest(),
        }


@contextmanager
def shared_with_other_nights() -> Iterator[None]:
    """Nights take in the days before theirs too, so two of them may meet at a day. Who is overtaken there is
    not done: it has to look again, once the other has written all tables of that day."""
    try:
        yield
    except SupersededError as error:
        raise CommitConflictError(f"another night is at the same day; try again: {error}") from error


def run_step(step: str, night: Night) -> str:
    """Run one step of the plan; returns one line about what it did. Raises what the step raises, and then the
    night's run in MLflow ends as failed, with the reason."""
    if step not in STEP_NAMES:
        raise SpecError(f"no step {step!r}; the steps of a night are {', '.join(STEP_NAMES)}")
    if night.ds < night.program.start_date:
        raise SpecError(
            f"the night of {night.ds} is before {night.program.start_date}, the start_date of {night.name}:"
            " set that earlier if its data begin earlier, or choose a later night"
        )
    try:
        return _run(step, night)
    except BaseException as error:
        _fail_run(step, night, error)
        raise


def _run(step: str, night: Night) -> str:
    try:
        return str(import_module(f"nightslate.steps.{step}").run(night))
    except Exception as error:
        found = cause(error, night.home)
        if found is None or found is error:
            raise
        raise found from error


def _fail_run(step: str, night: Night, error: BaseException) -> None:
    """Ends the night's run in MLflow, which `train` begins. An attempt that was overtaken has none."""
    if STEP_NAMES.index(step) < STEP_NAMES.index("train") or isinstance(error, SupersededError):
        return
    with suppress(NightslateError):  # the store may be what failed
        run = night.run()
        if run.running or step != "train":
            run.fail(f"{step}: {_reason(error)}")


def _reason(error: BaseException) -> str:
    if isinstance(error, NightslateError):
        return f"{type(error).__name__}: {error}"
    # What is not an error of ours may name anything, raw ids too.
    return f"{type(error).__name__}, see its log" if isinstance(error, Exception) else "it was told to stop"
