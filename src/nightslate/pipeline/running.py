"""Runs steps of a night: binds the tables that they name, and says what made one fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from nightslate.engines.threads import one_blas_thread
from nightslate.errors import NightslateError, SpecError, SupersededError
from nightslate.pipeline.failures import cause
from nightslate.pipeline.night import Night
from nightslate.pipeline.plan import STEP_NAMES, tasks_named
from nightslate.pipeline.tasks import Task

if TYPE_CHECKING:
    from nightslate.models.tracking import NightRun


def run_step(step: str, night: Night, issue: str | None = None) -> str:
    """Run one step of the plan, for one issue or for all; returns a line about what it did. Raises what the
    step raises, and then the night's run in MLflow ends as failed, with the reason."""
    done = [(task, run_task(task, night)) for task in tasks_named(night.program, step, issue)]
    return "; ".join(line if task.name == step else f"{task.issue}: {line}" for task, line in done)


def run_task(task: Task, night: Night) -> str:
    """As `run_step`, of one task of the plan."""
    if night.ds < night.program.start_date:
        raise SpecError(
            f"the night of {night.ds} is before {night.program.start_date}, the start_date of {night.name}:"
            " set that earlier if its data begin earlier, or choose a later night"
        )
    of_task = night.of_issue(task.issue) if task.issue is not None else night
    try:
        return _run(task, of_task)
    except BaseException as error:
        _fail_run(task, night, error)
        raise


def _run(task: Task, night: Night) -> str:
    run = task.step.run()
    try:
        # One BLAS thread, as engines give their tasks: sums then never depend on the number of cores, and of
        # matrices of some hundred columns threads mostly wait for one another.
        with one_blas_thread():
            return run(night, **{name: night.table(name) for name in task.step.tables})
    except Exception as error:
        found = cause(error, night.home)
        if found is None or found is error:
            raise
        raise found from error


def _fail_run(task: Task, night: Night, error: BaseException) -> None:
    """Ends the night's run in MLflow, which `train` begins, or `effects`. An attempt that was overtaken has
    none."""
    step = task.step.name
    if STEP_NAMES.index(step) < STEP_NAMES.index("train") or isinstance(error, SupersededError):
        return
    with suppress(NightslateError):  # the store may be what failed
        for run in _runs(task, night):
            if run.running or step not in ("train", "effects"):
                run.fail(f"{task.name}: {_reason(error)}")


def _runs(task: Task, night: Night) -> Iterator[NightRun]:
    issues = [task.issue] if task.issue is not None else list(night.program.issues)
    return (night.of_issue(issue).run() for issue in issues)


def _reason(error: BaseException) -> str:
    if isinstance(error, NightslateError):
        return f"{type(error).__name__}: {error}"
    # What is not an error of ours may name anything, raw ids too.
    return f"{type(error).__name__}, see its log" if isinstance(error, Exception) else "it was told to stop"
