"""What impressions that name no slate have to say of themselves."""

import pyarrow as pa
import pytest

from nightslate.contracts import arrow, load
from nightslate.kernels.conform import VERDICT
from nightslate.kernels.log_completion import CompletedImpressions
from nightslate.kernels.shown_for import ShownFor

CONTRACT = load("impressions")
ROWS = pa.schema(
    [
        *(arrow.schema(CONTRACT).field(c.name).with_nullable(True) for c in CONTRACT.landing_columns),
        *(pa.field(name, kind) for name, kind in VERDICT.items()),
    ]
)
OVER = ("out_of_range", "issue_probability >= propensity, which it is a factor of")


@pytest.mark.parametrize(
    ("kind", "slot", "propensity", "issue_probability", "verdict"),
    [
        ("marginal", 1, 0.2, 0.5, (None, None)),
        ("marginal", 1, 0.5, 0.5, (None, None)),
        ("marginal", 1, 0.5000002, 0.5, (None, None)),  # as float32 may have it
        ("marginal", 1, 0.500002, 0.5, OVER),
        ("marginal", 2, 0.6, 0.5, OVER),
        ("conditional", 1, 0.6, 0.5, OVER),
        ("conditional", 2, 0.6, 0.5, (None, None)),
        ("marginal", 1, 0.6, None, (None, None)),
    ],
)
def test_an_issue_is_at_least_as_likely_as_what_was_shown_for_it(
    kind, slot, propensity, issue_probability, verdict
):
    """Another row, which says nothing of its issue, is left alone."""
    completed = CompletedImpressions(kind, ShownFor({"all": ["a"]}, {"all": 2}))
    row = {"impression_id": "i", "arm_id": "a", "slot": slot, "propensity": propensity}
    rows = [{**row, "issue_probability": issue_probability}, {**row, "propensity": 1.0}]
    found = completed(pa.Table.from_pylist(rows, ROWS), lambda: pa.table({})).to_pylist()
    assert [(row["_reason"], row["_clause"]) for row in found] == [verdict, (None, None)]
