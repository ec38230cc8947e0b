"""The trajectories that end on a night, for programs whose decisions follow one another."""

from __future__ import annotations

import pyarrow as pa

from nightslate.engines import Tables, Work
from nightslate.kernels.rewards import CREDIT_COLUMNS
from nightslate.kernels.trajectories import IMPRESSION_COLUMNS, Trajectories
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.feature_table import features_input, known_features
from nightslate.pipeline.lookback import days_learnt_from, days_looked_back_on, shared_with_other_nights
from nightslate.pipeline.night import IssueNight, Night
from nightslate.pipeline.stored_meaning import outdated, require_one_meaning, with_meaning
from nightslate.pipeline.units.trajectories import rules
from nightslate.programs.days import days_before, first_day
from nightslate.tables import Table


def run(
    night: Night, impressions: Table, features: Table, credits: Table, models: Table, transitions: Table
) -> str:
    """Those of the night, and before it of the nights that are learnt from and were never run, or under
    another meaning of rewards or of sequences than the program has by now."""
    (of_issue,) = night.issues  # decisions that follow one another are a program of their own
    require_one_meaning(night, credits, "attribute", days_looked_back_on(night, models)[0])
    with shared_with_other_nights():
        shown = impressions.snapshot().written()
        known = transitions.snapshot().written()
        changed = outdated(night, "transitions", known).keys() & shown.keys()
        for day in days_learnt_from(night, models):
            if day in changed or (day in shown and day not in known):
                _write(of_issue.at(day), impressions, features, credits, transitions)
        written = _write(of_issue, impressions, features, credits, transitions)
        return f"{written} decisions of trajectories that ended"


def _write(night: IssueNight, impressions: Table, features: Table, credits: Table, table: Table) -> int:
    """One partition: a pure function of the impressions, features and credits up to ds."""
    sequence = rules(night)
    since = first_day(night.ds, 1 + days_before(sequence.span))
    context = (feature.name for feature in night.program.logs.context)
    inputs = {
        "impressions": bucket_input(night, impressions, (*IMPRESSION_COLUMNS, *context), since),
        "credits": bucket_input(night, credits, CREDIT_COLUMNS, since),
    }
    known = known_features(night)
    if known:
        inputs["features"] = features_input(night, features, since).of_users_in("impressions")
    ds = night.ds
    trajectories = Trajectories(sequence.gap, sequence.longest, night.issue.rewards.costs)

    def ended(tables: Tables) -> dict[str, pa.Table]:
        shown = tables["impressions"]
        shown = known.beside(shown, tables["features"]) if known else shown
        return {"transitions": trajectories.ended_on(ds, shown, tables["credits"])}

    work = Work(inputs, night.program.buckets)
    staged = night.engine.write(ended, work, {"transitions": table.begin(night.ds)})["transitions"]
    table.publish(staged, with_meaning(night, "transitions"))
    return staged.rows
