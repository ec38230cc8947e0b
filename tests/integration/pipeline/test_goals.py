"""Exposure goals, priority and diversity through the steps, and what an engine shows of such slates."""

import math
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import yaml

from nightslate.contracts import arrow
from nightslate.core.errors import InvalidInputError
from nightslate.errors import ContractError
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.models.tracking import NightRun
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.running import run_step
from nightslate.programs import load

from . import world
from .conftest import relocate

DAY = world.DAYS[-1]
NEXT = DAY + timedelta(days=1)
TOPICS = {"a": "news", "b": "news", "c": "help", "d": None}
ARMS = [{"arm_id": arm, "topic": TOPICS[arm], "boost": 2.0 if arm == "a" else None} for arm in world.ARMS]
ASKED = 0.35
Row = dict[str, Any]


def night(home: Path, day: date = DAY, **changes: object) -> IssueNight:
    """The tiny program with goals, priority and diversity, most of it personalised."""
    spec = yaml.safe_load(world.SPEC) | {
        "exposure": [
            {"name": "helpful", "where": {"topic": "help"}, "share": ASKED},
            {"name": "last", "arms": ["d", "gone"], "exposures": 10.0},
        ],
        "priority": "boost",
        "diversity": {"by": "topic", "penalty": 0.25},
        **changes,
    }
    features = [{"name": "topic", "type": "category"}, {"name": "boost", "type": "number"}]
    spec["logs"] |= {"propensity": "conditional", "arm_features": features, "rejects": {"max_share": 1.0}}
    path = home / "tiny.yaml"
    path.write_text(yaml.safe_dump(spec))
    return Night(load(path), day, home).of_issue("all")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, three_nights: Path) -> Path:
    """The three nights, whose arms have got features, and the last one scored anew. Tests add to it."""
    home = tmp_path_factory.mktemp("goals") / "home"
    shutil.copytree(three_nights, home)
    relocate(home, three_nights)
    shutil.rmtree(home / "tables/tiny/arms")
    table = night(home).table("arms")
    table.replace(DAY, pa.Table.from_pylist(ARMS, arrow.schema(table.contract, partition=False)), {})
    NightRun.start(night(home).mlflow, home, world.PROGRAM, DAY)
    for step in ("score", "audit", "publish"):
        run_step(step, night(home))
    return home


def _slates(home: Path) -> list[Row]:
    slates = pl.read_delta(str(home / "tables/tiny/slates"))
    return slates.filter(pl.col("slate_date") == NEXT).to_dicts()


def test_goals_are_met_over_all_users_and_a_row_explains_itself(scored: Path) -> None:
    slates = _slates(scored)
    total = dict.fromkeys(world.ARMS, 0.0)
    for slate in slates:
        for arm, exposed in _exposed(slate).items():
            total[arm] += exposed
    assert total["c"] / sum(total.values()) == pytest.approx(ASKED, rel=1e-3)
    assert total["d"] >= 10 * (1 - 1e-3)
    run = night(scored).run()
    metrics = run.client.get_run(run.id).data.metrics
    assert metrics["exposure.helpful"] == pytest.approx(ASKED, rel=1e-3)
    assert metrics["exposure.helpful.multiplier"] > 1
    assert {artifact.path for artifact in run.client.list_artifacts(run.id)} >= {"exposure.json"}


def test_randomised_traffic_stays_randomised(scored: Path) -> None:
    by_variant = {"personalised": [0.25, ["news", "news", "help", None]], "randomised": [None, None]}
    for slate in _slates(scored):
        assert [slate["penalty"], slate["groups"]] == by_variant[slate["variant"]]
        if slate["variant"] == "randomised":
            assert slate["weights"] == [0.25] * 4


def _exposed(slate: Row) -> dict[str, float]:
    """The probability that each arm is in one of the two slots, by the definition."""
    weight = dict(zip(slate["candidates"], slate["weights"], strict=True))
    found = {arm: weight[arm] / sum(weight.values()) for arm in weight}
    for first in weight:
        left = {
            arm: weight[arm] * (0.25 if slate["penalty"] and TOPICS[arm] == TOPICS[first] else 1.0)
            for arm in weight
            if arm != first
        }
        first_is = weight[first] / sum(weight.values())
        for arm in left:
            found[arm] += first_is * left[arm] / sum(left.values())
    return found


def test_of_a_diversified_slate_what_is_left_after_an_arm_was_removed_is_taken_in(scored: Path) -> None:
    slates = {slate["user_id"]: slate for slate in _slates(scored)}
    shown = [row for user in range(0, world.USERS, 2) for row in _shown_to(user, slates)]
    world.land(scored, NEXT, shown, [])
    world.write_json_lines(scored / f"landing/tiny/arms/ds={NEXT}/part-0.jsonl", ARMS)
    by_id = {slate["slate_id"]: slate for slate in slates.values()}
    run_step("ingest", night(scored, NEXT))
    taken = pl.read_delta(str(scored / "tables/tiny/impressions")).filter(pl.col("ds") == NEXT)
    lost = pl.read_delta(str(scored / "tables/tiny/quarantine")).filter(pl.col("ds") == NEXT)
    assert len(taken) == len(shown)
    assert lost.filter(pl.col("log") == "impressions").is_empty()
    changed = 0
    for row in taken.iter_rows(named=True):
        slate = by_id[row["slate_id"]]
        published = slate["propensities"][row["slot"] - 1]
        if row["eligible_arms"] is None:
            assert row["propensity"] == published
        else:
            head = slate["ranking"][: row["slot"]]
            assert row["propensity"] == pytest.approx(_after_removal(slate, head), rel=1e-12)
            changed += slate["penalty"] is not None
    assert changed > 0


def _after_removal(slate: Row, head: list[str]) -> float:
    """The last arm's of the head, by adding up all rankings of three arms, cut down to those eligible."""
    weight = dict(zip(slate["candidates"], slate["weights"], strict=True))
    cuts = []
    for ranking in permutations(weight, 3):
        now, probability = dict(weight), 1.0
        for arm in ranking:
            probability *= now[arm] / math.fsum(now.values())
            del now[arm]
            alike = {a for a in now if slate["penalty"] and TOPICS[a] == TOPICS[arm] is not None}
            now = {a: w * (0.25 if a in alike else 1.0) for a, w in now.items()}
        cuts.append(([arm for arm in ranking if arm in slate["ranking"]], probability))
    filled = [
        (cut[: len(head)], p)
        for cut, p in cuts
        if cut[: len(head) - 1] == head[:-1] and len(cut) >= len(head)
    ]
    return math.fsum(p for cut, p in filled if cut == head) / math.fsum(p for _, p in filled)


def _shown_to(user: int, slates: dict[str, Row]) -> Iterator[Row]:
    """Two arms of the user's slate, as it is and without its last arm."""
    (pseudonym,) = Pseudonymiser.from_environment()(pa.array([f"user-{user}"])).to_pylist()
    slate = slates[pseudonym]
    noon = datetime.combine(NEXT, datetime.min.time(), UTC) + timedelta(hours=12)
    for number, eligible in enumerate([None, slate["ranking"]]):
        for slot, arm in enumerate(slate["ranking"][:2], start=1):
            yield {
                "impression_id": f"{user}-{number}-{slot}",
                "decision_id": f"{user}-{number}",
                "user_id": f"user-{user}",
                "occurred_at": noon,
                "slot": slot,
                "arm_id": arm,
                "slate_id": slate["slate_id"],
                "eligible_arms": eligible,
                "segment": world.segment(user),
                "age": 20.0 + user,
            }


@pytest.mark.parametrize(
    ("goal", "error", "says"),
    [
        (
            {"name": "greedy", "arms": ["a"], "exposures": 1000.0},
            InvalidInputError,
            "no slates can meet: greedy",
        ),
        ({"name": "greedy", "arms": ["a"], "share": 0.499}, InvalidInputError, "greedy"),
        ({"name": "lost", "arms": ["gone"], "share": 0.1}, ContractError, "belongs to lost"),
    ],
)
def test_a_goal_that_cannot_be_met_is_named(scored: Path, goal: Row, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        run_step("score", night(scored, exposure=[goal]))
