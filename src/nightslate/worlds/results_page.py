"""What the pages of all simulations have in common: one HTML file for whoever wants to see nights learn,
beside what is true."""

from __future__ import annotations

from pathlib import Path

from nightslate.reports.document import Figure, figure, template
from nightslate.reports.estimands import CROSS_FITTED, ESTIMANDS
from nightslate.reports.numbers import MINUS, MISSING, count, setting, signed, significant
from nightslate.worlds.charts import champion_estimates
from nightslate.worlds.results import Results

_BASE = Path(__file__).parent
"""Where the template lies that those of all worlds extend."""


def render(file: Path, results: Results, **charts: Figure | None) -> str:
    """Results as one HTML document, by the template of their world, which lies in its folder, with the charts
    that only it has."""
    html = template(
        file.name,
        (file.parent, _BASE),
        count=count,
        setting=setting,
        significant=significant,
        signed=signed,
        whole_percent=whole_percent,
    )
    return html.render(
        results=results,
        headline=headline(results),
        held=results.covered("truth", results.leading_estimand),
        realised=results.covered("realised", CROSS_FITTED),
        policies=[
            (policy, [results.covered("truth", estimand, policy) for estimand in ESTIMANDS])
            for policy in dict.fromkeys(row["policy"] for row in results.estimates)
        ],
        estimates_chart=figure(
            champion_estimates(results.estimates, results.reward),
            "Each night's estimate of the champion's value with its interval, its true value, and what was"
            " realised the day after.",
        ),
        **charts,
    )


def headline(results: Results) -> str:
    """One sentence: what was earned where it was personalised beside where it was not, and how much was
    possible."""
    lift, last = results.lift, f"{results.read_over} {results.span}"
    if lift is None:
        return f"Neither personalised nor randomised {results.earning} anything to compare in {last}"
    ends = " to ".join(signed(whole_percent(lift[end])) for end in ("lower", "upper"))
    return (
        f"Personalised {results.earning} {whole_percent(abs(lift['value']))}"
        f" {'more' if lift['value'] >= 0 else 'less'} than randomised ones in the last {last}"
        f" ({100 * lift['confidence']:g} % interval {ends}):"
        f" {whole_percent(results.reached)} of the lift that was possible"
    )


def whole_percent(share: float | None) -> str:
    """A share of 1 in percent, without decimals: of what is not known to a thousandth."""
    return MISSING if share is None else f"{100 * share:.0f} %".replace("-", MINUS)
