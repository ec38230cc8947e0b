"""Conditions on contexts as vectors: what a declared rule looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Floats, Ints
from nightslate.kernels.conditions import holding
from nightslate.kernels.encoding import Encoder, first_of, told_apart
from nightslate.programs.conditions import Condition, columns_of, parse


@dataclass(frozen=True)
class Indicators:
    """For each condition, in the words of a program, 1 where it holds and 0 where it does not, or where a
    value is missing that would decide it; 1 everywhere for None. `types`: of the columns that they are on.

    They are asked of the values themselves: of an `Encoder`'s vectors a missing number is 0, and a category
    is nothing where the logs have not shown it."""

    conditions: tuple[str | None, ...]
    types: Mapping[str, str]

    @property
    def features(self) -> tuple[str, ...]:
        """The columns of contexts that are looked at, each once."""
        asked = (columns_of(each) for each in self._parsed if each is not None)
        return tuple(dict.fromkeys(name for names in asked for name in names))

    def __call__(self, rows: pa.Table) -> Floats:
        """(n, conditions) of the rows."""
        vectors = np.ones((rows.num_rows, len(self.conditions)))
        for place, condition in enumerate(self._parsed):
            if condition is not None:
                vectors[:, place] = holds(rows, condition)
        return vectors

    def distinct(self, rows: pa.Table) -> tuple[Ints, Ints]:
        """(m,) a row for each vector that there is among n rows, and (n,) the place of each row's among
        them."""
        alike = np.zeros(rows.num_rows, dtype=np.int64)
        for of_condition in self(rows).T:
            alike = told_apart(alike, of_condition)
        return first_of(alike), alike

    def to_json(self) -> dict[str, Any]:
        """As it is kept in a model file."""
        return {
            "conditions": list(self.conditions),
            "types": {name: self.types[name] for name in self.features},
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Indicators:
        """What `to_json` described."""
        return cls(tuple(content["conditions"]), content["types"])

    @cached_property
    def _parsed(self) -> tuple[Condition | None, ...]:
        return tuple(None if text is None else parse(text, self.types) for text in self.conditions)


AnyEncoder = Encoder | Indicators
"""What makes vectors of contexts for a policy."""


def encoder_from_json(content: dict[str, Any]) -> AnyEncoder:
    """What `to_json` of either described."""
    return Indicators.from_json(content) if "conditions" in content else Encoder.from_json(content)


def holds(rows: pa.Table, condition: Condition) -> Bools:
    """(n,) whether it holds for sure: not where a value is missing that would decide it."""
    return np.asarray(pc.fill_null(holding(rows, condition), False))
