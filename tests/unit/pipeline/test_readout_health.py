"""Whether variants were alike before anybody was exposed."""

import math

from nightslate.pipeline.readout_health import ALPHA, differences_before


def row(metric="visits", log_e=9.0, **changes):
    return {
        "metric": metric, "variant": "new", "control": "old", "period": "before", "effect": 0.5,
        "anytime_lower": 0.25, "anytime_upper": 0.75, "confidence": 0.95, "log_e": log_e, **changes,
    }  # fmt: skip


def test_evidence_that_variants_differed_before_is_a_fault_which_names_the_covariate():
    rows = [row(), row("age", 0.3), row(variant="old", log_e=None), row(period="cumulative", log_e=99.0)]
    (why,) = differences_before(rows)
    assert why.startswith(
        "new differs from old in visits before anybody was exposed: +0.5, 0.25 to 0.75 at 95 % at every look;"
    )


def test_each_of_several_needs_more_evidence():
    enough = math.log(1 / ALPHA) + 0.01
    assert len([*differences_before([row(log_e=enough)])]) == 1
    assert not [*differences_before([row(log_e=enough), row("age", 0.0)])]
    assert not [*differences_before([row(log_e=None)])]
