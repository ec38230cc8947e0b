from pathlib import Path

import pytest
from tests.unit.cli.attribute_runs import Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A folder for one run of `nightslate attribute` or several."""
    return Files(tmp_path)
