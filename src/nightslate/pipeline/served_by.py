"""What the decisions of a day were served by, as far as nights have recorded it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.engines import Work
from nightslate.errors import ContractError, ModelError, SpecError
from nightslate.kernels.value_counts import ValueCounts
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.experiments import assignments_recorded, ever_recorded, served_days
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.released_models import released_as
from nightslate.pipeline.served_issues import one_of, served_issue
from nightslate.serving.issue_draws import OneOfIssues
from nightslate.serving.recomputed import Released
from nightslate.tables import Table

_DIGESTS = ("model_digest", "release_digest")


@dataclass(frozen=True)
class Recorded:
    """The tables of a program that say it."""

    models: Table
    promotions: Table
    multipliers: Table
    allocations: Table

    def of_issue(self, name: str) -> Recorded:
        """Their rows of one issue."""
        tables = (self.models, self.promotions, self.multipliers, self.allocations)
        return Recorded(*(table.of_issue(name) for table in tables))


def served_by(night: Night, impressions: Table, recorded: Recorded) -> dict[str, Released]:
    """By the digests of releases that the day's impressions name; those that no night has recorded, and those
    of another model than is named with them, are left out."""
    models, releases = _digests(night, impressions)
    if not models:
        return {}
    choices, found = _choices(night, recorded), {}
    for each in night.issues:
        of_issue = recorded.of_issue(each.issue.name)
        dealt = assignments_recorded(each, of_issue.allocations)
        for model, release in ((model, release) for model in models for release in releases):
            with suppress(ModelError):
                served = released_as(each, model, release)
                solved = _solved(each, of_issue.multipliers) if served.release.goals else []
                multipliers = solved or [served.release.multipliers]
                found[release] = Released(served.release, served.model, multipliers, dealt, choices)
    return found


def is_served(impressions: pa.Table) -> pa.Table:
    """Those of some impressions that are decisions of the app."""
    return impressions.filter(pc.field("release_digest").is_valid())


def _digests(night: Night, impressions: Table) -> tuple[list[str], list[str]]:
    """Of models and of releases that impressions of the day name."""
    counted = ValueCounts.initial(_DIGESTS)
    found = night.engine.fold(
        {"digests": counted},
        lambda tables: [("digests", counted.update(is_served(tables["impressions"])))],
        Work({"impressions": bucket_input(night, impressions, _DIGESTS, night.ds)}, night.program.buckets),
    )["digests"].by_column
    models, releases = (sorted(found[name]) for name in _DIGESTS)
    return models, releases


def _choices(night: Night, recorded: Recorded) -> tuple[OneOfIssues, ...]:
    """How an issue may have been drawn: by the models of the night before, or of the one before that. Those
    that are not there any more draw nothing."""
    if night.program.issue_choice is None:
        return ()
    found = []
    for day in served_days(night.ds):
        before, issues = night.at(day - timedelta(days=1)), {}
        with suppress(ContractError, ModelError, SpecError):
            for each in before.issues:
                by = recorded.of_issue(each.issue.name)
                issues[each.issue.name] = served_issue(each, by.models, by.promotions, by.allocations)
            choice = one_of(before, issues)
            found += [choice] if choice else []
    return tuple(found)


def _solved(night: IssueNight, multipliers: Table) -> list[Mapping[str, float]]:
    """What any night has solved for the day or, which is served until that is there, for the day before."""
    found: list[Mapping[str, float]] = []
    for rows in ever_recorded(multipliers, served_days(night.ds)):
        by_arm = dict(zip(*rows.select(["arm_id", "multiplier"]).to_pydict().values(), strict=True))
        if by_arm not in found:
            found.append(by_arm)
    return found
