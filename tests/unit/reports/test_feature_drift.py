"""How far features have moved, in words."""

from __future__ import annotations

import pyarrow as pa

from nightslate.reports.feature_drift import how_far


def test_what_has_moved_the_most_comes_first_and_an_index_has_no_exponent() -> None:
    said = {"a": 6.86e-07, "b": None, "c": 0.0, "d": 0.1, "e": 0.2512}
    rows = how_far(pa.table({"feature": [*said], "psi": pa.array(said.values(), pa.float64())}))
    assert [(row["feature"], row["moved"], row["index"]) for row in rows] == [
        ("e", "moved", "0.251"),
        ("d", "moving", "0.100"),
        ("a", "stable", "under 0.001"),
        ("b", "no days before", "\N{EN DASH}"),
        ("c", "stable", "0"),
    ]
