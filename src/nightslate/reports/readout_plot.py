"""The effects of a readout as a picture: one look thick, every look thin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import altair as alt

from nightslate.core.experiments import Effect
from nightslate.errors import ContractError
from nightslate.files.readout.readout import Effects, Readout
from nightslate.files.writing import require_writable
from nightslate.reports.plots import BLUE, INK, ROW, inline, layered, to_png, to_svg, x_axis, y_axis

_TITLE = "effect as a share of the control (%)"
_DRAWN: dict[str, Callable[[alt.LayerChart], bytes]] = {
    ".svg": lambda chart: to_svg(chart).encode(),
    ".png": to_png,
}


def require_drawable(path: Path, source: Path) -> None:
    """Raise ContractError unless a picture can be written there."""
    require_writable(path, source, _DRAWN)


def draw(readout: Readout, path: Path) -> None:
    """Write the picture. Raises ContractError where nothing has a relative effect, or it can't be written."""
    rows = list(_rows(readout))
    if not rows:
        raise ContractError(f"there is nothing to draw in {path}: no metric has a relative effect")
    order = [str(row["label"]) for row in rows]
    zero = alt.Chart(inline([{"value": 0.0}])).mark_rule(color=INK, strokeWidth=1.5).encode(x="value:Q")
    base = alt.Chart(inline(rows)).encode(y=y_axis("label", order))
    bars = [
        base.mark_rule(color=BLUE, strokeWidth=width, opacity=opacity).encode(
            x=x_axis(f"{ends}lower", _TITLE), x2=f"{ends}upper:Q"
        )
        for ends, width, opacity in (("anytime_", 1.5, 0.8), ("", 6, 0.35))
    ]
    dots = base.mark_point(color=BLUE, fill=BLUE, size=55, opacity=1).encode(x=x_axis("value", _TITLE))
    chart = layered([zero, *bars, dots], ROW * len(rows))
    try:
        path.write_bytes(_DRAWN[path.suffix.lower()](chart))
    except OSError as error:
        raise ContractError(f"cannot write {path}: {error.strerror}") from error


def _rows(readout: Readout) -> Iterator[dict[str, object]]:
    yield from _of(readout.effects, "")
    for name, effects in readout.segments.items():
        yield from _of(effects, f", {name}")


def _of(effects: Effects, segment: str) -> Iterator[dict[str, object]]:
    for metric, variants in effects.items():
        for variant, found in variants.items():
            if found.relative.effect is not None:
                yield {"label": f"{metric}: {variant}{segment}", **_in_percent(found)}


def _in_percent(found: Effect) -> dict[str, object]:
    relative = found.relative
    figures = {
        "value": relative.effect,
        "lower": relative.lower,
        "upper": relative.upper,
        "anytime_lower": relative.anytime_lower,
        "anytime_upper": relative.anytime_upper,
    }
    return {name: 100 * value for name, value in figures.items() if value is not None}
