"""A program that changes underway: old rows mean what it says now or what they say, or stop the night."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from nightslate.errors import SpecError
from nightslate.pipeline.log_tables import LogTables
from nightslate.pipeline.matured_logs import Logs, logs_to_weigh, matured_logs
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.running import run_step
from tests.integration.nights import night_of

from . import world

DAYS = [date(2024, 3, 1) + timedelta(days=n) for n in range(4)]
VISITS = {"values": {"visit": 1.0}, "window": "12h"}
DEARER = VISITS | {"values": {"visit": 10.0}}


def moment(day: date, hour: float) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=hour)


def land(home: Path, day: date) -> None:
    """One user sees two arms at six and visits at seven. A visit that names the first arm's impression seems
    to come two minutes before it."""
    shown: list[dict[str, Any]] = [
        {
            "impression_id": f"{day}-{slot}",
            "decision_id": f"{day}",
            "user_id": "user-1",
            "occurred_at": moment(day, 6),
            "slot": slot,
            "arm_id": arm,
            "propensity": 0.25,
            "segment": "new",
            "age": 20.0,
        }
        for slot, arm in ((1, "a"), (2, "b"))
    ]
    visit = {"user_id": "user-1", "kind": "visit", "value": 1.0}
    later = {"outcome_id": f"{day}-later", "occurred_at": moment(day, 7).isoformat()}
    early = {"outcome_id": f"{day}-early", "occurred_at": moment(day, 6 - 2 / 60).isoformat()}
    world.land(home, day, shown, [visit | later, visit | early | {"impression_id": f"{day}-1"}])


def night(home: Path, day: date, rewards: dict[str, Any] = VISITS, **changed: Any) -> IssueNight:
    spec = yaml.safe_load(world.SPEC) | {"rewards": rewards, "training": {"window_days": 3}}
    spec["evaluation"] |= {"window_days": 3}
    spec["logs"] |= {"rejects": {"max_share": 0.5}} | changed.pop("logs", {})
    return night_of(spec | changed, home, day)


def run(of: IssueNight, *steps: str) -> str:
    return [run_step(step, of) for step in steps][-1]


def matured(of: IssueNight) -> Logs:
    return matured_logs(of, LogTables.of(of), world.ARMS, 3)


def rows(home: Path, table: str) -> pl.DataFrame:
    return pl.read_delta(str(home / "tables" / world.PROGRAM / table)).sort("ds")


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days ingested and attributed, and a fourth that has landed. Not to be changed: copy it."""
    home = tmp_path_factory.mktemp("three")
    for day in DAYS:
        land(home, day)
    for day in DAYS[:3]:
        run(night(home, day), "ingest", "attribute")
    return home


@pytest.fixture
def home(three_days: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(three_days, tmp_path / "home"))


def test_days_of_before_are_worth_what_the_program_says_now(home: Path) -> None:
    """The window of the fourth night begins on the second day, but no night before it was trained: it makes
    their models, too, and so goes back to the first."""
    changed = night(home, DAYS[3], DEARER)
    run(changed, "ingest")
    with pytest.raises(SpecError) as refused:
        run(changed, "train")
    assert str(refused.value) == (
        "tiny credits: 2 days from 2024-03-02 to 2024-03-03 were made under another program:"
        " rewards.values.visit was 1.0 and is 10.0. Undo the change, or run the step attribute of 2024-03-04,"
        " which makes them anew: nightslate step attribute --program tiny --ds 2024-03-04"
    )

    line = run(changed, "attribute")

    assert "rewards.values.visit was 1.0 and is 10.0, and attributed anew" in line
    worth = rows(home, "credits").group_by("ds", maintain_order=True).agg(pl.col("credit").sum())
    assert worth["credit"].to_list() == [20.0, 20.0, 20.0, 20.0]
    assert matured(changed).work.inputs["credits"].files
    assert "anew" not in run(changed, "attribute")


def test_days_of_which_nobody_knows_are_attributed_anew(home: Path) -> None:
    """Warehouses from before their commits said what their rows mean."""
    for name in ("credits", "unattributed"):
        table = night(home, DAYS[2]).table(name)
        held = table.snapshot().to_arrow(DAYS[2], DAYS[2])
        table.replace(DAYS[2], held.drop_columns(["ds"]).slice(0, 1), {})

    assert "2024-03-03 was made under another program" in run(night(home, DAYS[3]), "ingest", "attribute")

    assert rows(home, "credits")["ds"].to_list() == [day for day in DAYS for _ in range(2)]


def test_what_a_propensity_means_is_in_the_row_whatever_the_program_says_by_now(home: Path) -> None:
    changed = night(home, DAYS[3], logs={"propensity": "conditional"})
    run(changed, "ingest", "attribute")
    run(changed.at(DAYS[1]), "ingest")

    by_day = rows(home, "impressions").group_by("ds", maintain_order=True)
    kinds = by_day.agg(pl.col("propensity_kind").unique())["propensity_kind"]
    assert kinds.to_list() == [["marginal"]] * 3 + [["conditional"]]
    logs, words = logs_to_weigh(changed, changed.table("impressions"), matured(changed))
    assert {file.day for file in logs.work.inputs["impressions"].files} == set(DAYS[1:])
    assert words == (
        "; impressions of 2 days from 2024-03-02 to 2024-03-03 were made under another program:"
        " logs.propensity was marginal and is conditional: what can't be weighed so is left out"
    )


def test_decisions_of_other_slots_are_worth_something_else(home: Path) -> None:
    changed = night(home, DAYS[3], logs={"propensity": "conditional"}, slots=3)
    run(changed, "ingest", "attribute")
    logs, words = logs_to_weigh(changed, changed.table("impressions"), matured(changed))
    assert {file.day for file in logs.work.inputs["impressions"].files} == {DAYS[3]}
    assert "slots was 2 and is 3" in words
    run(changed.at(DAYS[2]), "ingest")
    assert logs_to_weigh(changed, changed.table("impressions"), matured(changed))[1] == words


def test_propensities_of_which_nobody_knows_stop_the_night_by_name(home: Path) -> None:
    table = night(home, DAYS[2]).table("impressions")
    held = table.snapshot().to_arrow(DAYS[2], DAYS[2]).drop_columns(["ds"])
    table.replace(DAYS[2], held, {})
    with pytest.raises(SpecError, match="1 days from 2024-03-03 to 2024-03-03 do not say what their prop"):
        matured(night(home, DAYS[2]))
    assert matured(night(home, DAYS[2], slots=1))  # where one slot is all there is, both are one

    run(night(home, DAYS[2]), "ingest")

    assert matured(night(home, DAYS[2]))


def test_outcomes_that_another_skew_kept_out_are_taken_in(home: Path) -> None:
    narrow, wide = VISITS | {"skew": "1m"}, VISITS | {"skew": "5m"}
    for rewards, kept in ((narrow, 1), (wide, 2)):
        run(night(home, DAYS[1], rewards), "ingest")
        by_day = rows(home, "outcomes").group_by("ds", maintain_order=True).len()
        assert by_day["len"].to_list() == [kept, kept, 2]
    shutil.rmtree(home / "landing" / world.PROGRAM / "outcomes" / f"ds={DAYS[0]}")
    with pytest.raises(SpecError, match=r"outcomes: 2024-03-01 was made .*\.skew was 5m and is 1m. Undo"):
        run(night(home, DAYS[1], narrow), "ingest")


def test_transitions_follow_what_credits_are_worth_and_where_trajectories_end(home: Path) -> None:
    of_sequence: dict[str, Any] = {
        "slots": 1,
        "learners": {"uniform": {"kind": "uniform"}, "q": {"kind": "fitted_q"}},
        "evaluation": {"window_days": 3},
        "gate": {"first_champion": "uniform"},
        "sequence": {"gap": "12h", "longest": "2d"},
        "logs": {"rejects": {"max_share": 0.9}},
    }
    run(night(home, DAYS[2], **of_sequence), "transitions")
    before = rows(home, "transitions")["reward"].to_list()
    assert sum(before) == 6.0
    dearer = night(home, DAYS[2], DEARER, **of_sequence)
    with pytest.raises(SpecError, match=r"tiny credits: .* run the step attribute"):
        run(dearer, "transitions")

    run(dearer, "attribute", "transitions")

    assert rows(home, "transitions")["reward"].to_list() == [10 * reward for reward in before]
    longer = night(home, DAYS[2], DEARER, **of_sequence | {"sequence": {"gap": "13h", "longest": "2d"}})
    with pytest.raises(SpecError, match=r"tiny transitions: .* sequence.gap was 720m and is 780m"):
        run(longer, "train")


def test_a_learner_that_is_new_takes_no_days_from_the_others(home: Path) -> None:
    for day in DAYS[:3]:
        run(night(home, day), "train")
    run(night(home, DAYS[3]), "ingest", "attribute", "train", "evaluate")
    before = progressive(home)
    assert before["popularity"] == (4, DAYS[1], DAYS[2])

    learners = yaml.safe_load(world.SPEC)["learners"]
    more = learners | {"newcomer": {"kind": "popularity", "prior_strength": 50.0}}
    run(night(home, DAYS[3], learners=more), "train", "evaluate")

    after = progressive(home)
    assert after.pop("newcomer") == (0, None, None)
    assert after == before


def progressive(home: Path) -> dict[str, tuple[int, date | None, date | None]]:
    """By policy how many impressions of which days its progressive estimate is about."""
    of = rows(home, "evaluations").filter(pl.col("reference").is_null(), estimand="progressive")
    return {row["policy"]: (row["n"], row["first_day"], row["last_day"]) for row in of.to_dicts()}
