"""The rows of a request, held to what landing files are held to. What is wrong with one is said in a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import load
from nightslate.contracts.features import feature_column
from nightslate.core.arrays import Bools, Ints
from nightslate.errors import ContractError
from nightslate.kernels.consents import as_agreed
from nightslate.kernels.lists import mapped, marked, place_in
from nightslate.kernels.scoring import CHUNK
from nightslate.programs.consents import needs_of
from nightslate.programs.keyed_features import KeyedFeature
from nightslate.programs.logs import Feature
from nightslate.programs.strict import FIRST_DAY, LAST_DAY
from nightslate.serving.mlmodel import DAY, ELIGIBLE, USER

Frame = Any
"""A data frame of pandas, which MLflow hands over and nothing here makes."""
MOST_ROWS = CHUNK
_PSEUDONYM = load("users").column(USER).pattern


@dataclass(frozen=True)
class Request:
    """users: `user_id` and the features, a row each. days: those asked for; day_of (n,): which of them a row
    is for. eligible (n, A): which arms of the model a row's list names; None where no row has a list."""

    users: pa.Table
    days: Sequence[date]
    day_of: Ints
    eligible: Bools | None


def read(
    frame: Frame, context: Sequence[Feature], arms: Sequence[str], keyed: Sequence[KeyedFeature] = ()
) -> Request:
    """The rows of a request. Raises ContractError that names the first that is wrong with its value; of a
    user id it says no more than its length, for it may be a raw one."""
    if len(frame) > MOST_ROWS:
        raise ContractError(f"{len(frame)} rows are more than are ranked at once: send {MOST_ROWS} at most")
    declared = (*(feature.name for feature in context), *(each.name for each in keyed))
    lacking = [name for name in (USER, DAY, *declared) if name not in frame]
    if lacking:
        raise ContractError(
            f"the request lacks the columns {', '.join(lacking)}: send all that the program declares, with"
            " null where nothing is known"
        )
    days, day_of = _days(frame[DAY])
    features = {feature.name: _feature(frame[feature.name], feature) for feature in context}
    by_arm = {each.name: _by_arm(frame[each.name], each) for each in keyed}
    needs = needs_of((*context, *keyed))
    agreed = {name: _agreed(frame, name) for name in needs.values()}
    users = as_agreed(pa.table({USER: _pseudonyms(frame[USER]), **features, **by_arm, **agreed}), needs)
    return Request(users.drop_columns([*agreed]), days, day_of, _eligible(frame, arms))


def _agreed(frame: Frame, consent: str) -> pa.Array:
    """Whether the user of each row has given a consent; a request that does not say so has none."""
    return _typed(frame[consent], pa.bool_()) if consent in frame else pa.nulls(len(frame), pa.bool_())


def _pseudonyms(column: Any) -> pa.Array:
    ids = _typed(column, pa.string())
    wrong = ~np.asarray(pc.fill_null(pc.match_substring_regex(ids, _PSEUDONYM), False))
    for row in _first(wrong):
        length = len(ids[row].as_py() or "")
        raise ContractError(
            f"{USER} of row {row} is no pseudonym, which has 32 hexadecimal digits, but has {length}"
            " characters: send what the table `users` has; raw ids stay with whoever holds the key"
        )
    return ids


def _days(column: Any) -> tuple[list[date], Ints]:
    """The days of a column, and the place (n,) of each row's among them."""
    day_of, values = column.factorize(use_na_sentinel=False)
    days = []
    for place, value in enumerate(values):
        try:
            day = value if isinstance(value, date) else date.fromisoformat(value)
        except (TypeError, ValueError):
            day = None
        if day is None or isinstance(day, datetime) or not FIRST_DAY <= day <= LAST_DAY:
            row = int(np.flatnonzero(day_of == place)[0])
            raise ContractError(f"{DAY} of row {row} is {value!r}, which is no day: write YYYY-MM-DD")
        days.append(day)
    return days, np.asarray(day_of, dtype=np.int64)


def _feature(column: Any, feature: Feature) -> pa.Array:
    """Its values, null where nothing is known."""
    contract = feature_column(feature.name, feature.type)
    if feature.type == "category":
        texts = _typed(column, pa.string())
        long = np.asarray(pc.greater(pc.fill_null(pc.utf8_length(texts), 0), contract.max_length))
        for row in _first(long):
            raise ContractError(
                f"{feature.name} of row {row} has {len(texts[row].as_py())} characters, and"
                f" {contract.max_length} is the most: send what landing files have"
            )
        return texts
    numbers = _typed(column, pa.float64())
    values = pc.fill_null(numbers, 0.0).to_numpy(zero_copy_only=False)
    least, most = contract.minimum or 0.0, contract.maximum or 0.0
    for row in _first(~((least <= values) & (values <= most))):
        raise ContractError(
            f"{feature.name} of row {row} is {values[row]}: send a number from {least:g} to {most:g}, or null"
        )
    return numbers


def _by_arm(column: Any, feature: KeyedFeature) -> pa.Array:
    """Maps from arms, or values of theirs, to numbers; null where nothing is known."""
    maps = _typed(column, pa.map_(pa.string(), pa.float64()))
    row, _, number = mapped(pa.chunked_array([maps]))
    limits = feature_column(feature.name, "number")
    least, most = limits.minimum or 0.0, limits.maximum or 0.0
    for at in _first(~((least <= number) & (number <= most))):
        raise ContractError(
            f"{feature.name} of row {row[at]} has {number[at]}: send numbers from {least:g} to {most:g}, each"
            f" by a value of {feature.by}"
        )
    return maps


def _eligible(frame: Frame, arms: Sequence[str]) -> Bools | None:
    if ELIGIBLE not in frame or frame[ELIGIBLE].isna().all():
        return None
    return eligible_among(_typed(frame[ELIGIBLE], pa.list_(pa.string())), arms)


def eligible_among(lists: pa.Array, arms: Sequence[str]) -> Bools:
    """(n, A): which arms of a model the list of each row names; all of them where it is null. Raises
    ContractError that names the first that the model does not rank."""
    named = pc.list_flatten(lists)
    place = place_in(named, pa.array(arms, pa.string()))
    for at in _first(place < 0):
        row = pc.list_parent_indices(lists)[at].as_py()
        raise ContractError(
            f"{ELIGIBLE} of row {row} names {named[at].as_py()!r}, which is none of the {len(arms)} arms that"
            " the model ranks: send those of them that may be shown; an arm that is new has a chance after"
            " the next night"
        )
    return marked(lists, place, len(arms))


def _typed(column: Any, kind: pa.DataType) -> pa.Array:
    """A column in Arrow. Raises ContractError for values of another type."""
    try:
        return pa.array(column, kind, from_pandas=True)
    except pa.ArrowException as error:
        raise ContractError(f"{column.name} holds what is no {kind}: {error}") from error


def _first(wrong: Bools) -> Iterator[int]:
    """The first place that is marked, if any is."""
    yield from np.flatnonzero(wrong)[:1].tolist()
