"""A program's contact rules on a night: what they look at, and whom they withhold slates from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from nightslate.engines import Input
from nightslate.errors import ContractError
from nightslate.kernels.channels import OpenChannels
from nightslate.kernels.contact_caps import CAPPED, ContactCaps
from nightslate.kernels.contact_counts import RECENT
from nightslate.kernels.contacts import IMPRESSIONS_READ, SLATES_READ, Concerned, Contacts
from nightslate.kernels.eligibility import EligibleUsers
from nightslate.kernels.value_counts import ValueCounts
from nightslate.pipeline.arms import last_values
from nightslate.pipeline.bucket_inputs import bucket_input, slates_day_input
from nightslate.pipeline.channels import columns_of_channels
from nightslate.pipeline.night import Night
from nightslate.programs.contacts import ContactRules
from nightslate.programs.days import days_before
from nightslate.tables import Table

COUNTS = "nightslate.contacts"
"""What a night counted beside whom it withheld, as JSON in the commit of `withheld`: by what and by which."""


def contacts_tonight(
    night: Night, channels: Mapping[str, OpenChannels], caps: ContactCaps | None = None
) -> Contacts:
    """The rules for the slates of a night. channels: by issue those of its arms on offer; none where arms are
    not sent. caps: the limits by channel and by arm, where there are any."""
    program, rules = night.program, night.program.contacts or ContactRules()
    salt = rules.holdout.salt if rules.holdout else None
    issues = {
        name: Concerned(EligibleUsers(issue.eligible, issue.concern), issue.slots, channels.get(name))
        for name, issue in program.issues.items()
    }
    opt_out, one_issue = rules.opted_out(program.context), program.issue_choice is not None
    return Contacts(
        rules, opt_out, issues, salt or night.name, night.slate_date, one_issue, caps or ContactCaps()
    )


def caps_tonight(night: Night, arms: Table) -> ContactCaps | None:
    """The limits by channel and by arm; None where nothing is closed to users who get slates all the same.
    Arms that are on offer no more go by the channel that they had last."""
    sends, rules = night.program.sends, night.program.contacts or ContactRules()
    if sends is None or not night.program.caps:
        return None
    since = night.ds - timedelta(days=days_before(max(rules.longest_period, RECENT)))
    last = last_values(arms.rows(since, night.ds).sort_by("ds"), sends.channel)
    return ContactCaps(rules.caps, frozenset(sends.transactional), last)


def capped_tonight(night: Night, capped: Table) -> Input:
    """What the step `contacts` found closed to users. Raises ContractError where it has not run."""
    day = night.slate_date
    if not capped.is_written(day):
        raise ContractError(
            f"{night.name} capped {day}: nobody has asked yet which arms limits close to users; run the step"
            " contacts first"
        )
    return slates_day_input(capped, day, CAPPED.names)


def columns_looked_at(night: Night) -> Collection[str]:
    """The columns of contexts by which users are withheld."""
    rules = night.program.contacts or ContactRules()
    of_issues = (name for issue in night.program.issues.values() for name in issue.concerned_by)
    return {*rules.columns(night.program.context), *of_issues, *columns_of_channels(night)}


def shown_before(night: Night, impressions: Table) -> Input:
    """The impressions of as many days as contacts are counted over, and of the day before the newest: what
    came on it is held against what came before."""
    rules = night.program.contacts or ContactRules()
    days = days_before(max(rules.longest_period, RECENT))
    return bucket_input(night, impressions, IMPRESSIONS_READ, night.ds - timedelta(days=days))


def published_before(night: Night, slates: Table) -> Input:
    """The slates of the day that was published last, of ds or before it: they are shown until those of
    tonight are there."""
    days = (day for day in slates.snapshot().written() if day <= night.ds)
    return slates_day_input(slates, max(days, default=None), SLATES_READ)


def withheld_tonight(night: Night, withheld: Table, columns: Sequence[str] = ("user_id",)) -> Input:
    """Whom the step `contacts` withheld the slates of tonight from. Raises ContractError where it has not
    run."""
    day = night.slate_date
    if not withheld.is_written(day):
        raise ContractError(
            f"{night.name} withheld {day}: nobody has asked yet whom contact rules withhold; run the step"
            " contacts first"
        )
    return slates_day_input(withheld, day, columns)


def reasons(night: Night, withheld: Table) -> dict[str, int]:
    """How many users are withheld tonight for each reason, in the order of reasons."""
    snapshot, counted = withheld.snapshot(), ValueCounts.initial(["reason"])
    for file in snapshot.files(night.slate_date, night.slate_date):
        counted = counted.update(snapshot.rows_of(file, ["reason"]))
    found, order = counted.by_column["reason"], withheld.contract.column("reason").allowed
    return {reason: found[reason] for reason in order if reason in found}
