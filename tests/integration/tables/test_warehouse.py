import tempfile
from datetime import date
from pathlib import Path

import pytest

from nightslate.contracts import load
from nightslate.errors import SpecError
from nightslate.tables import Warehouse, open_to_all

DS = date(2026, 11, 16)


def test_places(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    assert warehouse.landing("shop", "outcomes", DS) == tmp_path / "landing/shop/outcomes/ds=2026-11-16"
    assert warehouse.report("shop", DS) == tmp_path / "reports/shop/2026-11-16.html"
    assert warehouse.dashboard("shop") == tmp_path / "reports/shop/index.html"
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


@pytest.mark.parametrize(
    ("folder", "file", "open_"),
    [(0o755, 0o644, True), (0o711, 0o644, True), (0o750, 0o644, False), (0o755, 0o640, False)],
)
def test_who_can_read_a_file_follows_from_all_folders_above_it(folder: int, file: int, open_: bool) -> None:
    with tempfile.TemporaryDirectory() as place:  # of pytest's own folders none is open to all
        landed = Path(place) / "landing" / "users.csv"
        landed.parent.mkdir()
        landed.touch()
        Path(place).chmod(folder)
        landed.parent.chmod(0o755)
        landed.chmod(file)
        assert open_to_all(landed) == open_
