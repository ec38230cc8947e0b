"""Ramps: each rule by hand, and what holds after any sequence of looks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightslate.core.allocation import ZERO, Ramp, RampState, RampStep, advanced, ramp_in_words, share_at
from nightslate.core.errors import InvalidInputError

STEPS = (RampStep(0.01, days=2, users=100), RampStep(0.1, days=2), RampStep(0.5, users=1000))
HOLDS = Ramp(STEPS, "hold", resume_after=2)
BACK = Ramp(STEPS, "step_back", resume_after=2)
ZEROES = Ramp(STEPS, "to_zero")
BEGUN = RampState.begun(100)
LOOKS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([0, 50, 100, 5000]),
        st.sampled_from(["ok", "breached", "unknown", None]),
        st.booleans(),
    ),
    max_size=25,
)
RAMPS = st.builds(
    Ramp, st.just(STEPS), st.sampled_from(["hold", "step_back", "to_zero"]), st.sampled_from([None, 1, 3])
)


def after(ramp, *looks, state=BEGUN):
    """The state after looks (day, users, guardrails, held by a signal)."""
    for look in looks:
        state = advanced(state, ramp, *look)
    return state


def seen(state):
    return state.step, state.since, state.phase, state.cause


def test_a_step_takes_its_days_and_its_users():
    assert seen(after(HOLDS, (101, 5000, "ok", False))) == (0, 100, "running", "waits")
    assert seen(after(HOLDS, (102, 99, "ok", False))) == (0, 100, "running", "waits")
    assert seen(after(HOLDS, (102, 100, "ok", False))) == (1, 102, "running", "advanced")
    further = (102, 100, "ok", False), (103, 40, "ok", False), (104, 80, None, False)
    assert seen(after(HOLDS, *further)) == (2, 104, "running", "advanced")
    assert seen(after(HOLDS, *further, (105, 999, "ok", False))) == (2, 104, "running", "waits")
    assert seen(after(HOLDS, *further, (105, 1000, "ok", False))) == (2, 104, "done", "finished")


def test_a_ramp_without_traffic_is_held_and_says_so_until_somebody_comes():
    assert seen(after(HOLDS, (101, 0, None, False))) == (0, 100, "running", "waits")
    held = after(HOLDS, (102, 0, "unknown", False))
    assert seen(held) == (0, 100, "held", "no_traffic")
    assert ramp_in_words(held, HOLDS) == "held at step 1 of 3 (1 %): nobody has come"
    assert share_at(HOLDS, held) == 0.01
    assert seen(after(HOLDS, (130, 50, "ok", False), state=held)) == (0, 100, "running", "waits")
    assert seen(after(HOLDS, (131, 100, "ok", False), state=held)) == (1, 131, "running", "advanced")


def test_a_step_without_days_and_users_takes_one_user():
    ramp = Ramp((RampStep(0.1), RampStep(0.5)))
    assert seen(after(ramp, (100, 0, None, False))) == (0, 100, "running", "waits")
    assert seen(after(ramp, (100, 1, None, False))) == (1, 100, "running", "advanced")
    assert seen(after(ramp, (100, 1, None, False), (100, 1, None, False))) == (1, 100, "done", "finished")


def test_guardrails_that_are_not_known_let_no_step_begin():
    state = after(HOLDS, (103, 500, "unknown", False))
    assert seen(state) == (0, 100, "running", "unknown")
    assert ramp_in_words(state, HOLDS) == "at step 1 of 3 (1 %) until its guardrails are known"


def test_a_breach_on_the_first_day_holds_goes_back_or_stops_as_declared():
    look = (100, 0, "breached", False)
    assert seen(after(HOLDS, look)) == (0, 100, "held", "breached")
    assert share_at(HOLDS, after(HOLDS, look)) == 0.01
    for ramp in (BACK, ZEROES):
        stopped = after(ramp, look)
        assert seen(stopped) == (ZERO, 100, "rolled_back", "breached")
        assert share_at(ramp, stopped) == 0.0
        assert ramp_in_words(stopped, ramp) == "went back to zero: a guardrail is breached"
        assert after(ramp, *[(day, 500, "ok", False) for day in range(101, 120)], state=stopped) == stopped


def test_a_ramp_that_is_held_for_a_breach_goes_on_after_looks_in_a_row_that_are_ok():
    held = after(HOLDS, (101, 200, "breached", False))
    looks = [(102, 300, "ok", False), (103, 400, "unknown", False), (104, 400, "breached", False)]
    assert after(HOLDS, *looks[:2], state=held).ok_looks == 1
    assert seen(after(HOLDS, *looks[:2], state=held)) == (0, 100, "held", "recovers")
    again = after(HOLDS, *looks, (105, 400, "ok", False), state=held)
    assert again.ok_looks == 1
    assert ramp_in_words(again, HOLDS) == "stays at step 1 of 3 (1 %) after a breach: ok at 1 looks of 2"
    resumed = after(HOLDS, (106, 400, "ok", False), state=again)
    assert seen(resumed) == (0, 106, "running", "resumed")
    # Its days count anew.
    assert seen(after(HOLDS, (107, 400, "ok", False), state=resumed)) == (0, 106, "running", "waits")
    never = after(Ramp(STEPS), *[(day, 400, "ok", False) for day in range(101, 140)], state=held)
    assert never.phase == "held"


def test_a_ramp_goes_a_step_back_at_each_look_that_says_so_and_climbs_again():
    third = RampState(2, 110, "running", "advanced")
    second = after(BACK, (111, 10, "breached", False), state=third)
    assert seen(second) == (1, 111, "rolled_back", "breached")
    assert share_at(BACK, second) == 0.1
    assert seen(after(BACK, (112, 10, "breached", False), state=second)) == (
        0,
        112,
        "rolled_back",
        "breached",
    )
    # The step that it is back at has no guardrails: that is ok.
    resumed = after(BACK, (112, 10, None, False), (113, 10, None, False), state=second)
    assert seen(resumed) == (1, 113, "running", "resumed")
    assert seen(after(BACK, (115, 10, None, False), state=resumed)) == (2, 115, "running", "advanced")


def test_a_signal_holds_a_ramp_and_its_step_counts_anew_when_the_signal_is_over():
    held = after(HOLDS, (101, 50, "ok", False), (102, 500, "ok", True))
    assert seen(held) == (0, 100, "held", "signal")
    assert ramp_in_words(held, HOLDS) == "held at step 1 of 3 (1 %) by a signal"
    assert after(HOLDS, (103, 500, "ok", True), state=held) == held
    resumed = after(HOLDS, (104, 500, "ok", False), state=held)
    assert seen(resumed) == (0, 104, "running", "resumed")
    assert seen(after(HOLDS, (106, 500, "ok", False), state=resumed)) == (1, 106, "running", "advanced")
    assert seen(after(BACK, (103, 500, "breached", True), state=held))[0] == ZERO
    # What recovers from a breach does not go on while a signal holds it.
    breached = after(HOLDS, (101, 50, "breached", True), (102, 50, "ok", True), (103, 50, "ok", True))
    assert seen(breached) == (0, 100, "held", "recovers")
    assert seen(after(HOLDS, (104, 50, "ok", False), state=breached)) == (0, 104, "running", "resumed")


def test_a_ramp_that_is_done_stays_so_but_for_a_breach():
    done = RampState(2, 110, "done", "finished")
    for look in [(111, 0, "ok", False), (120, 500, "unknown", True), (121, 5000, None, False)]:
        assert after(HOLDS, look, state=done) == done
    assert ramp_in_words(done, HOLDS) == "done at step 3 of 3 (50 %)"
    assert seen(after(BACK, (111, 5, "breached", False), state=done)) == (1, 111, "rolled_back", "breached")


def test_a_clock_that_is_off_lets_no_step_begin():
    assert seen(after(HOLDS, (90, 5000, "ok", False))) == (0, 100, "running", "waits")


@given(RAMPS, LOOKS)
def test_after_any_looks_shares_rise_a_step_at_a_time_and_only_when_it_is_due(ramp, looks):
    state, day = BEGUN, 100
    for later, users, guardrail, held in looks:
        day += later
        now = advanced(state, ramp, day, users, guardrail, held)
        assert now == advanced(state, ramp, day, users, guardrail, held)
        assert ZERO <= now.step <= state.step + 1
        assert now.since in (state.since, day)
        assert (share_at(ramp, now) == 0) == (now.step == ZERO)
        if now.step > state.step:
            due = ramp.steps[state.step]
            assert now.cause == "advanced"
            assert state.step != ZERO
            assert guardrail in ("ok", None)
            assert not held
            assert not state.after_breach
            assert day - state.since >= due.days
            assert users >= max(due.users, 1)
        if now.step < state.step:
            assert guardrail == "breached"
            assert ramp.at_breach != "hold"
        if guardrail == "breached" and state.step != ZERO:
            assert now.phase in ("held", "rolled_back")
        assert ramp_in_words(now, ramp)
        state = now


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RampStep(0.0), "share"),
        (lambda: RampStep(0.1, days=-1), "days"),
        (lambda: Ramp(()), "must rise"),
        (lambda: Ramp((RampStep(0.1), RampStep(0.1))), "must rise"),
        (lambda: Ramp(STEPS, resume_after=0), "one look"),
        (lambda: after(HOLDS, (100, 0, None, False), state=RampState(3, 1, "done", "finished")), "step 3"),
    ],
)
def test_ramps_and_states_that_are_none_are_refused(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()
