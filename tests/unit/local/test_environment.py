"""What the local services and their tasks see."""

import shutil
from pathlib import Path

import pytest

from nightslate.errors import MachineError
from nightslate.local import environment
from nightslate.local.environment import needs_java, service_environment
from nightslate.local.site import Site, open_site

DAGS = Path(__file__).parents[3] / "dags"
NAMES = ("NIGHTSLATE_ENGINE", "NIGHTSLATE_PSEUDONYM_KEY", "NIGHTSLATE_PYTHON", "JAVA_HOME")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A warehouse, and a DAGs folder of its own, on a machine without Java."""
    (tmp_path / "dags").mkdir()
    shutil.copy(DAGS / "open_bandit.yaml", tmp_path / "dags")
    (tmp_path / "dags" / "broken.yaml").write_text("program: [")
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(tmp_path / "dags"))
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)

    def no_java() -> Path:
        raise MachineError("no suitable Java found")

    monkeypatch.setattr(environment, "java_home", lambda: None)
    monkeypatch.setattr(environment, "ensure_java", no_java)
    return open_site(tmp_path / "home")


def test_a_small_night_needs_no_java(site: Site) -> None:
    variables = service_environment(site)

    assert variables["NIGHTSLATE_ENGINE"] == "local"
    assert "JAVA_HOME" not in variables
    assert variables["NIGHTSLATE_PSEUDONYM_KEY"] == site.pseudonym_key


def test_where_the_installation_runs_on_spark_java_is_missed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSLATE_ENGINE", "spark")

    with pytest.raises(MachineError, match="Java"):
        service_environment(site)


def test_where_one_program_runs_on_spark_java_is_missed(site: Site) -> None:
    assert not needs_java()
    program = site.home.parent / "dags" / "open_bandit.yaml"
    program.write_text(f"{program.read_text()}\nengine: spark\n")

    assert needs_java()
    with pytest.raises(MachineError, match="Java"):
        service_environment(site)


def test_java_is_handed_on_where_there_is_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "java_home", lambda: Path("/opt/java"))

    variables = service_environment(site)

    assert variables["JAVA_HOME"] == "/opt/java"
    assert "/opt/java/bin" in variables["PATH"].split(":")
