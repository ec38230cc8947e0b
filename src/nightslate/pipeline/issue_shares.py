"""How the users of a day came to their issues, by issue."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.kernels.value_counts import ValueCounts
from nightslate.pipeline.night import IssueNight
from nightslate.reports.night_report import ISSUE_SHARES
from nightslate.tables import Table


def issue_shares(night: IssueNight, issue_choices: Table) -> pa.Table:
    """`ISSUE_SHARES` of tonight's draws of all issues, by name."""
    drawn, concerned, probability = ValueCounts.initial(["issue"]), Counter[str](), Counter[str]()
    snapshot = issue_choices.of_all_issues().snapshot()
    for file in snapshot.files(night.slate_date, night.slate_date):
        rows = snapshot.rows_of(file, ["issue", "issues", "probabilities"])
        drawn = drawn.update(rows)
        issues, chances = (pc.list_flatten(rows[name]) for name in ("issues", "probabilities"))
        of_issue = pa.table({"issue": issues, "chance": chances}).group_by("issue", use_threads=False)
        for row in of_issue.aggregate([("chance", "count"), ("chance", "sum")]).to_pylist():
            concerned[row["issue"]] += row["chance_count"]
            probability[row["issue"]] += row["chance_sum"]
    rows = [
        {
            "issue": issue,
            "concerned": concerned[issue],
            "drawn": drawn.by_column["issue"].get(issue, 0),
            "mean_probability": probability[issue] / concerned[issue] if concerned[issue] else None,
        }
        for issue in sorted(night.program.issues)
    ]
    return pa.Table.from_pylist(rows, ISSUE_SHARES)
