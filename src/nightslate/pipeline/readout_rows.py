"""The rows of the table `readouts`: what each variant was worth against the control."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import date
from typing import Any

from nightslate.core.experiments import (
    Difference,
    Effect,
    Moments,
    adaptive_difference,
    effect,
    interaction_p_value,
    novelty,
    together,
    value_of,
)
from nightslate.kernels.comparable_users import pairs
from nightslate.kernels.experiment_users import Allocated
from nightslate.kernels.named_states import MomentsByName, Place, in_order
from nightslate.kernels.readout_days import Daily
from nightslate.kernels.readout_paths import OfPaths
from nightslate.kernels.readouts import Figure, Key
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.readout_augmented import augmented_rows
from nightslate.pipeline.readout_columns import same, shown, told


def readout_rows(night: IssueNight, dealt: Allocated, states: Mapping[Key, Any]) -> list[dict[str, Any]]:
    """All of the night, with what looking at several of one kind makes of each."""
    rows = [
        row
        for figure, found in states.items()
        if isinstance(figure, Figure)
        for row in _rows_of(night, dealt.since, figure, found, unweighted_of(figure, states))
    ]
    rows += [
        row
        for daily in states
        if isinstance(daily, Daily) and daily.of == "moments"
        for row in _adaptive_rows(night, dealt, daily, states)
    ]
    rows += augmented_rows(night, dealt, states)
    rows += [
        row for key in states if isinstance(key, OfPaths) for row in _path_rows(night, dealt, key, states)
    ]
    for family in _families(rows):
        p, log_e = ([row[name] for row in family] for name in ("p", "log_e"))
        for row, left in zip(family, together(p, log_e, 1 - night.issue.evaluation.confidence), strict=True):
            row |= asdict(left)
    for same_but_value in _by(rows, ("metric", "variant", "scope", "period", "method", "segment")):
        if same_but_value[0]["segment"] is not None:
            effects = [Difference(row["effect"], row["stderr"]) for row in same_but_value]
            p_value = interaction_p_value(effects)
            for row in same_but_value:
                row["interaction_p"] = p_value
    return rows


def effects_of(night: IssueNight, figure: Figure, states: Mapping[Key, Any]) -> dict[str, Effect]:
    """Of all users, by variant that is none of the control."""
    control, confidence = str(night.issue.experiment.control), night.issue.evaluation.confidence
    found, unweighted = (pairs(each, control) for each in (states[figure], unweighted_of(figure, states)))
    return {
        str(place[0]): effect(of_control, moments, confidence, _both(unweighted, place))
        for place, (moments, of_control) in in_order(found)
        if of_control is not None and place[1] is None and place[0] != control
    }


def unweighted_of(figure: Figure, states: Mapping[Key, Any]) -> MomentsByName:
    """The moments of the same users without weights, as far as there are any."""
    found: MomentsByName = states.get(replace(figure, weighted=False), MomentsByName.initial())
    return found


def _both(unweighted: Mapping[Place, tuple[Moments, Moments | None]], place: Place) -> Moments | None:
    """Those of a variant and of the control together, within a segment or of all."""
    one, other = unweighted.get(place, (None, None))
    return None if one is None or other is None else other.merge(one)


def _rows_of(
    night: IssueNight, since: date, figure: Figure, found: MomentsByName, unweighted: MomentsByName
) -> Iterator[dict[str, Any]]:
    asked, confidence = night.issue.experiment, night.issue.evaluation.confidence
    of_figure = same(night, since, figure)
    paired, unweighted_pairs = (pairs(each, str(asked.control)) for each in (found, unweighted))
    for place in shown({place: moments for place, (moments, _) in paired.items()}):
        variant, column, value = place
        moments, of_control = paired[place]
        control = Moments.initial((), moments.mean.size) if of_control is None else of_control
        if figure.period == "novelty":
            parts = novelty(control, moments, confidence)
            compared = {"first": parts.first, "later": parts.later, "change": parts.change}
        else:
            both = _both(unweighted_pairs, place)
            compared = {str(figure.period): effect(control, moments, confidence, both)}
        cell = {**of_figure, "variant": variant, "segment": column, "segment_value": value}
        for period, found_in in compared.items():
            yield from _by_method({**cell, "period": period}, found_in, figure.weighted)


def _by_method(cell: dict[str, Any], found: Effect, weighted: bool) -> Iterator[dict[str, Any]]:
    """The rows of a cell; that of the control has no effect."""
    kept = {**cell, "n": found.n, "mean": found.mean, "method": "difference" if weighted else "naive"}
    if cell["variant"] == cell["control"]:
        yield {**kept, **told(Difference(None))}
        return
    relative = found.relative
    yield {
        **kept,
        **told(found.difference),
        "relative": relative.effect,
        "relative_lower": relative.lower,
        "relative_upper": relative.upper,
    }
    if found.cuped is not None and weighted:
        yield {**kept, "method": "cuped", **told(found.cuped)}


def _adaptive_rows(
    night: IssueNight, dealt: Allocated, daily: Daily, states: Mapping[Key, Any]
) -> Iterator[dict[str, Any]]:
    """Of all users, days weighted by how much each tells."""
    figure, confidence = Figure(daily.metric, daily.scope, "cumulative"), night.issue.evaluation.confidence
    control, moments = str(night.issue.experiment.control), states[daily]
    shares, by_name = states[replace(daily, of="shares")], states[figure].states
    for place, variant in enumerate(dealt.variants):
        if variant == control or (variant, None, None) not in by_name:
            continue
        found = adaptive_difference(moments, shares, dealt.variants.index(control), place, confidence)
        mine = value_of(by_name[variant, None, None])
        yield {
            **same(night, dealt.since, figure),
            "variant": variant,
            "segment": None,
            "segment_value": None,
            "period": figure.period,
            "n": mine.n,
            "mean": mine.value,
            "method": "adaptive",
            **told(found),
        }


def _path_rows(
    night: IssueNight, dealt: Allocated, key: OfPaths, states: Mapping[Key, Any]
) -> Iterator[dict[str, Any]]:
    """Of all users, days weighted by how probable it was that they are in the variant still."""
    figure, confidence = Figure(key.metric, "assigned", "cumulative"), night.issue.evaluation.confidence
    control = str(night.issue.experiment.control)
    for (variant, _, _), (moments, of_control) in in_order(pairs(states[key], control)):
        if variant == control or of_control is None:
            continue
        found = effect(of_control, moments, confidence)
        yield {
            **same(night, dealt.since, figure),
            "variant": variant,
            "segment": None,
            "segment_value": None,
            "period": figure.period,
            "n": found.n,
            "mean": found.mean,
            "method": "path",
            **told(found.difference),
        }


def _families(rows: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Those that are looked at together: of one scope, period, method and column of segments, with an
    effect."""
    effects = (row for row in rows if row["variant"] != row["control"])
    return _by(effects, ("scope", "period", "method", "segment"))


def _by(rows: Iterable[dict[str, Any]], names: tuple[str, ...]) -> list[list[dict[str, Any]]]:
    """Those that are alike in some columns."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return list(found.values())
