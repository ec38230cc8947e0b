"""Contact rules against one user at a time, and an engine that shows every slate for forty days."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.hashing import mix, seed, uniform
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.contact_audit import time_faults, withheld_faults
from nightslate.kernels.contact_counts import contact_counts
from nightslate.kernels.contacts import Concerned, Contacts, contacts_of, in_holdout
from nightslate.kernels.eligibility import EligibleUsers
from nightslate.kernels.show_times import COLUMNS, ShowTimes, outside_their_times, zone_named
from nightslate.programs.conditions import parse
from nightslate.programs.contacts import ContactRules

DAY = date(2024, 4, 10)
BEGIN = datetime.combine(DAY, time(), UTC)
USERS = [f"{number:016x}" * 2 for number in range(1, 7)]
IMPRESSIONS = pa.schema(
    [
        *((name, pa.string()) for name in ("user_id", "decision_id", "arm_id", "slate_id")),
        ("occurred_at", pa.timestamp("us", "UTC")),
    ]
)
SLATES = pa.schema(
    [*((name, pa.string()) for name in ("slate_id", "user_id", "issue")), ("ranking", pa.list_(pa.string()))]
)
ARMS = ("nothing", "none", "letter", "call")


def contacts(day=DAY, issues=None, opt_out=None, **rules):
    said = ContactRules.model_validate(rules)
    condition = opt_out and parse(opt_out, {"marketing": "category"})
    return Contacts(said, condition, issues or {"all": Concerned(EligibleUsers({}), 1)}, "salt", day)


def people(users=USERS, **columns):
    return pa.table({"user_id": pa.array(users, pa.string()), **columns})


def shown(rows):
    return pa.Table.from_pylist(rows, IMPRESSIONS)


def withheld(how, users, impressions=(), slates=()):
    """By user (reason, contacts, pending, slates, most, period). The second look finds nothing wrong."""
    given_rows = shown(list(impressions)), pa.Table.from_pylist(list(slates), SLATES)
    found = how.withheld(users, *given_rows)
    assert withheld_faults(how, users, *given_rows, found).num_rows == 0
    names = ("reason", "contacts", "pending", "slates", "most", "period")
    return {row["user_id"]: tuple(row[name] for name in names) for row in found.to_pylist()}


HOURS = st.integers(-24 * 12, -1)
DECISIONS = st.lists(
    st.tuples(
        st.sampled_from(USERS),
        HOURS,
        st.lists(st.sampled_from(ARMS), min_size=1, max_size=3),
        st.none() | st.integers(0, 11),
    ),
    max_size=30,
)
PUBLISHED = st.lists(
    st.tuples(st.sampled_from(USERS), st.permutations(ARMS), st.sampled_from(["one", "two", "gone"])),
    max_size=12,
)
RULES = st.fixed_dictionaries(
    {},
    optional={
        "except": st.lists(st.sampled_from(ARMS), max_size=2, unique=True),
        "limits": st.lists(
            st.fixed_dictionaries(
                {"most": st.integers(1, 4), "period": st.sampled_from(["1d", "36h", "7d", "10d"])}
            ),
            max_size=2,
            unique_by=lambda limit: limit["period"],
        ),
        "gap": st.sampled_from(["12h", "2d"]),
        "expires": st.booleans(),
    },
)


@settings(deadline=None, max_examples=150)
@given(RULES, DECISIONS, PUBLISHED)
def test_against_one_user_at_a_time(rules, decisions, published):
    issues = {
        "one": Concerned(EligibleUsers({"segment": ("a", "b")}), 1),
        "two": Concerned(EligibleUsers({"segment": ("b", "c")}), 2),
    }
    segments = dict(zip(USERS, ["a", "a", "b", "b", "c", "d"], strict=True))
    how = contacts(issues=issues, **rules)
    impressions = [
        {
            "user_id": user,
            "decision_id": f"{number % 25}",
            "arm_id": arm,
            "slate_id": None if slate is None else f"slate {slate}",
            "occurred_at": BEGIN + timedelta(hours=hours),
        }
        for number, (user, hours, arms, slate) in enumerate(decisions)
        for arm in arms
    ]
    slates = [
        {"slate_id": f"slate {number}", "user_id": user, "issue": issue, "ranking": list(ranking)}
        for number, (user, ranking, issue) in enumerate(published)
    ]
    found = withheld(how, people(segment=pa.array(segments.values())), impressions, slates)

    uncounted, named = set(rules.get("except", [])), {row["slate_id"] for row in impressions}
    spans = {"12h": 12, "36h": 36, "1d": 24, "2d": 48, "7d": 168, "10d": 240}
    asked = [("limit", limit["most"], limit["period"]) for limit in rules.get("limits", [])]
    asked += [("gap", 1, rules["gap"])] if "gap" in rules else []
    for user in USERS:
        slots = {"a": 1, "b": 2, "c": 1, "d": 0}[segments[user]]
        times = {}
        for row in impressions:
            if row["user_id"] == user and row["arm_id"] not in uncounted:
                first = times.get(row["decision_id"], row["occurred_at"])
                times[row["decision_id"]] = min(first, row["occurred_at"])
        coming = sum(
            slate["user_id"] == user
            and slate["slate_id"] not in named
            and not uncounted.issuperset(slate["ranking"][: 2 if slate["issue"] == "two" else 1])
            for slate in slates
        )
        coming = 0 if rules.get("expires") else coming
        counts = [
            (
                rule,
                sum(BEGIN - timedelta(hours=spans[period]) <= at < BEGIN for at in times.values()),
                most,
                period,
            )
            for rule, most, period in asked
        ]
        expected = None
        if not slots:
            expected = ("not_concerned", None, None, None, None, None)
        for extra in (0, coming):
            for rule, count, most, period in counts:
                if expected is None and count + slots + extra > most:
                    reason = rule if extra == 0 else "pending"
                    expected = (reason, count, coming, slots, most, period)
        assert found.get(user) == expected


def test_the_order_of_reasons():
    how = contacts(
        issues={"all": Concerned(EligibleUsers({"segment": ("a",)}), 1)},
        opt_out="marketing == no",
        gap="2d",
        limits=[{"most": 1, "period": "7d"}],
        quiet={"days": ["wednesday"]},
        holdout={"share": 0.5},
    )
    held = dict(zip(USERS, in_holdout(user_keys(people()), 0.5, "salt").tolist(), strict=True))
    users = [user for user in USERS if not held[user]][:3]
    users += [next(user for user in USERS if held[user])]
    of = people(users, marketing=["no", None, "yes", "no"], segment=["b", "a", "b", "b"])
    rows = [
        {"user_id": user, "decision_id": user, "arm_id": "x", "occurred_at": BEGIN - timedelta(hours=1)}
        for user in users
    ]
    reasons = [reason for reason, *_ in withheld(how, of, rows).values()]
    assert reasons == ["opted_out", "opted_out", "not_concerned", "holdout"]
    free = people(users[:1], marketing=["yes"], segment=["a"])
    assert withheld(how, free, rows)[users[0]][:2] == ("limit", 1)
    hours = [{**rows[0], "occurred_at": BEGIN - timedelta(days=8)}]
    assert withheld(how, free, hours)[users[0]][0] == "quiet"


def test_who_gets_one_of_several_issues_has_one_slate_that_counts():
    users = people(USERS[:2], segment=["both", "one"])
    issues = {
        "one": Concerned(EligibleUsers({}), 1),
        "two": Concerned(EligibleUsers({"segment": ("both",)}), 1),
    }
    how = contacts(issues=issues, limits=[{"most": 1, "period": "7d"}])
    assert withheld(how, users) == {USERS[0]: ("limit", 0, 0, 2, 1, "7d")}
    assert withheld(replace(how, one_issue=True), users) == {}


def test_a_decision_is_one_contact_at_its_first_arm_that_counts():
    rows = [
        {
            "user_id": USERS[0],
            "decision_id": "d",
            "arm_id": arm,
            "occurred_at": BEGIN - timedelta(hours=hours),
        }
        for arm, hours in (("nothing", 30), ("letter", 20), ("call", 10))
    ]
    found = contacts_of(shown(rows), ["nothing"])
    assert found["at"].to_pylist() == [int((BEGIN - timedelta(hours=20)).timestamp()) * 1_000_000]
    assert contacts_of(shown(rows[:1]), ["nothing"]).num_rows == 0


def test_the_holdout_is_a_share_of_users_that_grows_without_letting_anybody_go():
    ids = [f"{number:016x}" for number in np.random.default_rng(1).integers(1, 2**62, 40_000).tolist()]
    keys = user_keys(people([one * 2 for one in ids]))
    small, large = in_holdout(keys, 0.05, "a"), in_holdout(keys, 0.1, "a")
    assert abs(small.mean() - 0.05) < 4 * (0.05 * 0.95 / len(ids)) ** 0.5
    assert not (small & ~large).any()
    other = in_holdout(keys, 0.05, "b")
    assert abs((small & other).mean() - 0.05**2) < 4 * (0.05**2 / len(ids)) ** 0.5
    variant = uniform(mix(keys, seed("a", "variant"))) < 0.5  # as experiments deal of the same salt
    assert abs((small & variant).mean() - 0.025) < 4 * (0.025 / len(ids)) ** 0.5


@settings(deadline=None, max_examples=60)
@given(RULES, DECISIONS)
def test_what_is_counted_of_contacts_against_one_user_at_a_time(rules, decisions):
    how = contacts(holdout={"share": 0.5}, **rules)
    rows = [
        {
            "user_id": user,
            "decision_id": f"{number}",
            "arm_id": arms[0],
            "occurred_at": BEGIN + timedelta(hours=hours),
        }
        for number, (user, hours, arms, _) in enumerate(decisions)
    ]
    asked = people(USERS[:4])
    found = {
        (row["what"], row["of"]): row["value"] for row in contact_counts(how, asked, shown(rows)).to_pylist()
    }
    times = {
        user: sorted(
            row["occurred_at"]
            for row in rows
            if row["user_id"] == user and row["arm_id"] not in rules.get("except", [])
        )
        for user in USERS
    }
    today = BEGIN - timedelta(days=1)
    assert found.pop(("users", "")) == 4
    assert found.pop(("unknown_zone", ""), 0) == 0
    recent = [sum(at >= BEGIN - timedelta(days=7) for at in times[user]) for user in USERS[:4]]
    for number in range(max(recent) + 1):
        assert found.pop(("recent", str(number)), 0) == recent.count(number)
    held = dict(zip(USERS, in_holdout(user_keys(people()), 0.5, "salt").tolist(), strict=True))
    of_held = sum(at >= today for user in USERS if held[user] for at in times[user])
    assert found.pop(("breach", "holdout")) == of_held
    for limit in how.limits:
        period, in_words = timedelta(microseconds=limit.period), limit.period // 3_600_000_000
        days = f"{in_words // 24}d" if in_words % 24 == 0 else f"{in_words}h"
        name = f"gap of {days}" if limit.name == "gap" else f"{limit.most} in {days}"
        broken = sum(
            at >= today and sum(at - period < other for other in of_user[:place]) >= limit.most
            for of_user in times.values()
            for place, at in enumerate(of_user)
        )
        assert found.pop(("breach", name)) == broken
    assert found == {}


def test_no_zone_is_a_path():
    assert zone_named("../../etc/passwd") is None
    assert zone_named("/etc/localtime") is None
    assert zone_named("America") is None
    assert zone_named(None) is None
    assert zone_named("Europe/Berlin") is not None


def with_times(how, users):
    """Slates as their users' times say."""
    beside = ShowTimes.of(how.rules, DAY).beside(users)
    named = {name: beside[column] for name, column in COLUMNS.items()}
    return pa.table({"slate_id": users["user_id"], "user_id": users["user_id"], **named})


def test_times_of_slates_that_rules_do_not_allow_are_found():
    how = contacts(quiet={"zone": "zone", "hours": [21, 8]})
    zones = ["Europe/Berlin", "America/New_York", None, "Europe/Berlin", "Nowhere", "Asia/Kolkata"]
    users, times = people(zone=zones), ShowTimes.of(how.rules, DAY)
    slates = with_times(how, users)
    assert time_faults(slates, users, times).num_rows == 0
    rows = slates.to_pylist()
    rows[1]["shown_from"] = rows[0]["shown_from"]
    rows[2]["shown_until"] = rows[2]["shown_from"] = None
    rows[3]["shown_until"] = [BEGIN + timedelta(hours=23)]
    wrong = time_faults(pa.Table.from_pylist(rows, slates.schema), users, times)
    assert sorted(wrong["id"].to_pylist()) == USERS[1:4]
    assert time_faults(slates, users, None)["id"].to_pylist() == USERS


def test_impressions_outside_of_the_times_of_their_slates_are_counted():
    how = contacts(quiet={"hours": [21, 8]}, expires=True)
    slates = with_times(how, people())
    moments = [(8, 0), (7, 59), (20, 59), (21, 0), (24, 12)]
    rows = [
        {"slate_id": USERS[0], "occurred_at": BEGIN + timedelta(hours=hour, minutes=minute)}
        for hour, minute in moments
    ]
    rows += [{"slate_id": None, "occurred_at": BEGIN}, {"slate_id": "unknown", "occurred_at": BEGIN}]
    assert outside_their_times(shown(rows), slates) == 3
    anytime = pa.Table.from_pylist([{"slate_id": USERS[0], "user_id": USERS[0]}], slates.schema)
    assert outside_their_times(shown(rows), anytime) == 0


LATEST = timedelta(hours=5)
"""How long after midnight a night's slates are there."""


class Loop:
    """An engine that shows each published slate once, at any time until newer ones are there."""

    def __init__(self, number, **rules):
        self.random, self.rules = np.random.default_rng(number), rules
        self.impressions, self.slates, self.withheld = [], {}, {}

    def night(self, number):
        """That of the day before day `number`, by what is known of days before it."""
        day = DAY + timedelta(days=number)
        begin = datetime.combine(day, time(), UTC)
        known = shown([row for row in self.impressions if row["occurred_at"] < begin])
        before = max((other for other in self.slates if other < number), default=None)
        slates = pa.Table.from_pylist(self.slates.get(before, []), SLATES)
        how = contacts(day, **self.rules)
        found = how.withheld(people(), known, slates)
        assert withheld_faults(how, people(), known, slates, found).num_rows == 0
        left_out = set(found["user_id"].to_pylist())
        made = [
            {"slate_id": f"{day} {user}", "user_id": user, "issue": "all", "ranking": self.ranking(day, user)}
            for user in USERS
            if user not in left_out
        ]
        return made, found.to_pylist()

    def ranking(self, day, user):
        return [("nothing", "letter", "letter")[seed(f"{day}", user) % 3], "call"]

    def play(self, days):
        for number in range(days):
            self.slates[number], self.withheld[number] = self.night(number)
            begin = datetime.combine(DAY + timedelta(days=number), time(), UTC)
            for slate in self.slates[number]:
                if self.random.random() < 0.85:
                    latest = timedelta(days=1) + (timedelta() if self.rules.get("expires") else LATEST)
                    at = begin + LATEST + self.random.random() * (latest - LATEST)
                    self.show(slate, begin + LATEST if self.random.random() < 0.2 else at)

    def show(self, slate, at):
        row = {"user_id": slate["user_id"], "decision_id": slate["slate_id"], "slate_id": slate["slate_id"]}
        self.impressions.append({**row, "arm_id": slate["ranking"][0], "occurred_at": at})

    def contacts(self, user):
        rows = (row for row in self.impressions if row["user_id"] == user and row["arm_id"] != "nothing")
        return sorted(row["occurred_at"] for row in rows)


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize(
    "rules",
    [
        {"limits": [{"most": 2, "period": "7d"}, {"most": 5, "period": "30d"}]},
        {"limits": [{"most": 2, "period": "36h"}], "gap": "20h"},
        {"gap": "3d"},
        {"limits": [{"most": 3, "period": "7d"}], "gap": "1d", "expires": True},
    ],
)
def test_an_engine_that_shows_every_slate_never_exceeds_a_limit(rules, number):
    """And in whatever order nights run again, they say what they said."""
    loop = Loop(number, **{"except": ["nothing"]}, **rules)
    loop.play(40)
    said = ContactRules.model_validate({"except": ["nothing"], **rules})
    some = 0
    for user in USERS:
        times = loop.contacts(user)
        some += len(times)
        for limit in said.limits:
            for at in times:
                assert sum(at - limit.period < other <= at for other in times) <= limit.most
        if said.gap:
            assert all(b - a >= said.gap for a, b in pairwise(times))
    assert some > 4 * len(USERS)
    for night in np.random.default_rng(number).permutation(40).tolist():
        assert loop.night(night) == (loop.slates[night], loop.withheld[night])


def test_without_counting_what_is_pending_limits_would_be_exceeded(monkeypatch):
    """What the simulation is there to find: an engine that shows slates in the morning after their day."""
    monkeypatch.setattr(Contacts, "_coming", lambda _, users, *__: np.zeros(users.num_rows, np.int64))
    monkeypatch.setattr("tests.unit.kernels.test_contacts.withheld_faults", lambda *_: pa.table({"a": []}))
    broken = 0
    for number in range(6):
        loop = Loop(number, **{"except": ["nothing"]}, gap="3d")
        loop.play(40)
        for times in map(loop.contacts, USERS):
            broken += sum(b - a < timedelta(days=3) for a, b in pairwise(times))
    assert broken > 0
