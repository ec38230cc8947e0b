"""The invariants of a night, on whole nights in one process."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from nightslate.contracts import arrow
from nightslate.errors import CommitConflictError, ContractError
from nightslate.models.registry import Registry
from nightslate.pipeline.running import run_step
from tests.integration.nights import DOCS

from . import world


def test_a_night_leaves_what_it_should(three_nights: Path) -> None:
    rows = world.rows(three_nights)

    assert len(rows["impressions"]) == 360
    assert len(rows["slates"]) == 3 * world.USERS
    assert rows["quarantine"] == []
    assert len(rows["credits"]) > 0
    assert {path.name for path in (three_nights / "reports" / "tiny").iterdir()} == {
        *(f"{day}.html" for day in world.DAYS),
        "index.html",
    }


def test_no_raw_user_id_is_in_any_table_report_or_data_doc(three_nights: Path) -> None:
    for part in ("tables", "reports", "staging"):
        for file in (three_nights / part).rglob("*"):
            assert not file.is_file() or b"user-7" not in file.read_bytes(), file


def test_a_rerun_leaves_equal_rows(copied: Callable[[], Path]) -> None:
    home = copied()
    before = world.rows(home)

    world.run_night(home, world.DAYS[1], but=DOCS)

    assert world.rows(home) == before


def test_days_whose_logs_change_keep_their_evidence_and_are_named_on_the_page(
    copied: Callable[[], Path],
) -> None:
    home, day, last = copied(), world.DAYS[1], world.DAYS[2]
    page = home / "reports" / "tiny" / f"{last}.html"
    before, text = world.rows(home, "evidence"), page.read_text("utf-8")
    assert any('"kind": "popularity"' in row for row in before["evidence"])
    assert "<b>Progressive</b>" in text
    assert "changed after their evidence was taken" not in text

    world.land(home, day, world.impressions(1, day), [])
    world.run_night(home, day, ("ingest", "attribute"))
    world.run_night(home, last, ("evaluate", "promote", "report"))

    assert world.rows(home, "evidence") == before
    assert re.search(
        rf"The logs of [^.]*{day} changed\s+after their evidence was\s+taken", page.read_text("utf-8")
    )


def test_any_order_of_nights_gives_the_same_pure_tables(three_nights: Path, landed: Path) -> None:
    for day in (world.DAYS[2], world.DAYS[0], world.DAYS[1]):
        world.run_night(landed, day, world.PURE_STEPS)

    assert world.rows(landed, *world.PURE_TABLES) == world.rows(three_nights, *world.PURE_TABLES)


def test_how_a_day_is_split_into_files_changes_nothing(three_nights: Path, tmp_path: Path) -> None:
    day = world.DAYS[0]
    shown = world.impressions(0, day)
    world.land(tmp_path, day, shown[::-1], world.outcomes(0, day)[::-1], files=3)

    world.run_night(tmp_path, day, ("ingest", "attribute", "train"))

    once = pl.read_delta(str(three_nights / "tables/tiny/models")).filter(pl.col("ds") == day)
    again = pl.read_delta(str(tmp_path / "tables/tiny/models"))
    assert sorted(again.rows()) == sorted(once.rows())


def test_nothing_after_a_day_leaks_into_its_night(copied: Callable[[], Path]) -> None:
    """Night 2 is run again after night 3 has been ingested, with night 3 made very different."""
    home = copied()
    last = world.DAYS[2]
    clicks = [
        {"outcome_id": f"late-{n}", "user_id": f"user-{n}", "kind": "click", "value": 50.0,
         "occurred_at": f"{last}T02:00:00Z"}
        for n in range(world.USERS)
    ]  # fmt: skip
    world.land(home, last, world.impressions(9, last), clicks)
    world.run_night(home, last, ("ingest", "attribute"))
    before = _learned(home)

    world.run_night(home, world.DAYS[1], world.PURE_STEPS)

    assert _learned(home) == before


def test_rewards_that_may_still_come_are_not_zero(three_nights: Path) -> None:
    """With a window of a day nearly nothing of a day has matured that night; the next night all of it has."""
    models = pl.read_delta(str(three_nights / "tables/tiny/models")).filter(pl.col("learner") == "uniform")
    seen = dict(zip(models["ds"], models["rows"], strict=True))

    # The window of an impression at midnight ends with the day, at the very moment that is known.
    assert [seen[day] for day in world.DAYS] == [1, 121, 241]


def test_published_propensities_recompute_from_the_weights_alone(three_nights: Path) -> None:
    slates = pl.read_delta(str(three_nights / "tables/tiny/slates"))
    assert len(slates) == 3 * world.USERS
    for row in slates.iter_rows(named=True):
        weight = dict(zip(row["candidates"], np.array(row["weights"], dtype=np.float64), strict=True))
        for arm, propensity in zip(row["ranking"], row["propensities"], strict=True):
            assert propensity == pytest.approx(weight[arm] / sum(weight.values()), rel=1e-12)
            del weight[arm]


def test_expected_weights_are_one(three_nights: Path) -> None:
    evaluations = pl.read_delta(str(three_nights / "tables/tiny/evaluations"))
    last = evaluations.filter((pl.col("ds") == world.DAYS[2]) & (pl.col("policy") != "logged"))
    assert len(last) > 0
    assert (last["mean_weight_lower"] <= 1).all()
    assert (last["mean_weight_upper"] >= 1).all()


def test_what_mlflow_has_of_an_estimate_names_its_estimand(three_nights: Path) -> None:
    night = world.night(three_nights, world.DAYS[2])
    run = night.run()
    metrics = run.client.get_run(run.id).data.metrics
    values = [row for row in night.rows("evaluations").to_pylist() if row["reference"] is None]
    assert {row["estimand"] for row in values if row["value"] is not None} == {"progressive", "cross_fitted"}
    for row in values:
        name = f"{row['estimand']}.{row['policy']}.{row['estimator']}"
        assert metrics.get(name) == row["value"]
        assert metrics.get(f"{name}.lower") == row["lower"]
        assert metrics.get(f"{name}.upper") == row["upper"]


def test_wrong_propensities_show_in_the_expected_weight_and_stop_the_gate(tmp_path: Path) -> None:
    for number, day in enumerate(world.DAYS[:2]):
        shown = [{**row, "propensity": 0.9} for row in world.impressions(number, day)]
        world.land(tmp_path, day, shown, world.outcomes(number, day))

    world.run_night(tmp_path, world.DAYS[1], (*world.PURE_STEPS, "promote"))

    reasons = pl.read_delta(str(tmp_path / "tables/tiny/promotions"))["reasons"].explode()
    assert any("mean importance weight" in reason for reason in reasons)


def test_a_backfill_of_an_old_night_moves_neither_champion_nor_slates(copied: Callable[[], Path]) -> None:
    home = copied()
    slates, last = _slates(home), world.night(home, world.DAYS[2])
    crowned = Registry(last.mlflow, world.PROGRAM).champion_version()
    promotions = [row for row in world.rows(home, "promotions")["promotions"] if str(last.ds.day) in row]

    world.run_night(home, world.DAYS[0], but=DOCS)

    assert _slates(home) == slates
    assert Registry(last.mlflow, world.PROGRAM).champion_version() == crowned
    kept = [row for row in world.rows(home, "promotions")["promotions"] if str(last.ds.day) in row]
    assert kept == promotions


def test_a_champion_scores_from_the_night_after_its_promotion(copied: Callable[[], Path]) -> None:
    home = copied()
    night = world.night(home, world.DAYS[1])
    table = night.table("promotions")
    decided = table.snapshot().to_arrow(world.DAYS[0], world.DAYS[0]).drop_columns(["ds"]).to_pylist()
    after = {"champion_after": "popularity", "champion_kind": "popularity"}
    promoted = [{**row, **after} for row in decided]
    schema = arrow.schema(table.contract, partition=False)
    table.replace(world.DAYS[0], pa.Table.from_pylist(promoted, schema), {})

    world.run_night(home, world.DAYS[1], ("score", "audit", "publish"))
    world.run_night(home, world.DAYS[0], ("score", "audit", "publish"))

    slates = pl.read_delta(str(home / "tables/tiny/slates")).filter(pl.col("variant") == "personalised")
    used = {day: set(group["policy"]) for (day,), group in slates.group_by("slate_date")}
    assert used[world.DAYS[1]] == {"uniform"}
    assert used[world.DAYS[2]] == {"popularity"}


def test_every_look_of_the_gate_is_recorded_and_spends_less(three_nights: Path) -> None:
    promotions = pl.read_delta(str(three_nights / "tables/tiny/promotions")).sort("ds")
    by_night = promotions.group_by("ds", maintain_order=True).agg(
        pl.col("look").first(), pl.col("alpha").sum()
    )
    assert by_night["look"].to_list() == [1, 2, 3]
    assert by_night["alpha"].to_list() == sorted(by_night["alpha"], reverse=True)


def test_publish_refuses_what_was_not_audited(copied: Callable[[], Path]) -> None:
    home = copied()
    world.run_night(home, world.DAYS[1], ("score",))
    with pytest.raises(ContractError, match="audit"):
        run_step("publish", world.night(home, world.DAYS[1]))


def test_publish_tries_again_where_another_night_has_staged_since_the_audit(
    copied: Callable[[], Path],
) -> None:
    home = copied()
    world.run_night(home, world.DAYS[1], ("score", "audit", "score"))
    with pytest.raises(CommitConflictError, match="try again"):
        run_step("publish", world.night(home, world.DAYS[1]))
    world.run_night(home, world.DAYS[1], ("audit", "publish"))


def _learned(home: Path) -> list[list[str]]:
    night = world.rows_of_night(home, world.DAYS[1])
    return [night[table] for table in ("credits", "models", "evaluations")]


def _slates(home: Path) -> list[str]:
    latest = pl.read_delta(str(home / "tables/tiny/slates"))
    return sorted(map(repr, latest.filter(pl.col("slate_date") > world.DAYS[1]).rows()))
