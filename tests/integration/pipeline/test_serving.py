"""The champion as MLflow loads and serves it, after real nights: the slates that these have published."""

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import polars as pl
import pytest
import yaml
from deltalake import DeltaTable
from mlflow.exceptions import MlflowException

from nightslate.errors import ModelError
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.running import run_step
from tests.integration.nights import DOCS, PAGES, night_of, run_night
from tests.scoring_server import served

from . import world
from .conftest import relocate
from .loaded_models import loaded, of_warehouse

pytestmark = pytest.mark.e2e

PROJECT = Path(__file__).parents[3]
DAY = world.DAYS[1]
NEXT = DAY + timedelta(days=1)
CHAMPION = f"models:/{world.PROGRAM}@champion"
Row = dict[str, Any]


def night(home: Path, day: Any = DAY, **changes: Any) -> IssueNight:
    """The tiny program with a champion whose weights BLAS has a say in, and a rule."""
    spec = yaml.safe_load(world.SPEC)
    spec["learners"]["linear_ucb"] = {"kind": "linear_ucb"}
    lines = [{"when": "segment == new and age < 50", "arms": "arm_id == a"}, {"arms": "arm_id in [a, b]"}]
    spec["learners"]["todays_rule"] = {"kind": "rule", "choose": lines}
    spec["variants"]["randomised"] = {"share": 0.3, "policy": "uniform"}
    spec["variants"]["rule"] = {"share": 0.2, "policy": "todays_rule"}
    spec["gate"]["first_champion"] = "linear_ucb"
    return night_of(spec | changes, home, day)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After two nights. Not to be changed: copy it."""
    home = tmp_path_factory.mktemp("served") / "home"
    world.land_all(home)
    for day in world.DAYS[:2]:
        run_night(night(home, day), but=DOCS)
    return home


@pytest.fixture
def copied(home: Path, tmp_path: Path) -> Path:
    shutil.copytree(home, tmp_path / "copied")
    relocate(tmp_path / "copied", home)
    return tmp_path / "copied"


def published(home: Path, variant: str = "personalised") -> tuple[list[Row], list[Row]]:
    """The rows of a request and the slates of a variant, in one order."""
    tables = home / "tables" / world.PROGRAM
    users = pl.read_delta(str(tables / "users")).filter(pl.col("ds") == DAY)
    slates = pl.read_delta(str(tables / "slates")).filter(pl.col("slate_date") == NEXT)
    mine = slates.filter(pl.col("variant") == variant).sort("user_id")
    asked = mine.select("user_id", slate_date=pl.lit(str(NEXT))).join(
        users.select("user_id", "segment", "age"), on="user_id", maintain_order="left"
    )
    return asked.to_dicts(), [{**row, "slate_date": str(NEXT)} for row in mine.to_dicts()]


def test_the_champion_gives_the_published_slates(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(home, monkeypatch, CHAMPION)
    asked, slates = published(home)
    frame = pl.DataFrame(asked).to_pandas()
    assert len(slates) > 10
    assert {slate["policy"] for slate in slates} == {"linear_ucb"}
    assert model.predict(frame) == slates
    assert [row for at in range(len(frame)) for row in model.predict(frame[at : at + 1])] == slates
    assert model.predict(model.input_example)[0]["policy"] == "linear_ucb"


@pytest.mark.parametrize(("learner", "variant"), [("uniform", "randomised"), ("todays_rule", "rule")])
def test_another_learner_of_the_night_gives_the_slates_of_its_variant(
    home: Path, monkeypatch: pytest.MonkeyPatch, learner: str, variant: str
) -> None:
    version = night(home).run().version_of(learner)
    model = loaded(home, monkeypatch, f"models:/{world.PROGRAM}/{version}")
    asked, slates = published(home, variant)
    assert {slate["policy"] for slate in slates} == {learner}
    assert model.predict(pl.DataFrame(asked).to_pandas(), {"variant": variant}) == slates


def test_the_night_s_run_says_which_tables_training_has_read(home: Path) -> None:
    inputs = night(home).run().run.inputs.dataset_inputs
    sources = {one.dataset.name: json.loads(one.dataset.source) for one in inputs}
    assert set(sources) == {f"tiny/{table}" for table in ("impressions", "credits", "arms")}
    for source in sources.values():
        as_read = DeltaTable(source["path"], version=source["delta_table_version"])
        assert max(as_read.to_pyarrow_table()["ds"].to_pylist()) == DAY


def test_mlflows_server_answers_with_the_published_slates(home: Path, tmp_path: Path) -> None:
    asked, slates = published(home)
    with served(CHAMPION, of_warehouse(home), tmp_path / "log") as server:
        whole = server.post({"dataframe_records": asked})
        assert (whole.status, whole.body) == (200, {"predictions": slates})
        for row, slate in zip(asked[:5], slates, strict=False):
            assert server.post({"dataframe_records": [row]}).body == {"predictions": [slate]}
        few = server.post({"dataframe_records": [asked[0] | {"eligible_arms": ["a", "d"]}]})
        (row,) = few.body["predictions"]
        assert (row["candidates"], sorted(row["ranking"])) == (["a", "d"], ["a", "d"])
        for wrong, said in BAD_REQUESTS:
            answer = server.post(wrong if isinstance(wrong, bytes) else {"dataframe_records": [wrong]})
            assert answer.status == 400, wrong
            assert said in answer.body["message"]
        many = {"dataframe_records": [asked[0]] * 16_385}
        assert "16385 rows are more than are ranked at once" in server.post(many).body["message"]
        assert server.post({"dataframe_records": asked}).body == {"predictions": slates}


GOOD = {"user_id": "0" * 32, "slate_date": str(NEXT), "segment": "new", "age": 30.0}
BAD_REQUESTS: list[tuple[Row | bytes, str]] = [
    (GOOD | {"eligible_arms": ["a", "sold"]}, "eligible_arms of row 0 names 'sold'"),
    (GOOD | {"user_id": "anna"}, "user_id of row 0 is no pseudonym"),
    (GOOD | {"slate_date": "tomorrow"}, "slate_date of row 0 is 'tomorrow', which is no day"),
    ({name: GOOD[name] for name in ("user_id", "slate_date", "segment")}, "missing inputs ['age']"),
    (GOOD | {"age": "old"}, "age"),
    (GOOD | {"age": 1e16}, "age of row 0 is 1e+16"),
    (GOOD | {"segment": 7}, "segment"),
    (b"{", "JSON"),
    (json.dumps({"dataframe_records": [GOOD], "params": {"variant": "x"}}).encode(), "'x' does not show"),
]


def test_the_snippets_of_the_documentation_run(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in of_warehouse(home).items():
        monkeypatch.setenv(name, value)  # which MLflow's setting of an address sets, too
    names = executed("load", {"open_bandit": world.PROGRAM})
    mlflow.set_tracking_uri(None)
    assert set(names["slate"]["ranking"]) < set(world.ARMS)
    with served(CHAMPION, of_warehouse(home), tmp_path / "log") as server:
        features = {"user_feature_0": "segment", '"user_feature_1": None': '"age": None'}
        arms = {'["3", "7", "12", "40"]': '["a", "d"]'}
        names = executed("request", {"5001": str(server.port), **features, **arms})
        assert names["response"].status == 200
        (slate,) = names["answer"]["predictions"]
        assert slate["candidates"] == ["a", "d"]


def executed(name: str, instead: dict[str, str]) -> dict[str, Any]:
    """What the names of a snippet stand for after it ran, on this program instead of the documentation's."""
    page = (PROJECT / "docs/serving.md").read_text()
    (code,) = re.findall(rf"^```python {name}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for old, new in instead.items():
        assert old in code
        code = code.replace(old, new)
    names: dict[str, Any] = {}
    exec(compile(code, f"docs/serving.md:{name}", "exec"), names)  # noqa: S102 (our own documentation)
    return names


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        ("release.json", b'"floor":0.2', b'"floor":0.9', "is not what a night of tiny .* has recorded"),
        ("release.json", b'"floor"', b'"flour"', r"release\.json is not a release that .*floor"),
        ("model.json", b"linear_ucb", b"linear_abc", r"model\.json is not the file that was recorded"),
        ("policy.npz", b"mean", b"meen", r"policy\.npz is not the file that was recorded"),
    ],
)
def test_files_that_no_night_has_recorded_are_not_loaded(
    copied: Path, monkeypatch: pytest.MonkeyPatch, name: str, before: bytes, after: bytes, said: str
) -> None:
    loaded(copied, monkeypatch, CHAMPION)
    for file in (copied / "mlflow" / "artifacts").rglob(name):
        content = file.read_bytes().replace(b'"floor": 0.2', b'"floor":0.2')
        file.write_bytes(content.replace(before, after))
    with pytest.raises(ModelError, match=said):
        loaded(copied, monkeypatch, CHAMPION)


def test_a_warehouse_that_does_not_know_the_model_is_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(home, monkeypatch, CHAMPION)
    monkeypatch.setenv("NIGHTSLATE_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(ModelError, match=rf"no table tiny/models in {tmp_path}/elsewhere .* set NIGHTSLATE"):
        mlflow.pyfunc.load_model(CHAMPION)


def test_a_change_of_the_program_is_served_though_the_model_is_the_same(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The floor is no part of the model file: its version is another, and the champion's alias goes there."""
    before = night(copied).registry.champion_version()
    run_night(night(copied, floor=0.4), but=PAGES)
    assert night(copied).registry.champion_version() != before
    asked, slates = published(copied)
    assert loaded(copied, monkeypatch, CHAMPION).predict(pl.DataFrame(asked).to_pandas()) == slates
    run_night(night(copied), but=PAGES)
    assert night(copied).registry.champion_version() == before


def test_exposure_goals_are_those_that_the_night_has_solved(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goal = {"name": "last", "arms": ["d"], "share": 0.35}
    run_night(night(copied, exposure=[goal], logs=yaml.safe_load(world.SPEC)["logs"]), but=DOCS)
    asked, slates = published(copied)
    assert max(slate["weights"][3] for slate in slates) > 0.4
    model = loaded(copied, monkeypatch, CHAMPION)
    assert model.predict(pl.DataFrame(asked).to_pandas()) == slates
    later = [{**row, "slate_date": "2024-03-09"} for row in asked]
    with pytest.raises(MlflowException, match="solved the exposure goals and budgets last for it, only for"):
        model.predict(pl.DataFrame(later).to_pandas())


@pytest.mark.parametrize(("slots", "most"), [(1, 7.0), (2, 13.0)])
def test_budgets_are_in_the_weights_and_only_a_night_keeps_their_totals(
    copied: Path, monkeypatch: pytest.MonkeyPatch, slots: int, most: float
) -> None:
    """Where one slot is shown, the night deals out the first arms over all users; a request draws its own."""
    budget = {"name": "few", "arms": ["a"], "most": most}
    tonight = night(copied, budgets=[budget], slots=slots)
    for step in ("train", "evaluate", "promote", "score", "audit", "publish"):
        run_step(step, tonight)
    asked, slates = published(copied)
    solved = pl.read_delta(str(copied / "tables" / world.PROGRAM / "multipliers"))
    assert solved.filter(pl.col("arm_id") == "a", pl.col("slate_date") == NEXT)["multiplier"].item() < 0.9
    model = loaded(copied, monkeypatch, CHAMPION)
    answer = model.predict(pl.DataFrame(asked).to_pandas())
    drawn = {"ranking", "propensities", "slate_id"}
    same = [{name: value for name, value in row.items() if name not in drawn} for row in slates]
    assert [{name: value for name, value in row.items() if name not in drawn} for row in answer] == same
    assert (answer == slates) == (slots == 2)
    later = [{**row, "slate_date": "2024-03-09"} for row in asked]
    with pytest.raises(MlflowException, match="solved the exposure goals and budgets few for it, only for"):
        model.predict(pl.DataFrame(later).to_pandas())


def test_a_night_that_is_run_again_registers_nothing(copied: Path) -> None:
    def versions() -> set[str]:
        return {str(found.version) for found in night(copied).mlflow.search_model_versions()}

    before = versions()
    run_night(night(copied), but=PAGES)
    assert versions() == before


def test_features_by_arm_are_served_as_nights_see_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Maps in a request, of this user's number for each arm."""
    seen = {"source": "impressions", "key": ["user_id", "arm_id"], "aggregation": "count", "window": "3d"}
    since = {**seen, "aggregation": "time_since_last", "default": 300000.0}
    features = {"seen": seen, "since": since}
    world.land_all(tmp_path)
    for day in world.DAYS[:2]:
        run_night(night(tmp_path, day, features=features), but=DOCS)
    model = loaded(tmp_path, monkeypatch, CHAMPION)
    assert model.predict(model.input_example)[0]["policy"] == "linear_ucb"
    asked, slates = published(tmp_path)
    rows = night(tmp_path, features=features).table("features").rows(DAY, DAY).to_pylist()
    of_users = {row["user_id"]: row for row in rows}
    asked = [
        row
        | {
            name: dict(of_users[row["user_id"]][name]) if row["user_id"] in of_users else None
            for name in features
        }
        for row in asked
    ]
    assert sum(bool(row["seen"]) for row in asked) > 5
    assert model.predict(pd.DataFrame(asked)) == slates
    assert [row for each in asked for row in model.predict(pd.DataFrame([each]))] == slates
    others = [row | {"seen": {"a": 9.0}} for row in asked]
    assert model.predict(pd.DataFrame(others)) != slates
