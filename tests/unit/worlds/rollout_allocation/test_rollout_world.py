"""The users of the app: a world that is what it says, and whose hardships can each be turned off."""

from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest
from tests.unit.worlds.rollout_allocation.moving_shares import WORTHS, MovingShares

from nightslate.worlds.rollout_allocation.app import CONTROL, NOBODY, Assigned, FixedTest
from nightslate.worlds.rollout_allocation.daily_records import DailyRecords
from nightslate.worlds.rollout_allocation.incidents import Incidents
from nightslate.worlds.rollout_allocation.population import LOST, Day, Population, delays, share_by
from nightslate.worlds.rollout_allocation.world import BETA, DEVICES, KINDS, NEVER, Hardships, World

USERS, DAYS = 4000, 40
EASY = Hardships(**{each.name: False for each in fields(Hardships)})


def days_of(world: World, days: int, share: float = 0.5) -> list[Day]:
    population = Population(world, FixedTest(world, (1 - share, share)))
    return [population.play(day) for day in range(days)]


def test_a_world_is_a_function_of_its_seed_and_nobody_depends_on_how_many_others_there_are() -> None:
    few, many, other = World(300, 1), World(900, 1), World(300, 2)
    for kind in KINDS:
        of_few = few.chances(few.morning(20), 20).added(kind, np.ones(300))
        of_many = many.chances(many.morning(20), 20).added(kind, np.ones(900))
        np.testing.assert_array_equal(of_few, of_many[:300])
        assert (of_few != other.chances(other.morning(20), 20).added(kind, np.ones(300))).any()
    np.testing.assert_array_equal(few.visits(few.morning(20), 20), many.visits(many.morning(20), 20)[:300])


def test_the_treatment_helps_most_and_harms_about_a_fifth_whom_activity_gives_away() -> None:
    world = World(USERS, 1)
    morning, records = world.morning(DAYS), DailyRecords(world, WORTHS, 0.5)
    at_risk = records.at_risk(morning, DAYS)
    assert at_risk.mean() == pytest.approx(0.2, abs=0.04)
    errors = world.errors_of_visit(morning)
    assert errors[at_risk].mean() > 3 * errors[~at_risk].mean()
    assert at_risk[morning.device == DEVICES.index("old_phone")].mean() > 0.95
    lasting = world.chances(morning, DAYS).without_incidents
    helped = lasting.added("purchase", np.ones(USERS)) - 0.5 * lasting.added("trouble", np.ones(USERS))
    assert helped[at_risk].mean() < -0.03 < 0.01 < helped[~at_risk].mean()


def test_users_come_every_day_and_who_is_created_again_begins_anew() -> None:
    world = World(USERS, 1)
    people = world.people
    present = [world.morning(day).present.sum() for day in range(25)]
    assert 0.07 < present[0] / USERS < 0.13
    assert (np.diff(present) > 0).all()
    again = np.flatnonzero(people.gone_on < NEVER)
    assert 0.02 < again.size / USERS < 0.04
    for user in again[:20]:
        gone = people.gone_on[user]
        there = [bool(world.morning(day).present[user]) for day in range(gone - 1, gone + 4)]
        assert there == [people.joins[user] <= gone - 1, False, False, False, True]
        assert world.morning(gone + 3).tenure[user] == 0
    assert people.beta.mean() == pytest.approx(BETA, abs=0.006)


def test_luck_is_the_same_whoever_is_treated() -> None:
    world = World(1000, 3)
    for few, many in zip(days_of(world, 12, 0.2), days_of(world, 12, 0.8), strict=True):
        np.testing.assert_array_equal(few.place, many.place)
        np.testing.assert_array_equal(few.logged, many.logged)
        alike = few.treated == many.treated
        for kind in KINDS:
            np.testing.assert_array_equal(few.happened[kind][alike], many.happened[kind][alike])
            np.testing.assert_array_equal(few.delays[kind], many.delays[kind])


def test_whoever_is_new_is_in_the_fixed_test_from_the_next_day_on() -> None:
    world = World(1000, 3)
    for day in days_of(world, 5):
        np.testing.assert_array_equal(day.assigned.known, world.people.joins < day.day)
        assert not day.treated[world.people.joins[day.place] == day.day].any()
        assert (day.assigned.probability[~day.assigned.known] == 1).all()


def test_logging_loses_as_many_impressions_of_either_variant() -> None:
    days = days_of(World(USERS, 4), 20)
    for treated in (True, False):
        logged = np.concatenate([day.logged[day.treated == treated] for day in days])
        assert logged.mean() == pytest.approx(1 - LOST, abs=4 * np.sqrt(LOST / logged.size))


def test_what_comes_of_visits_comes_as_late_as_is_said_and_within_the_week() -> None:
    world = World(USERS, 5)
    for kind in KINDS:
        drawn = delays(world, 3, kind)
        assert 3600 < np.median(drawn) < 86_400
        assert drawn.max() < 7 * 86_400
        for seconds in (0.0, 7200.0, 86_400.0, 3 * 86_400.0, 6 * 86_400.0):
            expected = share_by(world, kind, np.array(seconds))
            assert (drawn < seconds).mean() == pytest.approx(expected, abs=0.03)


def test_effects_are_larger_at_first_and_worse_in_an_incident_of_the_region() -> None:
    world = World(USERS, 1)
    assert world.novelty(np.array([0, 3, 60])).tolist() == pytest.approx([1.5, 1.184, 1.0], abs=1e-3)
    incident = world.incidents.begun(30)[0]
    morning, day = world.morning(incident.begins), incident.begins
    chances = world.chances(morning, day)
    for kind, sign in (("purchase", -1), ("trouble", 1)):
        more = sign * chances.added(kind, np.ones(USERS))
        more -= sign * chances.without_incidents.added(kind, np.ones(USERS))
        there = world.people.region == incident.region
        assert (more[~there] == 0).all()
        assert more[there].mean() > 0.02


def test_incidents_are_known_the_day_before_or_on_the_first_and_do_not_overlap() -> None:
    found = [each for seed in range(40) for each in Incidents(seed, 4).begun(60)]
    assert {each.begins - each.announced for each in found} == {0, 1}
    assert {each.severity for each in found} == {1.0, 2.0, 3.0}
    assert {each.ends - each.begins for each in found} == {2, 3, 4}
    assert {each.region for each in found} == {0, 1, 2, 3}
    assert {each.acted_on_from - each.begins for each in found} == {0, 1}
    one = Incidents(3, 4)
    for day in range(60):
        told = one.announced(day)
        assert all(each.announced == day for each in told)
        assert len(told) <= 1
    for first, second in zip(one.begun(60), one.begun(60)[1:], strict=False):
        assert first.ends <= second.begins
        assert one.begun(first.begins - 2) == [each for each in one.begun(60) if each.begins < first.begins]


@pytest.mark.parametrize("name", [each.name for each in fields(Hardships)])
def test_each_hardship_alone_makes_the_world_another_one(name: str) -> None:
    easy, hard = World(USERS, 1, EASY), World(USERS, 1, replace(EASY, **{name: True}))

    def shows(world: World) -> dict[str, bool]:
        days = days_of(world, 14)
        morning = world.morning(30)
        return {
            "risk": bool(DailyRecords(world, WORTHS, 0.5).at_risk(morning, 30).any()),
            "incidents": bool(world.incidents.begun(60)),
            "delays": max(day.delays["purchase"].max() for day in days) > 60,
            "device_changes": bool((morning.device != world.morning(0).device).any()),
            "recreated": bool((world.people.gone_on < NEVER).any()),
            "losses": not all(day.logged.all() for day in days),
            "novelty": bool((world.novelty(np.arange(5)) != 1).any()),
        }

    assert not any(shows(easy).values())
    assert [what for what, shown in shows(hard).items() if shown] == [name]


def test_records_add_up_by_hand() -> None:
    world = World(600, 2)
    assigns = MovingShares(world)
    population, records = Population(world, assigns), DailyRecords(world, WORTHS, 0.5)
    harm, fixed, days = 0.0, 0.0, []
    for number in range(14):
        day = population.play(number)
        days.append(day)
        records.add_day(day)
        at_risk = records.at_risk(day.morning, number)
        for row, user in enumerate(day.place):
            if not at_risk[user] or day.assigned.variant[user] == NOBODY:
                continue

            def worth(since: int, row: int = row, day: Day = day) -> float:
                times = world.novelty(np.full(len(day.place), since))
                return float(sum(WORTHS[kind] * day.chances.added(kind, times)[row] for kind in KINDS))

            if day.treated[row]:
                harm -= worth(int(day.novelty[user]))
            fixed -= 0.5 * worth(number - int(world.people.joins[user]) - 1)
    assert records.harm("at_risk") == pytest.approx((harm, fixed))
    last = records.by_day()[-1]
    known = (days[-1].assigned.variant != NOBODY) & days[-1].morning.present
    risky = records.at_risk(days[-1].morning, 13)
    assert last["assigned"] == known.sum()
    assert last["treated_at_risk"] == pytest.approx((days[-1].assigned.variant[known & risky] == 1).mean())
    assert last["treated_at_risk"] < 0.25 < 0.4 < last["treated_others"]


def test_reactions_are_days_from_when_a_night_could_know() -> None:
    world = World(3000, 1)
    incident = world.incidents.begun(20)[0]
    fixed = FixedTest(world, (0.5, 0.5))

    def stopped(late: int, day: int) -> Assigned:
        found = fixed(day)
        there = (world.people.region == incident.region) & (day >= incident.acted_on_from + late)
        return found._replace(variant=np.where(there & found.known, CONTROL, found.variant))

    for late, expected in ((0, 0), (1, 1), (9, None)):
        population, records = Population(world, partial(stopped, late)), DailyRecords(world, WORTHS, 0.5)
        for day in range(incident.ends):
            records.add_day(population.play(day))
        reaction = records.reactions()[0]
        assert reaction["reacted_after"] == expected
        assert reaction["before"] == pytest.approx(0.5, abs=0.1)
        assert reaction["announced"] == incident.announced
