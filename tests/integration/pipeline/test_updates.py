"""Micro-batches between nights: however a day lands, updates end in the models that its night comes to, and
no table that a night writes differs by them."""

import re
import shutil
import signal
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from nightslate import programs
from nightslate.engines import LocalEngine
from nightslate.engines.spark import SparkEngine
from nightslate.errors import SpecError
from nightslate.pipeline import open_day_files
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.updating import run as update
from tests.integration.nights import DOCS, PAGES, run_night
from tests.prepared import Prepared

from . import world
from .conftest import relocate
from .loaded_models import loaded

pytestmark = pytest.mark.e2e

CLOSED, DAY = world.DAYS[:2], world.DAYS[2]
NAME = "between"
LOGS = ("impressions", "outcomes", "users", "arms")


def spec(**changes: Any) -> dict[str, Any]:
    """The tiny program with windows of two hours, learners of each kind of state, a rule, a variant of
    somebody else's, and updates."""
    said = yaml.safe_load(world.SPEC) | {"program": NAME, "updates": {"every": "1h", "lateness": "5m"}}
    said["rewards"] |= {"window": "2h"}
    said["learners"]["linear_ucb"] = {"kind": "linear_ucb", "forgetting": 0.9}
    said["learners"]["logistic_ucb"] = {"kind": "logistic_ucb"}
    lines = [{"when": "age >= 40 or segment == new", "arms": "arm_id != a"}, {"arms": "arm_id == b"}]
    said["learners"]["todays_rule"] = {"kind": "rule", "choose": lines}
    said["gate"]["first_champion"] = "linear_ucb"
    said["variants"] = {
        "personalised": {"share": 0.5, "policy": "champion"},
        "randomised": {"share": 0.3, "policy": "uniform"},
        "theirs": {"share": 0.2, "policy": "external"},
    }
    return said | changes


@pytest.fixture(scope="module", autouse=True)
def between(tmp_path_factory: pytest.TempPathFactory, program: None) -> Any:
    dags = tmp_path_factory.mktemp("dags")
    (dags / f"{NAME}.yaml").write_text(yaml.safe_dump(spec()))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NIGHTSLATE_DAGS", str(dags))
        environment.setattr(open_day_files, "_RECENT_SECONDS", 0.0)
        yield


def night(home: Path, day: date = DAY) -> IssueNight:
    return Night(programs.find(NAME), day, home).of_issue("all")


@pytest.fixture(scope="module")
def after_two(tmp_path_factory: pytest.TempPathFactory, between: None) -> Path:
    """After two nights, the third day lying beside it. Not to be changed: copy it."""
    home = tmp_path_factory.mktemp("between") / "home"
    world.land_all(home)
    (home / "landing" / world.PROGRAM).rename(home / "landing" / NAME)
    for log in LOGS:
        (home / "landing" / NAME / log / f"ds={DAY}").rename(home.with_name(log))
    for day in CLOSED:
        run_night(night(home, day), but=DOCS)
    return home


@pytest.fixture
def home(after_two: Path, tmp_path: Path) -> Path:
    return copy_of(after_two, tmp_path / "home")


def copy_of(after_two: Path, home: Path) -> Path:
    shutil.copytree(after_two, home)
    relocate(home, after_two)
    return home


@pytest.fixture
def pieces(after_two: Path) -> list[tuple[str, str, pa.Table]]:
    """The third day's events in files of three hours: (log, name, rows)."""
    shown = pq.read_table(after_two.with_name("impressions") / "part-0.parquet")
    done = pl.read_ndjson(after_two.with_name("outcomes") / "part-0.jsonl").with_columns(
        pl.col("occurred_at").str.to_datetime(time_unit="us", time_zone="UTC")
    )
    found = []
    for log, rows in (("impressions", shown), ("outcomes", done.to_arrow())):
        hours = pl.from_arrow(rows)["occurred_at"].dt.hour().to_list()
        for part in range(8):
            mine = rows.filter(pa.array([hour // 3 == part for hour in hours]))
            found.append((log, f"part-{part}.parquet", mine))
    return found


def land(home: Path, *pieces: tuple[str, str, pa.Table]) -> None:
    for log, name, rows in pieces:
        folder = home / "landing" / NAME / log / f"ds={DAY}"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, folder / name)


def close(home: Path, after_two: Path) -> None:
    """What the day still lacks, and its markers."""
    for log in LOGS:
        folder = home / "landing" / NAME / log / f"ds={DAY}"
        if log in ("users", "arms"):
            shutil.copytree(after_two.with_name(log), folder, dirs_exist_ok=True)
        (folder / "_SUCCESS").touch()


def rows_of(home: Path, table: str) -> list[dict[str, Any]]:
    return DeltaTable(home / "tables" / NAME / table).to_pyarrow_table().to_pylist()


def updated(home: Path) -> dict[str, str]:
    """The digests of the newest models, by learner."""
    rows = sorted(rows_of(home, "updates"), key=lambda row: row["known_until"])
    return {row["learner"]: row["digest"] for row in rows}


def trained(home: Path) -> dict[str, str]:
    return {row["learner"]: row["digest"] for row in rows_of(home, "models") if row["ds"] == DAY}


def tables_of_nights(home: Path) -> dict[str, list[str]]:
    """Every row of every table but what updates are for."""
    found = {}
    for path in sorted((home / "tables" / NAME).iterdir()):
        if path.name != "updates":
            rows = DeltaTable(path).to_pyarrow_table().to_pylist()
            kept = [row for row in rows if path.name != "slates" or row["slate_date"] != DAY]
            found[path.name] = sorted(map(repr, kept))
    return found


@pytest.mark.parametrize("order", ["in order", "in any order"])
def test_updates_end_in_the_models_of_the_night_and_change_none_of_its_tables(
    home: Path, after_two: Path, pieces: list[Any], order: str, tmp_path: Path
) -> None:
    without = copy_of(after_two, tmp_path / "without")
    land(without, *pieces)
    close(without, after_two)
    run_night(night(without), but=PAGES)

    arriving = (
        [pieces[place] for place in np.random.default_rng(3).permutation(len(pieces))]
        if order == "in any order"
        else [piece for pair in zip(pieces[:8], pieces[8:], strict=True) for piece in pair]
    )
    for first in range(0, len(arriving), 4):
        land(home, *arriving[first : first + 4])
        update(night(home))
    close(home, after_two)
    update(night(home))
    assert updated(home) == trained(without)
    assert tables_of_nights(home) == tables_of_nights(after_two)
    run_night(night(home), but=PAGES)
    assert tables_of_nights(home) == tables_of_nights(without)


def test_updates_on_spark_are_those_on_one_machine(
    after_two: Path, pieces: list[Any], tmp_path: Path, spark: SparkSession
) -> None:
    homes = {}
    for engine in (LocalEngine(processes=1), SparkEngine(spark)):
        home = copy_of(after_two, tmp_path / type(engine).__name__)
        for arriving in (pieces[:5] + pieces[8:12], pieces):
            land(home, *arriving)
            update(night(home).on(engine))
        homes[type(engine).__name__] = home
    local, on_spark = homes.values()
    assert rows_of(local, "updates") == rows_of(on_spark, "updates")
    assert slates_of_the_day(local) == slates_of_the_day(on_spark)


# Where an update dies: what is about to do something irreversible, its method, at which call.
WORST_MOMENTS = (
    ("nightslate.tables.commits.DayLog", "commit", 3),
    ("nightslate.pipeline.kept_states.KeptStates", "keep", 5),
    ("nightslate.models.registry.Registry", "register", 2),
    ("nightslate.pipeline.open_day_files", "landed_so_far", 1),
    ("nightslate.models.registry.Registry", "update", 1),
    ("nightslate.tables.staging.Attempt", "seal", 8),
    ("nightslate.tables.staging.Staged", "mark_audited", 1),
    ("nightslate.tables.table.Table", "publish", 8),
)


@pytest.mark.timeout(900)
def test_updates_killed_midway_and_run_again_end_in_the_same_models_and_slates(
    home: Path, after_two: Path, pieces: list[Any], tmp_path: Path
) -> None:
    clean = copy_of(after_two, tmp_path / "clean")
    land(clean, *pieces)
    close(clean, after_two)
    update(night(clean))

    updating = "nightslate.pipeline.updating"  # imports functions by name: only once they are patched
    needed = ("models.tracking", *(f"pipeline.steps.{step}" for step in ("score", "audit", "publish")))
    with Prepared(
        "tests.integration.pipeline.struck", *(f"nightslate.{name}" for name in needed)
    ) as prepared:
        for number, (place, method, call) in enumerate(WORST_MOMENTS):
            land(home, pieces[number], pieces[8 + number])
            if number == len(WORST_MOMENTS) - 1:
                close(home, after_two)
            moment = ("SIGKILL", str(call), updating, "before", place, method)
            died = prepared.start(*moment, "update", "--program", NAME, NIGHTSLATE_HOME=str(home))
            assert died.wait(300) == -signal.SIGKILL, place
    update(night(home))
    assert updated(home) == updated(clean)
    assert slates_of_the_day(home) == slates_of_the_day(clean)


def known_until(outcomes: list[Any]) -> str:
    """The whole hour that is five minutes, or more, before the newest outcome."""
    newest = max(max(rows["occurred_at"].to_pylist()) for _, _, rows in outcomes if rows.num_rows)
    return f"{newest - timedelta(minutes=5):%Y-%m-%d %H}:00"


def units(said: str) -> tuple[int, int]:
    """How many were learnt anew, and of how many."""
    found = re.search(r"(\d+) of (\d+) units of \(bucket, hour\)", said)
    assert found, said
    return int(found[1]), int(found[2])


def slates_of_the_day(home: Path) -> list[dict[str, Any]]:
    rows = [row for row in rows_of(home, "slates") if row["slate_date"] == DAY]
    return sorted(rows, key=lambda row: row["user_id"])


def test_the_slates_of_the_day_and_the_served_model_are_those_of_the_newest_update(
    home: Path, pieces: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_the_night = slates_of_the_day(home)
    assert update(night(home)).endswith("no hour of the day is over for the outcomes that have landed")
    assert slates_of_the_day(home) == of_the_night
    land(home, *pieces[:4], *pieces[8:12])
    assert f"known until {known_until(pieces[8:12])} UTC" in update(night(home))
    slates = slates_of_the_day(home)
    assert [row["user_id"] for row in slates] == [row["user_id"] for row in of_the_night]
    assert [row["variant"] for row in slates] == [row["variant"] for row in of_the_night]
    mine = [row for row in slates if row["variant"] == "personalised"]
    assert {row["model_digest"] for row in mine} == {updated(home)["linear_ucb"]}
    assert update(night(home)) == "nothing has landed since the last update"

    model = loaded(home, monkeypatch, f"models:/{NAME}@updated")
    users = pl.read_delta(str(home / "tables" / NAME / "users")).filter(pl.col("ds") == CLOSED[-1])
    asked = (
        pl.DataFrame({"user_id": [row["user_id"] for row in mine]})
        .join(users, on="user_id", maintain_order="left")
        .select("user_id", pl.lit(str(DAY)).alias("slate_date"), "segment", "age")
    )
    assert model.predict(asked.to_pandas()) == [{**row, "slate_date": str(DAY)} for row in mine]
    champion = loaded(home, monkeypatch, f"models:/{NAME}@champion")
    assert champion.predict(asked.to_pandas()) != model.predict(asked.to_pandas())

    table = night(home).table("slates")
    table.rollback(DAY, table.history(DAY)[-1].version)
    land(home, pieces[4], pieces[12])
    assert "the slates stay as somebody has rolled them back" in update(night(home))
    assert slates_of_the_day(home) == of_the_night


def test_only_units_that_files_brought_rows_of_are_learnt_anew(home: Path, pieces: list[Any]) -> None:
    land(home, *pieces[:4], *pieces[8:12])
    first, of_first = units(update(night(home)))
    assert first == of_first > 10
    land(home, pieces[4], pieces[12])
    second, of_second = units(update(night(home)))
    assert second == of_second - of_first > 0
    late = pieces[9][2].slice(0, 1)
    changed = late.set_column(
        late.schema.get_field_index("outcome_id"), "outcome_id", pa.array(["one more"], pa.string())
    )
    land(home, ("outcomes", "late.parquet", changed))
    assert units(update(night(home))) == (1, of_second)


def test_history_is_not_updated(home: Path, after_two: Path) -> None:
    with pytest.raises(SpecError, match="2024-03-02 is history: the night of 2024-03-02 has run"):
        update(night(home, CLOSED[-1]))
    with pytest.raises(
        SpecError, match="2024-03-04 can't be updated: the newest night is that of 2024-03-02"
    ):
        update(night(home, DAY + timedelta(days=1)))
    shutil.rmtree(home / "tables")
    with pytest.raises(SpecError, match="no night of between has run"):
        update(night(home))


def test_an_update_waits_for_the_slates_of_the_night_before(home: Path) -> None:
    shutil.rmtree(home / "tables" / NAME / "slates")
    assert update(night(home)).startswith("waits for the night before")


def test_a_file_that_is_still_written_waits(home: Path, pieces: list[Any]) -> None:
    land(home, *pieces[:4], *pieces[8:12])
    folder = home / "landing" / NAME / "outcomes" / f"ds={DAY}"
    (folder / "half.jsonl").write_text('{"outcome_id": "half')
    (folder / "half.parquet").write_bytes((folder / "part-0.parquet").read_bytes()[:-9])
    wanted = f"2 files wait until they are whole; known until {known_until(pieces[8:12])} UTC"
    assert wanted in update(night(home))


def test_an_issue_whose_sums_are_not_by_hour_keeps_its_models_and_slates(
    after_two: Path, pieces: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(after_two / "landing", tmp_path / "home" / "landing")
    left = {"arms": {"ids": ["a", "b"]}, "depth": 2}
    late = spec()["rewards"] | {"maturity": "ipcw"}
    said = spec(issues={"left": left, "right": {"arms": {"ids": ["c", "d"]}, "depth": 2, "rewards": late}})
    (tmp_path / f"{NAME}.yaml").write_text(yaml.safe_dump(said))
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(tmp_path))
    home = tmp_path / "home"
    whole = Night(programs.find(NAME), DAY, home)
    for day in CLOSED:
        run_night(whole.at(day), but=PAGES)
    before = slates_of_the_day(home)
    land(home, *pieces[:4], *pieces[8:12])
    told = update(whole)
    assert "left: 6 models on" in told
    assert "linear_ucb keeps last night's model: rewards.maturity weighs all young" in told
    after = slates_of_the_day(home)
    kept = [[row for row in rows if row["issue"] == "right"] for rows in (before, after)]
    assert kept[0] == kept[1] != []
    made = {
        row["model_digest"] for row in after if (row["issue"], row["variant"]) == ("left", "personalised")
    }
    assert made == {updated(home)["linear_ucb"]}
    assert {row["issue"] for row in rows_of(home, "updates")} == {"left"}
    assert update(whole) == "nothing has landed since the last update"


def test_a_program_with_contact_rules_keeps_its_slates(
    after_two: Path, pieces: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(after_two / "landing", home / "landing")
    said = spec(contacts={"limits": [{"most": 9, "period": "7d"}]})
    (tmp_path / f"{NAME}.yaml").write_text(yaml.safe_dump(said))
    monkeypatch.setenv("NIGHTSLATE_DAGS", str(tmp_path))
    whole = Night(programs.find(NAME), DAY, home)
    for day in CLOSED:
        run_night(whole.at(day), but=PAGES)
    before = slates_of_the_day(home)
    land(home, *pieces[:4], *pieces[8:12])
    assert "its slates stay: contact rules" in update(whole)
    assert slates_of_the_day(home) == before != []
