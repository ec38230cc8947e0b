"""What `nightslate readout --json` prints."""

from __future__ import annotations

import math
from typing import Any

from nightslate.core.experiments import Difference, Effect
from nightslate.files.readout.readout import Effects, Readout

_LARGEST = 700.0


def as_json(readout: Readout) -> dict[str, Any]:
    """The readout as JSON: null where there is no figure, never NaN or infinity."""
    metrics = _figures(readout.effects)
    for (metric, variant), together in readout.together.items():
        metrics[metric][variant] |= {"p_holm": together.p_holm, "e_bh": together.e_bh}
    for metric, variants in readout.naive.items():
        for variant, found in variants.items():
            difference = found.difference
            metrics[metric][variant]["naive"] = {
                "mean": found.mean,
                "effect": difference.effect,
                "lower": difference.lower,
                "upper": difference.upper,
            }
    return {
        "metrics": metrics,
        "segments": {name: _figures(effects) for name, effects in readout.segments.items()},
        "interactions": {metric: dict(found) for metric, found in readout.interactions.items()},
        "srm": {"p": readout.health.srm_p, "anytime_p": readout.health.srm_anytime_p},
        "verdict": readout.decision.word,
        "variant": readout.decision.variant,
        "reasons": list(readout.decision.reasons),
        "control": readout.options.control,
        "confidence": readout.options.confidence,
        "users": readout.users,
        "rows": readout.rows,
        "rejected": dict(readout.rejected),
        "notes": list(readout.notes),
    }


def _figures(effects: Effects) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        metric: {variant: _of_effect(found) for variant, found in variants.items()}
        for metric, variants in effects.items()
    }


def _of_effect(found: Effect) -> dict[str, Any]:
    difference, relative, cuped = found.difference, found.relative, found.cuped or Difference(None)
    return {
        "n": found.n,
        "mean": found.mean,
        "effect": difference.effect,
        "stderr": difference.stderr,
        "lower": difference.lower,
        "upper": difference.upper,
        "p": difference.p,
        "relative": relative.effect,
        "relative_lower": relative.lower,
        "relative_upper": relative.upper,
        "relative_anytime_lower": relative.anytime_lower,
        "relative_anytime_upper": relative.anytime_upper,
        "anytime_lower": difference.anytime_lower,
        "anytime_upper": difference.anytime_upper,
        "e": _e_value(difference.log_e),
        "mde": difference.mde,
        "cuped_effect": cuped.effect,
        "cuped_stderr": cuped.stderr,
        "cuped_lower": cuped.lower,
        "cuped_upper": cuped.upper,
        "cuped_p": cuped.p,
        "cuped_anytime_lower": cuped.anytime_lower,
        "cuped_anytime_upper": cuped.anytime_upper,
    }


def _e_value(log_e: float | None) -> float | None:
    """None of evidence beyond what a float holds, too."""
    if log_e is None:
        return None
    return math.exp(log_e) if log_e < _LARGEST else None
