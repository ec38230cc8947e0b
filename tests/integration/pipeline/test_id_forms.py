"""One user is one user, in whichever form logs write ids; a warehouse keeps the form that it began with."""

import re
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from nightslate.errors import SpecError
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline import landing_files
from nightslate.pipeline.running import run_step

from . import world


def land(home: Path, number: int, shown_as: str) -> None:
    """A day whose users are numbers, written so among impressions, and as JSON numbers among outcomes."""
    day = world.DAYS[number]
    shown, done = world.impressions(number, day), world.outcomes(number, day)
    for row in (*shown, *done):
        row["user_id"] = str(row["user_id"]).removeprefix("user-")
    for row in shown:
        row["user_id"] = shown_as.format(row["user_id"])
    world.land(home, day, shown, [row | {"user_id": int(str(row["user_id"]))} for row in done])
    # the rest of the day in another file and format
    folder = home / "landing" / world.PROGRAM / "impressions" / f"ds={day}"
    rows = pa.parquet.read_table(folder / "part-0.parquet")
    kept = rows.column_names[:7] + rows.column_names[9:]
    rows.slice(60).select(kept).to_pandas().to_csv(folder / "part-1.csv", index=False)
    pa.parquet.write_table(rows.slice(0, 60), folder / "part-0.parquet")


def night(home: Path, number: int) -> str:
    return run_step("ingest", world.night(home, world.DAYS[number]))


def users(home: Path, table: str, number: int) -> set[str]:
    rows = pl.read_delta(str(home / "tables" / world.PROGRAM / table))
    return set(rows.filter(pl.col("ds") == world.DAYS[number])["user_id"])


def test_a_warehouse_keeps_the_form_of_ids_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        land(tmp_path, number, "{}.0")
    said = night(tmp_path, 0)
    assert "; user_id of impressions is written like 7.0 and read as 7" in said
    assert ", 0 rows quarantined" in said.replace(";", ",")
    key = Pseudonymiser.from_environment()
    known = set(key(pa.array([str(user) for user in range(world.USERS)])).to_pylist())
    assert users(tmp_path, "outcomes", 0) <= users(tmp_path, "impressions", 0) <= known

    home = tmp_path / "older"
    for number in range(3):
        land(home, number, "{}.0")
    with monkeypatch.context() as before:
        before.setattr(landing_files, "FORM", "1")
        night(home, 0)
    assert not users(home, "impressions", 0) & known
    assert "read as 7" not in night(home, 1)
    assert not users(home, "impressions", 1) & known
    said = run_step("attribute", world.night(home, world.DAYS[1]))
    assert "WARNING: only 0 of " in said
    world.run_night(home, world.DAYS[1], ("train", "evaluate", "promote"))
    page = Path(run_step("report", world.night(home, world.DAYS[1]))).read_text()
    assert re.search("only 0 of [0-9]+ outcomes have a user_id", page)
    assert re.search(r'have a user_id .* it is like "99?", "99?" in outcomes and like "99?.9", ', said)
    with monkeypatch.context() as after:
        after.setattr(landing_files, "FIRST_FORM", "0")
        with pytest.raises(SpecError, match="has ids in form 1, which this version does not know"):
            night(home, 2)
