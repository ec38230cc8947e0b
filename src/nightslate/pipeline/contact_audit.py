"""Whom contact rules withhold, checked before any slate of the day can be read."""

from __future__ import annotations

import pyarrow as pa

from nightslate.engines import Tables, Work
from nightslate.kernels.contact_audit import capped_faults, withheld_faults
from nightslate.pipeline.channels import channels_by_issue
from nightslate.pipeline.contact_rules import (
    capped_tonight,
    caps_tonight,
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
    capped: Table,
    slates: Table,
) -> None:
    """Raise ContractError unless those are withheld whom the contact rules withhold, or whom no channel
    reaches, by a second look. That all others have slates, and they have none, is what slates are held
    against."""
    caps = caps_tonight(night, arms)
    contacts = contacts_tonight(night, channels_by_issue(night, arms), caps)
    inputs, known = known_users(night, known_of, columns_looked_at(night))
    inputs["impressions"] = shown_before(night, impressions)
    inputs["slates"] = published_before(night, slates).of_users_in("users")
    inputs["withheld"] = withheld_tonight(night, withheld, ("user_id", "reason"))

    if caps is not None:
        inputs["capped"] = capped_tonight(night, capped)

    def counted(tables: Tables) -> pa.Table:
        people, shown, published = known(tables), tables["impressions"], tables["slates"]
        found = withheld_faults(contacts, people, shown, published, tables["withheld"])
        if caps is not None:
            closed = tables["withheld"], tables["capped"]
            found = pa.concat_tables([found, capped_faults(contacts, people, shown, published, *closed)])
        return counts_of(found)

    require_sound(
        night.engine.map(counted, Work(inputs, night.program.buckets)),
        "contact rules do not withhold whom the table withheld names, or close what the table capped says,"
        " and nothing will be published; run the steps contacts and score again",
    )
