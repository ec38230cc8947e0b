"""What an interval is."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from nightslate.core.ope.statistic import Statistic


@dataclass(frozen=True)
class Bounds:
    """A standard error, None where nothing varies, and both ends of an interval, in the unit of the value."""

    stderr: float | None
    lower: float
    upper: float


class Interval(Protocol):
    """A frozen dataclass of settings. `guaranteed`: coverage holds for every number of clusters, given the
    range of rewards; otherwise it holds as they grow many."""

    name: ClassVar[str]
    guaranteed: ClassVar[bool]

    def __call__(self, statistic: Statistic, confidence: float) -> Bounds | None:
        """The interval of a statistic with a finite value; None where the rows can't give one. That nothing
        varies is no certainty: an interval that goes by what varies is None there."""
