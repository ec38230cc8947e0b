"""Who has which share and why: each cause by itself, and all users however they are split."""

from collections import Counter
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from nightslate.core.allocation import Layer, Limits, Part, SignalEffect
from nightslate.core.hashing import mix, seed, uniform
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.contextual_assignments import ContextualAssignment
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.moved_by_scores import MovedByScores
from nightslate.kernels.rollout_figures import MOVED, SAMPLE, SUMS, RolloutFigures, coded
from nightslate.programs.conditions import parse

DAY = date(2026, 3, 2)
KINDS = (pa.string(), pa.string(), pa.float64())
BETA = parse("beta == yes", {"beta": "category"})
BEFORE = pa.schema(
    [
        *((name, pa.string()) for name in ("experiment", "user_id", "variant", "reason")),
        *((name, pa.list_(pa.float64())) for name in ("shares", "probabilities")),
        ("path_probability", pa.float64()),
        ("since", pa.date32()),
        ("morning_variant", pa.string()),
        ("morning_probabilities", pa.list_(pa.float64())),
    ]
)


def assignment(share=0.5, effects=None):
    limits = Limits(np.array([1 - share, share]), 0, range=0.3, risk_tolerance=0.0, scale=1.0, floor=0.05)
    found = {"effects": {None: SignalEffect(None, 1.0, ()), **effects}} if effects else {}
    return ContextualAssignment(
        issue="all", salt="new", slate_date=DAY, variants=("control", "treatment"), limits=limits,
        region="region", rules=[(BETA, "treatment")], **found,
    )  # fmt: skip


def user(name):
    return f"{seed('user', name):016x}{0:016x}"


def people(*rows):
    """(name, region, beta, visits)"""
    names, *columns = zip(*rows, strict=True)
    named = dict(zip(("region", "beta", "visits"), columns, strict=True))
    typed = {name: pa.array(each, kind) for (name, each), kind in zip(named.items(), KINDS, strict=True)}
    return pa.table({"user_id": [user(each) for each in names], **typed})


def scores(**by_name):
    rows = [
        {"user_id": user(name), "variant": "treatment", "score": score} for name, score in by_name.items()
    ]
    kinds = [("user_id", pa.string()), ("variant", pa.string()), ("score", pa.float64())]
    return pa.Table.from_pylist(rows, pa.schema(kinds))


def had(**by_name):
    """Rows of the day before: (variant, share of the treatment)."""
    rows = [
        {"experiment": "new", "user_id": user(name), "variant": variant, "shares": [1 - share, share],
         "probabilities": [1 - share, share], "path_probability": 0.5, "since": date(2026, 3, 1),
         "reason": "assigned"}
        for name, (variant, share) in by_name.items()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, BEFORE)


def told(by, users, scored, before, everyone_before=0.5):
    """The sums by place, and the sample, of what the assignment makes of them."""
    figures = RolloutFigures(
        by, np.array([1 - everyone_before, everyone_before]), {"region": (), "visits": (2.0, 5.0)}
    )
    rows = by.rows(users, scored, before)
    return dict(figures.update(users, scored, before, rows)), rows


def causes(found, part):
    return {place[2]: int(sums.users) for place, sums in found[SUMS].states.items() if place[0] == part}


ONE = ("a", "north", "no", 3.0)
STOP, SLOW = SignalEffect("stop", 1.0, ("outage",)), SignalEffect("reduce", 0.5, ("slow",))


@pytest.mark.parametrize(
    ("by", "row", "scored", "share_before", "everyone_before", "change", "apart"),
    [
        (assignment(), ONE, {}, 0.5, 0.5, "same", "everyone"),
        (assignment(), ONE, {}, None, 0.5, "new", "everyone"),
        (assignment(0.4), ONE, {}, 0.5, 0.5, "everyone", "everyone"),
        (assignment(), ONE, {"a": 0.2}, 0.5, 0.5, "score", "score"),
        (assignment(), ONE, {"a": 0.2}, 0.7, 0.5, "same", "score"),
        (assignment(0.1), ONE, {"a": 0.05}, 0.5, 0.5, "everyone", "score"),
        (assignment(), ("a", "north", "yes", 3.0), {"a": -1.0}, 0.8, 0.5, "rule", "rule"),
        (assignment(), ONE, {}, 0.1, 0.5, "return", "return"),
        (assignment(), ONE, {}, 0.3, 0.5, "return", "everyone"),
        (assignment(effects={"north": STOP}), ONE, {}, 0.5, 0.5, "signal", "signal"),
        (assignment(effects={"south": STOP}), ONE, {}, 0.5, 0.5, "same", "everyone"),
        (assignment(effects={"north": SLOW}), ONE, {}, 0.5, 0.5, "signal", "signal"),
    ],
)  # fmt: skip
def test_each_cause_by_itself(by, row, scored, share_before, everyone_before, change, apart):
    before = had() if share_before is None else had(a=("control", share_before))
    found, _ = told(by, people(row), scores(**scored), before, everyone_before)
    assert causes(found, "change") == {change: 1}
    assert causes(found, "apart") == {apart: 1}


def test_what_is_stopped_is_so_for_who_had_a_share_and_nobody_is_apart():
    before = had(a=("treatment", 0.5), b=("control", 0.0))
    stopped = assignment(share=0.0)
    users = people(ONE, ("b", "south", "yes", None))
    found, rows = told(stopped, users, scores(), before)
    assert causes(found, "change") == {"stopped": 1, "same": 1}
    assert causes(found, "apart") == {"everyone": 2}
    assert rows["variant"].to_pylist() == ["control"] * 2


def test_who_is_not_there_today_is_absent():
    before = had(a=("control", 0.5), b=("treatment", 0.8))
    found, _ = told(assignment(), people(ONE), scores(), before)
    assert causes(found, "change") == {"same": 2}
    assert causes(found, "apart") == {"everyone": 1, "absent": 1}
    by_region = {
        place[1:]: int(sums.users) for place, sums in found[SUMS].states.items() if place[0] == "segment"
    }
    assert by_region == {("region", "north"): 1, ("visits", "2 to 5"): 1}


def test_users_of_another_experiment_of_the_layer_are_nobody_of_this_one():
    """They are among the users of the day, all of them in the west, and not among those assigned."""
    layer = Layer("checkout", (Part("new", 0.0, 0.3), Part("other", 0.3, 1.0)))
    by, (users, scored, _) = replace(assignment(), layer=layer), many(60)
    inside = pa.array(layer.members(user_keys(users), "new"))
    users = users.set_column(1, "region", pc.if_else(inside, users["region"], "west"))
    found, rows = told(by, users, scored, had())
    by_region = {
        place[2]: int(sums.users) for place, sums in found[SUMS].states.items() if place[1] == "region"
    }
    assert 0 < rows.num_rows < 60
    assert by_region == Counter(users.filter(inside)["region"].to_pylist())


def many(n):
    keys = np.array([seed("some", str(number)) for number in range(n)], dtype=np.uint64)
    draws = [uniform(mix(keys, salt)) for salt in range(4)]
    users = people(
        *(
            (str(i), "north" if draws[0][i] < 0.5 else "south", "yes" if draws[1][i] < 0.1 else "no",
             None if draws[2][i] < 0.1 else 8 * draws[2][i])
            for i in range(n)
        )
    )  # fmt: skip
    scored = scores(**{str(i): draws[3][i] - 0.5 for i in range(0, n, 2)})
    before = had(**{str(i): ("treatment" if draws[3][i] < 0.5 else "control", 0.5) for i in range(n // 3, n)})
    return users, scored, before


def test_contexts_of_those_whom_scores_move_are_summed_up_by_where_they_are_moved_to():
    """Nobody counts who is where the baseline is, or elsewhere for a rule."""
    encoder = Encoder(("region", "visits"), (("north", "south"), None))
    figures = RolloutFigures(assignment(), np.array([0.5, 0.5]), {"region": ()}, MovedByScores([1], encoder))
    users, scored, before = many(80)
    rows = assignment().rows(users, scored, before)
    found = figures.initial()[MOVED]
    for key, state in figures.update(users, scored, before, rows):
        found = found.merge(type(state).from_arrays(state.arrays())) if key == MOVED else found
    share_of = dict(zip(rows["user_id"].to_pylist(), rows["shares"].to_pylist(), strict=True))
    expected = np.zeros((2, encoder.width))
    for row in users.to_pylist():
        off = share_of[row["user_id"]][1] - 0.5
        if off and row["user_id"] in scored["user_id"].to_pylist() and row["beta"] == "no":
            said = [1.0, row["region"] == "north", row["region"] == "south", row["visits"] or 0.0]
            expected[int(off > 0)] += said
    assert min(found.users[0]) > 5
    assert found.users[0].tolist() == expected[:, 0].tolist()
    np.testing.assert_allclose(found.contexts[0], expected, rtol=1e-12)
    np.testing.assert_allclose(found.mean[0], expected / expected[:, :1], rtol=1e-12)


def test_users_in_parts_merge_to_all_of_them():
    by, (users, scored, before) = assignment(), many(90)
    whole, rows = told(by, users, scored, before)
    figures = RolloutFigures(by, np.array([0.5, 0.5]), {"region": (), "visits": (2.0, 5.0)})
    merged = figures.initial()
    for part in range(3):
        mine = [each for at, each in enumerate(rows["user_id"].to_pylist()) if at % 3 == part]
        tables = [
            table.filter(pa.array([each in mine for each in table["user_id"].to_pylist()]))
            for table in (users, scored, before, rows)
        ]
        for key, state in figures.update(*tables):
            packed = type(state).from_arrays(state.arrays())
            merged[key] = merged[key].merge(packed)
    assert merged[SAMPLE].to_pylist() == whole[SAMPLE].to_pylist()
    assert {*merged[SUMS].states} == {*whole[SUMS].states}
    for place, sums in whole[SUMS].states.items():
        for name, figure in sums.arrays().items():
            np.testing.assert_allclose(merged[SUMS].states[place].arrays()[name], figure, atol=1e-12)


def test_of_each_cause_a_few_users_explain_themselves():
    users, scored, before = many(90)
    found, rows = told(assignment(), users, scored, before)
    sample = found[SAMPLE].to_pylist()
    kinds = [(row["cause"], row["moved"]) for row in sample]
    assert max(kinds.count(kind) for kind in kinds) == 2
    assert {cause for cause, _ in kinds} == {*causes(found, "change")}
    assert [moved for _, moved in kinds] == sorted((moved for _, moved in kinds), reverse=True)
    by_id = {row["user_id"]: row for row in rows.to_pylist()}
    people_by_id = {row["user_id"]: row for row in users.to_pylist()}
    for row in sample:
        assert {
            row[name] == by_id[row["user_id"]][name] for name in ("variant", "shares", "probability")
        } == {True}
        assert f"region {people_by_id[row['user_id']]['region']}" in row["context"]
        assert row["moved"] == (row["variant_before"] not in (None, row["variant"]))


def test_values_are_told_apart_and_numbers_by_their_intervals():
    place, values = coded(pa.chunked_array([[1.0, 2.0, None, 7.0]]), (2.0, 5.0))
    assert [values[at] for at in place] == ["under 2", "2 to 5", None, "5 and more"]
    place, values = coded(pa.chunked_array([["x", None, "x"]]), ())
    assert [values[at] for at in place] == ["x", None, "x"]
