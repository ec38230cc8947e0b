"""Features of users in a readout: as they were known when a user's time was over, or before it began."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.kernels.experiment_logs import (
    COSTS,
    DAYS,
    DS,
    END,
    INSTANT,
    SALT,
    SHARES,
    START,
    USERS,
    VARIANTS,
    logs,
    tables,
)
from tests.unit.kernels.one_by_one import DAY, OneByOne

from nightslate.core.experiments import value_of
from nightslate.kernels.experiment_users import Allocated
from nightslate.kernels.readouts import COUNTS, Figure, Readout
from nightslate.programs.readouts import Covariate, Metric

DEFAULTS: dict[str, float | str] = {"visits": 7.0, "mood": "calm"}
HOW = Readout(
    allocated=Allocated(SALT, VARIANTS, SHARES),
    ds=DS,
    metrics={
        name: Metric.model_validate({"source": "features", "column": "visits", **said})
        for name, said in {"after_3d": {"window": "3d"}, "by_now": {}}.items()
    },
    covariates={"before": Covariate.model_validate({"source": "features", "column": "visits"})},
    segments=("mood",),
    arms=pa.table({"arm_id": ["a", "b", "c"]}),
    costs=COSTS,
    caps={},
    features=DEFAULTS,
)


def midnight(day: int) -> datetime:
    return datetime.combine(START, datetime.min.time(), UTC) + timedelta(days=day)


def known() -> list[dict[str, Any]]:
    """Of most users as of most midnights; as of decisions, there is something else."""
    dice = np.random.default_rng(31)
    rows = []
    for user in range(USERS):
        for day in range(-1, DAYS + 1):
            row = {"user_id": f"{user:032x}", "visits": float(dice.integers(50)), "mood": "calm"}
            row["mood"] = ("calm", "cross")[int(dice.random() < 0.4)]
            if dice.random() < 0.8:
                rows.append({**row, "as_of": midnight(day)})
            rows.append({**row, "as_of": midnight(day) + timedelta(hours=7), "visits": 1e6})
    return rows


@pytest.fixture(scope="module")
def found() -> tuple[dict[Any, Any], OneByOne, dict[tuple[str, datetime], dict[str, Any]]]:
    rows, features = logs(3), known()
    of_features = pa.table(
        {
            "user_id": pa.array([row["user_id"] for row in features]),
            "as_of": pa.array([row["as_of"] for row in features], INSTANT),
            "visits": pa.array([row["visits"] for row in features]),
            "mood": pa.array([row["mood"] for row in features]),
        }
    )
    states = dict(HOW.update({**tables(rows), "features": of_features}))
    return states, OneByOne(rows), {(row["user_id"], row["as_of"]): row for row in features}


@pytest.mark.parametrize("scope", ["assigned", "exposed"])
@pytest.mark.parametrize(("metric", "window"), [("after_3d", 3 * DAY), ("by_now", None)])
def test_a_feature_is_as_of_the_last_midnight_of_the_window_and_before_the_first_exposure(
    found: Any, metric: str, window: timedelta | None, scope: str
) -> None:
    states, truth, known = found
    for variant in VARIANTS:
        values, before = [], []
        for user, row in truth.first.items():
            since = truth.since(user, scope)
            until = END if window is None or since is None else since + window
            if row["variant"] == variant and since is not None and until <= END:
                for moment, column in ((until, values), (since, before)):
                    of_day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
                    column.append(known.get((user, of_day), DEFAULTS)["visits"])
        told = states[Figure(metric, scope, "cumulative", weighted=False)].states[variant, None, None]
        assert (told.n, value_of(told).value) == (len(values), pytest.approx(np.mean(values)))
        assert told.mean[2] == pytest.approx(np.mean(before))
        assert max(values) < 50


def test_a_segment_is_a_feature_as_of_the_end_of_the_day_before_the_first_exposure(found: Any) -> None:
    states, truth, known = found
    told = states[Figure("by_now", "exposed", "cumulative")].states
    for variant in VARIANTS:
        moods = []
        for user, row in truth.first.items():
            since = truth.since(user, "exposed")
            if row["variant"] == variant and since is not None:
                of_day = since.replace(hour=0, minute=0, second=0, microsecond=0)
                moods.append(known.get((user, of_day), DEFAULTS)["mood"])
        for mood in ("calm", "cross"):
            assert told[variant, "mood", mood].n == moods.count(mood) > 0


def test_there_is_nothing_of_a_feature_on_one_day_alone(found: Any) -> None:
    states, _, _ = found
    assert {figure.period for figure in HOW.figures} == {"cumulative", "before"}
    assert states[COUNTS].rows.tolist() == [len(known())]
