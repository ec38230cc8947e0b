"""Which engine a command gives its nights."""

import pytest
from typer.testing import CliRunner

from nightslate import programs
from nightslate.cli import app
from nightslate.cli.engines import engine_for
from nightslate.engines import LocalEngine
from nightslate.pipeline.night import Night
from nightslate.pipeline.plan import plan

SPARK = object()
"""Stands for Spark, which takes seconds to start."""


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path, request):
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(request.config.rootpath / "dags"))
    monkeypatch.setenv("NIGHTSLATE_HOME", str(tmp_path))
    monkeypatch.delenv("NIGHTSLATE_ENGINE", raising=False)
    monkeypatch.setattr("nightslate.cli.engines.spark_engine", lambda _: SPARK)


@pytest.mark.parametrize(
    ("of_the_program", "of_the_installation", "on_spark"),
    [(None, None, False), (None, "spark", True), ("local", "spark", False), ("spark", "local", True)],
)
def test_the_program_chooses_else_the_installation_else_this_machine_runs_it(
    of_the_program, of_the_installation, on_spark, monkeypatch
):
    if of_the_installation:
        monkeypatch.setenv("NIGHTSLATE_ENGINE", of_the_installation)
    program = programs.find("open_bandit").model_copy(update={"engine": of_the_program})
    assert (engine_for(program) is SPARK) == on_spark
    assert isinstance(engine_for(program), LocalEngine) != on_spark


@pytest.fixture
def engines(monkeypatch):
    """The engine of each step that a command has run, by name."""
    seen = {}

    def run_step(name, night: Night, issue=None):
        seen[name] = night.engine
        return "done"

    def run_task(task, night: Night):
        return run_step(task.name, night)

    monkeypatch.setattr("nightslate.pipeline.running.run_step", run_step)
    monkeypatch.setattr("nightslate.pipeline.running.run_task", run_task)
    return seen


@pytest.mark.parametrize("command", [["run", "--ds"], ["backfill", "--to", "2019-11-24", "--from"]])
def test_all_steps_of_a_night_share_one_engine(engines, monkeypatch, command):
    monkeypatch.setenv("NIGHTSLATE_ENGINE", "spark")
    CliRunner().invoke(app, [*command, "2019-11-24", "-p", "open_bandit"], catch_exceptions=False)
    assert len(engines) == len(plan(programs.find("open_bandit")))
    assert set(map(id, engines.values())) == {id(SPARK)}


@pytest.mark.parametrize(("step", "on_spark"), [("train", True), ("publish", False)])
def test_a_small_step_starts_no_spark(engines, monkeypatch, step, on_spark):
    monkeypatch.setenv("NIGHTSLATE_ENGINE", "spark")
    arguments = ["step", step, "-p", "open_bandit", "--ds", "2019-11-24"]
    CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert (engines[step] is SPARK) == on_spark
