"""The users of a day who get slates of an issue, with what is known of each at its end."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pyarrow as pa

from nightslate.engines import Input, Tables
from nightslate.kernels.eligibility import EligibleUsers
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.feature_table import features_input, known_features
from nightslate.pipeline.night import IssueNight
from nightslate.programs.days import end_of
from nightslate.tables import Table

Served = Callable[[Tables], pa.Table]
"""The users of a unit of work that get slates, with columns of their contexts."""


def served_users(
    night: IssueNight, users: Table, features: Table, context: Collection[str]
) -> tuple[dict[str, Input], Served]:
    """What is read of users for these columns of contexts, and of these users those who get slates of the
    issue."""
    issue, program = night.issue, night.program
    wanted = {*context, *issue.concerned_by}
    landed = [column.name for column in program.logs.context if column.name in wanted]
    inputs = {"users": bucket_input(night, users, ("user_id", *landed), night.ds)}
    eligible, known = EligibleUsers(issue.eligible, issue.concern), known_features(night)
    if known is None or wanted.isdisjoint(known.defaults):
        return inputs, lambda tables: eligible(tables["users"])
    inputs["features"] = features_input(night, features, night.slate_date).of_users_in("users")
    moment = end_of(night.ds)
    return inputs, lambda tables: eligible(known.as_of(tables["users"], tables["features"], moment))
