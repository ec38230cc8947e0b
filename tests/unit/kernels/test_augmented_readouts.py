"""The sums that augmented effects are made of, against users gone through one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.kernels.experiment_logs import (
    DS,
    END,
    SALT,
    SHARES,
    VARIANTS,
    logs,
    tables,
    with_own_probabilities,
)
from tests.unit.kernels.one_by_one import DAY, METRICS, OneByOne
from tests.unit.kernels.test_own_probabilities import some

from nightslate.core import npz
from nightslate.core.experiments import augmented_scores
from nightslate.core.experiments.outcome_model import FOLDS, OutcomeModels, OutcomeSums, expected
from nightslate.core.hashing import deal, seed
from nightslate.core.uplift import Grid
from nightslate.kernels.augmented_readouts import (
    DAYS,
    PLACES,
    POLICY,
    PRIORITIES,
    Augmented,
    Outcome,
    Scored,
    Scores,
)
from nightslate.kernels.augmented_readouts import SHARES as OF_SHARES
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.named_states import MomentsByName

FIRST = min(SHARES)
AUGMENTED = Augmented(some(), "old", {"device": ["web", None]})


def folded(how: Any, *parts: dict[str, list[dict[str, Any]]]) -> dict[Any, Any]:
    states = dict(how.initial())
    for part in parts:
        for key, state in how.update(tables(part)):
            packed = npz.unpack(npz.pack(state.arrays()))
            states[key] = states[key].merge(type(state).from_arrays(packed))
    return states


def scored(*parts: dict[str, list[dict[str, Any]]]) -> tuple[dict[Any, Any], dict[Any, Any]]:
    sums = folded(AUGMENTED, *parts)
    models = {outcome: OutcomeModels.of(found) for outcome, found in sums.items()}
    return sums, folded(Scores(AUGMENTED, models), *parts)


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict[str, Any]]]:
    return with_own_probabilities(logs(21), 21)


@pytest.mark.parametrize("scope", ["assigned", "exposed"])
def test_scores_are_those_of_users_gone_through_one_by_one(rows: Any, scope: str) -> None:
    truth, (_, found) = OneByOne(rows), scored(rows)
    day, variant, probabilities, features, parts, devices, users = [], [], [], [], [], [], []
    slate_dates = []
    for user, row in truth.first.items():
        since, own = truth.since(user, scope), row["probabilities"] or SHARES[row["slate_date"]]
        if since is None or min(own) == 0:
            continue
        before = truth.counted({**METRICS["clicks"]}, user, since - 5 * DAY, since - 5 * DAY, since)
        device = truth.device(user, since) if scope == "exposed" else "none"
        told = [float(device == "web"), float(device is None)] if scope == "exposed" else []
        users.append(user)
        slate_dates.append(row["slate_date"])
        day.append((row["slate_date"] - FIRST).days)
        variant.append(VARIANTS.index(row["variant"]))
        probabilities.append(own)
        features.append([before, *told])
        devices.append(device)
        parts.append([truth.counted(METRICS["reward"], user, since, since, END), 1.0])
    columns = (day, variant, features, parts, probabilities)
    day, variant, x, parts, probabilities = (np.array(each) for each in columns)
    fold = deal(user_keys(pa.table({"user_id": users})), seed(SALT, "folds"), FOLDS)
    own = probabilities[np.arange(len(day)), variant]
    sums = OutcomeSums.initial((DS - FIRST).days + 1, 2, x.shape[1])
    models = OutcomeModels.of(sums.update(day, fold, variant, own, x, parts))
    by_fold = augmented_scores(expected(models.crossfitted, fold, x), variant, own, parts)
    of_day = models.sequential.reshape(-1, *models.sequential.shape[2:])
    by_day = augmented_scores(expected(of_day, day * FOLDS + fold, x), variant, own, parts)

    key = ("reward", scope, "new")
    places = found[Scored(*key, PLACES)].states
    for column, value in [(None, None), *(("device", device) for device in set(devices) - {"none"})]:
        mine = [i for i, device in enumerate(devices) if column is None or device == value]
        told = places["new", column, value]
        assert told.n.tolist() == [len(mine)]
        np.testing.assert_allclose(told.mean[0], by_fold[mine][:, [1, 0]].reshape(-1, 4).mean(axis=0))
    assert len(places) == (1 if scope == "assigned" else 4)
    of_day = np.array([SHARES[row] for row in slate_dates])
    means = [np.einsum("uk,ukp->up", each, by_fold).mean(axis=0) for each in (of_day, probabilities)]
    policies = found[Scored("reward", scope, POLICY, PLACES)]
    assert policies.n.tolist() == [len(day)]
    np.testing.assert_allclose(policies.mean[0], np.concatenate(means))
    daily, shares = found[Scored(*key, DAYS)], found[Scored(*key, OF_SHARES)]
    assert daily.n.tolist() == shares.n.tolist() == np.bincount(day, minlength=len(daily.n)).tolist()
    for number in np.unique(day):
        mine = day == number
        np.testing.assert_allclose(daily.mean[number], by_day[mine][:, [1, 0]].reshape(-1, 4).mean(axis=0))
        np.testing.assert_allclose(shares.inverse[number], (1 / probabilities[mine][:, [1, 0]]).sum(axis=0))


def test_gains_are_ranked_by_a_covariate(rows: Any) -> None:
    how = replace(AUGMENTED, priority="before")
    sums = folded(how, rows)
    grid = Grid.of_quantiles(sums.pop(PRIORITIES).values)
    models = {outcome: OutcomeModels.of(found) for outcome, found in sums.items()}
    found = folded(Scores(how, models, grid), rows)
    ranked = found[Scored("reward", "exposed", "new", PRIORITIES)]
    scores = found[Scored("reward", "exposed", "new", PLACES)].states["new", None, None]
    assert ranked.units.sum() == scores.n.sum()
    assert ranked.effect.sum() == pytest.approx(float(scores.n[0] * (scores.mean[0, 2] - scores.mean[0, 0])))
    truth, before = OneByOne(rows), []
    for user, row in truth.first.items():
        since, own = truth.since(user, "exposed"), row["probabilities"] or SHARES[row["slate_date"]]
        if since is not None and min(own) > 0:
            begin = since - 5 * DAY
            before.append(truth.counted(METRICS["clicks"], user, begin, begin, since))
    right = np.bincount(grid.places(np.array(before)), minlength=grid.size)
    assert ranked.units.sum(axis=0).tolist() == right.tolist()
    assert sum(each.of == PRIORITIES for each in found) == 3


def test_who_could_not_be_in_both_is_in_no_sum(rows: Any) -> None:
    outside = {row["user_id"] for row in rows["assignments"] if 0.0 in (row["probabilities"] or ())}
    inside = {
        name: each if name == "credits" else [row for row in each if row["user_id"] not in outside]
        for name, each in rows.items()
    }
    assert outside
    for one, other in zip(scored(rows), scored(inside), strict=True):
        for key, state in one.items():
            same(state, other[key])


def test_users_in_parts_are_users_as_a_whole(rows: Any) -> None:
    parts = [
        {
            name: each if name == "credits" else [row for row in each if int(row["user_id"], 16) % 2 == half]
            for name, each in rows.items()
        }
        for half in range(2)
    ]
    for one, other in zip(scored(rows), scored(*parts), strict=True):
        for key, state in one.items():
            same(state, other[key])


def same(one: Any, other: Any) -> None:
    if isinstance(one, MomentsByName):
        assert one.states.keys() == other.states.keys()
        for place, state in one.states.items():
            same(state, other.states[place])
        return
    for name, array in one.arrays().items():
        np.testing.assert_allclose(array, other.arrays()[name], atol=1e-9)


def test_every_metric_has_its_models(rows: Any) -> None:
    sums, _ = scored(rows)
    assert {each.metric for each in sums} == {"reward", "clicked", "tiles"}
    assert sums[Outcome("tiles", "exposed")].n.sum() < sums[Outcome("reward", "exposed")].n.sum()
