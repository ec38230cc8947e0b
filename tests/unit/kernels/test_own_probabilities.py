"""Users whose probabilities are their own, not those of everyone on the day."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.kernels.experiment_logs import SALT, SHARES, VARIANTS, logs, with_own_probabilities
from tests.unit.kernels.one_by_one import COVARIATES, METRICS, OneByOne
from tests.unit.kernels.test_readouts import folded, readout

from nightslate.core.errors import InvalidInputError
from nightslate.core.experiments import Moments
from nightslate.kernels.comparable_users import choices_of, pairs
from nightslate.kernels.experiment_users import Allocated, ExperimentUsers
from nightslate.kernels.named_states import MomentsByName
from nightslate.kernels.readout_days import Daily
from nightslate.kernels.readouts import COUNTS, SAMPLE_RATIOS, Figure, Readout
from nightslate.programs.readouts import MOVED

BY_USER = Allocated(SALT, VARIANTS, SHARES, by_user=True)


def some() -> Readout:
    """Of three metrics alone."""
    whole = readout(allocated=BY_USER)
    return replace(whole, metrics={name: whole.metrics[name] for name in ("reward", "clicked", "tiles")})


def test_each_figure_weighs_by_the_own_probabilities_of_those_who_could_be_in_both_variants() -> None:
    rows = with_own_probabilities(logs(11), 11)
    found, truth = folded(some(), rows), OneByOne(rows)
    figures = [key for key in found if isinstance(key, Figure)]
    assert {figure.period for figure in figures} == {"cumulative", "day", "novelty", "before"}
    for figure in figures:
        paired = pairs(found[figure], "old")
        for variant in VARIANTS:
            told, right = paired[variant, None, None][0], truth.cell(figure, variant)
            assert told.n == right.n > 0, figure
            np.testing.assert_allclose(told.mean, right.mean, atol=1e-12, err_msg=str(figure))
            np.testing.assert_allclose(told.products, right.products, atol=1e-9, err_msg=str(figure))
            assert paired["new", None, None][1].n == truth.cell(figure, "old").n
    of_all = found[Figure("reward", "assigned", "cumulative")].states
    assert {len(place) for place in of_all} == {3, 4}


def test_who_could_not_be_in_both_is_counted() -> None:
    rows = with_own_probabilities(logs(12), 12)
    truth, counts = OneByOne(rows), folded(some(), rows)[COUNTS]
    exposed = [row for user, row in truth.first.items() if truth.since(user, "exposed")]
    outside = sum(0.0 in (row["probabilities"] or ()) for row in exposed)
    assert 0 < outside < len(exposed) == counts.exposed.sum()
    assert counts.apart[0, 1] == counts.apart[1, 0] == outside


def test_sample_ratios_are_by_own_probabilities() -> None:
    rows = with_own_probabilities(logs(13), 13)
    truth, ratios = OneByOne(rows), folded(some(), rows)[SAMPLE_RATIOS].states
    exposed = [row for user, row in truth.first.items() if truth.since(user, "exposed")]
    expected = np.sum([row["probabilities"] or SHARES[row["slate_date"]] for row in exposed], axis=0)
    told = sum(ratio.expected for (column, _, _), ratio in ratios.items() if column is None)
    np.testing.assert_allclose(told, expected)


def test_users_are_told_apart_by_the_variant_that_their_own_shares_favour() -> None:
    rows = with_own_probabilities(logs(16), 16)
    found, truth = folded(replace(some(), segments=[MOVED]), rows), OneByOne(rows)
    right = Counter[tuple[str, str]]()
    for user, row in truth.first.items():
        own, of_day = row["probabilities"] or SHARES[row["slate_date"]], SHARES[row["slate_date"]]
        over = {name: mine - all_ for name, mine, all_ in zip(VARIANTS, own, of_day, strict=True)}
        favoured = max(over, key=lambda name: over[name])
        if truth.since(user, "exposed"):
            right[row["variant"], favoured if over[favoured] > 0 else "as everyone"] += 1
    told = Counter[tuple[str, str]]()
    for (variant, column, value, *_), each in found[Figure("reward", "exposed", "cumulative")].states.items():
        if column == MOVED:
            told[variant, value] += int(each.n)
    assert told == right
    assert {value for _, value in told} == {*VARIANTS, "as everyone"}


def test_own_probabilities_that_are_the_shares_of_the_day_change_nothing() -> None:
    rows = logs(14)
    own = [{**row, "probabilities": list(SHARES[row["slate_date"]])} for row in rows["assignments"]]
    by_day, by_user = folded(readout(), rows), folded(some(), {**rows, "assignments": own})
    assert not any(isinstance(key, Daily) for key in by_user)
    for key in by_user:
        if isinstance(key, Figure) and key.metric not in COVARIATES:
            for place, moments in by_user[key].states.items():
                same = by_day[key].states[place]
                assert all((moments.arrays()[name] == array).all() for name, array in same.arrays().items())
    assert {key.metric for key in by_user if isinstance(key, Figure)} < {*METRICS, *COVARIATES}


def moments(n: int) -> Moments:
    return Moments.initial((1,), 1).update(np.zeros(n, dtype=np.int64), np.arange(n * 1.0)[:, None]).cell(0)


def test_of_three_variants_each_pair_is_of_those_who_could_be_in_both() -> None:
    could = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0, 0]], dtype=np.bool_)
    nothing = np.zeros(5, dtype=np.int64)
    ids, shown = pa.array(["u"] * 5), pa.table({})
    users = ExperimentUsers(ids, nothing, nothing, could / 1.0, could, shown, nothing, nothing)
    place, names = choices_of(users, ("a", "b", "c"))
    assert [names[each] for each in place] == [(), ("a b",), ("a c",), ("b c",), ("a",)]
    cells = {"a": [(), ("a b",), ("a c",), ("a",)], "b": [(), ("a b",), ("b c",)], "c": [("a c",)]}
    sizes = {"": 1, "a b": 2, "a c": 4, "b c": 8, "a": 16}
    found = MomentsByName(
        {
            (name, None, None, *could): moments(sizes["".join(could)])
            for name, each in cells.items()
            for could in each
        }
    )
    n = {
        variant: (mine.n, theirs and theirs.n)
        for (variant, _, _), (mine, theirs) in pairs(found, "a").items()
    }
    assert n == {"a": (7, 7), "b": (3, 3), "c": (4, 5)}


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ([0.5, 0.4], "are no probabilities"),
        ([1.5, -0.5], "are no probabilities"),
        ([float("nan"), 1.0], "are no probabilities"),
        ([0.2, 0.3, 0.5], "one for each variant"),
        ("impossible", "with probability 0"),
    ],
)
def test_what_are_no_probabilities_is_refused(own: list[float] | str, says: str) -> None:
    rows = logs(15)
    row = rows["assignments"][0]
    row["probabilities"] = (
        [float(name != row["variant"]) for name in VARIANTS] if own == "impossible" else own
    )
    with pytest.raises(InvalidInputError, match=says):
        folded(some(), rows)


def test_a_variant_that_came_later_is_none_of_earlier_days() -> None:
    """Own probabilities are of the variants that the day had."""
    first = min(SHARES)
    three = {day: (0.0, 0.2, 0.8) if day == first else (0.2, 0.16, 0.64) for day in SHARES}
    allocated = Allocated(SALT, ("extra", *VARIANTS), three, by_user=True)
    found, own = allocated.of_users(
        pa.table({"probabilities": pa.array([[0.3, 0.7], [0.1, 0.2, 0.7], None])}),
        np.array([20522, 20523, 20523]),
    )
    assert own.tolist() == [True, True, False]
    np.testing.assert_allclose(found, [[0, 0.3, 0.7], [0.1, 0.2, 0.7], [0.2, 0.16, 0.64]])
