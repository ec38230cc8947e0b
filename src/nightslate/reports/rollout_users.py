"""Who has which share of a treatment on the page of a night of a rollout, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.kernels.small_cells import OTHERS
from nightslate.reports import rollout_plots as plots
from nightslate.reports.document import Figure, figure
from nightslate.reports.numbers import percent
from nightslate.reports.rollout_report import RolloutReport

SHOWN_CONTEXTS, SHOWN_FEATURES = 24, 5

Row = Mapping[str, Any]

CAUSES = {
    "same": "nothing: their shares are those of the day before",
    "new": "they are new, and were assigned for the first time",
    "absent": "they were not there today, and keep what they had",
    "stopped": "a treatment was stopped",
    "signal": "a signal from outside",
    "rule": "a rule of the program",
    "everyone": "the baseline changed",
    "score": "what a treatment is expected to do to them",
    OTHERS: "one of several causes, each of few users",
    "return": "they are on the way back, by so much a night as the range allows",
}
"""Why shares changed."""

APART = {**CAUSES, "everyone": "nothing: they are at the baseline"}
"""Why they are off the baseline."""


@dataclass(frozen=True)
class Contexts:
    """One treatment by what is known of users, the farthest from the baseline first."""

    name: str
    everyone: float
    rows: list[dict[str, Any]]
    left_out: int
    chart: Figure | None


@dataclass(frozen=True)
class Reasons:
    """Of the users whom scores of a treatment move to one side (`control` or `treatment`): how many there
    are, and the features that add the most to their scores, the most first."""

    name: str
    towards: str
    users: int
    rows: list[dict[str, Any]]


def causes(shares: pa.Table, part: str, treatments: Sequence[str]) -> list[dict[str, Any]]:
    """By cause, the most users first: how many, and by treatment how many came and left, and mean shares."""
    found: dict[str, dict[str, Any]] = {}
    for row in shares.filter(pc.field("part") == part).to_pylist():
        cause = row["segment_value"]
        of_cause = found.setdefault(cause, {"cause": cause, "users": row["users"], "came": [], "by": {}})
        of_cause["came"].append(row["came"])
        if row["variant"] in treatments:
            of_cause["by"][row["variant"]] = row
    rows = [{**row, "moved": total(row["came"])} for row in found.values()]
    return sorted(rows, key=lambda row: (-(row["moved"] or 0), -row["users"], row["cause"]))


def contexts(shares: pa.Table, treatment: str, everyone: float) -> Contexts:
    """Of the treatment. everyone: the share that everyone has of it."""
    mine = shares.filter((pc.field("part") == "segment") & (pc.field("variant") == treatment)).to_pylist()
    rows = [
        {
            **row,
            "label": f"{row['segment']} {row['segment_value'] or 'missing'}",
            "difference": row["share"] - everyone,
            "at_risk": part_of(row["below"], row["scored"]),
        }
        for row in mine
    ]
    rows.sort(key=lambda row: (-abs(row["difference"]), row["label"]))
    shown = rows[:SHOWN_CONTEXTS]
    said = ", ".join(f"{row['label']} {percent(row['share'])}" for row in shown)
    return Contexts(
        name=treatment,
        everyone=everyone,
        rows=shown,
        left_out=len(rows) - len(shown),
        chart=figure(plots.shares_by_context(shown, everyone), f"Mean share of {treatment}: {said}."),
    )


def user(row: Row, report: RolloutReport) -> dict[str, Any]:
    """A user whose row explains itself. Names of variants are those of lists, in order."""
    places = {name: at for at, name in enumerate(sorted((report.control, *report.treatments)))}
    of_treatments = [
        {
            "name": name,
            "share": row["shares"][places[name]],
            "before": row["shares_before"][places[name]],
            "score": row["scores"][places[name]],
        }
        for name in report.treatments
    ]
    return {**row, "user": row["user_id"][:8], "treatments": of_treatments}


def reasons(contributions: pa.Table, treatment: str) -> list[Reasons]:
    """Why scores of the treatment move users to either side; nothing where they move nobody."""
    found = []
    for towards in ("control", "treatment"):
        mine = contributions.filter(
            (pc.field("variant") == treatment) & (pc.field("towards") == towards)
        ).to_pylist()
        mine.sort(key=lambda row: (-abs(row["score"]), row["feature"]))
        if mine:
            found.append(Reasons(treatment, towards, mine[0]["users"], mine[:SHOWN_FEATURES]))
    return found


def total(counts: Iterable[int | None]) -> int | None:
    """None where one of them is not told."""
    known = list(counts)
    return None if None in known else sum(each for each in known if each is not None)


def part_of(count: int | None, total: int | None) -> float | None:
    return None if count is None or not total else count / total
