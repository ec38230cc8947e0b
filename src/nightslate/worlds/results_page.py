"""What the pages of all simulations have in common: one HTML file for whoever wants to see nights learn,
beside what is true."""

from __future__ import annotations

from pathlib import Path

import jinja2

from nightslate.reports.document import Figure, figure, template
from nightslate.reports.estimands import CROSS_FITTED, ESTIMANDS
from nightslate.reports.numbers import MINUS, MISSING, count, percent, setting, signed, significant
from nightslate.worlds.charts import champion_estimates
from nightslate.worlds.results import Results, named

_BASE = Path(__file__).parent
"""Where the template lies that those of all worlds extend."""


def render(file: Path, results: Results, **parts: object) -> str:
    """Results as one HTML document, by the template of their world, which lies in its folder, with what only
    it has."""
    return page_template(file).render(
        results=results,
        headline=headline(results),
        held=results.covered("truth", results.leading_estimand),
        realised=results.covered("realised", CROSS_FITTED),
        policies=[
            (name, [results.covered("truth", estimand, policy, issue) for estimand in ESTIMANDS])
            for name, policy, issue in dict.fromkeys(
                (named(row, "policy"), row["policy"], row["issue"]) for row in results.estimates
            )
        ],
        estimates_charts=_estimates_charts(results),
        several=len({row["issue"] for row in results.looks}) > 1,
        **parts,
    )


def page_template(file: Path) -> jinja2.Template:
    """The template of a world, which lies in its folder, with the words and the styles of all of them."""
    return template(
        file.name,
        (file.parent, _BASE),
        count=count,
        setting=setting,
        significant=significant,
        signed=signed,
        percent=percent,
        whole_percent=whole_percent,
    )


def _estimates_charts(results: Results) -> list[tuple[str, Figure]]:
    """By issue that has any."""
    issues = dict.fromkeys(row["issue"] for row in results.estimates)
    charts = {
        issue: figure(
            champion_estimates([row for row in results.estimates if row["issue"] == issue], results.reward),
            "Each night's estimate of the champion's value with its interval, its true value, and what was"
            " realised the day after.",
        )
        for issue in issues
    }
    return [(issue, chart) for issue, chart in charts.items() if chart]


def headline(results: Results) -> str:
    """One sentence: what was earned where it was personalised beside where it was not, and how much was
    possible."""
    lift, last = results.lift, f"{results.read_over} {results.span}"
    if lift is None:
        return f"Neither personalised {results.earning} anything to compare in {last}, nor {results.control}"
    ends = " to ".join(signed(whole_percent(lift[end])) for end in ("lower", "upper"))
    return (
        f"Personalised {results.earning} {whole_percent(abs(lift['value']))}"
        f" {'more' if lift['value'] >= 0 else 'less'} than {results.control} in the last {last}"
        f" ({100 * lift['confidence']:g} % interval {ends}):"
        f" {whole_percent(results.reached)} of {results.possible}"
    )


def whole_percent(share: float | None) -> str:
    """A share of 1 in percent, without decimals: of what is not known to a thousandth."""
    return MISSING if share is None else f"{100 * share:.0f} %".replace("-", MINUS)
