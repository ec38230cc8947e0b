"""The sums of a readout without those of few users."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from nightslate.core.arrays import Ints
from nightslate.core.experiments import Moments, SampleRatio
from nightslate.core.experiments.small_cells import merged_values
from nightslate.kernels.named_states import MomentsByName, Place, SampleRatiosByName
from nightslate.kernels.readout_days import Daily
from nightslate.kernels.readouts import FATIGUE, SAMPLE_RATIOS, Figure, Key

OTHERS = "(other)"
"""What the values of a segment are called that stand together."""

State = TypeVar("State", Moments, SampleRatio)
Value = str | None


def without_small_cells(states: Mapping[Key, Any], least: int, control: str) -> dict[Key, Any]:
    """The states of a readout in which each cell of a variant, of all users or in a segment, and each number
    of a showing, is of nobody or of at least so many users. Evidence on whether users are missing stays that
    of all users, and in segments that of values that stand together."""
    if least == 1:
        return dict(states)
    found = dict[Key, Any]()
    for key, state in states.items():
        if isinstance(key, Figure):
            found[key] = _figure(state, least, control)
        elif key == SAMPLE_RATIOS:
            found[key] = _sample_ratios(state, least)
        elif key == FATIGUE:
            enough = {place: sums for place, sums in state.states.items() if sums.n >= least}
            found[key] = MomentsByName(enough)
        elif not isinstance(key, Daily) or _is_whole(states[_of_all_days(key)], least):
            found[key] = state
    return found


def _of_all_days(daily: Daily) -> Figure:
    return Figure(daily.metric, daily.scope, "cumulative")


def _is_whole(found: MomentsByName, least: int) -> bool:
    """Whether all variants have so many users: sums by day are of all of them together."""
    return all(users >= least for users in _by_variant(found).values())


def _by_variant(found: MomentsByName) -> Counter[str]:
    """The users of each variant, whichever others they could be in."""
    users = Counter[str]()
    for (variant, column, *_), sums in found.states.items():
        if column is None:
            users[str(variant)] += int(sums.n)
    return users


def _figure(found: MomentsByName, least: int, control: str) -> MomentsByName:
    """By variant, column and value; a variant of few users has no cells, and none has where the control is
    one."""
    told = sorted(variant for variant, users in _by_variant(found).items() if users >= least)
    told = told if control in told else []
    states = {place: sums for place, sums in found.states.items() if place[0] in told}
    users: dict[Place, Ints] = {}
    for (variant, column, value, *_), sums in states.items():
        if column is not None:
            of_value = users.setdefault((column, value), np.zeros(len(told), dtype=np.int64))
            of_value[told.index(str(variant))] += sums.n
    renamed = _names(users, least)
    return MomentsByName(_merged(states, lambda place: (place[1], place[2]), _of_figure, renamed))


def _sample_ratios(found: SampleRatiosByName, least: int) -> SampleRatiosByName:
    """By column, value and day of the first exposure."""
    users: dict[Place, Ints] = {}
    for (column, value, _), ratio in found.states.items():
        if column is not None:
            users[column, value] = users.get((column, value), np.int64(0)) + ratio.seen
    renamed = _names(users, least)
    return SampleRatiosByName(
        _merged(found.states, lambda place: (place[0], place[1]), _of_sample_ratio, renamed)
    )


def _names(users: Mapping[Place, Ints], least: int) -> dict[Place, Value]:
    """By column and value what the value is called; of a column of which nothing can be told there is
    none."""
    found: dict[Place, Value] = {}
    for column in dict.fromkeys(column for column, _ in users):
        places = sorted((place for place in users if place[0] == column), key=repr)
        must = np.array([value == OTHERS for _, value in places])
        merged = merged_values(np.stack([users[place] for place in places]), least, must)
        if not merged.all():
            found |= {
                place: OTHERS if is_merged else place[1]
                for place, is_merged in zip(places, merged, strict=True)
            }
    return found


def _merged(
    states: Mapping[Place, State],
    cell_of: Callable[[Place], Place],
    called: Callable[[Place, Value], Place],
    names: Mapping[Place, Value],
) -> dict[Place, State]:
    """Each state under the name of its value, those of one name as one, in the order of their places."""
    found: dict[Place, State] = {}
    for place in sorted(states, key=repr):
        cell = cell_of(place)
        if cell[0] is None:
            found[place] = states[place]
        elif cell in names:
            name = called(place, names[cell])
            found[name] = found[name].merge(states[place]) if name in found else states[place]
    return found


def _of_figure(place: Place, value: Value) -> Place:
    return place[0], place[1], value, *place[3:]


def _of_sample_ratio(place: Place, value: Value) -> Place:
    return place[0], value, place[2]


def large_enough(rows: Iterable[dict[str, Any]], least: int) -> list[dict[str, Any]]:
    """The rows of `sample_ratios` that tell of nobody or of at least so many users."""
    return [row for row in rows if row["exposed"] == 0 or row["exposed"] >= least]
