"""The page of all nights has what the tables have, whichever night was run last."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from nightslate.pipeline import night_times
from nightslate.pipeline.steps import dashboard

from . import world

PAGE = Path("reports") / world.PROGRAM / "index.html"
DAYS = [str(day) for day in world.DAYS]


def sections(home: Path, program: str = world.PROGRAM) -> dict[str, dict[str, Any]]:
    """The rows of each section, column by column."""
    page = home / "reports" / program / "index.html"
    (text,) = re.findall(r'id="data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    return {name: section["rows"] for name, section in json.loads(text)["sections"].items()}


def column(rows: dict[str, Any], name: str) -> list[Any]:
    values = rows[name]
    return values if isinstance(values, list) else [values["values"][at] for at in values["at"]]


def test_it_has_every_night_and_each_figure_as_the_tables_have_it(three_nights: Path) -> None:
    found = sections(three_nights)
    assert column(found["nights"], "day") == DAYS
    assert column(found["nights"], "impressions") == [120, 120, 120]
    assert column(found["nights"], "slates") == [world.USERS] * 3
    assert column(found["nights"], "pages") == ["all"] * 3

    judged_by = world.night(three_nights, world.DAYS[-1]).issue.judged_by
    table = pl.read_delta(str(three_nights / "tables" / world.PROGRAM / "evaluations"))
    values = table.filter(
        (pl.col("ds") == world.DAYS[-1])
        & (pl.col("estimand") == "progressive")
        & (pl.col("estimator") == judged_by)
        & pl.col("reference").is_null()
    )
    shown = zip(*(column(found["value"], name) for name in ("day", "policy", "value")), strict=True)
    newest = {policy: value for day, policy, value in shown if day == DAYS[-1]}
    assert newest == pytest.approx(dict(values.select("policy", "value").iter_rows()), rel=1e-4)


def test_exposures_count_the_slates_of_the_night(three_nights: Path) -> None:
    tables = three_nights / "tables" / world.PROGRAM
    exposures, slates = (pl.read_delta(str(tables / name)) for name in ("exposures", "slates"))
    counted = Counter[tuple[object, int, str]]()
    for day, ranking in slates.select("slate_date", "ranking").iter_rows():
        counted.update((day, slot, arm) for slot, arm in enumerate(ranking[:2], start=1))
    stored = exposures.select("slate_date", "slot", "arm_id", "shown").iter_rows()
    assert {(day, slot, arm): shown for day, slot, arm, shown in stored} == dict(counted)
    assert exposures["slates"].unique().to_list() == [world.USERS]

    rows = sections(three_nights)["exposure"]
    of_newest = [
        share
        for day, share in zip(column(rows, "day"), column(rows, "share"), strict=True)
        if day == DAYS[-1]
    ]
    assert sum(of_newest) == pytest.approx(1.0, abs=1e-3)


def test_the_night_links_to_it_from_its_page_and_from_its_run_in_mlflow(three_nights: Path) -> None:
    night = world.night(three_nights, world.DAYS[-1])
    page = night.warehouse.report(night.name, night.ds)
    assert page.with_name("index.html") == three_nights / PAGE
    assert '<a href="index.html">all nights</a>' in page.read_text("utf-8")
    found = re.findall(r"\((file:[^)]*)\)", night.run().run.data.tags["mlflow.note.content"])
    assert found == [page.as_uri(), (three_nights / PAGE).as_uri()]


def test_an_old_night_that_is_run_again_leaves_the_page_of_all_of_them(
    copied: Callable[[], Path],
) -> None:
    home = copied()
    before = sections(home)
    world.run_night(home, world.DAYS[0], ("report", "dashboard"))
    assert sections(home) == before


def test_a_page_that_was_overtaken_by_a_night_is_written_again(
    copied: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another night commits while this one writes has to be on the page that is there in the end."""
    home, written = copied(), []
    replace = dashboard._replace

    def replaced(path: Path, html: str) -> None:
        if not written:
            night = world.night(home, world.DAYS[1])
            night.table("quarantine").replace(night.ds, night.table("quarantine").typed([]), {})
        written.append(html)
        replace(path, html)

    monkeypatch.setattr(dashboard, "_replace", replaced)
    world.run_night(home, world.DAYS[2], ("dashboard",))
    assert len(written) == 2


def test_a_night_takes_what_it_took_until_its_slates_were_out(copied: Callable[[], Path]) -> None:
    home = copied()

    def took() -> dict[Any, dict[str, float]]:
        night = world.night(home, world.DAYS[0])
        tables = {name: night.table(name) for name in night_times.ENDS["slates"].values()}
        return night_times.seconds_between(tables, list(world.DAYS), night_times.ENDS["slates"])

    first = took()
    assert list(first) == list(world.DAYS)
    assert all(list(steps) == list(night_times.ENDS["slates"]) for steps in first.values())
    assert all(0 < seconds < 60 for steps in first.values() for seconds in steps.values())

    world.run_night(home, world.DAYS[1], ("train", "score", "audit", "publish"))
    assert took() == first  # trained and published again later: the night took no longer for that

    world.run_night(home, world.DAYS[1], ("ingest",))
    assert list(took()) == [world.DAYS[0], world.DAYS[2]]
