"""Nights that are trained again after decisions were served by their models, and models that are gone."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nightslate.errors import ContractError
from nightslate.models.registry import versions_of
from nightslate.online.clock import Clock
from nightslate.online.requests import Answer
from nightslate.online.service import Service
from nightslate.serving.recomputed import ANOTHER_ISSUE, DRAW_GONE, RELEASE_GONE
from tests.integration.nights import DOCS, run_night
from tests.integration.pipeline.conftest import relocate

from . import assisted
from .assisted import DAYS, PROGRAM, TODAY, USERS, MovedClock, land_before, moment, night
from .test_other_programs import CHOICE, RECOMPUTED, TOMORROW, asked, recomputed, shown

pytestmark = pytest.mark.e2e

Row = dict[str, Any]
OF_ACTIVITY = re.sub("  since_click: .*", "", CHOICE)  # other outcomes leave features as they are
AUDITED = ("ingest", "features", "audit_served")


@pytest.fixture(scope="module")
def retrained(
    tmp_path_factory: pytest.TempPathFactory, program: None
) -> Iterator[tuple[Path, list[Answer], set[str]]]:
    """Decisions were served, then both nights before were trained on other logs; the digests of the models
    that were served."""
    assisted.write_program(OF_ACTIVITY)
    home = tmp_path_factory.mktemp("retrained") / "home"
    for number, day in enumerate(DAYS):
        land_before(home, number)
        run_night(night(home, day), but=DOCS)
    clock, answers = MovedClock(moment(TODAY, 5)), list[Answer]()
    service = Service(night(home, TODAY), Clock(clock))
    service.refresh()
    for number in range(2 * USERS):
        clock.at += timedelta(minutes=3)
        answers.append(service.decide(asked(clock, number % USERS, 2)))
    clock.at = moment(TOMORROW, 1)
    service.refresh()
    service.close()
    served = digests(home)
    for day in DAYS[-2:]:
        file = home / "landing" / PROGRAM / "outcomes" / f"ds={day}" / "part-0.jsonl"
        file.write_text("".join(file.read_text().splitlines(keepends=True)[::2]))
        run_night(
            night(home, day),
            *("ingest", "attribute", "features", "train", "evaluate", "promote", "contacts"),
            *("choose", "score", "audit", "publish"),
        )
    yield home, answers, served
    assisted.write_program()


def digests(home: Path) -> set[str]:
    return {*night(home, DAYS[-1]).rows("models")["digest"].to_pylist()}


def copied(home: Path, to: Path) -> Path:
    shutil.copytree(home, to)
    relocate(to, home)
    return to


def served_file(home: Path) -> Path:
    (file,) = (home / "landing" / PROGRAM / "impressions" / f"ds={TODAY}").glob("served-*")
    return file


def test_decisions_are_recomputed_by_the_models_that_made_them(
    retrained: tuple[Path, list[Answer], set[str]], tmp_path: Path
) -> None:
    home, answers, served = retrained
    assert served != digests(home)
    home = copied(home, tmp_path / "home")
    assert recomputed(home, TODAY) == shown(answers, 2)
    rows = night(home, TODAY).rows("served_decisions").to_pylist()
    assert {row["unknown"] for row in rows} == {None}
    assert len({answer.issue_probability for answer in answers if answer.arm}) > 2


def changed(models: Callable[[list[str]], list[str] | None]) -> Callable[[Row], Row]:
    return lambda row: {"issue_models": models(row["issue_models"])}


def test_a_draw_that_is_another_is_named_and_one_that_names_nothing_is_unknown(
    retrained: tuple[Path, list[Answer], set[str]], tmp_path: Path
) -> None:
    home = copied(retrained[0], tmp_path / "home")
    file = served_file(home)
    honest = [json.loads(line) for line in file.read_text().splitlines()]
    recomputed(home, TODAY)
    of_draw = [row for row in honest if row["slot"] == 1 and 0.2 < row["issue_probability"] < 0.8]
    mine = of_draw[0]
    uniform = next(row for row in of_draw if row["issue_models"] != mine["issue_models"])
    lies: list[tuple[str, str | None, Callable[[Row], Row]]] = [
        ("fault", ANOTHER_ISSUE, lambda row: {"issue_probability": row["issue_probability"] * (1 + 1e-9)}),
        ("fault", ANOTHER_ISSUE, changed(lambda names: names[:1])),
        ("fault", ANOTHER_ISSUE, changed(lambda _: uniform["issue_models"])),
        ("fault", ANOTHER_ISSUE, changed(lambda names: [f"{'0' * 64}/{'0' * 64}", *names[1:]])),
        ("unknown", DRAW_GONE, changed(lambda _: None)),
    ]
    for column, said, lie in lies:
        rows = [{**row, **(lie(row) if row["decision_id"] == mine["decision_id"] else {})} for row in honest]
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        if column == "fault":
            with pytest.raises(ContractError, match="nobody learns from them"):
                run_night(night(home, TODAY), *AUDITED)
        else:
            run_night(night(home, TODAY), *AUDITED)
        found = night(home, TODAY).rows("served_decisions").to_pylist()
        assert {row["decision_id"]: row[column] for row in found if row["fault"] or row["unknown"]} == {
            mine["decision_id"]: said
        }


def test_what_is_gone_is_no_lie(retrained: tuple[Path, list[Answer], set[str]], tmp_path: Path) -> None:
    """The files of models of one issue that were served and are those of no night any more."""
    home = copied(retrained[0], tmp_path / "home")
    gone = retrained[2] - digests(home)
    registry = night(home, TODAY).of_issue("usability").registry
    for digest in gone:
        for _, version in versions_of(digest, [registry]):  # none of the other issue
            source = registry.client.get_model_version(registry.name, version).source
            shutil.rmtree(source.removeprefix("file://"))
    assisted.land(home, TODAY, assisted.others_logs([]))
    said = run_night(night(home, TODAY), *RECOMPUTED)["audit_served"]
    found = night(home, TODAY).rows("served_decisions").to_pylist()
    assert {row["fault"] for row in found} == {None}
    assert {row["unknown"] for row in found} >= {RELEASE_GONE, DRAW_GONE}
    assert "WARNING: rows that can't be recomputed any more" in said
