"""The store of MLflow, and the runs of nights in it."""

import shutil
import sqlite3
import time
from datetime import date

import mlflow.data
import pytest
from deltalake import DeltaTable
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.tracking import MlflowClient

from nightslate.contracts import load
from nightslate.errors import DamageError, ModelError, UnavailableError
from nightslate.models.client import connect
from nightslate.models.tracking import NightRun
from nightslate.tables import Warehouse

from .fitted_models import DS


def status(client, run):
    """Of a run in MLflow: its status, and the reason why its night failed."""
    found = client.get_run(run.id)
    return found.info.status, found.data.tags.get("nightslate.failed")


def test_the_store_lies_in_the_warehouse_or_where_the_environment_says(client, home, tmp_path, monkeypatch):
    assert client.tracking_uri == f"sqlite:///{home}/mlflow.db"
    assert (home / "mlflow.db").is_file()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/mlflow.db?timeout=9")
    assert connect(tmp_path).tracking_uri.endswith("?timeout=9")


def test_a_tag_is_replaced_and_may_be_empty(client, home, night):
    registry, run = night
    for value in ("2026-11-02", ""):
        run.set_tags({"nightslate.evidence.changed": value})
        tags = NightRun.latest(client, home, registry.program, DS).run.data.tags
        assert tags["nightslate.evidence.changed"] == value


@pytest.mark.e2e
def test_a_store_that_is_garbage_is_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(
        DamageError, match=rf"^{tmp_path}/mlflow.db, MLflow's store, can't be used: .*run `train` again"
    ):
        connect(tmp_path)


def test_a_store_that_turns_bad_while_in_use_is_named(client, home, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copyfile(home / "mlflow.db", tmp_path / "mlflow.db")
    client = connect(tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        store.execute("DROP TABLE tags")
    with pytest.raises(DamageError, match=r"mlflow.db, MLflow's store, can't be used: .*no such table: tags"):
        NightRun.start(client, tmp_path, "p", DS)


def test_a_server_that_does_not_answer_may_be_tried_again(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UnavailableError, match=r"^MLflow at http://127.0.0.1:9 does not answer"):
        NightRun.latest(connect(tmp_path), tmp_path, "p", DS)


def test_what_mlflow_refuses_is_a_model_error(night):
    _, run = night
    with pytest.raises(ModelError, match=r"^MLflow at .* refuses: .*"):
        run.log_params({"a*b": 1})


def test_a_night_finds_its_newest_run(client, home, night):
    registry, first = night
    assert NightRun.latest(client, home, registry.program, DS).id == first.id
    second = NightRun.start(client, home, registry.program, DS)
    NightRun.start(client, home, registry.program, date(2026, 11, 17))
    assert NightRun.latest(client, home, registry.program, DS).id == second.id


def test_a_night_that_was_never_trained_is_a_clear_error(client, home, night):
    registry, _ = night
    for program, ds in ((registry.program, date(2026, 11, 15)), ("never_seen", DS)):
        with pytest.raises(
            ModelError, match=f"MLflow has no run of {program} for {ds}: run the step `train`"
        ):
            NightRun.latest(client, home, program, ds)


def test_what_a_run_is_told_it_keeps(client, night):
    _, run = night
    run.log_params({"arms": 3, "champion": "uniform"})
    run.log_params({"arms": 4, "rows": 5})
    run.log_metrics({"value": 0.25, "nothing": None})
    run.log_file("<html>", "pages/night.html")
    run.log_file(b"\x00", "raw")
    run.finish()
    kept = client.get_run(run.id)
    assert kept.data.params == {"arms": "3", "champion": "uniform", "rows": "5"}
    assert kept.data.metrics == {"value": 0.25}
    assert kept.info.status == "FINISHED"
    assert {file.path for file in client.list_artifacts(run.id)} == {"pages", "raw"}
    assert [file.path for file in client.list_artifacts(run.id, "pages")] == ["pages/night.html"]


def test_a_run_says_which_versions_of_tables_it_has_read(client, home, night):
    _, run = night
    table = Warehouse(home).table("some_program", load("references"))
    run.log_tables([table.snapshot()], "training")
    row = {"policy": "bts", "impressions": 1000, "reward": 5.0}
    for _ in range(2):
        table.replace(DS, table.typed([row]), {})
    before = table.snapshot(1)
    run.log_tables([before, table.snapshot()], "training")
    (first, second) = client.get_run(run.id).inputs.dataset_inputs
    for read, version in ((first, before.version), (second, table.snapshot().version)):
        assert read.dataset.name == "some_program/references"
        assert [(tag.key, tag.value) for tag in read.tags] == [("mlflow.data.context", "training")]
        source = mlflow.data.get_source(read)
        assert (source.path, source.delta_table_version) == (str(table.path), version)
        assert DeltaTable(source.path, version=version).version() == version
    assert first.dataset.digest != second.dataset.digest


def test_a_version_that_another_process_writes_down_at_the_same_time_is_asked_for_again(
    client, home, night, monkeypatch
):
    _, run = night
    table = Warehouse(home).table("some_program", load("references"))
    table.replace(DS, table.typed([{"policy": "bts", "impressions": 1000, "reward": 5.0}]), {})
    log_inputs, refused = MlflowClient.log_inputs, [True]

    def at_the_same_time(self, *args, **kwargs):
        if refused and refused.pop():
            taken = "(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.name, datasets.digest"
            raise MlflowException(taken, error_code=BAD_REQUEST)
        return log_inputs(self, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, "log_inputs", at_the_same_time)
    run.log_tables([table.snapshot()], "training")
    assert not refused
    assert len(client.get_run(run.id).inputs.dataset_inputs) == 1


def test_a_night_that_starts_anew_ends_the_runs_that_were_killed(client, home, night):
    registry, killed = night
    finished = NightRun.start(client, home, registry.program, date(2026, 11, 15))
    finished.finish()
    beside = NightRun.start(client, home, registry.program, date(2026, 11, 17))
    NightRun.start(client, home, registry.program, DS)
    why = "stopped without a word, found when `train` of 2026-11-16 began"
    assert status(client, killed) == ("FAILED", why)
    assert status(client, finished) == ("FINISHED", None)
    assert status(client, beside) == ("RUNNING", None)


def test_a_run_that_nobody_ended_for_a_day_is_given_up(client, home, night):
    registry, _ = night
    experiment = client.get_experiment_by_name(registry.program).experiment_id
    day_ago = int(time.time() * 1000) - 25 * 3600 * 1000
    old = client.create_run(experiment, start_time=day_ago, tags={"nightslate.ds": "2026-11-01"})
    NightRun.start(client, home, registry.program, DS)
    assert status(client, NightRun(client, old))[0] == "FAILED"


def test_a_run_that_failed_and_then_finishes_has_no_reason_any_more(client, night):
    _, run = night
    run.fail("score: no room")
    assert status(client, run) == ("FAILED", "score: no room")
    run.finish()
    assert status(client, run) == ("FINISHED", None)


def test_the_store_is_no_business_of_other_accounts(tmp_path):
    connect(tmp_path)
    assert (tmp_path / "mlflow.db").stat().st_mode & 0o007 == 0
