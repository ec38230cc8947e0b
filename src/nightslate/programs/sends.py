"""By which channels a program's arms reach users as messages: who consents to which, and when they go out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from nightslate.programs.conditions import Condition, columns_of, parse
from nightslate.programs.contacts import ContactRules, Hour
from nightslate.programs.logs import Feature, Logs
from nightslate.programs.strict import Duration, Name, Strict, Text

_QUARTER = timedelta(minutes=15)


def _within_a_day(value: timedelta) -> timedelta:
    if value >= timedelta(days=1) or value % _QUARTER:
        raise ValueError("less than a day, in quarters of an hour, such as 4h or 90m")
    return value


class SendChannel(Strict):
    """`consent`: the condition on what is known of users under which one may be reached so. `hours`: of the
    user's day, from the first to before the second, over midnight where the first is later; None: all.
    `transactional`: what goes by it is no contact, and neither limits nor quiet times hold it back."""

    consent: Text
    transactional: bool = False
    hours: Annotated[tuple[Hour, Hour] | None, Field(strict=False)] = None

    @model_validator(mode="after")
    def _has_a_window(self) -> SendChannel:
        if self.hours is not None and self.hours[0] % 24 == self.hours[1] % 24:
            raise ValueError(
                f"hours: from {self.hours[0]} to {self.hours[1]} is no window, or the whole day; write such"
                " as [9, 18], from 9:00 to before 18:00, or leave it out"
            )
        return self

    def condition(self, context: Iterable[Feature]) -> Condition:
        """What consent is. Raises ValueError where it can't be meant."""
        return parse(self.consent, {column.name: column.type for column in context})


class Sends(Strict):
    """`channel`: the category of arms that says how one is sent; `nothing`: its value for arms that send
    nothing. `zone`: the column that has the IANA name of a user's time zone. `ready`: how long after the
    first moment of the (UTC) day of slates its sends may begin."""

    channel: Name
    channels: dict[Name, SendChannel] = Field(min_length=1, max_length=20)
    nothing: Text | None = None
    zone: Name | None = None
    ready: Annotated[Duration, AfterValidator(_within_a_day)] = timedelta(hours=4)

    @model_validator(mode="after")
    def _sends_what_it_calls_a_channel(self) -> Sends:
        if self.nothing in self.channels:
            raise ValueError(f"nothing: {self.nothing!r} is one of the channels, which send something")
        return self

    @property
    def values(self) -> tuple[str, ...]:
        """What `channel` of an arm may be."""
        return (*self.channels, *((self.nothing,) if self.nothing else ()))

    @property
    def transactional(self) -> tuple[str, ...]:
        """The channels whose messages are no contacts."""
        return tuple(name for name, channel in self.channels.items() if channel.transactional)

    def consents(self, context: Iterable[Feature]) -> Mapping[str, Condition]:
        """By channel. Raises ValueError, naming the channel, where one can't be meant."""
        known, found = tuple(context), {}
        for name, channel in self.channels.items():
            try:
                found[name] = channel.condition(known)
            except ValueError as error:
                raise ValueError(f"channels.{name}.consent: {error}") from error
        return found

    def columns(self, context: Iterable[Feature]) -> tuple[str, ...]:
        """The columns of contexts that it looks at."""
        of_consents = (columns_of(consent) for consent in self.consents(context).values())
        zone = (self.zone,) if self.zone else ()
        return tuple(dict.fromkeys((*(name for names in of_consents for name in names), *zone)))


def require_sendable(
    sends: Sends | None,
    logs: Logs,
    context: Iterable[Feature],
    contacts: ContactRules | None,
    others: Mapping[str, bool],
) -> None:
    """Raise ValueError, naming the key, where sends go by columns that nobody has, and beside what they don't
    go with. others: by key of the program, whether it is said."""
    if sends is None:
        return
    try:
        sends.consents(context)
    except ValueError as error:
        raise ValueError(f"sends.{error}") from error
    of_arms, of_users = (
        [column.name for column in columns if column.type == "category"]
        for columns in (logs.arm_features, logs.context)
    )
    if sends.channel not in of_arms:
        raise ValueError(
            f"sends.channel: {sends.channel!r} is not a category of logs.arm_features (there: {of_arms})"
        )
    if sends.zone is not None and sends.zone not in of_users:
        raise ValueError(
            f"sends.zone: {sends.zone!r} is not a category of logs.context (there: {of_users}); it has IANA"
            " names such as Europe/Berlin"
        )
    if contacts and contacts.quiet and contacts.quiet.zone != sends.zone:
        raise ValueError(
            f"sends.zone: {sends.zone} is another zone than contacts.quiet.zone, {contacts.quiet.zone}; a"
            " user lives in one"
        )
    for key, why in _NOT_BESIDE.items():
        if others.get(key):
            raise ValueError(f"sends: {why}; leave out `{key}`, or make it a program of its own")


def require_caps(contacts: ContactRules | None, sends: Sends | None, issues: int) -> None:
    """Raise ValueError, naming the key, where limits are by channels or arms that nobody sends."""
    if contacts is None or not contacts.caps:
        return
    if sends is None:
        raise ValueError(
            "contacts.limits: `channel` and `per` are for programs with `sends`, whose users may get some of"
            " the arms alone"
        )
    if not contacts.expires:
        raise ValueError(
            "contacts.limits: `channel` and `per` count what was shown, and what is published may still be;"
            " say `contacts.expires: true`, that a send is out on its own day or not at all"
        )
    counted = [name for name in sends.channels if name not in sends.transactional]
    for limit in contacts.caps:
        if limit.channel is not None and limit.channel not in counted:
            raise ValueError(
                f"contacts.limits: {limit.channel!r} is not one of sends.channels that are not transactional"
                f" (there: {counted})"
            )
        if limit.per is not None and issues > 1:
            raise ValueError(
                "contacts.limits: `per: arm` is for a program of one issue; of several each could send the"
                " same arm"
            )


_NOT_BESIDE = {
    "issue_choice": "what an issue promises a user is computed with all of its arms, whatever the channel",
    "serving": "the app decides as users act, and asks for no consent to a channel",
    "updates": "slates that change during their day would leave sends behind that have gone out",
    "sequence": "a state is worth what comes of it with all arms, whatever the channel",
}
