"""What `nightslate features` prints: what features there are, and how their values lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Group, RenderableType
from rich.text import Text

from nightslate.files.features.features import Summary
from nightslate.programs.days import in_short
from nightslate.programs.features import Aggregate, OfColumn
from nightslate.reports.numbers import count, percent, significant
from nightslate.reports.terminal import add_row, table_of

_QUANTILES = {"p5": 0.05, "p50": 0.5, "p95": 0.95}


def features_report(summary: Summary, out: Path) -> RenderableType:
    """Everything that the terminal shows."""
    heading = Text(
        f"{count(len(summary.features))} features of {count(summary.rows.num_rows)} moments of"
        f" {count(summary.users)} users, of whom {count(summary.active)} were active; from"
        f" {count(summary.events)} of {count(summary.activity)} events\n{out}"
    )
    table = table_of("feature", "is", "window", ">mean", *(f">{name}" for name in _QUANTILES), ">no value")
    for feature in summary.features:
        found = _described(summary.rows[feature.name])
        numbers = (significant(found.get(name)) for name in ("mean", *_QUANTILES))
        window = in_short(feature.window) if feature.window else "all"
        add_row(table, feature.name, _in_words(feature), window, *numbers, percent(found["missing"]))
    return Group(heading, "", table)


def as_json(summary: Summary) -> dict[str, Any]:
    """The summary as JSON has it."""
    return {
        "activity": {"rows": summary.activity, "events": summary.events},
        "as_of": {"rows": summary.moments, "written": summary.rows.num_rows},
        "users": {"asked_of": summary.users, "active": summary.active},
        "features": {each.name: _described(summary.rows[each.name]) for each in summary.features},
        "rejected": summary.refused,
        "notes": list(summary.notes),
    }


def _described(values: pa.ChunkedArray) -> dict[str, float]:
    """The share of rows without a value, and of numbers their mean and quantiles."""
    described = {"missing": values.null_count / max(len(values), 1)}
    if pa.types.is_floating(values.type) and values.null_count < len(values):
        described["mean"] = pc.mean(values).as_py()
        found = pc.quantile(values, q=list(_QUANTILES.values())).to_pylist()
        described |= dict(zip(_QUANTILES, found, strict=True))
    return described


def _in_words(feature: Aggregate) -> str:
    spec = feature.spec
    name = spec.aggregation.replace("_", " ")
    return f"{name} of {spec.column}" if isinstance(spec, OfColumn) else name
