"""The users of a day whom an issue concerns, and those who get slates of it, with what is known of each at
the end of the day."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.engines import Input, Tables
from nightslate.errors import ContractError
from nightslate.kernels.eligibility import EligibleUsers
from nightslate.kernels.issue_choices import drawn_for
from nightslate.kernels.risks import with_risks
from nightslate.kernels.show_times import ShowTimes
from nightslate.pipeline.bucket_inputs import bucket_input, slates_day_input
from nightslate.pipeline.channels import channels_tonight, columns_of_channels
from nightslate.pipeline.contact_rules import capped_tonight, withheld_tonight
from nightslate.pipeline.feature_table import features_input, known_features, with_features_of_arms
from nightslate.pipeline.night import IssueNight, Night
from nightslate.programs.days import end_of
from nightslate.programs.features import aggregates, of_moments
from nightslate.tables import Table

Served = Callable[[Tables], pa.Table]
"""Such users of a unit of work, with columns of their contexts."""


@dataclass(frozen=True)
class UserTables:
    """The tables of the users of a day, and of what is known of each at its end."""

    users: Table
    features: Table
    features_of_arms: Table
    risks: Table

    @classmethod
    def of(cls, night: Night) -> Self:
        """Those of a night, for who is no step."""
        return cls(**{each.name: night.table(each.name) for each in fields(cls)})


def served_users(
    night: IssueNight, known_of: UserTables, withheld: Table, context: Collection[str]
) -> tuple[dict[str, Input], Served]:
    """What is read of users for these columns of contexts, and of these users those whom the issue concerns
    and contact rules don't withhold from it, with the times at which these say that slates may be shown."""
    issue, rules = night.issue, night.program.contacts
    times = ShowTimes.of(rules, night.slate_date)
    zone = (times.zone,) if times and times.zone else ()
    looked_at = {*context, *issue.concerned_by, *zone, *columns_of_channels(night)}
    inputs, known = known_users(night, known_of, looked_at)
    eligible, risks = EligibleUsers(issue.eligible, issue.concern), list(issue.concerned_by_risks)
    withholds = night.program.withholds
    if withholds:
        inputs["withheld"] = withheld_tonight(night, withheld).of_users_in("users")

    def served(tables: Tables) -> pa.Table:
        found = eligible(known(tables)).drop_columns(risks)
        if withholds:
            of_withheld = pc.unique(tables["withheld"]["user_id"])
            found = found.filter(pc.invert(pc.is_in(found["user_id"], of_withheld)))
        return times.beside(found) if times else found

    return inputs, served


def known_users(
    night: Night, known_of: UserTables, wanted: Collection[str]
) -> tuple[dict[str, Input], Served]:
    """What is read of users for these columns of contexts, features and risks, and the users of the day with
    them. Raises ContractError where risks are wanted that there are none of yet."""
    zones = {each.zone for name, each in of_moments(night.program.features).items() if name in wanted}
    landed = [each.name for each in night.program.logs.context if each.name in {*wanted, *zones}]
    inputs = {"users": bucket_input(night, known_of.users, ("user_id", *landed), night.ds)}
    features, moment = known_features(night), end_of(night.ds)
    of_program = {each.name for each in aggregates(night.program.features)}
    with_features = features is not None and not of_program.isdisjoint(wanted)
    detectors = [name for name in night.program.detectors if name in wanted]
    if features is not None and with_features:
        inputs["features"] = features_input(night, known_of.features, night.slate_date).of_users_in("users")
        features = with_features_of_arms(night, features, known_of.features_of_arms, night.slate_date)
    if detectors:
        inputs["risks"] = _risks_input(night, known_of.risks)

    def known(tables: Tables) -> pa.Table:
        found = tables["users"]
        if features is not None and with_features:
            found = features.as_of(found, tables["features"], moment)
        return with_risks(found, tables["risks"], detectors) if detectors else found

    return inputs, known


def _risks_input(night: Night, risks: Table) -> Input:
    if not risks.is_written(night.ds):
        raise ContractError(
            f"there are no risks of users of {night.ds} yet: run the step `detect` of that night first"
        )
    return bucket_input(night, risks, ("user_id", "detector", "risk"), night.ds)


def slated_users(
    night: IssueNight,
    known_of: UserTables,
    arms: Table,
    withheld: Table,
    capped: Table,
    issue_choices: Table,
    context: Collection[str],
) -> tuple[dict[str, Input], Served]:
    """As `served_users`; where each user gets one issue, of those whom this one concerns the ones for whom it
    was drawn, with `issue_probability`; where arms are sent, those whom a channel of some arm reaches, with
    these channels and the arms that limits close to them. Raises ContractError where nothing was drawn or
    closed yet."""
    inputs, concerned = served_users(night, known_of, withheld, context)
    channels = channels_tonight(night, arms)
    if channels is not None:
        if night.program.caps:
            inputs["capped"] = capped_tonight(night, capped).of_users_in("users")
        return inputs, lambda tables: channels.beside(concerned(tables), tables.get("capped"))
    if night.program.issue_choice is None:
        return inputs, concerned
    inputs["issue_choices"] = choices_input(night, issue_choices, ("user_id", "issue", "probability"))
    issue = night.issue.name
    return inputs, lambda tables: drawn_for(concerned(tables), tables["issue_choices"], issue)


def choices_input(night: Night, issue_choices: Table, columns: Collection[str]) -> Input:
    """Tonight's draws, of all issues or of the table's own. Raises ContractError where there are none."""
    if night.slate_date not in issue_choices.snapshot().written():
        raise ContractError(
            f"nobody has an issue on {night.slate_date} yet: run the step `choose` of {night.ds} first"
        )
    return slates_day_input(issue_choices, night.slate_date, tuple(columns))
