"""Days on which users are in their first variant still, against a loop over them; where harm moves users."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.kernels.experiment_logs import END, INSTANT, SALT, VARIANTS, logs
from tests.unit.kernels.one_by_one import DAY, METRICS, OneByOne
from tests.unit.kernels.test_own_probabilities import some
from tests.unit.kernels.test_readouts import folded

from nightslate.core.experiments import Difference, effect
from nightslate.kernels.comparable_users import by_variant
from nightslate.kernels.experiment_users import Allocated, ExperimentUsers
from nightslate.kernels.readout_paths import OfPaths, Paths
from nightslate.kernels.readouts import STAYING
from nightslate.kernels.user_totals import Done
from nightslate.pipeline.readout_health import unlikely_stays
from nightslate.programs.readouts import Metric

FIRST = date(2026, 3, 10)


def with_paths(seed: int) -> dict:
    """Every row with probabilities of its own, and their product; now and then nothing is recorded."""
    rows, dice = logs(seed), np.random.default_rng(seed)
    changed, products = [], dict[str, float]()
    for row in rows["assignments"]:
        new = float(dice.choice([0.2, 0.5, 0.7]))
        if row["experiment"] == SALT and (row["user_id"] not in products or dice.random() < 0.9):
            own = [new, 1 - new]
            product = products.get(row["user_id"], 1.0) * own[VARIANTS.index(row["variant"])]
            products[row["user_id"]] = product
            row = {**row, "probabilities": own, "path_probability": product}
        changed.append(row)
    return {**rows, "assignments": changed}


def path_of(truth: OneByOne, user: str) -> list[tuple[dict, bool]]:
    """The rows up to the last one on the path, and whether it goes on after each."""
    mine = [row for row in truth.of("assignments", user) if row["experiment"] == SALT]
    goes_on = [row["variant"] == mine[0]["variant"] and "probabilities" in row for row in mine]
    until = goes_on.index(False) if False in goes_on else len(mine)
    return list(zip(mine[:until], [*goes_on[1:until], until == len(mine)], strict=True))


@pytest.mark.parametrize("name", ["reward", "tiles"])
def test_days_on_the_path_are_those_of_users_gone_through_one_by_one(name: str) -> None:
    rows = with_paths(31)
    found, truth = folded(replace(some(), by_path=True), rows), OneByOne(rows)
    said, sums = METRICS[name], {variant: [] for variant in VARIANTS}
    for user, first in truth.first.items():
        total = np.zeros(2)
        begins = truth.since(user, "assigned")
        for row, _ in path_of(truth, user):
            midnight = begins + (row["slate_date"] - first["slate_date"])
            if "window" in said and midnight - begins >= int(said["window"][:-1]) * DAY:
                continue
            done = truth.counted(said, user, begins, midnight, min(midnight + DAY, END))
            total += np.array([done, 1.0]) / row["path_probability"]
        sums[first["variant"]].append(total)
    for variant in VARIANTS:
        told = found[OfPaths(name)].states[variant, None, None]
        assert told.n == len(sums[variant])
        np.testing.assert_allclose(told.mean, np.mean(sums[variant], axis=0))


def test_weights_of_who_could_stay_are_those_of_rows_gone_through_one_by_one() -> None:
    rows = with_paths(32)
    truth, found = OneByOne(rows), folded(some(), rows)[STAYING].states
    weights = {variant: [] for variant in VARIANTS}
    for user, first in truth.first.items():
        mine = [row for row in truth.of("assignments", user) if row["experiment"] == SALT]
        for before, row in pairwise(mine):
            if before["variant"] != first["variant"] or "probabilities" not in before:
                break
            if "probabilities" in row:
                p = row["probabilities"][VARIANTS.index(first["variant"])]
                weights[first["variant"]].append([(row["variant"] == first["variant"]) / p, 1 / p])
    for variant in VARIANTS:
        told = found[variant, None, None]
        assert told.n == len(weights[variant]) > 10
        np.testing.assert_allclose(told.mean, np.mean(weights[variant], axis=0))


def moved_by_harm(days: int, users: int, by_share: bool = False) -> tuple[ExperimentUsers, Paths, Done]:
    """Half of users are harmed by the treatment, and move out of it with probability 0.5 a day once they are,
    for good; others stay. by_share: all stays are recorded with probability 0.75, as of all at first."""
    rng = np.random.default_rng(5)
    harmed, level = rng.random(users) < 0.5, rng.normal(size=users)
    variant, path = (rng.random(users) < 0.5).astype(np.int64), np.full(users, 0.5)
    columns, values = dict[str, list](), []
    for day in range(days):
        stays = np.where((variant == 1) & harmed, 0.5, 1.0) if day else np.full(users, 0.5)
        if day:
            leaves = (variant == 1) & (rng.random(users) > stays)
            path = path * np.where(leaves, 1 - stays, np.where(variant == 1, stays, 1.0))
        else:
            leaves = np.zeros(users, dtype=np.bool_)
        told = np.where((variant == 1) & bool(day) & by_share, 0.75, stays)
        own = np.where(
            (variant == 1)[:, None], np.stack([1 - told, told], axis=1), [1.0, 0.0] if day else [0.5, 0.5]
        )
        variant = np.where(leaves, 0, variant)
        values.append(
            level + np.where(variant == 1, np.where(harmed, -1.0, 0.5), 0.0) + rng.normal(size=users)
        )
        for name, each in {
            "user_id": [f"u{user:05d}" for user in range(users)],
            "experiment": ["e"] * users,
            "variant": np.array(["no", "yes"])[variant].tolist(),
            "slate_date": [FIRST + timedelta(days=day)] * users,
            "probabilities": own.tolist(),
            "path_probability": path.tolist(),
        }.items():
            columns.setdefault(name, []).extend(each)
    assignments = pa.table(columns)
    allocated = Allocated(
        "e", ("no", "yes"), {FIRST + timedelta(days=d): (0.5, 0.5) for d in range(days)}, by_user=True
    )
    nobody = pa.table(
        {
            "impression_id": pa.array([], pa.string()),
            "user_id": pa.array([], pa.string()),
            "occurred_at": pa.array([], INSTANT),
            "variant": pa.array([], pa.string()),
        }
    )
    found = ExperimentUsers.of(allocated, assignments, nobody)
    at = found.assigned[0] + np.repeat(np.arange(days), users) * 86_400_000_000
    done = Done(np.tile(np.arange(users), days), at, at, np.concatenate(values))
    return found, Paths.of(allocated, assignments, found), done


def test_where_harm_moves_users_days_on_the_path_tell_what_staying_does() -> None:
    """The mean effect is -0.25 a day; without weights days are more and more of those whom it helps."""
    users, paths, done = moved_by_harm(5, 4_000)
    metric, everybody = Metric.model_validate({"source": "outcomes"}), np.arange(4_000)

    def told(paths: Paths) -> Difference:
        values = paths.sums(metric, [done], users.assigned)
        cells = by_variant(users, ("no", "yes"), (), everybody, values).states
        return effect(cells["no", None, None], cells["yes", None, None], 0.95).difference

    weighted = told(paths)
    assert abs(weighted.effect + 0.25) < 4 * weighted.stderr < 0.3
    assert told(replace(paths, probability=np.ones_like(paths.probability))).effect > 0.1


def test_users_who_stay_with_other_probabilities_than_are_stored_are_a_fault() -> None:
    users, paths, _ = moved_by_harm(5, 4_000)
    assert not [*unlikely_stays(paths.weights(users, (), ("no", "yes")))]
    users, paths, _ = moved_by_harm(5, 4_000, by_share=True)
    (fault,) = unlikely_stays(paths.weights(users, (), ("no", "yes")))
    assert fault.startswith(
        "users of yes stay in it with other probabilities than are stored: weights of these"
    )


def test_weights_that_are_all_alike_are_no_certainty_that_they_are_right() -> None:
    """Everybody stays, and half of them were to leave: a mean weight of 2."""
    users, paths, _ = moved_by_harm(2, 4_000)
    treated = users.variant[paths.user] == 1
    wrong = replace(paths, on_path=paths.on_path | treated, staying=np.where(treated, 0.5, paths.staying))
    (fault,) = unlikely_stays(wrong.weights(users, (), ("no", "yes")))
    assert "average 2, where they would be" in fault
