"""One line of an evaluation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """The value of a policy, or of policy minus reference (paired on the same rows), by one estimator.

    `tuning` is the parameter that was chosen for `policy`; None for none.
    `interval_method`: how the interval was made; rule_of_three where nothing varies and the range of a reward
    is known. `remark`: why there is no interval, or no other one.
    `made_by`: the unit that alone moves the value by more than the standard error that all others leave;
    `moves`: by how much; `stderr_of_others`: that standard error. None where no unit does, or none is named.
    Diagnostics (ess and what follows) are those of `policy`, also on the line of a difference. A figure that
    the rows cannot give is None: all of them without rows, spread and intervals with fewer than 2
    clusters or where nothing varies."""

    policy: str
    reference: str | None
    estimator: str
    tuning: float | None
    value: float | None
    stderr: float | None
    lower: float | None
    upper: float | None
    confidence: float
    interval_method: str
    n: int
    clusters: int
    ess: float | None
    max_weight: float | None
    mean_weight: float | None
    mean_weight_lower: float | None
    mean_weight_upper: float | None
    unsupported_share: float | None
    remark: str | None = None
    made_by: str | None = None
    moves: float | None = None
    stderr_of_others: float | None = None
