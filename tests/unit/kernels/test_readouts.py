"""The sums that a readout is made of, against users gone through one by one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from tests.unit.kernels.experiment_logs import COSTS, DS, END, SALT, SHARES, TOPICS, VARIANTS, logs, tables
from tests.unit.kernels.one_by_one import COVARIATES, DAY, METRICS, OneByOne

from nightslate.core import npz
from nightslate.core.experiments import value_of
from nightslate.kernels.experiment_users import Allocated
from nightslate.kernels.named_states import MomentsByName, SampleRatiosByName
from nightslate.kernels.readout_days import Daily
from nightslate.kernels.readouts import COUNTS, SAMPLE_RATIOS, Figure, Readout
from nightslate.programs.readouts import Covariate, Metric


def readout(**changed: Any) -> Readout:
    metrics = {name: Metric.model_validate(said) for name, said in METRICS.items()}
    return Readout(
        **{
            "allocated": Allocated(SALT, VARIANTS, SHARES),
            "ds": DS,
            "metrics": metrics,
            "covariates": {name: Covariate.model_validate(said) for name, said in COVARIATES.items()},
            "segments": ("device",),
            "arms": pa.table({"arm_id": list(TOPICS), "topic": list(TOPICS.values())}),
            "costs": COSTS,
            "caps": {"clicks_2d_at_most_3": 3.0},
            **changed,
        }
    )


def folded(how: Readout, *parts: dict[str, list[dict[str, Any]]]) -> dict[Any, Any]:
    states = how.initial()
    for part in parts:
        for key, state in how.update(tables(part)):
            packed = npz.unpack(npz.pack(state.arrays()))
            states[key] = states[key].merge(type(state).from_arrays(packed))
    return states


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_figure_is_that_of_users_gone_through_one_by_one(seed: int) -> None:
    rows = logs(seed)
    found, truth = folded(readout(), rows), OneByOne(rows)
    figures = [key for key in found if isinstance(key, Figure)]
    assert len(figures) == 2 * 2 * (10 * 2 + 2) + 2 + 1
    for figure in figures:
        for variant in VARIANTS:
            told, right = found[figure].states[variant, None, None], truth.cell(figure, variant)
            assert told.n == right.n > 0, figure
            np.testing.assert_allclose(told.mean, right.mean, atol=1e-12, err_msg=str(figure))
            np.testing.assert_allclose(told.products, right.products, atol=1e-9, err_msg=str(figure))


@pytest.mark.parametrize("scope", ["assigned", "exposed"])
def test_sums_by_day_are_of_the_same_users_by_the_day_of_their_assignment(scope: str) -> None:
    rows = logs(1)
    found, truth = folded(readout(), rows), OneByOne(rows)
    first = min(SHARES)
    for metric in METRICS:
        moments, shares = (found[Daily(metric, scope, of)] for of in ("moments", "shares"))
        whole = found[Figure(metric, scope, "cumulative")].states
        for place, variant in enumerate(VARIANTS):
            pooled = moments.at(place, axis=1).pooled(0)
            assert pooled.n == whole[variant, None, None].n
            np.testing.assert_allclose(pooled.mean[:2], whole[variant, None, None].mean[:2], atol=1e-12)
        assert shares.n.tolist() == moments.n.sum(axis=1).tolist()
        for day in np.flatnonzero(shares.n).tolist():
            expected = shares.n[day] / np.array(SHARES[first + timedelta(days=day)])
            np.testing.assert_allclose(shares.inverse[day], expected)
    of_all = found[Daily("clicks", scope, "shares")]
    users = [user for user in truth.first if truth.since(user, scope)]
    days = [(truth.first[user]["slate_date"] - first).days for user in users]
    assert of_all.n.tolist() == np.bincount(days, minlength=of_all.n.size).tolist()


def test_the_mean_time_to_an_event_is_the_area_under_the_share_without_one() -> None:
    """Of users whose time is over nobody is censored, so that no estimate of a hazard is needed."""
    rows = logs(9)
    found, truth = folded(readout(), rows), OneByOne(rows)
    for variant in VARIANTS:
        times, whole = [], timedelta(days=6)
        for user, row in truth.first.items():
            since = truth.since(user, "exposed")
            if row["variant"] == variant and since and since + whole <= END:
                clicks = [
                    click["occurred_at"] for click in truth.of("outcomes", user) if click["kind"] == "click"
                ]
                times.append(min([at - since for at in clicks if at >= since] + [DAY * 99]))
        days = np.array([each / DAY for each in times])
        without = stats.ecdf(stats.CensoredData(days[days < 6], right=np.full((days >= 6).sum(), 6.0))).sf
        steps = np.concatenate([[0.0], without.quantiles[without.quantiles < 6], [6.0]])
        area = np.diff(steps) @ np.concatenate([[1.0], without.probabilities[without.quantiles < 6]])
        how = Figure("first_click", "exposed", "cumulative", weighted=False)
        told = value_of(found[how].states[variant, None, None])
        assert (told.n, told.value) == (days.size, pytest.approx(area, rel=1e-12))
        assert 0 < (days < 6).sum() < days.size


def test_segments_are_those_of_the_first_exposure() -> None:
    rows = logs(4)
    found, truth = folded(readout(), rows), OneByOne(rows)
    figure = Figure("clicks", "exposed", "cumulative")
    places = {place for place in found[figure].states if place[1]}
    assert places == {(v, "device", d) for v in VARIANTS for d in ("web", "app", None)}
    for variant, _, device in places:
        told, right = found[figure].states[variant, "device", device], truth.cell(figure, variant, device)
        assert (told.n, value_of(told).value) == (right.n, pytest.approx(value_of(right).value))
    assert not any(place[1] for place in found[Figure("clicks", "assigned", "cumulative")].states)


def test_what_users_were_in_before_is_a_segment() -> None:
    rows = logs(10)
    truth, dice = OneByOne(rows), np.random.default_rng(3)
    former, earlier = dict[str, str](), []
    for number in (3, 2, 1):
        for user in [*truth.first][::2]:
            former[user] = ("red", "blue")[int(dice.integers(2))]
            earlier.append(
                {
                    "user_id": user,
                    "experiment": "winter",
                    "variant": former[user],
                    "slate_date": min(SHARES) - timedelta(days=number),
                }
            )
    of_same_salt = [{**row, "experiment": SALT, "variant": "old"} for row in earlier[:5]]
    later = [{**row, "variant": "green", "slate_date": max(SHARES)} for row in earlier]
    rows["assignments"] = [*of_same_salt, *earlier, *rows["assignments"], *later]
    how = readout(segments=("former_variant",), former="winter")
    found = folded(how, rows)[Figure("clicks", "exposed", "cumulative")].states
    for variant in VARIANTS:
        mine = [
            former.get(user)
            for user, row in truth.first.items()
            if row["variant"] == variant and truth.since(user, "exposed")
        ]
        for name in ("red", "blue", None):
            assert found[variant, "former_variant", name].n == mine.count(name) > 0


def test_sample_ratios_are_by_the_probabilities_of_the_day_of_assignment() -> None:
    rows = logs(5)
    found, truth = folded(readout(), rows), OneByOne(rows)
    exposed = {user: row for user, row in truth.first.items() if truth.since(user, "exposed")}
    ratios = found[SAMPLE_RATIOS].states
    whole = [ratio for (column, _, _), ratio in ratios.items() if column is None]
    in_segments = [ratio for (column, _, _), ratio in ratios.items() if column]
    for some in (whole, in_segments):
        assert sum(each.seen for each in some).tolist() == [
            sum(row["variant"] == variant for row in exposed.values()) for variant in VARIANTS
        ]
        expected = np.sum([SHARES[row["slate_date"]] for row in exposed.values()], axis=0)
        np.testing.assert_allclose(sum(each.expected for each in some), expected)
    days = {day for column, _, day in ratios if column is None}
    assert days == {truth.since(user, "exposed").date().isoformat() for user in exposed}


def test_counts_say_who_was_shown_another_variant() -> None:
    rows = logs(6)
    for row in rows["impressions"][::3]:
        row["variant"] = "new"
    counts, truth = folded(readout(), rows)[COUNTS], OneByOne(rows)

    shown = {
        user: [row for row in truth.of("impressions", user) if row["occurred_at"] >= begins]
        for user in truth.first
        if (begins := truth.since(user, "assigned"))
    }
    variant = {user: row["variant"] for user, row in truth.first.items()}

    def users(those: set[str]) -> list[int]:
        return [sum(variant[user] == name for user in those) for name in VARIANTS]

    named = {user: {row["variant"] for row in each} - {None} for user, each in shown.items()}
    crossed = {user for user, names in named.items() if names - {variant[user]}}
    today = {user for user, each in shown.items() if DS in {row["occurred_at"].date() for row in each}}
    assert counts.assigned.tolist() == users({*truth.first})
    assert counts.exposed.tolist() == users({user for user, each in shown.items() if each})
    assert counts.named.tolist() == users({user for user, names in named.items() if names})
    assert counts.crossed.tolist() == users(crossed)
    assert len(crossed) > 1
    assert counts.today.tolist() == users(today)


def test_users_in_parts_are_users_as_a_whole() -> None:
    rows = logs(7)
    parts = []
    for share in range(3):
        of_part = lambda user, share=share: int(user, 16) % 3 == share  # noqa: E731
        mine = {
            name: [row for row in each if of_part(row["user_id"])]
            for name, each in rows.items()
            if name != "credits"
        }
        parts.append({**mine, "credits": rows["credits"]})
    whole, merged = folded(readout(), rows), folded(readout(), *parts)
    for key, state in whole.items():
        if isinstance(state, MomentsByName | SampleRatiosByName):
            assert state.states.keys() == merged[key].states.keys()
            for place, one in state.states.items():
                for name, array in one.arrays().items():
                    np.testing.assert_allclose(merged[key].states[place].arrays()[name], array, atol=1e-9)


def test_quantiles_are_of_what_exposed_users_count_for() -> None:
    rows = logs(8)
    how, truth = readout(), OneByOne(rows)
    name = "clicks_2d_at_most_3"
    ((_, found),) = how.samples(tables(rows), [name], of_one_in=1)
    said, right = METRICS[name], []
    for user in truth.first:
        since = truth.since(user, "exposed")
        if since and since + timedelta(days=2) <= END:
            right.append(truth.counted(said, user, since, since, since + timedelta(days=2)))
    assert sorted(found.values) == sorted(right)
    assert len(right) > 10


def test_nobody_is_nothing() -> None:
    rows = {name: [] for name in ("assignments", "impressions", "outcomes", "credits")}
    found = folded(readout(), rows)
    assert not any(found[key].states for key in found if isinstance(key, Figure))
    assert found[COUNTS].assigned.tolist() == [0, 0]


def test_equal_shares_need_no_figure_without_weights() -> None:
    how = readout(allocated=Allocated(SALT, VARIANTS, dict.fromkeys(SHARES, (0.5, 0.5))))
    assert all(figure.weighted for figure in how.figures)
    assert not any(isinstance(key, Daily) for key in how.initial())
