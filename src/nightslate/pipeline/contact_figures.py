"""What a night's page says of contact rules, from what steps recorded."""

from __future__ import annotations

import json

from nightslate.kernels.contact_counts import MANY
from nightslate.pipeline.contact_rules import COUNTS, reasons
from nightslate.pipeline.night import Night
from nightslate.pipeline.slates_named import OUTSIDE
from nightslate.reports.contacts import ContactFigures
from nightslate.tables import Table


def contact_figures(night: Night, withheld: Table, impressions: Table) -> ContactFigures | None:
    """Those of tonight; None for a program without contact rules."""
    rules = night.program.contacts
    if rules is None:
        return None
    counts = json.loads(withheld.snapshot().metadata(night.slate_date).get(COUNTS, "{}"))
    recent = counts.get("recent", {})
    outside = impressions.snapshot().metadata(night.ds).get(OUTSIDE)
    return ContactFigures(
        users=sum(counts.get("users", {}).values()),
        withheld=reasons(night, withheld),
        recent={int(number): recent[number] for number in sorted(recent, key=int)},
        many=MANY,
        breaches=counts.get("breach", {}),
        outside=None if outside is None else int(outside),
        unknown_zones=sum(counts.get("unknown_zone", {}).values()),
        holdout_share=rules.holdout.share if rules.holdout else None,
    )
