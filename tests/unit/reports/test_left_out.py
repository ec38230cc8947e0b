"""What the page says of impressions that no propensity follows for."""

from dataclasses import replace

import pyarrow as pa

from nightslate.reports.night_page import page

from .nights import QUARANTINE, ordinary


def test_the_share_of_diversified_slates_without_propensities_is_said():
    rows = [
        {"log": "impressions", "reason": "arms_removed_after_diversity", "clause": "c", "rows": 30},
        {"log": "impressions", "reason": "unknown_arm", "clause": "d", "rows": 10},
        {"log": "outcomes", "reason": "unknown_arm", "clause": "d", "rows": 500},
    ]
    quarantine = pa.Table.from_pylist(rows, QUARANTINE)
    html = page(replace(ordinary(), quarantine=quarantine, rows={"impressions": 560}))
    assert "30 impressions, 5.00 % of the day" in html
    others = page(replace(ordinary(), quarantine=quarantine.slice(1), rows={"impressions": 560}))
    assert "diversity penalty of which more arms" not in others
