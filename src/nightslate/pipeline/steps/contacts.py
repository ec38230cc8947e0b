"""Whom contact rules withhold tonight's slates from, by what was shown and by what is published already."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pyarrow as pa

from nightslate.engines import Tables, Work
from nightslate.kernels.contact_counts import contact_counts
from nightslate.pipeline.arms import of_no_arm
from nightslate.pipeline.channels import channels_by_issue
from nightslate.pipeline.contact_rules import (
    COUNTS,
    caps_tonight,
    columns_looked_at,
    contacts_tonight,
    published_before,
    reasons,
    shown_before,
)
from nightslate.pipeline.night import Night
from nightslate.pipeline.served_users import UserTables, known_users
from nightslate.programs.contacts import ContactRules
from nightslate.tables import Staged, Table


def run(
    night: Night,
    users: Table,
    impressions: Table,
    features: Table,
    features_of_arms: Table,
    risks: Table,
    arms: Table,
    slates: Table,
    withheld: Table,
    capped: Table,
) -> str:
    """One partition: a function of the logs up to ds, and of the slates published for ds or before it."""
    rules = night.program.contacts or ContactRules()
    caps = caps_tonight(night, arms)
    contacts = contacts_tonight(night, channels_by_issue(night, arms), caps)
    known_of = UserTables(users, features, features_of_arms, risks)
    inputs, known = known_users(night, known_of, columns_looked_at(night))
    inputs["impressions"] = shown_before(night, impressions)
    buckets = night.program.buckets
    with_slates = Work({**inputs, "slates": published_before(night, slates).of_users_in("users")}, buckets)

    def withheld_among(tables: Tables) -> dict[str, pa.Table]:
        read = known(tables), tables["impressions"], tables["slates"]
        found = {"withheld": contacts.withheld(*read)}
        if caps is not None:
            found["capped"] = contacts.capped(*read, found["withheld"])
        return {name: rows.sort_by("user_id") for name, rows in found.items()}

    attempts = {"withheld": withheld.begin(night.slate_date)}
    if caps is not None:
        attempts["capped"] = capped.begin(night.slate_date)
    staged = night.engine.write(withheld_among, with_slates, attempts)
    by_unit = night.engine.map(
        lambda tables: contact_counts(contacts, known(tables), tables["impressions"]),
        Work(inputs, buckets),
    )
    counts = _summed(by_unit)
    if caps is not None:
        capped.publish(staged["capped"], night.commit_metadata)
    withheld.publish(staged["withheld"], {**night.commit_metadata, COUNTS: json.dumps(counts)})
    longest = max(night.issues, key=lambda each: each.issue.training.window_days)
    unknown = of_no_arm(longest, arms, "contacts.except", rules.uncounted)
    why = ", ".join(f"{number} {reason}" for reason, number in reasons(night, withheld).items())
    users_of_day = sum(counts["users"].values())
    return (
        f"{staged['withheld'].rows} of {users_of_day} users are withheld{f': {why}' if why else ''}"
        f"{_closed(staged.get('capped'))}"
        f"{_breaches(counts)}{_zones(counts)}{f'. Look: {unknown}' if unknown else ''}"
    )


def _closed(capped: Staged | None) -> str:
    return f"; {capped.rows} channels and arms are closed to others" if capped and capped.rows else ""


def _summed(counts: pa.Table) -> dict[str, dict[str, int]]:
    """What was counted, by what and of which, over all units."""
    found: dict[str, dict[str, int]] = {"users": {}}
    total = counts.group_by(["what", "of"], use_threads=False).aggregate([("value", "sum")])
    for row in total.to_pylist():
        found.setdefault(row["what"], {})[row["of"]] = row["value_sum"]
    return found


def _breaches(counts: Mapping[str, Mapping[str, int]]) -> str:
    """A word on contacts of the day that the rules did not allow."""
    found = {name: number for name, number in counts.get("breach", {}).items() if number}
    listed = ", ".join(f"{number} beyond {name}" for name, number in found.items())
    return f"; WARNING: contacts of the day against the rules: {listed}" if listed else ""


def _zones(counts: Mapping[str, Mapping[str, int]]) -> str:
    unknown = sum(counts.get("unknown_zone", {}).values())
    return f"; {unknown} users have no zone that is known: UTC" if unknown else ""
