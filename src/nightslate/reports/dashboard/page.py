"""The dashboard of a program: one HTML file that needs nothing but itself, with all of its nights to look
through. Vega's scripts are in it, once; nothing outside is asked for."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import vl_convert
from markupsafe import Markup

from nightslate.reports.dashboard import over_nights
from nightslate.reports.dashboard.calibration import CALIBRATION
from nightslate.reports.dashboard.dashboard_report import DashboardReport
from nightslate.reports.dashboard.drift import DRIFT
from nightslate.reports.dashboard.encoding import encoded, thinned
from nightslate.reports.dashboard.exposure import EXPOSURE
from nightslate.reports.dashboard.importance import IMPORTANCE
from nightslate.reports.dashboard.lift import LIFT
from nightslate.reports.dashboard.nights import NIGHTS
from nightslate.reports.dashboard.policy_values import POLICY_VALUES
from nightslate.reports.dashboard.promises import PROMISES
from nightslate.reports.dashboard.readouts import READOUTS
from nightslate.reports.dashboard.rollouts import ROLLOUTS
from nightslate.reports.dashboard.section import Section, SectionMaker
from nightslate.reports.document import template

SECTIONS: Sequence[SectionMaker] = (
    READOUTS,
    ROLLOUTS,
    POLICY_VALUES,
    LIFT,
    EXPOSURE,
    IMPORTANCE,
    CALIBRATION,
    DRIFT,
    PROMISES,
    NIGHTS,
)
"""In the order of the page. One more is a file beside this one, and its name here; the tables that it reads
are arguments of the step `dashboard`, by `reads` in pipeline/plan.py."""


def tables_read() -> dict[str, list[str]]:
    """The columns that sections read, by table."""
    columns: dict[str, dict[str, None]] = {}
    for maker in SECTIONS:
        for table, names in maker.reads.items():
            columns.setdefault(table, {}).update(dict.fromkeys(names))
    return {table: list(names) for table, names in columns.items()}


def page(report: DashboardReport) -> str:
    """All nights as one HTML document."""
    made = (maker.made(report) for maker in SECTIONS)
    of_all = report.publishes == "slates"
    shown = [(each, *thinned(each.rows)) for each in made if (each.of_all and of_all) or each.rows.num_rows]
    data = {
        "issues": {
            name: {"value": rules.reward.unit, "difference": rules.reward.unit_of_differences}
            for name, rules in report.issues.items()
        },
        "colours": over_nights.COLOURS,
        "dashes": over_nights.DASHES,
        "others": over_nights.OTHERS,
        "sections": {section.name: _data(section, encoded(rows)) for section, rows, _ in shown},
    }
    scripts = [vega(), _script()]
    return template("dashboard.html.j2").render(
        report=report,
        sections=[(section, every) for section, _, every in shown],
        data=Markup(_json(data)),  # noqa: S704 -- no tag ends in it
        scripts=[Markup(script) for script in scripts],  # noqa: S704 -- ours, and Vega's
        hashes=[_hash(script) for script in scripts],
    )


@cache
def vega() -> str:
    """Vega, Vega-Lite and Vega-Embed, as vl-convert brings them, without what would end a script element. To
    bundle them takes seconds."""
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")).replace(
        "</script", "<\\/script"
    )


def _script() -> str:
    return files("nightslate.reports").joinpath("templates/dashboard.js").read_text("utf-8")


def _data(section: Section, rows: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rows": rows,
        "charts": [
            {
                "spec": over_nights.specification(chart.chart),
                "by": chart.by,
                "newest": chart.newest,
                "rowHeight": chart.row_height,
            }
            for chart in section.charts
        ],
        "columns": [[column.field, column.written] for column in section.columns],
        "picks": [[pick.field, pick.one] for pick in section.picks],
        "tiles": [[tile.field, tile.written, tile.where, tile.interval] for tile in section.tiles],
        "newest": section.newest,
    }


def _json(data: Mapping[str, Any]) -> str:
    """For a script element: what could end it, or begin another, is escaped."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _hash(script: str) -> str:
    """By which the page's policy knows a script of its own."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
