"""Whether contact rules allowed decisions that were served, each at its own moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.arrays import Bools, Ints
from nightslate.core.contact_limits import contacts_before, first_exceeded
from nightslate.kernels.buckets import user_keys
from nightslate.kernels.contacts import Contacts, contacts_of, in_holdout
from nightslate.kernels.show_times import quiet_hours, zone_named
from nightslate.programs.contacts import QuietTimes
from nightslate.records.instants import INSTANT

AGAINST_RULES = "contact rules did not allow it then: "
_MINUTE = 60_000_000


def against_rules(contacts: Contacts, served: pa.Table, shown: pa.Table) -> pa.Array:
    """(n,) what is at fault with each of some impressions, null where nothing is. served: with the contexts
    that their users had then; shown: all `IMPRESSIONS_READ` of these users that were known then, or later."""
    rules, keys, n = contacts.rules, user_keys(served), served.num_rows
    limits = contacts.limits
    counted = contacts_of(shown, contacts.uncounted)
    users = pc.unique(
        pa.concat_arrays([served["user_id"].combine_chunks(), counted["user_id"].combine_chunks()])
    )
    of_contact, asked = (
        pc.index_in(rows["user_id"], users).to_numpy().astype(np.int64) for rows in (counted, served)
    )
    at = served["occurred_at"].cast(INSTANT).cast(pa.int64()).to_numpy()
    before = contacts_before(limits, of_contact, counted["at"].to_numpy(), asked, at)
    exceeded = first_exceeded(limits, before, np.ones(n, dtype=np.int64))
    held = (
        in_holdout(keys, rules.holdout.share, contacts.salt) if rules.holdout else np.zeros(n, dtype=np.bool_)
    )
    quiet = _is_quiet(rules.quiet, served, at) if rules.quiet else np.zeros(n, dtype=np.bool_)
    why = np.select(
        [held, contacts.opted_out(served), exceeded >= 0, quiet],
        ["holdout", "opted_out", np.array([*(limit.name for limit in limits), ""])[exceeded], "quiet"],
        "",
    )
    said = pa.array(why.tolist(), pa.string(), mask=why == "")
    return pc.binary_join_element_wise(AGAINST_RULES, said, "")


def _is_quiet(quiet: QuietTimes, served: pa.Table, at: Ints) -> Bools:
    """(n,) whether each came at a quiet minute in its user's zone."""
    zones = served[quiet.zone].to_pylist() if quiet.zone else [None] * len(at)
    known = {name: zone_named(name) or UTC for name in {*zones}}
    asked = [*zip(zones, (at // _MINUTE).tolist(), strict=True)]
    hours, epoch = quiet_hours(quiet), datetime(1970, 1, 1, tzinfo=UTC)
    found = {
        (zone, minute): hours.is_quiet(epoch + timedelta(minutes=minute), known[zone])
        for zone, minute in {*asked}
    }
    return np.array([found[each] for each in asked], dtype=np.bool_)
