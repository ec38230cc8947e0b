"""The users of a day who get slates of an issue, with what is known of each at its end."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.engines import Input, Tables
from nightslate.kernels.eligibility import EligibleUsers
from nightslate.kernels.show_times import ShowTimes
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.contact_rules import withheld_tonight
from nightslate.pipeline.feature_table import features_input, known_features
from nightslate.pipeline.night import IssueNight, Night
from nightslate.programs.days import end_of
from nightslate.tables import Table

Served = Callable[[Tables], pa.Table]
"""The users of a unit of work that get slates, with columns of their contexts."""


def served_users(
    night: IssueNight, users: Table, features: Table, withheld: Table, context: Collection[str]
) -> tuple[dict[str, Input], Served]:
    """What is read of users for these columns of contexts, and of these users those who get slates of the
    issue, with the times at which these may be shown, where contact rules say any."""
    issue, rules = night.issue, night.program.contacts
    times = ShowTimes.of(rules, night.slate_date)
    zone = (times.zone,) if times and times.zone else ()
    inputs, known = known_users(night, users, features, {*context, *issue.concerned_by, *zone})
    eligible = EligibleUsers(issue.eligible, issue.concern)
    if rules is None:
        return inputs, lambda tables: eligible(known(tables))
    inputs["withheld"] = withheld_tonight(night, withheld).columns(("user_id",)).of_users_in("users")

    def served(tables: Tables) -> pa.Table:
        found = eligible(known(tables))
        kept = found.filter(pc.invert(pc.is_in(found["user_id"], pc.unique(tables["withheld"]["user_id"]))))
        return times.beside(kept) if times else kept

    return inputs, served


def known_users(
    night: Night, users: Table, features: Table, wanted: Collection[str]
) -> tuple[dict[str, Input], Served]:
    """What is read of users for these columns of contexts, and the users of the day with them."""
    landed = [column.name for column in night.program.logs.context if column.name in wanted]
    inputs = {"users": bucket_input(night, users, ("user_id", *landed), night.ds)}
    known = known_features(night)
    if known is None or known.defaults.keys().isdisjoint(wanted):
        return inputs, lambda tables: tables["users"]
    inputs["features"] = features_input(night, features, night.slate_date).of_users_in("users")
    moment = end_of(night.ds)
    return inputs, lambda tables: known.as_of(tables["users"], tables["features"], moment)
