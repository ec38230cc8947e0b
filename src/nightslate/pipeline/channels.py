"""The channels by which a program's arms are sent on a night."""

from __future__ import annotations

from nightslate.kernels.channels import OpenChannels, open_channels
from nightslate.pipeline.arms import offered_arms
from nightslate.pipeline.night import IssueNight, Night
from nightslate.tables import Table


def channels_tonight(night: IssueNight, arms: Table) -> OpenChannels | None:
    """Those of the issue's arms on offer; None where arms are not sent."""
    sends, rules = night.program.sends, night.program.contacts
    if sends is None:
        return None
    consents = sends.consents(night.program.context)
    quiet = rules.quiet if rules else None
    return open_channels(sends, consents, quiet, night.slate_date, offered_arms(night, arms))


def channels_by_issue(night: Night, arms: Table) -> dict[str, OpenChannels]:
    """Those of each issue's arms on offer; none where arms are not sent."""
    found = {of.issue.name: channels_tonight(of, arms) for of in night.issues}
    return {issue: channels for issue, channels in found.items() if channels is not None}


def columns_of_channels(night: Night) -> tuple[str, ...]:
    """The columns of contexts by which channels reach users."""
    sends = night.program.sends
    return sends.columns(night.program.context) if sends else ()
