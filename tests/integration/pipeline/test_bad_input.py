"""What a night does with logs that are not as they should be: an error or quarantine, and nothing lost."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from nightslate.errors import ContractError, LandingError, SpecError
from nightslate.pipeline.night import Night
from nightslate.pipeline.running import run_step
from tests.integration.nights import PAGES

from . import world

DAY = world.DAYS[0]


def table(home: Path, name: str) -> pl.DataFrame:
    return pl.read_delta(str(home / "tables" / world.PROGRAM / name))


def ingest(home: Path) -> None:
    world.run_night(home, DAY, ("ingest",))


def impressions_folder(home: Path) -> Path:
    return home / "landing" / world.PROGRAM / "impressions" / f"ds={DAY}"


def test_a_day_without_marker_fails_by_name_and_writes_nothing(landed: Path) -> None:
    (landed / "landing/tiny/outcomes" / f"ds={DAY}" / "_SUCCESS").unlink()
    with pytest.raises(LandingError, match=re.escape(f"outcomes of {DAY}")):
        ingest(landed)
    assert not (landed / "tables").exists()


def test_a_declared_empty_day_is_a_day(landed: Path) -> None:
    world.run_night(landed, DAY, but=PAGES)
    for log in ("impressions", "outcomes"):
        folder = landed / "landing/tiny" / log / f"ds={world.DAYS[1]}"
        for file in folder.glob("part-*"):
            file.unlink()

    world.run_night(landed, world.DAYS[1])

    assert table(landed, "impressions")["ds"].unique().to_list() == [DAY]
    assert table(landed, "slates").filter(pl.col("slate_date") > world.DAYS[1]).height == world.USERS


def test_a_bad_row_costs_that_row(tmp_path: Path) -> None:
    shown = world.impressions(0, DAY, rows=400)
    for row, broken in {
        3: {"propensity": 0.0},
        5: {"propensity": float("nan")},
        7: {"arm_id": "nobody knows"},
        9: {"slot": 3},
    }.items():
        shown[row] |= broken
    world.land(tmp_path, DAY, shown, [])

    ingest(tmp_path)

    rejected = table(tmp_path, "quarantine").sort("row")
    assert table(tmp_path, "impressions").height == 396
    assert set(rejected["clause"]) == {
        "propensity is finite",
        "propensity > 0",
        "slot <= 2",
        "arm_id is one of the arms of the day",
    }
    assert set(rejected["file"]) == {"part-0.parquet"}
    assert "user-" not in "".join(rejected["row"])


def test_poison_is_quarantined_before_any_sum_meets_it(tmp_path: Path) -> None:
    shown = world.impressions(0, DAY, rows=400)
    for row, broken in {3: {"age": 1e308}, 5: {"age": -1e20}, 7: {"segment": "s" * 501}}.items():
        shown[row] |= broken
    done = world.outcomes(0, DAY)
    done[0] |= {"value": 1e200}
    world.land(tmp_path, DAY, shown, done)

    with pytest.raises(ContractError, match="outcomes: 1 of 25 rows"):
        ingest(tmp_path)

    assert sorted(table(tmp_path, "quarantine")["clause"]) == [
        "age <= 1000000000000000",
        "age >= -1000000000000000",
        "segment has 0 to 500 characters",
        "value <= 1000000000000000",
    ]


def test_too_many_bad_rows_stop_the_night_and_say_where_they_are(tmp_path: Path) -> None:
    shown = [{**row, "propensity": 1.5} for row in world.impressions(0, DAY)]
    world.land(tmp_path, DAY, shown, world.outcomes(0, DAY))

    with pytest.raises(ContractError, match="120 of 120 rows"):
        ingest(tmp_path)

    assert table(tmp_path, "quarantine").height == 120
    assert not (tmp_path / "tables/tiny/impressions").exists()
    assert not (tmp_path / "tables/tiny/arms").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-20]),
        lambda file: pyarrow.parquet.write_table(
            pyarrow.parquet.read_table(file).drop_columns(["slot"]), file
        ),
        lambda file: pyarrow.parquet.write_table(
            pyarrow.parquet.read_table(file).append_column("email", pa.array(["x"] * 60)), file
        ),
    ],
    ids=["truncated", "column missing", "column extra"],
)
def test_a_bad_file_costs_that_files_load_by_name(tmp_path: Path, damage: object) -> None:
    world.land(tmp_path, DAY, world.impressions(0, DAY), world.outcomes(0, DAY), files=2)
    damage(impressions_folder(tmp_path) / "part-1.parquet")  # type: ignore[operator]

    with pytest.raises(ContractError, match="1 files"):
        ingest(tmp_path)

    assert table(tmp_path, "quarantine")["file"].to_list() == ["part-1.parquet"]


def test_files_that_are_refused_and_tolerated_are_told(landed: Path) -> None:
    """No row of theirs is among those that are quarantined."""
    (impressions_folder(landed) / "part-9.parquet").symlink_to(landed / "a mount that has gone")
    of = world.night(landed, DAY)
    logs = of.program.logs
    tolerant = logs.model_copy(update={"rejects": logs.rejects.model_copy(update={"max_files": 1})})
    said = run_step("ingest", replace(of, program=of.program.model_copy(update={"logs": tolerant})))
    assert "0 rows quarantined" in said
    assert "WARNING: files refused whole: 1 of impressions" in said


def test_conflicting_duplicates_are_nobodys_truth_and_copies_count_once(tmp_path: Path) -> None:
    shown = world.impressions(0, DAY, rows=120)
    copies = [dict(shown[0]), {**shown[1], "slot": 3 - int(str(shown[1]["slot"]))}]
    world.land(tmp_path, DAY, [*shown, *copies], world.outcomes(0, DAY), files=2)

    with pytest.raises(ContractError, match="2 of 122"):
        ingest(tmp_path)

    rejected = table(tmp_path, "quarantine")
    assert rejected["reason"].to_list() == ["conflicting_duplicate"] * 2


def test_a_night_without_a_key_for_pseudonyms_does_not_start(
    landed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nightslate.errors import MachineError

    monkeypatch.delenv("NIGHTSLATE_PSEUDONYM_KEY")
    with pytest.raises(MachineError, match="openssl rand"):
        ingest(landed)


@pytest.mark.parametrize("name", ["../tiny", "tiny/../../etc", "Tiny", ""])
def test_no_program_name_becomes_a_path(name: str) -> None:
    with pytest.raises(SpecError):
        Night.named(name, str(DAY))


@pytest.mark.parametrize("ds", ["2024-3-1", "yesterday", "../2024-03-01"])
def test_a_day_is_a_day(ds: str) -> None:
    with pytest.raises(SpecError, match="YYYY-MM-DD"):
        Night.named(world.PROGRAM, ds)


def test_an_unknown_step_names_the_known_ones(landed: Path) -> None:
    with pytest.raises(SpecError, match="ingest, attribute"):
        run_step("ingests", world.night(landed, DAY))


def test_another_key_or_another_number_of_buckets_is_refused(
    three_nights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = world.night(three_nights, DAY)
    with pytest.raises(SpecError, match=r"nightslate.buckets is 3 now and was 2"):
        run_step("ingest", replace(night, program=night.program.model_copy(update={"buckets": 3})))

    monkeypatch.setenv("NIGHTSLATE_PSEUDONYM_KEY", "a key that nobody used before")
    with pytest.raises(SpecError, match=r"pseudonym_key is 1:\w{8} now") as refused:
        run_step("ingest", night)
    assert "a key that nobody" not in str(refused.value)


def test_an_outcome_well_before_the_impression_that_it_names_is_no_outcome_of_it(tmp_path: Path) -> None:
    """It must name an accepted impression of the same user; clocks may differ by 5 minutes."""
    shown = world.impressions(0, DAY, rows=400)
    shown[11] |= {"propensity": 0.0}
    skew, least = timedelta(minutes=5), timedelta(microseconds=1)
    different: dict[int, dict[str, object]] = {
        30: {"occurred_at": shown[30]["occurred_at"] - skew},  # type: ignore[operator]
        50: {"occurred_at": shown[50]["occurred_at"] - skew - least},  # type: ignore[operator]
        70: {"impression_id": shown[300]["impression_id"], "user_id": "user-of-no-impression"},
        90: {"impression_id": "nobody was shown this"},
        11: {"occurred_at": datetime(2024, 3, 1, tzinfo=UTC)},
        130: {"impression_id": None, "occurred_at": datetime(2024, 3, 1, tzinfo=UTC)},
    }
    named = {"kind": "click", "value": 1.0}
    copied = ("impression_id", "user_id", "occurred_at")
    done = [
        {**named, **{name: row[name] for name in copied}, **different.get(i, {}), "outcome_id": f"o{i}"}
        for i, row in enumerate(shown)
    ]
    world.land(tmp_path, DAY, shown, [{**row, "occurred_at": str(row["occurred_at"])} for row in done])

    ingest(tmp_path)

    outcomes = table(tmp_path, "outcomes")
    assert set(outcomes["outcome_id"]) == {f"o{i}" for i in range(400)} - {"o50"}
    rejected = table(tmp_path, "quarantine").filter(pl.col("log") == "outcomes")
    assert rejected["reason"].to_list() == ["before_impression"]
    assert rejected["clause"].to_list() == [
        "occurred_at is at most 0:05:00 before that of the impression named"
    ]
    assert '"o50"' in rejected["row"][0]
