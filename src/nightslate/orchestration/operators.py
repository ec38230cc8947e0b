"""A step of the night as an Airflow task: one process, whose end says whether a retry makes sense."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import BaseOperator, Connection, Context
from airflow.sdk.exceptions import AirflowNotFoundException

import nightslate
from nightslate import settings
from nightslate.orchestration.failures import raise_for_exit_code, raise_for_outcome
from nightslate.orchestration.page_links import links_of
from nightslate.outcomes import Outcome

APPLICATION = Path(nightslate.__file__).parent / "jobs" / "run_step.py"
"""In a folder of its own: spark-submit puts that before all others that modules are imported from."""

KEY_CONNECTION = "nightslate"
KILL_GRACE_SECONDS = 10.0
QUIET = {
    "spark.log.level": "ERROR",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
"""Of Spark on the worker's own machine. Elsewhere logs and the UI are the operator's."""


class PythonCommand(BaseOperator):
    """Runs a command of nightslate in a process of its own, so that Airflow needs none of its packages.

    key_conn_id: the connection whose password is the pseudonym key.
    """

    def __init__(self, *, key_conn_id: str = KEY_CONNECTION, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.key_conn_id = key_conn_id
        self._process: subprocess.Popen[str] | None = None

    def run(self, name: str, command: Sequence[str], context: Context) -> None:
        """Raises as `raise_for_exit_code`, of what is called `name`."""
        self._process = subprocess.Popen(
            [settings.engine_python(), "-m", "nightslate.cli", *command],
            env={**os.environ, **_of_run(context), **pseudonym_key(self.key_conn_id)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        for line in self._process.stdout or ():
            self.log.info("%s", line.rstrip())
        raise_for_exit_code(name, self._process.wait())

    def on_kill(self) -> None:
        if self._process is not None:
            _kill_group(self._process)


class PythonStep(PythonCommand):
    """Runs `nightslate step NAME`. packed: the text of the program."""

    template_fields: Sequence[str] = ("ds",)

    def __init__(
        self,
        *,
        step: str,
        program: str,
        ds: str,
        packed: str,
        issue: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.step = step
        self.program = program
        self.ds = ds
        self.packed = packed
        self.issue = issue
        self.operator_extra_links = links_of(step)

    def execute(self, context: Context) -> None:
        arguments = _arguments(self.step, self.program, self.ds, self.packed, self.issue)
        self.run(self.step, ["step", *arguments], context)
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {"ds": self.ds}


class UpdateBetweenNights(PythonCommand):
    """Runs `nightslate update` of the day that is open. packed: the text of the program."""

    def __init__(self, *, program: str, packed: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.program = program
        self.packed = packed

    def execute(self, context: Context) -> None:
        self.run("update", ["update", "--program", self.program, "--packed", self.packed], context)


class SparkStep(SparkSubmitOperator):
    """Submits a step over a Spark connection. All that the driver needs goes with it but the pseudonym key:
    one on this machine finds it in its environment, one elsewhere has to have it there already.

    Other arguments are those of SparkSubmitOperator."""

    template_fields: Sequence[str] = (*SparkSubmitOperator.template_fields, "ds")

    def __init__(
        self,
        *,
        step: str,
        program: str,
        ds: str,
        packed: str,
        issue: str | None = None,
        key_conn_id: str = KEY_CONNECTION,
        application: str = str(APPLICATION),
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(application=application, name=name or f"{program}.{step}", **kwargs)
        self.step = step
        self.program = program
        self.ds = ds
        self.packed = packed
        self.issue = issue
        self.key_conn_id = key_conn_id
        self._submitted = False

    def execute(self, context: Context) -> None:
        outcomes = settings.home() / "outcomes" / self.program / self.ds
        run = hashlib.sha256(str(context["run_id"]).encode()).hexdigest()[:16]
        name = f"{self.step}-{run}" if self.issue is None else f"{self.issue}.{self.step}-{run}"
        file = outcomes / f"{name}-{context['ti'].try_number:04}.json"
        self.application_args = [
            *_arguments(self.step, self.program, self.ds, self.packed, self.issue),
            *("--outcome", str(file)),
        ]
        # Nothing secret goes here: on YARN and Kubernetes these end up on a command line for all to read.
        self.env_vars = {
            **(self.env_vars or {}),
            **_of_run(context),
            "NIGHTSLATE_HOME": str(settings.home()),
        }
        try:
            super().execute(context)
        except Exception:
            # A task that found an earlier attempt's driver still at work waited for the outcome of that.
            attempts = [file] if self._submitted else sorted(outcomes.glob(f"{name}-*.json"))
            found = [outcome for outcome in map(Outcome.found_in, attempts) if outcome]
            if found:
                raise_for_outcome(self.step, found[-1])
            process = self._submission()
            if self._is_elsewhere() or process is None or not process.returncode:
                raise
            raise_for_exit_code(self.step, process.returncode)
        finally:
            for old in outcomes.glob(f"{name}-*.json"):
                old.unlink(missing_ok=True)

    def on_kill(self) -> None:
        super().on_kill()
        process = self._submission()
        if process is not None:
            _kill_group(process)

    def _get_hook(self) -> SparkSubmitHook:
        hook = super()._get_hook()
        submit = hook.submit
        if hook._connection["master"].startswith("local"):
            hook._conf = {**QUIET, **hook._conf}
        if hook._connection["deploy_mode"] != "cluster":
            hook._env_vars = {"PYSPARK_PYTHON": settings.engine_python(), **(hook._env_vars or {})}

        def submit_in_session(application: str = "", **options: Any) -> str | None:
            """A session of its own, so that on_kill reaches the driver's Python too and not its JVM alone."""
            self._submitted = True
            key = {} if self._is_elsewhere() else pseudonym_key(self.key_conn_id)
            with _environment(key):
                return submit(application, start_new_session=True, **options)

        hook.submit = submit_in_session  # type: ignore[method-assign]
        return hook

    def _is_elsewhere(self) -> bool:
        """Whether the driver runs on the cluster: then its exit code is not that of spark-submit."""
        return self._hook is not None and self._hook._connection["deploy_mode"] == "cluster"

    def _submission(self) -> subprocess.Popen[str] | None:
        return self._hook._submit_sp if self._hook is not None else None


def pseudonym_key(connection: str) -> dict[str, str]:
    """What a step's process needs in its environment for the key to be there: nothing where the worker has
    it, else the password of an Airflow connection (and `key_version` of its extra), where there is one."""
    if settings.pseudonym_key():
        return {}
    try:
        found = Connection.get(connection)
    except AirflowNotFoundException:
        return {}
    version = found.extra_dejson.get("key_version")
    return {
        **({"NIGHTSLATE_PSEUDONYM_KEY": found.password} if found.password else {}),
        **({"NIGHTSLATE_PSEUDONYM_KEY_VERSION": str(version)} if version else {}),
    }


def _arguments(step: str, program: str, ds: str, packed: str, issue: str | None) -> list[str]:
    """Of `nightslate step`, and of Spark's application."""
    of_issue = [] if issue is None else ["--issue", issue]
    return [step, "--program", program, "--ds", ds, *of_issue, "--packed", packed]


def _of_run(context: Context) -> dict[str, str]:
    """Which run it was, for the metadata of its commits."""
    return {"NIGHTSLATE_RUN_ID": str(context["run_id"])}


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables of this process, for those that it starts meanwhile. A task is a process of its own."""
    before = {name: value for name, value in os.environ.items() if name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ.update(before)


def _kill_group(process: subprocess.Popen[str]) -> None:
    """Ends a process that leads its session, with all its children: politely, then for good."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + KILL_GRACE_SECONDS
        try:
            os.killpg(process.pid, sign)
            while time.monotonic() < deadline:
                process.poll()  # not wait(): Airflow kills from a signal handler, which may interrupt a wait
                os.killpg(process.pid, 0)
                time.sleep(0.1)
        except ProcessLookupError:
            return
