"""The table `ledger`: what each promotion promised, and what has come of it by now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow as arrow_contracts
from nightslate.core.evidence import EProcess
from nightslate.kernels.evidence import EARNED
from nightslate.programs.cohorts import first_cohort_unknown_to
from nightslate.programs.strict import FIRST_DAY
from nightslate.steps.evidence import e_process, evidence_since
from nightslate.steps.night import ISSUE, Night
from nightslate.steps.reigns import recorded_reigns

_DAY = timedelta(days=1)


def write_ledger(night: Night) -> None:
    """One row a promotion up to this night: a function of the tables `promotions` and `evidence` alone."""
    table = night.table("ledger")
    schema = arrow_contracts.schema(table.contract, partition=False)
    rows = pa.Table.from_pylist(list(_entries(night)), schema)
    table.replace(night.ds, rows, night.commit_metadata)


def _entries(night: Night) -> Iterator[dict[str, Any]]:
    looks, evidence = night.rows("promotions", FIRST_DAY), evidence_since(night, FIRST_DAY)
    began = {reign.began for reign in recorded_reigns(looks, night.program.gate.first_champion)}
    promoted = looks.filter(pc.field("decision") == "promoted").sort_by("ds").to_pylist()
    promoted = [look for look in promoted if look["ds"] in began]
    unknown = first_cohort_unknown_to(night.program, night.ds)
    # a champion's slates begin with the day after its promotion, and end with the day of the next one
    ends = [*(min(following["ds"] + _DAY, unknown) for following in promoted[1:]), unknown]
    for look, end in zip(promoted, ends, strict=False):
        terms = evidence.filter(pc.field("policy") == look["champion_after"])
        heard = first_cohort_unknown_to(night.program, look["ds"])
        promise = _between(terms, "value", look["reign_since"], heard)
        came, negated = (_between(terms, about, look["ds"] + _DAY, end) for about in EARNED)
        yield {
            "issue": ISSUE,
            "promoted_on": look["ds"],
            "policy": look["champion_after"],
            "replaced": look["champion_before"],
            **_figures(promise, came, negated, night.program.gate.alpha),
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
