"""The app: who sees which checkout, by the table `assignments` or by a test whose shares never change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.errors import SpecError
from nightslate.kernels.lists import matrix, place_in
from nightslate.kernels.pseudonyms import Pseudonymiser
from nightslate.worlds.published_slates import assignments_of_day
from nightslate.worlds.rollout_allocation.world import World

VARIANTS = ("control", "treatment")
CONTROL, TREATMENT = range(len(VARIANTS))
NOBODY = -1
"""The variant of users who are in no experiment yet: the app shows them the control."""


class Assigned(NamedTuple):
    """Of all users on a day: the place of the variant (n,), NOBODY of who is in none; with which probability
    (n,), 1 of these; and the shares (n, variants) of users like each, NaN of these."""

    variant: Ints
    probability: Floats
    shares: Floats

    @property
    def known(self) -> Bools:
        """(n,) who is in the experiment."""
        return np.asarray(self.variant != NOBODY)

    @property
    def treated(self) -> Bools:
        """(n,) whom the app shows the treatment."""
        return np.asarray(self.variant == TREATMENT)

    @classmethod
    def nobody(cls, users: int) -> Assigned:
        """Before there is an experiment."""
        return cls(np.full(users, NOBODY), np.ones(users), np.full((users, len(VARIANTS)), np.nan))


class Assigns(Protocol):
    """Says who is in which variant."""

    def __call__(self, day: int) -> Assigned:
        """Of all users of the world."""


@dataclass(frozen=True)
class PublishedAssignments:
    """Reads the table of assignments, in a `folder`, as any app does. Raises SpecError for variants that it
    has no checkout for."""

    world: World
    first_day: date
    folder: Path
    pseudonymise: Pseudonymiser

    def __call__(self, day: int) -> Assigned:
        """Those of the day that are published now."""
        rows = assignments_of_day(self.folder, self.first_day + timedelta(days=day))
        users = self.pseudonymise(pa.array(self.world.people.ids, pa.string()))
        variant = place_in(rows["variant"], pa.array(VARIANTS))
        if (variant < 0).any():
            unknown = sorted({*rows["variant"].to_pylist()} - {*VARIANTS})
            raise SpecError(f"variants: this world has the checkouts {VARIANTS}, and none for {unknown[0]!r}")
        found = Assigned.nobody(self.world.users)
        place = place_in(rows["user_id"], users)
        found.variant[place] = variant
        found.probability[place] = rows["probability"].to_numpy()
        own = np.asarray(pc.is_valid(rows["shares"]), dtype=np.bool_)
        if own.any():
            found.shares[place[own]] = matrix(rows["shares"].filter(pa.array(own)))
        return found


@dataclass(frozen=True)
class FixedTest:
    """A test with the same shares (variants,) for ever: whoever comes is in it on the next day."""

    world: World
    shares: tuple[float, ...]

    def __call__(self, day: int) -> Assigned:
        """By a draw of the user's alone."""
        users, shares = self.world.users, np.array(self.shares)
        known = self.world.people.joins < day
        drawn = np.searchsorted(np.cumsum(shares)[:-1], self.world.draws(0, "fixed test"), side="right")
        return Assigned(
            variant=np.where(known, drawn, NOBODY),
            probability=np.where(known, shares[drawn], 1.0),
            shares=np.where(known[:, None], np.broadcast_to(shares, (users, len(shares))), np.nan),
        )
