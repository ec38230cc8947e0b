"""What lands every day: the logs of a program, their features, and which of these interact."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from nightslate.programs.learners import Linear
from nightslate.programs.strict import Name, Share, Strict

if TYPE_CHECKING:
    from nightslate.programs.spec import Program


class Feature(Strict):
    """A column of contexts or arms: a category (one-hot over the values seen) or a number (as it is).

    `boundaries` make a number a category of intervals: below the first, from each one up to the next, and
    from the last one on."""

    name: Name
    type: Literal["category", "number"]
    boundaries: Annotated[tuple[float, ...], Field(strict=False)] = ()  # YAML has lists, not tuples

    @model_validator(mode="after")
    def _has_intervals(self) -> Feature:
        if self.boundaries and self.type != "number":
            raise ValueError(f"boundaries: {self.name} is a category; only numbers have intervals")
        if any(left >= right for left, right in pairwise(self.boundaries)):
            raise ValueError(
                f"boundaries: each must be larger than the one before, not {list(self.boundaries)}"
            )
        return self


Features = Annotated[tuple[Feature, ...], Field(strict=False)]
Cross = Annotated[tuple[Name, Name], Field(strict=False)]


class Rejects(Strict):
    """How much of a day's landing a night tolerates in quarantine before it stops."""

    max_share: Share = 0.01
    max_files: int = Field(default=0, ge=0)


class Logs(Strict):
    """What lands every day, and what a propensity in it means, whether it was logged or follows from a slate.

    `conditional`: the probability of this arm in this slot given the slots before it.
    `marginal`: the probability of this arm in this slot, whatever came before.
    `crosses`: the pairs of a context feature and an arm feature that interact; None: all of them.
    """

    propensity: Literal["conditional", "marginal"]
    context: Features = ()
    arm_features: Features = ()
    crosses: Annotated[tuple[Cross, ...], Field(strict=False)] | None = None
    references: bool = False
    rejects: Rejects = Rejects()

    @model_validator(mode="after")
    def _is_consistent(self) -> Logs:
        columns = {
            "context": [feature.name for feature in self.context],
            "arm_features": [feature.name for feature in self.arm_features],
        }
        for names in columns.values():
            if len(set(names)) < len(names):
                raise ValueError(f"a column is declared twice in {names}")
        crosses = self.crosses or ()
        for cross in crosses:
            for name, (key, names) in zip(cross, columns.items(), strict=True):
                if name not in names:
                    raise ValueError(f"crosses: {name!r} is not one of logs.{key} (there: {names})")
        if len(set(crosses)) < len(crosses):
            raise ValueError(f"crosses: a pair is named twice in {[list(cross) for cross in crosses]}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The landing logs a night waits for."""
        return ("impressions", "outcomes", "users", "arms", *(("references",) if self.references else ()))


def require_crossing(program: Program) -> None:
    """Raise ValueError where crosses are named and no learner looks at the features of arms."""
    pooled = (isinstance(one, Linear) and one.pooling != "disjoint" for one in program.learners.values())
    if program.logs.crosses is not None and not (
        any(pooled) or "epsilon_greedy" in (one.kind for one in program.learners.values())
    ):
        raise ValueError(
            "logs.crosses: no learner looks at them; set a `pooling` of shared or hybrid, or add one of kind"
            " epsilon_greedy"
        )
