"""How likely slots are looked at, of programs that say where to learn it from."""

from __future__ import annotations

import re
from collections.abc import Mapping

from nightslate.core.hashing import seed
from nightslate.kernels.examination import FoldedTraffic, FoldExaminations, Randomised
from nightslate.pipeline.matured_logs import Logs
from nightslate.pipeline.night import IssueNight

_NAMED_IN_WORDS = 5


def surface_column(night: IssueNight) -> tuple[str, ...]:
    """The column whose values have to be counted before `examined`; none where nothing is to be estimated."""
    return ("surface",) if night.issue.examination else ()


def examined(
    night: IssueNight, logs: Logs, counts: Mapping[str, Mapping[str, int]], folds: int
) -> FoldExaminations:
    """What the program's randomised traffic says; of no surface where the program has no such traffic."""
    rules = night.issue.examination
    if rules is None:
        return FoldExaminations((), (), 1.0)
    randomised = Randomised(rules.variant, by_propensity=night.issue.slots_weighed == 1)
    surfaces = (*sorted(counts["surface"]), None)
    traffic = FoldedTraffic(night.name, randomised, surfaces, night.issue.slots, folds)
    earned = logs.before_costs()  # a slot that is not looked at earns nothing, and costs what it costs
    sums = night.engine.fold(
        traffic.initial(), lambda tables: traffic.update(earned.rows(tables)), earned.work
    )
    return FoldExaminations(surfaces, tuple(sums[fold] for fold in range(folds)), rules.prior_strength)


def examination_metrics(examination: FoldExaminations, prefix: str = "examination") -> dict[str, float]:
    """`PREFIX.SURFACE.SLOT`, and `PREFIX.SLOT` of impressions that name no surface, as MLflow takes names:
    where a surface has other characters than it allows, or too many, a hash tells it from others."""
    return {
        ".".join((prefix, *(() if surface is None else (_metric_name(surface),)), str(slot))): probability
        for surface, slots in examination.by_surface().items()
        for slot, probability in enumerate(slots, start=1)
    }


def in_words(examination: FoldExaminations) -> str:
    """To end a sentence with; nothing where there is nothing to say."""
    found = [
        f"{surface or 'slots'} {', '.join(f'{probability:.3g}' for probability in slots)}"
        for surface, slots in examination.by_surface().items()
    ]
    more = f" and {len(found) - _NAMED_IN_WORDS} more" if len(found) > _NAMED_IN_WORDS else ""
    return f"; looked at: {'; '.join(found[:_NAMED_IN_WORDS])}{more}" if found else ""


def _metric_name(surface: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_ -]", "_", surface)[:100]
    return plain if plain == surface else f"{plain}-{seed(surface):016x}"
