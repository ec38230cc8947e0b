"""The gate: looks at the evidence of the reign, promotes a challenger or says what it lacks."""

from __future__ import annotations

from collections.abc import Iterable

from nightslate.core.gate import Decision, GateRule, decide
from nightslate.core.ope.diagnostics import Thresholds
from nightslate.core.ope.estimate import Estimate
from nightslate.errors import ContractError
from nightslate.pipeline.champion_reigns import Reign, digest_of
from nightslate.pipeline.ledger_table import write_ledger
from nightslate.pipeline.night import IssueNight
from nightslate.tables import Table

_BETTING = "betting"


def run(
    night: IssueNight, models: Table, evaluations: Table, evidence: Table, promotions: Table, ledger: Table
) -> str:
    """One row a challenger. The night's champion is that of the nights before, as they recorded it; an alias
    moves only if no later night has looked already."""
    reign = Reign.as_of(night, promotions, evidence)
    champion = reign.champion
    cases = reign.cases()
    weighed = _weighed(night, evaluations, cases, champion)
    decisions = {name: decide(case, weighed[name], _rule(night)) for name, case in cases.items()}
    winner = _best(decisions)
    after = winner or champion
    rows = [
        {
            "issue": night.issue.name,
            "challenger": name,
            "champion_before": champion,
            "champion_after": after,
            "champion_kind": night.issue.learners[after].kind,
            "decision": "promoted" if name == winner else "kept",
            "reasons": list(decision.reasons),
            "look": reign.look,
            "alpha": decision.alpha,
            "estimator": _BETTING,
            "difference": decision.difference,
            "lower": decision.lower,
            "log_capital": decision.log_capital,
            "joined": cases[name].joined,
            "cohorts": len(cases[name].evidence.stakes),
            "reign_since": reign.since,
        }
        for name, decision in decisions.items()
    ]
    promotions.replace(night.ds, promotions.typed(rows), night.commit_metadata)
    write_ledger(night, promotions, evidence, ledger)
    if max(promotions.snapshot().written()) == night.ds:
        run = night.run()
        version = night.registry.promote(digest_of(night, models, after), run.version_of(after))
        run.log_params({"champion_after": after, "champion_version": version})
    return f"champion {champion} -> {after}" if winner else f"champion stays {champion}, look {reign.look}"


def _weighed(
    night: IssueNight, evaluations: Table, challengers: Iterable[str], champion: str
) -> dict[str, Estimate]:
    """Tonight's progressive differences to the champion, by challenger."""
    wanted = {"estimand": "progressive", "reference": champion, "estimator": night.issue.judged_by}
    found = {
        row["policy"]: Estimate(**{name: row[name] for name in Estimate.__dataclass_fields__})
        for row in evaluations.rows(night.ds, night.ds).to_pylist()
        if all(row[name] == value for name, value in wanted.items())
    }
    for name in challengers:
        if name not in found:
            raise ContractError(
                f"the night of {night.ds} has no evaluation of {name} with {wanted}:"
                " run the step `evaluate` first"
            )
    return found


def _rule(night: IssueNight) -> GateRule:
    gate = night.issue.gate
    return GateRule(
        alpha=gate.alpha,
        thresholds=Thresholds(
            min_ess=gate.min_ess,
            min_clusters=gate.min_users,
            max_unsupported_share=gate.max_unsupported_share,
        ),
    )


def _best(decisions: dict[str, Decision]) -> str | None:
    """Of those that clear the gate the one with the highest lower bound; the first by name of equals."""
    bounds = {name: d.lower for name, d in decisions.items() if d.promote and d.lower is not None}
    return max(sorted(bounds), key=lambda name: bounds[name], default=None)
