"""What `nightslate ope` prints for people: the estimates, the weights behind them, the verdict."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nightslate.core.ope.estimate import Estimate
from nightslate.files.ope import THRESHOLDS, Evaluation
from nightslate.reports.numbers import count, setting, significant
from nightslate.reports.terminal import PLAIN, add_row, table_of
from nightslate.reports.wording import weight_checks

ASSUMES = {
    "replay": "the logging policy is uniform",
    "ips": "right propensities; varies much",
    "snips": "right propensities; varies less",
    "clipped_ips": "ips, no weight over the tuning value",
    "dm": "a right reward model",
    "dr": "right propensities or a right model",
    "sndr": "dr, its weights scaled to a mean of 1",
    "switch_dr": "dr, the model alone over the tuning value",
    "dros": "dr, large weights shrunk",
    "mrdr": "dr, with a model fitted to make it vary little",
    "mips": "the reward depends on the arm's features only",
    "sips": "right propensities; varies most",
    "iips": "no slot's reward depends on another",
    "rips": "no slot's reward depends on later ones",
    "snsips": "sips, its weights scaled to a mean of 1",
    "sniips": "iips, its weights scaled to a mean of 1",
    "snrips": "rips, its weights scaled to a mean of 1",
    "cascade_dr": "rips, and a right model or right propensities",
    "pseudo_inverse": "slots add up to the reward",
    "tis": "right propensities; varies most",
    "pdis": "right propensities; varies less than tis",
    "sntis": "tis, its weights scaled to a mean of 1",
    "snpdis": "pdis, its weights scaled to a mean of 1",
    "traj_dr": "right propensities or a right model",
    "fqe": "a right model of all steps to come",
}
_SHOWN_STEPS = 6
"""Of a long trajectory: the first, the last, and some between."""

_COLOURS = {"deploy": "bold green", "do not deploy": "bold red"}


def ope_report(evaluation: Evaluation) -> RenderableType:
    """Everything, from the figures to what they mean."""
    chosen = evaluation.verdict
    notes: list[RenderableType] = []
    if evaluation.notes:
        notes = ["", Text("notes", style="dim"), *map(_item, evaluation.notes)]
    return Group(
        _heading(evaluation),
        "",
        _estimates(evaluation),
        "",
        _weights(evaluation),
        "",
        Text.assemble("verdict: ", (chosen.word, _COLOURS.get(chosen.word, "bold yellow"))),
        *map(_item, chosen.reasons),
        *notes,
    )


def _heading(evaluation: Evaluation) -> Text:
    estimate = evaluation.estimates[0]
    of = "" if estimate.clusters == estimate.n else f" of {count(estimate.clusters)} clusters"
    return Text(
        f"{count(estimate.n)} {evaluation.units}{of}, intervals of {setting(100 * estimate.confidence)} % "
        f"({estimate.interval_method.replace('_', ' ')})"
    )


def _estimates(evaluation: Evaluation) -> Table:
    table = table_of("estimator", ">value", ">interval", ">standard error", ">tuning", "assumes")
    for estimate in evaluation.estimates:
        _add(table, estimate.estimator, estimate, ASSUMES[estimate.estimator])
    _add(table, "as logged", evaluation.logged, "the mean of what was logged")
    if difference := evaluation.difference:
        _add(table, "difference", difference, f"target minus logged, paired, by {difference.estimator}")
    return table


def _add(table: Table, name: str, estimate: Estimate, remark: str) -> None:
    value, interval = PLAIN.value, PLAIN.interval
    if estimate.reference:
        value, interval = PLAIN.difference, PLAIN.difference_interval
    add_row(
        table,
        name,
        value(estimate.value),
        interval(estimate.lower, estimate.upper),
        significant(estimate.stderr),
        setting(estimate.tuning) if estimate.tuning else None,
        remark,
    )


def _weights(evaluation: Evaluation) -> Table:
    """The weights' figures; what is wrong with one stands beside it."""
    table = Table(box=None, pad_edge=False, show_header=False)
    judged = THRESHOLDS.max_unsupported_share if evaluation.support_is_known else 1.0
    for check in weight_checks(asdict(evaluation.estimates[0]), THRESHOLDS.min_ess, judged):
        wrong = Text(_WRONG[check.name] if check.fine is False else "", style="bold red")
        table.add_row(Text(check.name, style="dim"), Text(check.text), wrong)
    if ess := evaluation.ess_by_step:
        steps = sorted({1 + round(k * (len(ess) - 1) / (_SHOWN_STEPS - 1)) for k in range(_SHOWN_STEPS)})
        shown = ", ".join(f"{step}: {significant(ess[step - 1])}" for step in steps)
        table.add_row(Text("effective by step", style="dim"), Text(shown), "")
    return table


_WRONG = {
    "mean weight": "not near 1: propensities are wrong, or the log lacks support",
    "effective samples": f"too few: at least {setting(THRESHOLDS.min_ess)}",
    "largest weight": "one unit decides too much",
    "unsupported": "the log could not show too much of what the target shows",
}


def _item(sentence: str) -> Padding:
    return Padding(Text(sentence), (0, 0, 0, 2), expand=False)
