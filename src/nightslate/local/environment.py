"""The environment of the local services and of the tasks they run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from nightslate import settings
from nightslate.errors import SpecError
from nightslate.local.java import ensure_java, java_home
from nightslate.local.postgres import Postgres
from nightslate.local.site import Site
from nightslate.programs import engine_of, load

SPARK_DEFAULTS = """\
spark.driver.memory 2g
spark.sql.shuffle.partitions 4
"""
# Spark says hundreds of lines before a session can ask it to be quiet.
LOG4J = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
"""


def service_environment(site: Site) -> dict[str, str]:
    """What MLflow, Airflow and every task see: this process's environment and the settings below."""
    java = ensure_java() if needs_java() else java_home()
    binaries = [str(Path(sys.executable).parent), *([str(java / "bin")] if java else [])]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    return {
        **inherited,
        "PATH": os.pathsep.join([*binaries, os.environ.get("PATH", os.defpath)]),
        **({"JAVA_HOME": str(java)} if java else {}),
        "NIGHTSLATE_ENGINE": settings.engine() or "local",
        "NIGHTSLATE_HOME": str(site.home),
        "NIGHTSLATE_DAGS": str(settings.dags_folder()),
        "NIGHTSLATE_PYTHON": settings.engine_python(),
        "NIGHTSLATE_PSEUDONYM_KEY": settings.pseudonym_key() or site.pseudonym_key,
        "MLFLOW_TRACKING_URI": site.mlflow_url,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_CONF_DIR": str(spark_folder(site)),
        "GX_ANALYTICS_ENABLED": "false",
        **_mlflow(),
        **_airflow(site),
    }


def needs_java() -> bool:
    """Whether any program of the DAGs folder runs on Spark here."""

    def runs_on_spark(path: Path) -> bool:
        try:
            return engine_of(load(path), "local") == "spark"
        except SpecError:
            return False  # Airflow says why it can't read it

    return any(map(runs_on_spark, settings.dags_folder().glob("*.yaml")))


def spark_folder(site: Site) -> Path:
    return site.folder / "spark"


def write_spark_settings(site: Site) -> None:
    """What every spark-submit on this machine starts from; a DAG says nothing about memory or cores."""
    spark_folder(site).mkdir(parents=True, exist_ok=True)
    (spark_folder(site) / "spark-defaults.conf").write_text(SPARK_DEFAULTS, "utf-8")
    (spark_folder(site) / "log4j2.properties").write_text(LOG4J, "utf-8")


def _mlflow() -> dict[str, str]:
    # Its job queue (scorers for language models) would be four more processes.
    return {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def _airflow(site: Site) -> dict[str, str]:
    home = site.folder / "airflow"
    database = Postgres(site.folder, site.database_port, site.database_password)
    sections: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": settings.dags_folder(),
            "executor": "LocalExecutor",
            "parallelism": 4,
            "load_examples": False,
            "fernet_key": site.fernet_key,
            "execution_api_server_url": f"{site.airflow_url}/execution/",
            "simple_auth_manager_users": "admin:admin",
            "simple_auth_manager_passwords_file": site.passwords_file,
        },
        "database": {
            "sql_alchemy_conn": database.url("psycopg2"),
            "sql_alchemy_conn_async": database.url("asyncpg"),
        },
        "api": {
            "host": "127.0.0.1",
            "port": site.airflow_port,
            "base_url": site.airflow_url,
            "workers": 1,
            "secret_key": site.api_secret,
        },
        "api_auth": {"jwt_secret": site.jwt_secret},
        # Nights run when they are asked for (a backfill, the UI): the logs that ship ended in 2019, and an
        # unpaused DAG would wait for yesterday's.
        "scheduler": {"use_job_schedule": False, "orphaned_tasks_check_interval": 30},
        "dag_processor": {
            "refresh_interval": 10,
            "parsing_processes": 1,
            "dag_bundle_storage_path": home / "bundles",
        },
        "logging": {"base_log_folder": site.folder / "logs" / "tasks"},
    }
    variables = {
        f"AIRFLOW__{section}__{option}".upper(): str(value)
        for section, options in sections.items()
        for option, value in options.items()
    }
    spark = json.dumps({"conn_type": "spark", "host": "local[*]"})
    connection = os.environ.get("AIRFLOW_CONN_SPARK_DEFAULT", spark)
    return {**variables, "AIRFLOW_HOME": str(home), "AIRFLOW_CONN_SPARK_DEFAULT": connection}
