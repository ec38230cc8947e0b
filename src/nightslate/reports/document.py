"""What every page is made with: strict templates, and charts drawn into them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import altair as alt
import jinja2
from markupsafe import Markup

from nightslate.reports import plots
from nightslate.reports.numbers import short


@dataclass(frozen=True)
class Figure:
    """A chart in a page and what it says to those who do not see it."""

    svg: Markup
    alt: str


def figure(chart: alt.LayerChart | None, alternative: str) -> Figure | None:
    """A chart as it stands in a page, if there is one."""
    if chart is None:
        return None
    return Figure(Markup(plots.to_svg(chart)), alternative)  # noqa: S704 -- Vega escapes what it draws


def template(name: str, folders: Sequence[Path] = (), **filters: Callable[..., object]) -> jinja2.Template:
    """A template of one of the folders or of this package, in which text is escaped and what is not given is
    an error."""
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.FileSystemLoader(folders), jinja2.PackageLoader("nightslate.reports")]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters, short=short)
    return environment.get_template(name)
