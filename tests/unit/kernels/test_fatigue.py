"""How often users respond to an arm shown again, against users and arms gone through one by one."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.kernels.experiment_logs import COSTS, DS, END, SALT, SHARES, VARIANTS, logs, tables
from tests.unit.kernels.one_by_one import OneByOne

from nightslate.kernels.experiment_users import Allocated
from nightslate.kernels.named_states import MomentsByName
from nightslate.kernels.readouts import FATIGUE, Readout
from nightslate.programs.readouts import Fatigue

MOST, WITHIN = 3, timedelta(days=2)
HOW = Readout(
    allocated=Allocated(SALT, VARIANTS, SHARES),
    ds=DS,
    metrics={},
    covariates={},
    segments=(),
    arms=pa.table({"arm_id": ["a", "b", "c"]}),
    costs=COSTS,
    caps={},
    fatigue=Fatigue.model_validate({"kinds": ["click", "view"], "within": "2d", "most": MOST}),
)


def found(rows: dict[str, list[dict[str, object]]]) -> MomentsByName:
    kinds = np.random.default_rng(5).choice(["click", "view", "task"], len(rows["credits"])).tolist()
    for credit, kind in zip(rows["credits"], kinds, strict=True):
        credit["kind"] = kind
    given = tables(rows)
    of_kinds = given["credits"].append_column("kind", pa.array(kinds, pa.string()))
    states: MomentsByName = dict(HOW.update({**given, "credits": of_kinds}))[FATIGUE]
    return states


@pytest.mark.parametrize("seed", [1, 2])
def test_each_showing_is_held_against_the_first_of_its_arm_and_user(seed: int) -> None:
    rows = logs(seed)
    told, truth = found(rows), OneByOne(rows)
    sums: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for user, row in truth.first.items():
        since = truth.since(user, "assigned")
        mine = [each for each in truth.of("impressions", user) if since and each["occurred_at"] >= since]
        mine.sort(key=lambda each: (each["occurred_at"], each["impression_id"]))
        firsts: dict[str, list[bool]] = {}
        for each in mine:
            responded = any(
                credit["impression_id"] == each["impression_id"]
                and credit["kind"] in ("click", "view")
                and credit["lag_seconds"] < WITHIN.total_seconds()
                for credit in rows["credits"]
            )
            before = firsts.setdefault(each["arm_id"], [])
            before.append(responded)
            if each["occurred_at"] + WITHIN > END:
                continue
            place = row["variant"], str(min(len(before), MOST))
            of_user = sums.setdefault(place, {}).setdefault(user, np.zeros(4))
            of_user += [responded, 1, before[0], 1]
    assert sums.keys() == told.states.keys() == {(v, str(k)) for v in VARIANTS for k in range(1, MOST + 1)}
    for place, by_user in sums.items():
        state = told.states[place]
        weights = [1 / SHARES[truth.first[user]["slate_date"]][VARIANTS.index(place[0])] for user in by_user]
        wanted = np.array([*by_user.values()]) * np.array(weights)[:, None]
        assert state.n == len(wanted)
        np.testing.assert_allclose(state.mean, wanted.mean(axis=0), atol=1e-12)
        off = wanted - wanted.mean(axis=0)
        np.testing.assert_allclose(state.products, off.T @ off, atol=1e-9)


def test_nobody_responds_to_nothing() -> None:
    rows = {name: [] for name in ("assignments", "impressions", "outcomes", "credits")}
    assert not found(rows).states
