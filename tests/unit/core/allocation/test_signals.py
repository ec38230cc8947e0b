"""Signals from outside: when they hold, which of several does, and what becomes of shares."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.core.allocation import (
    NO_EFFECT,
    Limits,
    Signal,
    SignalEffect,
    SignalRule,
    active,
    contextual_shares,
    effect_of_signals,
    shares_under,
    within_step,
)
from nightslate.core.errors import InvalidInputError

HOUR = 60 * 60 * 10**6
DAY = 24 * HOUR
NOON = 20_000 * DAY + 12 * HOUR
OUTAGE = Signal("outage", 3, NOON, NOON + 2 * HOUR)
STORM = Signal("storm", 2, NOON, NOON + 2 * HOUR, region="north")
LIMITS = Limits(np.array([0.5, 0.3, 0.2]), 0, range=0.2, risk_tolerance=0.0, scale=1.0, floor=0.05)
SIGNALS = st.builds(
    Signal,
    st.sampled_from(["outage", "storm"]),
    st.integers(0, 4),
    st.integers(0, 8),
    st.none() | st.integers(0, 12),
    st.sampled_from([None, "north", "south"]),
)
RULES = st.builds(
    SignalRule,
    st.sampled_from(["reduce", "hold", "stop"]),
    st.sampled_from([None, "outage", "storm"]),
    st.integers(0, 4),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([None, frozenset({"north"})]),
)


def effect(signals, rules, moment=NOON, region="north"):
    return effect_of_signals(signals, rules, moment, region)


def test_a_signal_is_active_from_its_start_until_it_expires():
    stop = [SignalRule("stop")]
    for moment, there in [
        (NOON - 1, False),
        (NOON, True),
        (NOON + 2 * HOUR - 1, True),
        (NOON + 2 * HOUR, False),
    ]:
        assert bool(active([OUTAGE], moment)) is there
        assert (effect([OUTAGE], stop, moment) != NO_EFFECT) is there
    assert active([Signal("outage", 3, NOON)], NOON + 10_000 * DAY)
    assert not active([Signal("outage", 3, NOON, NOON)], NOON)


def test_one_from_the_future_does_nothing_yet_and_one_that_ended_before_it_began_never_does():
    later = SignalRule("stop", resume_after=3)
    assert effect([OUTAGE], [later], NOON - HOUR) == NO_EFFECT
    never = Signal("outage", 3, NOON, NOON - HOUR)
    assert all(effect([never], [later], NOON + hours * HOUR) == NO_EFFECT for hours in range(-3, 80))


def test_after_expiry_it_goes_on_at_once_or_after_days_by_rule():
    rules = [SignalRule("stop", resume_after=2), SignalRule("reduce", factor=0.5)]
    assert effect([OUTAGE], rules, NOON + 2 * HOUR).do == "stop"
    assert effect([OUTAGE], rules, NOON + 2 * HOUR + 2 * DAY - 1).do == "stop"
    assert effect([OUTAGE], rules, NOON + 2 * HOUR + 2 * DAY) == NO_EFFECT
    assert effect([OUTAGE], rules[1:], NOON + 2 * HOUR) == NO_EFFECT


def test_rules_go_by_name_severity_and_region():
    assert effect([OUTAGE], [SignalRule("stop", "outage")]).do == "stop"
    assert effect([OUTAGE], [SignalRule("stop", "storm")]) == NO_EFFECT
    assert effect([OUTAGE], [SignalRule("stop", least_severity=3)]).do == "stop"
    assert effect([OUTAGE], [SignalRule("stop", least_severity=3.1)]) == NO_EFFECT
    everywhere, in_north = SignalRule("stop"), SignalRule("stop", regions=frozenset({"north"}))
    reached = {
        (signal.name, rule is in_north, region): effect([signal], [rule], region=region) != NO_EFFECT
        for signal in (OUTAGE, STORM)
        for rule in (everywhere, in_north)
        for region in ("north", "south", None)
    }
    assert {key for key, there in reached.items() if there} == {
        ("outage", False, "north"),
        ("outage", False, "south"),
        ("outage", False, None),
        ("outage", True, "north"),
        ("storm", False, "north"),
        ("storm", True, "north"),
    }


def test_of_overlapping_ones_the_strictest_holds_whatever_their_order():
    half, tenth = (SignalRule("reduce", "storm", factor=factor) for factor in (0.5, 0.1))
    hold, stop = SignalRule("hold", "outage"), SignalRule("stop", "outage", least_severity=3)
    for rules in permutations([half, tenth, hold, stop]):
        assert effect([OUTAGE, STORM], rules) == SignalEffect("stop", 1.0, ("outage",))
    for rules in permutations([half, tenth, hold]):
        assert effect([STORM, OUTAGE], rules) == SignalEffect("hold", 1.0, ("outage",))
    for rules in permutations([half, tenth]):
        assert effect([STORM, OUTAGE], rules) == SignalEffect("reduce", 0.1, ("storm",))
    both = SignalRule("reduce", factor=0.5)
    assert effect([STORM, OUTAGE], [both]) == SignalEffect("reduce", 0.5, ("outage", "storm"))


@given(st.lists(SIGNALS, max_size=4), st.lists(SIGNALS, max_size=2), st.lists(RULES, max_size=4))
def test_more_signals_are_never_less_strict(signals, more, rules):
    for region in ("north", "south", None):
        fewer = effect_of_signals(signals, rules, 6, region)
        with_more = effect_of_signals([*more, *signals], rules, 6, region)
        assert with_more.strictness >= fewer.strictness
        begun = [each for each in signals if each.start <= 6 and (each.until is None or each.until > 6)]
        assert effect_of_signals(begun, rules, 6, region) == fewer


def test_stop_hold_and_reduce_by_hand():
    before = np.array([[0.6, 0.2, 0.2], [0.6, 0.2, 0.2], [np.nan] * 3])
    shares = contextual_shares(LIMITS, np.array([[0, 0.1, 0.0], [0, 0.1, 0.0], [0, -0.1, -0.1]]))
    reached = np.array([False, True, True])
    under = {
        do: shares_under(SignalEffect(do, factor), LIMITS, before, shares, reached)
        for do, factor in [("stop", 1.0), ("hold", 1.0), ("reduce", 0.5), (None, 1.0)]
    }
    assert (under[None] == shares).all()
    assert all((each[0] == shares[0]).all() for each in under.values())
    assert under["stop"][1:].tolist() == [[1, 0, 0], [1, 0, 0]]
    assert (under["hold"][1] == before[1]).all()
    assert (under["hold"][2] == shares[2]).all()
    assert under["reduce"][1] == pytest.approx([0.7, 0.2, 0.1])
    assert under["reduce"][2] == pytest.approx([0.85, 0.1, 0.05])
    to_the_floor = shares_under(SignalEffect("reduce", 0.0), LIMITS, before, shares, reached)
    assert to_the_floor[1] == pytest.approx([0.9, 0.05, 0.05])


def test_what_is_out_stays_out_under_every_signal_and_a_stop_is_honoured_within_a_step():
    out = Limits(np.array([0.6, 0.0, 0.4]), 0, range=0.1, risk_tolerance=0.0, scale=1.0, floor=0.05)
    before, shares = np.array([[0.5, 0.3, 0.2]]), contextual_shares(out, np.zeros((1, 3)))
    for do in ("stop", "hold", "reduce"):
        under = shares_under(SignalEffect(do, 0.5), out, before, shares, np.array([True]))
        assert under[0, 1] == 0
        assert under.sum() == pytest.approx(1, abs=1e-12)
        tonight = within_step(before, under, out.range)
        assert tonight[0, 1] == 0
        assert do != "stop" or tonight[0].tolist() == [1, 0, 0]


@pytest.mark.parametrize("settings", [{"factor": 1.5}, {"resume_after": -1}, {"do": "pause"}])
def test_rules_that_are_none_are_refused(settings):
    with pytest.raises(InvalidInputError, match="reduce, hold or stop"):
        SignalRule(**({"do": "reduce"} | settings))
