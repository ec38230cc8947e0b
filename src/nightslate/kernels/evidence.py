"""Evidence on pairs of policies: of each cohort its terms, by bucket and merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Self

import numpy as np

from nightslate.core.arrays import AnyArray, require_names
from nightslate.core.evidence import Term

_NOBODY = ""


EARNED = {"earned": 1.0, "earned_negated": -1.0}
"""What came where the policy chose itself, and what bounds it from above: minus that."""


class Pair(NamedTuple):
    """What a term is about: the day shown, the kind (a `difference`, a `value`, or one of `EARNED`), a
    policy, and of a difference the one that it is held against."""

    shown: date
    about: str
    policy: str
    reference: str | None


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the users of some cohorts say about pairs of policies."""

    terms: Mapping[Pair, Term]

    @classmethod
    def initial(cls) -> Self:
        """That of no users."""
        return cls({})

    def merge(self, other: Self) -> Self:
        """That of the users of both, of whom none is in both."""
        merged = dict(self.terms)
        for pair, term in other.terms.items():
            merged[pair] = merged[pair].merge(term) if pair in merged else term
        return type(self)(merged)

    def arrays(self) -> dict[str, AnyArray]:
        """All of the state, to travel between processes without pickle."""
        named = [(p.shown.isoformat(), p.about, p.policy, p.reference or _NOBODY) for p in self.terms]
        of_terms = [term.arrays() for term in (Term.initial(), *self.terms.values())]
        stacked = {name: np.stack([term[name] for term in of_terms])[1:] for name in of_terms[0]}
        return {"pairs": np.array(named, dtype=np.str_).reshape(-1, 4), **stacked}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """The state that `arrays()` described."""
        stacked = {name: array for name, array in arrays.items() if name != "pairs"}
        require_names(cls.__name__, arrays, ("pairs", *Term.initial().arrays()))
        return cls(
            {
                Pair(date.fromisoformat(day), about, policy, reference or None): Term.from_arrays(
                    {name: array[place] for name, array in stacked.items()}
                )
                for place, (day, about, policy, reference) in enumerate(arrays["pairs"].tolist())
            }
        )
