"""Columns of contexts and arms as vectors."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.core.policies.beside_arms import BesideArms
from nightslate.kernels.lists import mapped, place_in
from nightslate.kernels.lists import places as places_of

MAX_CATEGORIES = 100
"""The most frequent values of a category that get a place of their own; all others share none."""


_MAPS = pa.map_(pa.string(), pa.float64())


@dataclass(frozen=True)
class Intervals:
    """A number as a category: below the first boundary, from each up to the next, from the last one on."""

    boundaries: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.boundaries) + 1

    def of(self, numbers: Floats) -> Ints:
        """The interval that each number is in."""
        return np.asarray(np.searchsorted(self.boundaries, numbers, side="right"))


@dataclass(frozen=True)
class ByArm:
    """A number for each arm that a row is about: of a feature that has one for each of the `values` of the
    arms' column `key`. What a row does not say is the `default`; so is the last one, of arms without a
    value. With `boundaries` each is a category of intervals."""

    key: str
    values: tuple[str, ...]
    default: float
    boundaries: tuple[float, ...] = ()

    def __len__(self) -> int:
        return (len(self.values) + 1) * self.width

    @property
    def width(self) -> int:
        """How many places the number of one arm has."""
        return 1 if self.of_one is None else len(self.of_one)

    @property
    def of_one(self) -> Intervals | None:
        """What has a place of its own of the number of one arm."""
        return Intervals(self.boundaries) if self.boundaries else None

    def numbers(self, column: pa.ChunkedArray) -> Floats:
        """(n, values + 1) from what each row maps a value to."""
        if not pa.types.is_map(column.type):  # few maps, as JSON, that many rows share
            code, texts = _coded(column)
            maps = [[*json.loads(text).items()] for text in texts.to_pylist()]
            return self.numbers(pa.chunked_array([[*maps, None]], _MAPS)).take(code, axis=0)
        found = np.full((len(column), len(self.values) + 1), self.default)
        row, value, number = mapped(column)
        place = place_in(value, pa.array(self.values, pa.string()))
        there = place >= 0
        found[row[there], place[there]] = number[there]
        return found

    def told_apart(self, column: pa.ChunkedArray) -> Floats | Ints:
        """(n, values + 1) the same, or the intervals that they are in; (n, 1) where rows share maps which."""
        if not pa.types.is_map(column.type):
            return _coded(column)[0][:, None]
        numbers = self.numbers(column)
        return numbers if self.of_one is None else self.of_one.of(numbers)

    def vectors(self, column: pa.ChunkedArray) -> Floats:
        """(n, places) of each arm's number its own."""
        numbers = self.numbers(column)
        if self.of_one is None:
            return numbers
        return np.eye(self.width)[self.of_one.of(numbers)].reshape(len(column), len(self))

    def places(self, arms: pa.Table) -> Ints:
        """(A, width) which of them are about each arm."""
        of_arm = places_of(arms[self.key], pa.array(self.values, pa.string()))
        return of_arm[:, None] * self.width + np.arange(self.width)


def _coded(column: pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """(n,) the place of each row's text among those that there are; one past the last for null."""
    texts = pc.unique(column.cast(pa.string())).drop_null()
    return places_of(column, texts), texts


Places = tuple[str, ...] | Intervals | ByArm | None


@dataclass(frozen=True)
class Encoder:
    """A constant 1, then each feature in order: numbers as they are (missing: 0), categories one-hot.

    `places`: for each feature what has a place of its own: the values of a category, the intervals of a
    number, the arms that it has a number for, or None for a number as it is. A value without a place, and a
    missing one, is all zeros: such a user is scored by the rest of what is known.
    """

    features: tuple[str, ...]
    places: tuple[Places, ...]

    @property
    def slices(self) -> dict[str, slice]:
        """Where in a vector each feature is."""
        widths = (1 if places is None else len(places) for places in self.places)
        bounds = pairwise(accumulate(widths, initial=1))
        return {name: slice(*ends) for name, ends in zip(self.features, bounds, strict=True)}

    @property
    def width(self) -> int:
        """The length of a vector."""
        return max((of_feature.stop for of_feature in self.slices.values()), default=1)

    def __call__(self, rows: pa.Table) -> Floats:
        """(n, width) vectors of the rows."""
        vectors = np.zeros((rows.num_rows, self.width))
        vectors[:, 0] = 1.0
        for (name, at), places in zip(self.slices.items(), self.places, strict=True):
            if places is None:
                vectors[:, at.start] = _numbers(rows[name])
            elif isinstance(places, ByArm):
                vectors[:, at] = places.vectors(rows[name])
            else:
                place = _place(rows[name], places)
                known = np.flatnonzero(place >= 0)
                vectors[known, at.start + place[known]] = 1.0
        return vectors

    def distinct(self, rows: pa.Table, apart: Ints | None = None) -> tuple[Ints, Ints]:
        """(m,) a row for each vector that there is among n rows, and (n,) the place of each row's among them;
        apart (n,): rows that differ in it are told apart whatever their vectors."""
        alike = np.zeros(rows.num_rows, dtype=np.int64)
        if rows.num_rows == 1:
            return alike, alike
        if apart is not None:
            alike = told_apart(alike, apart)
        for name, places in zip(self.features, self.places, strict=True):
            if isinstance(places, ByArm):
                for of_arm in places.told_apart(rows[name]).T:
                    alike = told_apart(alike, of_arm)
            else:
                values = _numbers(rows[name]) if places is None else _place(rows[name], places)
                alike = told_apart(alike, values)
        return first_of(alike), alike

    def of_one_arm(self, ignored: Collection[str] = ()) -> Encoder:
        """What of a context is looked at beside one arm by who ignores some of it: of features by arm its
        own."""
        kept = {
            name: places.of_one if isinstance(places, ByArm) else places
            for name, places in zip(self.features, self.places, strict=True)
            if name not in ignored
        }
        return Encoder(tuple(kept), tuple(kept.values()))

    def beside(self, arms: pa.Table, ignored: Collection[str] = ()) -> BesideArms | None:
        """Where in a vector that is, of each of some rows of the table `arms`; None where all of it is."""
        if self.of_one_arm(ignored) == self:
            return None
        looked_at = [np.zeros((arms.num_rows, 1), dtype=np.int64)]
        for (name, at), places in zip(self.slices.items(), self.places, strict=True):
            if name in ignored:
                continue
            own = places.places(arms) if isinstance(places, ByArm) else np.arange(at.stop - at.start)
            looked_at.append(np.broadcast_to(at.start + own, (arms.num_rows, own.shape[-1])))
        return BesideArms(np.hstack(looked_at), self.width)

    def to_json(self) -> dict[str, Any]:
        """As it is kept in a model file."""
        return {"features": list(self.features), "places": [_to_json(places) for places in self.places]}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Encoder:
        """The encoder that `to_json` described."""
        return cls(tuple(content["features"]), tuple(map(_from_json, content["places"])))


def _to_json(places: Places) -> Any:
    if isinstance(places, ByArm):
        said = {"key": places.key, "values": list(places.values), "default": places.default}
        return {**said, "boundaries": list(places.boundaries)} if places.boundaries else said
    return (
        {"boundaries": list(places.boundaries)} if isinstance(places, Intervals) else places and list(places)
    )


def _from_json(content: Any) -> Places:
    if not isinstance(content, dict):
        return None if content is None else tuple(content)
    if "key" in content:
        boundaries = tuple(content.get("boundaries", ()))
        return ByArm(content["key"], tuple(content["values"]), content["default"], boundaries)
    return Intervals(tuple(content["boundaries"]))


def crossed(contexts: Encoder, arms: Encoder, crosses: Iterable[tuple[str, str]]) -> Bools:
    """(d, k), as `Arms` know it: which places of a context `of_one_arm` interact with which of an arm, where
    these pairs of a feature of each do. The constants stand for what a feature does by itself."""
    interact = np.zeros((contexts.width, arms.width), dtype=np.bool_)
    interact[0] = interact[:, 0] = True
    for of_context, of_arm in crosses:
        interact[contexts.slices[of_context], arms.slices[of_arm]] = True
    return interact


def most_frequent(counts: dict[str, int]) -> tuple[str, ...]:
    """The values that get a place, sorted: the most frequent ones, ties by value."""
    ranked = sorted(counts, key=lambda value: (-counts[value], value))
    return tuple(sorted(ranked[:MAX_CATEGORIES]))


def _numbers(column: pa.ChunkedArray) -> Floats:
    """The number (n,) of each value, 0 where it is missing."""
    return np.asarray(pc.fill_null(column, 0.0).to_numpy())


def first_of(groups: Ints) -> Ints:
    """(m,) the first row of each of m groups, by the group of each row (n,)."""
    first = np.empty(int(groups.max(initial=-1)) + 1, dtype=np.int64)
    first[groups[::-1]] = np.arange(groups.size)[::-1]
    return first


def told_apart(groups: Ints, values: Floats | Ints) -> Ints:
    """Groups (n,) of rows by number, in groups of those that share a value (n,) too."""
    numbers = pa.array(values).dictionary_encode().indices.to_numpy().astype(np.int64)
    pairs = groups * (numbers.max(initial=0) + 1) + numbers
    return np.asarray(pa.array(pairs).dictionary_encode().indices, dtype=np.int64)


def _place(column: pa.ChunkedArray, places: tuple[str, ...] | Intervals) -> Ints:
    """The place (n,) of each value, -1 where it has none."""
    if isinstance(places, Intervals):
        numbers = pc.fill_null(column, np.nan).to_numpy()
        return np.where(np.isnan(numbers), -1, places.of(numbers))
    return place_in(column, pa.array(places, pa.string()))
