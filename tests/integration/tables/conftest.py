from pathlib import Path

import pytest

from nightslate.contracts import load
from nightslate.tables import Table, Warehouse


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Warehouse(tmp_path).table("shop", load("references"))
