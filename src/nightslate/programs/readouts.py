"""What is read out of an experiment: metrics of users, what is known of these before, and what may not get
worse."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nightslate.programs.features import Condition
from nightslate.programs.strict import MOST_DAYS, Duration, Name, Strict, Worth

REWARDS, FEATURES = "rewards", "features"
FORMER = "former_variant"
"""The segment of users by what an earlier experiment assigned them to."""
MOVED = "moved_towards"
"""The segment of users by the variant that their own shares favour, where these follow the context."""

_OF_METRICS = ("kind", "per", "day", "winsorise", "after", "until")


class Measured(Strict):
    """What is counted of each user: the rows of a log that a condition holds for, or the sum of a `column` of
    theirs, or how many values of one are `distinct`. Of `rewards` it is what impressions of the issue earn,
    less what they cost; of `features` what the feature `column` of the user is, as of the end of the last day
    that is over."""

    source: Literal["rewards", "outcomes", "impressions", "activity", "features"]
    where: Condition = Field(default={})
    column: Name | None = None
    distinct: Name | None = None

    @model_validator(mode="after")
    def _counts_one_thing(self) -> Measured:
        if self.column and self.distinct:
            raise ValueError("distinct: say `column`, whose values are summed, or `distinct`, not both")
        if self.source == REWARDS and (self.where or self.column or self.distinct):
            raise ValueError(
                "source: rewards are summed as they are; to count some of what users do, take outcomes"
            )
        if self.source == FEATURES and (self.where or self.distinct or not self.column):
            raise ValueError(
                "source: of features say the `column`, one of the program's; neither `where` nor `distinct`"
            )
        return self

    @property
    def looked_at(self) -> tuple[str, ...]:
        """The columns that it looks at."""
        return (*self.where, *(name for name in (self.column, self.distinct) if name))


class Winsorise(Strict):
    """What a user counts for at most: a `value`, or that `quantile` of all exposed users'."""

    value: Worth | None = None
    quantile: float | None = Field(default=None, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Winsorise:
        if (self.value is None) == (self.quantile is None):
            raise ValueError("say a `value`, or a `quantile` of all users'")
        return self


class Metric(Measured):
    """A figure of each variant. `kind`: the mean of what is measured over users, its sum over that of what it
    is held against (`per`), the share of users with any, or of those with any on the `day` so many days after
    the first, or the days until the first of them, at most the window. `window`: since a user's first
    exposure; who has had less of it does not count yet. None: all since then, for whom it is long and for
    whom it is short. `winsorise`: the most that a user counts for.
    `novelty`: the first of the window, whose effect is held against that of what is left of it."""

    kind: Literal["mean", "ratio", "share", "retention", "time_to_event"] = "mean"
    per: Measured | None = None
    day: int | None = Field(default=None, ge=1, le=MOST_DAYS)
    window: Duration | None = None
    winsorise: Winsorise | None = None
    novelty: Duration | None = None

    @model_validator(mode="after")
    def _has_first_and_later_days(self) -> Metric:
        if self.novelty is None:
            return self
        if self.window is None or self.window <= self.novelty:
            raise ValueError(
                "novelty: the first days are held against what is left of the `window`; say a longer one"
            )
        if self.kind not in ("mean", "ratio") or self.winsorise:
            raise ValueError("novelty: it is of a mean or a ratio without `winsorise`, which adds up by day")
        if any(part.source in (REWARDS, FEATURES) or part.distinct for part in self.measured):
            raise ValueError(
                "novelty: it is of rows as they come; rewards come some time after what earns them, features"
                " have windows of their own, and values are new at first, whatever the variant does"
            )
        return self

    @model_validator(mode="after")
    def _is_whole(self) -> Metric:
        if (self.kind == "ratio") != (self.per is not None):
            raise ValueError("per: a ratio is held against something, and no other kind is")
        if (self.kind == "retention") != (self.day is not None):
            raise ValueError("day: retention is of the day so many after the first, and no other kind is")
        if self.kind == "retention" and self.window:
            raise ValueError("window: what retention looks at is its `day`")
        if self.kind in ("share", "retention") and self.winsorise:
            raise ValueError(f"winsorise: a user of a {self.kind} counts for 1 at most anyway")
        if self.kind == "time_to_event":
            self._require_event()
        if any(part.source == FEATURES for part in self.measured) and self.kind not in ("mean", "share"):
            raise ValueError(f"kind: a {self.kind} is of what was done in a time; a feature is as of its end")
        return self

    def _require_event(self) -> None:
        if self.window is None:
            raise ValueError(
                "window: the mean time to an event is that within a `window`, which is what counts of users"
                " who never have one"
            )
        if self.source in (REWARDS, FEATURES) or self.column or self.distinct or self.winsorise:
            raise ValueError(
                "kind: the time to an event is that to the first row of a log that `where` holds for; it has"
                " neither `column` nor `distinct` nor `winsorise`"
            )

    @property
    def measured(self) -> tuple[Measured, ...]:
        """What is counted: above, and below where it is a ratio."""
        return (self, *([self.per] if self.per else []))

    @property
    def has_days(self) -> bool:
        """Whether there is something of it on each day."""
        return self.kind not in ("retention", "time_to_event") and self.source != FEATURES

    @property
    def adds_up(self) -> bool:
        """Whether it is a sum over days, or a ratio of two."""
        parts = self.measured
        return (
            self.kind in ("mean", "ratio")
            and self.winsorise is None
            and not any(part.source == FEATURES or part.distinct for part in parts)
        )

    @property
    def begins(self) -> timedelta:
        """How long after a user's first exposure it begins to count."""
        return timedelta(days=self.day or 0)

    @property
    def lasts(self) -> timedelta | None:
        """How long it counts; None: until now."""
        return timedelta(days=1) if self.kind == "retention" else self.window


class Covariate(Measured):
    """What a user did in the `window` before the first exposure, or a feature as of the end of the day before
    it, so that no variant can have changed it."""

    window: Duration | None = None

    @model_validator(mode="after")
    def _says_how_far_back(self) -> Covariate:
        if (self.window is None) != (self.source == FEATURES):
            raise ValueError(
                "window: say how long before a user's first exposure rows count; a feature has its own"
            )
        return self

    @property
    def looks_back(self) -> timedelta:
        """How long before the first exposure its rows begin."""
        return self.window or timedelta(0)

    @model_validator(mode="before")
    @classmethod
    def _looks_back(cls, said: Any) -> Any:
        late = [key for key in _OF_METRICS if isinstance(said, Mapping) and key in said]
        if late:
            raise ValueError(
                f"{late[0]}: a covariate is of the `window` before a user's first exposure; what looks after"
                " it, as metrics do, is what the variant may have changed"
            )
        return said


class Guardrail(Strict):
    """A metric that may not get worse by more than a margin, in its own unit. `worse`: which way that is."""

    metric: Name
    margin: Worth = Field(ge=0)
    worse: Literal["lower", "higher"] = "lower"


class Fatigue(Strict):
    """How users respond to being shown the same arm again: `kinds` of outcomes that are credited to an
    impression `within` a time; from the `most`-th showing on all count as one."""

    kinds: Annotated[tuple[Name, ...], Field(strict=False, min_length=1, max_length=100)]
    within: Duration
    most: int = Field(default=6, ge=2, le=50)


Guardrails = Annotated[tuple[Guardrail, ...], Field(strict=False, max_length=100)]
