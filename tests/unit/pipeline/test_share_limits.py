"""The shares that follow no context, which what a model earns is held against."""

import numpy as np
import pytest
from tests.unit.programs.test_scores import program

from nightslate.pipeline.share_limits import limits_about, shares_in_the_end
from nightslate.programs.allocation import Allocation


@pytest.mark.parametrize(
    ("steps", "baseline"), [(None, [0.7, 0.1, 0.2, 0.0]), ([0.2, 0.6], [0.4, 0.2, 0.4, 0.0])]
)
def test_fixed_shares_are_those_declared_or_those_that_a_ramp_ends_with(tmp_path, steps, baseline) -> None:
    """A variant that is no longer there has none."""
    shares = {"control": 0.7, "bold": 0.1, "calm": 0.2}
    variants = {name: {"share": share, "policy": "external"} for name, share in shares.items()}
    ramp = steps and {"steps": [{"share": share, "days": 1} for share in steps]}
    issue = program(tmp_path, variants=variants, allocation={"ramp": ramp, "rules": []}).only_issue
    assert isinstance(issue.allocation, Allocation)
    names = ("control", "bold", "calm", "gone")
    limits = limits_about(issue, issue.allocation, names, shares_in_the_end(issue, issue.allocation))
    np.testing.assert_allclose(limits.baseline, baseline)
    assert limits.control == 0
    assert limits.range == issue.allocation.range
