"""Days of the product whose users the app helps, asked over HTTP, and the nights that learn from it."""

from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from nightslate.programs import Program
from nightslate.worlds.play import Play
from nightslate.worlds.proactive_assistance import served_app
from nightslate.worlds.proactive_assistance.page import AssistanceResults

NAME, USERS, SEED, DAYS, HORIZON = "proactive_assistance", 2000, 1, 4, 2
Row = dict[str, Any]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


class Played(NamedTuple):
    home: Path
    results: AssistanceResults
    asked: list[tuple[Row, Row]]

    def table(self, name: str) -> pl.DataFrame:
        return pl.read_delta(str(self.home / "tables" / NAME / name))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, assistance: Program) -> Iterator[Played]:
    home, asked, honest = tmp_path_factory.mktemp("served"), list[tuple[Row, Row]](), served_app._posted

    def watched(connection: HTTPConnection, body: Row) -> Row:
        answer = honest(connection, body)
        asked.append((body, answer))
        return answer

    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("NIGHTSLATE_PSEUDONYM_KEY", raising=False)
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        patched.setattr(served_app, "_posted", watched)
        report = Play(assistance, home, users=USERS, seed=SEED, served=True).run(DAYS, lambda *_: None)
        assert isinstance(report.results, AssistanceResults)
        yield Played(home, report.results, asked)


def test_what_was_answered_is_an_impression_with_its_propensity_and_its_night_recomputes_it(
    played: Played,
) -> None:
    helped = {answer["decision_id"]: answer for _, answer in played.asked if answer["arm"] is not None}
    shown = played.table("impressions").filter(pl.col("release_digest").is_not_null())
    audited = {row["decision_id"]: row for row in played.table("served_decisions").iter_rows(named=True)}
    assert shown["decision_id"].is_unique().all()
    assert set(shown["decision_id"]) == helped.keys() == audited.keys()
    assert len(helped) > 30
    for row in shown.iter_rows(named=True):
        answer = helped[row["decision_id"]]
        assert row["propensity"] == answer["propensities"][0] * answer["issue_probability"]
        for name in ("arm_id", "issue", "issue_probability", "variant", "policy", "model_digest"):
            assert row[name] == answer["arm" if name == "arm_id" else name]
        # The champion is `uniform` still, and no budget binds: each of four arms is as likely.
        assert row["propensity"] == pytest.approx(row["issue_probability"] / 4, rel=1e-12)
        assert audited[row["decision_id"]]["fault"] is None
        assert audited[row["decision_id"]]["recomputed"] == pytest.approx(row["propensity"], rel=1e-12)
    assert {answer["reason"] for _, answer in played.asked if answer["arm"] is None} >= {
        "no issue is for this user: the condition of `eligible` or `concerns` does not hold"
    }


def test_all_activity_of_the_served_days_was_posted_and_nothing_is_turned_away(
    played: Played, assistance: Program
) -> None:
    assert played.table("quarantine").is_empty()
    events = played.table("activity")
    posted = sum(len(body["activity"]) for body, _ in played.asked)
    assert len(events.filter(pl.col("ds") > assistance.start_date)) == posted
    assert events.group_by("ds").len()["len"].min() > 1000  # type: ignore[operator]
    landed = events.filter(pl.col("landed_at").is_not_null())
    assert len(landed) == posted
    assert (landed["landed_at"] >= landed["occurred_at"]).all()


def test_nights_learn_from_what_was_served(played: Played, assistance: Program) -> None:
    last = assistance.start_date + timedelta(days=DAYS - 1)
    learnt = played.table("models").filter(pl.col("ds") == last, pl.col("learner") == "linear_thompson")
    known = played.table("impressions").filter(pl.col("ds") <= last - timedelta(days=HORIZON))
    served = known.filter(pl.col("release_digest").is_not_null())
    assert len(served) > 0
    assert learnt["rows"].sum() == len(known)
    credited = set(played.table("credits")["impression_id"])
    assert set(served["impression_id"]) & credited


def test_budgets_are_of_what_was_shown(played: Played) -> None:
    results = played.results
    shown = played.table("impressions").filter(pl.col("release_digest").is_not_null())
    arms = {"discounts": "discount_20", "chats_on_usability": "agent_chat", "chats_on_support": "agent_chat"}
    for row in results.budgets:
        mine = shown.filter(
            pl.col("ds") == pl.lit(row["ds"]).str.to_date(),
            pl.col("issue") == row["issue"],
            pl.col("arm_id") == arms[row["budget"]],
        )
        assert row["drawn"] == len(mine) <= row["most"]
    assert sum(row["drawn"] for row in results.budgets) > 0
    assert "the app's answers on each day" in results.using
