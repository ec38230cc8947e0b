"""The registry of worlds."""

import subprocess
import sys
from pathlib import Path

import pytest

from nightslate import programs
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.worlds.protocol import Setup
from nightslate.worlds.registry import WORLDS

DAGS = Path(__file__).parents[3] / "dags"


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_starts_with_the_program_of_its_name_and_lands_a_first_day(name: str, tmp_path: Path) -> None:
    program = programs.load(DAGS / f"{name}.yaml")
    pseudonymise = Pseudonymiser(b"a key of the tests alone", "1")
    setup = Setup(program, 100, 1, tmp_path / "landing", tmp_path / "slates", pseudonymise)
    WORLDS[name](setup).run_day(0)
    landed = {marker.parent.parent.name for marker in (tmp_path / "landing").glob("*/*/_SUCCESS")}
    assert landed == set(program.logs.names)


def test_the_names_of_worlds_are_known_without_any_of_them() -> None:
    probe = (
        "import sys, nightslate.worlds.registry; heavy = ('numpy', 'pyarrow', 'nightslate.pipeline.night');"
        " print([m for m in heavy if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
