"""What models of effects say of themselves, and which of them is gone by: the rows of `effect_models`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.compute as pc

from nightslate.core.allocation import EffectCalibration
from nightslate.core.effects import CROSS_FITTED, slope
from nightslate.core.experiments import Moments
from nightslate.core.experiments.effect import Level, level
from nightslate.core.experiments.metric import Value
from nightslate.core.uplift import figures_by_gain
from nightslate.core.uplift.figures import AUTOC
from nightslate.kernels.effects import RANKS, SLOPE, TENTHS, VALUE
from nightslate.pipeline.effect_fitting import Fitted
from nightslate.pipeline.night import IssueNight
from nightslate.programs.allocation import Allocation
from nightslate.tables import Table


def leader_before(night: IssueNight, asked: Allocation, effect_models: Table) -> str:
    """The model that led on the last night before, as long as the program has it; else the first one."""
    snapshot = effect_models.snapshot()
    days = [day for day in snapshot.days() if day < night.ds]
    rows = (
        snapshot.to_arrow(days[-1], days[-1]) if days else snapshot.to_arrow(night.ds, night.ds).slice(0, 0)
    )
    mine = rows.filter(pc.and_(rows["leads"], pc.equal(rows["experiment"], night.issue.salt)))
    led = [name for name in mine["model"].to_pylist() if name in asked.score.models]
    return led[0] if led else asked.score.first_model


def leader_tonight(night: IssueNight, fitted: Fitted) -> str:
    """The model that led before, unless another one earns more by an interval that holds at every look, and
    however many there are: of these the one that earns most."""
    names, leader = [*fitted.models], fitted.judged.leader
    alpha = (1 - night.issue.evaluation.confidence) / max(1, len(names) - 1)
    better = {
        name: found.value
        for name in names
        if name != leader
        for found in (above_leader(fitted, name, 1 - alpha),)
        if found.value is not None and found.lower is not None and found.lower > 0
    }
    return max(better, key=lambda name: better[name]) if better else leader


def value_of_model(fitted: Fitted, name: str, confidence: float) -> Level:
    """What a user earns where shares go by the model, over what it earns by fixed ones."""
    return _level(fitted.states[VALUE,], [*fitted.models].index(name), confidence, CROSS_FITTED)


def above_leader(fitted: Fitted, name: str, confidence: float) -> Level:
    """How much more that is than by the model that led before, of the same users."""
    names = [*fitted.models]
    return _level(fitted.states[VALUE,], len(names) + names.index(name), confidence, CROSS_FITTED)


def model_rows(
    night: IssueNight,
    asked: Allocation,
    users: Mapping[str, int],
    fitted: Fitted | None,
    digests: Mapping[str, str],
    leader: str,
) -> list[dict[str, Any]]:
    """By model and treatment of the program, whether or not there is a model of it yet. users: by variant."""
    control = str(night.issue.experiment.control)
    rows = []
    for name in asked.score.models:
        of_all = _of_model(night, fitted, name) if fitted else {}
        for variant in sorted({*night.issue.variants} - {control}):
            taught = fitted is not None and variant in fitted.lessons.treatments
            rows.append(
                {
                    "issue": night.issue.name,
                    "experiment": night.issue.salt,
                    "model": name,
                    "variant": variant,
                    "digest": digests.get(name) if taught else None,
                    "users": users.get(variant, 0) + users.get(control, 0),
                    "leads": name == leader,
                    **of_all,
                    **(_of_treatment(night, fitted, name, variant) if fitted and taught else {}),
                }
            )
    return rows


def reliability(night: IssueNight, fitted: Fitted) -> Iterator[dict[str, Any]]:
    """By model and treatment, and tenth of what is said of the effect: that, and the effect that came."""
    confidence = night.issue.evaluation.confidence
    for name, variant in fitted.judged.edges:
        found = EffectCalibration(fitted.judged.edges[name, variant], fitted.states[TENTHS, name, variant])
        bins = found.bins(confidence)
        columns = (bins.users, bins.predicted, bins.effect, bins.lower, bins.upper)
        for tenth, figures in enumerate(zip(*(each.tolist() for each in columns), strict=True), start=1):
            users, said, came, lower, upper = figures
            yield {
                "model": name,
                "variant": variant,
                "tenth": tenth,
                "users": users,
                "predicted": _known(said),
                "effect": _known(came),
                "lower": _known(lower),
                "upper": _known(upper),
            }


def _of_model(night: IssueNight, fitted: Fitted, name: str) -> dict[str, float | None]:
    confidence = night.issue.evaluation.confidence
    value, above = value_of_model(fitted, name, confidence), above_leader(fitted, name, confidence)
    return {
        "value": value.value,
        "value_stderr": value.stderr,
        "anytime_lower": value.lower,
        "anytime_upper": value.upper,
        "above_leader": above.value,
        "above_leader_lower": above.lower,
        "above_leader_upper": above.upper,
    }


def _of_treatment(night: IssueNight, fitted: Fitted, name: str, variant: str) -> dict[str, float | None]:
    states, confidence = fitted.states, night.issue.evaluation.confidence
    moments: Moments = states[SLOPE, name, variant].cell(0)
    effect, found = _level(states[SLOPE, name, variant], 0, confidence), slope(moments)
    figures = figures_by_gain(states[RANKS, name, variant].ranked, confidence)
    ranked = next((each for each in figures if each.figure == AUTOC), None)
    return {
        "effect": effect.value,
        "effect_stderr": effect.stderr,
        "slope": found.value,
        "slope_stderr": _cross_fitted(found.stderr),
        "autoc": None if ranked is None else ranked.value,
        "autoc_stderr": None if ranked is None else _cross_fitted(ranked.stderr),
    }


def _cross_fitted(stderr: float | None) -> float | None:
    return None if stderr is None else stderr * math.sqrt(CROSS_FITTED)


def _level(users: Moments, column: int, confidence: float, inflated: float = 1.0) -> Level:
    """The mean of a column over users, with the interval of every look; its variance is so many times that of
    users who say nothing of one another."""
    of = users.cell(0).columns(slice(column, column + 1))
    n = int(of.n)
    variance = inflated * float(of.squares(np.ones(1))) / (n - 1) / n if n > 1 else 0.0
    return level(Value(n, float(of.effective[0]), float(of.mean[0]), variance or None), confidence)


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def in_words(fitted: Fitted, leader: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The models and what they earn, for the line that the step says."""
    taught = ", ".join(f"{fitted.users[name]} of {name}" for name in sorted(fitted.users))
    values = {row["model"]: row["value"] for row in rows}
    told = "; ".join(f"{name} {value:+.4g} a user over fixed shares" for name, value in values.items())
    before = fitted.judged.leader
    now = f"{leader} leads" if leader == before else f"{leader} leads from now on, no more {before}"
    return f"{len(values)} models of effects on {taught}: {told}; {now}"
