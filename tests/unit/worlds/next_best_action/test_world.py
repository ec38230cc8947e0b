"""The campaign of three offers: its events, its order, its accounts, and values that are exact."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import chisquare

from nightslate.core.arrays import Floats, Ints
from nightslate.worlds.next_best_action import truth
from nightslate.worlds.next_best_action.world import (
    ADVERTISEMENT,
    ARMS,
    EVENTS,
    LARGE_DISCOUNT,
    NEVER,
    PURCHASES_HOOKED,
    RATE,
    SMALL_DISCOUNT,
    SPREAD,
    STEPS,
    UNIFORM,
    VISITS,
    Campaign,
    Histories,
    Policy,
    World,
)

MANY = 200_000
A, S, L = ADVERTISEMENT, SMALL_DISCOUNT, LARGE_DISCOUNT


@pytest.fixture(scope="module")
def world() -> World:
    return World(MANY, seed=1)


@pytest.fixture(scope="module")
def history(world: World) -> Histories:
    return world.play(UNIFORM)


@pytest.fixture(scope="module")
def crowded() -> World:
    """A world in which many offers come in the same step."""
    world = World(20_000, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nightslate.worlds.next_best_action.world.AROUND", (1.0, 2.0, 99.0))
        assert world.times.max() == STEPS - 1
    return world


def offering(*arms: int) -> Policy:
    """Everybody the same arms in order."""
    left = iter(arms)
    return lambda states: np.tile(np.eye(len(ARMS))[next(left)], (len(states), 1))


def hooked_from(history: Histories) -> Ints:
    """Told from the offers one by one, by the words of the rule."""
    found = []
    for arms, steps in zip(history.actions.reshape(-1, 3), history.step.reshape(-1, 3), strict=True):
        advertised, hooked = False, NEVER
        for arm, step in zip(arms, steps, strict=True):
            if arm == L and advertised:
                hooked = min(hooked, step)
            advertised |= arm == A
        found.append(hooked)
    return np.array(found)


def test_events_come_at_their_rates_before_and_after_a_customer_is_hooked() -> None:
    history = World(20_000, seed=5).play(UNIFORM)
    hooked = np.arange(STEPS) >= hooked_from(history)[:, None]
    for events, purchases in (
        (history.events[~hooked], RATE),
        (history.events[hooked], PURCHASES_HOOKED),
    ):
        expected = np.array([1 - VISITS - purchases, VISITS, purchases])
        observed = np.bincount(events, minlength=len(EVENTS))
        assert chisquare(observed, expected * observed.sum()).pvalue > 1e-4
    assert hooked.mean() > 0.05


def test_a_tenth_of_all_steps_is_in_luck() -> None:
    """Independent steps of two kinds are told from steps of one rate by nothing but their rate, so luck shows
    only there: .9 x .02 + .1 x .22."""
    assert pytest.approx(0.04) == RATE
    bought = World(50_000, seed=2).purchases(np.full(50_000, NEVER))
    expected = RATE * bought.size
    assert abs(bought.sum() - expected) < 4 * np.sqrt(expected)


@pytest.mark.parametrize(("arms", "nth"), [((L, A, L), 3), ((A, S, L), 3), ((A, L, S), 2), ((A, A, L), 3)])
def test_an_advertisement_before_a_large_discount_hooks(arms: tuple[int, ...], nth: int) -> None:
    world = World(300, seed=4)
    history, campaign = world.play(offering(*arms)), Campaign(world)
    for step, arm in zip(world.times.T, arms, strict=True):
        campaign.offer(np.arange(300), step, np.full(300, arm))
    np.testing.assert_array_equal(campaign.hooked, world.times[:, nth - 1])
    np.testing.assert_array_equal(campaign.hooked, hooked_from(history))


@pytest.mark.parametrize("arms", [(L, A, S), (L, L, A), (A, S, A), (S, L, S), (L, A, A)])
def test_nothing_else_does(arms: tuple[int, ...]) -> None:
    world = World(300, seed=4)
    history = world.play(offering(*arms))
    np.testing.assert_array_equal(
        history.events == EVENTS.index("purchase"), world.purchases(np.full(300, NEVER))
    )


def test_offers_come_around_their_steps_and_in_order(world: World) -> None:
    assert (np.diff(world.times, axis=1) >= 0).all()
    assert (world.times >= 0).all()
    assert (world.times < STEPS).all()
    expected = np.array(truth.expected_times()[:3])
    error = world.times.std(axis=0) / MANY**0.5
    assert (np.abs(world.times.mean(axis=0) - expected) < 4 * error).all()
    apart = np.diff(world.times, axis=1).std(axis=0)
    np.testing.assert_allclose(apart, np.sqrt(2 * (SPREAD**2 + 1 / 12)), rtol=0.01)
    assert 0.49 < world.demographic.mean() < 0.51


def test_every_purchase_is_of_one_offer_or_came_before_the_first(history: Histories, crowded: World) -> None:
    for played in (history, crowded.play(UNIFORM)):
        bought = played.events == EVENTS.index("purchase")
        np.testing.assert_array_equal(played.totals + played.before, bought.sum(axis=1))
        for row in np.random.default_rng(1).integers(len(played.step), size=300):
            following = STEPS if played.terminal[row] else played.step[row + 1]
            mine = bought[played.customer[row], played.step[row] : following]
            assert played.rewards[row] == mine.sum()


def test_a_state_is_what_happened_before_the_offer(history: Histories) -> None:
    visited = history.events == EVENTS.index("visit")
    for row in np.random.default_rng(2).integers(len(history.step), size=300):
        customer, number, step = (column[row] for column in (history.customer, history.number, history.step))
        start = row - (number - 1)
        firsts = np.full(3, NEVER)
        for earlier in range(row - 1, start - 1, -1):
            firsts[history.actions[earlier]] = history.step[earlier]
        _, visits, *known = history.states[row]
        assert visits == visited[customer, :step].sum()
        assert known == firsts.tolist()


def test_of_two_offers_in_a_step_the_second_sees_the_first_and_has_what_follows(crowded: World) -> None:
    history = crowded.play(offering(A, L, S))
    same = np.flatnonzero(crowded.times[:, 0] == crowded.times[:, 1])
    assert len(same) > 1000
    first, second = 3 * same, 3 * same + 1
    assert (history.rewards[first] == 0).all()
    np.testing.assert_array_equal(history.states[second, 2], history.step[first])
    np.testing.assert_array_equal(hooked_from(history)[same], history.step[first])
    own = history.events[same, history.step[second]] == EVENTS.index("purchase")
    assert own.mean() == pytest.approx(PURCHASES_HOOKED, abs=4 * np.sqrt(0.22 * 0.78 / len(same)))
    assert (history.rewards[second] >= own).all()


def test_a_customer_meets_the_same_luck_under_every_policy_and_among_any_others() -> None:
    world = World(2000, seed=7)
    hooked, never = world.play(offering(A, L, A)), world.play(offering(S, S, S))
    np.testing.assert_array_equal(hooked.step, never.step)
    bought = [history.events == EVENTS.index("purchase") for history in (hooked, never)]
    visited = [history.events == EVENTS.index("visit") for history in (hooked, never)]
    np.testing.assert_array_equal(*visited)
    assert (bought[0] >= bought[1]).all()
    later = np.arange(STEPS) >= world.times[:, [1]]
    assert not (bought[0] & ~bought[1] & ~later).any()
    some, all_of_them = World(500, seed=7).play(UNIFORM), world.play(UNIFORM)
    np.testing.assert_array_equal(some.events, all_of_them.events[:500])
    np.testing.assert_array_equal(some.actions, all_of_them.actions[:1500])
    assert (World(500, seed=8).play(UNIFORM).events != some.events).any()


def test_arms_are_drawn_as_often_as_their_propensities_say(world: World) -> None:
    uneven = np.array([1.0, 3.0, 6.0])
    history = world.play(lambda states: np.tile(uneven, (len(states), 1)))
    shares = uneven / uneven.sum()
    np.testing.assert_allclose(history.propensity, shares[history.actions])
    for number in (1, 2, 3):
        drawn = np.bincount(history.actions[history.number == number], minlength=3)
        assert chisquare(drawn, shares * MANY).pvalue > 1e-4


def test_transitions_go_from_offer_to_offer_and_end_with_the_last(history: Histories) -> None:
    moves = history.transitions()
    np.testing.assert_array_equal(moves.states[:, 0], 1.0)
    np.testing.assert_array_equal(moves.states[:, 1:], history.states)
    np.testing.assert_array_equal(moves.terminal, np.tile([False, False, True], MANY))
    goes_on = np.flatnonzero(~moves.terminal)
    np.testing.assert_array_equal(moves.next_states[goes_on], moves.states[goes_on + 1])
    assert not moves.next_states[moves.terminal].any()
    np.testing.assert_array_equal(moves.next_eligible, np.repeat(~moves.terminal[:, None], 3, axis=1))
    np.testing.assert_array_equal(moves.rewards, history.rewards)


def test_the_exact_value_of_a_policy_is_what_it_earns(world: World, history: Histories) -> None:
    uneven = {h: np.random.default_rng(len(h)).dirichlet(np.ones(3)) for h in truth.SEGMENTS.values()}

    def mixed(past: truth.History) -> Floats:
        return uneven.get(past, np.array([0.2, 0.2, 0.6]))

    rules = {"uniform": truth.uniform, "best": best, "mixed": mixed}
    for name, rule in rules.items():
        played = history if name == "uniform" else world.play(truth.playing(rule))
        exact = truth.value_of(lambda past, rule=rule: rule(truth.segment_of(past)))
        assert abs(played.totals.mean() - exact) < 4 * played.totals.std() / MANY**0.5, name
        more_than_expected = played.totals - played.expected
        assert abs(more_than_expected.mean()) < 4 * more_than_expected.std() / MANY**0.5, name
    error = history.before.std() / MANY**0.5
    assert abs(history.before.mean() - truth.purchases_before()) < 4 * error


def test_no_sequence_is_worth_more_than_the_optimum_and_the_best_rule_is() -> None:
    def always(arms: tuple[int, ...]) -> truth.Rule:
        return lambda past: np.eye(3)[arms[len(past)]]

    worth = {arms: truth.value_of(always(arms)) for arms in product(range(3), repeat=3)}
    assert max(worth.values()) == pytest.approx(truth.optimum())
    assert truth.value_of(best) == pytest.approx(truth.optimum())
    assert truth.value_of(truth.uniform) == pytest.approx(np.mean(list(worth.values())))
    # 50 steps of a customer who is hooked at the second offer, 25 of one who is not yet.
    assert worth[A, L, S] == pytest.approx(0.22 * 50 + 0.04 * 25, abs=1e-3)
    assert worth[L, A, L] == pytest.approx(0.22 * 25 + 0.04 * 50, abs=1e-3)


def test_what_is_best_depends_on_the_first_offer() -> None:
    assert truth.best_offers() == {
        "nothing yet": ("advertisement",),
        "advertisement first": ("large_discount",),
        "small_discount first": ("advertisement",),
        "large_discount first": ("advertisement",),
    }


def best(past: truth.History) -> Floats:
    return np.eye(3)[int(np.argmax(truth.action_values(past)))]
