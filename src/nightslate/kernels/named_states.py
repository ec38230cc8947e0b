"""States by name, of which there are as many as rows tell of: such as one for each value of a column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from nightslate.core.allocation.share_sums import ShareSums
from nightslate.core.arrays import AnyArray
from nightslate.core.experiments import Moments, SampleRatio

State = TypeVar("State", Moments, SampleRatio, ShareSums)
Place = tuple[str | None, ...]
"""What a state is called."""

Told = TypeVar("Told")

_NAMES = "names"


def in_order(found: Mapping[Place, Told]) -> list[tuple[Place, Told]]:
    """By place, whose names may be None."""
    return sorted(found.items(), key=lambda named: repr(named[0]))


@dataclass(frozen=True, eq=False)
class ByName(Generic[State]):
    """Those that are known, each of the same shape."""

    states: Mapping[Place, State]

    of: ClassVar[Any]

    @classmethod
    def initial(cls) -> Self:
        """None yet."""
        return cls({})

    def merge(self, other: Self) -> Self:
        """Those of both; what both have is merged."""
        found = dict(self.states)
        for place, state in other.states.items():
            found[place] = found[place].merge(state) if place in found else state
        return type(self)(found)

    def arrays(self) -> dict[str, AnyArray]:
        """All of them, one after another."""
        names = json.dumps([*self.states]).encode()
        states = [state.arrays() for state in self.states.values()]
        stacked = {name: np.stack([each[name] for each in states]) for name in (states[0] if states else ())}
        return {_NAMES: np.frombuffer(names, dtype=np.uint8), **stacked}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """Those that `arrays()` described."""
        places = [tuple(each) for each in json.loads(arrays[_NAMES].tobytes())]
        stacked = {name: array for name, array in arrays.items() if name != _NAMES}
        return cls(
            {
                place: cls.of.from_arrays({name: array[row] for name, array in stacked.items()})
                for row, place in enumerate(places)
            }
        )


class MomentsByName(ByName[Moments]):
    """Moments of one cell each."""

    of = Moments


class SampleRatiosByName(ByName[SampleRatio]):
    """How many users are in each variant, and were to be."""

    of = SampleRatio


class ShareSumsByName(ByName[ShareSums]):
    """What shares users of one part of all have."""

    of = ShareSums
