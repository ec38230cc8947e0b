"""Passes over users of an experiment: whatever shares they come in, and what is said of models in the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.core.effects import worlds

from nightslate.core.allocation import Limits, equal_edges
from nightslate.core.effects import Estimator, Worth, could_be, own_fold, pseudo_outcomes, slope
from nightslate.core.uplift import Grid, figures_by_gain, ranked_exactly
from nightslate.kernels.effect_scores import EffectScores
from nightslate.kernels.effects import (
    EFFECTS,
    FINISHED,
    OUTCOMES,
    RANKS,
    RESIDUALS,
    SAMPLE,
    SLOPE,
    TENTHS,
    VALUE,
    EffectLessons,
    Judged,
    Outcomes,
    PseudoOutcomes,
    Residuals,
)
from nightslate.kernels.encoding import Encoder
from nightslate.kernels.finished_users import PROBABILITIES, VALUES, VARIANT

VARIANTS = ("control", "bold", "calm")
GROUPS = ("a", "b", "c")
ENCODER = Encoder(("group", "number"), (GROUPS, None))
LESSONS = EffectLessons("shop", ENCODER, VARIANTS, "control", ("bold", "calm"), metrics=2, folds=3)
LIMITS = Limits(np.array([0.4, 0.3, 0.3]), 0, range=0.2, risk_tolerance=0.05, scale=1.0, floor=0.05)
WORTH = Worth(weight=0.5, caution=1.0)


def finished(n: int) -> pa.Table:
    """As `FinishedUsers` has them."""
    users, ids = worlds.users(n, seed=6), np.random.default_rng(9).bytes(16 * n).hex()
    group = np.array(GROUPS)[users.contexts[:, 1:4].argmax(axis=1)]
    return pa.table(
        {
            "user_id": [ids[32 * user : 32 * user + 32] for user in range(n)],
            VARIANT: np.array(VARIANTS)[users.variant].tolist(),
            PROBABILITIES: users.probabilities.tolist(),
            VALUES: users.values.tolist(),
            "group": group.tolist(),
            "number": users.contexts[:, 4],
        }
    )


def folded(what: Any, shares: list[pa.Table]) -> dict[Any, Any]:
    """As an engine does it, states on their way as arrays."""
    states = what.initial()
    for rows in shares:
        for key, state in what.update({FINISHED: rows}):
            states[key] = states[key].merge(type(state).from_arrays(state.arrays()))
    return states


def judged(shares: list[pa.Table]) -> tuple[Judged, dict[Any, Any], Any]:
    """All passes, of a linear model and an estimator."""
    first = folded(Outcomes(LESSONS, 200), shares)
    expected, sample = first[OUTCOMES,].models(), first[SAMPLE,]
    sums = folded(PseudoOutcomes(LESSONS, expected), shares)[EFFECTS,]
    fits = sums.fits(20.0)
    linear = folded(Residuals(LESSONS, expected, {"linear": fits}), shares)[RESIDUALS, "linear"]
    models = {
        "linear": linear.models(fits, sums),
        "other": Estimator("ridge", {"alpha": 500.0}, 3).cross_fitted(sample, expected, *LESSONS.places),
    }
    said = {name: WORTH.of(model.held_out(sample).mean) for name, model in models.items()}
    each = [(name, variant) for name in models for variant in LESSONS.treatments]
    places = {variant: place for place, variant in enumerate(LESSONS.treatments)}
    grids = {of: Grid.of_quantiles(said[of[0]][:, places[of[1]]]) for of in each}
    edges = {of: equal_edges(said[of[0]][:, places[of[1]]], 10) for of in each}
    how = Judged(LESSONS, expected, models, WORTH, LIMITS, "linear", grids, edges)
    return how, folded(how, shares), sample


@pytest.fixture(scope="module")
def users() -> pa.Table:
    return finished(700)


@pytest.fixture(scope="module")
def whole(users: pa.Table) -> tuple[Judged, dict[Any, Any], Any]:
    return judged([users])


def test_shares_of_users_give_the_same(users: pa.Table, whole: tuple[Judged, dict[Any, Any], Any]) -> None:
    of = np.random.default_rng(2).integers(0, 5, users.num_rows)
    how, states, sample = judged([users.filter(pa.array(of == share)) for share in range(5)])
    for name, array in whole[2].arrays().items():
        np.testing.assert_array_equal(sample.arrays()[name], array)
    for key, state in whole[1].items():
        if key[0] == VALUE or (key[0] == SLOPE and key[1] == "linear"):
            np.testing.assert_allclose(states[key].mean, state.mean, rtol=1e-7, atol=1e-10)
    one, other = (each.models["linear"].of_all.effects(ENCODER(users)) for each in (how, whole[0]))
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-9)
    np.testing.assert_allclose(one.stderr, other.stderr, rtol=1e-7)


def test_a_model_is_judged_by_what_its_shares_would_have_earned(
    users: pa.Table, whole: tuple[Judged, dict[Any, Any], Any]
) -> None:
    """User by user, by the formula of the controller where what rises finds room."""
    how, states, _ = whole
    (observed,) = LESSONS.observed({FINISHED: users})
    scores = pseudo_outcomes(observed, how.expected, *LESSONS.places)
    came = WORTH.of(own_fold(observed, scores))
    values = {}
    for name, model in how.models.items():
        score, values[name] = WORTH.score(model.held_out(observed)), np.zeros(users.num_rows)
        for user, of_user in enumerate(score):
            moves = np.clip(of_user - 0.05, -0.2, 0.2)
            rises, falls = moves[moves > 0].sum(), -moves[moves < 0].sum()
            room = min(1.0, (0.4 - 0.05 + falls) / rises) if rises else 1.0
            moves = np.where(moves > 0, room * moves, moves)
            values[name][user] = moves @ came[user]
    found = states[VALUE,].cell(0)
    plain = np.stack(
        [values["linear"], values["other"], 0 * values["other"], values["other"] - values["linear"]]
    )
    np.testing.assert_allclose(found.mean, plain.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(plain), atol=1e-12)


def test_calibration_and_ranks_are_of_users_who_could_be_in_the_treatment(
    users: pa.Table, whole: tuple[Judged, dict[Any, Any], Any]
) -> None:
    how, states, _ = whole
    (observed,) = LESSONS.observed({FINISHED: users})
    came = WORTH.of(own_fold(observed, pseudo_outcomes(observed, how.expected, *LESSONS.places)))
    said = WORTH.of(how.models["linear"].held_out(observed).mean)
    at = could_be(observed, *LESSONS.places)[:, 1]
    assert 0 < (~at).sum() < 150
    moments = states[SLOPE, "linear", "calm"].cell(0)
    assert moments.n == at.sum() == states[TENTHS, "linear", "calm"].n.sum()
    assert slope(moments).value == pytest.approx(np.polyfit(said[at, 1], came[at, 1], 1)[0])
    found = {each.figure: each.value for each in figures_by_gain(states[RANKS, "linear", "calm"].ranked)}
    keys, nothing = observed.keys[at], np.zeros(at.sum())
    exactly = figures_by_gain(ranked_exactly(said[at, 1], came[at, 1], nothing, keys))
    assert found["mean"] == pytest.approx(came[at, 1].mean())
    assert found["autoc"] == pytest.approx(exactly[1].value, abs=0.05)


def test_each_user_has_a_score_of_each_treatment(
    users: pa.Table, whole: tuple[Judged, dict[Any, Any], Any]
) -> None:
    model = whole[0].models["linear"].of_all
    rows = EffectScores("all", "salt", LESSONS.treatments, ENCODER, model, WORTH)(users.slice(0, 3))
    effects = model.effects(ENCODER(users.slice(0, 3).sort_by("user_id")))
    assert rows["variant"].to_pylist() == ["bold", "calm"] * 3
    assert rows["user_id"].to_pylist() == sorted(users["user_id"].to_pylist()[:3] * 2)
    np.testing.assert_allclose(rows["benefit"].to_numpy(), effects.mean[:, :, 0].ravel())
    np.testing.assert_allclose(rows["harm_stderr"].to_numpy(), effects.stderr[:, :, 1].ravel())
    np.testing.assert_allclose(rows["score"].to_numpy(), WORTH.score(effects).ravel())


def test_nobody_has_none(users: pa.Table, whole: tuple[Judged, dict[Any, Any], Any]) -> None:
    model = whole[0].models["other"].of_all
    scored = EffectScores("all", "salt", LESSONS.treatments, ENCODER, model, WORTH)
    assert scored(users.slice(0, 0)).num_rows == 0
