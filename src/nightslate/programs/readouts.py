"""What is read out of an experiment: metrics of users, what is known of these before, and what may not get
worse."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nightslate.programs.computable import columns_of
from nightslate.programs.features import ColumnType, Condition
from nightslate.programs.logs import Activity, Logs
from nightslate.programs.strict import MOST_DAYS, Duration, Name, Strict, Worth

REWARDS = "rewards"
_OF_METRICS = ("kind", "per", "day", "winsorise", "after", "until")


class Measured(Strict):
    """What is counted of each user: the rows of a log that a condition holds for, or the sum of a `column` of
    theirs, or how many values of one are `distinct`. Of `rewards` it is what impressions of the issue earn,
    less what they cost."""

    source: Literal["rewards", "outcomes", "impressions", "activity"]
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
        if any(part.source == REWARDS or part.distinct for part in self.measured):
            raise ValueError(
                "novelty: rewards come some time after what earns them, and values are new at first, so that"
                " the first days differ whatever the variant does; count outcomes that come at once"
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
        return self

    def _require_event(self) -> None:
        if self.window is None:
            raise ValueError(
                "window: the mean time to an event is that within a `window`, which is what counts of users"
                " who never have one"
            )
        if self.source == REWARDS or self.column or self.distinct or self.winsorise:
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
        return self.kind not in ("retention", "time_to_event")

    @property
    def begins(self) -> timedelta:
        """How long after a user's first exposure it begins to count."""
        return timedelta(days=self.day or 0)

    @property
    def lasts(self) -> timedelta | None:
        """How long it counts; None: until now."""
        return timedelta(days=1) if self.kind == "retention" else self.window


class Covariate(Measured):
    """What a user did in the `window` before the first exposure, so that no variant can have changed it."""

    window: Duration

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


Guardrails = Annotated[tuple[Guardrail, ...], Field(strict=False, max_length=100)]


def require_comparable(
    control: str | None,
    decided_by: str | None,
    metrics: Mapping[str, Metric],
    covariates: Mapping[str, Covariate],
    segments: Sequence[str],
    guardrails: Sequence[Guardrail],
    variants: Iterable[str],
) -> None:
    """Raise ValueError, naming the key, unless there is a control, something else, and what they are compared
    by; or nothing is asked at all."""
    names = list(variants)
    if control is None and not metrics:
        asked = {
            "decided_by": decided_by,
            "covariates": covariates,
            "segments": segments,
            "guardrails": guardrails,
        }
        for key, said in asked.items():
            if said:
                raise ValueError(f"experiment.{key}: say the `control` and the `metrics` that it is for")
        return
    if control is None or not metrics:
        lacking = "metrics" if control else "control"
        raise ValueError(f"experiment.{lacking}: a readout needs a `control` and `metrics`")
    if control not in names:
        raise ValueError(f"experiment.control: {control!r} is not one of the variants (there: {names})")
    if len(names) < 2:
        raise ValueError(
            f"experiment.control: {control} is the only variant; there is none to compare it with"
        )
    if decided_by is None and len(metrics) > 1:
        raise ValueError(f"experiment.decided_by: say by which of the metrics (there: {list(metrics)})")
    named = [("decided_by", decided_by)] if decided_by else []
    for key, name in [*named, *(("guardrails", each.metric) for each in guardrails)]:
        if name not in metrics:
            raise ValueError(f"experiment.{key}: {name!r} is not one of the metrics (there: {list(metrics)})")


def require_measurable(
    metrics: Mapping[str, Metric],
    covariates: Mapping[str, Covariate],
    segments: Sequence[str],
    logs: Logs,
) -> None:
    """Raise ValueError, naming the key, unless the program's logs have what is measured."""
    parts = [(f"metrics.{name}", part) for name, metric in metrics.items() for part in metric.measured]
    parts += [(f"covariates.{name}", covariate) for name, covariate in covariates.items()]
    for place, part in parts:
        _require_columns(f"experiment.{place}", part, logs)
    for name, covariate in covariates.items():
        kept = logs.activity.kept if logs.activity else None
        if covariate.source == "activity" and kept and covariate.window > kept:
            raise ValueError(
                f"experiment.covariates.{name}: its window is longer than activity is kept,"
                f" logs.activity.keep_days: {kept.days}"
            )
    categories = [feature.name for feature in logs.context if feature.type == "category"]
    for name in segments:
        if name not in categories:
            raise ValueError(
                f"experiment.segments: {name!r} is not a category of logs.context (there: {categories})"
            )


def measurable_columns(logs: Logs) -> dict[str, dict[str, ColumnType]]:
    """By source the columns that may be looked at, with their types: those of the log, and of logs that name
    arms those of the arm."""
    of_logs, of_arms = columns_of(logs), {feature.name: feature.type for feature in logs.arm_features}
    found: dict[str, dict[str, ColumnType]] = {"rewards": {}}
    for source in ("outcomes", "impressions"):
        found[source] = {**of_arms, **of_logs[source]}
    if "activity" in of_logs:
        found["activity"] = of_logs["activity"]
    return found


def _require_columns(place: str, part: Measured, logs: Logs) -> None:
    columns = measurable_columns(logs)
    if part.source not in columns:
        raise ValueError(f"{place}: it is of activity; declare `logs.activity` with its columns")
    there = columns[part.source]
    for name in part.looked_at:
        if name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            hint = f"; is {near[0]} what is meant?" if near else ""
            raise ValueError(f"{place}: {name!r} is no column of {part.source} (there: {list(there)}){hint}")
    if part.column and there[part.column] != "number":
        raise ValueError(f"{place}: column: sums are of numbers, and {part.column} is a category")
    if part.source == "activity" and logs.activity:
        _require_kinds(place, part, logs.activity)


def _require_kinds(place: str, part: Measured, activity: Activity) -> None:
    asked = part.where.get("kind", ())
    for kind in asked if isinstance(asked, tuple) else (asked,):
        if activity.kinds and kind not in activity.kinds:
            raise ValueError(
                f"{place}: {kind!r} is none of logs.activity.kinds (there: {list(activity.kinds)})"
            )
