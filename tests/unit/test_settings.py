"""The one reader of the environment: what it says, and that nobody else reads it."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightslate import settings
from nightslate.errors import SpecError

SOURCE = Path(__file__).parents[2] / "src" / "nightslate"
FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "settings.py")
DEFAULTS = {
    settings.home: ("NIGHTSLATE_HOME", "/data/warehouse", Path("/data/warehouse"), Path("warehouse")),
    settings.dags_folder: ("NIGHTSLATE_DAGS", "/data/dags", Path("/data/dags"), Path("dags")),
    settings.engine: ("NIGHTSLATE_ENGINE", "spark", "spark", None),
    settings.pages: ("NIGHTSLATE_PAGES", "https://pages.example/", "https://pages.example", ""),
    settings.engine_python: ("NIGHTSLATE_PYTHON", "/opt/python", "/opt/python", sys.executable),
    settings.run_id: ("NIGHTSLATE_RUN_ID", "manual__1", "manual__1", "command line"),
    settings.pseudonym_key: ("NIGHTSLATE_PSEUDONYM_KEY", "secret", "secret", ""),
    settings.pseudonym_key_version: ("NIGHTSLATE_PSEUDONYM_KEY_VERSION", "2", "2", "1"),
}


@pytest.mark.parametrize("read", DEFAULTS, ids=lambda read: read.__name__)
def test_a_variable_that_is_empty_is_one_that_is_not_set(read, monkeypatch, tmp_path):
    name, text, meaning, default = DEFAULTS[read]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, text)
    assert read() == meaning
    default = tmp_path / default if isinstance(default, Path) else default
    monkeypatch.setenv(name, "")
    assert read() == default
    monkeypatch.delenv(name)
    assert read() == default


def test_an_engine_that_there_is_not_is_an_error_that_names_those_that_there_are(monkeypatch):
    monkeypatch.setenv("NIGHTSLATE_ENGINE", "Spark")
    with pytest.raises(SpecError, match="NIGHTSLATE_ENGINE is 'Spark': choose one of local, spark"):
        settings.engine()


def reads(source: str) -> Iterator[int]:
    """The lines that look a variable up which is ours, or whose name can't be told from the line."""
    for node in ast.walk(ast.parse(source)):
        key: ast.expr | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and is_environment(node.value):
            key = node.slice
        if isinstance(node, ast.Compare) and any(map(is_environment, node.comparators)):
            key = node.left
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            looked_up = node.func.attr in ("get", "pop") and is_environment(node.func.value)
            if node.args and (looked_up or node.func.attr == "getenv"):
                key = node.args[0]
        if isinstance(node, ast.Call):
            key = next((word.value for word in node.keywords if word.arg == "envvar"), key)
        theirs = isinstance(key, ast.Constant) and not key.value.startswith("NIGHTSLATE_")
        if key is not None and not theirs:
            yield node.lineno


def is_environment(node: ast.expr) -> bool:
    return ast.unparse(node) in ("os.environ", "environ")


def test_no_other_module_reads_a_variable_of_ours():
    found = {str(path.relative_to(SOURCE)): list(reads(path.read_text())) for path in FILES}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "os.environ['NIGHTSLATE_HOME']",
        "os.environ.get('NIGHTSLATE_HOME', 'x')",
        "os.getenv('NIGHTSLATE_HOME')",
        "'NIGHTSLATE_HOME' in os.environ",
        "name = 'NIGHTSLATE_' + 'HOME'; os.environ.get(name)",
        "typer.Option(envvar='NIGHTSLATE_HOME')",
    ],
)
def test_what_reads_one_is_found(source):
    assert list(reads(source)) == [1]


@pytest.mark.parametrize(
    "source",
    [
        "os.environ.get('JAVA_HOME')",
        "'JAVA_HOME' in os.environ",
        "os.environ['NIGHTSLATE_HOME'] = 'x'",
        "{**os.environ}",
        "typer.Option(envvar='NIGHTS')",
    ],
)
def test_what_reads_none_is_not(source):
    assert list(reads(source)) == []
