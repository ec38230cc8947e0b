"""What lands every day: the logs of a program, their features, and which of these interact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nightslate.programs.learners import LearnerSpec, Linear
from nightslate.programs.strict import MOST_ROWS, Days, Name, Share, Strict, Text, Worth

LANDED = "_SUCCESS"
"""The marker beside the files of a log's day: they are all there."""

TAKEN = {
    "context": {
        *(
            "impression_id",
            "decision_id",
            "user_id",
            "occurred_at",
            "surface",
            "slot",
            "arm_id",
            "propensity",
            "propensity_kind",
        ),
        *("slate_id", "eligible_arms", "variant", "policy", "issue", "issue_probability"),
        *("trajectory_id", "step", "terminal"),
        *("model_digest", "release_digest", "issue_models"),
        "next_eligible_arms",
        *("reward", "bucket", "ds"),
    },
    "arm_features": {"arm_id", "bucket", "ds"},
    "activity": {"user_id", "occurred_at", "kind", "landed_at", "known_at", "bucket", "ds"},
}
"""The columns that tables with a program's own have anyway, and those that a night adds. Contracts are not
read here, where DAG files are parsed; a test holds this against them."""

_KINDS_NAMED = 5

SQL_WORDS = {
    *("all", "current_date", "current_time", "current_timestamp", "distinct", "exists", "false", "interval"),
    *("not", "struct", "trim", "true"),
}
"""What Delta's reader of constraints never takes for a column."""


Boundaries = Annotated[tuple[Worth, ...], Field(strict=False)]  # YAML has lists, not tuples
Consent = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,53}$")]
"""What users agree to; `consent_` before it is the name of a column."""


class ArmFeature(Strict):
    """A column of arms: a category (one-hot over the values seen) or a number (as it is).

    `boundaries` make a number a category of intervals: below the first, from each one up to the next, and
    from the last one on."""

    name: Name
    type: Literal["category", "number"]
    boundaries: Boundaries = ()

    @model_validator(mode="after")
    def _has_intervals(self) -> Self:
        if self.boundaries and self.type != "number":
            raise ValueError(f"boundaries: {self.name} is a category; only numbers have intervals")
        require_ascending(self.boundaries)
        return self


class Feature(ArmFeature):
    """A column of contexts, likewise. `consent`: what a user has to have agreed to for it to be used; as JSON
    one that needs none says nothing of it."""

    consent: Consent | None = Field(default=None, exclude_if=lambda consent: consent is None)


def consent_column(consent: str | None) -> str | None:
    """The column of `users`, and of what is shown to them, that says who has given a consent."""
    return None if consent is None else f"consent_{consent}"


def require_ascending(boundaries: tuple[float, ...]) -> None:
    """Raise ValueError for ends of intervals that are not one after another."""
    if any(left >= right for left, right in pairwise(boundaries)):
        raise ValueError(f"boundaries: each must be larger than the one before, not {list(boundaries)}")


Features = Annotated[tuple[Feature, ...], Field(strict=False, max_length=1000)]
ArmFeatures = Annotated[tuple[ArmFeature, ...], Field(strict=False, max_length=1000)]
Cross = Annotated[tuple[Name, Name], Field(strict=False)]


class ActivityColumn(Strict):
    """A column of activity of a program's own: text, or a number. A row need not have a value."""

    name: Name
    type: Literal["category", "number"]


class Activity(Strict):
    """What users do, event by event, as it comes. `columns`: those beside `user_id`, `occurred_at`, `kind`
    and `landed_at`. `kinds`: those that are known; others are counted, and kept. `keep_days`: how far back
    features may look."""

    columns: Annotated[tuple[ActivityColumn, ...], Field(strict=False, max_length=1000)] = ()
    kinds: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    keep_days: Days = 35

    @model_validator(mode="after")
    def _has_names_of_its_own(self) -> Activity:
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            raise ValueError(f"columns: a column is declared twice in {names}")
        _require_free("activity", names)
        return self

    def unknown(self, counts: Mapping[str, int]) -> str:
        """A word on rows of kinds that are not among `kinds`, given how many there are of each; empty without
        any, and where `kinds` says nothing."""
        unknown = {kind: rows for kind, rows in sorted(counts.items()) if kind not in self.kinds}
        if not unknown or not self.kinds:
            return ""
        named = f"{', '.join(list(unknown)[:_KINDS_NAMED])}{', ...' if len(unknown) > _KINDS_NAMED else ''}"
        return f"{sum(unknown.values())} of kinds of activity that the program does not name: {named}"

    @property
    def types(self) -> dict[str, Literal["category", "number"]]:
        """Of its columns, by name."""
        return {column.name: column.type for column in self.columns}

    @property
    def kept(self) -> timedelta:
        """How far back features may look."""
        return timedelta(days=self.keep_days)


class Signals(Strict):
    """What happens outside, as it lands: the log `signals`. `region`: the category of contexts that says
    where a user is; without it every signal is for all."""

    region: Name | None = None


class Rejects(Strict):
    """How much of a day's landing a night tolerates in quarantine before it stops."""

    max_share: Share = 0.01
    max_files: int = Field(default=0, ge=0, le=MOST_ROWS)


class Logs(Strict):
    """What lands every day, and what a propensity in it means, whether it was logged or follows from a slate.

    `conditional`: the probability of this arm in this slot given the slots before it.
    `marginal`: the probability of this arm in this slot, whatever came before.
    `crosses`: the pairs of a context feature and an arm feature that interact; None: all of them.
    `arm_dates`: columns of arms that are days, which features are made of. `activity`: the log of what users
    do beside what they are shown, if there is one. `signals`: that of what happens outside, if there is one.
    """

    propensity: Literal["conditional", "marginal"]
    context: Features = ()
    arm_features: ArmFeatures = ()
    crosses: Annotated[tuple[Cross, ...], Field(strict=False)] | None = None
    references: bool = False
    arm_dates: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    activity: Activity | None = None
    signals: Signals | None = None
    rejects: Rejects = Rejects()

    @model_validator(mode="after")
    def _is_consistent(self) -> Logs:
        columns = {
            "context": [feature.name for feature in self.context],
            "arm_features": [*(feature.name for feature in self.arm_features), *self.arm_dates],
        }
        for key, names in columns.items():
            if len(set(names)) < len(names):
                raise ValueError(f"a column is declared twice in {names}")
            _require_free(key, names)
        categories = [feature.name for feature in self.context if feature.type == "category"]
        if self.signals and self.signals.region not in (None, *categories):
            raise ValueError(
                f"signals.region: {self.signals.region!r} is no category of context (there: {categories})"
            )
        crosses = self.crosses or ()
        if len(set(crosses)) < len(crosses):
            raise ValueError(f"crosses: a pair is named twice in {[list(cross) for cross in crosses]}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The landing logs a night waits for."""
        more = {
            "references": self.references,
            "activity": self.activity is not None,
            "signals": self.signals is not None,
        }
        return ("impressions", "outcomes", "users", "arms", *(name for name, lands in more.items() if lands))


def _require_free(key: str, names: list[str]) -> None:
    """Raise ValueError where a column has a name that means something else beside it."""
    taken = TAKEN[key] | ({f"next_{name}" for name in names} if key == "context" else set())
    for name in names:
        if name in taken:
            raise ValueError(
                f"{key}: the name {name!r} is taken by a column that programs have anyway; choose another,"
                " and land the column under it"
            )
        if name in SQL_WORDS:
            raise ValueError(
                f"{key}: the name {name!r} is a word of SQL, which no table can hold; choose another"
            )


def require_crossing(logs: Logs, context: Iterable[str], learners: Iterable[LearnerSpec]) -> None:
    """Raise ValueError where crosses name what is no feature of contexts or of arms, and where no learner
    looks at those of arms."""
    there = {
        "logs.context or features": list(context),
        "logs.arm_features": [feature.name for feature in logs.arm_features],
    }
    for cross in logs.crosses or ():
        for name, (place, names) in zip(cross, there.items(), strict=True):
            if name not in names:
                raise ValueError(f"logs.crosses: {name!r} is not one of {place} (there: {names})")
    kinds = list(learners)
    pooled = (isinstance(one, Linear) and one.pooling != "disjoint" for one in kinds)
    if logs.crosses is not None and not (any(pooled) or "epsilon_greedy" in (one.kind for one in kinds)):
        raise ValueError(
            "logs.crosses: no learner looks at them; set a `pooling` of shared or hybrid, or add one of kind"
            " epsilon_greedy"
        )
