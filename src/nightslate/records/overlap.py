"""Whether the keys of two logs are of one kind: where hardly any of one is in the other, they are not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.records.chunks import UnusableFileError
from nightslate.records.ids import are_ids, ids
from nightslate.records.reading import read

KEYS = ("user_id", "impression_id")
"""What outcomes and impressions have in common."""

ID_FORMS = "nightslate.id_forms"
"""Where the metadata of a log's day says what its keys look like, by column."""

STRANGERS = "nightslate.strangers"
"""Where the metadata of a day of `unattributed` says that hardly any outcome has a key that was shown."""

LEAST_SHARE = 0.05
"""Of outcomes whose key is among the impressions; fewer are hardly any."""

_LONGEST = 40
_EXAMPLES = 3


@dataclass(frozen=True)
class Overlap:
    """How many outcomes there are, and of users who were shown anything; how many name an impression, and one
    that their user was shown."""

    outcomes: int = 0
    of_known_users: int = 0
    naming: int = 0
    naming_known: int = 0

    @classmethod
    def of(cls, impressions: pa.Table, outcomes: pa.Table) -> Self:
        """Of all outcomes of some users, and what these were shown."""
        known = pc.is_in(outcomes["user_id"], pc.unique(impressions["user_id"]))
        if "impression_id" not in outcomes.column_names:
            return cls(outcomes.num_rows, _count(known))
        named = outcomes["impression_id"]
        naming_known = pc.is_in(pc.drop_null(named), pc.unique(impressions["impression_id"]))
        return cls(outcomes.num_rows, _count(known), _count(named.is_valid()), _count(naming_known))

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(
            self.outcomes + other.outcomes,
            self.of_known_users + other.of_known_users,
            self.naming + other.naming,
            self.naming_known + other.naming_known,
        )

    def strangers(self, here: Mapping[str, Sequence[str]], there: Callable[[str], Sequence[str]]) -> str:
        """What there is to say of the first key that outcomes hardly ever share with impressions; nothing
        where they do. here, there: what they look like in outcomes and in impressions, by column."""
        counts = (self.of_known_users, self.outcomes), (self.naming_known, self.naming)
        for name, (found, total) in zip(KEYS, counts, strict=True):
            if hardly_any(found, total):
                return (
                    f"only {found:,} of {total:,} outcomes have a {name} that is among the impressions,"
                    f" under {LEAST_SHARE:.0%}; it is like {_listed(here.get(name, ()))} in outcomes and like"
                    f" {_listed(there(name))} in impressions: do both logs write it in one form?"
                )
        return ""


def hardly_any(found: int, total: int) -> bool:
    """Whether so few of a total are under LEAST_SHARE."""
    return found < LEAST_SHARE * total


def form(text: str) -> str:
    """What an id looks like, which does not tell whose it is: 9 for a digit, one a for letters in a row."""
    shape = ""
    for each in text[:_LONGEST]:
        kind = "9" if each.isdigit() else "a" if each.isalpha() else each
        if kind != "a" or not shape.endswith("a"):
            shape += kind
    return shape + "…" * (len(text) > _LONGEST)


def forms_of(files: Iterable[Path], names: Collection[str], pointed: Collection[str]) -> dict[str, list[str]]:
    """The forms of ids by column, a few, from the first rows that there are; pointed as in `ids`."""
    for file in files:
        try:
            chunk = next((chunk for chunk in read(file, columns=list(names)) if chunk.rows.num_rows), None)
        except UnusableFileError:
            continue
        if chunk is not None:
            rows = chunk.rows.slice(0, 1000)
            there = [name for name in names if name in rows.column_names and are_ids(rows[name].type)]
            found = {name: ids(rows[name], name in pointed).array.drop_null().to_pylist() for name in there}
            return {name: examples(map(form, texts)) for name, texts in found.items()}
    return {}


def examples(texts: Iterable[str]) -> list[str]:
    """The first few that differ."""
    found: dict[str, None] = {}
    for text in texts:
        found[text] = None
        if len(found) == _EXAMPLES:
            break
    return list(found)


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(f'"{text}"' for text in texts) or "nothing"


def _count(flags: pa.ChunkedArray) -> int:
    return int(pc.sum(flags).as_py() or 0)
