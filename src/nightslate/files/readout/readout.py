"""What the variants of an experiment were worth, from a file of its users."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nightslate.core.experiments import (
    Decision,
    Effect,
    Moments,
    Together,
    decision,
    effect,
    interaction_p_value,
    together,
)
from nightslate.files.progress import Progress
from nightslate.files.readout.health import Health
from nightslate.files.readout.options import ReadoutOptions
from nightslate.files.readout.reading import ReadFile, read_file

Effects = Mapping[str, Mapping[str, Effect]]
"""By metric and variant; the control has no difference to itself."""

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Readout:
    """effects: of all users; together: by metric and variant; naive: without weights, of the metrics where
    that is something else; segments: by segment; interactions: by metric and variant, how likely effects
    differ as much between segments by chance."""

    options: ReadoutOptions
    users: int
    rows: int
    effects: Effects
    together: Mapping[tuple[str, str], Together]
    naive: Effects
    segments: Mapping[str, Effects]
    interactions: Mapping[str, Mapping[str, float | None]]
    health: Health
    decision: Decision
    notes: tuple[str, ...]
    rejected: Mapping[str, int]


def readout(path: Path, options: ReadoutOptions, quarantine: Path | None, progress: Progress) -> Readout:
    """Raises as `read_file`. The decision is about the first metric, with its covariates if it has any."""
    read = read_file(path, options, quarantine, progress)
    sums, users = read.sums, int(read.sums.seen.sum())
    pooled = [moments.pooled(1) for moments in sums.unweighted]
    effects, naive = (
        _effects([moments.pooled(1) for moments in each], pooled, read, options)
        for each in (sums.by_weight, sums.unweighted)
    )
    segments = {}
    if options.segment:
        for place, name in enumerate(read.names.segments):
            weighted = [moments.at(place, axis=1) for moments in sums.by_weight]
            unweighted = [moments.at(place, axis=1) for moments in sums.unweighted]
            segments[name] = _effects(weighted, unweighted, read, options)
    health = Health.of(read, options)
    primary = options.metrics[0].name
    return Readout(
        options=options,
        users=users,
        rows=read.rows,
        effects=effects,
        together=_together(effects, options),
        naive={name: naive[name] for name in naive if _differs(effects[name], naive[name])},
        segments=segments,
        interactions=_interactions(effects, segments),
        health=health,
        decision=decision(
            primary,
            {name: each.most_precise for name, each in effects[primary].items() if name != options.control},
            options.confidence,
            faults=health.faults,
            users=users,
            users_per_day=users / read.names.days if options.date and read.names.days > 1 else None,
        ),
        notes=(*read.notes, *health.notes),
        rejected=read.rejected,
    )


def _effects(
    weighted: Sequence[Moments], unweighted: Sequence[Moments], read: ReadFile, options: ReadoutOptions
) -> dict[str, dict[str, Effect]]:
    """Of the moments of each metric by variant."""
    return {
        metric.name: _of_variants(by_weight, plain, read.names.variants, options)
        for metric, by_weight, plain in zip(options.metrics, weighted, unweighted, strict=True)
    }


def _of_variants(
    weighted: Moments, unweighted: Moments, variants: Sequence[str], options: ReadoutOptions
) -> dict[str, Effect]:
    control = variants.index(options.control)
    found = {}
    for place, name in enumerate(variants):
        if place == control:
            found[name] = Effect.of_control(weighted.cell(control))
        else:
            both = unweighted.cell(control).merge(unweighted.cell(place))
            found[name] = effect(weighted.cell(control), weighted.cell(place), options.confidence, both)
    return found


def _together(effects: Effects, options: ReadoutOptions) -> dict[tuple[str, str], Together]:
    asked = {
        (metric, variant): found.difference
        for metric, variants in effects.items()
        for variant, found in variants.items()
        if variant != options.control
    }
    p, log_e = ([getattr(each, name) for each in asked.values()] for name in ("p", "log_e"))
    return dict(zip(asked, together(p, log_e, 1 - options.confidence), strict=True))


def _interactions(effects: Effects, segments: Mapping[str, Effects]) -> dict[str, dict[str, float | None]]:
    if not segments:
        return {}
    return {
        metric: {
            variant: interaction_p_value([each[metric][variant].difference for each in segments.values()])
            for variant, found in by_variant.items()
            if found.difference.effect is not None
        }
        for metric, by_variant in effects.items()
    }


def _differs(weighted: Mapping[str, Effect], naive: Mapping[str, Effect]) -> bool:
    pairs = ((weighted[name].difference.effect, naive[name].difference.effect) for name in weighted)
    return any(
        one is not None
        and other is not None
        and not math.isclose(one, other, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
        for one, other in pairs
    )
