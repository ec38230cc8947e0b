"""What there is to say of an evaluation, besides its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nightslate.core.ope.estimate import Estimate
from nightslate.core.ope.estimator import Estimator
from nightslate.core.ope.sample import Logged
from nightslate.files.log import Log
from nightslate.files.ope_options import OpeOptions


def made_by_one(estimates: Sequence[Estimate]) -> list[str]:
    """Which units move an estimate by more than the standard error of all others, and which estimates."""
    moved: dict[str, list[str]] = {}
    for line in estimates:
        if line.made_by:
            moved.setdefault(line.made_by, []).append(
                f"{line.estimator} by {line.moves:+.4g} (standard error of all others"
                f" {line.stderr_of_others:.2g})"
            )
    return [
        f"{unit} alone moves {', '.join(lines)}: look at it before you trust them"
        for unit, lines in moved.items()
    ]


def valueless(estimates: Sequence[Estimate]) -> list[str]:
    """Which estimators have no value, and why: of finite sums only a denominator of 0 leaves none."""
    names = [line.estimator for line in estimates if line.value is None]
    if not names:
        return []
    return [
        f"no value by {', '.join(names)}: the weights that they divide by are 0, because the log holds "
        "nothing that the target does"
    ]


def remarks(estimates: Sequence[Estimate], question: OpeOptions) -> list[str]:
    """What there is to say of intervals, and of which estimators."""
    by_remark: dict[str, list[str]] = {}
    for line in estimates:
        if line.remark:
            by_remark.setdefault(line.remark, []).append(
                "what was logged" if line.policy == "logged" else line.estimator
            )
    remedy = "" if question.rewards else " (--range LOW,HIGH)"
    return [f"{', '.join(names)}: {remark}{remedy}" for remark, names in by_remark.items()]


def absent(family: Mapping[str, Estimator], possible: Sequence[str], sample: Logged) -> list[str]:
    """Which estimators more columns would give."""
    lacking: dict[str, list[str]] = {}
    for name in family:
        if name not in possible and name != "pseudo_inverse":
            columns = " and ".join(sorted(family[name].needs - sample.fields))
            lacking.setdefault(columns, []).append(name)
    return [f"with {columns} there would be {', '.join(names)} too" for columns, names in lacking.items()]


def bounds(log: Log, question: OpeOptions) -> list[str]:
    """What stands for the largest weight that is possible."""
    if (
        question.rewards is None
        or question.rewards.max_weight is not None
        or not question.interval.guaranteed
    ):
        return []
    return [
        f"the largest weight that was seen, {log.sample.largest_weight:.6g}, stands for the largest that is "
        "possible: the interval is guaranteed only if none can be larger (--max-weight states a bound)"
    ]
