"""A step of the night as an Airflow task: one process, whose exit code says whether a retry makes sense."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from nightslate.orchestration.failures import raise_for_exit_code

KILL_GRACE_SECONDS = 10.0


def engine_python() -> str:
    """The interpreter that has the engine packages: $NIGHTSLATE_PYTHON, else the one that runs Airflow."""
    return os.environ.get("NIGHTSLATE_PYTHON", sys.executable)


class PythonStep(BaseOperator):
    """Runs `nightslate step NAME` in a process of its own, so that Airflow needs none of its packages."""

    template_fields: Sequence[str] = ("ds",)

    def __init__(self, *, step: str, program: str, ds: str, dags_folder: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step = step
        self.program = program
        self.ds = ds
        self.dags_folder = dags_folder
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Context) -> None:
        arguments = ["step", self.step, "--program", self.program, "--ds", self.ds]
        self._process = subprocess.Popen(
            [engine_python(), "-m", "nightslate.cli", *arguments],
            env={**os.environ, **_step_environment(self.dags_folder, context)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        for line in self._process.stdout or ():
            self.log.info("%s", line.rstrip())
        raise_for_exit_code(self.step, self._process.wait())
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {"ds": self.ds}

    def on_kill(self) -> None:
        if self._process is not None:
            _kill_group(self._process)


class SparkStep(SparkSubmitOperator):
    """Submits `jobs/STEP.py` over the connection spark_default, with quiet logs."""

    def __init__(self, *, step: str, program: str, ds: str, dags_folder: str, **kwargs: Any) -> None:
        super().__init__(
            conn_id="spark_default",
            application=str(Path(dags_folder).parent / "jobs" / f"{step}.py"),
            application_args=["--program", program, "--ds", ds],
            name=f"{program}.{step}",
            conf={
                "spark.log.level": "WARN",
                "spark.ui.enabled": "false",
                "spark.ui.showConsoleProgress": "false",
            },
            **kwargs,
        )
        self.step = step
        self.dags_folder = dags_folder

    def execute(self, context: Context) -> None:
        # Nothing secret goes here: on YARN and Kubernetes these end up on a command line for all to read.
        # In client mode spark-submit has the worker's environment as well, the pseudonym key included.
        self.env_vars = _step_environment(self.dags_folder, context)
        try:
            super().execute(context)
        except AirflowException:
            process = self._submission()
            if process is None or not process.returncode:
                raise
            raise_for_exit_code(self.step, process.returncode)

    def on_kill(self) -> None:
        super().on_kill()
        process = self._submission()
        if process is not None:
            _kill_group(process)

    def _get_hook(self) -> SparkSubmitHook:
        hook = super()._get_hook()
        # A session of its own, so that on_kill reaches the driver's Python too and not its JVM alone.
        hook.submit = partial(hook.submit, start_new_session=True)  # type: ignore[method-assign]
        return hook

    def _submission(self) -> subprocess.Popen[str] | None:
        return self._hook._submit_sp if self._hook is not None else None


def _step_environment(dags_folder: str, context: Context) -> dict[str, str]:
    """Where the programs are, which Python works, and which run it was (for the metadata of its commits)."""
    return {
        "NIGHTSLATE_DAGS": dags_folder,
        "NIGHTSLATE_RUN_ID": str(context["run_id"]),
        "PYSPARK_PYTHON": engine_python(),
    }


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
