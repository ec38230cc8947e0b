"""The reigns of champions, as the nights of a program recorded them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightslate.core.gate import Case
from nightslate.errors import ContractError, SpecError
from nightslate.pipeline.evidence_table import e_process, evidence_meaning, evidence_with_meaning
from nightslate.pipeline.night import IssueNight
from nightslate.programs.cohorts import first_cohort_unknown_to
from nightslate.programs.learners import LEARN_NOTHING
from nightslate.programs.meaning import policy_settings
from nightslate.programs.strict import FIRST_DAY
from nightslate.tables import Table


@dataclass(frozen=True)
class Recorded:
    """`began`: the night that made it champion, or of whose making nothing is recorded the first one that it
    had; None of the first champion. `looks`: how often the gate has looked while it reigned."""

    champion: str
    began: date | None
    looks: int = 0


def recorded_reigns(looks: pa.Table, first_champion: str) -> list[Recorded]:
    """Rows of `promotions`, in any order, as reigns in order, the last one that of the last night's champion.

    A night's champion is the one that a night before it left. Nights that left another by now, for they were
    run, or run again, after those that follow them, moved nothing and are passed over."""
    nights = {row["ds"]: row for row in looks.to_pylist()}
    chain: list[dict[str, Any]] = []
    for _, night in sorted(nights.items(), reverse=True):
        if not chain or night["champion_after"] == chain[-1]["champion_before"]:
            chain.append(night)
    if not chain:
        return [Recorded(first_champion, None)]
    first = chain[-1]
    begun = None if first["champion_before"] == first_champion else first["ds"]
    reigns = [Recorded(first["champion_before"], begun)]
    for night in reversed(chain):
        reigns[-1] = replace(reigns[-1], looks=reigns[-1].looks + 1)
        if night["champion_after"] != reigns[-1].champion:
            reigns.append(Recorded(night["champion_after"], night["ds"]))
    return reigns


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
    def as_of(cls, night: IssueNight, promotions: Table, evidence: Table) -> Reign:
        """That of the champion that the night scores with."""
        issue, looks = night.issue, _looks_before(night, promotions)
        champion = _champion(night, looks)
        reign = recorded_reigns(looks, issue.gate.first_champion)[-1]
        since = first_cohort_unknown_to(issue, reign.began) if reign.began else FIRST_DAY
        rows = evidence_with_meaning(night, evidence, since)
        whole = pc.field("ds") < first_cohort_unknown_to(issue, night.ds)
        against = whole & (pc.field("reference") == champion)
        rows = rows.filter(against).sort_by([("ds", "ascending"), ("policy", "ascending")])
        now = {name: policy_settings(issue, name) for name in issue.learners}
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


def champion_as_of(night: IssueNight, promotions: Table) -> str:
    """The champion that scores the night of ds: what the latest night before it recorded. Raises SpecError
    where the program has that learner no more, or another one under its name."""
    return _champion(night, _looks_before(night, promotions))


def champions_of(night: IssueNight, promotions: Table, nights: Iterable[date]) -> dict[date, str]:
    """Of nights up to this one the champion that each scored with: what the latest night before it
    recorded."""
    looks = _looks_before(night, promotions).sort_by("ds")
    recorded, after = looks["ds"].to_pylist(), looks["champion_after"].to_pylist()
    first = night.issue.gate.first_champion
    return {each: [first, *after][bisect_left(recorded, each)] for each in nights}


def _champion(night: IssueNight, looks: pa.Table) -> str:
    if not looks.num_rows:
        return night.issue.gate.first_champion
    last = looks.filter(pc.equal(looks["ds"], pc.max(looks["ds"])))
    champion = str(last["champion_after"][0].as_py())
    then, now = last["champion_kind"][0].as_py(), night.issue.learners.get(champion)
    if now is None or then not in (None, now.kind):
        renamed = (
            f"which learners.{champion}.kind says is {now.kind}" if now else "which learners has no more"
        )
        raise SpecError(
            f"the champion of {last['ds'][0]} is {champion!r}{f', a {then}' if then else ''}, {renamed}:"
            " keep it as it was until another is promoted, and declare what is new under another name"
        )
    return champion


def untaught_champion(night: IssueNight, promotions: Table, models: Table) -> str:
    """A word on tonight's champion where no row has taught its model, as after a gap in the logs that is
    longer than the window: its slates are those of a learner that knows nothing. Empty otherwise."""
    champion, window = champion_as_of(night, promotions), night.issue.training.window_days
    fitted = models.rows(night.ds, night.ds)
    (taught,) = fitted.filter(pc.equal(fitted["learner"], champion))["rows"].to_pylist() or [None]
    if taught != 0 or night.issue.learners[champion].kind in LEARN_NOTHING:
        return ""
    return (
        f"the champion {champion} is fitted on 0 rows: none of the {window} days up to {night.ds} teaches it"
    )


def digest_of(night: IssueNight, models: Table, learner: str) -> str:
    """The digest of tonight's model of a learner. Raises ContractError if the night was not trained."""
    fitted = models.rows(night.ds, night.ds)
    found = fitted.filter(pc.equal(fitted["learner"], learner))["digest"].to_pylist()
    if not found:
        raise ContractError(f"the night of {night.ds} has no model of {learner}: run the step `train` first")
    return str(found[0])


def _looks_before(night: IssueNight, promotions: Table) -> pa.Table:
    looks = promotions.rows(FIRST_DAY, night.ds)
    return looks.filter(pc.less(looks["ds"], pa.scalar(night.ds)))
