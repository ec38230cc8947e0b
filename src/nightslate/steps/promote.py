"""The gate: looks at tonight's evaluation, promotes a challenger or says what it lacks."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.contracts import arrow as arrow_contracts
from nightslate.core.estimators.diagnostics import Thresholds
from nightslate.core.estimators.estimate import Estimate
from nightslate.core.gate import Decision, GateRule, decide
from nightslate.errors import ContractError, SpecError
from nightslate.steps.night import ISSUE, Night

_DAY_BEFORE_ALL = date(1970, 1, 1)


def run(night: Night) -> str:
    """One row a challenger. The night's champion is that of the nights before, as they recorded it; an alias
    moves only if no later night has looked already."""
    champion, look = champion_as_of(night), looks_before(night) + 1
    challengers = sorted(set(night.program.learners) - {champion})
    differences = {name: _difference(night, name, champion) for name in challengers}
    decisions = {
        name: decide(difference, _rule(night), look, len(challengers))
        for name, difference in differences.items()
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
            "look": look,
            "alpha": decision.alpha_spent,
            "estimator": night.program.judged_by,
            "difference": differences[name].value,
            "lower": decision.lower,
        }
        for name, decision in decisions.items()
    ]
    table = night.table("promotions")
    schema = arrow_contracts.schema(table.contract, partition=False)
    table.replace(night.ds, pa.Table.from_pylist(rows, schema), night.commit_metadata)
    if max(table.snapshot().days()) == night.ds:
        version = night.registry.crown(digest_of(night, after))
        night.run().log_params({"champion_after": after, "champion_version": version})
    return (
        f"champion {champion} -> {after} at look {look}"
        if winner
        else f"champion stays {champion}, look {look}"
    )


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


def looks_before(night: Night) -> int:
    """How many nights before this one the gate has looked; each has spent a part of alpha."""
    return len(pc.unique(_looks_before(night)["ds"]))


def digest_of(night: Night, learner: str) -> str:
    """The digest of tonight's model of a learner. Raises ContractError if the night was not trained."""
    models = night.rows("models")
    found = models.filter(pc.equal(models["learner"], learner))["digest"].to_pylist()
    if not found:
        raise ContractError(f"the night of {night.ds} has no model of {learner}: run the step `train` first")
    return str(found[0])


def _looks_before(night: Night) -> pa.Table:
    looks = night.rows("promotions", since=_DAY_BEFORE_ALL)
    return looks.filter(pc.less(looks["ds"], pa.scalar(night.ds)))


def _difference(night: Night, challenger: str, champion: str) -> Estimate:
    """Tonight's paired difference of a challenger to the champion, by the gate's estimator."""
    wanted = {"policy": challenger, "reference": champion, "estimator": night.program.judged_by}
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
        margin=gate.margin,
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
