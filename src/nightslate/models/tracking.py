"""MLflow: one run a night and attempt."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunStatus, RunTag

from nightslate.errors import ModelError
from nightslate.models.client import AbsentError, Client, TakenError
from nightslate.programs.issue import ONLY
from nightslate.tables import Snapshot

T = TypeVar("T")

REASON = "nightslate.failed"
_ISSUE = "nightslate.issue"
"""The tag of a run that says why its night failed."""

_REASON_LENGTH = 1000
_MOST_AT_ONCE = 100
"""Settings, tags or figures in a request: MLflow takes no more of some of these."""
_GIVEN_UP = timedelta(days=1)
_DATASET_DIGEST = 12
"""Characters: MLflow takes 36 at most."""


@dataclass(frozen=True)
class NightRun:
    """The MLflow run that the steps of one night write into."""

    client: Client
    run: Run

    @classmethod
    def start(cls, client: Client, home: Path, program: str, ds: date, issue: str = ONLY) -> NightRun:
        """A new run for the night of ds: what `train` does. Older runs stay as they are, but for those that
        their processes can't have ended: see `_end_stopped`."""
        experiment = _experiment(client, home, program)
        name = f"{program} {ds}" if issue == ONLY else f"{program} {issue} {ds}"
        _end_stopped(client, experiment, ds, issue)
        tags = {
            "mlflow.runName": name,
            "nightslate.program": program,
            "nightslate.ds": ds.isoformat(),
            _ISSUE: issue,
        }
        return cls(client, client.create_run(experiment, tags=tags, run_name=name))

    @classmethod
    def of_update(cls, client: Client, home: Path, program: str, ds: date, issue: str = ONLY) -> NightRun:
        """A new run for an update within the day ds. No step of a night finds it."""
        name = f"{program} {ds} update" if issue == ONLY else f"{program} {issue} {ds} update"
        tags = {
            "mlflow.runName": name,
            "nightslate.program": program,
            "nightslate.update": ds.isoformat(),
            _ISSUE: issue,
        }
        return cls(client, client.create_run(_experiment(client, home, program), tags=tags, run_name=name))

    @classmethod
    def begun(cls, client: Client, home: Path, program: str, ds: date, issue: str = ONLY) -> NightRun:
        """The newest run of the night, or a new one where there is none: of nights that train nothing."""
        try:
            return cls.latest(client, home, program, ds, issue)
        except ModelError:
            return cls.start(client, home, program, ds, issue)

    @classmethod
    def latest(cls, client: Client, home: Path, program: str, ds: date, issue: str = ONLY) -> NightRun:
        """The newest run of the night. Raises ModelError if it was never trained."""
        runs = client.search_runs(
            [_experiment(client, home, program)],
            filter_string=f"tags.`nightslate.ds` = '{ds.isoformat()}'{_of_issue(issue)}",
            order_by=["attributes.start_time DESC"],
            max_results=1,
        )
        if not runs:
            raise ModelError(
                f"MLflow has no run of {program} for {ds}: run the step `train` of that night first"
            )
        return cls(client, runs[0])

    @property
    def id(self) -> str:
        return str(self.run.info.run_id)

    def log_params(self, params: Mapping[str, object]) -> None:
        """Settings and facts; a value that is already there is left alone."""
        known = self.client.get_run(self.id).data.params
        fresh = [Param(name, str(value)) for name, value in params.items() if name not in known]
        for some in _batched(fresh, _MOST_AT_ONCE):
            self.client.log_batch(self.id, params=some)

    def log_version(self, learner: str, digest: str, version: str) -> None:
        """Which version of the registered model a learner of the night has."""
        self.log_params({f"{learner}.digest": digest, f"{learner}.version": version})

    def version_of(self, learner: str) -> str | None:
        """What `log_version` has said of a learner; None where it has said nothing."""
        version = self.run.data.params.get(f"{learner}.version")
        return None if version is None else str(version)

    def log_tables(self, tables: Iterable[Snapshot], context: str) -> None:
        """What the run has read, and what for: Delta tables, each as of its version; those that nobody has
        written yet are left out. Issues that are trained side by side read the same: whoever comes second
        to write down a version is refused, and finds it there when asking again."""
        tag = InputTag("mlflow.data.context", context)
        read = [DatasetInput(_dataset(each), [tag]) for each in tables if each.version >= 0]
        for each in read:
            try:
                self.client.log_inputs(self.id, [each])
            except TakenError:
                self.client.log_inputs(self.id, [each])

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Facts that a rerun of a step may change; what is there is replaced."""
        for some in _batched([RunTag(name, value) for name, value in tags.items()], _MOST_AT_ONCE):
            self.client.log_batch(self.id, tags=some)

    def log_metrics(self, metrics: Mapping[str, float | None]) -> None:
        """Figures; those that are None are not logged."""
        self._log([(name, value, 0) for name, value in metrics.items() if value is not None])

    def log_curve(self, name: str, values: Iterable[float]) -> None:
        """A figure by iteration, from 1, which MLflow draws as a line."""
        self._log([(name, value, iteration) for iteration, value in enumerate(values, start=1)])

    def _log(self, figures: Sequence[tuple[str, float, int]]) -> None:
        now = int(datetime.now(UTC).timestamp() * 1000)
        for some in _batched(figures, _MOST_AT_ONCE):
            self.client.log_batch(self.id, metrics=[Metric(n, value, now, step) for n, value, step in some])

    def log_file(self, content: str | bytes, name: str) -> None:
        """A file among the run's artifacts."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(name).name
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            self.client.log_artifact(self.id, str(path), str(Path(name).parent) if "/" in name else None)

    @property
    def running(self) -> bool:
        return str(self.run.info.status) == RunStatus.to_string(RunStatus.RUNNING)

    def finish(self) -> None:
        """Mark the run as finished: the night is complete, also where a step of it had failed before."""
        with suppress(AbsentError):
            self.client.delete_tag(self.id, REASON)
        self.client.set_terminated(self.id)

    def fail(self, reason: str) -> None:
        """Mark the run as failed, with the reason as a tag."""
        self.client.set_tag(self.id, REASON, reason[:_REASON_LENGTH])
        self.client.set_terminated(self.id, RunStatus.to_string(RunStatus.FAILED))


def _dataset(table: Snapshot) -> Dataset:
    """A version of a table as MLflow has it: it knows one by its name and its digest."""
    name, delta = "/".join(table.path.parts[-2:]), {"path": str(table.path)}
    identity = f"{table.delta.metadata().id if table.delta else ''} {table.version}"
    return Dataset(
        name=name,
        digest=hashlib.sha256(identity.encode()).hexdigest()[:_DATASET_DIGEST],
        source_type="delta_table",
        source=json.dumps({**delta, "delta_table_version": table.version}),
    )


def _of_issue(issue: str) -> str:
    """To end a filter with. Runs of programs with one issue did not always say so."""
    return "" if issue == ONLY else f" AND tags.`{_ISSUE}` = '{issue}'"


def _end_stopped(client: Client, experiment: str, ds: date, issue: str) -> None:
    """Ends as failed the runs that read as running and are not: those of the night that starts anew, and
    those that began more than a day ago. Whoever is still at it after all says so by finishing."""
    running = client.search_runs([experiment], filter_string="attributes.status = 'RUNNING'")
    given_up = (datetime.now(UTC) - _GIVEN_UP).timestamp() * 1000
    for run in running:
        of_night = run.data.tags.get("nightslate.ds") == ds.isoformat()
        of_night &= run.data.tags.get(_ISSUE, ONLY) == issue
        if of_night or run.info.start_time < given_up:
            NightRun(client, run).fail(f"stopped without a word, found when `train` of {ds} began")


def _experiment(client: Client, home: Path, program: str) -> str:
    """The id of the program's experiment, made where there is none."""
    # A server decides where artifacts go; beside an SQLite file they go into the warehouse.
    local = client.tracking_uri.startswith("sqlite")
    location = (home / "mlflow" / "artifacts").absolute().as_uri() if local else None
    with suppress(TakenError):
        client.create_experiment(program, artifact_location=location)
    return str(client.get_experiment_by_name(program).experiment_id)  # type: ignore[union-attr]


def _batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """So many at a time."""
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]
