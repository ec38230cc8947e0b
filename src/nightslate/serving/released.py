"""A model as it was served, and all by which its decisions may have been made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nightslate.kernels.assignments import Assignment
from nightslate.kernels.scoring import ScoredBy
from nightslate.serving.multipliers import GivenMultipliers
from nightslate.serving.ranking import ServedModel
from nightslate.serving.release import Release


@dataclass(frozen=True)
class Released:
    """multipliers: those that any night has solved for the day or the one before, of which a decision went by
    one; assignments: likewise, who was in which variant. complete: whether all of these are still there."""

    release: Release
    model: ScoredBy
    multipliers: Sequence[Mapping[str, float]]
    assignments: Sequence[Assignment]
    complete: bool = True

    def served(self) -> Iterator[ServedModel]:
        """What may have made its decisions."""
        for by_arm in self.multipliers:
            yield ServedModel(self.release, self.model, GivenMultipliers(by_arm))


def named(release: Release) -> str:
    """A release with its model, as impressions name what their issue was drawn by."""
    return f"{release.model_digest}/{release.digest}"
