"""The table `evidence`: the terms of each cohort, taken once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.evidence import BETS, EProcess, Stakes, Term
from nightslate.kernels.evidence import EARNED, Evidence, Pair
from nightslate.kernels.progressive import Cohorts
from nightslate.pipeline.night import IssueNight
from nightslate.pipeline.stored_meaning import meaning_of, with_meaning
from nightslate.programs.cohorts import modelled_on
from nightslate.programs.meaning import Meaning, meaning_of_evidence
from nightslate.tables import Table

CHANGED = "nightslate.evidence.changed"
"""The tag of a night's MLflow run that names the days whose logs changed since their evidence was taken."""

_MOST_NAMED = 10
_EQUAL = 1e-9
"""How far two computations of one term may lie apart, relative to the terms of a day."""


@dataclass(frozen=True)
class Taken:
    """How many cohorts are new tonight, and the days whose logs say something else by now than when they were
    taken."""

    cohorts: int
    changed: Sequence[date]

    @property
    def in_words(self) -> str:
        """To end a sentence with."""
        taken = f"evidence of {self.cohorts} more days"
        if not self.changed:
            return taken
        return f"{taken}; the logs of {self.days_changed} changed since: the first evidence stays"

    @property
    def days_changed(self) -> str:
        """The days whose logs changed, the first few of many; empty where none did."""
        beyond = len(self.changed) - _MOST_NAMED
        named = ", ".join(map(str, self.changed[:_MOST_NAMED]))
        return f"{named} and {beyond} more days" if beyond > 0 else named


def take_evidence(night: IssueNight, table: Table, found: Evidence, cohorts: Cohorts) -> Taken:
    """Write the terms of the days that the table does not have yet. What it has stays as it is, so that no
    recomputation adds evidence: where logs say something else by now, that is reported and nothing more."""
    snapshot = table.snapshot()
    known, fresh, changed = {*snapshot.days()}, 0, []
    for day in sorted({pair.shown for pair in found.terms}):
        terms = {pair: term for pair, term in found.terms.items() if pair.shown == day}
        if day in known:
            if not _agree(snapshot.to_arrow(day, day).to_pylist(), terms):
                changed.append(day)
        elif stakes := cohorts.by_day[day].stakes:
            settings = cohorts.by_day[day].settings
            rows = [_row(night, pair, terms[pair], stakes, settings) for pair in sorted(terms, key=_order)]
            table.replace(
                day, table.typed(rows), with_meaning(night, "evidence", meaning_of_evidence(night.issue))
            )
            fresh += 1
    return Taken(fresh, changed)


def evidence_since(night: IssueNight, evidence: Table, since: date) -> pa.Table:
    """The terms of days from `since` up to this night, of what rewards mean tonight: days that were taken
    while the program said otherwise are in another currency, and count no more."""
    found = evidence_with_meaning(night, evidence, since)
    return found.filter(pc.field("meaning") == evidence_meaning(night)).drop_columns(["meaning"])


def evidence_with_meaning(night: IssueNight, evidence: Table, since: date) -> pa.Table:
    """The terms of days from `since` up to this night, and of each, in the column `meaning`, what rewards
    meant when it was taken."""
    snapshot = evidence.snapshot()
    rows = snapshot.to_arrow(since, night.ds)
    meant = {day: meaning_of(commit) for day, commit in snapshot.written().items()}
    meanings = [_words(meant[day]) for day in rows["ds"].to_pylist()]
    return rows.append_column("meaning", pa.array(meanings, pa.string()))


def evidence_meaning(night: IssueNight) -> str:
    """What evidence that is taken tonight means."""
    return _words(meaning_of_evidence(night.issue))


def e_process(rows: pa.Table) -> EProcess:
    """Rows of the table on one bet, in order of days."""
    return EProcess(
        stakes=[
            Stakes(row["reward_low"], row["reward_high"], row["margin"], row["max_units"])
            for row in rows.to_pylist()
        ],
        units=rows["units"].to_numpy(),
        totals=rows["total"].to_numpy(),
        log_growths=np.array(rows["log_growth"].to_pylist(), dtype=np.float64).reshape(-1, BETS.size),
    )


def _words(meant: Meaning | None) -> str:
    return json.dumps(meant, sort_keys=True)


def _order(pair: Pair) -> tuple[str, str, str]:
    return pair.about, pair.policy, pair.reference or ""


def _row(
    night: IssueNight, pair: Pair, term: Term, stakes: Stakes, settings: Mapping[str, str | None]
) -> dict[str, Any]:
    stakes = stakes.times(EARNED.get(pair.about, 1.0))
    return {
        "issue": night.issue.name,
        "about": pair.about,
        "policy": pair.policy,
        "reference": pair.reference,
        "fitted_on": modelled_on(night.issue, pair.shown),
        "policy_settings": settings.get(pair.policy),
        "reference_settings": settings.get(pair.reference or ""),
        "reward_low": stakes.low,
        "reward_high": stakes.high,
        "margin": stakes.margin,
        "max_units": stakes.max_units,
        **{name: getattr(term, name) for name in ("users", "units", "left_out", "clipped", "total")},
        "log_growth": term.log_growth.tolist(),
    }


def _agree(rows: Iterable[dict[str, Any]], terms: dict[Pair, Term]) -> bool:
    """Whether the terms that were taken are those that the logs give now, of pairs that both know."""
    for row in rows:
        term = terms.get(Pair(row["ds"], row["about"], row["policy"], row["reference"]))
        if term is not None and not np.allclose(row["log_growth"], term.log_growth, rtol=_EQUAL, atol=_EQUAL):
            return False
    return True
