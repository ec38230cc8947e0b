"""The users of a day whom an issue concerns, and those who get slates of it, with what is known of each at
the end of the day."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow
from nightslate.engines import Input, Tables
from nightslate.errors import ContractError
from nightslate.kernels.eligibility import EligibleUsers
from nightslate.kernels.issue_choices import drawn_for
from nightslate.kernels.show_times import ShowTimes
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.contact_rules import withheld_tonight
from nightslate.pipeline.feature_table import features_input, known_features
from nightslate.pipeline.night import IssueNight, Night
from nightslate.programs.days import end_of
from nightslate.tables import Table

Served = Callable[[Tables], pa.Table]
"""Such users of a unit of work, with columns of their contexts."""


def served_users(
    night: IssueNight, users: Table, features: Table, withheld: Table, context: Collection[str]
) -> tuple[dict[str, Input], Served]:
    """What is read of users for these columns of contexts, and of these users those whom the issue concerns
    and contact rules don't withhold from it, with the times at which these say that slates may be shown."""
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


def slated_users(
    night: IssueNight,
    users: Table,
    features: Table,
    withheld: Table,
    issue_choices: Table,
    context: Collection[str],
) -> tuple[dict[str, Input], Served]:
    """As `served_users`; where each user gets one issue, of those whom this one concerns the ones for whom it
    was drawn, with `issue_probability`. Raises ContractError where nothing was drawn yet."""
    inputs, concerned = served_users(night, users, features, withheld, context)
    if night.program.issue_choice is None:
        return inputs, concerned
    inputs["issue_choices"] = choices_input(night, issue_choices).columns(("user_id", "issue", "probability"))
    issue = night.issue.name
    return inputs, lambda tables: drawn_for(concerned(tables), tables["issue_choices"], issue)


def choices_input(night: Night, issue_choices: Table) -> Input:
    """Tonight's draws, of all issues or of the table's own. Raises ContractError where there are none."""
    drawn = issue_choices.snapshot()
    if night.slate_date not in drawn.written():
        raise ContractError(
            f"nobody has an issue on {night.slate_date} yet: run the step `choose` of {night.ds} first"
        )
    files = drawn.files(night.slate_date, night.slate_date)
    return Input(files, arrow.schema(issue_choices.contract), partition=issue_choices.contract.partition)
