"""A day that is not over lies beside the table of nights: it shows there, and nowhere else."""

from datetime import timedelta
from pathlib import Path

from tests.integration.tables.rows import MONDAY, TUESDAY, rewards, rows

from nightslate.contracts import load
from nightslate.tables import Table, Warehouse
from nightslate.tables.open_day import with_open_day

WEDNESDAY = TUESDAY + timedelta(1)


def test_the_rows_of_an_open_day_stand_after_those_of_closed_days(table: Table, tmp_path: Path) -> None:
    own = Warehouse(tmp_path / "open").table("shop", load("references"))
    table.replace(MONDAY, rows(1), {"of": "the night"})
    both = with_open_day(table, own, TUESDAY)
    assert (both.snapshot().version, both.snapshot().days()) == (-1, [MONDAY])

    both.replace(TUESDAY, rows(2), {"of": "an update"})
    both.replace(TUESDAY, rows(2, 3), {"of": "the next one"})
    assert rewards(both, MONDAY) == [1]
    assert rewards(both, TUESDAY) == [2, 3]
    assert both.snapshot().metadata(MONDAY) == {"of": "the night"}
    assert both.snapshot().metadata(TUESDAY) == {"of": "the next one"}
    assert sorted(both.snapshot().written()) == [MONDAY, TUESDAY]
    assert (table.snapshot().days(), table.history(TUESDAY)) == ([MONDAY], [])


def test_what_nights_write_of_the_open_day_and_after_it_does_not_show(table: Table, tmp_path: Path) -> None:
    own = Warehouse(tmp_path / "open").table("shop", load("references"))
    both = with_open_day(table, own, TUESDAY)
    own.replace(MONDAY, rows(9), {})
    own.replace(TUESDAY, rows(2), {})
    for day in (MONDAY, TUESDAY, WEDNESDAY):
        table.replace(day, rows(5), {})
    assert both.snapshot().days() == [MONDAY, TUESDAY]
    assert both.snapshot().to_arrow()["reward"].to_pylist() == [5, 2]
