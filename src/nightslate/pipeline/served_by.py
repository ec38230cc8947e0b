"""What the decisions of a day were served by, as far as nights have recorded it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.engines import Work
from nightslate.kernels.scoring import ScoredBy
from nightslate.kernels.value_counts import ValueCounts
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.experiments import assignments_recorded, ever_recorded, served_days
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.released_models import releases_of
from nightslate.serving.loading import ever_released, updated
from nightslate.serving.recomputed import RecomputedDecisions
from nightslate.serving.recomputed_draws import RecomputedDraws
from nightslate.serving.release import Release
from nightslate.serving.released import Released
from nightslate.tables import Table

_NAMED_BY = ("model_digest", "release_digest", "issue_models")


@dataclass(frozen=True)
class Recorded:
    """The tables of a program that say it."""

    models: Table
    multipliers: Table
    allocations: Table

    def of_issue(self, name: str) -> Recorded:
        """Their rows of one issue."""
        tables = (self.models, self.multipliers, self.allocations)
        return Recorded(*(table.of_issue(name) for table in tables))


def recomputed_by(night: Night, impressions: Table, recorded: Recorded) -> RecomputedDecisions:
    """How the day's decisions are recomputed: by the releases that its impressions name and that nights have
    recorded, also where such a night was trained again since; those of another model than is named with them
    are left out."""
    models, named = _digests(night, impressions)
    by_nights = named & ever_released(recorded.models.snapshot())
    wanted, issues = by_nights | (named & updated(night.table("updates").snapshot())), night.issues
    served = [each for model in models for each in releases_of(model, issues, wanted)]
    found = dict[str, Released]()
    for each in issues:
        mine = [(release, model) for release, model in served if release.issue == each.issue.name]
        if mine:
            found |= _released(each, mine, recorded.of_issue(each.issue.name))
    gone, choice = by_nights - found.keys(), night.program.issue_choice
    draws = RecomputedDraws(night.ds, [*night.program.issues], choice, found, gone) if choice else None
    return RecomputedDecisions(night.ds, found, gone, draws)


def _released(
    night: IssueNight, served: Sequence[tuple[Release, ScoredBy]], recorded: Recorded
) -> dict[str, Released]:
    """Releases of one issue, by digest, with all by which their decisions may have been made."""
    found = {}
    dealt, kept = assignments_recorded(night, recorded.allocations)
    for release, model in served:
        solved, all_kept = _solved(night, recorded.multipliers) if release.goals else ([], True)
        multipliers = solved or [release.multipliers]
        found[release.digest] = Released(release, model, multipliers, dealt, kept and all_kept)
    return found


def is_served(impressions: pa.Table) -> pa.Table:
    """Those of some impressions that are decisions of the app."""
    return impressions.filter(pc.field("release_digest").is_valid())


def _digests(night: Night, impressions: Table) -> tuple[list[str], set[str]]:
    """Of models and of releases that impressions of the day name."""
    counted = ValueCounts.initial(["named"])
    found = night.engine.fold(
        {"named": counted},
        lambda tables: [("named", counted.update(_named(is_served(tables["impressions"]))))],
        Work({"impressions": bucket_input(night, impressions, _NAMED_BY, night.ds)}, night.program.buckets),
    )["named"].by_column["named"]
    pairs = [name.rpartition("/") for name in found]
    return sorted({model for model, _, _ in pairs}), {release for _, _, release in pairs}


def _named(served: pa.Table) -> pa.Table:
    """`named`: all models with their releases that these impressions name, as often as they do."""
    of_arm = pc.binary_join_element_wise(served["model_digest"], served["release_digest"], "/")
    of_draw = pc.list_flatten(served["issue_models"])
    return pa.table({"named": pa.chunked_array([*of_arm.chunks, *of_draw.chunks], pa.string())})


def _solved(night: IssueNight, multipliers: Table) -> tuple[list[Mapping[str, float]], bool]:
    """What any night has solved for the day or, which is served until that is there, for the day before; and
    whether all of it is still there."""
    found: list[Mapping[str, float]] = []
    versions, kept = ever_recorded(multipliers, served_days(night.ds))
    for rows in versions:
        by_arm = dict(zip(*rows.select(["arm_id", "multiplier"]).to_pydict().values(), strict=True))
        if by_arm not in found:
            found.append(by_arm)
    return found, kept
