"""The customers of the shop: a world that is what it says, and deciders that keep to its rules."""

from pathlib import Path

import numpy as np
import pytest

from nightslate import programs
from nightslate.errors import SpecError
from nightslate.worlds.marketing_templates.population import Population, at_arms
from nightslate.worlds.marketing_templates.rec_engine import (
    Decider,
    Decisions,
    FullKnowledge,
    MarketingRule,
    Moment,
    decided,
)
from nightslate.worlds.marketing_templates.simulation import most_in_a_week
from nightslate.worlds.marketing_templates.templates import (
    ARMS,
    CHANNELS,
    FEATURES,
    LAUNCHED_ON,
    NOTHING,
    ORDER_VALUES,
    TYPES,
    described,
    offered,
)
from nightslate.worlds.marketing_templates.world import BOUNCES, CONSENTS, WEEK, World

VALUES = {"purchased": 1.0, "clicked": 0.02, "unsubscribed": -1.5}
PROGRAM = programs.load(Path(__file__).parents[4] / "dags" / "marketing_templates.yaml")
USERS, DAYS, MOST = 4000, 20, 4


def everyone(world: World, day: int = 30) -> Moment:
    people = world.customers(day)
    return Moment(day, people, np.ones(len(people), dtype=np.bool_), np.zeros(len(people), dtype=np.int64))


def test_a_world_is_a_function_of_its_seed_and_nobody_depends_on_who_else_is_asked_for() -> None:
    world, people, some = World(300, 1), World(300, 1).customers(3), np.array([7, 3, 250])
    tired = np.arange(300) % 4
    whole = world.chances(people, tired)
    for kind in ("purchased", "clicked", "opened", "unsubscribed"):
        of_some = getattr(world.chances(people.take(some), tired[some]), kind)
        np.testing.assert_array_equal(of_some, getattr(whole, kind)[some])
        other = World(300, 2)
        assert (getattr(other.chances(other.customers(3), tired), kind) != getattr(whole, kind)).any()
    np.testing.assert_array_equal(world.draws(people.take(some), 5, "x"), world.draws(people, 5, "x")[some])


def test_who_buys_clicks_and_who_clicks_opens_and_nothing_leads_to_nothing() -> None:
    world = World(USERS, 2)
    found = world.chances(world.customers(0), np.zeros(USERS, dtype=np.int64))
    assert (found.purchased <= found.clicked).all()
    assert (found.clicked <= found.opened).all()
    assert (found.opened <= 1).all()
    for kind in ("purchased", "clicked", "opened", "unsubscribed"):
        assert not getattr(found, kind)[:, NOTHING].any()
        assert (getattr(found, kind)[:, :NOTHING] > 0).all()
    by_hand = found.purchased * ORDER_VALUES + 0.02 * found.clicked - 1.5 * found.unsubscribed
    np.testing.assert_allclose(found.worth(VALUES), by_hand)


def test_messages_tire_and_the_wrong_ones_drive_customers_away() -> None:
    world, people = World(USERS, 2), World(USERS, 2).customers(0)
    fresh, tired = (world.chances(people, np.full(USERS, count)) for count in (0, 3))
    assert (tired.purchased < fresh.purchased)[:, :NOTHING].mean() > 0.99  # but where both are at their most
    assert (tired.unsubscribed > fresh.unsubscribed)[:, :NOTHING].all()
    bought, left = (getattr(fresh, kind)[:, :NOTHING].ravel() for kind in ("purchased", "unsubscribed"))
    assert np.corrcoef(np.log(bought), np.log(left))[0, 1] < -0.8


def test_templates_have_features_and_some_are_new_later() -> None:
    assert len(ARMS) == len(set(ARMS)) == 41
    assert all(len(at) == len(ARMS) and at[NOTHING] == len(values) for values, at in FEATURES.values())
    assert ORDER_VALUES[NOTHING] == 0 < ORDER_VALUES[:NOTHING].min()
    new = np.flatnonzero(LAUNCHED_ON)
    assert len(new) == 4
    for arm in new:
        day = int(LAUNCHED_ON[arm])
        assert not offered(day)[arm]
        assert offered(day + 1)[arm]
        assert ARMS[arm] not in {row["arm_id"] for row in described(day - 1)}
        assert ARMS[arm] in {row["arm_id"] for row in described(day)}
    row = next(row for row in described(0) if row["arm_id"] == "discount_text_2")
    assert (row["type"], row["channel"]) == ("discount", "text")


def test_marketing_s_rule_is_what_it_says() -> None:
    moment = everyone(World(USERS, 3))
    people, arm = moment.people, MarketingRule(World(USERS, 3)).arms(moment)
    reached = people.consent.any(axis=1)
    assert (arm[~reached] == NOTHING).all()
    kinds, channels = FEATURES["type"][1][arm], FEATURES["channel"][1][arm]
    for row in np.flatnonzero(reached)[:500]:
        kind = "discount" if people.days[row] >= 365 else "news" if people.age[row] == 0 else "upsell"
        consents = [channel for channel, yes in zip(CHANNELS, people.consent[row], strict=True) if yes]
        channel = next(name for name in ("push", "email", "text") if name in consents)
        assert (TYPES[kinds[row]], CHANNELS[channels[row]]) == (kind, channel)
    tomorrow = MarketingRule(World(USERS, 3)).arms(everyone(World(USERS, 3), 31))
    same = (people.days[reached] != 364) & (tomorrow[reached] == arm[reached])
    assert not same.any()


def test_full_knowledge_sends_what_is_worth_most_of_what_may_be_sent() -> None:
    world = World(500, 4)
    moment = everyone(world)
    found = FullKnowledge(world, VALUES)(moment)
    worth = world.chances(moment.people, moment.tired).worth(VALUES)
    for row in range(0, 500, 25):
        allowed = [
            arm
            for arm in range(len(ARMS))
            if arm == NOTHING or moment.people.consent[row, FEATURES["channel"][1][arm]]
        ]
        assert found.arm[row] == max(allowed, key=lambda arm: worth[row, arm])


class Always:
    """Sends everyone the same template, whatever they consent to."""

    def __init__(self, arm: int) -> None:
        self.arm = arm

    def __call__(self, moment: Moment) -> Decisions:
        return decided(moment, np.full(len(moment.people), self.arm))


@pytest.mark.parametrize("of", [MarketingRule, lambda world: FullKnowledge(world, VALUES)])
def test_nobody_gets_more_than_a_week_allows_or_anything_after_unsubscribing(of: type[Decider]) -> None:
    world = World(USERS, 5)
    population = Population(world, MOST, of(world))
    got, gone = np.zeros((DAYS, USERS), dtype=np.int64), np.zeros(USERS, dtype=np.bool_)
    for number in range(DAYS):
        day = population.play(number)
        place = day.decisions.place[day.delivered]
        got[number, place] = 1
        np.testing.assert_array_equal(day.tired, got[max(0, number - WEEK) : number].sum(axis=0))
        assert not gone[day.decisions.place].any()
        assert (day.morning.joins[day.decisions.place] < number).all()
        channels = FEATURES["channel"][1][day.decisions.arm[day.delivered]]
        assert world.customers(number).consent[place, channels].all()
        gone[day.decisions.place[day.happened["unsubscribed"]]] = True
        np.testing.assert_array_equal(population.subscribed, ~gone)
    assert max(got[number : number + WEEK].sum(axis=0).max() for number in range(DAYS - WEEK)) == MOST
    assert gone.any()


def test_what_happens_is_as_likely_as_the_chances_say() -> None:
    world, arm = World(20_000, 6), ARMS.index("discount_email_1")
    day = Population(world, MOST, Always(arm)).play(WEEK)
    sent = len(day.decisions.place)
    assert abs(day.bounced.mean() - BOUNCES) < 4 * np.sqrt(BOUNCES / sent)
    for kind in ("purchased", "clicked", "opened", "unsubscribed"):
        likely = at_arms(getattr(day.chances, kind), day.decisions)[day.delivered]
        spread = np.sqrt((likely * (1 - likely)).sum())
        assert abs(day.happened[kind].sum() - likely.sum()) < 4 * spread
        assert not (day.happened[kind] & ~day.delivered).any()
    assert day.happened["clicked"][day.happened["purchased"]].all()
    assert day.happened["opened"][day.happened["clicked"]].all()


def test_consents_and_first_days_are_spread_as_they_say() -> None:
    people = World(20_000, 7).customers(0)
    np.testing.assert_allclose(people.consent.mean(axis=0), CONSENTS, atol=0.02)
    assert set(people.joins) == set(range(WEEK))


def test_other_rules_of_contact_than_the_world_knows_are_refused() -> None:
    assert most_in_a_week(PROGRAM) == MOST
    for changed in (None, PROGRAM.contacts and PROGRAM.contacts.model_copy(update={"limits": ()})):
        with pytest.raises(SpecError, match="this world knows one limit of contacts, of 7 days"):
            most_in_a_week(PROGRAM.model_copy(update={"contacts": changed}))
