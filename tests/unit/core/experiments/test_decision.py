"""Verdicts, and the sentences that they rest on."""

import math

import numpy as np
import pytest

from nightslate.core.experiments import Difference, Guardrail, Moments, decision, effect, interaction_p_value
from nightslate.core.experiments.decision import users_needed
from nightslate.core.experiments.sequential import log_e_value, reach

USERS = 10_000


def found(value, stderr=1.0):
    """A difference of so many users, by every look."""
    width = reach(USERS, 0.05) * stderr
    return Difference(
        value,
        stderr,
        float(USERS),
        anytime_lower=value - width,
        anytime_upper=value + width,
        log_e=log_e_value(value / stderr, USERS),
        mde=2.8 * stderr,
    )


def decided(effects, **known):
    return decision("revenue", effects, 0.95, users=USERS, **known)


def test_better_is_shipped():
    verdict = decided({"b": found(8.0)})
    assert (verdict.word, verdict.variant) == ("ship", "b")
    assert "revenue +8" in verdict.reasons[0]
    assert "better" in verdict.reasons[0]


def test_of_several_the_best_is_shipped():
    assert decided({"b": found(8.0), "c": found(9.0), "d": found(0.0)}).variant == "c"


def test_all_worse_is_stopped_and_one_that_is_open_goes_on():
    assert decided({"b": found(-8.0), "c": found(-9.0)}).word == "stop"
    assert decided({"b": found(-8.0), "c": found(0.5)}).word == "go on"


def test_a_guardrail_of_which_nothing_is_known_yet_holds_up_what_is_better():
    guardrail = Guardrail("returns", {}, 1.0)
    verdict = decided({"b": found(8.0), "c": found(-8.0)}, guardrails=[guardrail])
    assert verdict.word == "go on"
    assert "b: returns could still be worse by more than 1" in verdict.reasons
    assert decided({"c": found(-8.0)}, guardrails=[guardrail]).word == "stop"


def test_several_variants_take_more_evidence():
    alone = found(reach(USERS, 0.05) + 0.01)
    assert decided({"b": alone}).word == "ship"
    verdict = decided({"b": alone, "c": found(0.0), "d": found(0.0)})
    assert verdict.word == "go on"
    assert any("more evidence" in reason for reason in verdict.reasons)


def test_faults_stand_before_everything():
    verdict = decided({"b": found(8.0)}, faults=["users are missing"])
    assert (verdict.word, verdict.variant, verdict.reasons) == ("not healthy", None, ("users are missing",))


@pytest.mark.parametrize(("guarded", "word"), [(0.0, "go on"), (4.0, "ship"), (-9.0, "stop")])
def test_a_guardrail_has_to_hold(guarded, word):
    """A margin of 2, half-widths of 3."""
    verdict = decided({"b": found(8.0)}, guardrails=[Guardrail("opt-outs", {"b": found(guarded)}, 2.0)])
    assert verdict.word == word
    assert any("opt-outs" in reason for reason in verdict.reasons) == (word != "ship")


def test_a_guardrail_without_an_interval_is_not_yet_known():
    unknown = Guardrail("opt-outs", {"b": Difference(0.1)}, 2.0)
    assert decided({"b": found(8.0)}, guardrails=[unknown]).word == "go on"


def test_it_says_how_many_days_are_left():
    verdict = decided({"b": found(1.5)}, users_per_day=1_000)
    assert verdict.word == "go on"
    assert "days at 1,000 a day" in verdict.reasons[-1]


def test_that_many_users_are_needed():
    needed = users_needed(found(1.5), USERS, 0.95)
    by_user = math.sqrt(USERS)
    assert reach(needed, 0.05) * by_user / math.sqrt(needed) == pytest.approx(1.5, rel=1e-3)
    assert users_needed(found(0.0), USERS, 0.95) is None
    assert users_needed(found(1e-4), USERS, 0.95) is None
    assert users_needed(found(8.0), USERS, 0.95) == USERS


def test_without_an_interval_there_is_no_end_to_foresee():
    verdict = decided({"b": Difference(0.2)})
    assert verdict.word == "go on"
    assert verdict.reasons == ("b: revenue +0.2, without an interval: nothing varies, or there is one user",)


def test_segments_of_one_effect_differ_by_chance():
    rng, p = np.random.default_rng(0), []
    for _ in range(400):
        segment, variant = rng.integers(0, 4, 800), rng.integers(0, 2, 800)
        values = np.stack([rng.normal(size=800) + 0.5 * variant, np.ones(800)], axis=-1)
        state = Moments.initial((2, 4), 2).update(4 * variant + segment, values)
        p.append(
            interaction_p_value(
                [effect(state.cell(0, s), state.cell(1, s), 0.95).difference for s in range(4)]
            )
        )
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 400) + 0.01)
    assert interaction_p_value([found(0.0), found(6.0)]) < 1e-4
    assert interaction_p_value([found(0.0), Difference(1.0)]) is None
