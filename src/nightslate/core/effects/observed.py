"""Users of an experiment of whom it is known what came: what effects are learnt from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from nightslate.core.arrays import AnyArray, ArrayRecord, Floats, Ints, Keys
from nightslate.core.hashing import lowest


@dataclass(frozen=True, eq=False)
class Observed(ArrayRecord):
    """Of n users what was known of each before it was assigned, contexts (n, d), whose first number is 1; the
    fold (n,); the place (n,) of the variant that it was assigned to, and its own probabilities (n, k) of all
    k variants; what came of it (n, M), by metric; and its key (n,)."""

    contexts: Floats
    fold: Ints
    variant: Ints
    probabilities: Floats
    values: Floats
    keys: Keys

    @property
    def propensity(self) -> Floats:
        """(n,) with which each came to be in its variant."""
        return np.take_along_axis(self.probabilities, self.variant[:, None], axis=1)[:, 0]

    def taken(self, at: Ints) -> Self:
        """Some of them."""
        return replace(self, **{f.name: getattr(self, f.name)[at] for f in fields(Observed)})

    def by_fold(self) -> Iterator[tuple[int, Ints]]:
        """The folds that there are, and where their users are."""
        for fold in np.unique(self.fold):
            yield int(fold), np.flatnonzero(self.fold == fold)


@dataclass(frozen=True, eq=False)
class UserSample(Observed):
    """Those with the lowest keys among some users, most () of them at most, in the order of keys: the same
    ones however users come."""

    most: Ints

    @classmethod
    def of(cls, users: Observed, most: int) -> Self:
        """The sample of these."""
        return cls(**users.arrays(), most=np.asarray(most))._lowest()

    def merge(self, other: Self) -> Self:
        """That of the users of both."""
        both = {f.name: np.concatenate([getattr(each, f.name) for each in (self, other)]) for f in _OF_USERS}
        return replace(self, **both)._lowest()

    def _lowest(self) -> Self:
        kept = np.flatnonzero(lowest(self.keys, int(self.most))) if len(self.keys) else np.arange(0)
        return self.taken(kept[np.argsort(self.keys[kept], kind="stable")])


_OF_USERS = fields(Observed)


def nobody(features: int, variants: int, metrics: int) -> Observed:
    """No users, of contexts of so many numbers."""
    whole: AnyArray = np.zeros(0, dtype=np.int64)
    return Observed(
        np.zeros((0, features)),
        whole,
        whole,
        np.zeros((0, variants)),
        np.zeros((0, metrics)),
        whole.astype(np.uint64),
    )
