"""Programs of other kinds that are served, and days whose night is not there yet."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from nightslate.errors import ContractError, UnavailableError
from nightslate.kernels.served_contacts import AGAINST_RULES
from nightslate.online.clock import Clock
from nightslate.online.requests import Answer
from nightslate.online.service import Service
from tests.integration.nights import DOCS, PAGES, run_night

from .assisted import (
    DAYS,
    SPEC,
    TODAY,
    USERS,
    MovedClock,
    activity,
    context,
    land,
    land_before,
    moment,
    night,
    others_logs,
)

pytestmark = pytest.mark.e2e

TOMORROW = TODAY + timedelta(days=1)
RECOMPUTED = ("ingest", "attribute", "features", "audit_served")
BUDGETS = """
budgets: [{name: calls, arms: [call], most: 8}]
"""
SNAPSHOT = (
    SPEC.replace("temporal", "snapshot").replace("slots: 1", "slots: 2").replace("depth: 3", "depth: 4")
    + BUDGETS
)
OF_LOGS = """
  seen: {source: impressions, aggregation: count, window: 2d}
  since_click: {source: outcomes, aggregation: time_since_last, where: {kind: click}, window: 3d, default: 9}
features_as_of: temporal
"""
ISSUES = (
    SPEC.replace("\nfeatures_as_of: temporal\n", OF_LOGS)
    .replace("slots: 1", "slots: 2")
    .replace("depth: 3", "depth: 2")
    .replace("propensity: marginal", "propensity: conditional")
    + """
diversity: {by: about, penalty: 0.5}
issues:
  pricing: {arms: {ids: [call, pause]}, concerns: pricing_seconds >= 30}
  usability: {arms: {ids: [tour, nothing]}, concerns: errors_2d >= 2}
"""
)
CHOICE = ISSUES + "issue_choice: {floor: 0.2}\n"
CONTACTS = (
    SPEC
    + """
contacts:
  except: [nothing]
  limits: [{most: 2, period: 4h}]
  gap: 90m
  opt_out: age >= 40
  quiet: {hours: [22, 6]}
  holdout: {share: 0.2}
"""
)


def asked(clock: MovedClock, user: int, rows: int, **said: object) -> bytes:
    events = activity(np.random.default_rng([user, rows]), clock.at, rows)
    return json.dumps(
        {"user_id": f"user-{user}", "context": context(user), "activity": events, **said}
    ).encode()


def recomputed(home: Path, ds: date) -> list[tuple[str, int]]:
    """The decisions and slots of a day, none of which is at fault."""
    land(home, ds, others_logs([]))
    run_night(night(home, ds), *RECOMPUTED)
    rows = night(home, ds).rows("served_decisions").to_pylist()
    assert all(row["fault"] is None for row in rows), rows
    assert [row["recomputed"] for row in rows] == pytest.approx(
        [row["propensity"] for row in rows], rel=1e-13
    )
    return sorted((row["decision_id"], row["slot"]) for row in rows)


def shown(answers: list[Answer], slots: int) -> list[tuple[str, int]]:
    return sorted(
        (answer.decision_id, slot + 1)
        for answer in answers
        for slot in range(min(slots, len(answer.ranking)))
    )


@pytest.mark.parametrize(
    ("spec", "issues"),
    [(SNAPSHOT, [None]), (ISSUES, ["pricing", "usability"]), (CHOICE, [None])],
    ids=["snapshot", "issues", "choice"],
)
def test_what_is_served_is_what_its_night_recomputes(
    tmp_path: Path, written: Callable[[str], None], spec: str, issues: list[str | None]
) -> None:
    written(spec)
    for number in range(len(DAYS)):
        land_before(tmp_path, number)
        run_night(night(tmp_path, DAYS[number]), but=DOCS)
    clock, answers = MovedClock(moment(TODAY, 5)), list[Answer]()
    service = Service(night(tmp_path, TODAY), Clock(clock))
    service.refresh()
    for number in range(32):
        clock.at += timedelta(minutes=3)
        some = {"eligible_arms": ["call", "nothing"]} if number % 8 == 7 and spec is SNAPSHOT else {}
        body = asked(clock, number % USERS, number % 3, issue=issues[number % len(issues)], **some)
        answers.append(service.decide(body))
    assert all(
        (answer.arm is None) == (not answer.ranking) == (answer.reason is not None) for answer in answers
    )
    if spec is CHOICE:
        chances = {answer.issue_probability for answer in answers if answer.arm}
        assert {answer.issue for answer in answers} == {"pricing", "usability", None}
        assert len(chances) > 2
    else:
        assert all(answer.issue_probability is None for answer in answers)
    without = sum(answer.arm is None for answer in answers)
    assert without == 0 if spec is SNAPSHOT else 0 < without < 32
    clock.at = moment(TOMORROW, 1)
    if spec is SNAPSHOT:
        with pytest.raises(
            UnavailableError, match=r"features need the night between.*nightslate run --program"
        ):
            service.decide(asked(clock, 1, 0))
    service.refresh()
    service.close()
    assert recomputed(tmp_path, TODAY) == shown(answers, 2)


def test_until_the_night_is_there_the_models_before_are_served(home: Path) -> None:
    clock, days = MovedClock(moment(TODAY, 23)), {TODAY: list[Answer](), TOMORROW: list[Answer]()}
    service = Service(night(home, TODAY), Clock(clock))
    service.refresh()

    def decide(user: int, rows: int) -> None:
        answer = service.decide(asked(clock, user, rows))
        days[date.fromisoformat(answer.occurred_at[:10])].append(answer)

    for user in range(4):
        decide(user, 3)
    clock.at = moment(TOMORROW, 0.08)
    service.refresh()
    for user in range(8):  # of which some did something before midnight
        decide(user, 2)
    clock.at = moment(TOMORROW, 0.2)
    service.refresh()
    assert service.state()["slates_of"] == str(TODAY)
    land(home, TODAY, others_logs([]))
    run_night(night(home, TODAY), but=PAGES)
    assert service.state()["slates_of"] == str(TODAY)
    service.refresh()
    assert service.state()["slates_of"] == str(TOMORROW)
    clock.at = moment(TOMORROW, 3)
    for user in range(8):
        decide(user, 2)
    assert [len(answers) for answers in days.values()] == [4, 16]
    assert len({answer.model_digest for answer in days[TOMORROW]}) > 2
    clock.at = moment(TOMORROW + timedelta(days=1), 1)
    service.refresh()
    service.close()
    assert recomputed(home, TOMORROW) == shown(days[TOMORROW], 1)


def test_a_day_is_somebody_else_s_to_close(home: Path) -> None:
    clock = MovedClock(moment(TODAY, 5))
    service = Service(night(home, TODAY), Clock(clock), closes=False)
    service.refresh()
    service.decide(asked(clock, 1, 1))
    clock.at = moment(TOMORROW, 1)
    service.refresh()
    folder = home / "landing" / "assisted" / "activity" / f"ds={TODAY}"
    assert [path.suffix for path in folder.iterdir()] == [".jsonl"]
    assert service.state()["open_days"] == [str(TOMORROW)]
    service.close()


def against_rules(service: Service, clock: MovedClock) -> dict[str, str]:
    """What the audit has to say of decisions of an app that has forgotten contact rules: of those users whom
    they refuse at the moment."""
    edition, found = service._edition, dict[str, str]()
    assert edition is not None
    for user in range(USERS):
        honest = service.decide(asked(clock, user, 0))
        if honest.reason is not None:
            rules = edition.contacts
            object.__setattr__(edition, "contacts", None)
            found[service.decide(asked(clock, user, 0)).decision_id] = honest.reason.split(": ")[1]
            object.__setattr__(edition, "contacts", rules)
    return {decision: AGAINST_RULES + rule for decision, rule in found.items()}


def test_contact_rules_hold_at_the_moment(tmp_path: Path, written: Callable[[str], None]) -> None:
    """Also for a process that was started anew: what it has shown before counts. The night finds decisions
    against them, and no others."""
    written(CONTACTS)
    for number in range(len(DAYS)):
        land_before(tmp_path, number)
        run_night(night(tmp_path, DAYS[number]), but=DOCS)
    clock, reasons = MovedClock(moment(TODAY, 13)), Counter[str]()
    service, shown_at = Service(night(tmp_path, TODAY), Clock(clock)), dict[int, list[datetime]]()
    service.refresh()
    for number in range(240):
        clock.at += timedelta(minutes=2.5)
        if number == 120:
            service.close()
            service = Service(night(tmp_path, TODAY), Clock(clock))
            service.refresh()
        user = number % USERS
        answer = service.decide(asked(clock, user, 0))
        at, before = datetime.fromisoformat(answer.occurred_at), shown_at.setdefault(user, [])
        if answer.arm is None:
            assert answer.reason is not None
            reasons[answer.reason] += 1
            if answer.reason.startswith("contact rules: gap"):
                assert at - before[-1] <= timedelta(minutes=90)
            elif answer.reason.startswith("contact rules: limit"):
                assert before[-2] >= at - timedelta(hours=4)
        elif answer.arm != "nothing":
            assert len(before) < 2 or at - before[-2] > timedelta(hours=4)
            assert not before or at - before[-1] > timedelta(minutes=90)
            assert user < 20  # of 40 years
            assert at.hour < 22
            before.append(at)
    assert {*reasons} == {
        "contact rules: holdout",
        "contact rules: opted_out",
        "contact rules: limit: 2 in 4h at most",
        "contact rules: gap: 1 in 90m at most",
        "contact rules: quiet",
    }
    wrong = against_rules(service, clock)
    clock.at = moment(TOMORROW, 1)
    service.refresh()
    service.close()
    land(tmp_path, TODAY, others_logs([]))
    with pytest.raises(ContractError, match="contact rules did not allow it then"):
        run_night(night(tmp_path, TODAY), *RECOMPUTED)
    rows = night(tmp_path, TODAY).rows("served_decisions").to_pylist()
    assert {row["decision_id"]: row["fault"] for row in rows if row["fault"]} == wrong
    assert len(rows) > 2 * len(wrong)
    assert {fault.removeprefix(AGAINST_RULES) for fault in wrong.values()} >= {
        *("holdout", "opted_out", "limit", "quiet")
    }
