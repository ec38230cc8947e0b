"""Experiments at once: mutually exclusive ones divide the users of a layer among them (Tang, Agarwal, O'Brien
and Meyer, 2010); independent ones need nothing but salts of their own.

In a layer every user has a number in (0, 1), a hash of the layer's salt and the id, and each experiment has
parts of the interval that no other has. Numbers of other layers, and those that assign the variants of an
experiment, are independent of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from nightslate.core.allocation.shares import EXACT
from nightslate.core.arrays import Bools, Floats, Ints, Keys
from nightslate.core.errors import InvalidInputError
from nightslate.core.hashing import mix, seed, uniform

NO_PART = -1
"""The place of a user's part who is in none."""


@dataclass(frozen=True)
class Part:
    """Users with a number in [lower, upper) may be in the experiment, and in no other one of the layer."""

    experiment: str
    lower: float
    upper: float


@dataclass(frozen=True)
class Layer:
    """Its salt, and its parts by their bounds. Raises InvalidInputError for parts outside of [0, 1], empty
    ones and such as overlap."""

    salt: str
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.parts, key=lambda part: part.lower))
        for part in ordered:
            if not 0 <= part.lower < part.upper <= 1:
                raise InvalidInputError(
                    f"layer {self.salt}: {part.experiment} has [{part.lower}, {part.upper}), which is no part"
                    " of [0, 1]"
                )
        for left, right in pairwise(ordered):
            if right.lower < left.upper:
                raise InvalidInputError(
                    f"layer {self.salt}: {left.experiment} up to {left.upper} and {right.experiment} from"
                    f" {right.lower} overlap"
                )
        object.__setattr__(self, "parts", ordered)

    @property
    def free(self) -> tuple[tuple[float, float], ...]:
        """The parts of [0, 1] that no experiment has."""
        bounds = [0.0, *(bound for part in self.parts for bound in (part.lower, part.upper)), 1.0]
        return tuple(
            (lower, upper) for lower, upper in zip(bounds[::2], bounds[1::2], strict=True) if lower < upper
        )

    def joined(self, experiment: str, share: float) -> Layer:
        """With an experiment more, or more of one, of a share of all users: the first free parts, from the
        lowest on. No part of any other moves.

        Raises InvalidInputError where the share is not in (0, 1] or more than is free."""
        free = sum(upper - lower for lower, upper in self.free)
        if not 0 < share <= free + EXACT:
            raise InvalidInputError(
                f"layer {self.salt} has {free:.6g} of its users free, {experiment} asks for {share:.6g}"
            )
        parts, left = list(self.parts), share
        for lower, upper in self.free:
            if left < EXACT:
                break
            length = min(upper - lower, left)
            end = upper if upper - lower - length < EXACT else lower + length
            parts.append(Part(experiment, lower, end))
            left -= length
        return replace(self, parts=tuple(parts))

    def left_by(self, experiment: str) -> Layer:
        """Without an experiment: what it had is free."""
        return replace(self, parts=tuple(part for part in self.parts if part.experiment != experiment))

    def draws(self, keys: Keys) -> Floats:
        """(n,) the number of each user in the layer, by key (n,)."""
        return uniform(mix(keys, seed(self.salt, "layer")))

    def places(self, keys: Keys) -> Ints:
        """(n,) the place of the part that each user is in, NO_PART of users in none."""
        draws = self.draws(keys)
        at = np.searchsorted([part.lower for part in self.parts], draws, side="right") - 1
        uppers = np.array([*(part.upper for part in self.parts), 0.0])  # the last is of users below all parts
        return np.where(draws < uppers[at], at, NO_PART)

    def members(self, keys: Keys, experiment: str) -> Bools:
        """(n,) which users may be in an experiment."""
        mine = np.array([*(part.experiment == experiment for part in self.parts), False])
        return mine[self.places(keys)]


def share_of(parts: Sequence[Part], experiment: str) -> float:
    """Of all users, the share that may be in an experiment."""
    return sum(part.upper - part.lower for part in parts if part.experiment == experiment)
