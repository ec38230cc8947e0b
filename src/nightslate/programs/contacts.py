"""Whom a program may contact, how often and when: what holds before anybody is scored."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from nightslate.programs.conditions import Condition, columns_of, concern_of
from nightslate.programs.days import in_short
from nightslate.programs.logs import Feature
from nightslate.programs.strict import MOST_ROWS, Duration, Name, Strict, Text

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)

Hour = Annotated[int, Field(ge=0, le=24)]


class PeriodLimit(Strict):
    """So many contacts of a user within any period of this length; of one `channel` alone, or of each arm for
    itself (`per: arm`)."""

    most: int = Field(ge=1, le=MOST_ROWS)
    period: Duration
    channel: Name | None = None
    per: Literal["arm"] | None = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> PeriodLimit:
        if self.channel and self.per:
            raise ValueError(
                f"say `channel: {self.channel}`, or `per: arm`; an arm goes by one channel anyway"
            )
        return self

    @property
    def of(self) -> str:
        """What it counts, in words."""
        return f"by {self.channel}" if self.channel else "of an arm" if self.per else ""

    @property
    def of_all_contacts(self) -> bool:
        """Whether every contact counts, whatever it shows."""
        return self.channel is None and self.per is None


class QuietTimes(Strict):
    """When nobody is contacted, in the user's time: whole days, and hours from the first up to the second,
    over midnight where the first is later. `zone`: the column that has the IANA name of the user's zone."""

    zone: Name | None = None
    days: Annotated[tuple[Weekday, ...], Field(strict=False)] = ()
    hours: Annotated[tuple[Hour, Hour] | None, Field(strict=False)] = None

    @model_validator(mode="after")
    def _leaves_some_time(self) -> QuietTimes:
        if not self.days and self.hours is None:
            raise ValueError("say when: `days` such as [saturday, sunday], or `hours` such as [21, 8]")
        if len(set(self.days)) < len(self.days):
            raise ValueError(f"days: one is named twice in {list(self.days)}")
        if len(self.days) == len(WEEKDAYS):
            raise ValueError("days: all seven are quiet, so that nobody would ever be contacted")
        if self.hours is not None and self.hours[0] % 24 == self.hours[1] % 24:
            raise ValueError(
                f"hours: from {self.hours[0]} to {self.hours[1]} is no time, or all of it; write such as"
                " [21, 8], from 21:00 to before 8:00"
            )
        return self


class Holdout(Strict):
    """A share of users who get nothing at all, by a hash of salt and user."""

    share: float = Field(gt=0, lt=1)
    salt: Text | None = None


class ContactRules(Strict):
    """The rules of a program. `uncounted` (in the file: `except`): arms that are no contact. `expires`:
    whether an engine shows slates on their own day alone."""

    uncounted: Annotated[tuple[str, ...], Field(strict=False)] = Field(default=(), alias="except")
    limits: Annotated[tuple[PeriodLimit, ...], Field(strict=False, max_length=20)] = ()
    gap: Duration | None = None
    opt_out: Text | None = None
    quiet: QuietTimes | None = None
    holdout: Holdout | None = None
    expires: bool = False

    @model_validator(mode="after")
    def _say_each_thing_once(self) -> ContactRules:
        if len(set(self.uncounted)) < len(self.uncounted):
            raise ValueError(f"except: an arm is named twice in {list(self.uncounted)}")
        told = [(limit.period, limit.channel, limit.per) for limit in self.limits]
        twice = [period for place, (period, *of) in enumerate(told) if (period, *of) in told[:place]]
        if twice:
            raise ValueError(f"limits: two are for the period {in_short(twice[0])}; keep the lower one")
        return self

    @property
    def caps(self) -> tuple[PeriodLimit, ...]:
        """The limits that leave a user other arms."""
        return tuple(limit for limit in self.limits if not limit.of_all_contacts)

    @property
    def longest_period(self) -> timedelta:
        """How long before a moment contacts are looked for; none without limits and a gap."""
        return max((*(limit.period for limit in self.limits), self.gap or timedelta(0)))

    def opted_out(self, context: Iterable[Feature]) -> Condition | None:
        """What holds for users who want no contact. Raises ValueError where it can't be meant."""
        return concern_of(self.opt_out, context)

    def columns(self, context: Iterable[Feature]) -> tuple[str, ...]:
        """The columns of contexts that it looks at."""
        condition = self.opted_out(context)
        zone = (self.quiet.zone,) if self.quiet and self.quiet.zone else ()
        return tuple(dict.fromkeys((*(columns_of(condition) if condition else ()), *zone)))


def require_answerable(
    rules: ContactRules | None, landed: Iterable[Feature], context: Iterable[Feature]
) -> None:
    """Raise ValueError, naming the key, where the rules look at columns that nobody has. landed: columns of
    `logs.context`; context: those and features."""
    if rules is None:
        return
    try:
        rules.opted_out(context)
    except ValueError as error:
        raise ValueError(f"contacts.opt_out: {error}") from error
    zone = rules.quiet.zone if rules.quiet else None
    categories = [column.name for column in landed if column.type == "category"]
    if zone is not None and zone not in categories:
        raise ValueError(
            f"contacts.quiet.zone: {zone!r} is not a category of logs.context (there: {categories}); it has"
            " IANA names such as Europe/Berlin"
        )
