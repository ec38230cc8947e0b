"""What a user has not agreed to is null: in the rows of a log as it is taken in, in features, and in what is
read of users who have withdrawn since."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools
from nightslate.kernels.lists import place_in
from nightslate.records.values import mask

USER, DAY = "user_id", "ds"

Needs = Mapping[str, str]
"""By column that takes a consent the column that says whether a user has given it."""


def as_agreed(rows: pa.Table, needs: Needs) -> pa.Table:
    """The rows, with null in each column that takes a consent where a row does not say that it was given."""
    return _without(rows, needs, lambda consent: ~_given(rows, consent))


def as_not_refused(rows: pa.Table, needs: Needs) -> pa.Table:
    """The rows, with null in each column that takes a consent where the row says that it was not given."""
    return _without(rows, needs, lambda consent: _refused(rows[consent]))


@dataclass(frozen=True)
class Consents:
    """What users say of the consents that a program asks for. needs: for what; newest: USER, DAY and a column
    for each consent, a row a user."""

    needs: Needs
    newest: pa.Table

    @classmethod
    def of(cls, needs: Needs, users: pa.Table) -> Self:
        """By rows of `users` of some days: of each user the newest counts, whatever was said before; of
        several of one day it takes all of them to agree."""
        consents = tuple(dict.fromkeys(needs.values()))
        given = {consent: pc.fill_null(users[consent], False) for consent in consents}
        rows = pa.table({USER: users[USER], DAY: users[DAY], **given})
        of_day = rows.group_by([USER, DAY], use_threads=False).aggregate([(name, "min") for name in consents])
        of_day = of_day.rename_columns([USER, DAY, *consents])
        of_day = of_day.sort_by([(USER, "ascending"), (DAY, "descending")])
        ids = of_day[USER].to_numpy()
        first = np.append(True, ids[1:] != ids[:-1])[: ids.size]
        return cls(needs, of_day.filter(pa.array(first)))

    def decided(self, rows: pa.Table) -> pa.Table:
        """Rows of a log. Of a consent that one says nothing of its user's row counts, and one that says
        something was logged under that; what is not agreed to is null."""
        for consent, said in self.said_by(rows[USER]).items():
            at = rows.schema.get_field_index(consent)
            rows = rows.set_column(at, rows.schema.field(at), pc.coalesce(rows[consent], said))
        return as_agreed(rows, self.needs)

    def withdrawn(self, rows: pa.Table) -> pa.Table:
        """Rows of users, with null in what these don't agree to by now; whoever is not here has not said
        anything since."""
        said = self.said_by(rows[USER])
        return _without(rows, self.needs, lambda consent: _refused(said[consent]))

    def said_by(self, users: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
        """By consent (n,) what these users say of it, null of whom nothing is known."""
        place = pa.array(place_in(users, self.newest[USER].combine_chunks()))
        place = pc.if_else(pc.less(place, 0), None, place)
        return {consent: self.newest[consent].take(place) for consent in dict.fromkeys(self.needs.values())}

    def refusing(self) -> pa.Table:
        """The rows of `newest` of users who do not agree to all that is asked for."""
        given = np.ones(self.newest.num_rows, dtype=np.bool_)
        for consent in self.needs.values():
            given &= _given(self.newest, consent)
        return self.newest.filter(pa.array(~given))


def _given(rows: pa.Table, consent: str) -> Bools:
    """(n,) where a consent was given: where nothing is said it was not."""
    return mask(rows[consent].combine_chunks())


def _refused(said: pa.ChunkedArray) -> Bools:
    """(n,) where it is said that a consent was not given."""
    return mask(pc.equal(said, False).combine_chunks())


def _without(rows: pa.Table, needs: Needs, lacking: Callable[[str], Bools]) -> pa.Table:
    """The rows, with null in what takes a consent that is lacking (n,)."""
    places = np.arange(rows.num_rows)
    for consent in dict.fromkeys(needs.values()):
        nulled = lacking(consent)
        if not nulled.any():
            continue
        left = pa.array(places, mask=nulled)
        for name in (name for name, takes in needs.items() if takes == consent):
            at = rows.schema.get_field_index(name)
            rows = rows.set_column(at, rows.schema.field(at), rows[name].take(left))
    return rows
