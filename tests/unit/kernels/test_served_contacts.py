"""Contact rules at the moments of served decisions, against one decision at a time by their definition."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from nightslate.core.hashing import mix, seed, uniform
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.contacts import Contacts
from nightslate.kernels.served_contacts import AGAINST_RULES, against_rules
from nightslate.programs.conditions import parse
from nightslate.programs.contacts import ContactRules

DAY = date(2024, 4, 10)
BEGIN = datetime.combine(DAY, time(), UTC)
USERS = [f"{number:016x}" * 2 for number in range(1, 7)]
ZONES = ("Europe/Berlin", "Asia/Kathmandu", "Atlantis", None)
STAMP = pa.timestamp("us", "UTC")
RULES = ContactRules.model_validate(
    {
        "except": ("nothing",),
        "limits": ({"most": 2, "period": "6h"},),
        "gap": "90m",
        "quiet": {"zone": "zone", "hours": (21, 8), "days": ("sunday",)},
        "holdout": {"share": 0.3},
    }
)
CONTACTS = Contacts(RULES, parse("age >= 40", {"age": "number"}), {}, "salt", DAY)
MINUTES = st.integers(-24 * 60, 24 * 60)
SHOWN, ZONE = st.sampled_from(["call", "nothing"]), st.sampled_from(ZONES)
DECISIONS = st.lists(st.tuples(st.integers(0, 5), MINUTES, SHOWN, ZONE, st.booleans()), max_size=25)


def table(decisions):
    return pa.table(
        {
            "user_id": pa.array([USERS[user] for user, *_ in decisions], pa.string()),
            "decision_id": pa.array([f"{place}" for place in range(len(decisions))], pa.string()),
            "occurred_at": pa.array([BEGIN + timedelta(minutes=at) for _, at, *_ in decisions], STAMP),
            "arm_id": pa.array([arm for _, _, arm, *_ in decisions], pa.string()),
            "slate_id": pa.nulls(len(decisions), pa.string()),
            "zone": pa.array([zone for *_, zone, _ in decisions], pa.string()),
            "age": pa.array([50.0 if old else 30.0 for *_, old in decisions], pa.float64()),
        }
    )


def expected(user, at, zone, old, decisions):
    key = user_keys(pa.table({"user_id": [USERS[user]]}))
    before = [at - when for who, when, arm, *_ in decisions if who == user and arm == "call" and when < at]
    local = (BEGIN + timedelta(minutes=at)).astimezone(ZoneInfo(zone) if zone in ZONES[:2] else UTC)
    if uniform(mix(key, seed("salt", "holdout")))[0] < 0.3:
        return "holdout"
    if old:
        return "opted_out"
    if sum(ago <= 360 for ago in before) >= 2:
        return "limit"
    if any(ago <= 90 for ago in before):
        return "gap"
    return "quiet" if local.hour >= 21 or local.hour < 8 or local.weekday() == 6 else None


@settings(deadline=None)
@given(DECISIONS)
def test_each_decision_is_held_to_the_rules_at_its_own_moment(decisions):
    rows = table(decisions)
    found = against_rules(
        CONTACTS, rows, rows.select(["user_id", "decision_id", "occurred_at", "arm_id", "slate_id"])
    )
    wanted = [expected(user, at, zone, old, decisions) for user, at, _, zone, old in decisions]
    assert found.to_pylist() == [rule and AGAINST_RULES + rule for rule in wanted]
