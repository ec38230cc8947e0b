"""The gate: looks at the evidence of the reign, promotes a challenger or says what it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow as arrow_contracts
from nightslate.core.estimators.diagnostics import Thresholds
from nightslate.core.estimators.estimate import Estimate
from nightslate.core.gate import Case, Decision, GateRule, decide
from nightslate.errors import ContractError, SpecError
from nightslate.programs.cohorts import first_cohort_unknown_to
from nightslate.programs.meaning import policy_settings
from nightslate.programs.strict import FIRST_DAY
from nightslate.steps.evidence import e_process, evidence_meaning, evidence_with_meaning
from nightslate.steps.ledger import write_ledger
from nightslate.steps.night import ISSUE, Night
from nightslate.steps.reigns import recorded_reigns

_BETTING = "betting"


def run(night: Night) -> str:
    """One row a challenger. The night's champion is that of the nights before, as they recorded it; an alias
    moves only if no later night has looked already."""
    reign = Reign.of(night)
    champion = reign.champion
    cases = reign.cases()
    decisions = {
        name: decide(case, _weighed(night, name, champion), _rule(night)) for name, case in cases.items()
    }
    winner = _best(decisions)
    after = winner or champion
    rows = [
        {
            "issue": ISSUE,
            "challenger": name,
            "champion_before": champion,
            "champion_after": after,
            "champion_kind": night.program.learners[after].kind,
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
    table = night.table("promotions")
    schema = arrow_contracts.schema(table.contract, partition=False)
    table.replace(night.ds, pa.Table.from_pylist(rows, schema), night.commit_metadata)
    write_ledger(night)
    if max(table.snapshot().days()) == night.ds:
        version = night.registry.crown(digest_of(night, after))
        night.run().log_params({"champion_after": after, "champion_version": version})
    return f"champion {champion} -> {after}" if winner else f"champion stays {champion}, look {reign.look}"


@dataclass(frozen=True)
class Reign:
    """A champion's time so far, as the nights before recorded it. look: how often the gate has looked, this
    night included. since: the first day whose cohort counts; what was whole when the champion was promoted
    spoke for it, or against another. evidence: the terms of challengers against it, by day and name, of these
    policies as they are set, and of rewards as they are meant, tonight. joined: of each such challenger how
    many had joined the reign when it did, itself included; who changed in any of this joins anew."""

    champion: str
    look: int
    since: date
    evidence: pa.Table
    joined: Mapping[str, int]

    @classmethod
    def of(cls, night: Night) -> Reign:
        """That of the champion that the night scores with."""
        champion = champion_as_of(night)
        reign = recorded_reigns(_looks_before(night), night.program.gate.first_champion)[-1]
        since = first_cohort_unknown_to(night.program, reign.began) if reign.began else FIRST_DAY
        rows = evidence_with_meaning(night, since)
        whole = pc.field("ds") < first_cohort_unknown_to(night.program, night.ds)
        against = whole & (pc.field("reference") == champion)
        rows = rows.filter(against).sort_by([("ds", "ascending"), ("policy", "ascending")])
        now = {name: policy_settings(night.program, name) for name in night.program.learners}
        who = [
            (row["policy"], row["policy_settings"], row["reference_settings"], row["meaning"])
            for row in rows.to_pylist()
        ]
        tonight = [
            (name, now[name], now[champion], evidence_meaning(night))
            for name in sorted(now)
            if name != champion
        ]
        met = list(dict.fromkeys([*who, *tonight]))  # in the order in which they joined; who did not is next
        joined = {one[0]: met.index(one) + 1 for one in tonight}
        as_tonight = pa.array([one in tonight for one in who], pa.bool_())
        return cls(champion, 1 + reign.looks, since, rows.filter(as_tonight), joined)

    def cases(self) -> dict[str, Case]:
        """What speaks for each challenger."""
        return {
            name: Case(name, place, e_process(self.evidence.filter(pc.field("policy") == name)))
            for name, place in self.joined.items()
        }


def champion_as_of(night: Night) -> str:
    """The champion that scores the night of ds: what the latest night before it recorded. Raises SpecError
    where the program has that learner no more, or another one under its name."""
    known = _looks_before(night)
    if not known.num_rows:
        return night.program.gate.first_champion
    last = known.filter(pc.equal(known["ds"], pc.max(known["ds"])))
    champion = str(last["champion_after"][0].as_py())
    then, now = last["champion_kind"][0].as_py(), night.program.learners.get(champion)
    if now is None or then not in (None, now.kind):
        renamed = (
            f"which learners.{champion}.kind says is {now.kind}" if now else "which learners has no more"
        )
        raise SpecError(
            f"the champion of {last['ds'][0]} is {champion!r}{f', a {then}' if then else ''}, {renamed}:"
            " keep it as it was until another is promoted, and declare what is new under another name"
        )
    return champion


def untaught_champion(night: Night) -> str:
    """A word on tonight's champion where no row has taught its model, as after a gap in the logs that is
    longer than the window: its slates are those of a learner that knows nothing. Empty otherwise."""
    champion, window = champion_as_of(night), night.program.training.window_days
    models = night.rows("models")
    (taught,) = models.filter(pc.equal(models["learner"], champion))["rows"].to_pylist() or [None]
    if taught != 0 or night.program.learners[champion].kind == "uniform":
        return ""
    return (
        f"the champion {champion} is fitted on 0 rows: none of the {window} days up to {night.ds} teaches it"
    )


def digest_of(night: Night, learner: str) -> str:
    """The digest of tonight's model of a learner. Raises ContractError if the night was not trained."""
    models = night.rows("models")
    found = models.filter(pc.equal(models["learner"], learner))["digest"].to_pylist()
    if not found:
        raise ContractError(f"the night of {night.ds} has no model of {learner}: run the step `train` first")
    return str(found[0])


def _looks_before(night: Night) -> pa.Table:
    looks = night.rows("promotions", since=FIRST_DAY)
    return looks.filter(pc.less(looks["ds"], pa.scalar(night.ds)))


def _weighed(night: Night, challenger: str, champion: str) -> Estimate:
    """Tonight's progressive difference of a challenger to the champion."""
    wanted = {
        "estimand": "progressive",
        "policy": challenger,
        "reference": champion,
        "estimator": night.program.judged_by,
    }
    for row in night.rows("evaluations").to_pylist():
        if all(row[name] == value for name, value in wanted.items()):
            return Estimate(**{name: row[name] for name in Estimate.__dataclass_fields__})
    raise ContractError(
        f"the night of {night.ds} has no evaluation of {wanted}: run the step `evaluate` first"
    )


def _rule(night: Night) -> GateRule:
    gate = night.program.gate
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
