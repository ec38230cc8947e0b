"""What `nightslate readout` prints: whether it can be believed, what to do, and the figures."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nightslate.core.experiments import Difference, Effect
from nightslate.files.readout.readout import Effects, Readout
from nightslate.reports.numbers import MISSING, count, percent, setting, signed, significant
from nightslate.reports.terminal import PLAIN, add_row, plain, table_of

_LEAST_P = 1e-4
_COLOURS = {"ship": "bold green", "stop": "bold red", "not healthy": "bold red"}


def readout_report(readout: Readout) -> RenderableType:
    """Everything; that a readout is not healthy stands above its figures."""
    decision = readout.decision
    word = decision.word if decision.variant is None else f"{decision.word} {decision.variant}"
    parts: list[RenderableType] = [
        Text.assemble("verdict: ", (plain(word).plain, _COLOURS.get(decision.word, "bold yellow"))),
        *map(_item, decision.reasons),
        "",
        _heading(readout),
        "",
        _table(readout.effects, readout),
    ]
    if any(found.cuped for variants in readout.effects.values() for found in variants.values()):
        parts += ["", Text("with covariates", style="dim"), _with_covariates(readout)]
    if readout.naive:
        parts += [
            "",
            Text("without weights, which is biased where shares moved", style="dim"),
            _naive(readout),
        ]
    for name, effects in readout.segments.items():
        parts += [
            "",
            Text.assemble((f"{readout.options.segment} ", "dim"), plain(name)),
            _table(effects, readout),
        ]
    parts += _interactions(readout)
    if readout.notes:
        parts += ["", Text("notes", style="dim"), *map(_item, readout.notes)]
    return Group(*parts)


def _heading(readout: Readout) -> Text:
    rows = "" if readout.rows == readout.users else f" in {count(readout.rows)} rows"
    health = readout.health
    ratio = (
        "sample ratio unknown"
        if health.srm_p is None
        else f"sample ratio: p {_p(health.srm_p)}, at every look {_p(health.srm_anytime_p)}"
    )
    confidence = setting(100 * readout.options.confidence)
    return Text(f"{count(readout.users)} users{rows}, intervals of {confidence} %, {ratio}")


def _table(effects: Effects, readout: Readout) -> Table:
    table = table_of(
        "metric", "variant", ">users", ">mean", ">effect", ">one look", ">every look", ">relative", ">p"
    )
    for metric, variants in effects.items():
        for variant, found in _control_first(variants, readout.options.control):
            add_row(
                table,
                metric,
                variant,
                count(found.n),
                significant(found.mean, 4),
                *_figures(found.difference),
                signed(percent(found.relative.effect)),
                _p(found.difference.p),
            )
    return table


def _with_covariates(readout: Readout) -> Table:
    table = table_of("metric", "variant", ">effect", ">one look", ">every look", ">p", ">variance")
    for metric, variants in readout.effects.items():
        for variant, found in variants.items():
            if found.cuped:
                figures = _figures(found.cuped)
                add_row(table, metric, variant, *figures, _p(found.cuped.p), _left(found))
    return table


def _naive(readout: Readout) -> Table:
    table = table_of("metric", "variant", ">effect", ">one look", ">more than weighted")
    for metric, variants in readout.naive.items():
        for variant, found in variants.items():
            weighted, naive = readout.effects[metric][variant].difference.effect, found.difference.effect
            if naive is not None:
                bias = None if weighted is None else naive - weighted
                add_row(table, metric, variant, *_figures(found.difference)[:2], signed(significant(bias)))
    return table


def _interactions(readout: Readout) -> list[RenderableType]:
    if not readout.interactions:
        return []
    table = table_of("metric", "variant", ">p of equal effects in all segments")
    for metric, variants in readout.interactions.items():
        for variant, p in variants.items():
            add_row(table, metric, variant, _p(p))
    return ["", table]


def _figures(found: Difference) -> tuple[str, str, str]:
    """The effect, its interval of one look and that of every look."""
    return (
        signed(significant(found.effect)),
        PLAIN.difference_interval(found.lower, found.upper),
        PLAIN.difference_interval(found.anytime_lower, found.anytime_upper),
    )


def _p(value: float | None) -> str:
    return "<0.0001" if value is not None and value < _LEAST_P else significant(value)


def _left(found: Effect) -> str:
    """Which share of the variance is left with covariates."""
    plain_, adjusted = found.difference.stderr, found.cuped.stderr if found.cuped else None
    return percent((adjusted / plain_) ** 2) if plain_ and adjusted else MISSING


def _control_first(variants: Mapping[str, Effect], control: str) -> list[tuple[str, Effect]]:
    return sorted(variants.items(), key=lambda item: item[0] != control)


def _item(sentence: str) -> Padding:
    return Padding(plain(sentence), (0, 0, 0, 2), expand=False)
