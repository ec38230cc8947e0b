"""The kernel finds what the words say, on many small histories, and nothing but the rows has a say in it."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracles.attribution import Attributed, Terms, attribute
from tests.unit.kernels.histories import HOUR, KINDS, TICK, TOPICS, VALUES, History, close, history, kernel

from nightslate.core.attribution import RULES

USERS = 60
MATCHES = ("closest", "impression", "user_arm", "user_topic", "user")
EDGES = (timedelta(0), TICK, 4 * HOUR, 12 * HOUR, 40 * HOUR)
"""Windows and skews that moments of the histories are apart, to the tick."""

randoms = st.randoms(use_true_random=True)


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    rule, decay = draw(st.sampled_from(RULES)), draw(st.sampled_from((None, None, 8 * HOUR)))
    # What cannot be met but by rounding leaves no doubt whether anything is left of it.
    whole = rule in ("last_touch", "first_touch") and decay is None
    return Terms(
        rule=rule,
        half_life=draw(st.sampled_from((HOUR, 10 * HOUR))) if rule == "time_decay" else None,
        max_touches=draw(st.sampled_from((1, 2, 3, 100))),
        match=draw(st.sampled_from(MATCHES)),
        window=draw(st.sampled_from(EDGES)),
        values=draw(st.sampled_from((None, VALUES))),
        windows=draw(st.dictionaries(st.sampled_from(KINDS), st.sampled_from(EDGES), max_size=2)),
        matches=draw(st.dictionaries(st.sampled_from(KINDS), st.sampled_from(MATCHES), max_size=2)),
        decay=decay,
        cap=draw(st.sampled_from((None, 1.0 if whole else 1.03, 0.25 if whole else 0.37))),
        max_outcomes=draw(st.sampled_from((1, 2, 1000))),
        skew=draw(st.sampled_from(EDGES)),
        topics=TOPICS,
    )


def histories(random: Random) -> list[History]:
    return [history(f"u{n}", random) for n in range(USERS)]


def together(every: list[History]) -> History:
    return [row for shown, _ in every for row in shown], [row for _, done in every for row in done]


@settings(max_examples=150, deadline=None)
@given(terms(), randoms)
def test_the_kernel_finds_what_the_words_say(words: Terms, random: Random) -> None:
    every = histories(random)
    if kernel(*together(every), words) == close(attribute(*together(every), words), words):
        return
    for shown, done in every:  # the one user who differs says more
        assert kernel(shown, done, words) == close(attribute(shown, done, words), words), (shown, done)
    pytest.fail("only all users together differ")


@settings(max_examples=40, deadline=None)
@given(terms(), randoms)
def test_every_outcome_is_shared_out_in_full_or_has_a_reason(words: Terms, random: Random) -> None:
    shown, done = together(histories(random))
    words = replace(words, decay=None, cap=None)
    found = kernel(shown, done, words)
    total: dict[str, float] = {}
    for (outcome, _), row in found.credits.items():
        total[outcome] = total.get(outcome, 0.0) + row["credit"]
    assert {*total} | {*found.unattributed} == {one["outcome_id"] for one in done}
    assert not {*total} & {*found.unattributed}
    worth = {
        one["outcome_id"]: one["value"] * (1.0 if words.values is None else words.values[one["kind"]])
        for one in done
        if one["outcome_id"] in total
    }
    assert total == pytest.approx(worth, rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(terms(), randoms)
def test_the_order_of_rows_has_no_say(words: Terms, random: Random) -> None:
    shown, done = together(histories(random))
    shuffled = random.sample(shown, len(shown)), random.sample(done, len(done))
    assert kernel(*shuffled, words) == kernel(shown, done, words)


@settings(max_examples=40, deadline=None)
@given(terms(), randoms, st.integers(0, USERS))
def test_users_have_no_say_in_each_other(words: Terms, random: Random, some: int) -> None:
    every = histories(random)
    apart = [kernel(*together(part), words) for part in (every[:some], every[some:])]
    bystanders = [(shown, []) for shown, _ in histories(random)]
    renamed = [
        {**row, "user_id": f"v{row['user_id']}", "impression_id": f"v{row['impression_id']}"}
        for shown, _ in bystanders
        for row in shown
    ]
    both = Attributed(
        {**apart[0].credits, **apart[1].credits}, {**apart[0].unattributed, **apart[1].unattributed}
    )
    shown, done = together(every)
    assert kernel(shown, done, words) == both
    assert kernel(renamed + shown, done, words) == both
