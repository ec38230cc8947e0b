"""Which models were fitted on rows of a user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from nightslate.programs import Program
from nightslate.programs.days import days_before, first_day
from nightslate.tables import Table

_LEARNS_NOTHING = "uniform"


@dataclass(frozen=True)
class LearntModel:
    """A learner of an issue, or a detector, and the nights whose model of it was fitted on rows of the user;
    digests: of each night that of its file, where there is one."""

    place: str
    nights: Sequence[date]
    digests: Sequence[str]


def learnt_models(
    program: Program, tables: Mapping[str, Table], shown: Sequence[date], known: Sequence[date]
) -> list[LearntModel]:
    """Those by what the program says of windows. shown: the days of the user's impressions; known: those on
    which the user was among the users."""
    return [*_of_learners(program, tables, shown), *_of_detectors(program, tables, known)]


def _of_learners(
    program: Program, tables: Mapping[str, Table], shown: Sequence[date]
) -> Iterator[LearntModel]:
    if "models" not in tables:
        return
    found: dict[tuple[str, str], list[tuple[date, str]]] = {}
    for row in tables["models"].snapshot().to_arrow().to_pylist():
        issue = program.issues.get(row["issue"])
        learner = issue.learners.get(row["learner"]) if issue else None
        if issue is None or learner is None or learner.kind == _LEARNS_NOTHING:
            continue
        span = days_before(issue.sequence.span) if issue.sequence else 0
        first = first_day(row["ds"], issue.training.window_days) - timedelta(days=span)
        if any(first <= day <= row["ds"] for day in shown):
            found.setdefault((row["issue"], row["learner"]), []).append((row["ds"], row["digest"]))
    for (issue_name, name), nights in sorted(found.items()):
        days, digests = zip(*sorted(nights), strict=True)
        yield LearntModel(f"models/{issue_name}/{name}", days, digests)


def _of_detectors(
    program: Program, tables: Mapping[str, Table], known: Sequence[date]
) -> Iterator[LearntModel]:
    if "risks" not in tables:
        return
    nights = sorted(tables["risks"].snapshot().written())
    for name, detector in sorted(program.detectors.items()):
        learnt = [night for night in nights if {*detector.days(night)} & {*known}]
        if learnt:
            yield LearntModel(f"detectors/{name}", learnt, ())
