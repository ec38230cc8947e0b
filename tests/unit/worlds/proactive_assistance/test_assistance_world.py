"""Users, their troubles and what help does; luck is the same under every policy."""

from dataclasses import replace

import numpy as np
import pytest

from nightslate.core.arrays import Ints
from nightslate.worlds.proactive_assistance.troubles import (
    ANNOYS,
    ARMS,
    BEGINS,
    ISSUES,
    LEAVES,
    MORE,
    NOTHING,
    PASSES,
    SIGNS,
    SOLVES,
    TAKES,
    USUAL,
)
from nightslate.worlds.proactive_assistance.world import FORGETS, NONE, Lives, World, put

USERS = 20_000
PRICING, USABILITY = ISSUES.index("pricing"), ISSUES.index("usability")


@pytest.fixture(scope="module")
def world() -> World:
    return World(USERS, seed=3)


def everyone(world: World, generation: int = 0) -> Lives:
    return world.new(world.people(np.full(world.users, generation)))


def troubled(world: World, nature: int, until: int) -> Lives:
    """Everyone has trouble with the price."""
    lives = everyone(world)
    natures, untils = lives.nature.copy(), lives.until.copy()
    natures[:, PRICING], untils[:, PRICING] = nature, until
    return replace(lives, nature=natures, until=untils)


def arms(world: World, arm: str) -> Ints:
    return np.full(world.users, ARMS.index(arm))


def test_tables_have_a_row_for_each_issue_and_nature_and_a_column_for_each_arm_or_sign() -> None:
    assert SOLVES.shape == (len(ISSUES), 2, len(ARMS))
    assert MORE.shape == (len(ISSUES), 2, len(SIGNS))
    assert len(ANNOYS) == len(TAKES) == len(ARMS)
    assert len(LEAVES) == len(BEGINS) == len(ISSUES)
    assert len(USUAL) == len(SIGNS)
    assert (SOLVES[:, :, NOTHING] == 0).all()
    assert ANNOYS[NOTHING] == 0


def test_troubles_begin_and_pass_as_often_as_they_should(world: World) -> None:
    lives = world.begin_day(everyone(world), 1)
    begun = (lives.nature != NONE).mean(axis=0)
    np.testing.assert_allclose(begun, BEGINS, atol=4 * np.sqrt(BEGINS.max() / USERS))
    lasts = (lives.until - 1)[lives.nature != NONE]
    assert lasts.min() == 1
    assert lasts.mean() == pytest.approx(1 / PASSES, abs=4 / PASSES / np.sqrt(len(lasts)))


def test_who_is_helped_is_in_trouble_until_help_has_taken_its_time(world: World) -> None:
    lives, issue = troubled(world, 0, until=99), np.full(USERS, PRICING)
    works = np.arange(USERS) % 2 == 0
    for arm in ("discount_20", "feature_highlight"):
        helped = world.after_help(lives, issue, arms(world, arm), works, day=5)
        takes = TAKES[ARMS.index(arm)]
        assert (helped.troubled(5)[:, PRICING] == (~works | (takes > 0))).all()
        assert (helped.troubled(6)[:, PRICING] == ~works).all()
        assert not helped.troubled(5)[:, USABILITY].any()


def test_only_help_annoys_the_more_the_more_there_was_and_nights_make_it_less(world: World) -> None:
    lives, issue, never = everyone(world), np.full(USERS, PRICING), np.zeros(USERS, dtype=np.bool_)
    nothing = world.after_help(lives, issue, arms(world, "nothing"), never, 0)
    assert (nothing.annoyance == 0).all()
    once = world.after_help(lives, issue, arms(world, "pause_dialog"), never, 0)
    twice = world.after_help(once, issue, arms(world, "pause_dialog"), never, 0)
    assert (twice.annoyance > 2 * once.annoyance).all()
    np.testing.assert_allclose(world.begin_day(once, 1).annoyance, FORGETS * once.annoyance)
    assert (world.cancels(once, 0) > world.cancels(lives, 0)).all()


def test_trouble_makes_leave_and_visit_more_and_help_that_does_not_fit_solves_nothing(world: World) -> None:
    well, lives, issue = everyone(world), troubled(world, 0, until=99), np.full(USERS, PRICING)
    np.testing.assert_allclose(world.cancels(lives, 1) - world.cancels(well, 1), LEAVES[PRICING])
    assert world.visits(lives, 1).mean() > world.visits(well, 1).mean() + 0.3
    solves = world.solves(lives, issue, 1)
    assert (solves[:, ARMS.index("discount_20")] == SOLVES[PRICING, 0, ARMS.index("discount_20")]).all()
    assert (world.solves(well, issue, 1) == 0).all()
    assert (world.solves(lives, np.full(USERS, USABILITY), 1) == 0).all()
    assert (world.opens(solves)[:, NOTHING] == 0).all()


def test_luck_depends_on_the_user_the_day_and_the_purpose_alone(world: World) -> None:
    people = everyone(world).people
    some = people.take(np.array([7, 3]))
    issue = np.full(2, PRICING)
    draws = world.draws(some, issue, 4, "solves")
    assert (draws == world.draws(people, np.full(USERS, PRICING), 4, "solves")[[7, 3]]).all()
    for others in (
        world.draws(some, issue, 5, "solves"),
        world.draws(some, issue, 4, "opens"),
        world.draws(some, issue + 1, 4, "solves"),
        World(USERS, seed=4).draws(some, issue, 4, "solves"),
    ):
        assert (others != draws).all()


def test_who_cancels_makes_room_for_somebody_new(world: World) -> None:
    before, new = everyone(world), everyone(world, 1).take(np.array([2, 5]))
    after = put(before, np.array([2, 5]), new)
    assert after.people.ids[2] == f"subscriber-{2 + USERS}"
    assert (after.people.number != before.people.number).sum() == 2
    assert (before.people.number == np.arange(USERS)).all()
