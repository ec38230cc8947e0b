"""Whom contact rules withhold, checked before any slate of the day can be read."""

from __future__ import annotations

import pyarrow as pa

from nightslate.engines import Tables, Work
from nightslate.kernels.contact_audit import withheld_faults
from nightslate.pipeline.channels import channels_by_issue
from nightslate.pipeline.contact_rules import (
    columns_looked_at,
    contacts_tonight,
    published_before,
    shown_before,
    withheld_tonight,
)
from nightslate.pipeline.fault_counts import counts_of, require_sound
from nightslate.pipeline.night import Night
from nightslate.pipeline.served_users import UserTables, known_users
from nightslate.tables import Table


def audit_withheld(
    night: Night,
    known_of: UserTables,
    impressions: Table,
    arms: Table,
    withheld: Table,
    slates: Table,
) -> None:
    """Raise ContractError unless those are withheld whom the contact rules withhold, or whom no channel
    reaches, by a second look. That all others have slates, and they have none, is what slates are held
    against."""
    contacts = contacts_tonight(night, channels_by_issue(night, arms))
    inputs, known = known_users(night, known_of, columns_looked_at(night))
    inputs["impressions"] = shown_before(night, impressions)
    inputs["slates"] = published_before(night, slates).of_users_in("users")
    inputs["withheld"] = withheld_tonight(night, withheld, ("user_id", "reason"))

    def counted(tables: Tables) -> pa.Table:
        rows = (tables[name] for name in ("impressions", "slates", "withheld"))
        return counts_of(withheld_faults(contacts, known(tables), *rows))

    require_sound(
        night.engine.map(counted, Work(inputs, night.program.buckets)),
        "contact rules do not withhold whom the table withheld names, and nothing will be published; run the"
        " steps contacts and score again",
    )
