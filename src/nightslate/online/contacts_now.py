"""Whether contact rules allow that a user is contacted now, by all contacts that there were until now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from nightslate.contracts import arrow, load
from nightslate.core.contact_limits import refused_by
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.contacts import IMPRESSIONS_READ, Contacts, contacts_of, in_holdout
from nightslate.kernels.show_times import quiet_hours, zone_named
from nightslate.online.by_user import ByUser
from nightslate.pipeline.contact_rules import contacts_tonight, shown_before
from nightslate.pipeline.night import Night
from nightslate.programs.days import in_short
from nightslate.records.instants import INSTANT

SHOWN = pa.schema([arrow.types(load("impressions").columns).field(name) for name in IMPRESSIONS_READ])
"""What is looked at of impressions."""


@dataclass(frozen=True)
class ContactsNow:
    """By the rules of a program. before: the impressions that nights have taken in."""

    contacts: Contacts
    before: ByUser

    @property
    def counts_contacts(self) -> bool:
        """Whether it matters how often a user was contacted."""
        return bool(self.contacts.limits)

    def refusal(self, user: pa.Table, shown: pa.Table, at: datetime) -> str | None:
        """Why the user of this row, which has the whole context, may not be contacted now; None where that is
        allowed. shown: what the app has shown since, as `SHOWN`."""
        rules = self.contacts.rules
        holdout = rules.holdout
        if holdout and in_holdout(user_keys(user), holdout.share, self.contacts.salt)[0]:
            return "holdout"
        if self.contacts.opted_out(user)[0]:
            return "opted_out"
        contacts = contacts_of(
            pa.concat_tables([self.before.of(user), shown.cast(SHOWN)]), self.contacts.uncounted
        )
        moment = pa.scalar(at, INSTANT).cast(pa.int64()).as_py()
        refused = refused_by(self.contacts.limits, contacts["at"].to_numpy(), moment)
        if refused is not None:
            period = in_short(timedelta(microseconds=refused.period))
            return f"{refused.name}: {refused.most} in {period} at most"
        if rules.quiet is not None:
            zone = user[rules.quiet.zone][0].as_py() if rules.quiet.zone else None
            if quiet_hours(rules.quiet).is_quiet(at, zone_named(zone) or UTC):
                return "quiet"
        return None


def contacts_now(night: Night) -> ContactsNow | None:
    """Those of decisions after this night; None where the program has no rules."""
    if night.program.contacts is None:
        return None
    shown = shown_before(night, night.table("impressions"))
    before = ByUser(shown, night.program.buckets, lambda rows: rows.cast(SHOWN), night.scratch)
    return ContactsNow(contacts_tonight(night, {}), before)
