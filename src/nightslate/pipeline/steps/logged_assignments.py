"""Who is in which variant, where somebody else says so: as the logs of the day have it."""

from __future__ import annotations

import pyarrow as pa

from nightslate.engines import Tables, Work
from nightslate.kernels.assignments import Assignment
from nightslate.kernels.logged_assignments import READ, logged_assignments, of_unknown_variants
from nightslate.pipeline.bucket_inputs import bucket_input
from nightslate.pipeline.experiments import allocation_rows
from nightslate.pipeline.night import IssueNight
from nightslate.tables import Table


def run(night: IssueNight, impressions: Table, allocations: Table, assignments: Table) -> str:
    """A function of the day's impressions: the rows are of the day itself, whose users have been shown their
    variants by now. A readout goes by the first of a user's days."""
    name, salt = night.issue.name, night.issue.salt
    shares = {name: variant.share for name, variant in night.issue.variants.items()}
    shown = bucket_input(night, impressions, READ, night.ds).of_issue(night.only)
    work = Work({"impressions": shown}, night.program.buckets)

    def assigned(tables: Tables) -> dict[str, pa.Table]:
        return {"assignments": logged_assignments(tables["impressions"], name, salt, shares, night.ds)}

    attempt = assignments.begin(night.ds)
    staged = night.engine.write(assigned, work, {"assignments": attempt})["assignments"]
    unknown = night.engine.map(lambda tables: of_unknown_variants(tables["impressions"], shares), work)
    of_everyone = Assignment.at_first(salt, shares, night.ds)
    rows = allocations.typed(allocation_rows(night, of_everyone))
    allocations.replace(night.ds, rows, night.commit_metadata)
    assignments.publish(staged, night.commit_metadata)
    return f"{staged.rows} users of {night.ds}, as the logs say{_outside(unknown)}"


def _outside(unknown: pa.Table) -> str:
    """A word on impressions of the day that are of no variant of the experiment."""
    counts = unknown.group_by("variant", use_threads=False).aggregate([("impressions", "sum")])
    of = dict(zip(counts["variant"].to_pylist(), counts["impressions_sum"].to_pylist(), strict=True))
    said = f"; {none} impressions name no variant and are outside" if (none := of.pop(None, 0)) else ""
    named = ", ".join(f"{variant} ({of[variant]})" for variant in sorted(of))
    return f"{said}. Look: impressions name variants that the experiment has not: {named}" if named else said
