"""The table `ledger`: what each promotion promised, and what has come of it by now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.evidence import EProcess
from nightslate.kernels.evidence import EARNED
from nightslate.pipeline.champion_reigns import recorded_reigns
from nightslate.pipeline.evidence_table import e_process, evidence_since
from nightslate.pipeline.night import IssueNight
from nightslate.programs.cohorts import first_cohort_unknown_to
from nightslate.programs.strict import FIRST_DAY
from nightslate.tables import Table

_DAY = timedelta(days=1)


def write_ledger(night: IssueNight, promotions: Table, evidence: Table, ledger: Table) -> None:
    """One row a promotion up to this night: a function of the tables `promotions` and `evidence` alone."""
    looks, terms = promotions.rows(FIRST_DAY, night.ds), evidence_since(night, evidence, FIRST_DAY)
    ledger.replace(night.ds, ledger.typed([*_entries(night, looks, terms)]), night.commit_metadata)


def _entries(night: IssueNight, looks: pa.Table, evidence: pa.Table) -> Iterator[dict[str, Any]]:
    began = {reign.began for reign in recorded_reigns(looks, night.issue.gate.first_champion)}
    promoted = looks.filter(pc.field("decision") == "promoted").sort_by("ds").to_pylist()
    promoted = [look for look in promoted if look["ds"] in began]
    unknown = first_cohort_unknown_to(night.issue, night.ds)
    # a champion's slates begin with the day after its promotion, and end with the day of the next one
    ends = [*(min(following["ds"] + _DAY, unknown) for following in promoted[1:]), unknown]
    for look, end in zip(promoted, ends, strict=False):
        terms = evidence.filter(pc.field("policy") == look["champion_after"])
        heard = first_cohort_unknown_to(night.issue, look["ds"])
        promise = _between(terms, "value", look["reign_since"], heard)
        came, negated = (_between(terms, about, look["ds"] + _DAY, end) for about in EARNED)
        yield {
            "issue": night.issue.name,
            "promoted_on": look["ds"],
            "policy": look["champion_after"],
            "replaced": look["champion_before"],
            **_figures(promise, came, negated, night.issue.gate.alpha),
        }


def _between(terms: pa.Table, about: str, since: date, until: date) -> EProcess:
    """The days from `since` up to before `until`."""
    chosen = (pc.field("about") == about) & (pc.field("ds") >= since) & (pc.field("ds") < until)
    return e_process(terms.filter(chosen).sort_by("ds"))


def _figures(promise: EProcess, came: EProcess, negated: EProcess, alpha: float) -> dict[str, Any]:
    """Each bound holds at every look with probability 1 - alpha, what came lies between its two likewise."""
    promised, above = promise.value_lower(alpha), negated.value_lower(alpha / 2)
    upper = None if above is None else -above
    return {
        "promised": promise.value,
        "promised_lower": promised,
        "days": len(came.stakes),
        "units": int(came.units.sum()),
        "came": came.value,
        "came_lower": came.value_lower(alpha / 2),
        "came_upper": upper,
        "kept": None if promised is None or upper is None else upper >= promised,
    }
