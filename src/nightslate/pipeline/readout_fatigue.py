"""The rows of the table `fatigue`: how users respond to being shown the same arm again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nightslate.core.experiments import responses
from nightslate.kernels.experiment_users import Allocated
from nightslate.kernels.named_states import MomentsByName
from nightslate.kernels.readouts import FATIGUE, Key
from nightslate.pipeline.night import IssueNight


def fatigue_rows(night: IssueNight, dealt: Allocated, states: Mapping[Key, Any]) -> Iterator[dict[str, Any]]:
    """One a variant and number of the showing; none where the program does not ask."""
    confidence, asked = night.issue.evaluation.confidence, night.issue.experiment.fatigue
    found: MomentsByName = states.get(FATIGUE, MomentsByName.initial())
    cells = {(str(variant), int(str(number))): sums for (variant, number), sums in found.states.items()}
    for (variant, number), sums in sorted(cells.items()):
        told = responses(sums, confidence)
        yield {
            "issue": night.issue.name,
            "experiment": dealt.salt,
            "variant": variant,
            "showing": number,
            "and_later": asked is not None and number == asked.most,
            "users": told.rate.n,
            "rate": told.rate.value,
            "stderr": told.rate.stderr,
            "lower": told.rate.lower,
            "upper": told.rate.upper,
            "first_rate": told.first.value,
            "change": told.change.value,
            "change_stderr": told.change.stderr,
            "change_lower": told.change.lower,
            "change_upper": told.change.upper,
            "confidence": confidence,
            "first_day": dealt.since,
        }
