"""A program of three issues that gives each user one of them: nights through every step, on what its own
slates showed."""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml

from nightslate import programs
from nightslate.engines import LocalEngine
from nightslate.errors import ContractError
from nightslate.kernels.buckets import buckets_of, dealt_out
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.pipeline.night import Night
from nightslate.pipeline.running import run_step
from tests.integration.nights import PAGES, Declared, run_night

from . import world

pytestmark = pytest.mark.e2e

PROGRAM = "retention"
DAYS = [date(2024, 6, 1) + timedelta(days=number) for number in range(4)]
NEXT = DAYS[-1] + timedelta(days=1)
USERS = 300
FLOOR = 0.2
OFFERED = {
    "pricing": ("discount", "nothing", "trial"),
    "support": ("call", "nothing"),
    "usability": ("nothing", "tips", "tour"),
}
SLOTS = {"pricing": 1, "support": 1, "usability": 2}
CONCERNED = {"new": ("pricing", "support", "usability"), "old": ("pricing", "support"), "idle": ("support",)}
HELPS = {"discount": 0.5, "trial": 0.3, "call": 0.25, "tips": 0.15, "tour": 0.4, "nothing": 0.1}

SPEC = f"""
program: {PROGRAM}
description: One kind of help for each customer, of three.
start_date: 2024-06-01
buckets: 2
slots: 1
depth: 2
floor: 0.3
logs:
  propensity: conditional
  context: [{{name: segment, type: category}}]
learners:
  uniform: {{kind: uniform}}
  popularity: {{kind: popularity, prior_strength: 5.0}}
  linear: {{kind: linear_ucb}}
variants:
  personalised: {{share: 0.8, policy: popularity}}
  randomised: {{share: 0.2, policy: uniform}}
rewards: {{values: {{renewal: 1.0}}, window: 6h}}
evaluation: {{folds: 2, resamples: 200, reward_range: [0.0, 1.0]}}
gate: {{first_champion: uniform, min_ess: 10.0, min_users: 2}}
issue_choice: {{floor: {FLOOR}, baseline: nothing}}
issues:
  usability:
    arms: {{ids: [tour, tips, nothing]}}
    eligible: {{segment: [new]}}
    slots: 2
  pricing:
    arms: {{ids: [discount, trial, nothing]}}
    concerns: segment in [new, old]
  support:
    arms: {{ids: [call, nothing]}}
"""
Row = dict[str, Any]


def segment(user: int) -> str:
    return ("new", "old", "idle", "new")[user % 4]


def land(home: Path, number: int) -> None:
    """What was shown of the published slates of the day; on a day without slates an issue and arms by chance,
    whose engine logs both probabilities. Help leads to renewals, each arm as often as it helps."""
    day, random = DAYS[number], np.random.default_rng(number)
    slates = published(home, day)
    shown = [
        row
        for user in range(USERS)
        for row in (_of_slate(user, day, slates) if slates else _by_chance(user, day, random))
    ]
    done = [
        {
            "outcome_id": f"{row['impression_id']}-renewal",
            "user_id": row["user_id"],
            "kind": "renewal",
            "value": 1.0,
            "occurred_at": row["occurred_at"],
            "impression_id": row["impression_id"],
        }
        for row in shown
        if random.random() < HELPS[row["arm_id"]]
    ]
    people = [{"user_id": f"user-{user}", "segment": segment(user)} for user in range(USERS)]
    arms = [{"arm_id": arm} for arm in HELPS]
    logs = {"impressions": shown, "outcomes": done, "users": people, "arms": arms}
    world.land_logs(home, PROGRAM, day, logs)


def published(home: Path, day: date) -> dict[str, Row]:
    """Slates of a day by user."""
    if not (home / "tables" / PROGRAM / "slates").exists():
        return {}
    return {row["user_id"]: row for row in rows(home, "slates").filter(slate_date=day).to_dicts()}


def _shown(user: int, day: date, arms: list[str], **said: Any) -> Iterator[Row]:
    at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=9, minutes=user)
    for slot, arm in enumerate(arms, start=1):
        row = {"impression_id": f"{day}-{user}-{slot}", "decision_id": f"{day}-{user}", "slot": slot}
        row |= {"user_id": f"user-{user}", "segment": segment(user), "occurred_at": at.isoformat()}
        yield {**row, "arm_id": arm, **{name: value[slot - 1] for name, value in said.items()}}


def _of_slate(user: int, day: date, slates: dict[str, Row]) -> Iterator[Row]:
    (pseudonym,) = Pseudonymiser.from_environment()(pa.array([f"user-{user}"])).to_pylist()
    slate, slots = slates[pseudonym], SLOTS[slates[pseudonym]["issue"]]
    return _shown(user, day, slate["ranking"][:slots], slate_id=[slate["slate_id"]] * slots)


def _by_chance(user: int, day: date, random: np.random.Generator) -> Iterator[Row]:
    among = CONCERNED[segment(user)]
    issue, chance = str(random.choice(among)), 1 / len(among)
    arms = [str(arm) for arm in random.permutation(OFFERED[issue])[: SLOTS[issue]]]
    n, slots = len(OFFERED[issue]), len(arms)
    propensities = [chance / n, 1 / (n - 1)][:slots]
    logged = {"propensity": propensities, "issue_probability": [chance] * slots, "issue": [issue] * slots}
    return _shown(user, day, arms, **logged)


DECLARED = Declared(PROGRAM, DAYS)
night, rows = DECLARED.night, DECLARED.rows


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, program: None) -> Path:
    """After four nights."""
    home = tmp_path_factory.mktemp("choice")
    DECLARED.write(SPEC)
    for number in range(len(DAYS)):
        land(home, number)
        run_night(night(home, number), but=PAGES if number < len(DAYS) - 1 else ())
    return home


def tonight(home: Path, table: str) -> pl.DataFrame:
    return rows(home, table).filter(slate_date=NEXT)


def test_every_user_gets_slates_of_one_issue_that_concerns_it(home: Path) -> None:
    slates, choices = tonight(home, "slates"), tonight(home, "issue_choices")
    assert slates["user_id"].n_unique() == slates.height == choices.height == USERS
    both = slates.join(choices, on=["user_id", "issue"], validate="1:1")
    assert both.height == USERS
    assert (both["issue_probability"] == both["probability"]).all()
    segments = rows(home, "users").filter(ds=DAYS[-1]).select("user_id", "segment")
    for row in choices.join(segments, on="user_id").to_dicts():
        assert tuple(row["issues"]) == CONCERNED[row["segment"]]
        assert row["probability"] == row["probabilities"][row["issues"].index(row["issue"])]
    assert choices["issue"].n_unique() == 3


def test_probabilities_are_those_of_the_definition(home: Path) -> None:
    """By gains where all models of a user have a view of rewards, and evenly where one has none."""
    choices, models = tonight(home, "issue_choices"), rows(home, "slates").filter(slate_date=NEXT)
    personalised = {*models.filter(variant="personalised")["user_id"]}
    drawn_by_gain = 0
    for row in choices.to_dicts():
        k, gains = len(row["issues"]), row["gains"]
        assert math.fsum(row["probabilities"]) == pytest.approx(1, abs=1e-12)
        assert (None in gains) == (row["user_id"] not in personalised)
        even = k == 1 or None in gains or not any(gains)
        expected = [1 / k if even else FLOOR / k + (1 - FLOOR) * gain / sum(gains) for gain in gains]
        assert row["probabilities"] == pytest.approx(expected, rel=1e-12)
        drawn_by_gain += not even
    assert drawn_by_gain > 100
    expected = choices.explode("issues", "probabilities").group_by("issues").agg(pl.col("probabilities"))
    for row in expected.to_dicts():
        chances = np.array(row["probabilities"])
        error = (choices["issue"] == row["issues"]).sum() - chances.sum()
        assert abs(error) < 4 * math.sqrt((chances * (1 - chances)).sum()) + 1e-9


def test_what_was_shown_of_slates_is_logged_with_the_probability_of_both(home: Path) -> None:
    slates = rows(home, "slates").select("slate_id", "issue", "propensities", drawn="issue_probability")
    shown = rows(home, "impressions").filter(pl.col("ds") > DAYS[0])
    found = shown.join(slates, on=["slate_id", "issue"], validate="m:1")
    assert found.height == shown.height > 3 * USERS
    assert (found["issue_probability"] == found["drawn"]).all()
    assert (found["issue_probability"] < 1).sum() > USERS
    for row in found.to_dicts():
        factor = row["drawn"] if row["slot"] == 1 else 1.0
        assert row["propensity"] == pytest.approx(row["propensities"][row["slot"] - 1] * factor, rel=1e-12)
    assert rows(home, "quarantine").is_empty()


def test_over_the_users_that_an_issue_got_weights_have_mean_1(home: Path) -> None:
    """Without the division they would have the mean of 1 / issue_probability, which is over 1.5."""
    of_night = rows(home, "evaluations").filter(
        (pl.col("ds") == DAYS[-1]) & pl.col("reference").is_null() & (pl.col("estimand") == "cross_fitted")
    )
    assert set(of_night["issue"]) == {*OFFERED}
    assert set(of_night["policy"]) == {"logged", "uniform", "popularity", "linear"}
    assert (of_night["mean_weight"] - 1).abs().max() < 0.2
    assert ((of_night["mean_weight_lower"] <= 1) & (of_night["mean_weight_upper"] >= 1)).all()
    inverse = (1 / rows(home, "impressions")["issue_probability"]).mean()
    assert isinstance(inverse, float)
    assert inverse > 1.5


def test_the_page_of_an_issue_says_how_many_users_it_got(home: Path) -> None:
    choices = tonight(home, "issue_choices")
    html = night(home).warehouse.report(PROGRAM, DAYS[-1], "pricing").read_text()
    assert "users concerned" in html
    concerned = choices.filter(pl.col("issues").list.contains("pricing")).height
    got = choices.filter(issue="pricing").height
    assert f'<td class="number">{concerned}</td><td class="number">{got}</td>' in html


def test_a_night_run_again_leaves_all_rows_as_they_were(home: Path) -> None:
    names = ("issue_choices", "slates", "assignments")
    before = {name: sorted(map(repr, rows(home, name).rows())) for name in names}
    line = run_step("choose", night(home))
    assert f"{USERS} users of {NEXT} get one issue each: " in line
    for step in ("score", "audit", "publish"):
        run_step(step, night(home))
    assert {name: sorted(map(repr, rows(home, name).rows())) for name in names} == before


def test_issues_in_another_order_draw_the_same(home: Path, tmp_path: Path) -> None:
    before = sorted(map(repr, tonight(home, "issue_choices").rows()))
    spec = yaml.safe_load(SPEC)
    spec["issues"] = {name: spec["issues"][name] for name in ("support", "usability", "pricing")}
    (tmp_path / f"{PROGRAM}.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    turned = Night(programs.load(tmp_path / f"{PROGRAM}.yaml"), DAYS[-1], home, LocalEngine(processes=1))
    run_step("choose", turned)
    assert sorted(map(repr, tonight(home, "issue_choices").rows())) == before


def test_the_audit_refuses_what_the_gains_do_not_give(home: Path) -> None:
    """And what was audited before stays what readers see."""
    table = night(home).table("issue_choices")
    mine = table.of_issue("pricing").rows(NEXT, NEXT)
    first = next(place for place, of in enumerate(mine["probabilities"].to_pylist()) if len(of) == 3)
    chances = mine["probabilities"].to_pylist()
    at = mine["issues"].to_pylist()[first].index("pricing")
    chances[first][at] *= 1 + 1e-9
    replaced = {"probabilities": chances, "probability": mine["probability"].to_pylist()}
    replaced["probability"][first] = chances[first][at]
    tampered = mine
    for name, values in replaced.items():
        place = tampered.schema.get_field_index(name)
        field = tampered.schema.field(name)
        tampered = tampered.set_column(place, field, pa.array(values, field.type))
    _replace(table.of_issue("pricing"), tampered)
    run_step("score", night(home))
    try:
        with pytest.raises(ContractError) as refused:
            run_step("audit", night(home))
        assert "a probability is not the one its gains give: 1 rows" in str(refused.value)
        assert len(str(refused.value).splitlines()) == 2
    finally:
        _replace(table.of_issue("pricing"), mine)
        run_step("score", night(home))
        run_step("audit", night(home))
        run_step("publish", night(home))


def test_the_audit_refuses_slates_of_issues_that_others_have_by_now(home: Path) -> None:
    """Where draws change after one issue was scored, by whatever chance, nobody gets slates of two."""
    table = night(home).table("issue_choices")
    mine, others = (table.of_issue(issue).rows(NEXT, NEXT) for issue in ("pricing", "support"))
    moved = mine.filter(pc.greater(pc.list_value_length(mine["issues"]), 1)).slice(0, 1)
    user = moved["user_id"][0]
    _replace(table.of_issue("pricing"), mine.filter(pc.not_equal(mine["user_id"], user)))
    _replace(table.of_issue("support"), pa.concat_tables([others, moved]).sort_by("user_id"))
    run_step("score", night(home), "support")
    try:
        with pytest.raises(ContractError) as refused:
            run_step("audit", night(home))
        assert "a user has slates of more than one issue: 1 rows" in str(refused.value)
    finally:
        run_step("choose", night(home))
        run_step("score", night(home))
        run_step("audit", night(home))
        run_step("publish", night(home))


def _replace(table: Any, changed: pa.Table) -> None:
    own = changed.select([column.name for column in table.contract.file_columns])
    attempt = table.begin(NEXT)
    for bucket, of_bucket in dealt_out(own, buckets_of(own, 2)):
        attempt.write(of_bucket, bucket)
    table.publish(attempt.seal(), {})


def test_nobody_is_scored_before_issues_are_drawn(home: Path, tmp_path: Path) -> None:
    land(tmp_path, 0)
    for step in ("ingest", "attribute", "train"):
        run_step(step, night(tmp_path, 0))
    with pytest.raises(ContractError, match=r"nobody has an issue on 2024-06-02 yet: run the step `choose`"):
        run_step("score", night(tmp_path, 0), "pricing")
