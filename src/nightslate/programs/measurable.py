"""What a readout may ask of a program's logs and features, and an error that says what is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from nightslate.programs.computable import columns_of
from nightslate.programs.features import ColumnType
from nightslate.programs.logs import Activity, Feature, Logs
from nightslate.programs.readouts import FEATURES, FORMER, Covariate, Fatigue, Guardrail, Measured, Metric


def require_comparable(
    control: str | None,
    decided_by: str | None,
    metrics: Mapping[str, Metric],
    covariates: Mapping[str, Covariate],
    segments: Sequence[str],
    guardrails: Sequence[Guardrail],
    variants: Iterable[str],
) -> None:
    """Raise ValueError, naming the key, unless there is a control, something else, and what they are compared
    by; or nothing is asked at all."""
    names = list(variants)
    if control is None and not metrics:
        asked = {
            "decided_by": decided_by,
            "covariates": covariates,
            "segments": segments,
            "guardrails": guardrails,
        }
        for key, said in asked.items():
            if said:
                raise ValueError(f"experiment.{key}: say the `control` and the `metrics` that it is for")
        return
    if control is None or not metrics:
        lacking = "metrics" if control else "control"
        raise ValueError(f"experiment.{lacking}: a readout needs a `control` and `metrics`")
    if control not in names:
        raise ValueError(f"experiment.control: {control!r} is not one of the variants (there: {names})")
    if len(names) < 2:
        raise ValueError(
            f"experiment.control: {control} is the only variant; there is none to compare it with"
        )
    if decided_by is None and len(metrics) > 1:
        raise ValueError(f"experiment.decided_by: say by which of the metrics (there: {list(metrics)})")
    named = [("decided_by", decided_by)] if decided_by else []
    for key, name in [*named, *(("guardrails", each.metric) for each in guardrails)]:
        if name not in metrics:
            raise ValueError(f"experiment.{key}: {name!r} is not one of the metrics (there: {list(metrics)})")


def require_responses(fatigue: Fatigue | None, values: Iterable[str], control: str | None) -> None:
    """Raise ValueError, naming the key, unless what users respond with is credited, in a readout."""
    if fatigue is None:
        return
    if control is None:
        raise ValueError("experiment.fatigue: say the `control` and the `metrics` that it is for")
    for kind in fatigue.kinds:
        if kind not in values:
            raise ValueError(
                f"experiment.fatigue: kinds: {kind!r} is none of rewards.values (there: {list(values)}); no"
                " other outcome is credited to what was shown"
            )


def require_former(
    former: str | None, salt: str, start: date | None, control: str | None, columns: Iterable[str]
) -> None:
    """Raise ValueError, naming the key, unless an earlier experiment is another one, of before the start."""
    if former is None:
        return
    if control is None:
        raise ValueError("experiment.former: say the `control` and the `metrics` that it is for")
    if former == salt:
        raise ValueError(f"experiment.former: {former!r} is this experiment's own salt; say an earlier one's")
    if start is None:
        raise ValueError("experiment.former: say the `start`, before which the earlier experiment was")
    require_free("experiment.former", FORMER, columns)


def require_free(key: str, segment: str, columns: Iterable[str]) -> None:
    """Raise ValueError, naming the key, where a column has the name of a segment that comes with it."""
    if segment in columns:
        raise ValueError(f"{key}: {segment} is a column of contexts already; give it another name")


def require_measurable(
    metrics: Mapping[str, Metric],
    covariates: Mapping[str, Covariate],
    segments: Sequence[str],
    logs: Logs,
    features: Sequence[Feature],
) -> None:
    """Raise ValueError, naming the key, unless the program's logs, or features of users, have what is
    measured."""
    parts = [(f"metrics.{name}", part) for name, metric in metrics.items() for part in metric.measured]
    parts += [(f"covariates.{name}", covariate) for name, covariate in covariates.items()]
    for place, part in parts:
        _require_columns(f"experiment.{place}", part, logs, features)
    measured = [(place, part.column) for place, part in parts if part.source == "features"]
    asking = {each.name for each in features if each.consent}
    for place, name in [*measured, *(("segments", name) for name in segments)]:
        if name in asking:
            raise ValueError(
                f"experiment.{place}: {name} takes a consent, and users who do not give it have no value to"
                " be counted by; read out what all users have, or tell them apart by a column of logs.context"
            )
    for name, covariate in covariates.items():
        kept = logs.activity.kept if logs.activity else None
        if covariate.source == "activity" and kept and covariate.looks_back > kept:
            raise ValueError(
                f"experiment.covariates.{name}: its window is longer than activity is kept,"
                f" logs.activity.keep_days: {kept.days}"
            )
    categories = [each.name for each in (*logs.context, *features) if each.type == "category"]
    for name in segments:
        if name not in categories:
            raise ValueError(
                f"experiment.segments: {name!r} is not a category of logs.context, or of features of users"
                f" (there: {categories})"
            )


def require_sums_over_days(weighing: str, metrics: Mapping[str, Metric]) -> None:
    """Raise ValueError, naming the key, where days on the path are asked for and no metric has any."""
    if weighing == "path" and not any(metric.adds_up for metric in metrics.values()):
        raise ValueError(
            "experiment.weighing: path tells metrics that are sums over days, or a ratio of two (kind mean or"
            " ratio, of a log, without `distinct` and `winsorise`); there is none: add one, or leave it out"
        )


def require_priority(priority: str | None, covariates: Iterable[str]) -> None:
    """Raise ValueError, naming the key, unless users have an order by a covariate, if one is asked for."""
    if priority is not None and priority not in (names := sorted(covariates)):
        raise ValueError(f"experiment.priority: {priority!r} is not one of the covariates (there: {names})")


def measurable_columns(logs: Logs, features: Sequence[Feature] = ()) -> dict[str, dict[str, ColumnType]]:
    """By source the columns that may be looked at, with their types: those of the log, and of logs that name
    arms those of the arm."""
    of_logs, of_arms = columns_of(logs), {feature.name: feature.type for feature in logs.arm_features}
    found: dict[str, dict[str, ColumnType]] = {"rewards": {}}
    for source in ("outcomes", "impressions"):
        found[source] = {**of_arms, **of_logs[source]}
    if features:
        found[FEATURES] = {feature.name: feature.type for feature in features}
    if "activity" in of_logs:
        found["activity"] = of_logs["activity"]
    return found


def _require_columns(place: str, part: Measured, logs: Logs, features: Sequence[Feature]) -> None:
    columns = measurable_columns(logs, features)
    if part.source not in columns:
        key = "features" if part.source == FEATURES else "logs.activity"
        raise ValueError(f"{place}: it is of {part.source}; declare `{key}` with its columns")
    there = columns[part.source]
    for name in part.looked_at:
        if name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            hint = f"; is {near[0]} what is meant?" if near else ""
            raise ValueError(f"{place}: {name!r} is no column of {part.source} (there: {list(there)}){hint}")
    if part.column and there[part.column] != "number":
        raise ValueError(f"{place}: column: sums are of numbers, and {part.column} is a category")
    if part.source == "activity" and logs.activity:
        _require_kinds(place, part, logs.activity)


def _require_kinds(place: str, part: Measured, activity: Activity) -> None:
    asked = part.where.get("kind", ())
    for kind in asked if isinstance(asked, tuple) else (asked,):
        if activity.kinds and kind not in activity.kinds:
            raise ValueError(
                f"{place}: {kind!r} is none of logs.activity.kinds (there: {list(activity.kinds)})"
            )
