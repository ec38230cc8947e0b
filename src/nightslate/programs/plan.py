"""The steps of a night, in order. Airflow's DAG and `nightslate run` are both made from this list."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Step:
    """`engine`: spark steps are applications of their own (jobs/NAME.py); python steps are small.
    `of_sequences`: only programs whose decisions follow one another have it."""

    name: str
    engine: Literal["spark", "python"]
    after: tuple[str, ...]
    does: str
    of_sequences: bool = False


_STEPS = (
    Step(
        "ingest", "spark", (), "Checks the landing files of the day, row by row, into tables and quarantine."
    ),
    Step("attribute", "spark", ("ingest",), "Credits the day's outcomes to the impressions before them."),
    Step(
        "transitions",
        "spark",
        ("attribute",),
        "Puts a user's decisions together that follow one another, with their rewards.",
        of_sequences=True,
    ),
    Step(
        "train",
        "spark",
        ("attribute", "transitions"),
        "Fits every learner on rewards that are known; registers the models.",
    ),
    Step("evaluate", "spark", ("train",), "Estimates every policy's value off-policy, with intervals."),
    Step("promote", "python", ("evaluate",), "Promotes a challenger if its lower bound clears the gate."),
    Step("score", "spark", ("train",), "Ranks tonight's arms for every user; stages the slates."),
    Step("audit", "spark", ("score",), "Recomputes and checks what was staged, before anyone can read it."),
    Step("publish", "python", ("audit",), "Publishes the audited slates in one fenced commit."),
    Step("report", "python", ("promote", "publish"), "Writes the page of the night."),
    Step("data_docs", "python", ("publish",), "Writes the Data Docs: each contract, held against a sample."),
)
STEP_NAMES = tuple(step.name for step in _STEPS)


def plan(*, of_sequences: bool) -> tuple[Step, ...]:
    """The night of a program."""
    steps = [step for step in _STEPS if of_sequences or not step.of_sequences]
    names = {step.name for step in steps}
    return tuple(replace(step, after=tuple(n for n in step.after if n in names)) for step in steps)
