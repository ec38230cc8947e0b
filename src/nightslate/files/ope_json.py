"""What `nightslate ope --json` prints."""

from __future__ import annotations

import math
from typing import Any

from nightslate.core.ope import ESTIMATORS
from nightslate.core.ope.estimate import Estimate
from nightslate.files.ope import Evaluation


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON: null where there is no figure, never NaN or infinity."""
    first = evaluation.estimates[0]
    difference = evaluation.difference
    diagnostics: dict[str, Any] = {
        "n": first.n,
        "clusters": first.clusters,
        "ess": _finite(first.ess),
        "max_weight": _finite(first.max_weight),
        "mean_weight": _finite(first.mean_weight),
        "mean_weight_lower": _finite(first.mean_weight_lower),
        "mean_weight_upper": _finite(first.mean_weight_upper),
        "unsupported_share": _finite(first.unsupported_share),
    }
    if evaluation.arm_check:
        diagnostics["calibration"] = evaluation.arm_check.summary()
    if evaluation.ess_by_step:
        diagnostics["ess_by_step"] = list(evaluation.ess_by_step)
        diagnostics["steps"] = len(evaluation.ess_by_step)
    return {
        "estimators": {estimate.estimator: _figures(estimate) for estimate in evaluation.estimates},
        "logged": _figures(evaluation.logged),
        "difference": difference and {"estimator": difference.estimator, **_figures(difference)},
        "diagnostics": diagnostics,
        "verdict": evaluation.verdict.word,
        "reasons": list(evaluation.verdict.reasons),
        "rejected": dict(evaluation.rejected),
        "notes": list(evaluation.notes),
    }


def _figures(estimate: Estimate) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "value": _finite(estimate.value),
        "stderr": _finite(estimate.stderr),
        "lower": _finite(estimate.lower),
        "upper": _finite(estimate.upper),
        "interval": estimate.interval_method,
    }
    if estimate.remark:
        figures["remark"] = estimate.remark
    if len(ESTIMATORS[estimate.estimator].tunings) > 1:
        figures["tuning"] = estimate.tuning
    return figures


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
