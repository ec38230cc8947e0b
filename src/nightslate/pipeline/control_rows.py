"""The rows of the table `controls`: what the champion is worth against policies that lack a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from nightslate.core.ope.estimate import Estimate
from nightslate.core.ope.evaluation_state import EvaluationState
from nightslate.core.ope.results import results
from nightslate.kernels.control_evaluation import CHAMPION, Controlled
from nightslate.kernels.controls.control import Control
from nightslate.kernels.progressive import Comparison
from nightslate.pipeline.fitting import interval_of
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.units.results import ControlsFound

_FIGURES = ("value", "stderr", "lower", "upper")

NOT_IDENTIFIED = "not identified: the logs could not have shown too much of what it would do"
TOO_FEW = "fewer effective samples than gate.min_ess: its intervals may hold less often than they say"
NO_DAY = "no day that is over has both this policy and the champion"


def control_rows(
    night: IssueNight, controlled: Controlled, found: ControlsFound, withheld: float
) -> list[dict[str, Any]]:
    """The champion alone, then each control. withheld: the share of users to whom nothing was shown, of those
    whom some controls would reach."""
    champion, *others = zip(controlled.comparisons, found.states, strict=True)
    estimates = [_estimates(night, state, found) for _, state in (champion, *others)]
    alone = estimates[0][CHAMPION, None]
    rows = [{**_about(night, champion[0]), **asdict(alone), "remark": alone.remark or _of_few(night, alone)}]
    for control, (comparison, _), of_both in zip(controlled.controls, others, estimates[1:], strict=True):
        unseen = withheld if control.reaches_everyone else 0.0
        rows.append({**_about(night, comparison), **_against(night, control, of_both, unseen)})
    return rows


def _against(
    night: IssueNight, control: Control, estimates: Mapping[tuple[str, str | None], Estimate], unseen: float
) -> dict[str, Any]:
    """A control and what the champion is worth above it. unseen: the share of users to whom nothing was
    shown."""
    own, difference = estimates[control.name, None], estimates[CHAMPION, control.name]
    row = {
        **asdict(own),
        **{f"difference{_suffix(name)}": getattr(difference, name) for name in _FIGURES},
        "champion_value": estimates[CHAMPION, None].value,
    }
    if own.unsupported_share is None:
        return {**row, "remark": NO_DAY}
    unsupported = unseen + (1 - unseen) * own.unsupported_share
    row["unsupported_share"] = unsupported
    if unsupported <= night.issue.gate.max_unsupported_share:
        return {**row, "remark": own.remark or _of_few(night, own)}
    nothing = {name: None for name in row if name in _FIGURES or name.startswith("difference")}
    return {**row, **nothing, "remark": NOT_IDENTIFIED}


def _of_few(night: IssueNight, estimate: Estimate) -> str | None:
    """A word on too few effective samples."""
    return TOO_FEW if estimate.ess is not None and estimate.ess < night.issue.gate.min_ess else None


def _suffix(figure: str) -> str:
    return "" if figure == "value" else f"_{figure}"


def _estimates(
    night: IssueNight, state: EvaluationState, found: ControlsFound
) -> dict[tuple[str, str | None], Estimate]:
    """By policy and reference."""
    confidence = night.issue.evaluation.confidence
    lines = results(state, confidence, interval_of(night), found.rewards)
    return {(line.policy, line.reference): line for line in lines}


def _about(night: IssueNight, comparison: Comparison) -> dict[str, Any]:
    days = sorted(comparison.days)
    ends = {"first_day": days[0], "last_day": days[-1]} if days else {}
    return {"issue": night.issue.name, "days": len(days), **ends}
