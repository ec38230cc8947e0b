"""Limits by channel and by arm, and what is transactional: user by user, contact by contact."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from nightslate.core.experiments import allocated
from nightslate.core.policies import Arms, LinearThompson
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.channel_audit import candidate_faults
from nightslate.kernels.channels import CHANNELS, CLOSED, open_channels
from nightslate.kernels.contact_audit import capped_faults, withheld_faults
from nightslate.kernels.contact_caps import ContactCaps
from nightslate.kernels.contact_counts import contact_counts
from nightslate.kernels.contacts import Concerned, Contacts
from nightslate.kernels.eligibility import EligibleUsers
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.scoring import ScoredBy, Scoring
from nightslate.kernels.training import arm_key
from nightslate.programs.contacts import ContactRules
from nightslate.programs.logs import Feature
from nightslate.programs.sends import Sends

DAY = date(2026, 11, 18)
BEGIN = datetime(2026, 11, 18, tzinfo=UTC)
CHANNEL_OF = {"letter": "email", "note": "text", "nothing": "none", "offer": "email", "receipt": "service"}
GONE = {"old": "email"}
CONTEXT = [Feature(name="mail", type="category"), Feature(name="text", type="category")]
SENDS = Sends.model_validate(
    {
        "channel": "channel",
        "nothing": "none",
        "channels": {
            "email": {"consent": "mail == yes"},
            "text": {"consent": "text == yes"},
            "service": {"consent": "mail in [yes, no]", "transactional": True},
        },
    }
)
IMPRESSIONS = pa.schema(
    [
        *((name, pa.string()) for name in ("user_id", "decision_id", "arm_id", "slate_id")),
        ("occurred_at", pa.timestamp("us", "UTC")),
    ]
)
NO_SLATES = pa.schema(
    [*((name, pa.string()) for name in ("slate_id", "user_id", "issue")), ("ranking", pa.list_(pa.string()))]
).empty_table()
IDS = [f"{number:032x}" for number in range(1, 61)]


def channels(arms=CHANNEL_OF, sends=SENDS, quiet=None):
    offered = pa.table({"arm_id": [*arms], "channel": [*arms.values()]})
    return open_channels(sends, sends.consents(CONTEXT), quiet, DAY, offered)


def contacts(limits, gap=None, arms=CHANNEL_OF, quiet=None):
    said = {"except": ["nothing"], "limits": limits, "expires": True, "quiet": quiet}
    rules = ContactRules.model_validate(said | ({"gap": gap} if gap else {}))
    caps = ContactCaps(rules.caps, frozenset(SENDS.transactional), {**CHANNEL_OF, **GONE})
    issues = {"all": Concerned(EligibleUsers({}), 1, channels(arms, quiet=rules.quiet))}
    return Contacts(rules, None, issues, "salt", DAY, False, caps)


def people(mail="yes", text="yes"):
    n = len(IDS)
    mails, texts = ([each] * n if isinstance(each, str) else each for each in (mail, text))
    return pa.table(
        {"user_id": IDS, "mail": pa.array(mails, pa.string()), "text": pa.array(texts, pa.string())}
    )


def shown(*contacted):
    """(user, hours before the day, arm)"""
    rows = [
        {
            "user_id": IDS[user],
            "decision_id": f"{number}",
            "arm_id": arm,
            "occurred_at": BEGIN - timedelta(hours=hours),
        }
        for number, (user, hours, arm) in enumerate(contacted)
    ]
    return pa.Table.from_pylist(rows, IMPRESSIONS)


def told(how, users, impressions):
    """The reason why each user is withheld, and the arms that each of the others may get. The second look
    finds nothing wrong with either."""
    read = users, impressions, NO_SLATES
    withheld = how.withheld(*read)
    capped = how.capped(*read, withheld)
    assert withheld_faults(how, *read, withheld).num_rows == 0
    assert capped_faults(how, *read, withheld, capped).num_rows == 0
    without = dict(zip(withheld["user_id"].to_pylist(), withheld["reason"].to_pylist(), strict=True))
    opened = how.issues["all"].channels
    left, found = opened.beside(users, capped), dict[str, set[str]]()
    for row in left.to_pylist():
        if row["user_id"] not in without:
            places = opened.places(row[CHANNELS], [*CHANNEL_OF], row[CLOSED])
            found[row["user_id"]] = {[*CHANNEL_OF][place] for place in places}
    assert without.keys() | found.keys() == set(IDS)
    return without, found


def expected_of(user, rules, mail, text, contacted):
    """The same of one user, by the rules as they are written."""
    reached = {"email"} if mail == "yes" else set()
    reached |= {"text"} if text == "yes" else set()
    service = {"service"} if mail in ("yes", "no") else set()
    if not reached | service:
        return "no_channel", None
    channel_of = CHANNEL_OF | GONE
    mine = [
        (hours, arm)
        for who, hours, arm in contacted
        if who == user and channel_of[arm] not in ("none", "service")
    ]

    def within(limit, arms):
        period = limit.period / timedelta(hours=1)
        return sum(0 < hours <= period and arm in arms for hours, arm in mine)

    closed_arms = set()
    for limit in rules.limits:
        if limit.of_all_contacts and reached and within(limit, set(channel_of)) + 1 > limit.most:
            if not service:
                return "limit", None
            reached = set()
    for limit in rules.caps:
        for channel in [*reached] if limit.channel else ():
            arms = {arm for arm, of in channel_of.items() if of == channel}
            if channel == limit.channel and within(limit, arms) + 1 > limit.most:
                reached.discard(channel)
        if limit.per:
            closed_arms |= {arm for arm in channel_of if within(limit, {arm}) + 1 > limit.most}
    allowed = {arm for arm, of in CHANNEL_OF.items() if of in reached | service} - closed_arms
    return (None, allowed | {"nothing"}) if allowed else ("limit", None)


OF = ({}, {"channel": "email"}, {"channel": "text"}, {"per": "arm"})


@pytest.mark.parametrize("seed", range(12))
def test_against_one_user_at_a_time(seed):
    """Some of the limits that there can be, with users of all consents and up to six contacts each."""
    rng = np.random.default_rng(seed)
    limits = [
        {"most": int(rng.integers(1, 4)), "period": f"{rng.integers(1, 4)}d", **of}
        for of in OF
        if rng.random() < 0.6
    ]
    mail, text = (rng.choice(np.array(["yes", "yes", "no", None]), len(IDS)).tolist() for _ in range(2))
    arms = [*CHANNEL_OF, *GONE]
    contacted = [
        (user, int(rng.integers(1, 80)), arms[rng.integers(len(arms))])
        for user in range(len(IDS))
        for _ in range(rng.integers(0, 7))
    ]
    how = contacts(limits)
    without, found = told(how, people(mail, text), shown(*contacted))
    for user, identity in enumerate(IDS):
        reason, arms = expected_of(user, how.rules, mail[user], text[user], contacted)
        assert without.get(identity) == reason
        assert found.get(identity) == arms


def test_a_row_says_why():
    how = contacts(
        [{"most": 1, "period": "2d", "channel": "email"}, {"most": 2, "period": "3d", "per": "arm"}]
    )
    read = people(), shown((0, 5, "letter"), (0, 60, "note"), (0, 50, "note"), (1, 50, "offer")), NO_SLATES
    capped = how.capped(*read, how.withheld(*read)).to_pylist()
    assert capped == [
        {"user_id": IDS[0], "closed": "channel", "name": "email", "reason": "channel_limit", "contacts": 1,
         "slates": 1, "most": 1, "period": "2d"},
        {"user_id": IDS[0], "closed": "arm", "name": "note", "reason": "arm_limit", "contacts": 2,
         "slates": 1, "most": 2, "period": "3d"},
    ]  # fmt: skip


def test_what_is_transactional_is_no_contact_and_held_back_by_no_limit_gap_or_quiet_day():
    everybody = [(user, 5, "letter") for user in range(len(IDS))]
    for rules in ({"limits": [{"most": 1, "period": "2d"}]}, {"limits": [], "gap": "1d"}):
        without, found = told(contacts(**rules), people(), shown(*everybody))
        assert not without
        assert set(map(frozenset, found.values())) == {frozenset({"receipt", "nothing"})}
        of_receipts = [(user, 5, "receipt") for user in range(len(IDS))]
        _, found = told(contacts(**rules), people(), shown(*of_receipts))
        assert set(map(frozenset, found.values())) == {frozenset(CHANNEL_OF)}
    wednesday = {"days": ["wednesday"]}
    without, found = told(contacts([], quiet=wednesday), people(mail=["yes", None] * 30), shown())
    assert set(without.values()) == {"no_channel"}
    assert {*found} == {*IDS[::2]}
    assert set(map(frozenset, found.values())) == {frozenset({"receipt", "nothing"})}


def test_consent_to_a_transactional_channel_is_asked_all_the_same_and_who_opted_out_has_none():
    without, _ = told(
        contacts([{"most": 1, "period": "2d"}]), people(mail=[None] * len(IDS)), shown((0, 5, "note"))
    )
    assert without == {IDS[0]: "limit"}


def test_contacts_of_the_day_against_limits_by_channel_and_arm_are_counted():
    how = contacts(
        [{"most": 1, "period": "2d", "channel": "email"}, {"most": 1, "period": "1d", "per": "arm"}]
    )
    rows = shown(
        (0, 30, "letter"), (0, 5, "offer"), (1, 6, "note"), (1, 5, "note"), (2, 30, "letter"), (2, 29, "old")
    )
    counts = contact_counts(how, people(), rows).to_pylist()
    breaches = {row["of"]: row["value"] for row in counts if row["what"] == "breach"}
    assert breaches == {"1 in 2d by email": 1, "1 in 1d of an arm": 1}


def test_a_policy_chooses_among_the_arms_that_are_left():
    """Weights of a user to whom an arm is closed sum to 1 over the others, and are those of a policy among
    these."""
    opened, rng = channels(), np.random.default_rng(1)
    ids = tuple(CHANNEL_OF)
    learner, known = LinearThompson(draws=64), Arms.plain(arm_key(arm) for arm in ids)
    state = learner.initial(5, 1).update(np.ones((50, 1)), rng.integers(5, size=50), rng.normal(size=50))
    model = ScoredBy("linear", "0" * 64, ids, Encoder((), ()), learner.fit(state, known, 3))
    capped = pa.Table.from_pylist(
        [
            {"user_id": IDS[0], "closed": "arm", "name": "letter"},
            {"user_id": IDS[1], "closed": "channel", "name": "email"},
            {"user_id": IDS[2], "closed": "arm", "name": "letter"},
            {"user_id": IDS[2], "closed": "arm", "name": "offer"},
            {"user_id": IDS[3], "closed": "arm", "name": "old"},
        ]
    )
    users = opened.beside(people(), capped)
    scoring = Scoring(
        program="shop", issue="all", slate_date=DAY, depth=2, floor=0.1,
        assignment=Assignment("salt", allocated({"all": 1.0}, DAY)), variants={"all": model}, channels=opened,
    )  # fmt: skip
    slates = scoring.scored(users)
    of = {row["user_id"]: row for row in slates.to_pylist()}
    without_letter = [arm for arm in ids if arm != "letter"]
    others = [arm for arm in ids if CHANNEL_OF[arm] != "email"]
    assert [of[IDS[user]]["candidates"] for user in (0, 1, 2)] == [without_letter, others, others]
    assert all(of[IDS[user]]["candidates"] == [*ids] for user in range(3, len(IDS)))
    for user, arms in ((0, without_letter), (1, others), (2, others)):
        among = model.among(np.array([ids.index(arm) for arm in arms]))
        expected = among.weights(people().slice(user, 1), 0.1)[0]
        assert of[IDS[user]]["weights"] == expected.tolist()
        assert sum(of[IDS[user]]["weights"]) == pytest.approx(1, abs=1e-6)
    assert candidate_faults(slates, people(), opened, capped).num_rows == 0
    forged = candidate_faults(slates, people(), opened, capped.slice(0, 1))
    wrong = pc.is_in(slates["user_id"], pa.array(IDS[1:3])).to_numpy()
    assert forged["id"].to_pylist() == slates["slate_id"].filter(pa.array(wrong)).to_pylist()
