"""Budgets through the steps of a night: slates, MLflow, the page, and what cannot be kept."""

import json
import shutil
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import yaml

from nightslate.contracts import arrow
from nightslate.core.errors import InvalidInputError
from nightslate.errors import ContractError
from nightslate.models.tracking import NightRun
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.running import run_step
from nightslate.programs import load

from . import world
from .conftest import relocate

DAY = world.DAYS[-1]
NEXT = DAY + timedelta(days=1)
TOPICS = {"a": "news", "b": "news", "c": "help", "d": None}
COSTS = {"a": 2.0, "b": 0.5, "gone": 9.0}
ALLOWED = {"help": 9.0, "cost": 16.0}
Row = dict[str, Any]


def night(home: Path, **changes: object) -> IssueNight:
    """The tiny program with one slot, a goal and budgets, most of it personalised."""
    spec = yaml.safe_load(world.SPEC) | {
        "slots": 1,
        "exposure": [{"name": "last", "arms": ["d"], "exposures": 11.0}],
        "budgets": [
            {"name": "help", "where": {"topic": "help"}, "most": ALLOWED["help"]},
            {"name": "cost", "costs": COSTS, "most": ALLOWED["cost"]},
        ],
        "variants": {
            "personalised": {"share": 0.75, "policy": "popularity"},
            "randomised": {"share": 0.25, "policy": "uniform"},
        },
        **changes,
    }
    spec["logs"] |= {"arm_features": [{"name": "topic", "type": "category"}]}
    path = home / "tiny.yaml"
    path.write_text(yaml.safe_dump(spec))
    return Night(load(path), DAY, home).of_issue("all")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, three_nights: Path) -> Path:
    """The three nights, the last one scored anew with budgets. Tests add to it."""
    home = tmp_path_factory.mktemp("budgets") / "home"
    shutil.copytree(three_nights, home)
    relocate(home, three_nights)
    shutil.rmtree(home / "tables/tiny/arms")
    table = night(home).table("arms")
    rows = [{"arm_id": arm, "topic": topic} for arm, topic in TOPICS.items()]
    table.replace(DAY, pa.Table.from_pylist(rows, arrow.schema(table.contract, partition=False)), {})
    NightRun.start(night(home).mlflow, home, world.PROGRAM, DAY)
    for step in ("score", "audit", "publish", "report"):
        run_step(step, night(home))
    return home


def slates(home: Path) -> list[Row]:
    found = pl.read_delta(str(home / "tables/tiny/slates"))
    return found.filter(pl.col("slate_date") == NEXT).to_dicts()


def chance(slate: Row, arm: str) -> float:
    return slate["weights"][slate["candidates"].index(arm)] / sum(slate["weights"])


def test_budgets_are_kept_by_what_is_published(scored: Path) -> None:
    found = slates(scored)
    assert len(found) == world.USERS
    expected = {arm: sum(chance(slate, arm) for slate in found) for arm in world.ARMS}
    shown = {arm: sum(slate["ranking"][0] == arm for slate in found) for arm in world.ARMS}
    assert expected["d"] >= 11 * (1 - 1e-3)
    assert expected["c"] <= ALLOWED["help"] * (1 + 1e-12)
    assert sum(COSTS.get(arm, 0) * n for arm, n in expected.items()) <= ALLOWED["cost"] * (1 + 1e-12)
    assert any(use["multiplier"] < 1 for use in uses(scored).values())
    for arm in "abc":
        assert abs(shown[arm] - expected[arm]) < 1
    assert shown["c"] <= ALLOWED["help"]


def uses(home: Path) -> dict[str, Row]:
    run = night(home).run()
    path = Path(run.client.download_artifacts(run.id, "budgets.json"))
    return {use["name"]: use for use in json.loads(path.read_text())}


def test_what_budgets_came_to_is_with_the_nights_run_and_on_its_page(scored: Path) -> None:
    metrics = night(scored).run().run.data.metrics
    html = (scored / f"reports/tiny/{DAY}.html").read_text()
    for name, use in uses(scored).items():
        assert metrics[f"budget.{name}.expected"] == use["expected"] <= ALLOWED[name]
        assert use["randomised"] > 0
        assert use["reward_price"] is not None
        assert f"{use['expected']:.6g}"[:5] in html
    assert "one more is worth" in html
    assert metrics["exposure.last"] >= 11 * (1 - 1e-3)


def test_a_rerun_shows_the_same(scored: Path) -> None:
    before = slates(scored)
    for step in ("score", "audit", "publish"):
        run_step(step, night(scored))
    by_user = lambda row: row["user_id"]  # noqa: E731
    assert sorted(slates(scored), key=by_user) == sorted(before, key=by_user)


def test_a_champion_that_has_no_view_of_rewards_has_no_price(scored: Path) -> None:
    uniform = {
        "personalised": {"share": 0.75, "policy": "champion"},
        "randomised": {"share": 0.25, "policy": "uniform"},
    }
    run_step("score", night(scored, variants=uniform, exposure=[]))
    assert {use["reward_price"] for use in uses(scored).values() if use["multiplier"] < 1} == {None}


def test_audit_refuses_slates_that_do_not_keep_to_a_budget(scored: Path) -> None:
    """Scored without budgets they use more, and drawn as ever they show a group too often or too rarely."""
    run_step("score", night(scored, budgets=[]))
    with pytest.raises(ContractError, match=r"budget help: .* is expected of 9 at most"):
        run_step("audit", night(scored))
    plenty = [{"name": "plenty", "arms": ["a", "b"], "most": 40.0}]
    with pytest.raises(ContractError, match=r"a, b: shown \d+ times, expected"):
        run_step("audit", night(scored, budgets=plenty))
    run_step("score", night(scored))
    run_step("audit", night(scored))


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ({"name": "few", "arms": ["c"], "most": 0.5}, r"few \(at most 0.5, of which randomised variants use"),
        ({"name": "few", "arms": ["d"], "most": 8.0}, r"together: last \(at least 11 .*few \(at most 8,"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_named_with_the_numbers(scored: Path, budget: Row, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        run_step("score", night(scored, budgets=[budget]))


def test_a_budget_of_arms_that_are_not_on_offer_is_not_used_and_said(scored: Path) -> None:
    none = {"name": "none", "where": {"topic": "sports"}, "most": 1.0}
    slip = {"name": "slip", "arms": ["a", "A"], "most": 50.0}
    wrong = night(scored, budgets=[none, slip])
    said = (
        f"budgets: no arm on offer on {DAY} belongs to none; "
        f"budgets.slip has 'A': no arm of the 28 days up to {DAY} is called so"
    )
    assert run_step("score", wrong).endswith(f". Look: {said}")
    assert uses(scored)["none"]["expected"] == 0
    for step in ("audit", "publish", "report"):
        run_step(step, wrong)
    assert said in unescape((scored / f"reports/tiny/{DAY}.html").read_text())
    right = night(scored, budgets=[{"name": "right", "costs": {"a": 2.0, "b": 0.5}, "most": 90.0}])
    assert "Look" not in run_step("score", right)
