"""Start, stop and ask after PostgreSQL, MLflow and Airflow."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import httpx
import psutil
from rich.console import Console

from nightslate.errors import MachineError
from nightslate.local.airflow_api import Airflow
from nightslate.local.environment import service_environment, write_spark_settings
from nightslate.local.postgres import Postgres
from nightslate.local.processes import log_file, marked, spawn, stop_marked, tail
from nightslate.local.site import Site, open_site

START_SECONDS = 240.0
AIRFLOW_SERVICES = {
    "api-server": [],
    "scheduler": ["--skip-serve-logs"],
    "dag-processor": [],
    "triggerer": ["--skip-serve-logs"],
}


def is_up(home: Path) -> bool:
    """Whether all services of this warehouse answer."""
    site = open_site(home)
    return bool(marked(site.folder)) and _mlflow_answers(site) and Airflow.of(site).is_healthy()


def start(home: Path, console: Console) -> Site:
    """Start what `stop` stops, and return when all of it answers. Raises MachineError with a log's end."""
    stop(home)
    site = open_site(home).with_free_ports().save()
    began = time.monotonic()
    with console.status("Starting PostgreSQL") as status:
        database = Postgres(site.folder, site.database_port, site.database_password)
        database.start()
        environment = service_environment(site)
        write_spark_settings(site)
        mlflow = spawn("mlflow", _mlflow_command(site), environment, site.folder)
        status.update("Preparing Airflow's database")
        _migrate(site, environment)
        status.update("Starting MLflow and Airflow")
        running = {"mlflow": mlflow}
        for name, options in AIRFLOW_SERVICES.items():
            command = [sys.executable, "-m", "airflow", name, *options]
            running[name] = spawn(name, command, environment, site.folder)
        airflow = Airflow.of(site)
        _wait_for(lambda: _mlflow_answers(site) and airflow.is_healthy(), running, site)
    console.print(f"PostgreSQL, MLflow and Airflow are up ({time.monotonic() - began:.0f} s).")
    return site


def stop(home: Path) -> bool:
    """Stop everything that `start` started for this warehouse, also after a crash. True if there was any."""
    site = open_site(home)
    stopped = stop_marked(site.folder)
    database = Postgres(site.folder, site.database_port, site.database_password)
    if database.is_running():
        database.stop()
        return True
    return stopped > 0


def _mlflow_command(site: Site) -> list[str]:
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(site.mlflow_port)),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{site.home / 'mlflow.db'}"),
        *("--artifacts-destination", str(site.home / "mlartifacts")),
    ]


def _mlflow_answers(site: Site) -> bool:
    try:
        return httpx.get(f"{site.mlflow_url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def _migrate(site: Site, environment: dict[str, str]) -> None:
    """Create or upgrade Airflow's tables, once for each version of Airflow."""
    done = site.folder / "postgres" / f"airflow-{version('apache-airflow-core')}.migrated"
    if done.is_file():
        return
    log = log_file("migrate", site.folder)
    with log.open("ab") as output:
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        result = subprocess.run(command, env=environment, stdout=output, stderr=output, check=False)
    if result.returncode != 0:
        raise MachineError(f"airflow db migrate failed; the end of {log}:\n{tail(log)}")
    done.touch()


def _wait_for(ready: Callable[[], bool], running: dict[str, psutil.Popen], site: Site) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        for name, process in running.items():
            if process.poll() is not None:
                log = log_file(name, site.folder)
                raise MachineError(f"{name} ended while starting; the end of {log}:\n{tail(log)}")
        if time.monotonic() > deadline:
            logs = site.folder / "logs"
            raise MachineError(f"the services did not answer within {START_SECONDS:.0f} s; see {logs}")
        time.sleep(0.5)
