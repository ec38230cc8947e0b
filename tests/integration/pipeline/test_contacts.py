"""Nights of a program with contact rules: who is withheld and why, when slates may be shown, what is said."""

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from nightslate.core.quiet_times import QuietHours
from nightslate.errors import ContractError
from nightslate.kernels.buckets import buckets_of
from nightslate.kernels.contacts import Contacts
from nightslate.pipeline.running import run_step
from tests.integration.nights import DOCS, Declared, pseudonym, run_night

from . import world
from .conftest import relocate

PROGRAM = "letters"
DAYS = [date(2024, 3, 28) + timedelta(days=number) for number in range(4)]
"""The last one is followed by the day on which clocks are turned in Berlin."""
USERS = 60
ARMS = ("nothing", "news", "offer")
ZONES = ("Europe/Berlin", "America/New_York", "Nowhere/Land", None)
OUTSIDE_EVERY = 11
Row = dict[str, Any]

SPEC = """
program: letters
description: Letters to users who want some, and not too many.
start_date: 2024-03-28
buckets: 2
slots: 1
depth: 3
floor: 0.3
logs:
  propensity: conditional
  context:
    - {name: zone, type: category}
    - {name: marketing, type: category}
    - {name: segment, type: category}
contacts:
  except: [nothing]
  limits: [{most: 2, period: 3d}, {most: 3, period: 30d}]
  gap: 12h
  opt_out: marketing == no
  quiet: {zone: zone, days: [saturday], hours: [21, 8]}
  holdout: {share: 0.2, salt: quiet-group}
rewards: {values: {reply: 1.0}, window: 12h}
eligible: {segment: [new, old]}
learners:
  uniform: {kind: uniform}
  popularity: {kind: popularity, prior_strength: 5.0}
variants:
  personalised: {share: 0.5, policy: popularity}
  randomised: {share: 0.5, policy: uniform}
evaluation: {folds: 2, resamples: 100, reward_range: [0.0, 1.0]}
gate: {first_champion: uniform, min_ess: 10.0, min_users: 2}
"""


def known(user: int) -> Row:
    marketing = "no" if user % 10 == 3 else None if user % 10 == 7 and user > 30 else "yes"
    return {
        "zone": ZONES[user % 4],
        "marketing": marketing,
        "segment": "gone" if user % 15 == 2 else "old",
    }


def land(home: Path, number: int, own_engine: bool = False) -> None:
    """On the first day, or on all, an engine of its own shows what it draws. Later it shows the slates that
    there are to two users of three, after noon of UTC or, once in a while, at midnight."""
    by_slates = number > 0 and not own_engine
    random, day = np.random.default_rng(number), DAYS[number]
    midnight = datetime.combine(day, time(), UTC)
    shown: list[Row] = []
    done: list[Row] = []
    slates = {slate["user_id"]: slate for slate in slates_of(home, day)} if by_slates else {}
    for user in range(USERS):
        name, raw = f"{day}-{user}", f"user-{user}"
        row = {"impression_id": name, "decision_id": name, "user_id": raw, "slot": 1, **known(user)}
        late = user % OUTSIDE_EVERY == 0
        row["occurred_at"] = (midnight + timedelta(hours=0 if late else 14, minutes=user)).isoformat()
        if by_slates:
            slate = slates.get(pseudonym(raw))
            if slate is None or random.random() < 1 / 3:
                continue
            row |= {"slate_id": slate["slate_id"], "arm_id": slate["ranking"][0]}
        else:
            row |= {"arm_id": str(random.choice(ARMS)), "propensity": 1 / 3}
        shown.append(row)
        if random.random() < 0.4:
            at = (midnight + timedelta(hours=16)).isoformat()
            outcome = {"outcome_id": f"{name}-reply", "user_id": raw, "kind": "reply", "value": 1.0}
            done.append(outcome | {"occurred_at": at, "arm_id": row["arm_id"]})
    people = [{"user_id": f"user-{user}", **known(user)} for user in range(USERS)]
    arms = [{"arm_id": arm} for arm in ARMS]
    logs = {"impressions": shown, "outcomes": done, "users": people, "arms": arms}
    world.land_logs(home, PROGRAM, day, logs)


DECLARED = Declared(PROGRAM, DAYS)
night, rows, slates_of = DECLARED.night, DECLARED.rows, DECLARED.slates_of


@pytest.fixture(scope="module")
def lines() -> dict[tuple[int, str], str]:
    """What each step of each night said."""
    return {}


@pytest.fixture(scope="module")
def nights(
    tmp_path_factory: pytest.TempPathFactory, program: None, lines: dict[tuple[int, str], str]
) -> Path:
    """After all nights, each after the day on which the slates of the one before were shown."""
    home = tmp_path_factory.mktemp("contacts")
    DECLARED.write(SPEC)
    for number in range(len(DAYS)):
        land(home, number)
        said = run_night(night(home, number), but=DOCS if number < len(DAYS) - 1 else ())
        lines |= {(number, task): line for task, line in said.items()}
    return home


@pytest.fixture
def copied(nights: Path, tmp_path: Path) -> Path:
    home = tmp_path / "home"
    shutil.copytree(nights, home)
    relocate(home, nights)
    return home


def open_times(zone: str | None, day: date) -> list[tuple[datetime, datetime]]:
    """Minute by minute, by the clock on the user's wall."""
    where, start = (
        ZoneInfo("UTC" if zone in (None, "Nowhere/Land") else zone),
        datetime.combine(day, time(), UTC),
    )
    found: list[tuple[datetime, datetime]] = []
    for minute in range(24 * 60):
        now = start + timedelta(minutes=minute)
        local = now.astimezone(where)
        if local.weekday() != 5 and 8 <= local.hour < 21:
            if found and found[-1][1] == now:
                found[-1] = (found[-1][0], now + timedelta(minutes=1))
            else:
                found.append((now, now + timedelta(minutes=1)))
    return found


def expected(home: Path, number: int) -> dict[str, tuple[str, int | None]]:
    """Of each user who gets no slate the reason, and the contacts that were counted, from the rows that the
    night could see, one user at a time. Who is in the holdout is taken from the first night."""
    day = DAYS[number] + timedelta(days=1)
    begin = datetime.combine(day, time(), UTC)
    shown = rows(home, "impressions").filter(pl.col("ds") <= DAYS[number]).to_dicts()
    before = slates_of(home, DAYS[number]) if number else []
    first = rows(home, "withheld").filter(slate_date=DAYS[0] + timedelta(days=1), reason="holdout")
    found: dict[str, tuple[str, int | None]] = {}
    for user in range(USERS):
        name, about = pseudonym(f"user-{user}"), known(user)
        mine = [row for row in shown if row["user_id"] == name]
        times = [row["occurred_at"] for row in mine if row["arm_id"] != "nothing"]
        named = {row["slate_id"] for row in mine}
        coming = [s for s in before if s["user_id"] == name and s["slate_id"] not in named]
        coming = [s for s in coming if s["ranking"][0] != "nothing"]
        counts = [
            (rule, most, sum(begin - period <= at < begin for at in times))
            for rule, most, period in (
                ("limit", 2, timedelta(days=3)),
                ("limit", 3, timedelta(days=30)),
                ("gap", 1, timedelta(hours=12)),
            )
        ]
        beyond = [(rule, count) for rule, most, count in counts if count + 1 > most]
        pending = [count for _, most, count in counts if count + len(coming) + 1 > most]
        if name in set(first["user_id"]):
            found[name] = ("holdout", None)
        elif about["marketing"] != "yes":
            found[name] = ("opted_out", None)
        elif about["segment"] == "gone":
            found[name] = ("not_concerned", None)
        elif beyond:
            found[name] = beyond[0]
        elif pending:
            found[name] = ("pending", pending[0])
        elif not open_times(about["zone"], day):
            found[name] = ("quiet", None)
    return found


@pytest.mark.parametrize("number", range(len(DAYS)))
def test_everybody_has_a_slate_or_a_row_that_says_why_not(nights: Path, number: int) -> None:
    day = DAYS[number] + timedelta(days=1)
    withheld = rows(nights, "withheld").filter(slate_date=day)
    found = {row["user_id"]: (row["reason"], row["contacts"]) for row in withheld.to_dicts()}
    assert found == expected(nights, number)
    served = {slate["user_id"] for slate in slates_of(nights, day)}
    assert served.isdisjoint(found)
    assert len(served) + len(found) == USERS


def test_every_reason_occurs_with_what_a_person_needs_to_see_why(nights: Path) -> None:
    withheld = rows(nights, "withheld")
    reasons = set(withheld["reason"])
    assert reasons == {"holdout", "opted_out", "not_concerned", "limit", "gap", "pending", "quiet"}
    for row in withheld.to_dicts():
        counted = row["reason"] in ("limit", "gap", "pending")
        assert all((row[name] is not None) == counted for name in ("contacts", "pending", "slates", "most"))
        assert row["probability"] == (0.2 if row["reason"] == "holdout" else None)
        if row["reason"] == "pending":
            assert row["contacts"] + row["slates"] <= row["most"] < row["contacts"] + row["pending"] + 1
        elif counted:
            assert row["contacts"] + row["slates"] > row["most"]
    assert set(withheld.filter(reason="gap")["period"]) == {"12h"}


def test_a_slate_says_when_it_may_be_shown_in_the_time_of_its_user(nights: Path) -> None:
    zones = {pseudonym(f"user-{user}"): known(user)["zone"] for user in range(USERS)}
    slates = rows(nights, "slates").to_dicts()
    assert len(slates) > USERS
    for slate in slates:
        times = list(zip(slate["shown_from"], slate["shown_until"], strict=True))
        assert times == open_times(zones[slate["user_id"]], slate["slate_date"])
    turned = [s for s in slates if s["slate_date"] == date(2024, 3, 31) and zones[s["user_id"]] == ZONES[0]]
    assert {slate["shown_from"][0].hour for slate in turned} == {6}


def test_what_was_shown_outside_of_its_times_is_kept_and_counted(
    nights: Path, lines: dict[tuple[int, str], str]
) -> None:
    for number in range(1, len(DAYS)):
        shown = rows(nights, "impressions").filter(ds=DAYS[number]).to_dicts()
        slates = {slate["slate_id"]: slate for slate in slates_of(nights, DAYS[number])}
        outside = 0
        for row in shown:
            slate = slates[row["slate_id"]]
            times = zip(slate["shown_from"], slate["shown_until"], strict=True)
            outside += not any(since <= row["occurred_at"] < until for since, until in times)
            assert row["propensity"] == slate["propensities"][0]
        said = f"WARNING: {outside} impressions were shown outside of the times of their slates"
        assert (said in lines[number, "ingest"]) == (outside > 0)
        page = night(nights, number).warehouse.report(PROGRAM, DAYS[number]).read_text()
        assert (f"{outside} impressions were shown outside" in page) == (outside > 0)
    assert any("outside of the times" in line for line in lines.values())


def test_the_night_says_who_is_withheld_and_whose_zone_is_not_known(
    nights: Path, lines: dict[tuple[int, str], str]
) -> None:
    for number, day in enumerate(DAYS):
        withheld = rows(nights, "withheld").filter(slate_date=day + timedelta(days=1))
        line = lines[number, "contacts"]
        assert line.startswith(f"{withheld.height} of {USERS} users are withheld: ")
        for reason, users in withheld.group_by("reason").len().rows():
            assert f"{users} {reason}" in line
        assert "30 users have no zone that is known: UTC" in line
    assert "contacts of the day against the rules" in "".join(lines.values())


def test_the_page_has_a_section_on_contacts(nights: Path) -> None:
    page = night(nights, 3).warehouse.report(PROGRAM, DAYS[3]).read_text()
    section = page.split("<h2>Contacts</h2>")[1].split("</section>")[0]
    for said in ("users get no slate tomorrow", "share of 20", "opted out", "contacts in the last 7 days"):
        assert said in section


def test_nights_again_in_whatever_order_leave_all_rows(copied: Path) -> None:
    before = {
        name: sorted(map(repr, rows(copied, name).rows())) for name in ("withheld", "slates", "impressions")
    }
    for number in (3, 0, 2, 1):
        for step in ("ingest", "contacts", "score", "audit", "publish"):
            run_step(step, night(copied, number))
    for name, found in before.items():
        assert sorted(map(repr, rows(copied, name).rows())) == found


def test_nobody_is_scored_before_contact_rules_were_asked(copied: Path) -> None:
    shutil.rmtree(copied / "tables" / PROGRAM / "withheld")
    with pytest.raises(ContractError, match="run the step contacts first"):
        run_step("score", night(copied, 3))


def one_less(rows: pa.Table) -> pa.Table:
    at = rows["reason"].to_pylist().index("gap")
    return pa.concat_tables([rows.slice(0, at), rows.slice(at + 1)])


def one_more(rows: pa.Table) -> pa.Table:
    """Of somebody whose last contact, if any, was nothing."""
    row = {"user_id": free_user(rows), "reason": "quiet"}
    return pa.concat_tables([rows, pa.Table.from_pylist([row], rows.schema)])


def free_user(rows: pa.Table) -> str:
    """One of the same bucket who is not withheld."""
    known = rows["user_id"].to_pylist()
    bucket = bucket_of(known[0])
    names = (pseudonym(f"user-{user}") for user in range(USERS))
    return next(name for name in names if name not in known and bucket_of(name) == bucket)


def bucket_of(name: str) -> int:
    return int(buckets_of(pa.table({"user_id": [name]}), 2)[0])


def renamed(rows: pa.Table) -> pa.Table:
    others = [{**row, "reason": "quiet"} if row["reason"] == "gap" else row for row in rows.to_pylist()]
    return pa.Table.from_pylist(others, rows.schema)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (one_less, r"a user is not withheld as by rule \(gap of 12h\): 2 rows"),
        (one_more, r"a user is withheld by no rule: 2 rows"),
        (renamed, r"a user is not withheld as by rule \(gap of 12h\): \d\d rows"),
    ],
)
def test_the_audit_applies_the_rules_once_more(
    copied: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[pa.Table], pa.Table], says: str
) -> None:
    as_it_is, of = Contacts.withheld, night(copied, 0)

    def changed(*given: Any) -> pa.Table:
        return change(as_it_is(*given))

    monkeypatch.setattr(Contacts, "withheld", changed)
    for step in ("contacts", "score"):
        run_step(step, of)
    with pytest.raises(ContractError, match=says):
        run_step("audit", of)


def test_the_audit_refuses_slates_of_users_who_are_withheld_by_now(copied: Path) -> None:
    """The day lands again, with a contact of everybody, after its slates were staged."""
    of, folder = night(copied, 3), copied / "landing" / PROGRAM / "impressions" / f"ds={DAYS[3]}"
    run_step("score", of)
    at = datetime.combine(DAYS[3], time(20), UTC).isoformat()
    more = [
        {
            "impression_id": f"late-{user}",
            "decision_id": f"late-{user}",
            "user_id": f"user-{user}",
            "slot": 1,
            "arm_id": "offer",
            "propensity": 0.5,
            "occurred_at": at,
            **known(user),
        }
        for user in range(USERS)
    ]
    world.write_json_lines(folder / "part-1.jsonl", more)
    run_step("ingest", of)
    with pytest.raises(ContractError, match=r"not withheld as by rule \(gap of 12h\): \d+ rows, such as"):
        run_step("audit", of)
    run_step("contacts", of)
    with pytest.raises(ContractError, match=r"for a user whom contact rules withhold: \d+ rows, such as"):
        run_step("audit", of)
    for step in ("score", "audit", "publish"):
        run_step(step, of)
    assert slates_of(copied, DAYS[3] + timedelta(days=1)) == []


def test_the_audit_refuses_a_slate_at_quiet_times(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = QuietHours.open_times

    def in_utc(quiet: QuietHours, start: datetime, end: datetime, _: tzinfo) -> Any:
        return whole(quiet, start, end, UTC)

    monkeypatch.setattr(QuietHours, "open_times", in_utc)
    run_step("score", night(copied, 3))
    with pytest.raises(ContractError, match="a slate may be shown at other times than rules allow"):
        run_step("audit", night(copied, 3))
