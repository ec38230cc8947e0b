from datetime import date
from pathlib import Path

import pytest

from nightslate.contracts import load
from nightslate.errors import SpecError
from nightslate.tables import Warehouse

DS = date(2026, 11, 16)


def test_places(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    assert warehouse.landing("shop", "outcomes", DS) == tmp_path / "landing/shop/outcomes/ds=2026-11-16"
    assert warehouse.report("shop", DS) == tmp_path / "reports/shop/2026-11-16.html"
    table = warehouse.table("shop", load("slates"))
    assert table.path == tmp_path / "tables/shop/slates"
    assert table.staging == tmp_path / "staging/shop/slates"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../up", "..", "", "/etc", "a/b", "Shop", "shop ", "shop\n", "a" * 64, "7up"]
)
def test_no_name_becomes_another_path(tmp_path: Path, name: str) -> None:
    warehouse = Warehouse(tmp_path)
    with pytest.raises(SpecError, match="cannot name a program"):
        warehouse.table(name, load("slates"))
    with pytest.raises(SpecError, match="cannot name a program"):
        warehouse.landing("shop", name, DS)
    with pytest.raises(SpecError, match="cannot name a program"):
        warehouse.report(name, DS)
